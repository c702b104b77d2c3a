"""The compiled base of the price book: what genai-prices lists, as integers, in one file.

`scripts/compile_prices.py` writes `table.json` from the installed genai-prices; a test holds the two
together. So no command pays for importing the library, and a price can be traced to its version.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from lanewise.pricing.arithmetic import Rates, Vector

UNITS: Final = 6  # prices in a vector


class Dated(msgspec.Struct, frozen=True):
    """Prices of one lane from a day on (`""`: always). A tier is [above, six prices]."""

    since: str
    base: tuple[int, int, int, int, int, int]
    tiers: tuple[tuple[int, tuple[int, int, int, int, int, int]], ...] = ()

    def rates(self) -> Rates:
        """As rates."""
        return Rates(
            Vector(*self.base), tuple((above, Vector(*prices)) for above, prices in self.tiers)
        )


class Model(msgspec.Struct, frozen=True):
    """One model: which ids mean it, and its prices by lane, oldest first."""

    id: str
    match: tuple[tuple[str, str], ...]  # (equals | starts | ends | contains | regex, text)
    lanes: dict[str, tuple[Dated, ...]]

    def means(self, name: str) -> bool:
        """Whether an id is this model's."""
        return any(_matches(kind, text, name) for kind, text in self.match)


class Table(msgspec.Struct, frozen=True):
    """Everything that was compiled."""

    version: str
    providers: dict[str, tuple[Model, ...]]

    def find(self, provider: str, name: str) -> Model | None:
        """The model an id means: by its very id first, then in the library's order."""
        models = self.providers.get(provider, ())
        exact = next((model for model in models if model.id == name), None)
        return exact or next((model for model in models if model.means(name)), None)


@cache
def shipped() -> Table:
    """The table in this package."""
    data = resources.files(__package__).joinpath("table.json").read_bytes()
    return msgspec.json.decode(data, type=Table)


def _matches(kind: str, text: str, name: str) -> bool:
    match kind:
        case "equals":
            return name == text
        case "starts":
            return name.startswith(text)
        case "ends":
            return name.endswith(text)
        case "contains":
            return text in name
        case _:
            return re.search(text, name) is not None
