"""Collected results are read, priced and booked, in one commit.

Reading is done once, line by line, in constant memory; what counts is each line's ``custom_id``, never
its place. First terminal outcome wins: a second line for a request changes nothing and is noted. Lines
that answer nothing of this batch are kept in the file and noted. What was not answered waits again,
a bounded number of times, or gets its final result here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from lanewise.domain.batches import GONE, Collected
from lanewise.domain.ids import RunId, SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import ResultLine, Unreadable, Verdict
from lanewise.domain.usage import Usage
from lanewise.failpoints import reach
from lanewise.lanes.booking import Booking, Priced, charged_at
from lanewise.lanes.bounds import upper_bounds
from lanewise.lanes.places import Places
from lanewise.lanes.prices import Prices
from lanewise.lanes.shift import Shift
from lanewise.policy import asking
from lanewise.store.nouns import Contents, Observed, Outcome, PlacedPart, Settlement, Tally, Waiting
from lanewise.store.records import RecordTable


class Reading:
    """Reads the result files of one batch and keeps what they come to."""

    def __init__(
        self, contents: Contents, prices: Priced, unwrap: Callable[[bytes], ResultLine | Unreadable]
    ) -> None:
        self._places = Places(contents)
        self._contents = contents
        self._unwrap = unwrap
        self.records = RecordTable(contents.requests)
        self.booking = Booking(contents, prices)
        self.odd: Counter[str] = Counter()

    def read(self, index: int, lines: Iterator[tuple[int, bytes]]) -> None:
        """Take in one result file."""
        for offset, line in lines:
            result = self._unwrap(line)
            if isinstance(result, Unreadable):
                if line.strip():
                    self.odd[f"unreadable result lines ({result.why})"] += 1
                continue
            place = self._places.find(result.custom_id)
            if place is None:
                self.odd["results for requests that are not in this batch"] += 1
                continue
            self._take(result, place, file=index, offset=offset, length=len(line))

    def _take(
        self,
        result: ResultLine,
        place: tuple[int, PlacedPart],
        *,
        file: int,
        offset: int,
        length: int,
    ) -> None:
        position, part = place
        if self.records.is_final(position):
            self.odd["second results for a request that has one"] += 1
            return
        cost = baseline = None
        if result.verdict is Verdict.ANSWERED:
            usage = result.usage or Usage()
            model = result.model or self._contents.key.model
            cost, baseline = self.booking.add(part, model, usage)
        self.records.put(
            position,
            result.verdict,
            file=file,
            status=result.status,
            offset=offset,
            length=length,
            usage=result.usage,
            cost_nano=cost,
            baseline_nano=baseline,
        )


def settle(shift: Shift, batch: Collected, *, hold_seconds: float) -> None:
    """Read, price, book. Runs in a thread: a large batch takes seconds."""
    contents = shift.store.contents(batch.id)
    prices = Prices(shift.book, contents, region=shift.provider.region)
    reading = Reading(contents, prices, shift.provider.unwrap)
    for index, name in enumerate(batch.files):
        if name != GONE:
            reading.read(index, shift.store.result_lines(batch.id, index))
    reach("settle.read")
    now = shift.now()
    lost = None
    if GONE in batch.files:
        lost = upper_bounds(contents, shift.store.payload(contents), reading.records, prices)
    settlement = _settlement(shift, batch, contents, reading, lost)
    reach("settle.commit")
    settled = batch.settled(now, clean_at=now + hold_seconds)
    shift.store.settle(shift.lease, batch, settled, settlement, now)
    shift.store.learn(shift.account, contents.key.model, "quota_refusals", 0, now)


def _settlement(
    shift: Shift, batch: Collected, contents: Contents, reading: Reading, lost: Booking | None
) -> Settlement:
    gone = GONE in batch.files
    observed = shift.store.observed(batch.id)
    at = charged_at(observed.ended_at, shift.now())
    tallies: dict[RunId, list[int]] = defaultdict(lambda: [0, 0, 0])
    waiting: list[Waiting] = []
    outcomes: list[Outcome] = []
    for part in contents.parts:
        left = _tally(part, reading.records, tallies[part.run])
        for verdict, ordinals in left.items():
            if asking.ask_again(
                verdict, tries=part.tries, max_tries=shift.rules.max_tries, results_gone=gone
            ):
                waiting.append(Waiting(part.segment, part.tries + 1, Ordinals.of(ordinals)))
                continue
            code, message = asking.reason(verdict, tries=part.tries, results_gone=gone)
            outcomes.append(Outcome(part.segment, Ordinals.of(ordinals), verdict, code, message))
            tallies[part.run][2] += len(ordinals)
    return Settlement(
        reading.records,
        (
            *reading.booking.rows("answer", batch.receipt.provider_id, at),
            *(lost.rows("unknown_upper_bound", batch.receipt.provider_id, at) if lost else ()),
        ),
        {run: Tally(*counts) for run, counts in tallies.items()},
        tuple(_merged(waiting)),
        tuple(outcomes),
        tuple(_notes(observed, reading)),
    )


def _tally(part: PlacedPart, records: RecordTable, counts: list[int]) -> dict[Verdict, list[int]]:
    """Count answered and refused; return the ordinals of the others by verdict."""
    left: dict[Verdict, list[int]] = defaultdict(list)
    position = part.start
    for ordinal in part.ordinals:
        verdict = records.verdict(position)
        position += 1
        if verdict is Verdict.ANSWERED:
            counts[0] += 1
        elif verdict is Verdict.REFUSED:
            counts[1] += 1
        else:
            left[verdict].append(ordinal)
    return left


def _merged(waiting: list[Waiting]) -> Iterator[Waiting]:
    """One entry for each segment and number of tries."""
    together: dict[tuple[SegmentId, int], Ordinals] = {}
    for entry in waiting:
        key = (entry.segment, entry.tries)
        together[key] = together.get(key, Ordinals()) | entry.ordinals
    for (segment, tries), ordinals in together.items():
        yield Waiting(segment, tries, ordinals)


def _notes(observed: Observed, reading: Reading) -> Iterator[str]:
    for what, count in sorted(reading.odd.items()):
        yield f"{count:,} {what}; kept with the results"
    theirs = observed.usage
    if theirs is None:
        return
    ours = reading.booking.usage
    if (ours.total_input, ours.output) != (theirs.total_input, theirs.output):
        yield (
            f"the provider's sum for the batch is {theirs.total_input:,} in, {theirs.output:,} out; "
            f"its lines add up to {ours.total_input:,} in, {ours.output:,} out"
        )
