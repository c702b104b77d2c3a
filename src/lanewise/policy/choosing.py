"""Which lane: the cheapest way, in expectation, that still arrives on time.

A request is first put where waiting is cheap, and taken out again at the last moment from which a faster
lane still delivers it. So a way is a *ladder*: lanes that may refuse and are asked first (a refusal costs
nothing and comes at once), the lane that is given all the time there is, and the faster lanes that follow
one another when it has not delivered. What comes after the lane that waits takes a fixed time and has a fixed
expectation, so the cost of a ladder falls as slack grows, and with it the cost of the best one.

Chances and expectations are floats, money is nano-USD, times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import itemgetter
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from lanewise.domain.deadlines import AtOnce, By, Deadline, Whenever
from lanewise.domain.lanes import LaneName, Offer
from lanewise.errors import BadInput
from lanewise.policy.saying import dollars, lane_said, percent, span

K = TypeVar("K", bound=Hashable)

MISS: Final = (
    20.0  # a late answer counts as this many times the dearest lane when ladders are compared
)
WORTH: Final = 0.1  # a chance below this is not tried where another lane would have to follow
_DAY: Final = 86_400.0
_ROUNDING: Final = 2.0  # nano-USD: weights so near may be equal once they are rounded
_HORIZON: Final = 30 * _DAY  # beyond it, more slack changes nothing


class Outlook(Protocol):
    """How long a lane takes, as far as is known."""

    def done_within(self, seconds: float) -> float:
        """The chance to be done within so many seconds: from 0 to 1, never falling."""

    def given(self, elapsed: float) -> Outlook:
        """The same for what is still running after `elapsed` seconds, counted from then."""


@dataclass(frozen=True, slots=True)
class Option:
    """A lane that rules, data terms and endpoint allow for one class of requests."""

    offer: Offer
    cost_nano: int  # expected, of one request
    outlook: Outlook  # of what is sent there, from the moment it is handed over
    needs: float  # seconds it is given where another lane waited before it; a call is sure in that time
    refuses: float = (
        0.0  # the chance that it has no capacity however often it is asked in that time
    )

    @property
    def lane(self) -> LaneName:
        """Its lane."""
        return self.offer.lane

    @property
    def leaving(self) -> float:
        """Seconds from giving it up until what is missing may be sent elsewhere."""
        return (
            0.0 if self.offer.lets_run or not self.offer.cancellable else self.offer.cancel_seconds
        )

    @property
    def late_nano(self) -> int:
        """Paid for an answer that comes after it was given up: nothing where cancelling prevents it."""
        offer = self.offer
        kept = offer.cancellable and (offer.one_by_one or offer.partial_on_cancel)
        return 0 if kept else self.cost_nano

    def delivers(self, seconds: float) -> float:
        """The chance that it takes the request and answers within so many seconds."""
        if self.offer.window_seconds is None and self.offer.one_by_one and seconds >= self.needs:
            return 1.0 - self.refuses
        return (1.0 - self.refuses) * self.outlook.done_within(seconds) if seconds > 0 else 0.0


class Hope(NamedTuple):
    """What to expect of a way from here on."""

    nano: float  # what it costs
    miss: float  # the chance that the answer comes too late

    def after(self, option: Option, seconds: float) -> Hope:
        """This, if `option` is tried for so many seconds before it."""
        return self.given(option, option.delivers(seconds))

    def given(self, option: Option, done: float) -> Hope:
        """This, if `option` is tried before it and has delivered by then with the chance `done`."""
        slow = (1.0 - option.refuses) - done
        return Hope(
            done * option.cost_nano + slow * option.late_nano + (1.0 - done) * self.nano,
            (1.0 - done) * self.miss,
        )


NOWHERE: Final = Hope(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Tail:
    """The faster lanes that follow when the one that waits has not delivered, in order."""

    options: tuple[Option, ...]
    lead: float  # seconds before the deadline at which the first of them must be handed the work
    hope: Hope

    @property
    def lanes(self) -> tuple[LaneName, ...]:
        """Their names."""
        return tuple(option.lane for option in self.options)


def tails(options: Sequence[Option]) -> tuple[Tail, ...]:
    """Every way to go on with some of these lanes, slower ones first; the empty one included."""
    slowest_first = sorted(options, key=lambda option: -option.needs)
    chosen = (
        picked
        for count in range(len(slowest_first) + 1)
        for picked in combinations(slowest_first, count)
    )
    return tuple(_tail(picked) for picked in chosen)


def _tail(options: tuple[Option, ...]) -> Tail:
    hope, lead = NOWHERE, 0.0
    for option in reversed(options):
        last = hope is NOWHERE
        done = option.delivers(option.needs)
        hope = _last(option, done) if last else hope.given(option, done)
        lead += option.needs + (0.0 if last else option.leaving)
    return Tail(options, lead, hope)


def _last(option: Option, done: float) -> Hope:
    """Nothing follows: what it accepts is paid for, late or not."""
    return Hope((1.0 - option.refuses) * option.cost_nano, 1.0 - done)


@dataclass(frozen=True, slots=True)
class Way:
    """A ladder: `asked` first (they may refuse), then `waits`, then the tail."""

    asked: tuple[Option, ...]
    waits: Option
    tail: Tail

    @property
    def order(self) -> tuple[LaneName, ...]:
        """The lanes in the order in which they are tried."""
        return (*(option.lane for option in self.asked), self.waits.lane, *self.tail.lanes)

    @property
    def leave(self) -> float:
        """Seconds before the deadline at which the lane that waits is given up."""
        return self.tail.lead + (self.waits.leaving if self.tail.options else 0.0)

    def patience(self, slack: float) -> float:
        """Seconds that the lane that waits is given; a refusal takes none."""
        return slack - self.leave

    @property
    def least(self) -> float:
        """The least slack that leaves time for a call that was taken and then failed.

        A call that was taken cannot be taken back, so none is made that could not be waited for.
        """
        last = (self.waits, *self.tail.options)[-1]
        calls = sum(option.needs for option in self.asked)
        if self.waits.offer.may_refuse and last is not self.waits:
            calls += self.waits.needs
        return calls + last.needs if calls else 0.0

    def hope(self, done: float) -> Hope:
        """What to expect if the lane that waits delivers with this chance: a straight line over it."""
        found = (
            self.tail.hope.given(self.waits, done) if self.tail.options else _last(self.waits, done)
        )
        for option in reversed(self.asked):
            found = found.after(option, option.needs)
        return found


@dataclass(frozen=True, slots=True)
class Choice:
    """Where requests of one class go."""

    lane: LaneName
    order: tuple[LaneName, ...]  # tried in this order; `lane` is the first
    why: str  # one sentence for people
    expected_nano: int  # of one request, rescue and waste included
    chance: float  # that it arrives in time
    leave: float = 0.0  # seconds before the deadline at which the lane that waits is given up


class _Waits(NamedTuple):
    """Ways with the same lane that waits and the same time to give it up, so with the same chance."""

    option: Option
    leave: float
    followed: bool  # by faster lanes
    lines: list[tuple[float, float, float, Way]]  # least slack; weight at no chance; more, if sure

    def done_within(self, slack: float) -> float | None:
        """The chance that it delivers; None where it is not tried."""
        if slack <= self.leave:
            return None
        done = self.option.delivers(slack - self.leave)
        return None if self.followed and done < WORTH else done


class Ladder:
    """All the ways that a class of requests may take, worked out once; `choose` is then quick."""

    def __init__(self, options: Sequence[Option]) -> None:
        """Raises `BadInput` where nothing is allowed."""
        if not options:
            raise BadInput(
                "no lane is left for these requests: their rule, data terms and endpoint exclude every lane "
                "that the provider sells; allow one in policy.toml"
            )
        self.options = tuple(options)
        self.tails = tails(options)
        self._miss = MISS * max(option.cost_nano for option in options)
        waits: dict[tuple[LaneName, float, bool], _Waits] = {}
        for way in _ways(self.options, self.tails):
            same = (way.waits.lane, way.leave, bool(way.tail.options))
            found = waits.setdefault(same, _Waits(way.waits, way.leave, bool(way.tail.options), []))
            none, sure = (self._weight(way.hope(done)) for done in (0.0, 1.0))
            found.lines.append((way.least, none, sure - none, way))
        self._waits = tuple(waits.values())

    def choose(self, deadline: Deadline, now: float) -> Choice:
        """The lane for requests that are wanted by then."""
        match deadline:
            case By(at):
                return self.within(at - now)
            case Whenever():
                return self.whenever()
            case AtOnce():
                return self.at_once()

    def within(self, slack: float) -> Choice:
        """The least expected cost among the ways that can arrive; of equals the surest.

        With less slack than any lane needs, the quickest: late is better than never.
        """
        found = [
            (none + more * done, done, way)
            for waits in self._waits
            if (done := waits.done_within(slack)) is not None
            for least, none, more, way in waits.lines
            if slack >= least
        ]
        if not found:
            return self._too_late(slack)
        near = min(found, key=itemgetter(0))[0] + _ROUNDING
        hopes = [(way, way.hope(done)) for weight, done, way in found if weight <= near]
        way, hope = min(
            hopes, key=lambda found: (self.weigh(found[1]), -_sureness(found[0], slack))
        )
        return Choice(
            way.order[0],
            way.order,
            _why(way, hope, slack, self.quickest),
            round(hope.nano),
            1.0 - hope.miss,
            way.leave,
        )

    def weigh(self, hope: Hope) -> int:
        """Expected cost in nano-USD with the danger of being late in it, for comparing."""
        return round(self._weight(hope))

    def _weight(self, hope: Hope) -> float:
        return hope.nano + hope.miss * self._miss

    @property
    def quickest(self) -> Option:
        """The lane that needs the least time."""
        return min(self.options, key=lambda option: (option.needs, option.refuses))

    def whenever(self) -> Choice:
        """The least price, however long it takes; of equals the surest to be done in a day."""
        cheapest = sorted(self.options, key=lambda o: (o.cost_nano, -o.delivers(_DAY)))
        order: list[LaneName] = []
        for option in cheapest:
            order.append(option.lane)
            if not option.offer.may_refuse:
                break
        first = cheapest[0]
        why = f"{lane_said(first.lane)}: {dollars(first.cost_nano)}, the least price; nobody waits for it"
        return Choice(first.lane, tuple(order), why, first.cost_nano, 1.0)

    def at_once(self) -> Choice:
        """The lane that is quickest."""
        found = self.quickest
        why = f"{lane_said(found.lane)}: somebody waits for the answer"
        return Choice(found.lane, (found.lane,), why, found.cost_nano, found.delivers(found.needs))

    def _too_late(self, slack: float) -> Choice:
        found = self.quickest
        why = (
            f"{lane_said(found.lane)}: {span(max(slack, 0.0))} are left and the quickest lane needs "
            f"{span(found.needs)}; sent at once, it may be late"
        )
        chance = found.delivers(max(slack, 0.0))
        return Choice(found.lane, (found.lane,), why, found.cost_nano, chance)


def _ways(options: tuple[Option, ...], after: tuple[Tail, ...]) -> Iterator[Way]:
    refusing = tuple(option for option in options if option.offer.may_refuse)
    asked = [picked for n in range(len(refusing) + 1) for picked in combinations(refusing, n)]
    for waits in options:
        for tail in after:
            if all(option.needs < waits.needs for option in tail.options):
                later = {waits.lane, *tail.lanes}
                yield from (
                    Way(first, waits, tail)
                    for first in asked
                    if later.isdisjoint(option.lane for option in first)
                )


def _sureness(way: Way, slack: float) -> float:
    first = way.asked[0] if way.asked else way.waits
    return first.delivers(first.needs if way.asked else way.patience(slack))


def _why(way: Way, hope: Hope, slack: float, dearest: Option) -> str:
    lanes = " then ".join(lane_said(option.lane) for option in (*way.asked, way.waits))
    text = f"{lanes}: {dollars(hope.nano)} expected"
    if dearest.lane not in (way.waits.lane, *(option.lane for option in way.asked)):
        text += f" against {dollars(dearest.cost_nano)} in {lane_said(dearest.lane)}"
    if not way.tail.options:
        return f"{text}; {percent(1.0 - hope.miss)} arrive in time"
    patience = way.patience(slack)
    done = percent(way.waits.delivers(patience))
    then = " or ".join(lane_said(lane) for lane in way.tail.lanes)
    return (
        f"{text}; {done} of {lane_said(way.waits.lane)} work like this is done within {span(patience)}; "
        f"what is not goes to {then} {span(way.leave)} before the deadline"
    )


class Chooser(Generic[K]):
    """Remembers choices by class, so that a request costs a look-up.

    `options` gives what a class may use; slack is rounded down, so a remembered choice never counts on
    time that is not there. What it knows of lanes changes: `forget` then.
    """

    def __init__(self, options: Callable[[K], Sequence[Option]]) -> None:
        self._options = options
        self._ladders: dict[K, Ladder] = {}
        self._within: dict[tuple[K, int], Choice] = {}

    def choose(self, key: K, deadline: Deadline, now: float) -> Choice:
        """The lane for a request of this class. Raises `BadInput` where no lane is allowed."""
        if not isinstance(deadline, By):
            return self.ladder(key).choose(deadline, now)
        slack = steps(deadline.at - now)
        found = self._within.get((key, slack))
        if found is None:
            found = self._within[key, slack] = self.ladder(key).within(float(slack))
        return found

    def ladder(self, key: K) -> Ladder:
        """The ways of a class."""
        found = self._ladders.get(key)
        if found is None:
            found = self._ladders[key] = Ladder(self._options(key))
        return found

    def forget(self) -> None:
        """What was known of the lanes has changed."""
        self._ladders.clear()
        self._within.clear()


def steps(slack: float) -> int:
    """Slack rounded down: to seconds below ten minutes, then to a hundredth or so.

    >>> [steps(slack) for slack in (59.9, 3_599.0, 28_799.0, 86_399.0, -5.0)]
    [59, 3590, 28740, 86100, 0]
    """
    if slack <= 0:
        return 0
    whole = int(min(slack, _HORIZON))
    step = 1 if whole < 600 else 10 if whole < 7_200 else 60 if whole < 28_800 else 300
    return whole - whole % step
