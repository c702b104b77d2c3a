"""How fast forecasts learn, and what they cost: against the truth, and against the mean of the finished.

    python benchmarks/forecast.py

One batch an hour is sent up to now, so the last ones still run. Printed is the mean error of P(done within 1,
4 and 8 h) in points, over 40 repetitions, for the three profiles of the sandbox; in brackets the same for the
share of those that have finished ("-" where in some repetition none had).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

from lanewise.domain.lanes import BATCH
from lanewise.policy.completion import Completion, Observation

HOUR = 3_600.0
NOW = 1_796_000_000.0
REPEATS = 40
ASKED = (1, 4, 8)  # hours


def fast(dice: random.Random) -> float:
    return 60.0 * math.exp(dice.gauss(0.0, math.log(7) / 1.2816))


def typical(dice: random.Random) -> float:
    part = dice.random()
    if part < 0.70:
        return min(420.0 * math.exp(dice.gauss(0.0, 1.0)), HOUR)
    if part < 0.90:
        return dice.uniform(1.0, 4.0) * HOUR
    return dice.uniform(4.0, 23.9) * HOUR if part < 0.99 else math.inf


def bad_day(dice: random.Random) -> float:
    return math.inf if dice.random() < 0.5 else dice.uniform(5.0, 20.0) * HOUR


def observe(
    profile: Callable[[random.Random], float], count: int, dice: random.Random
) -> list[Observation]:
    seen = []
    for n in range(1, count + 1):
        took, looked = profile(dice), min(n * HOUR, 24 * HOUR)
        started = NOW - n * HOUR
        seen.append(
            Observation("openai", BATCH, "m", 1_000, started, min(took, looked), took <= looked)
        )
    return seen


def share(times: Sequence[float], hours: int) -> float:
    return sum(one <= hours * HOUR for one in times) / len(times) if times else math.nan


def learning() -> None:
    print(
        "| profile | own batches | within 1 h | within 4 h | within 8 h |\n|---|---:|---:|---:|---:|"
    )
    for name, profile in (("fast", fast), ("typical", typical), ("bad-day", bad_day)):
        dice = random.Random(1)
        truth = [profile(dice) for _ in range(50_000)]
        for count in (0, 3, 10, 30, 100):
            ours, naive = dict.fromkeys(ASKED, 0.0), dict.fromkeys(ASKED, 0.0)
            for _ in range(REPEATS):
                seen = observe(profile, count, dice)
                curve = Completion(seen, NOW).curve("openai", BATCH, "m", 1_000, NOW)
                finished = [one.seconds for one in seen if one.finished]
                for hours in ASKED:
                    true = share(truth, hours)
                    ours[hours] += abs(curve.done_within(hours * HOUR) - true) / REPEATS
                    naive[hours] += abs(share(finished, hours) - true) / REPEATS
            cells = " | ".join(f"{points(ours[h])} ({points(naive[h])})" for h in ASKED)
            print(f"| {name} | {count} | {cells} |")


def points(error: float) -> str:
    return "-" if math.isnan(error) else f"{100 * error:.0f}"


def speed() -> None:
    dice = random.Random(3)
    seen = [
        Observation("openai", BATCH, f"m{n % 20}", 10 ** (n % 6), NOW - n * 300.0,
                    dice.expovariate(1e-3), n % 9 > 0)
        for n in range(10_000)
    ]  # fmt: skip
    built = least(lambda: Completion(seen, NOW))
    known = Completion(seen, NOW)
    made = least(lambda: Completion(seen[:1], NOW).curve("openai", BATCH, "m0", 1, NOW))
    curve = known.curve("openai", BATCH, "m1", 10, NOW)
    looked = least(lambda: [known.curve("openai", BATCH, "m1", 10, NOW) for _ in range(100_000)])
    asked = least(lambda: [curve.done_within(3_000.0) for _ in range(100_000)])
    print(
        f"10,000 observations taken in {built:.3f} s; a curve made in {1_000 * made:.1f} ms; a second holds"
    )
    print(
        f"{1e-1 / looked:.1f} million look-ups or {1e-1 / asked:.1f} million questions to a curve"
    )


def least(work: Callable[[], object]) -> float:
    """The least of five times, in seconds."""
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


if __name__ == "__main__":
    learning()
    speed()
