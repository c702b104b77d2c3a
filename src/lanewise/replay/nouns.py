"""What is replayed and what comes out. Times are seconds, prices pico-USD per token, money nano-USD."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from lanewise.domain.lanes import LaneName, Offer

PICO_PER_NANO = 1_000


class Arrival(NamedTuple):
    """One request; `deadline` is an instant, infinite where nobody waits."""

    at: float
    deadline: float
    input: int
    output: int
    workflow: str = ""
    kind: int = 0  # requests of one kind may take the same lanes


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests of one model in the order of their coming, a column for each thing known of them."""

    at: Sequence[float]
    deadline: Sequence[float]
    input: Sequence[int]
    output: Sequence[int]
    workflow: Sequence[int]  # places in `workflows`
    workflows: tuple[str, ...]
    kind: Sequence[int]
    costs: Mapping[LaneName, Sequence[int]] = field(default_factory=dict)  # nano-USD, where known

    @classmethod
    def of(cls, requests: Iterable[Arrival]) -> Arrivals:
        """Requests in any order: equal ones give equal replays."""
        came = sorted(requests)
        names = tuple(sorted({one.workflow for one in came}))
        numbers = {name: number for number, name in enumerate(names)}
        return cls(
            array("d", (one.at for one in came)),
            array("d", (one.deadline for one in came)),
            array("q", (one.input for one in came)),
            array("q", (one.output for one in came)),
            array("l", (numbers[one.workflow] for one in came)),
            names,
            array("l", (one.kind for one in came)),
        )

    def __len__(self) -> int:
        return len(self.at)

    def tokens(self, which: Sequence[int]) -> tuple[int, int]:
        """Input and output tokens of these together."""
        inputs, outputs = self.input, self.output
        return sum(inputs[one] for one in which), sum(outputs[one] for one in which)

    @property
    def mean(self) -> tuple[int, int]:
        """Input and output tokens of one."""
        count = max(len(self), 1)
        return sum(self.input) // count, sum(self.output) // count

    def nano(self, sold: Sold, which: Sequence[int]) -> int:
        """What these cost in a lane: each its own cost where that is known, else by their tokens."""
        costs = self.costs.get(sold.offer.lane)
        return sold.nano(self.tokens(which)) if costs is None else sum(costs[one] for one in which)


@dataclass(frozen=True, slots=True)
class Sold:
    """A lane with its price."""

    offer: Offer
    input_pico: int
    output_pico: int
    typical_nano: int | None = None  # what the lanes weigh it by; None: by the mean of all arrivals
    needs: float | None = None  # seconds that the lanes give it; None: as the replay reckons

    def nano(self, tokens: tuple[int, int]) -> int:
        """What so many tokens cost."""
        return (tokens[0] * self.input_pico + tokens[1] * self.output_pico) // PICO_PER_NANO

    def quicker(self, than: Sold) -> bool:
        """Whether work may move here from the other lane: to a call, or to a shorter window."""
        if self.offer.window_seconds is None and self.offer.one_by_one:
            return True
        return (self.offer.window_seconds or inf) < (than.offer.window_seconds or inf)


@dataclass(frozen=True, slots=True)
class Menu:
    """What a provider sells of one model, and the limits of its calls."""

    name: str
    lanes: tuple[Sold, ...]
    requests_per_second: float
    tokens_per_second: float
    call_seconds: float = 60.0  # a call answered on the connection, at a high quantile
    creations_per_hour: int = 2_000
    batch_requests: int = 50_000
    queued_tokens: int | None = None  # input tokens of all batches that have not ended
    queued_requests: int | None = None  # requests in them

    def sold(self, lane: LaneName) -> Sold:
        """One lane; raises `KeyError` where it is not sold."""
        for found in self.lanes:
            if found.offer.lane == lane:
                return found
        raise KeyError(lane)

    @property
    def floor(self) -> int:
        """The least requests in a batch."""
        return max((found.offer.floor for found in self.lanes), default=1)

    @property
    def names(self) -> frozenset[LaneName]:
        """The lanes sold."""
        return frozenset(found.offer.lane for found in self.lanes)


class Late(NamedTuple):
    """An answer that came too late, or never."""

    request: int
    seconds: float
    promised: bool  # whether real time had room for it when it was sent first
    lane: LaneName  # that answered it


@dataclass(slots=True)
class Outcome:
    """What a replay comes to."""

    requests: int = 0
    baseline_nano: int = 0
    lanes: dict[LaneName, int] = field(default_factory=dict)  # paid for answers that were used
    waste_nano: int = 0
    late: list[Late] = field(default_factory=list)
    unpromised: int = 0  # refused a promise: real time had no room
    batches: int = 0
    cancelled: int = 0
    rescued: int = 0  # requests that another lane had first
    most_created: int = 0  # batches in one hour
    most_queued: int = 0  # requests waiting for calls
    most_held: int = 0  # batches waiting for room in the provider's queue
    most_tokens: int = 0  # of input, in batches that had not ended
    most_requests: int = 0  # in them
    answered: int = 0
    ended_at: float = 0.0

    @property
    def cost_nano(self) -> int:
        """All that was paid."""
        return sum(self.lanes.values()) + self.waste_nano

    @property
    def broken(self) -> int:
        """Promises that were not kept."""
        return sum(late.promised for late in self.late)

    @property
    def met(self) -> int:
        """Answers that came in time."""
        return self.requests - len(self.late)
