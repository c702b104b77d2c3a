"""One window of arrivals through the lanes, decided by the policy as the live lanes decide."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, TypeAlias

from lanewise.domain.deadlines import By, Deadline, Whenever
from lanewise.domain.lanes import BATCH, FLEX, REALTIME, LaneName
from lanewise.domain.packing import Limits
from lanewise.policy.choosing import Chooser, Ladder, Option
from lanewise.policy.options import FLEX_NEEDS
from lanewise.policy.packing import (
    Ripe,
    batch_size,
    deadline_class,
    linger,
)
from lanewise.policy.rescuing import LONGEST_WAIT, Load, earliest_promise, fits, next_try
from lanewise.replay.agenda import Agenda
from lanewise.replay.beliefs import Belief
from lanewise.replay.books import Books
from lanewise.replay.calls import FLEX_CALL, Calls
from lanewise.replay.flights import Flight, Flights
from lanewise.replay.nouns import Arrivals, Menu, Outcome, Sold
from lanewise.replay.packs import Pack, Trial
from lanewise.replay.room import Room
from lanewise.replay.worlds import Conditions

_HOUR: Final = 3_600.0
_GOLDEN: Final = 0.6180339887498949  # its multiples spread evenly over 0 to 1
NOWHERE: Final = LaneName("")
_AGAIN: Final = 60.0  # seconds until a lane without another after it is asked once more
_Key: TypeAlias = tuple[LaneName, int | None, int]  # lane, deadline class, kind


class Replay:
    """All arrivals of one model in one world."""

    def __init__(
        self,
        arrivals: Arrivals,
        menu: Menu,
        world: Conditions,
        belief: Belief,
        *,
        allowed: Sequence[frozenset[LaneName]] | None = None,
    ) -> None:
        """`allowed`: for each kind of request the lanes that its rule allows; None: one, all on the menu."""
        self._arrivals, self._menu, self._world, self._belief = arrivals, menu, world, belief
        self._allowed = (menu.names,) if allowed is None else tuple(allowed)
        self._agenda = Agenda()
        self._books = Books(arrivals, menu)
        self._calls = Calls(arrivals, menu, self._agenda, self._books)
        self._room = Room(arrivals, menu, self._agenda, self._books.outcome)
        self._chooser: Chooser[tuple[LaneName, int]] = Chooser(self._options)
        self._flights = Flights(
            self._agenda, self._books, self._calls, belief, self._faster,
            self._send_rescue, self._waiting_loads, self._left, self._chooser.forget,
        )  # fmt: skip
        self._mean = arrivals.mean
        self._limits = Limits(
            menu.batch_requests,
            batch_bytes=1 << 62,
            line_bytes=1 << 62,
            creations_per_hour=menu.creations_per_hour,
            min_batch_requests=menu.floor,
        )
        self._packs: dict[_Key, Pack] = {}
        self._trying: dict[str, Load] = {}  # asked of flex, refused so far
        self._numbers: dict[str, int] = {}
        self._asked = 0

    @property
    def flights(self) -> list[Flight]:
        """Everything that was handed over as a batch or parcel, in order."""
        return self._flights.log

    @property
    def books(self) -> Books:
        """Who was answered when and by which lane."""
        return self._books

    def run(self) -> Outcome:
        """To the last answer."""
        agenda, arrivals = self._agenda, self._arrivals
        for one in range(len(arrivals)):
            agenda.until(arrivals.at[one])
            self._arrive(one, arrivals.at[one], arrivals.deadline[one])
        agenda.until(inf)
        return self._books.outcome

    def _arrive(self, one: int, now: float, at: float) -> None:
        key = (NOWHERE, self._arrivals.kind[one])
        choice = self._chooser.choose(key, _deadline(at - self._flights.crowd), now)
        tight = at - now < 2 * self._calls.lead
        if tight or (choice.lane in (REALTIME, FLEX) and not self._calls.idle):
            at = self._promise((one,), at)
        self._send(choice.order, (one,), at)

    def _options(self, of: tuple[LaneName, int]) -> list[Option]:
        """What a request of a kind may use that is in a lane now, or is `NOWHERE` yet."""
        lane, kind = of
        now = None if lane == NOWHERE else self._menu.sold(lane)
        return [
            self._option(found)
            for found in self._menu.lanes
            if found.offer.lane in self._allowed[kind] and (now is None or found.quicker(now))
        ]

    def _faster(self, flight: Flight) -> Ladder | None:
        key = (flight.sold.offer.lane, self._kind(flight.which))
        return self._chooser.ladder(key) if self._options(key) else None

    def _kind(self, which: Sequence[int]) -> int:
        """What goes together is of one kind."""
        return self._arrivals.kind[which[0]]

    def _option(self, sold: Sold) -> Option:
        lane = sold.offer.lane
        needs = {REALTIME: self._calls.lead, FLEX: FLEX_NEEDS}.get(lane)
        needs = needs or sold.offer.window_seconds or 24 * _HOUR
        return Option(
            sold.offer,
            sold.nano(self._mean) if sold.typical_nano is None else sold.typical_nano,
            self._belief.outlook(lane),
            needs if sold.needs is None else sold.needs,
            self._belief.refuses(lane),
        )

    # -- sending -----------------------------------------------------------------------------------
    def _send(self, lanes: tuple[LaneName, ...], which: Sequence[int], deadline: float) -> None:
        """To the first of these lanes; what it refuses to the next."""
        lane = lanes[0] if lanes else REALTIME
        if lane == REALTIME:
            self._call(which, deadline)
        elif lane == FLEX:
            self._send_flex(lanes, which, deadline)
        else:
            self._gather(lanes, which, deadline)

    def _send_rescue(self, lanes: tuple[LaneName, ...], which: Sequence[int], at: float) -> None:
        """Without waiting for company."""
        now = self._agenda.now
        if not lanes:  # what the provider let expire is asked again, like new
            lanes = self._chooser.choose((NOWHERE, self._kind(which)), _deadline(at), now).order
        if lanes[0] == FLEX:
            self._try_flex(self._trial(lanes[1:], at), which, now)
        elif lanes[0] == REALTIME:
            self._call(which, at)
        else:
            self._launch(lanes[0], which, at)

    def _call(self, which: Sequence[int], deadline: float) -> None:
        self._calls.send(REALTIME, which, deadline)

    def _send_flex(self, lanes: tuple[LaneName, ...], which: Sequence[int], at: float) -> None:
        """Asked once where a lane that waits comes next, and again and again where real time does."""
        refused = self._ask_flex(which, at)
        if refused and lanes[1:] in ((REALTIME,), ()):
            self._gather(lanes, refused, at)
        elif refused:
            self._send(lanes[1:], refused, at)

    def _trial(self, after: tuple[LaneName, ...], deadline: float) -> Trial:
        until = inf if after in ((REALTIME,), ()) else self._agenda.now + FLEX_NEEDS
        return Trial(self._name("flex"), after, deadline, until)

    def _ask_flex(self, which: Sequence[int], deadline: float) -> Sequence[int]:
        """What flex refuses; a rate limit that is used up is as good as a refusal."""
        if self._calls.wait() > LONGEST_WAIT:
            return which
        self._asked += 1
        dice = (self._asked * _GOLDEN) % 1.0
        taken = self._world.accepts(self._agenda.now, len(which), dice)
        if taken:
            self._calls.send(FLEX, which[:taken], deadline)
        return which[taken:]

    def _try_flex(self, trial: Trial, which: Sequence[int], now: float) -> None:
        refused = self._ask_flex(which, trial.deadline)
        self._trying.pop(trial.name, None)
        if not refused:
            return
        self._trying[trial.name] = self._load(trial.name, refused, trial.deadline)
        start = self._flights.starts().get(trial.name, now)
        again = next_try(now, min(start, trial.until), FLEX_CALL)
        if again is None and not trial.after:
            again = now + _AGAIN
        if again is not None:
            self._agenda.at(again, lambda at: self._try_flex(trial, refused, at))
        else:
            del self._trying[trial.name]
            self._send_rescue(trial.after, refused, trial.deadline)

    def _promise(self, which: Sequence[int], deadline: float) -> float:
        """The deadline, if real time alone has room for everything; else the earliest that can be kept.

        Nothing is promised to those that may not take real time.
        """
        if REALTIME not in self._allowed[self._kind(which)]:
            return deadline
        flying = [flight.load for flight in self._flights.live.values()]
        others = [one for one in (*flying, *self._waiting_loads()) if one.deadline < inf]
        load, drain, now = self._load("new", which, deadline), self._calls.drain(), self._agenda.now
        if deadline == inf or fits((*others, load), drain, now - drain.margin / 3):
            return deadline
        self._books.unpromised(which)
        return max(earliest_promise(load, others, drain, now), deadline)

    # -- gathering ---------------------------------------------------------------------------------
    def _gather(self, lanes: tuple[LaneName, ...], which: Sequence[int], deadline: float) -> None:
        now = self._agenda.now
        slack = None if deadline == inf else deadline - now
        key = (lanes[0], deadline_class(slack), self._kind(which))
        pack = self._packs.get(key)
        if pack is None:
            name = f"{lanes[0]}:{key[1]}:{key[2]}"
            size = batch_size(
                slack, self._calls.drain(), sum(self._mean), self._limits, self._menu.queued_tokens
            )
            pack = Pack(name, lanes, now, deadline, size)
            self._packs[key] = pack
            wait = linger(slack, self._room.creations(now))
            self._agenda.at(now + wait, lambda at: self._close(pack, key, at))
        pack.which.extend(which)
        pack.deadline = min(pack.deadline, deadline)
        if len(pack.which) >= pack.size:
            self._close(pack, key, now)

    def _close(self, pack: Pack, key: _Key, now: float) -> None:
        if self._packs.get(key) is not pack:  # it left before, full
            return
        limits = self._limits if key[0] == BATCH else Limits(1 << 40, 1 << 62, 1 << 62)
        ripe = pack.open_batch().ripe(pack.size, limits, now, self._room.creations(now))
        if ripe is Ripe.WAIT:
            self._agenda.at(now + 60.0, lambda at: self._close(pack, key, at))
            return
        del self._packs[key]
        pack.deadline = self._promise(pack.which, pack.deadline)
        rest = tuple(lane for lane in pack.order[1:] if lane != BATCH)
        if ripe is Ripe.SPILL and rest:
            self._send(rest, pack.which, pack.deadline)
        else:
            self._send_rescue(pack.order, pack.which, pack.deadline)

    def _launch(self, lane: LaneName, which: Sequence[int], at: float) -> None:
        sold, now = self._menu.sold(lane), self._agenda.now
        slack = deadline_class(_slack(at, now))
        load = self._load(self._name(f"{lane}:{slack}"), which, at)
        flight = Flight(load, sold, self._option(sold), which, now)
        if lane != BATCH or self._room.takes(flight):
            self._depart(flight)
        else:
            self._room.hold(flight, self._depart)
            self._flights.launch(flight, None)

    def _depart(self, flight: Flight) -> None:
        if flight.sold.offer.lane == BATCH:
            self._room.took(flight)
        self._flights.launch(flight, self._world.timing(flight.sold, flight.load.id))

    def _left(self, flight: Flight) -> None:
        if flight.sold.offer.lane == BATCH:
            self._room.left(flight)

    # -- what waits here ---------------------------------------------------------------------------
    def _waiting_loads(self) -> list[Load]:
        packs = [
            self._load(pack.name, pack.which, pack.deadline)
            for pack in self._packs.values()
            if pack.deadline < inf and pack.which
        ]
        return [*packs, *self._trying.values()]

    def _load(self, name: str, which: Sequence[int], deadline: float) -> Load:
        return Load(name, deadline, len(which), sum(self._arrivals.tokens(which)))

    def _name(self, kind: str) -> str:
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{kind}:{number:07}"


def _deadline(at: float) -> Deadline:
    return Whenever() if at == inf else By(at)


def _slack(deadline: float, now: float) -> float | None:
    return None if deadline == inf else deadline - now
