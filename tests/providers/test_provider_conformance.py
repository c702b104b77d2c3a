"""One suite for every adapter, against the sandbox: another provider is one more entry in CASES."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lanewise.domain.batches import Ending, Receipt
from lanewise.domain.ids import AccountId, AttemptId, BatchId
from lanewise.domain.packing import PackingKey
from lanewise.domain.results import ResultLine, Verdict
from lanewise.providers import dialects, registry
from lanewise.providers.protocol import (
    Account,
    BatchProvider,
    Done,
    Doubtful,
    Failed,
    RefusalKind,
    Refused,
    RejectionKind,
    Tag,
    Wanted,
    Working,
)
from lanewise.sandbox import Fault, RunningSandbox, SandboxConfig, start_in_thread
from lanewise.sandbox.state import State
from lanewise.secret import Secret

NOW = 1_790_000_000.0


class Case(NamedTuple):
    """How requests of a provider look."""

    provider: str
    endpoint: str
    model: str
    suffix: str  # of the base URL

    def body(self, number: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": f"number {number}"}],
        }
        return body | ({"max_tokens": 20} if self.provider == "anthropic" else {})


CASES = {
    "openai": Case("openai", "/v1/chat/completions", "gpt-4o-mini", "/v1"),
    "anthropic": Case("anthropic", "/v1/messages", "claude-haiku-4-5", ""),
}


class Lines:
    """Request lines as a segment would hold them."""

    def __init__(self, case: Case, count: int) -> None:
        frame = dialects.frame(case.provider, case.endpoint)
        self._lines = [
            frame.head
            + f"id-{n}".encode()
            + frame.middle
            + json.dumps(case.body(n)).encode()
            + frame.tail
            for n in range(count)
        ]
        self.requests = count
        self.size = sum(map(len, self._lines))

    def chunks(self) -> Iterator[bytes]:
        data = b"".join(self._lines)
        yield from (data[start : start + 37] for start in range(0, len(data), 37))


class Bench:
    """An adapter connected to a sandbox whose time stands still unless moved."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.at = case, NOW
        config = SandboxConfig(batch_seconds=60.0, validation_seconds=5.0)
        self.sandbox: RunningSandbox = start_in_thread(folder, config=config, now=lambda: self.at)
        self.adapter: BatchProvider = registry.connect(self.account("key"))
        self.key = PackingKey(case.provider, AccountId("x"), case.endpoint, case.model)

    def account(self, key: str) -> Account:
        return Account(
            AccountId("x"), self.case.provider, self.sandbox.url + self.case.suffix, Secret(key)
        )

    async def create(self, count: int = 3, attempt: str = "attempt") -> tuple[Receipt, str | None]:
        payload, tag = Lines(self.case, count), Tag(AttemptId(attempt), BatchId("batch"), "home")
        file_id = await self.adapter.upload(payload, tag) if self.adapter.uploads else None
        receipt = await self.adapter.create(
            self.key, tag, file_id=file_id, payload=payload, timeout=10.0
        )
        return receipt, file_id

    def wanted(self, count: int = 3, *, file_id: str | None = None, **facts: Any) -> Wanted:
        owned = facts.pop("owned", frozenset())
        return Wanted(AttemptId(facts.pop("attempt", "attempt")), file_id, self.at, count, owned)

    async def read(self, receipt: Receipt) -> list[ResultLine]:
        done = await self.adapter.check(receipt)
        assert isinstance(done, Done), done
        lines: list[ResultLine] = []
        for file in done.files:
            download = await self.adapter.download(receipt, file)
            data = b"".join([chunk async for chunk in download.chunks])
            lines += [self.adapter.unwrap(line) for line in data.splitlines()]  # type: ignore[misc]
        return lines


@pytest.fixture(params=sorted(CASES))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(CASES[request.param], tmp_path / "sandbox")
    yield bench
    await bench.adapter.close()
    bench.sandbox.close()


async def test_a_batch_is_created_watched_and_read(bench: Bench) -> None:
    receipt, _ = await bench.create(3)
    assert receipt.expires_at == pytest.approx(NOW + 86_400, abs=2)
    assert isinstance(await bench.adapter.check(receipt), Working)
    bench.at += 100
    done = await bench.adapter.check(receipt)
    assert isinstance(done, Done)
    assert done.ending is Ending.COMPLETED
    lines = await bench.read(receipt)
    assert {line.custom_id for line in lines} == {"id-0", "id-1", "id-2"}
    assert {line.verdict for line in lines} == {Verdict.ANSWERED}
    assert all(line.usage and line.usage.output for line in lines)


async def test_a_batch_whose_answer_was_lost_is_found(bench: Bench) -> None:
    receipt, file_id = await bench.create(3)
    sighting = await bench.adapter.find(bench.wanted(3, file_id=file_id))
    assert [seen.provider_id for seen in sighting.candidates] == [receipt.provider_id]
    assert sighting.certain is bench.adapter.uploads


async def test_a_full_file_storage_is_no_fault_of_the_batch(tmp_path: Path) -> None:
    config = SandboxConfig(storage_bytes=10)
    with start_in_thread(tmp_path, config=config) as sandbox:
        case = CASES["openai"]
        account = Account(AccountId("x"), "openai", sandbox.openai_base_url, Secret("key"))
        adapter = registry.connect(account)
        with pytest.raises(Refused) as caught:
            await adapter.upload(Lines(case, 2), Tag(AttemptId("a"), BatchId("b"), "home"))
        assert caught.value.kind is RefusalKind.BUSY
        await adapter.close()


async def test_what_is_owned_or_differs_or_is_older_is_no_candidate(bench: Bench) -> None:
    receipt, file_id = await bench.create(3)
    owned = bench.wanted(3, file_id=file_id, owned=frozenset({receipt.provider_id}))
    assert (await bench.adapter.find(owned)).candidates == ()
    other = bench.wanted(4, attempt="another")
    assert (await bench.adapter.find(other)).candidates == ()
    bench.at += 4_000.0
    assert (await bench.adapter.find(bench.wanted(3, file_id=file_id))).candidates == ()


async def test_the_search_walks_through_every_page(bench: Bench) -> None:
    receipt, file_id = await bench.create(2, attempt="first")
    state = bench.sandbox.state
    for number in range(130):
        state.run(
            "INSERT INTO batches SELECT 'copy' || ?, "
            + ", ".join(columns(state))
            + " FROM batches WHERE id = ?",
            number,
            receipt.provider_id,
        )
    seen = [seen.provider_id async for seen in bench.adapter.listing(NOW - 10)]
    assert len(seen) == len(set(seen)) == 131
    wanted = bench.wanted(2, file_id=file_id, attempt="first")
    assert len((await bench.adapter.find(wanted)).candidates) == 131


def columns(state: State) -> list[str]:
    return [row["name"] for row in state.all("PRAGMA table_info(batches)") if row["name"] != "id"]


async def test_cancelling_keeps_what_was_answered_and_is_harmless_afterwards(bench: Bench) -> None:
    receipt, _ = await bench.create(40)
    bench.at += 35
    await bench.adapter.cancel(receipt)
    working = await bench.adapter.check(receipt)
    assert isinstance(working, Working)
    assert working.cancelling
    bench.at += 700
    done = await bench.adapter.check(receipt)
    assert isinstance(done, Done)
    assert done.ending is Ending.CANCELLED
    verdicts = {line.verdict for line in await bench.read(receipt)}
    assert verdicts == {Verdict.ANSWERED, Verdict.CANCELLED}
    await bench.adapter.cancel(receipt)


async def test_expiry_keeps_what_was_answered(bench: Bench) -> None:
    bench.sandbox.add_fault(Fault("expire", fraction=0.5))
    receipt, _ = await bench.create(40)
    bench.at += 100
    done = await bench.adapter.check(receipt)
    assert isinstance(done, Done)
    assert done.ending is Ending.EXPIRED
    assert {line.verdict for line in await bench.read(receipt)} == {
        Verdict.ANSWERED,
        Verdict.EXPIRED,
    }


async def test_a_download_is_resumed_where_it_stopped(bench: Bench) -> None:
    receipt, _ = await bench.create(20)
    bench.at += 100
    done = await bench.adapter.check(receipt)
    assert isinstance(done, Done)
    whole = await bench.adapter.download(receipt, done.files[0])
    data = b"".join([chunk async for chunk in whole.chunks])
    assert whole.size in (None, len(data))
    rest = await bench.adapter.download(receipt, done.files[0], start=1_000)
    tail = b"".join([chunk async for chunk in rest.chunks])
    assert data[rest.start :] == tail
    assert rest.start == 1_000


async def test_a_download_that_breaks_off_is_doubtful_and_not_taken_for_whole(bench: Bench) -> None:
    bench.sandbox.add_fault(Fault("drop_download", operation="results", bytes=500))
    receipt, _ = await bench.create(20)
    bench.at += 100
    done = await bench.adapter.check(receipt)
    assert isinstance(done, Done)
    download = await bench.adapter.download(receipt, done.files[0])
    with pytest.raises(Doubtful):
        async for _ in download.chunks:
            pass


async def test_what_does_not_exist_is_absent(bench: Bench) -> None:
    with pytest.raises(Refused) as caught:
        await bench.adapter.check(Receipt("batch_nowhere"))
    assert caught.value.kind is RefusalKind.ABSENT


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_credential_is_named_as_such(bench: Bench, status: int) -> None:
    bench.sandbox.add_fault(Fault("http_error", operation="batches.get", status=status))
    with pytest.raises(Refused) as caught:
        await bench.adapter.check(Receipt("batch_x"))
    assert caught.value.kind is RefusalKind.CREDENTIAL


async def test_files_left_behind_are_deleted_and_deleting_twice_is_no_error(bench: Bench) -> None:
    receipt, file_id = await bench.create(2)
    bench.at += 100
    done = await bench.adapter.check(receipt)
    assert isinstance(done, Done)
    for name in (*bench.adapter.files_of(file_id, done.files),) * 2:
        await bench.adapter.delete_file(name)
    assert bench.sandbox.state.first("SELECT 1 FROM files WHERE deleted = 0") is None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("fail_validation", line=2), RejectionKind.LINES),
        (Fault("token_limit_exceeded", limit=12_345), RejectionKind.QUOTA),
        (Fault("billing_limit"), RejectionKind.BILLING),
        (Fault("fail_whole"), RejectionKind.WHOLE),
        (Fault("fail_whole", code="server_error"), RejectionKind.TRANSIENT),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
async def test_why_a_batch_was_failed_whole_is_told_apart(
    tmp_path: Path, fault: Fault, kind: RejectionKind
) -> None:
    bench = Bench(CASES["openai"], tmp_path)
    bench.sandbox.add_fault(fault)
    receipt, _ = await bench.create(3)
    bench.at += 100
    failed = await bench.adapter.check(receipt)
    assert isinstance(failed, Failed)
    assert failed.kind is kind
    assert failed.limit == (12_345 if kind is RejectionKind.QUOTA else None)
    if kind is RejectionKind.LINES:
        assert failed.problems[0].line == 2
    await bench.adapter.close()
    bench.sandbox.close()
