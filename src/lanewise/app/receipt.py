"""The receipt of a run or workflow: what was asked, what came back, what it cost, what it saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.usage import Usage
from lanewise.store.books import Money
from lanewise.store.nouns import Run
from lanewise.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Receipt:
    """Counts of requests, and money in nano-USD. Requests of unknown price are in no sum."""

    run: str
    workflow: str
    requests: int
    answered: int
    refused: int
    unanswered: int
    remaining: int
    copies: int  # of the requests: those that get the answer of another of the same content
    batches: int
    money: Money
    deadline: float | None = None  # seconds since the epoch; None for none, at once, or several
    on_time: int | None = None  # answered by their deadline; None where there is none
    late: int = 0

    @property
    def saving_nano(self) -> int:
        """Real-time cost of the same answers, minus what was paid for them."""
        return self.money.baseline_nano - self.money.cost_nano

    def as_json(self) -> dict[str, object]:
        """The fields of `--json`; money in USD as exact decimal numbers."""
        money = self.money
        return {
            "run": self.run,
            "workflow": self.workflow,
            "requests": self.requests,
            "answered": self.answered,
            "refused": self.refused,
            "unanswered": self.unanswered + self.remaining,
            "copies": self.copies,
            "cost_usd": usd(money.cost_nano),
            "baseline_usd": usd(money.baseline_nano),
            "saving_usd": usd(self.saving_nano),
            "saving_percent": percent(self.saving_nano, money.baseline_nano),
            "waste_usd": usd(money.waste_nano),
            "unpriced_requests": money.unpriced,
            "price_status": dict(money.by_status),
            "lanes": dict(money.lanes),
            "batches": self.batches,
            "deadline": self.deadline,
            "on_time": self.on_time,
            "late": self.late,
        }


def receipt_of(store: Store, runs: list[Run], *, name: str, workflow: str) -> Receipt:
    """Add up `runs`, which share a workflow."""
    money = [store.money(run=run.id) for run in runs]
    due = [run for run in runs if run.deadline is not None and run.deadline > AT_ONCE]
    return Receipt(
        run=name,
        workflow=workflow,
        requests=sum(run.requests for run in runs),
        answered=sum(run.answered for run in runs),
        refused=sum(run.refused for run in runs),
        unanswered=sum(run.unanswered for run in runs),
        remaining=sum(run.remaining for run in runs),
        copies=sum(run.copies for run in runs),
        batches=sum(len(store.batches(run.id)) for run in runs),
        money=_sum(money),
        deadline=due[0].deadline if len(runs) == len(due) == 1 else None,
        on_time=sum(run.answered - run.late for run in due) if due else None,
        late=sum(run.late for run in runs),
    )


def usd(nano: int) -> float:
    """Nano-USD as a JSON number: nine decimals at most, shortest form that reads back the same."""
    return float(Decimal(nano).scaleb(-9))


def percent(part: int, whole: int) -> float | None:
    """To one decimal; None where there is nothing to compare with."""
    if whole == 0:
        return None
    return float(round(Decimal(100) * part / whole, 1))


def _sum(parts: list[Money]) -> Money:
    return Money(
        sum(part.n for part in parts),
        _usage(parts),
        sum(part.cost_nano for part in parts),
        sum(part.baseline_nano for part in parts),
        sum(part.waste_nano for part in parts),
        sum(part.unpriced for part in parts),
        _counts([part.by_status for part in parts]),
        _counts([part.lanes for part in parts]),
    )


def _usage(parts: list[Money]) -> Usage:
    total = Usage()
    for part in parts:
        total += part.usage
    return total


def _counts(parts: list[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total
