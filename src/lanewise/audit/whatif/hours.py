"""What was where, hour by hour: accepted, answered, called, waiting; batches created and tokens queued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, NamedTuple

from lanewise.domain.lanes import BATCH, FLEX, REALTIME
from lanewise.replay.books import Books
from lanewise.replay.flights import Flight

HOUR: Final = 3_600
MOST: Final = 2_000  # hours that are told one by one


class Hour(NamedTuple):
    """One hour, or one day where there are more hours than are told."""

    at: int  # its beginning, seconds since the epoch
    accepted: int
    answered: int
    called: int  # of these, in real time or flex
    waiting: int  # accepted and not answered at its end
    batches: int  # created in it
    queued_tokens: int  # input of batches that run at its end


@dataclass(slots=True)
class Hours:
    """Counts by the hour since the epoch."""

    accepted: Counter[int] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)
    calls: Counter[int] = field(default_factory=Counter)
    batches: Counter[int] = field(default_factory=Counter)
    queued: Counter[int] = field(default_factory=Counter)  # tokens that came, less those that left

    def add_requests(self, at: Sequence[float], books: Books) -> None:
        """Requests of a stream."""
        self.accepted.update(int(one // HOUR) for one in at)
        self.answered.update(int(one // HOUR) for one in books.answered_at)
        called = {place for place, lane in enumerate(books.lanes) if lane in (REALTIME, FLEX)}
        self.calls.update(
            int(one // HOUR)
            for one, lane in zip(books.answered_at, books.lane, strict=True)
            if lane in called
        )

    def add_flight(self, flight: Flight, tokens: int) -> None:
        """A batch, with its input."""
        if flight.sold.offer.lane != BATCH:
            return
        begun = int(flight.started_at // HOUR)
        self.batches[begun] += 1
        self.queued[begun] += tokens
        self.queued[int(flight.ended_at // HOUR)] -= tokens

    def told(self) -> list[Hour]:
        """In their order, from the first request to the last answer."""
        if not self.accepted:
            return []
        first, last = min(self.accepted), max(self.answered)
        step = 1 if last - first < MOST else 24
        first -= first % step  # days begin at midnight, UTC
        span = range(first, last + 1)
        waiting = list(accumulate(self.accepted[one] - self.answered[one] for one in span))
        queued = list(accumulate(self.queued[one] for one in span))
        return [
            Hour(
                stretch.start * HOUR,
                _within(self.accepted, stretch),
                _within(self.answered, stretch),
                _within(self.calls, stretch),
                waiting[stretch.stop - 1 - first],
                _within(self.batches, stretch),
                queued[stretch.stop - 1 - first],
            )
            for stretch in (span[start : start + step] for start in range(0, len(span), step))
        ]


def _within(counts: Counter[int], stretch: range) -> int:
    return sum(counts[one] for one in stretch)
