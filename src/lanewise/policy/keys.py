"""The keys of a policy file: what each means and takes. Reading, schema and reference follow from this."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any, Final, TypeAlias

from lanewise.domain.deadlines import ACCEPTED as DEADLINES
from lanewise.domain.deadlines import deadline
from lanewise.domain.lanes import LaneName, Offer, Terms
from lanewise.errors import BadInput
from lanewise.policy import globs
from lanewise.policy.hours import ACCEPTED as HOURS
from lanewise.policy.hours import Hours, Zones, hours
from lanewise.policy.rules import ALL_LANES
from lanewise.pricing.dollars import nano_usd


@dataclass(frozen=True, slots=True)
class World:
    """What a policy is read against."""

    now: float  # seconds since the epoch: a deadline that has passed by then is an error
    offers: tuple[Offer, ...]  # the lanes of every provider
    endpoints: tuple[str, ...]  # that requests may be for
    zones: Zones
    zone: tzinfo = UTC  # of times that name none; the file may say another
    sold: Mapping[str, tuple[Offer, ...]] = field(
        default_factory=dict
    )  # by endpoint; else all offers
    models: tuple[str, ...] = ()  # that are known, for what may have been meant
    priced: Callable[[str], bool] = lambda model: True  # whether a price of it is known


_MOST_USD: Final = 10**9  # of a budget: what is counted in nano-USD fits 64 bits
Value: TypeAlias = Any  # as TOML has it
Schema: TypeAlias = dict[str, Any]
Read: TypeAlias = Callable[[Value, World], object]


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `field` is where its value goes in a `Ruling` or a `Match`."""

    name: str
    takes: str
    help: str
    read: Read  # raises `BadInput` that begins with what was wrong
    schema: Schema
    field: str
    default: str = ""


class Mismatch(Exception):
    """A value that is not what a key takes at all; the key says what it takes."""


def near(word: object, choices: Iterable[str]) -> str:
    """What may have been meant, for the end of a message.

    >>> near("bach", ["batch", "flex"])
    "; did you mean 'batch'?"
    """
    found = difflib.get_close_matches(str(word), [str(choice) for choice in choices], n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _text(value: Value, world: World) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Mismatch
    return value


def _texts(value: Value, world: World) -> tuple[str, ...]:
    found = value if isinstance(value, list) else [value]
    return tuple(_text(item, world) for item in found)


def _endpoint(value: Value, world: World) -> str:
    pattern = _text(value, world)
    if not any(globs.fits(pattern, endpoint) for endpoint in world.endpoints):
        raise BadInput(
            f"endpoint is {pattern!r}, which no request is ever for; there are "
            f"{', '.join(world.endpoints)}{near(pattern, world.endpoints)}"
        )
    return pattern


def _tag(value: Value, world: World) -> str:
    name, equals, wanted = _text(value, world).partition("=")
    if not (name.strip() and equals and wanted.strip()) or "*" in name:
        raise Mismatch
    return f"{name.strip()}={wanted.strip()}"


def _hours(value: Value, world: World) -> Hours:
    return hours(_texts(value, world), world.zone, world.zones)


def _deadline(value: Value, world: World) -> str:
    text = " ".join(_text(value, world).split())
    deadline(text, world.now, world.zone, where="deadline", zones=world.zones)
    return text


def _lane(value: Value, world: World) -> LaneName:
    if value not in ALL_LANES:
        accepted = ", ".join(ALL_LANES)
        raise BadInput(f"{value!r} is no lane; accepted are {accepted}{near(value, ALL_LANES)}")
    return LaneName(value)


def _lanes(value: Value, world: World) -> tuple[LaneName, ...]:
    if not isinstance(value, list):
        raise Mismatch
    if not value:
        raise BadInput(
            "lanes is empty, so nothing could ever be sent; name one or more, or leave the key out for all"
        )
    named = {_lane(item, world) for item in value}
    return tuple(lane for lane in ALL_LANES if lane in named)


def _terms(value: Value, world: World) -> Terms:
    return Terms(_choice(value, tuple(Terms)))


def _rollout(value: Value, world: World) -> float:
    return 100.0 if _choice(value, ("observe", "all")) == "all" else 0.0


def _number(value: Value, most: int) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Mismatch
    number = Decimal(value)
    if not number.is_finite() or not 0 <= number <= most:
        raise Mismatch
    return number


def _percent(value: Value, world: World) -> float:
    return float(_number(value, 100))


def _budget(value: Value, world: World) -> int:
    return nano_usd(str(_number(value, _MOST_USD)), "budget")


def _provider(value: Value, world: World) -> str:
    known = tuple(dict.fromkeys(offer.provider for offer in world.offers))
    return _choice(value, known)


def _cache(value: Value, world: World) -> str:
    return _choice(value, ("auto", "off"))


def _flag(value: Value, world: World) -> bool:
    if not isinstance(value, bool):
        raise Mismatch
    return value


def _zone(value: Value, world: World) -> tzinfo:
    found = world.zones(_text(value, world))
    if found is None:
        raise Mismatch
    return found


def _choice(value: Value, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise BadInput(
            f"{value!r} is unknown; accepted are {', '.join(choices)}{near(value, choices)}"
        )
    return str(value)


_TEXT: Final[Schema] = {"type": "string", "pattern": r"\S"}
_LANE: Final[Schema] = {"enum": list(ALL_LANES)}
_TEXTS: Final[Schema] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_PATTERN: Final = "a text, in which * stands for any text"

NAME: Final = Key(
    "name", "a text", "Names the rule in decisions and messages; needed, and unique.",
    _text, _TEXT, "rule",
)  # fmt: skip
ZONE: Final = Key(
    "zone", "the name of a time zone such as Europe/Berlin",
    "On whose clocks times are meant that name no zone.", _zone, _TEXT, "zone", "UTC",
)  # fmt: skip
MATCHING: Final = (
    Key("workflow", _PATTERN, "The workflow.", _text, _TEXT, "workflow"),
    Key("model", _PATTERN, "The model that the request names.", _text, _TEXT, "model"),
    Key("endpoint", _PATTERN, "The endpoint that the request is for.", _endpoint, _TEXT, "endpoint"),
    Key("tag", "a text such as team=search or team=*", "A tag of the request or its run.", _tag,
        {"type": "string", "pattern": r"^\s*[^=*\s][^=*]*=.*\S"}, "tag"),
    Key("key", _PATTERN, "The name of the caller's key.", _text, _TEXT, "key"),
    Key("hour", f"{HOURS}; or a list of such", "When the request is accepted.", _hours, _TEXTS, "hour"),
)  # fmt: skip
SAYING: Final = (
    Key("deadline", f"a text: {DEADLINES}",
        "When the answer is needed, where neither the request nor its run says.", _deadline, _TEXT,
        "deadline", "none"),
    Key("lanes", f"a list of {', '.join(ALL_LANES)}",
        "Lanes that may be used; their order means nothing, the cheapest that is in time is chosen.", _lanes,
        {"type": "array", "items": _LANE, "minItems": 1, "uniqueItems": True}, "lanes", "all"),
    Key("pin", f"one of {', '.join(ALL_LANES)}", "This lane and never another, be it late or dear.",
        _lane, _LANE, "pin"),
    Key("terms", "any, zdr or eu",
        "Data terms. Lanes that the provider does not offer under them are never used: zdr is zero data "
        "retention, eu the provider's EU region.", _terms, {"enum": [str(t) for t in Terms]}, "terms", "any"),
    Key("rollout", "observe or all",
        "observe: decide and record, but send in real time. all: send as decided.", _rollout,
        {"enum": ["observe", "all"]}, "percent", "all"),
    Key("percent", "a number from 0 to 100",
        "In place of rollout: send this share of the requests as decided and the others in real time. A "
        "request's id decides, so it stays on its side.", _percent,
        {"type": "number", "minimum": 0, "maximum": 100}, "percent"),
    Key("budget", "dollars such as 50 or 0.25",
        "The most that all requests under the rule together may cost in a calendar month (UTC), in USD. Each "
        "rule has its own; [default] says that of every rule without one, and that of requests which no rule "
        "fits.",
        _budget,
        {"type": "number", "minimum": 0, "maximum": _MOST_USD}, "budget_nano"),
    Key("provider", "the name of a provider", "Whom to ask.", _provider, _TEXT, "provider"),
    Key("use_model", "the id of a model", "The model to ask in place of the one named.", _text, _TEXT,
        "model"),
    Key("held", f"{HOURS}; or a list of such", "When requests in the lane held are sent.", _hours, _TEXTS,
        "held"),
    Key("cache", "auto or off",
        "auto: requests that share a prefix travel together and are primed where it pays.", _cache,
        {"enum": ["auto", "off"]}, "cache", "auto"),
    Key("dedupe", "true or false", "Ask exact duplicates inside a run once.", _flag, {"type": "boolean"},
        "dedupe", "false"),
)  # fmt: skip
DEFAULT: Final = {key.name: key for key in (ZONE, *SAYING)}
RULE: Final = {key.name: key for key in (NAME, *MATCHING, *SAYING)}


def schema() -> Schema:
    """A JSON Schema for editors, of a policy file read as TOML."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "lanewise policy.toml",
        "type": "object",
        "properties": {
            "default": _table(DEFAULT, "What holds where a rule says nothing."),
            "rule": {
                "type": "array",
                "description": "The first rule that fits a request says it all.",
                "items": _table(RULE, "One rule.") | {"required": ["name"]},
            },
        },
        "additionalProperties": False,
    }


def _table(keys: dict[str, Key], description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {
            name: {"description": f"{key.help} Takes {key.takes}."} | key.schema
            for name, key in keys.items()
        },
        "additionalProperties": False,
        "not": {"required": ["rollout", "percent"]},
    }
