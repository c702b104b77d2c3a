"""What the policy is measured against, in the same world and with the same batches.

`clairvoyant` is a bound that nobody can reach: every request pays the least price among the lanes in which
its own answer would be done in time, had it been sent when it came: results of a batch up to the very
deadline, without waiting for company, for the end of a cancellation, or for a free call.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import inf
from typing import Final

from lanewise.domain.lanes import BATCH, FLEX, REALTIME
from lanewise.replay.beliefs import Prior
from lanewise.replay.engine import Replay
from lanewise.replay.flights import Flight
from lanewise.replay.nouns import Arrivals, Menu, Sold
from lanewise.replay.worlds import World

_GOLDEN: Final = 0.6180339887498949
_SERIAL_CALL: Final = 3.0  # seconds of one call after another
_FLEX_SECONDS: Final = 300.0
_A_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Tally:
    """What a rival comes to."""

    cost_nano: int
    met: int
    waste_nano: int = 0


def all_realtime(arrivals: Arrivals, menu: Menu) -> Tally:
    """Every request in real time when it comes, as far as the limits allow."""
    outcome = Replay(
        arrivals, menu, World("fast", 0), Prior(), allowed=(frozenset({REALTIME}),)
    ).run()
    return Tally(outcome.cost_nano, outcome.met)


def all_batch(arrivals: Arrivals, menu: Menu, world: World) -> tuple[Tally, list[Flight]]:
    """Every request in a batch, waited for; what expires is asked again. And the batches."""
    replay = Replay(arrivals, menu, world, Prior(), allowed=(frozenset({BATCH}),))
    outcome = replay.run()
    seen: set[int] = set()
    first: list[Flight] = []
    for flight in replay.flights:
        if flight.which[0] not in seen:
            first.append(flight)
            seen.update(flight.which)
    return Tally(outcome.cost_nano, outcome.met, outcome.waste_nano), first


def fixed_buffer(arrivals: Arrivals, menu: Menu, first: list[Flight]) -> Tally:
    """As peers do: at 15 % of the slack before the deadline, 1 to 10 minutes, an unfinished batch is
    given up with what is done in it, and all of it is asked again in real time, one after another.
    """
    batch, real = menu.sold(BATCH), menu.sold(REALTIME)
    cost = waste = met = 0
    rescues: list[tuple[float, list[int]]] = []
    for flight in first:
        assert flight.timing is not None
        deadline = flight.load.deadline
        buffer = min(max(0.15 * (deadline - flight.started_at), 60.0), 600.0)
        done = flight.timing.done(len(flight.which), deadline - buffer - flight.started_at)
        paid = batch.nano(arrivals.tokens(flight.which[:done]))
        cost += paid
        if flight.started_at + flight.timing.ends <= deadline - buffer:
            met += done
            continue
        waste += paid
        rescues.append((deadline - buffer, list(flight.which)))
        cost += real.nano(arrivals.tokens(flight.which))
    free = -inf
    for begins, which in sorted(rescues):
        free = max(free, begins)
        for one in which:
            free += _SERIAL_CALL
            met += free <= arrivals.deadline[one]
    return Tally(cost, met, waste)


def clairvoyant(arrivals: Arrivals, menu: Menu, world: World, first: list[Flight]) -> Tally:
    """The bound; `first` are the batches in which the requests were or would have been sent."""
    by_price = sorted(menu.lanes, key=lambda sold: sold.nano((1_000, 1_000)))
    batched = _completions(first, len(arrivals))
    cost = 0
    for one, at in enumerate(arrivals.at):
        slack = arrivals.deadline[one] - at
        tokens = (arrivals.input[one], arrivals.output[one])
        lane = next(
            sold for sold in by_price if _takes(sold, one, at, world, batched[one]) <= slack
        )
        cost += lane.nano(tokens)
    return Tally(cost, len(arrivals))


def _takes(sold: Sold, one: int, at: float, world: World, batched: float) -> float:
    """Seconds from a request's coming until this lane would have answered it."""
    lane = sold.offer.lane
    if lane == REALTIME:
        return 0.0
    if lane == BATCH:
        return batched
    if lane == FLEX:
        return _flex(world, at) + _FLEX_SECONDS
    return world.timing(sold, "").completes((one * _GOLDEN) % 1.0)


def _flex(world: World, at: float) -> float:
    """Seconds until flex has capacity."""
    tries = (after for after in range(0, _A_DAY, 60) if world.accepts(at + after, 1, 0.5))
    return next(tries, inf)


def _completions(first: list[Flight], requests: int) -> array[float]:
    found = array("d", [inf]) * requests
    for flight in first:
        assert flight.timing is not None
        count, timing = len(flight.which), flight.timing
        whole = timing.ends if timing.share == 1.0 else inf
        for place, one in enumerate(flight.which, start=1):
            partial = timing.completes(place / count)
            found[one] = whole if flight.sold.offer.lets_run else partial
    return found
