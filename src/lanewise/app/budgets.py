"""Budgets and the daily cap: what new requests may still cost. Reserved on acceptance, then settled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lanewise.app.receipt import percent, usd
from lanewise.pricing.dollars import dollars
from lanewise.settings import Settings
from lanewise.store.books import Cap, Standing


def caps_for(settings: Settings, workflow: str, now: float) -> tuple[Cap, ...]:
    """The caps that a new run of `workflow` has to fit into."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    daily = Cap(
        "the daily cap",
        None,
        today.timestamp(),
        int(settings.daily_cap_usd.scaleb(9)),
        "Raise it with daily_cap_usd in lanewise.toml or LANEWISE_DAILY_CAP_USD, or wait for the next "
        "day (UTC).",
    )
    budget = settings.budgets.get(workflow)
    if budget is None:
        return (daily,)
    monthly = Cap(
        f"the monthly budget of workflow {workflow!r}",
        workflow,
        today.replace(day=1).timestamp(),
        int(budget.monthly_usd.scaleb(9)),
        f"Raise it with monthly_usd under [budgets.{workflow}] in lanewise.toml, or in LANEWISE_BUDGETS.",
    )
    return daily, monthly


def key_cap(key: str, monthly_nano: int, now: float) -> Cap:
    """The cap of a virtual key with a budget, for what it asks this month."""
    month = datetime.fromtimestamp(now, UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    return Cap(
        "the monthly budget of this key",
        None,
        month.timestamp(),
        monthly_nano,
        "Ask for less, or wait for the next month (UTC).",
        key,
    )


def rule_said(rule: str) -> str:
    """Whose budget it is, in a sentence.

    >>> rule_said("nightly"), rule_said("")
    ("rule 'nightly'", '[default]')
    """
    return f"rule {rule!r}" if rule else "[default]"


def rule_cap(rule: str, budget_nano: int, now: float, asked_nano: int | None = None) -> Cap:
    """The cap of what is asked under a rule of policy this month, whoever asks; "" for what no rule fits.

    `asked_nano`: what the requests of a new run that come under it may cost.
    """
    month = datetime.fromtimestamp(now, UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    return Cap(
        f"the monthly budget of {rule_said(rule)}",
        None,
        month.timestamp(),
        budget_nano,
        "Raise `budget` in policy.toml, or wait for the next month (UTC).",
        rule=rule,
        asked_nano=asked_nano,
    )


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """A workflow's monthly budget and how much of it is gone; amounts in nano-USD."""

    workflow: str
    limit_nano: int
    spent_nano: int
    reserved_nano: int
    warn_percent: int

    @property
    def used_percent(self) -> float:
        """Spent and reserved, of the limit."""
        return percent(self.spent_nano + self.reserved_nano, self.limit_nano) or 0.0

    @property
    def warns(self) -> bool:
        """Whether the level that warns is reached."""
        used = self.spent_nano + self.reserved_nano
        return used * 100 >= self.limit_nano * self.warn_percent

    def sentence(self) -> str:
        """For people."""
        return (
            f"workflow {self.workflow!r} has used {self.used_percent:g} % of its monthly budget of "
            f"{dollars(self.limit_nano)} ({dollars(self.spent_nano)} spent, {dollars(self.reserved_nano)} "
            "reserved for open runs)"
        )

    def as_json(self) -> dict[str, object]:
        """The fields of `--json`."""
        return {
            "workflow": self.workflow,
            "monthly_usd": usd(self.limit_nano),
            "spent_usd": usd(self.spent_nano),
            "reserved_usd": usd(self.reserved_nano),
            "used_percent": self.used_percent,
            "warns": self.warns,
        }


def budget_caps(settings: Settings, now: float) -> list[Cap]:
    """The monthly cap of every workflow that has a budget."""
    return [
        cap
        for workflow in sorted(settings.budgets)
        for cap in caps_for(settings, workflow, now)
        if cap.workflow is not None
    ]


def budgets_of(settings: Settings, standings: Iterable[Standing]) -> Iterator[BudgetStanding]:
    """From what the store says of `budget_caps` to what people read."""
    for standing in standings:
        workflow = standing.cap.workflow
        assert workflow is not None, "a budget is a workflow's"
        yield BudgetStanding(
            workflow,
            standing.cap.limit_nano,
            standing.spent_nano,
            standing.reserved_nano,
            settings.budgets[workflow].warn_percent,
        )
