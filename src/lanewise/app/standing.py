"""What is said of where runs stand: slack, the expected finish, and the batches that are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lanewise.domain.deadlines import AT_ONCE
from lanewise.store.nouns import BatchRow, Run

ROOM: Final = "waits for room in the provider's queue"


@dataclass(frozen=True, slots=True)
class BatchStanding:
    """A batch that has not come to its end."""

    row: BatchRow
    due: float | None  # an instant; None for whenever and for at once
    last_call: float | None  # when what it has not answered must be sent in real time
    waits: str  # what it waits for here, "" where it does not
    stuck: str  # why it is not expected to end by itself, "" where it is

    def as_json(self, now: float) -> dict[str, Any]:
        """For programs; seconds and instants in seconds since the epoch."""
        row = self.row
        return {
            "id": row.batch.id,
            "state": row.batch.state,
            "lane": row.lane,
            "provider": row.key.provider,
            "endpoint": row.key.endpoint,
            "model": row.key.model,
            "provider_id": provider_id(row),
            "requests": row.requests,
            "done": row.done,
            "deadline": self.due,
            "slack_seconds": _from(now, self.last_call),
            "waits": self.waits,
            "stuck": self.stuck,
            "called_back_at": row.cancel_asked_at,
            "rescued_at": row.rescued_at,
        }


@dataclass(frozen=True, slots=True)
class Finish:
    """When the last open request of a run is expected to be answered, as its lanes are now.

    Where what is late is called back, `likely` and `nearly` are not after the deadline.
    """

    likely: float | None  # an instant that is as likely early as late; None where none is known
    nearly: float | None  # the instant by which nine in ten such runs are done
    in_time: (
        float | None
    )  # the chance that all is done by the deadline without calling anything back
    rescued: bool  # what is late is called back, and there is time for it
    basis: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A run with requests that are not answered, at `now`."""

    run: Run
    now: float
    due: float | None  # the next deadline of what is open
    last_call: float | None  # when the first of it must be sent in real time at the latest
    unpacked: int  # requests that are in no batch yet
    batches: tuple[BatchStanding, ...]  # the least slack first
    finish: Finish | None  # None where the run is finished

    @property
    def slack(self) -> float | None:
        """Seconds left before action is needed; None where nothing is due."""
        return _from(self.now, self.last_call)

    @property
    def at_once(self) -> bool:
        """Whether somebody waits for (some of) it."""
        return self.run.deadline is not None and self.run.deadline <= AT_ONCE

    @property
    def deadline(self) -> float | None:
        """The run's deadline where it is an instant."""
        return None if self.at_once else self.run.deadline

    def as_json(self) -> dict[str, Any]:
        """For programs; seconds, and instants in seconds since the epoch."""
        found = self.finish
        return {
            "asked": self.run.asked,
            "deadline": self.deadline,
            "at_once": self.at_once,
            "due": self.due,
            "seconds_left": _from(self.now, self.due),
            "slack_seconds": self.slack,
            "on_time": self.run.answered - self.run.late if self.deadline is not None else None,
            "late": self.run.late,
            "unpacked": self.unpacked,
            "finish": None
            if found is None
            else {
                "half_by": found.likely,
                "nine_in_ten_by": found.nearly,
                "chance_in_time": found.in_time,
                "rescued": found.rescued,
                "basis": found.basis,
            },
            "batches": [item.as_json(self.now) for item in self.batches],
        }


def provider_id(row: BatchRow) -> str | None:
    """The provider's id of a batch, where it has one."""
    receipt = getattr(row.batch, "receipt", None)
    return None if receipt is None else str(receipt.provider_id)


def _from(now: float, at: float | None) -> float | None:
    return None if at is None else at - now
