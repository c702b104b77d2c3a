"""Stores to hold to the contract. Another engine is one more entry in FACTORIES."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from lanewise.domain.batches import Collected, Ending, Receipt, Settled
from lanewise.domain.ids import AccountId, AttemptId, BatchId, WorkerId, fresh_id
from lanewise.domain.lanes import BATCH, LaneName
from lanewise.domain.packing import Frame, Limits, PackingKey
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.store.copies import among
from lanewise.store.nouns import (
    AccountRow,
    Lease,
    NewBatch,
    NewRun,
    Outcome,
    Part,
    Run,
    Settlement,
    Tally,
    Waiting,
)
from lanewise.store.places import Places, positions
from lanewise.store.protocol import Draft, Store
from lanewise.store.records import RecordTable
from lanewise.store.sqlite import SqliteStore

ACCOUNT = AccountId("openai-test")
KEY = PackingKey("openai", ACCOUNT, "/v1/chat/completions", "m")
FRAME = Frame(b'{"custom_id":"', b'","method":"POST","url":"/v1/chat/completions","body":', b"}\n")
LIMITS = Limits(batch_requests=4, batch_bytes=100_000, line_bytes=100_000)

FACTORIES: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda home: SqliteStore.open(home, now=0.0),
}


@dataclass
class Desk:
    """A store with a worker that holds the lease, and short ways to do ordinary things."""

    store: Store
    open: Callable[[], Store]
    lease: Lease = field(init=False)
    last: tuple[Collected, Settled, Settlement] = field(init=False)

    def __post_init__(self) -> None:
        self.lease = self.acquire()

    def acquire(self, now: float = 0.0, ttl: float = 1e9) -> Lease:
        lease = self.store.acquire(ACCOUNT, WorkerId("w1"), now, ttl)
        assert lease is not None
        return lease

    def draft_of(
        self,
        count: int,
        *,
        key: PackingKey = KEY,
        tokens: Sequence[int] = (),
        copies: Sequence[int] = (),
    ) -> Draft:
        draft = self.store.draft()
        places = [
            append(draft, number, key=key, tokens=counted)
            for number, counted in zip_longest(range(count), tokens, fillvalue=0)
        ]
        for number, asked in enumerate(copies, start=count):
            draft.copy(places[asked], number=number + 1, caller_id=f"r{number}")
        return draft

    def accept(
        self,
        count: int,
        *,
        key: PackingKey = KEY,
        digest: str = "",
        tokens: Sequence[int] = (),
        copies: Sequence[int] = (),
        payer: str = "",  # the virtual key whose budget pays
        **new: Any,
    ) -> Run:
        draft = self.draft_of(count, key=key, tokens=tokens, copies=copies)
        wanted = NewRun("w", digest or fresh_id(), "test", now=1.0, key=payer, **new)
        run, _ = draft.commit(wanted, [AccountRow(key.account, "openai", "http://x")])
        return run

    def pack(self, lane: LaneName = BATCH) -> list[BatchId]:
        """Each waiting group becomes a batch."""
        batches = [
            NewBatch(
                BatchId(fresh_id()),
                group.key,
                lane,
                (Part(group.waiting.segment, group.waiting.ordinals, group.waiting.tries),),
                len(group.waiting.ordinals),
                group.whole[1],
            )
            for group in self.store.waiting(ACCOUNT, 1e9)
        ]
        self.store.pack(self.lease, batches, 2.0)
        return [batch.id for batch in batches]

    def find(self, batch_id: BatchId) -> Any:
        """A batch in its state."""
        return next(b for b in self.store.due(ACCOUNT, 1e9) if b.id == batch_id)

    def create(self, batch_id: BatchId) -> None:
        """Take a packed batch to its provider."""
        batch = self.find(batch_id)
        creating = batch.create(AttemptId(fresh_id()), now=3.0, give_up_at=9.0)
        self.store.advance(self.lease, batch, creating, 4.0)
        submitted = creating.accepted(Receipt(f"p-{batch_id}"), 4.0)
        self.store.advance(self.lease, creating, submitted, 4.0)

    def collect(self, batch_id: BatchId, lines: list[bytes]) -> Collected:
        """Take a batch that was packed, or created, through to collected, with these result lines."""
        store, lease = self.store, self.lease
        if self.find(batch_id).state == "packed":
            self.create(batch_id)
        batch = self.find(batch_id)
        ended = batch.end(Ending.COMPLETED, ("output:f",), 5.0)
        store.advance(lease, batch, ended, 4.0)
        file = store.result_file(lease, batch_id, 0)
        assert file is not None
        for line in lines:
            file.write(line)
        file.finish()
        file.close()
        collected: Collected = ended.collected(6.0, ended.files)
        store.advance(lease, ended, collected, 6.0)
        return collected

    def settle(self, batch_id: BatchId, verdicts: list[Verdict], *, again: bool = False) -> Settled:
        """Settle a batch: a verdict for each request, in its order."""
        names = self.names(batch_id)
        lines = [f'{{"custom_id":"{name}"}}\n'.encode() for name in names]
        return self.book(self.collect(batch_id, lines), verdicts[: len(names)], again=again)

    def names(self, batch_id: BatchId) -> list[str]:
        """The custom_ids of a batch, in its order."""
        parts = self.store.contents(batch_id).parts
        return [f"lw-{part.segment}-{n}" for part in parts for n in part.ordinals]

    def book(self, collected: Collected, verdicts: list[Verdict], *, again: bool) -> Settled:
        """Settle what was collected."""
        contents = self.store.contents(collected.id)
        elsewhere = self.store.final_elsewhere(contents)
        done = positions(contents, elsewhere)
        found = [
            Verdict.SURPLUS if verdict is Verdict.ANSWERED and position in done else verdict
            for position, verdict in enumerate(verdicts)
        ]
        places = Places(contents)
        table = RecordTable(contents.requests)
        for offset, line in self.store.result_lines(collected.id, 0):
            position = places.position(json.loads(line)["custom_id"])
            assert position is not None
            table.put(
                position, found[position], file=0, status=200, offset=offset, length=len(line),
                usage=Usage(input=position), cost_nano=1, baseline_nano=2,
            )  # fmt: skip
        settled = collected.settled(7.0, clean_at=100.0)
        settlement = settlement_of(self, collected.id, table, found, again=again)
        self.last = (collected, settled, replace(settlement, elsewhere=elsewhere))
        assert self.store.settle(self.lease, *self.last, 7.0)
        return settled


def append(
    draft: Any, number: int, *, key: PackingKey = KEY, body: bytes | None = None, tokens: int = 0
) -> int:
    """One request into a draft; returns its place."""
    content = body or b'{"model":"m","n":%d}' % number
    digest = hashlib.sha256(content).digest()
    place: int = draft.append(
        key, FRAME, LIMITS, content, digest, number=number + 1, caller_id=f"r{number}", units=1,
        tokens=tokens,
    )  # fmt: skip
    return place


def settlement_of(
    desk: Desk, batch_id: BatchId, table: RecordTable, verdicts: list[Verdict], *, again: bool
) -> Settlement:
    """What settling with these verdicts changes."""
    from lanewise.domain.ordinals import Ordinals

    waiting, outcomes, tallies, late = [], [], {}, {}
    position = 0
    contents = desk.store.contents(batch_id)
    final = desk.store.final_elsewhere(contents)
    for part in contents.parts:
        found = dict(
            zip(part.ordinals, verdicts[position : position + len(part.ordinals)], strict=True)
        )
        position += len(part.ordinals)
        for ordinal in final.get(part.segment, Ordinals()) & part.ordinals:
            del found[ordinal]
        left = Ordinals.of(n for n, verdict in found.items() if not verdict.final)
        if left and again:
            waiting.append(Waiting(part.segment, part.tries + 1, left))
        elif left:
            outcomes.append(Outcome(part.segment, left, Verdict.MISSING, "no_result", "none came"))
        copies = desk.store.copies(part.segment)

        def asking(wanted: Ordinals, copies: Mapping[int, int] = copies) -> int:
            return len(wanted) + among(copies, wanted)

        answered, refused = (
            Ordinals.of(n for n, verdict in found.items() if verdict is wanted)
            for wanted in (Verdict.ANSWERED, Verdict.REFUSED)
        )
        tallies[part.run] = Tally(
            asking(answered), asking(refused), copies=among(copies, answered | refused)
        )
        late[part.run] = asking(answered)
    return Settlement(table, (), tallies, tuple(waiting), tuple(outcomes), late=late)


@pytest.fixture(params=sorted(FACTORIES))
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk over each kind of store."""
    opened: list[Store] = []

    def open_store() -> Store:
        opened.append(FACTORIES[request.param](tmp_path / "home"))
        return opened[-1]

    store = open_store()
    with store.register_worker(WorkerId("w1"), 0.0):
        yield Desk(store, open_store)
    for store in opened:
        store.close()
