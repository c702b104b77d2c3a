"""The story of one request: what happened to it, what it cost, and what would have happened otherwise.

What is known is told apart from what is only expected, and an expectation names what it rests on. Never a
body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from lanewise.app.receipt import usd
from lanewise.app.standing import provider_id
from lanewise.domain.batches import LIVE, Settled
from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.ids import BatchId, custom_id
from lanewise.domain.lanes import LaneName
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.store.nouns import Event, RequestTrace, Trace
from lanewise.store.records import Record

_CALLED_BACK: Final = ("batch.withdrawn", "batch.rescued")


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that answers may have cost that nobody has, as it is booked of all of them in a batch."""

    nano: int
    requests: int


@dataclass(frozen=True, slots=True)
class Try:
    """One time that a request was given a place in a batch, with what happened to that batch."""

    trace: Trace
    events: tuple[Event, ...]
    waste_nano: int | None = None  # what an answer that came second cost, as it is booked
    bound: Bound | None = None  # where nobody knows whether it was answered

    @property
    def called_back_at(self) -> float | None:
        """When its batch was called back, or what it had not answered was asked elsewhere."""
        for event in self.events:
            unsent = event.kind == "batch.rejected" and event.detail.startswith("called back")
            if unsent or event.kind in _CALLED_BACK:
                return event.at
        return None

    @property
    def settled_at(self) -> float | None:
        """When its results were read."""
        batch = self.trace.batch.batch
        return batch.settled_at if isinstance(batch, Settled) else None

    @property
    def verdict(self) -> Verdict | None:
        """What its results say of the request; None before they are read."""
        record = self.trace.record
        return None if record is None else Verdict(record.verdict)


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What would have happened another way; `known` where it is no expectation."""

    # `any_lane`: what another than `lane` would have said; `no_other`: none but `lane` was open to it
    way: Literal["at_once", "left_alone", "other_lane", "any_lane", "no_other"]
    lane: LaneName
    batch: BatchId | None = None  # of what was left alone
    cost_nano: int | None = None  # at the prices of the day; None where they are not known
    at: float | None = None  # when it was done, is to be sent or done, or runs out
    late_by: float | None = None  # seconds after the deadline; negative before it
    # of being done by the deadline (without one: by `at`), where that is only expected
    chance: float | None = None
    known: bool = False
    basis: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "way": self.way,
            "lane": self.lane,
            "batch": self.batch,
            "cost_usd": None if self.cost_nano is None else usd(self.cost_nano),
            "at": self.at,
            "late_seconds": self.late_by,
            "chance_in_time": self.chance,
            "known": self.known,
            "basis": self.basis,
        }


@dataclass(frozen=True, slots=True)
class Story:
    """Everything there is to tell of one request."""

    trace: RequestTrace
    tries: tuple[Try, ...]
    events: tuple[Event, ...]  # of its run
    otherwise: tuple[Otherwise, ...]

    @property
    def custom_id(self) -> str:
        """What providers know it by."""
        return custom_id(self.trace.segment, self.trace.ordinal)

    @property
    def at_once(self) -> bool:
        """Whether somebody waits for the answer."""
        return self.trace.deadline is not None and self.trace.deadline <= AT_ONCE

    @property
    def deadline(self) -> float | None:
        """Its deadline where that is an instant, in seconds since the epoch."""
        return None if self.at_once else self.trace.deadline

    @property
    def answer(self) -> Try | None:
        """The try whose answer counts."""
        return next((item for item in self.tries if item.verdict is Verdict.ANSWERED), None)

    @property
    def state(self) -> Literal["answered", "refused", "unanswered", "sent", "waiting"]:
        """How it stands."""
        if self.answer is not None:
            return "answered"
        if self.trace.outcome is not None:
            return "refused" if self.trace.outcome.verdict is Verdict.REFUSED else "unanswered"
        if self.trace.waiting:
            return "waiting"
        if any(item.trace.batch.batch.state in LIVE for item in self.tries):
            return "sent"
        refused = any(item.verdict is Verdict.REFUSED for item in self.tries)
        return "refused" if refused else "waiting"

    @property
    def late_by(self) -> float | None:
        """Seconds from the deadline to the answer; negative where it came before."""
        answer = self.answer
        if answer is None or answer.settled_at is None or self.deadline is None:
            return None
        return answer.settled_at - self.deadline

    def as_json(self) -> dict[str, Any]:
        """For programs; money in USD, seconds, instants in seconds since the epoch."""
        trace, run, answer = self.trace, self.trace.run, self.answer
        return {
            "request": trace.caller_id,
            "custom_id": self.custom_id,
            "run": run.name,
            "workflow": run.workflow,
            "line": trace.number,
            "bytes": trace.length,
            "same_as": trace.original,
            "copies": trace.copies,
            "accepted_at": run.created_at,
            "asked": run.asked,
            "deadline": self.deadline,
            "at_once": self.at_once,
            "decision": _decision(trace.decision),
            "state": self.state,
            "tries": [_try(item) for item in self.tries],
            "events": [_event(item) for item in self.events],
            "answered_at": None if answer is None else answer.settled_at,
            "late_seconds": self.late_by,
            "outcome": _outcome(trace),
            "otherwise": [item.as_json() for item in self.otherwise],
        }


def _try(item: Try) -> dict[str, Any]:
    row, record = item.trace.batch, item.trace.record
    priced = record is not None and record.priced
    return {
        "batch": row.batch.id,
        "state": row.batch.state,
        "lane": row.lane,
        "requests": row.requests,
        "account": row.key.account,
        "provider_id": provider_id(row),
        "decision": _decision(row.decision),
        "packed_at": row.created_at,
        "called_back_at": item.called_back_at,
        "settled_at": item.settled_at,
        "result": None if item.verdict is None else item.verdict.name.lower(),
        "http_status": record.status or None if record is not None else None,
        "usage": _usage(record),
        "cost_usd": usd(record.cost_nano) if record is not None and priced else None,
        "baseline_usd": usd(record.baseline_nano) if record is not None and priced else None,
        "waste_usd": None if item.waste_nano is None else usd(item.waste_nano),
        "upper_bound": None
        if item.bound is None
        else {"usd": usd(item.bound.nano), "requests": item.bound.requests},
        "calls": [
            {"what": call.what, "at": call.at, "provider_id": call.provider_id or None}
            for call in item.trace.calls
        ],
        "events": [_event(event) for event in item.events],
    }


def _usage(record: Record | None) -> dict[str, int] | None:
    if record is None or record.verdict not in (Verdict.ANSWERED, Verdict.SURPLUS):
        return None
    used = record.usage
    return {name: getattr(used, name) for name in Usage.__slots__}


def _decision(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "lane": found.lane,
        "wanted": found.wanted,
        "lanes": list(found.lanes),
        "rule": found.rule,
        "policy": found.policy,
        "why": found.why,
    }


def _event(event: Event) -> dict[str, Any]:
    return {"at": event.at, "kind": event.kind, "detail": event.detail}


def _outcome(trace: RequestTrace) -> dict[str, Any] | None:
    if trace.outcome is None:
        return None
    found = trace.outcome
    return {
        "at": trace.outcome_at,
        "verdict": found.verdict.name.lower(),
        "code": found.code,
        "message": found.message,
    }
