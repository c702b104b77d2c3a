"""Servers that are named in `lanewise.toml`: several of one provider, or one's own; and names for models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

APIS: Final = ("openai", "anthropic")
_MOST_WEIGHT: Final = 1_000
_NEEDED: Final = ("name", "api", "base_url")


class NotTaken(ValueError):
    """What is said cannot be; the message says where, what, and what would be accepted."""


@dataclass(frozen=True, slots=True)
class NamedUpstream:
    """One server, and what goes there."""

    name: str
    api: str  # whose API it speaks
    base_url: str  # without a trailing slash; of an OpenAI-shaped one it ends in /v1
    key_env: str = ""  # the environment variable with its credential; "": it asks for none
    weight: int = (
        1  # its share of calls in real time among those that are well; 0: when no other is
    )
    models: tuple[str, ...] = ("*",)  # patterns of the models that it has
    renames: Mapping[str, str] = field(default_factory=dict)  # from our name to its own
    batches: bool = True  # whether it has a batch API


def named_upstreams(tables: Any) -> tuple[NamedUpstream, ...]:
    """From the tables of `lanewise.toml`. Raises `NotTaken`.

    >>> named_upstreams([{"name": "own", "api": "openai", "base_url": "http://gpu:8000/v1/"}])[
    ...     0
    ... ].base_url
    'http://gpu:8000/v1'
    """
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise NotTaken("it takes [[upstreams]] tables, each with name, api and base_url")
    found = tuple(_upstream(number, table) for number, table in enumerate(tables, 1))
    for number, one in enumerate(found):
        for other in found[:number]:
            if one.name == other.name:
                raise NotTaken(f"two are named {one.name!r}; each takes a name of its own")
            if (one.base_url, one.key_env) == (other.base_url, other.key_env):
                raise NotTaken(f"{other.name!r} and {one.name!r} are one server; name it once")
    return found


def aliases(table: Any) -> dict[str, str]:
    """From the table of `lanewise.toml`: what callers may say, and the model that is meant.

    >>> aliases({"fast": "gpt-4o-mini"})
    {'fast': 'gpt-4o-mini'}
    """
    if not _is_texts(table):
        raise NotTaken("it takes a model for each name, such as fast = 'gpt-4o-mini'")
    if chained := sorted(table.keys() & set(table.values())):
        raise NotTaken(f"{chained[0]!r} is an alias and is what an alias means; name the model")
    return dict(table)


def _upstream(number: int, table: Mapping[str, Any]) -> NamedUpstream:
    where = f"table {number} ({table.get('name', 'without a name')!r})"
    for key in table:
        if key not in _CHECKS:
            raise NotTaken(f"{where}: unknown key {key!r}; known are {', '.join(_CHECKS)}")
    for key in _NEEDED:
        if key not in table:
            raise NotTaken(f"{where}: {key} is missing")
    for key, value in table.items():
        fits, takes = _CHECKS[key]
        if not fits(value):
            raise NotTaken(f"{where}: {key} takes {takes}")
    kept = dict(table) | {"base_url": table["base_url"].rstrip("/")}
    return NamedUpstream(**kept | {"models": tuple(table.get("models", ["*"]))})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(table: Any) -> bool:
    return isinstance(table, Mapping) and all(
        _is_text(text) for pair in table.items() for text in pair
    )


def _is_address(value: Any) -> bool:
    if not _is_text(value):
        return False
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.username or parts.password or parts.query or parts.fragment)
        )
    except ValueError:
        return False


def _is_patterns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(one) for one in value)


def _is_weight(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST_WEIGHT


_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "name": (_is_text, "a text"),
    "api": (lambda value: value in APIS, "openai or anthropic: whose API the server speaks"),
    "base_url": (_is_address, "http(s)://host[:port][/path], without a credential in it"),
    "key_env": (_is_text, "the name of the environment variable that holds the credential"),
    "weight": (_is_weight, f"a whole number, 0 to {_MOST_WEIGHT}"),
    "models": (_is_patterns, "a list of patterns such as ['gpt-*']"),
    "renames": (_is_texts, "a table: for a model's name the server's own name"),
    "batches": (lambda value: isinstance(value, bool), "true or false: whether it has a batch API"),
}
