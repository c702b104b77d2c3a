"""Collected results are read, priced and booked, in one commit.

Reading is done once, line by line, in constant memory; what counts is each line's ``custom_id``, never
its place. First terminal outcome wins: a second line for a request changes nothing and is noted. Lines
that answer nothing of this batch are kept in the file and noted. What was not answered waits again,
a bounded number of times, or gets its final result here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lanewise.domain.batches import GONE, Collected
from lanewise.domain.ids import RunId, SegmentId, parse_custom_id
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import ResultLine, Unreadable, Verdict
from lanewise.domain.usage import Usage
from lanewise.failpoints import reach
from lanewise.lanes.prices import Prices
from lanewise.lanes.shift import Shift
from lanewise.policy import asking
from lanewise.store.protocol import (
    Contents,
    LedgerRow,
    Outcome,
    PlacedPart,
    Settlement,
    Tally,
    Waiting,
)
from lanewise.store.records import RecordTable


class Places:
    """Where in a batch a request stands: from segment and ordinal to position."""

    def __init__(self, contents: Contents) -> None:
        self._parts: dict[SegmentId, list[tuple[int, int, int, PlacedPart]]] = defaultdict(list)
        for part in contents.parts:
            position = part.start
            for start, stop in part.ordinals.ranges:
                self._parts[part.segment].append((start, stop, position, part))
                position += stop - start
        for spans in self._parts.values():
            spans.sort(key=lambda span: span[0])
        self._starts = {
            segment: [span[0] for span in spans] for segment, spans in self._parts.items()
        }

    def find(self, custom_id: str) -> tuple[int, PlacedPart] | None:
        """The position of the request that a result line answers; None if it is not in this batch."""
        named = parse_custom_id(custom_id)
        if named is None or named[0] not in self._parts:
            return None
        segment, ordinal = named
        at = bisect_right(self._starts[segment], ordinal) - 1
        if at < 0:
            return None
        start, stop, position, part = self._parts[segment][at]
        return (position + ordinal - start, part) if ordinal < stop else None


@dataclass(slots=True)
class _Sums:
    """One ledger row in the making."""

    n: int = 0
    usage: list[int] = field(default_factory=lambda: [0] * 7)
    cost_nano: int = 0
    baseline_nano: int = 0

    def add(self, usage: Usage, cost: int | None, baseline: int | None) -> None:
        """Book one answer."""
        self.n += 1
        self.cost_nano += cost or 0
        self.baseline_nano += baseline or 0
        sums = self.usage
        sums[0] += usage.input
        sums[1] += usage.cache_read
        sums[2] += usage.cache_write_5m
        sums[3] += usage.cache_write_1h
        sums[4] += usage.cache_write_other
        sums[5] += usage.output
        sums[6] += usage.reasoning


class Reading:
    """Reads the result files of one batch and keeps what they come to."""

    def __init__(
        self, contents: Contents, prices: Prices, unwrap: Callable[[bytes], ResultLine | Unreadable]
    ) -> None:
        self._places = Places(contents)
        self._contents = contents
        self._prices = prices
        self._unwrap = unwrap
        self.records = RecordTable(contents.requests)
        self.sums: dict[tuple[int, str], _Sums] = {}  # by the start of a part, and model
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
            cost, baseline = self._prices.of(model, usage)
            self._book(part, model, usage, cost, baseline)
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

    def _book(
        self, part: PlacedPart, model: str, usage: Usage, cost: int | None, baseline: int | None
    ) -> None:
        key = (part.start, model)
        sums = self.sums.get(key)
        if sums is None:
            sums = self.sums[key] = _Sums()
        sums.add(usage, cost, baseline)


def settle(shift: Shift, batch: Collected, *, hold_seconds: float) -> None:
    """Read, price, book. Runs in a thread: a large batch takes seconds."""
    contents = shift.store.contents(batch.id)
    prices = Prices(shift.book, contents, datetime.fromtimestamp(contents.created_at, UTC))
    reading = Reading(contents, prices, shift.provider.unwrap)
    for index, name in enumerate(batch.files):
        if name != GONE:
            reading.read(index, shift.store.result_lines(batch.id, index))
    reach("settle.read")
    now = shift.now()
    settlement = _settlement(shift, batch, contents, reading, prices)
    reach("settle.commit")
    settled = batch.settled(now, clean_at=now + hold_seconds)
    shift.store.settle(shift.lease, batch, settled, settlement, now)
    shift.store.learn(shift.account, contents.key.model, "quota_refusals", 0, now)


def _settlement(
    shift: Shift, batch: Collected, contents: Contents, reading: Reading, prices: Prices
) -> Settlement:
    gone = GONE in batch.files
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
        tuple(_ledger(contents, reading, prices)),
        {run: Tally(*counts) for run, counts in tallies.items()},
        tuple(_merged(waiting)),
        tuple(outcomes),
        tuple(_notes(shift, batch, reading)),
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


def _ledger(contents: Contents, reading: Reading, prices: Prices) -> Iterator[LedgerRow]:
    """One row for each run and model: parts of one run are added up."""
    rows: dict[tuple[RunId, str], _Sums] = {}
    workflows: dict[RunId, str] = {}
    parts = {part.start: part for part in contents.parts}
    for (start, model), sums in reading.sums.items():
        part = parts[start]
        workflows[part.run] = part.workflow
        into = rows.setdefault((part.run, model), _Sums())
        into.n += sums.n
        into.cost_nano += sums.cost_nano
        into.baseline_nano += sums.baseline_nano
        into.usage = [mine + yours for mine, yours in zip(into.usage, sums.usage, strict=True)]
    for (run, model), sums in rows.items():
        price = prices.quote(model)
        yield LedgerRow(
            run,
            workflows[run],
            contents.key.provider,
            contents.key.account,
            model,
            contents.lane,
            "answer",
            sums.n,
            Usage(*sums.usage),
            sums.cost_nano if price.known else None,
            sums.baseline_nano if price.known else None,
            0,
            price.basis,
            price.status,
        )


def _notes(shift: Shift, batch: Collected, reading: Reading) -> Iterator[str]:
    for what, count in sorted(reading.odd.items()):
        yield f"{count:,} {what}; kept with the results"
    theirs = shift.store.observed(batch.id)
    if theirs is None:
        return
    ours = sum((Usage(*sums.usage) for sums in reading.sums.values()), Usage())
    if (ours.total_input, ours.output) != (theirs.total_input, theirs.output):
        yield (
            f"the provider's sum for the batch is {theirs.total_input:,} in, {theirs.output:,} out; "
            f"its lines add up to {ours.total_input:,} in, {ours.output:,} out"
        )
