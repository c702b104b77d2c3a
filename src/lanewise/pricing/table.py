"""The compiled base of the price book: what genai-prices lists, as integers, in one file.

`scripts/compile_prices.py` writes `table.json` from the installed genai-prices; a test holds the two
together. So no command pays for importing the library, and a price can be traced to its version. A home
may have a newer one, which `lanewise prices update` compiled.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from lanewise.errors import BadInput
from lanewise.pricing.arithmetic import Rates, Vector
from lanewise.pricing.names import dashed, stem

_Prices = tuple[int, int, int, int, int, int]  # in the order of `Vector`


_REMEMBERED = 4_096  # models


class Dated(msgspec.Struct, frozen=True):
    """Prices of one lane from a day on (`""`: always). A tier is [above, six prices]."""

    since: str
    base: _Prices
    tiers: tuple[tuple[int, _Prices], ...] = ()

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
    by_clock: bool = False  # prices go by the hour; the dearest is listed here

    def on(self, lane: str, day: str) -> Dated | None:
        """The prices that hold in a lane on a day."""
        begun = [item for item in self.lanes.get(lane, ()) if item.since <= day]
        return begun[-1] if begun else None


class Provider(msgspec.Struct, frozen=True):
    """A provider's own models, and the providers whose models it sells besides."""

    borrows: tuple[str, ...]
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The model that an id means."""

    model: Model
    sure: bool  # not by likeness, not from another provider's list, not by the hour
    borrowed: bool = False  # from another provider's list


class _File(msgspec.Struct, frozen=True):
    version: str
    dated: str
    checksum: str
    providers: msgspec.Raw


class Table:
    """Everything that was compiled; a provider's part is read when it is first asked for.

    `dated` is the day of which its prices are. Raises `BadInput` for a file that is not as it was written,
    since what was priced with it names its version.
    """

    def __init__(self, data: bytes, where: str = "table.json") -> None:
        try:
            file = msgspec.json.decode(data, type=_File)
            self._raw = msgspec.json.decode(file.providers, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError as error:
            raise BadInput(f"{where}: not a compiled price table ({error})") from error
        if checksum(bytes(file.providers)) != file.checksum:
            raise BadInput(f"{where}: changed after it was compiled")
        self.version, self.dated = file.version, file.dated
        self._read: dict[str, Provider] = {}
        self._found: dict[tuple[str, str], Found | None] = {}  # each is asked for lane by lane

    @property
    def providers(self) -> tuple[str, ...]:
        """Whose prices are listed."""
        return tuple(self._raw)

    def provider(self, name: str) -> Provider:
        """A provider's part; an empty one where nothing is listed."""
        if name not in self._raw:
            return Provider((), ())
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = msgspec.json.decode(self._raw[name], type=Provider)
        return found

    def find(self, provider: str, name: str) -> Found | None:
        """The model an id means to a provider, by the library's own rules, first match first."""
        key = (provider, name.lower())
        if key not in self._found:
            found = self._find(*key) or self._find(provider, dashed(key[1]))
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = found
        return self._found[key]

    def _find(self, provider: str, name: str) -> Found | None:
        asked = self.provider(provider)
        own = _first(asked.models, name)
        if own is not None:
            return own
        lent = (_first(self.provider(lender).models, name) for lender in asked.borrows)
        found = next((item for item in lent if item is not None), None)
        return None if found is None else Found(found.model, sure=False, borrowed=True)


@cache
def shipped() -> Table:
    """The table in this package."""
    return Table(resources.files(__package__).joinpath("table.json").read_bytes())


def newest(path: Path) -> Table:
    """The table in a home, if there is one and it is not older than the shipped one; else that.

    Raises `BadInput` for a file that cannot be used.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return shipped()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    try:
        found = Table(raw, str(path))
    except BadInput as error:
        raise BadInput(f"{error}; go back with: lanewise prices update --reset") from error
    return found if found.dated >= shipped().dated else shipped()


def checksum(providers: bytes) -> str:
    """What a table's head says of the rest."""
    return hashlib.sha256(providers).hexdigest()[:16]


def _first(models: tuple[Model, ...], name: str) -> Found | None:
    for model in models:
        for kind, text in model.match:
            if _matches(kind, text, name):
                known = model.id in (name, stem(name)) or _covers(kind, text, name)
                return Found(model, known and not model.by_clock)
    return None


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


def _covers(kind: str, text: str, name: str) -> bool:
    """Whether a loose rule covers all of an id but its date and what stands before it.

    `claude-sonnet-4-6-20260301` is the model that `claude-sonnet-4-6...` describes;
    `claude-sonnet-4-6-turbo` may be another, whose price is then an estimate.
    """
    if kind == "starts":
        return len(stem(name)) <= len(text)
    if kind == "contains":
        return stem(name).endswith(text)
    return True
