"""Is the price book in order? What it does not know of the models in use, its age, what never applies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from lanewise.app.doctor import Finding, Health
from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.pricing import PriceBook, Resolved
from lanewise.pricing.arithmetic import Rates, Vector
from lanewise.pricing.book import TABLE_FILE
from lanewise.pricing.names import closeness, stem
from lanewise.pricing.overlay import FOREVER, Discount, Price, Region, Rule
from lanewise.pricing.sheets import per_million
from lanewise.pricing.table import shipped
from lanewise.store.books import Entry

OLD: Final = timedelta(days=90)
_UPDATE: Final = "upgrade lanewise, or: lanewise prices update --from FILE|URL"
_ASK: Final = (
    '"?"'  # what a snippet says where only the provider knows: refused until it is filled in
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A model of the ledger whose price in a lane no source names."""

    provider: str
    model: str
    lane: LaneName
    status: str  # as it was booked
    requests: int
    basis: str  # of the newest row
    today: Resolved
    cure: str
    snippet: str  # for prices.toml; empty where nothing is to be done


def doubts(book: PriceBook, entries: Iterable[Entry], at: datetime) -> list[Doubt]:
    """The models of the ledger that were not booked at a listed price, most requests first."""
    counted: Counter[_Booked] = Counter()
    bases: dict[_Booked, str] = {}
    for entry in entries:
        row = entry.row
        if row.price_status != "listed":
            key = _Booked(row.provider, row.model, row.lane, row.price_status)
            counted[key] += row.n
            bases[key] = row.price_basis
    return [_doubt(book, key, n, bases[key], at) for key, n in counted.most_common()]


class _Booked(NamedTuple):
    provider: str
    model: str
    lane: LaneName
    status: str


def _doubt(book: PriceBook, key: _Booked, requests: int, basis: str, at: datetime) -> Doubt:
    today = book.resolve(key.provider, key.model, at, key.lane)
    realtime = book.resolve(key.provider, key.model, at, REALTIME)
    return Doubt(*key, requests, basis, today, *_cure(key, today, realtime))


def _cure(key: _Booked, today: Resolved, realtime: Resolved) -> tuple[str, str]:
    """What to do about it, and the entry to do it with."""
    entry = snippet(key.provider, key.model, key.lane, today.rates)
    match today.status:
        case "listed":
            return "nothing: a source lists it by now, and booked rows keep their price", ""
        case "override":
            return "nothing: the price is yours", ""
        case "rule":
            return "compare with the provider's page; to make it yours, in prices.toml:", entry
        case "estimated":
            return "look it up on the provider's page, and put it into prices.toml:", entry
        case "unknown":
            if realtime.rates is None and key.lane != REALTIME:
                entry = snippet(key.provider, key.model, REALTIME, None) + "\n\n" + entry
            return "it is in no sum; look it up and put it into prices.toml:", entry


def snippet(provider: str, model: str, lane: LaneName, rates: Rates | None) -> str:
    """A `[[price]]` for prices.toml; prices that nobody knows are "?", which is refused until filled in.

    >>> print(snippet("openai", "own", LaneName("batch"), None))
    [[price]]
    provider = "openai"
    model = "own"
    lanes = ["batch"]
    input = "?"
    output = "?"
    """
    lines = [
        "[[price]]",
        f'provider = "{provider}"',
        f'model = "{stem(model)}"',  # its other snapshots cost the same
        f'lanes = ["{lane}"]',
    ]
    if rates is None:
        return "\n".join([*lines, f"input = {_ASK}", f"output = {_ASK}"])
    lines += _rates(rates.base)
    if rates.tiers:
        tiers = (", ".join([f"above = {start}", *_rates(above)]) for start, above in rates.tiers)
        lines.append("tiers = [" + ", ".join(f"{{{tier}}}" for tier in tiers) + "]")
    return "\n".join(lines)


def _rates(vector: Vector) -> list[str]:
    """Its prices, but for those that an entry has anyway when it does not name them."""
    write, long = vector.cache_write_5m, vector.cache_write_1h
    parts = {"input": vector.input}
    parts |= {"cache_read": vector.cache_read} if vector.cache_read != vector.input else {}
    parts |= {"cache_write": write} if write != vector.input else {}
    parts |= {"cache_write_1h": long} if long != write else {}
    parts["output"] = vector.output
    return [f"{key} = {per_million(value)}" for key, value in parts.items()]


def examine(
    book: PriceBook, seen: Iterable[tuple[str, str]], at: datetime, home: Path
) -> list[Finding]:
    """The book's age, entries of the user's file that never apply, and remarks about models in use.

    `seen`: provider and model of what is in the ledger.
    """
    used = frozenset(seen)
    today = at.astimezone(UTC).date() if at.tzinfo else at.date()
    return [
        *_ages(book, today),
        *_own_table(book, home),
        *_user_file(book, used, today.isoformat()),
        *_remarks(book, used),
    ]


def _ages(book: PriceBook, today: date) -> Iterator[Finding]:
    table, ours, _ = book.tables
    for name, dated in (
        (f"base table, genai-prices {table.version}", table.dated),
        (f"overlay {ours.version}", ours.version.partition("+")[0].replace(".", "-")),
    ):
        age = today - date.fromisoformat(dated)
        health = Health.WARN if age > OLD else Health.OK
        old = f", more than {OLD.days} days" if age > OLD else ""
        yield Finding(health, f"{name}: of {dated}, {max(age.days, 0)} days old{old}", _UPDATE)


def _own_table(book: PriceBook, home: Path) -> Iterator[Finding]:
    table = book.tables[0]
    if home.joinpath(TABLE_FILE).exists() and table.version == shipped().version:
        what = (
            f"{TABLE_FILE} in the home is older than the prices that lanewise ships, and not used"
        )
        yield Finding(Health.WARN, what, "lanewise prices update --reset")


def _user_file(book: PriceBook, seen: frozenset[tuple[str, str]], today: str) -> Iterator[Finding]:
    """Entries that apply to nothing, numbered as they stand in the file."""
    theirs, known = book.tables[2], _Known(book, seen)
    found = (
        ("price", (known.price(item) for item in theirs.prices)),
        ("rule", (known.rule(item) for item in theirs.rules)),
        ("discount", (known.discount(item, today) for item in theirs.discounts)),
        ("region", (known.region(item) for item in theirs.regions)),
        ("alias", (known.alias(*item) for item in theirs.aliases)),
    )
    for section, items in found:
        for n, wrong in enumerate(items, start=1):
            if wrong is not None:
                yield Finding(Health.WARN, f"prices.toml, {section} {n}: {wrong[0]}", wrong[1])


def _remarks(book: PriceBook, seen: frozenset[tuple[str, str]]) -> Iterator[Finding]:
    _, ours, theirs = book.tables
    about: dict[tuple[str, str], list[str]] = defaultdict(list)
    for provider, model in sorted(seen):
        for file in (theirs, ours):
            for text in file.remarks(provider, model):
                about[provider, text].append(model)
    for (provider, text), models in about.items():
        yield Finding(Health.OK, f"note on {', '.join(models)} at {provider}: {text}")


_Wrong: TypeAlias = tuple[str, str] | None  # what is wrong, and what to do about it


class _Known:
    """The models that an entry of the user's file can be about: listed ones, and those in use."""

    def __init__(self, book: PriceBook, seen: frozenset[tuple[str, str]]) -> None:
        self._table, self._prices = book.tables[0], book.tables[2].prices
        self._seen = seen

    def price(self, item: Price) -> _Wrong:
        known = self._listed(item.provider) | self._used(item.provider)
        if self._table.find(item.provider, item.model) or any(
            closeness(item.model, name) for name in known
        ):
            return None
        what = f"no listed model of {item.provider} and none in the ledger is {item.model!r}"
        return what, "right for a model of your own; else check provider and model"

    def rule(self, item: Rule) -> _Wrong:
        ids = self._ids(item.provider)
        if any(item.applies(item.provider, name, item.lane, FOREVER) for name in ids):
            return None
        return f"no known model of {item.provider} is meant", "check provider, models and without"

    def discount(self, item: Discount, today: str) -> _Wrong:
        if item.until < today:
            return (
                f"the discount at {item.provider} ended on {item.until}",
                "renew it; or leave it, for batches from before that day",
            )
        ids = self._ids(item.provider)
        if any(item.applies(item.provider, name, item.until) for name in ids):
            return None
        return f"no known model of {item.provider} is meant", "check provider and models"

    def region(self, item: Region) -> _Wrong:
        if self._ids(item.provider):
            return None
        return f"no model of {item.provider} is known", "check provider"

    def alias(self, provider: str, _: str, means: str) -> _Wrong:
        if self._table.find(provider, means) or means.lower() in self._ids(provider):
            return None
        return f"no price of {means!r} is known at {provider}", "check provider and means"

    def _ids(self, provider: str) -> set[str]:
        own = {item.model.lower() for item in self._prices if item.provider == provider}
        return own | self._listed(provider) | self._used(provider)

    def _listed(self, provider: str) -> set[str]:
        """Ids in the table, of a provider's own models and of those that it borrows."""
        sellers = (provider, *self._table.provider(provider).borrows)
        return {model.id.lower() for who in sellers for model in self._table.provider(who).models}

    def _used(self, provider: str) -> set[str]:
        return {model.lower() for who, model in self._seen if who == provider}
