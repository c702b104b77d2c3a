"""The steps of a batch: what each leads to, and that there are no others."""

from __future__ import annotations

import dataclasses
import inspect

from lanewise.domain.batches import (
    LIVE,
    STATES,
    Creating,
    Ending,
    Packed,
    Receipt,
    Unknown,
    Uploaded,
    Uploading,
)
from lanewise.domain.ids import AttemptId, BatchId, custom_id, fresh_id, parse_custom_id

ID, ATTEMPT = BatchId("b"), AttemptId("a")


def test_the_straight_way_ends_settled() -> None:
    uploading = Packed(ID, due_at=0.0).upload(ATTEMPT, 1.0)
    creating = uploading.uploaded("file", 2.0).create(now=3.0, give_up_at=63.0)
    submitted = creating.accepted(Receipt("p"), 4.0)
    ended = submitted.end(Ending.COMPLETED, ("output:f",), 5.0)
    settled = ended.collected(6.0, ended.files).settled(7.0, clean_at=8.0)
    assert (settled.state, settled.step, settled.receipt.provider_id) == ("settled", 7, "p")
    assert settled.cleaned().due_at is None


def test_every_step_counts_so_that_an_older_copy_of_a_state_is_recognised() -> None:
    packed = Packed(ID, due_at=0.0)
    assert packed.postpone(5.0).step == packed.step + 1
    unknown = packed.create(ATTEMPT, now=0.0, give_up_at=9.0).doubtful("why", 1.0)
    assert unknown.look_again(2.0).step == unknown.step + 1


def test_out_of_unknown_lead_only_being_found_and_being_absent() -> None:
    steps = {name for name, _ in inspect.getmembers(Unknown, inspect.isfunction) if name[0] != "_"}
    assert steps == {"found", "absent", "look_again"}


def test_a_create_that_certainly_was_not_taken_goes_back_to_where_it_came_from() -> None:
    with_file = Uploaded(ID, ATTEMPT, "f", due_at=0.0).create(now=0.0, give_up_at=1.0)
    assert isinstance(with_file.refused(5.0), Uploaded)
    without = Packed(ID, due_at=0.0).create(ATTEMPT, now=0.0, give_up_at=1.0)
    assert isinstance(without.refused(5.0), Packed)


def test_an_absent_batch_begins_anew_without_its_old_attempt() -> None:
    unknown = Creating(ID, ATTEMPT, "f", 0.0, 1.0, 1.0).doubtful("504", 1.0)
    packed = unknown.absent(700.0)
    assert isinstance(packed, Packed)
    assert not hasattr(packed, "attempt")


def test_an_adoption_stays_provisional_until_the_results_are_collected() -> None:
    submitted = (
        Creating(ID, ATTEMPT, None, 0.0, 1.0, 1.0)
        .doubtful("504", 1.0)
        .found(Receipt("p"), 2.0, provisional=True)
    )
    ended = submitted.end(Ending.COMPLETED, ("results",), 3.0)
    assert submitted.provisional
    assert ended.provisional
    assert isinstance(ended.disproved(4.0, sent_at=0.0, give_up_at=1.0), Unknown)


def test_states_are_frozen_and_named_as_the_glossary_says() -> None:
    assert [state.state for state in STATES] == [
        "packed", "sending", "uploading", "uploaded", "creating", "unknown", "submitted", "ended",
        "collected", "settled", "rejected", "cancelled",
    ]  # fmt: skip
    assert all(dataclasses.is_dataclass(state) for state in STATES)
    assert {"settled", "rejected", "cancelled"}.isdisjoint(LIVE)
    assert len(LIVE) == len(STATES) - 3


def test_a_custom_id_fits_every_provider_and_names_its_request() -> None:
    segment = fresh_id()
    name = custom_id(segment, 99_999)  # type: ignore[arg-type]
    assert len(name) <= 64
    assert parse_custom_id(name) == (segment, 99_999)
    for foreign in ("", "lw-", "lw-abc-1", f"lw-{segment}-x", f"x{name}", f"{name} "):
        assert parse_custom_id(foreign) is None


def test_the_first_state_can_be_left_without_uploading_or_creating() -> None:
    assert Packed(ID, due_at=0.0).cancel().state == "cancelled"
    assert isinstance(Uploading(ID, ATTEMPT, due_at=0.0).again(1.0), Packed)
