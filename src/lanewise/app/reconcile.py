"""The ledger beside what a provider says it charged, day by day, and a name for what differs."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final

from lanewise.app.receipt import usd
from lanewise.errors import BadInput
from lanewise.pricing.dollars import dollars
from lanewise.store.books import Entry

_CENTS: Final = Decimal(100)
_UNREADABLE: Final = (
    AttributeError, KeyError, TypeError, ValueError, ArithmeticError, OSError,
)  # fmt: skip
ACCEPTED: Final = (
    "OpenAI's GET /v1/organization/costs, Anthropic's GET /v1/organizations/cost_report (JSON, one page or "
    "a list of pages), or CSV with the columns date,amount and, if you like, model"
)


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a provider's figures; the amount in nano-USD, exactly as it was given."""

    day: str  # 2026-11-24, UTC
    what: str  # the model or line item, empty where the provider does not say
    nano: Decimal


@dataclass(slots=True)
class DayDrift:
    """One day: the provider's sum, the ledger's, and what is known of the difference. Nano-USD."""

    day: str
    theirs: Decimal = Decimal(0)
    ours: int = 0
    unpriced: int = 0  # answers that the ledger has no price for
    uncertain: int = 0  # upper bounds of what may have been charged, part of `ours`
    causes: list[str] = field(default_factory=list)

    @property
    def drift(self) -> Decimal:
        """The provider's sum minus ours."""
        return self.theirs - self.ours

    def as_json(self) -> dict[str, object]:
        """The fields of `--json`."""
        return {
            "day": self.day,
            "provider_usd": float(self.theirs.scaleb(-9)),
            "ledger_usd": usd(self.ours),
            "drift_usd": float(self.drift.scaleb(-9)),
            "unpriced_answers": self.unpriced,
            "upper_bounds_usd": usd(self.uncertain),
            "causes": self.causes,
        }


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Every day that either side knows, and the sums."""

    provider: str
    days: tuple[DayDrift, ...]
    models: tuple[tuple[str, Decimal, int], ...]  # what, theirs, ours; where both sides name models

    @property
    def drift(self) -> Decimal:
        """Over all days."""
        return sum((day.drift for day in self.days), Decimal(0))

    @property
    def even(self) -> bool:
        """Whether every day agrees to the nano-dollar."""
        return all(day.drift == 0 for day in self.days)


# -- reading -------------------------------------------------------------------------------------------
def charges(raw: bytes, where: str) -> list[Charge]:
    """The lines of a provider's cost report. Raises `BadInput` naming the place."""
    text = _text(raw, where)
    if not text.lstrip().startswith(("{", "[")):
        return list(_from_csv(text, where))
    try:
        found = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise BadInput(f"{where}: {error}; accepted are {ACCEPTED}") from error
    pages = found if isinstance(found, list) else [found]
    return [charge for page in pages for charge in _from_page(page, where)]


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{where}: not UTF-8 ({error}); accepted are {ACCEPTED}") from error


def _from_page(page: Any, where: str) -> Iterator[Charge]:
    if not isinstance(page, Mapping) or not isinstance(page.get("data"), list):
        raise BadInput(f"{where}: there is no list `data` in it; accepted are {ACCEPTED}")
    for number, bucket in enumerate(page["data"], start=1):
        place = f"{where}: data {number}"
        try:
            read = _openai_bucket if "start_time" in bucket else _anthropic_bucket
            yield from read(bucket)
        except _UNREADABLE as error:
            raise BadInput(
                f"{place}: {type(error).__name__} {error}; accepted are {ACCEPTED}"
            ) from error


def _openai_bucket(bucket: Mapping[str, Any]) -> Iterator[Charge]:
    day = datetime.fromtimestamp(int(bucket["start_time"]), UTC).date().isoformat()
    for result in bucket["results"]:
        amount = result["amount"]
        _dollars_only(amount.get("currency", "usd"))
        yield Charge(day, result.get("line_item") or "", Decimal(amount["value"]).scaleb(9))


def _anthropic_bucket(bucket: Mapping[str, Any]) -> Iterator[Charge]:
    """Amounts are in cents, as decimal texts."""
    day = datetime.fromisoformat(bucket["starting_at"]).astimezone(UTC).date().isoformat()
    for result in bucket["results"]:
        _dollars_only(result.get("currency", "usd"))
        cents = Decimal(str(result["amount"]))
        yield Charge(day, result.get("model") or "", (cents / _CENTS).scaleb(9))


def _dollars_only(currency: str) -> None:
    if currency.lower() != "usd":
        raise ValueError(f"the currency is {currency!r}, and the ledger is in USD")


def _from_csv(text: str, where: str) -> Iterator[Charge]:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        lines = list(reader)
    except csv.Error as error:
        raise BadInput(
            f"{where}, line {reader.line_num}: {error}; accepted are {ACCEPTED}"
        ) from error
    names = [name.strip().lower() for name in lines[0]] if lines else []
    if not {"date", "amount"} <= set(names):
        raise BadInput(f"{where}: the first line names no date and amount; accepted are {ACCEPTED}")
    for number, cells in enumerate(lines[1:], start=2):
        if cells:
            row = dict(zip_longest(names, map(str.strip, cells), fillvalue=""))
            yield _csv_charge(row, f"{where}, line {number}")


def _csv_charge(row: Mapping[str, str], place: str) -> Charge:
    try:
        day = date.fromisoformat(row["date"][:10]).isoformat()
        nano = Decimal(row["amount"].removeprefix("$").replace(",", "")).scaleb(9)
    except (ValueError, ArithmeticError) as error:
        raise BadInput(
            f"{place}: {row['date']!r}, {row['amount']!r}; it takes a date such as 2026-11-24 and dollars "
            "such as 1.25"
        ) from error
    return Charge(day, row.get("model", ""), nano)


# -- comparing -----------------------------------------------------------------------------------------
def reconcile(entries: Iterable[Entry], theirs: Sequence[Charge], provider: str) -> Reconciliation:
    """Compare the ledger rows of `provider` with its charges, on the days that its report covers."""
    days: dict[str, DayDrift] = {}
    for charge in theirs:
        days.setdefault(charge.day, DayDrift(charge.day)).theirs += charge.nano
    first, last = (min(days), max(days)) if days else ("", "")
    models: dict[str, int] = defaultdict(int)
    for entry in entries:
        day = datetime.fromtimestamp(entry.charged_at, UTC).date().isoformat()
        if entry.row.provider == provider and first <= day <= last:
            _take(days.setdefault(day, DayDrift(day)), entry)
            models[entry.row.model] += entry.row.cost_nano or 0
    ordered = tuple(days[day] for day in sorted(days))
    _name(ordered)
    return Reconciliation(provider, ordered, tuple(_by_model(theirs, models)))


def _take(day: DayDrift, entry: Entry) -> None:
    row = entry.row
    if row.cost_nano is None:
        day.unpriced += row.n
        return
    day.ours += row.cost_nano
    day.uncertain += row.cost_nano if row.kind == "unknown_upper_bound" else 0


def _name(days: Sequence[DayDrift]) -> None:
    """Say what a difference may come from; what nothing accounts for is called unexplained."""
    for place, day in enumerate(days):
        if day.drift == 0:
            continue
        following = days[place + 1] if place + 1 < len(days) else None
        if following is not None and _made_up_for(day, following):
            sentence = f"{dollars(round(abs(day.drift)))} stands on the other side of midnight"
            day.causes.append(sentence)
            following.causes.append(sentence)
        else:
            day.causes += _causes(day)


def _causes(day: DayDrift) -> Iterator[str]:
    if day.causes:
        return
    if day.unpriced and day.drift > 0:
        yield f"{day.unpriced:,} answers without a known price are not in the ledger's sum"
    if day.uncertain and -day.uncertain <= day.drift < 0:
        yield (
            f"{dollars(day.uncertain)} of the ledger is an upper bound for calls that were sent and whose "
            "outcome is unknown"
        )
        return
    if abs(day.drift) < 1:
        yield "less than a nano-dollar: the provider's figures have more digits"
    elif day.drift > 0:
        yield "unexplained: charged, and not in the ledger (calls that did not go through lanewise?)"
    else:
        yield "unexplained: in the ledger, not charged by the provider (a report that is not final?)"


def _made_up_for(day: DayDrift, following: DayDrift) -> bool:
    next_day = date.fromisoformat(day.day) + timedelta(days=1)
    return following.day == next_day.isoformat() and day.drift == -following.drift


def _by_model(
    theirs: Sequence[Charge], ours: Mapping[str, int]
) -> Iterator[tuple[str, Decimal, int]]:
    """Model by model, where the provider names them; line items count for the model they begin with."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for charge in theirs:
        if not charge.what:
            return
        sums[_model_of(charge.what, ours)] += charge.nano
    for name in sorted({*sums, *ours}):
        yield name, sums.get(name, Decimal(0)), ours.get(name, 0)


def _model_of(what: str, models: Iterable[str]) -> str:
    fitting = [
        model for model in models if what == model or what.startswith((f"{model},", f"{model} "))
    ]
    return max(fitting, key=len, default=what)
