"""Collected results are read, priced and booked, in one commit.

Reading is done once, line by line, in constant memory; what counts is each line's ``custom_id``, never
its place. First terminal outcome wins: a second line for a request changes nothing and is noted; where it
was paid for (a batch that was rescued and answered all the same, a call that was made twice) it is booked as
waste. Lines that answer nothing of this batch are kept in the file and noted. What was not answered waits
again, a bounded number of times, or gets its final result here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from lanewise.domain.batches import GONE, Collected
from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.ids import RunId, SegmentId
from lanewise.domain.lanes import BATCH, FLEX, REALTIME, LaneName
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import ResultLine, Unreadable, Verdict
from lanewise.domain.usage import Usage
from lanewise.failpoints import reach
from lanewise.lanes.booking import Booking, Priced, charged_at
from lanewise.lanes.bounds import upper_bounds
from lanewise.lanes.prices import Prices
from lanewise.lanes.shift import Shift
from lanewise.policy import asking
from lanewise.policy.draining import ANSWER_TOKENS
from lanewise.store.nouns import Contents, Observed, Outcome, PlacedPart, Settlement, Tally, Waiting
from lanewise.store.places import Places, positions
from lanewise.store.records import RecordTable

_MANY = 100  # answers that tell by themselves how long those of a model are


class Reading:
    """Reads the result files of one batch and keeps what they come to.

    `elsewhere`: positions of requests that had their final result before this batch was read.
    """

    def __init__(
        self,
        contents: Contents,
        prices: Priced,
        unwrap: Callable[[bytes], ResultLine | Unreadable],
        elsewhere: AbstractSet[int] = frozenset(),
    ) -> None:
        self._places = Places(contents)
        self._contents = contents
        self._unwrap = unwrap
        self.elsewhere = elsewhere
        self.records = RecordTable(contents.requests)
        self.booking = Booking(contents, prices)
        self.surplus = Booking(contents, prices)  # paid for, and another answer was first
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
            self._again(result, part)
            return
        cost = baseline = None
        verdict = result.verdict
        if verdict is Verdict.ANSWERED and position in self.elsewhere:
            verdict = Verdict.SURPLUS
            self._add(self.surplus, result, part)
        elif verdict is Verdict.ANSWERED:
            cost, baseline = self._add(self.booking, result, part)
        self.records.put(
            position,
            verdict,
            file=file,
            status=result.status,
            offset=offset,
            length=length,
            usage=result.usage,
            cost_nano=cost,
            baseline_nano=baseline,
        )

    def _again(self, result: ResultLine, part: PlacedPart) -> None:
        """A provider's file may repeat a line; a call that lanewise made twice was charged twice."""
        self.odd["second results for a request that has one"] += 1
        if result.verdict is Verdict.ANSWERED and self._contents.lane != BATCH:
            self._add(self.surplus, result, part)

    def _add(
        self, booking: Booking, result: ResultLine, part: PlacedPart
    ) -> tuple[int | None, int | None]:
        model = result.model or self._contents.key.model
        lane = delivered_by(self._contents.lane, result.service_tier)
        return booking.add(part, model, result.usage or Usage(), lane)


def delivered_by(asked: LaneName, tier: str) -> LaneName:
    """The lane that an answer is billed by: a provider may say that it was not the one asked for.

    >>> delivered_by(FLEX, "default"), delivered_by(FLEX, "flex"), delivered_by(BATCH, "default")
    ('realtime', 'flex', 'batch')
    """
    return REALTIME if asked == FLEX and tier in ("default", "standard") else asked


def settle(shift: Shift, batch: Collected, *, hold_seconds: float) -> None:
    """Read, price, book. Runs in a thread: a large batch takes seconds."""
    with shift.settling:  # batches that race must see each other's results
        contents = shift.store.contents(batch.id)
        while not _settle(shift, batch, contents, hold_seconds):
            pass  # a request of it had its final result from elsewhere meanwhile
    now = shift.now()
    shift.store.let_go(shift.lease, batch.id, now)
    if batch.receipt is not None:
        shift.store.learn(shift.account, contents.key.model, "quota_refusals", 0, now)


def _settle(shift: Shift, batch: Collected, contents: Contents, hold_seconds: float) -> bool:
    prices = Prices(shift.book, contents, region=shift.provider.region)
    elsewhere = shift.store.final_elsewhere(contents)
    reading = Reading(contents, prices, shift.provider.unwrap, positions(contents, elsewhere))
    for index, name in enumerate(batch.files):
        if name != GONE:
            reading.read(index, shift.store.result_lines(batch.id, index))
    reach("settle.read")
    now = shift.now()
    _remember_length(shift, contents, reading)
    lost = _lost(shift, batch, contents, reading, prices)
    settlement = replace(_settlement(shift, batch, contents, reading, lost), elsewhere=elsewhere)
    reach("settle.commit")
    settled = batch.settled(now, clean_at=now + hold_seconds)
    return shift.store.settle(shift.lease, batch, settled, settlement, now)


def _remember_length(shift: Shift, contents: Contents, reading: Reading) -> None:
    """How long answers of a model are, for limits that count what is written."""
    answered, key = reading.booking.answered, (contents.key.model, ANSWER_TOKENS)
    if not answered:
        return
    mean = max(round(reading.booking.usage.output / answered), 1)
    before = shift.store.learned(shift.account).get(key, mean)
    if answered < _MANY:
        mean = round((before * (_MANY - answered) + mean * answered) / _MANY)
    shift.store.learn(shift.account, *key, mean, shift.now())


def _lost(
    shift: Shift, batch: Collected, contents: Contents, reading: Reading, prices: Prices
) -> Booking | None:
    """What may have been charged for answers that nobody has: results gone, calls cut off by a crash."""
    if GONE in batch.files:
        return upper_bounds(contents, shift.store.payload(contents), reading.records, prices)
    if batch.receipt is None and (unknown := shift.store.unknown_calls(batch.id)):
        payload = shift.store.payload(contents)
        return upper_bounds(contents, payload, reading.records, prices, only=unknown)
    return None


def _settlement(
    shift: Shift, batch: Collected, contents: Contents, reading: Reading, lost: Booking | None
) -> Settlement:
    observed = shift.store.observed(batch.id)
    at = charged_at(observed.ended_at, shift.now())
    provider_id = None if batch.receipt is None else batch.receipt.provider_id
    sorting = _Sorting(shift, batch, contents, reading)
    for part in contents.parts:
        sorting.part(part)
    return Settlement(
        reading.records,
        (
            *reading.booking.rows("answer", provider_id, at),
            *reading.surplus.rows("waste", provider_id, at),
            *(lost.rows("unknown_upper_bound", provider_id, at) if lost else ()),
        ),
        {run: _tally(*counts) for run, counts in sorting.tallies.items()},
        tuple(_merged(sorting.waiting)),
        tuple(sorting.outcomes),
        tuple(_notes(observed, reading)),
        _late(shift, contents, reading),
    )


def _tally(answered: int, refused: int, copies: int) -> Tally:
    return Tally(answered, refused, copies=copies)


class _Sorting:
    """Counts what has its final result here, and says of the rest whether it waits again."""

    def __init__(
        self, shift: Shift, batch: Collected, contents: Contents, reading: Reading
    ) -> None:
        self._max_tries = shift.rules.max_tries
        self._gone = GONE in batch.files
        self._contents, self._records = contents, reading.records
        self._elsewhere = reading.elsewhere
        self._unasked = shift.store.unasked(batch.id) if batch.receipt is None else None
        self._copies = shift.store.copies
        self.tallies: dict[RunId, list[int]] = defaultdict(lambda: [0, 0, 0])
        self.waiting: list[Waiting] = []
        self.outcomes: list[Outcome] = []

    def part(self, part: PlacedPart) -> None:
        """Sort the requests of one part."""
        copies = self._copies(part.segment)
        for (verdict, asked), ordinals in self._left(part, copies).items():
            chosen = Ordinals.of(ordinals)
            if not asked:
                self.waiting.append(Waiting(part.segment, part.tries, chosen))
            elif asking.ask_again(
                verdict, tries=part.tries, max_tries=self._max_tries, results_gone=self._gone
            ):
                self.waiting.append(Waiting(part.segment, part.tries + 1, chosen))
            else:
                code, message = asking.reason(verdict, tries=part.tries, results_gone=self._gone)
                self.outcomes.append(Outcome(part.segment, chosen, verdict, code, message))

    def _add(self, run: RunId, which: int, copies: int) -> None:
        counts = self.tallies[run]
        counts[which] += 1 + copies
        counts[2] += copies

    def _left(
        self, part: PlacedPart, copies: Mapping[int, int]
    ) -> dict[tuple[Verdict, bool], list[int]]:
        """Count answered and refused; the ordinals of the others by verdict, and whether they were asked."""
        left: dict[tuple[Verdict, bool], list[int]] = defaultdict(list)
        for position, ordinal in enumerate(part.ordinals, start=part.start):
            verdict = self._records.verdict(position)
            if verdict is Verdict.SURPLUS or position in self._elsewhere:
                continue
            if verdict is Verdict.ANSWERED:
                self._add(part.run, 0, copies.get(ordinal, 0))
            elif verdict is Verdict.REFUSED:
                self._add(part.run, 1, copies.get(ordinal, 0))
            else:
                left[(verdict, self._was_asked(verdict, position))].append(ordinal)
        return left

    def _was_asked(self, verdict: Verdict, position: int) -> bool:
        """A request that was called back before the provider came to it has not used up a try."""
        if self._unasked is not None:
            return position not in self._unasked
        return not (verdict is Verdict.CANCELLED and self._contents.cancelled)


def _late(shift: Shift, contents: Contents, reading: Reading) -> dict[RunId, int]:
    """How many of the answers come after their deadline, by run."""
    now = shift.now()
    late: dict[RunId, int] = defaultdict(int)
    if contents.deadline is None or now <= contents.deadline:
        return late
    for part in contents.parts:
        facts = zip(part.ordinals, shift.store.sizes(part.segment, part.ordinals), strict=True)
        copies = shift.store.copies(part.segment)
        for position, (ordinal, request) in enumerate(facts, start=part.start):
            answered = reading.records.verdict(position) is Verdict.ANSWERED
            if answered and AT_ONCE < request.deadline < now:
                late[part.run] += 1 + copies.get(ordinal, 0)  # a copy has the same deadline
    return late


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
        yield f"{what}: {count:,}; kept with the results"
    theirs = observed.usage
    if theirs is None:
        return
    ours = reading.booking.usage
    if (ours.total_input, ours.output) != (theirs.total_input, theirs.output):
        yield (
            f"the provider's sum for the batch is {theirs.total_input:,} in, {theirs.output:,} out; "
            f"its lines add up to {ours.total_input:,} in, {ours.output:,} out"
        )
