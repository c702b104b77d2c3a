// Evaluates what `lanewise.pricing.calculator.coefficients` exports; returns USD a month for each lane.
// A lane whose price is unknown is left out. Unknown is NaN inside; a share of nothing needs no price.
// scenario: {model, requests (a month; null where input and output are tokens a month),
//            input: [p50, p95], output: [p50, p95], cached, waitShare, rescue, waste}; shares from 0 to 1.
function monthly(coefficients, scenario) {
  const lanes = coefficients.models[scenario.model].lanes;
  const [in50, in95] = scenario.input, [out50, out95] = scenario.output;
  const single = scenario.requests === null || (in50 === in95 && out50 === out95);
  const low = (p50, p95) => (p95 ? (p50 * p50) / p95 : 0);
  const points = single
    ? [[1, in50, out50]]
    : [[low(in50, in95), low(out50, out95)], [in50, out50], [in95, out95]].map((pair, i) => [
        coefficients.weights[i][0] / coefficients.weights[i][1], ...pair]);
  const times = (share, value) => (share ? share * value : 0);
  const plain = (lane) => lane === undefined ? NaN : (scenario.requests ?? 1) * points.reduce((sum, [weight, input, output]) => {
    const fitting = lane.prices.filter(([above]) => above === 0 || (scenario.requests !== null && input > above));
    const [, price, cached, out] = fitting[fitting.length - 1];
    const each = times(input * (1 - scenario.cached), price) + times(input * scenario.cached, cached) + times(output, out);
    return sum + (weight * each) / 1e6;
  }, 0);
  const realtime = plain(lanes.realtime);
  const { waitShare: waits, rescue, waste } = scenario;
  return Object.fromEntries(Object.entries(lanes).map(([name, lane]) => [name, name === "realtime" ? realtime
    : times(waits * (1 - rescue + waste), plain(lane)) + times(waits * rescue + 1 - waits, realtime)])
    .filter(([, usd]) => !Number.isNaN(usd)));
}
if (typeof module !== "undefined") module.exports = { monthly };
