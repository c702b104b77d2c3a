"""Reading price files: TOML entries with exact decimals, and errors that name line, entry and key."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

from lanewise.domain.lanes import HELD, LANES, REALTIME
from lanewise.errors import BadInput
from lanewise.pricing.arithmetic import Vector

_MICRO_DIGITS: Final = 6  # USD per million tokens -> pico-USD per token
_NOTES: Final = ("source", "verified")  # in any entry, for people
_PRICED: Final = (*LANES, HELD)  # lanes that may have a price of their own


def parse(raw: bytes, where: str) -> dict[str, Any]:
    """A TOML file, its decimals kept as texts. Raises `BadInput`."""
    try:
        return tomllib.loads(raw.decode(), parse_float=str)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{where}: {error}") from error


def entries(table: dict[str, Any], section: str, raw: bytes, where: str) -> list[Entry]:
    """The entries of a section, each knowing where it stands."""
    items = table.get(section, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadInput(f"{where}: {section} is not a list of entries; write [[{section}]]")
    lines = _headers(raw, section)
    known = len(lines) == len(items)
    return [
        Entry(item, f"{where}{f', line {lines[n]}' if known else ''}: {section} {n + 1}")
        for n, item in enumerate(items)
    ]


def _headers(raw: bytes, section: str) -> list[int]:
    header = f"[[{section}]]".encode()
    return [
        n
        for n, line in enumerate(raw.splitlines(), start=1)
        if line.replace(b" ", b"").startswith(header)
    ]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, read key by key; what cannot be used raises `BadInput` with what would be."""

    PRICES: ClassVar = ("input", "cache_read", "cache_write", "cache_write_1h", "output")

    item: dict[str, Any]
    where: str

    def only(self, *keys: str) -> None:
        """Refuse keys that nobody would read."""
        for key in self.item:
            if key not in keys and key not in _NOTES:
                raise self.wrong(f"unknown key {key!r}; accepted are {', '.join(keys)}")

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self.item.get(key)
        if value is None:
            raise self.wrong(f"{key!r} is missing")
        if not isinstance(value, str) or not value:
            raise self.wrong(f"{key} is {value!r}; it takes a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; none where the key is not there."""
        value = self.item.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(f"{key} is {value!r}; it takes a list of texts")
        return tuple(value)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of some words; the first where the key is not there."""
        value = self.item.get(key, choices[0])
        if value not in choices:
            raise self.wrong(f"unknown {key} {value!r}; accepted are {', '.join(choices)}")
        return str(value)

    def lane(self, key: str) -> str:
        """The name of a lane."""
        self.text(key)
        return self.choice(key, _PRICED)

    def lanes(self, key: str) -> tuple[str, ...]:
        """Names of lanes; real time where the key is not there."""
        for lane in self.texts(key):
            if lane not in _PRICED:
                raise self.wrong(f"unknown lane {lane!r}; accepted are {', '.join(_PRICED)}")
        return self.texts(key) or (REALTIME,)

    def day(self, key: str, default: str) -> str:
        """A date as `2026-09-01`, quoted or not."""
        value = str(self.item.get(key, default))
        if value == default:
            return value
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise self.wrong(f"{key} is {value!r}; it takes a date such as 2026-09-01") from error

    def count(self, key: str) -> int:
        """A number of tokens."""
        value = self.item.get(key)
        if type(value) is not int or value < 0:
            raise self.wrong(f"{key} is {value!r}; it takes a number of tokens such as 200000")
        return value

    def fraction(self, key: str) -> tuple[int, int]:
        """A fraction such as `1/2`, as two integers."""
        numerator, _, denominator = self.text(key).partition("/")
        parts = (numerator, denominator or "1")
        if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
            raise self.wrong(f"{key} is {self.item[key]!r}; it takes a fraction such as '1/2'")
        return int(parts[0]), int(parts[1])

    def percent(self, key: str) -> int:
        """A percentage in thousandths."""
        value = self.micro(key)
        if value > 100 * 10**_MICRO_DIGITS or value % 1_000:
            raise self.wrong(f"{key} is {self.item[key]!r}; it takes 0 to 100, three decimals")
        return value // 1_000

    def micro(self, key: str, default: int | None = None) -> int:
        """A decimal times a million, exactly; USD per million tokens become pico-USD per token."""
        value = self.item.get(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise self.wrong(f"{key!r} is missing")
        whole, _, digits = str(value).strip().partition(".")
        decimal = (whole + digits).isascii() and (whole + digits).isdigit()
        if isinstance(value, bool) or not decimal or len(digits) > _MICRO_DIGITS:
            raise self.wrong(f"{key} is {value!r}; it takes USD such as '0.15', six decimals")
        return int(whole + digits.ljust(_MICRO_DIGITS, "0"))

    def vector(self, *besides: str) -> Vector:
        """Prices in USD per million tokens. Cached input costs what input costs, unless it says otherwise."""
        if besides:
            self.only(*besides, *self.PRICES)
        base = self.micro("input")
        write = self.micro("cache_write", base)
        return Vector(
            input=base,
            cache_read=self.micro("cache_read", base),
            cache_write_5m=write,
            cache_write_1h=self.micro("cache_write_1h", write),
            cache_write_other=write,
            output=self.micro("output"),
        )

    def inner(self, key: str) -> list[Entry]:
        """Entries inside this one."""
        items = self.item.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self.wrong(f"{key} is {items!r}; it takes a list such as [{{above = 200000}}]")
        return [Entry(item, f"{self.where}, {key} {n}") for n, item in enumerate(items, start=1)]

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number above zero."""
        value = self.item.get(key, default)
        if value is None:
            raise self.wrong(f"{key!r} is missing")
        if type(value) is not int or value < 1:
            raise self.wrong(f"{key} is {value!r}; it takes a whole number such as 2")
        return value

    def wrong(self, what: str) -> BadInput:
        """An error that says where."""
        return BadInput(f"{self.where}: {what}")
