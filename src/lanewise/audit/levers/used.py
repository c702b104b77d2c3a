"""What groups used in real time, and what the same would have cost elsewhere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lanewise.audit.costing import listed_as
from lanewise.audit.statements import statements
from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook, Rates
from lanewise.pricing.arithmetic import Vector, price

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Used:
    """Requests of one group, model and price tier (`above` so much input)."""

    provider: str
    model: str
    above: int
    requests: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Prices:
    """The price book for what was used, on one day: what the same would cost from then on."""

    book: PriceBook
    at: datetime

    @classmethod
    def of(cls, book: PriceBook, now: float) -> Prices:
        """As of `now`, in seconds since the epoch."""
        return cls(book, datetime.fromtimestamp(now, UTC))

    def cost(
        self,
        used: Used,
        lane: LaneName = REALTIME,
        *,
        model: str | None = None,
        cached: bool = True,
    ) -> int | None:
        """In nano-USD, in a lane or of another model; None where no price is known.

        cached: whether what was read from a cache would be again; if not, all input is plain.
        """
        seller, name, _ = listed_as(used.provider, used.model)
        found = self.book.resolve(seller, model or name, self.at, lane)
        if found.rates is None:
            return None
        usage = (
            used.usage if cached else Usage(input=used.usage.total_input, output=used.usage.output)
        )
        return price(Rates(_vector(found.rates, used.above)), usage)


def gather(connection: DuckDBPyConnection) -> dict[int, list[Used]]:
    """By the id of the group."""
    found: defaultdict[int, list[Used]] = defaultdict(list)
    rows = connection.execute(statements("levers")["used"]).fetchall()
    for id_, provider, model, above, requests, *parts in rows:
        plain, read, short, long, output = parts
        usage = Usage(plain, read, short, long, 0, output)
        found[id_].append(Used(provider, model, above, requests, usage))
    return found


def _vector(rates: Rates, above: int) -> Vector:
    return rates.above(above) if above else rates.base
