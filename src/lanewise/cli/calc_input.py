"""From options and files to workloads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from lanewise.errors import BadInput
from lanewise.pricing import PriceBook
from lanewise.pricing.calculator import Lengths, Workload
from lanewise.pricing.calculator.workloads import lengths, rate, seconds, share
from lanewise.pricing.entries import Entry, entries, parse
from lanewise.pricing.selling import maker, sold_by

KEYS: Final = (
    "name", "provider", "model", "in", "out", "n", "cached", "wait_share", "rescue", "waste", "wait",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A workload as it was typed; texts, None where nothing was given."""

    where: str  # for messages: "" for options, else the file's entry
    values: dict[str, str]

    def label(self, key: str) -> str:
        """What the key is called where it was given."""
        return f"{self.where}, {key}" if self.where else f"--{key.replace('_', '-')}"

    def get(self, key: str, default: str) -> str:
        """What was given, or what holds without it."""
        return self.values.get(key, default)


def from_file(path: Path) -> Iterator[Asked]:
    """The `[[workload]]` entries of a TOML file. Raises `BadInput` naming line, entry and key."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    table = parse(raw, str(path))
    unknown = set(table) - {"workload"}
    if unknown or not table:
        found = f"unknown {', '.join(sorted(unknown))}" if unknown else "nothing in it"
        raise BadInput(f"{path}: {found}; accepted are [[workload]] entries")
    for entry in entries(table, "workload", raw, str(path)):
        entry.only(*KEYS)
        yield Asked(entry.where, {key: _text(entry, key) for key in entry.item})


def _text(entry: Entry, key: str) -> str:
    value: Any = entry.item[key]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise entry.wrong(f"{key} is {value!r}; it takes a text or a number")
    return str(value)


def workload(book: PriceBook, asked: Asked, at: datetime) -> Workload:
    """What was asked for. Raises `BadInput` with what would be accepted."""
    model = asked.get("model", "")
    if not model:
        raise BadInput(f"{asked.label('model')} is missing; it takes a model such as gpt-4o-mini")
    provider = asked.values.get("provider")
    if provider is None:
        provider = maker(book, model, at)
    else:
        sold_by(book, model, provider, at)
    return volumes(asked, provider, model)


def volumes(asked: Asked, provider: str, model: str) -> Workload:
    """The same for a model that is known."""
    tokens_in, rate_in = lengths(asked.get("in", "0"), asked.label("in"))
    tokens_out, rate_out = lengths(asked.get("out", "0"), asked.label("out"))
    requests = rate(asked.values["n"], asked.label("n")) if "n" in asked.values else None
    _require_sense(asked, requests, tokens_in, tokens_out, rates=(rate_in, rate_out))
    return Workload(
        provider,
        model,
        requests,
        tokens_in,
        tokens_out,
        cached=share(asked.get("cached", "0%"), asked.label("cached")),
        wait_share=share(asked.get("wait_share", "100%"), asked.label("wait_share")),
        rescue=share(asked.get("rescue", "0%"), asked.label("rescue")),
        waste=share(asked.get("waste", "0%"), asked.label("waste")),
        wait_seconds=seconds(asked.get("wait", "24h"), asked.label("wait")),
        name=asked.get("name", ""),
    )


def _require_sense(
    asked: Asked,
    requests: Fraction | None,
    tokens_in: Lengths,
    tokens_out: Lengths,
    *,
    rates: tuple[bool, bool],
) -> None:
    """Volumes for all requests together, or lengths and how many: never a mixture."""
    given = [
        is_rate
        for found, is_rate in zip((tokens_in, tokens_out), rates, strict=True)
        if found.p50 or found.p95
    ]
    if not given:
        raise BadInput(
            f"{asked.label('in')} and {asked.label('out')} are missing or zero; give --in 10M/day, or "
            "--in 1200 --out 150 --n 20000/day"
        )
    if requests is None and not all(given):
        raise BadInput(
            f"{asked.label('n')} is missing: {asked.label('in')} and {asked.label('out')} are lengths of one "
            "request; give how many with --n 20000/day, or volumes such as --in 10M/day"
        )
    if requests is not None and any(given):
        raise BadInput(
            f"{asked.label('n')} was given, so {asked.label('in')} and {asked.label('out')} take the length "
            "of one request, such as 1200, not a volume"
        )
