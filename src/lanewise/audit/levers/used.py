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
    """Requests of one group, model and price tier (`above` so much input); priced as of the last of them."""

    provider: str
    model: str
    above: int
    requests: int
    at: datetime
    usage: Usage


@dataclass(frozen=True, slots=True)
class Prices:
    """The price book for what was used."""

    book: PriceBook

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
        found = self.book.resolve(seller, model or name, used.at, lane)
        if found.rates is None:
            return None
        usage = (
            used.usage if cached else Usage(input=used.usage.total_input, output=used.usage.output)
        )
        return price(Rates(_vector(found.rates, used.above)), usage)


def gather(connection: DuckDBPyConnection, now: float) -> dict[int, list[Used]]:
    """By the id of the group. Rows without a time are priced as of `now`."""
    found: defaultdict[int, list[Used]] = defaultdict(list)
    rows = connection.execute(statements("levers")["used"]).fetchall()
    for id_, provider, model, above, requests, last, *parts in rows:
        plain, read, short, long, output = parts
        usage = Usage(plain, read, short, long, 0, output)
        at = datetime.fromtimestamp(now if last is None else last, UTC)
        found[id_].append(Used(provider, model, above, requests, at, usage))
    return found


def _vector(rates: Rates, above: int) -> Vector:
    return rates.above(above) if above else rates.base
