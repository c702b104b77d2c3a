"""The outbox: what was sent of a batch and what came back, whoever held the lease and however it ended."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.ids import AttemptId, BatchId, WorkerId, fresh_id
from lanewise.domain.lanes import REALTIME
from lanewise.errors import LeaseLost, StoreUnusable
from lanewise.store.nouns import Lease, NewBatch, Part
from lanewise.store.outbox import FileOutbox

ACCOUNT = "openai-test"


def packed(desk: Any, count: int = 4) -> BatchId:
    """A batch for a lane without batches."""
    desk.accept(count)
    (group,) = desk.store.waiting(ACCOUNT, 1e9)
    part = Part(group.waiting.segment, group.waiting.ordinals, group.waiting.tries)
    batch = NewBatch(BatchId(fresh_id()), group.key, REALTIME, (part,), count, group.whole[1])
    desk.store.pack(desk.lease, [batch], 2.0)
    return batch.id


def names(desk: Any, batch: BatchId) -> list[str]:
    """The custom_ids of a batch, by position."""
    return [ask.custom_id for ask in desk.store.asks(desk.store.contents(batch), frozenset())]


def line(name: str, text: str = "") -> bytes:
    """A result line."""
    return f'{{"custom_id":"{name}","text":"{text}"}}\n'.encode()


def taken_over(desk: Any) -> Lease:
    """The lease of a worker that took over."""
    lease: Lease | None = desk.store.acquire(ACCOUNT, WorkerId("w2"), 2e9, 1e9)
    assert lease is not None
    assert lease.fence > desk.lease.fence
    return lease


def test_what_is_asked_one_by_one_are_the_bodies_as_they_were_accepted(desk: Any) -> None:
    batch = packed(desk)
    asks = list(desk.store.asks(desk.store.contents(batch), frozenset({1})))
    assert [ask.position for ask in asks] == [0, 2, 3]
    assert [ask.body for ask in asks] == [b'{"model":"m","n":%d}' % n for n in (0, 2, 3)]
    assert {ask.workflow for ask in asks} == {"w"}
    assert len({ask.custom_id for ask in asks}) == 3


def test_a_new_holder_sees_what_was_durable_and_no_more(desk: Any) -> None:
    batch = packed(desk)
    ours = names(desk, batch)
    first = desk.store.outbox(desk.lease, batch)
    first.send([0, 1, 2], 3.0)
    first.answer(0, line(ours[0]))
    first.accept(1, "resp_1", 3.5)
    first.sync()
    first.send([3], 4.0)  # never durable
    second = desk.store.outbox(taken_over(desk), batch)
    assert second.answered == {0}
    assert second.accepted == {1: ("resp_1", 3.5)}
    assert second.unknown == {2}
    assert second.asked == {0, 1, 2}
    assert desk.store.unknown_calls(batch) == {2}
    assert desk.store.unasked(batch) == {3}
    first.close()
    second.close()


def test_what_was_taken_back_may_be_sent_again_and_what_is_lost_may_not(desk: Any) -> None:
    batch = packed(desk)
    outbox = desk.store.outbox(desk.lease, batch)
    outbox.send([0, 1], 3.0)
    outbox.unsend(0)
    outbox.lost(1)
    outbox.sync()
    outbox.close()
    again = desk.store.outbox(desk.lease, batch)
    assert again.asked == {1}
    assert again.unknown == frozenset()
    assert desk.store.unknown_calls(batch) == {1}
    assert desk.store.unasked(batch) == {0, 2, 3}
    again.close()


def test_an_overtaken_holder_is_told_before_it_calls_and_its_answers_are_kept(desk: Any) -> None:
    batch = packed(desk)
    ours = names(desk, batch)
    first = desk.store.outbox(desk.lease, batch)
    first.send([0], 3.0)
    first.sync()
    second = desk.store.outbox(taken_over(desk), batch)
    first.answer(0, line(ours[0], "late"))
    with pytest.raises(LeaseLost):
        first.sync()
    second.send([1], 5.0)
    second.answer(1, line(ours[1]))
    assert second.finish() == ("answers",)
    kept = [text for _, text in desk.store.result_lines(batch, 0)]
    assert sorted(kept) == sorted([line(ours[0], "late"), line(ours[1])])
    assert desk.store.unknown_calls(batch) == frozenset()
    first.close()
    second.close()


@pytest.mark.parametrize("suffix", ["calls", "answers"])
def test_a_line_that_a_crash_cut_off_counts_as_not_written(desk: Any, suffix: str) -> None:
    batch = packed(desk)
    ours = names(desk, batch)
    first = desk.store.outbox(desk.lease, batch)
    first.send([0], 3.0)
    first.answer(0, line(ours[0]))
    first.sync()
    first.close()
    (path,) = Path(desk.store.home).rglob(f"{desk.lease.fence}.{suffix}")
    path.write_bytes(path.read_bytes() + line(ours[1])[:-4])
    again = desk.store.outbox(desk.lease, batch)
    assert again.answered == {0}
    again.send([2], 4.0)
    again.answer(2, line(ours[2]))
    again.sync()
    again.close()
    assert desk.store.unasked(batch) == {1, 3}
    last = desk.store.outbox(desk.lease, batch)
    assert last.answered == {0, 2}
    last.close()


def test_after_a_full_disk_nothing_counts_as_written_down(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = packed(desk)
    outbox = desk.store.outbox(desk.lease, batch)
    outbox.send([0], 3.0)

    def full(fd: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lanewise.store.outbox.write_all", full)
        with pytest.raises(StoreUnusable):
            outbox.sync()
    with pytest.raises(StoreUnusable):  # another call that waited for the same write
        outbox.sync()
    outbox.close()
    assert desk.store.unasked(batch) == {0, 1, 2, 3}


def test_a_batch_that_a_provider_executes_has_no_unasked_requests(desk: Any) -> None:
    desk.accept(3)
    (batch,) = desk.pack()
    assert desk.store.unasked(batch) is None


def test_a_holder_that_was_overtaken_does_not_finish(desk: Any) -> None:
    batch = packed(desk)
    (due,) = desk.store.due(ACCOUNT, 1e9)
    desk.store.advance(desk.lease, due, due.send(AttemptId(fresh_id()), 3.0), 3.0)
    outbox = desk.store.outbox(desk.lease, batch)
    taken_over(desk)
    with pytest.raises(LeaseLost):
        outbox.finish()
    outbox.close()


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["answer", "accept", "unsend", "lost", "nothing", "crash", "sync"]),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_however_holders_die_nothing_durable_is_forgotten_and_nothing_is_sent_twice(
    steps: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("outbox")
    fence = 1

    def opened() -> FileOutbox:
        return FileOutbox(home / "b", fence, int, home, still_held=lambda: None, alone=nullcontext)

    outbox = opened()
    durable: dict[int, str] = {}
    latest: dict[int, str] = {}
    for position, what in steps:
        if what == "crash":
            outbox.close()
            fence += 1
            outbox = opened()
            latest = dict(durable)
            assert outbox.unknown == {p for p, was in latest.items() if was == "nothing"}
        elif what == "sync":
            outbox.sync()
            durable = dict(latest)
        elif position not in outbox.asked:
            outbox.send([position], 1.0)
            if what == "answer":
                outbox.answer(position, b'{"custom_id":"%d"}\n' % position)
            elif what == "accept":
                outbox.accept(position, f"r{position}", 2.0)
            elif what != "nothing":
                getattr(outbox, what)(position)
            latest[position] = what
            if what == "unsend":
                del latest[position]
        assert outbox.asked == latest.keys()
        assert outbox.answered == {p for p, was in latest.items() if was == "answer"}
        assert outbox.accepted.keys() == {p for p, was in latest.items() if was == "accept"}
    outbox.close()
