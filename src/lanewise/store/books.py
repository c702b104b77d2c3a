"""The nouns of the books: what is written to the ledger, and what is read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lanewise.domain.ids import AccountId, RunId
from lanewise.domain.lanes import LaneName
from lanewise.domain.usage import Usage
from lanewise.errors import OverBudget
from lanewise.pricing.dollars import dollars
from lanewise.pricing.kept import KeptPrice

Kind: TypeAlias = Literal["answer", "waste", "primer", "correction", "unknown_upper_bound"]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Money for requests of one commit, run, rule, model, lane and tier; amounts in nano-USD.

    `waste_nano` is the part of `cost_nano` that paid for answers nobody used. `price` and
    `baseline_price` are what the sums were worked out with; None where a price is unknown.
    """

    run: RunId
    workflow: str
    provider: str
    account: AccountId
    model: str
    lane: LaneName
    kind: Kind
    n: int
    usage: Usage
    cost_nano: int | None
    baseline_nano: int | None
    waste_nano: int
    price_basis: str
    price_status: str
    other_units: Mapping[str, int] = field(default_factory=dict)
    tier: int = 0  # the long-context limit that these requests are above
    price: KeptPrice | None = None
    baseline_price: KeptPrice | None = None
    provider_id: str | None = None  # the provider's batch, to find it on the invoice
    charged_at: float | None = None  # by the provider's clock, where it says
    corrects: int | None = None  # the row that a correction changes
    note: str = ""
    rule: str = ""  # of policy, that these requests came under; "" for none


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger as it is kept, with the tags of its run."""

    id: int
    commit: str
    at: float
    row: LedgerRow
    run_name: str
    tags: Mapping[str, str]
    marked: bool = False  # lanewise marked these requests for the provider's prompt cache

    @property
    def charged_at(self) -> float:
        """When the provider charged for it; when it was booked, where the provider did not say."""
        return self.at if self.row.charged_at is None else self.row.charged_at


@dataclass(frozen=True, slots=True)
class Money:
    """Sums of ledger rows; those of unknown price are counted and left out."""

    n: int
    usage: Usage
    cost_nano: int
    baseline_nano: int
    waste_nano: int
    unpriced: int
    by_status: Mapping[str, int]  # price status -> requests
    lanes: Mapping[str, int]  # lane -> requests


@dataclass(frozen=True, slots=True)
class Observation:
    """What was counted before a request was sent, and what its answer really used."""

    provider: str
    model: str  # as it was asked for, where that is known
    counted: int  # input tokens
    usage: Usage


@dataclass(frozen=True, slots=True)
class Cap:
    """No more than `limit_nano` since an instant, for one workflow, one key, one rule or for all."""

    name: str
    workflow: str | None
    since: float
    limit_nano: int
    cure: str  # how to raise it
    key: str | None = None  # since is the beginning of a month, which is what a key's budget is for
    rule: str | None = None  # by its name; "" for what no rule fits
    asked_nano: int | None = None  # what part of the run comes under it; None: all


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a cap stands: what was booked, and what open runs may still cost."""

    cap: Cap
    spent_nano: int
    reserved_nano: int

    @property
    def left_nano(self) -> int:
        """What new requests may still cost."""
        return self.cap.limit_nano - self.spent_nano - self.reserved_nano


class NoRoom(OverBudget):
    """A cap leaves less than what was asked may cost."""

    def __init__(self, asked_nano: int, standing: Standing) -> None:
        cap = standing.cap
        super().__init__(
            f"this could cost {dollars(asked_nano)}, and {cap.name} of {dollars(cap.limit_nano)} has "
            f"{dollars(max(0, standing.left_nano))} left ({dollars(standing.spent_nano)} spent, "
            f"{dollars(standing.reserved_nano)} reserved for open runs). Nothing was accepted. {cap.cure}"
        )
        self.standing = standing
