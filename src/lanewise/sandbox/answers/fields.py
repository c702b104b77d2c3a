"""Values for the fields of a structured answer: drawn from the text, inside the schema's bounds."""

import math
import re
from functools import lru_cache
from typing import Any

from lanewise.sandbox.answers.compose import Source
from lanewise.sandbox.answers.labels import choose, labels_in
from lanewise.sandbox.answers.patterns import example
from lanewise.sandbox.answers.place import Place
from lanewise.sandbox.answers.prompt import sentences_wanted
from lanewise.sandbox.answers.text import clip, stems, words

_TITLES = frozenset(("title", "name", "heading", "headline", "subject", "topic"))
_LABELS = frozenset(
    ("label", "category", "class", "classification", "sentiment", "intent", "tag", "type", "kind")
)
_KEYWORDS = frozenset(
    ("keyword", "keywords", "tags", "topics", "term", "terms", "entities", "labels", "categories")
)
_REASONS = frozenset(
    ("reason", "rationale", "explanation", "evidence", "quote", "justification", "answer")
)
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1H",
    "email": "sandbox@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
}


def enumerated(schema: dict[str, Any], source: Source, place: Place) -> Any:
    """The value of an enum that fits the text best; a later index takes the next one."""
    values = [value for value in schema["enum"] if _typed(value, schema.get("type"))] or schema[
        "enum"
    ]
    names = tuple(value for value in values if isinstance(value, str))
    if not names:
        return values[int(source.fraction(place.name) * len(values) + place.index) % len(values)]
    ordered = [*choose(names, source.bag, 1, len(names))]
    rest = [value for value in values if not isinstance(value, str)]
    return [*ordered, *rest][place.index % len(values)]


def _typed(value: Any, said: Any) -> bool:
    kinds: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    wanted = [said] if isinstance(said, str) else said
    return wanted is None or any(isinstance(value, kinds.get(one, object)) for one in wanted)


def boolean(schema: dict[str, Any], source: Source, place: Place) -> bool:
    """True when a word of the field's name occurs in the text."""
    asked = [
        word for word in words(place.name.replace("_", " ")) if word not in ("is", "has", "should")
    ]
    found = any(one in source.bag for one in stems(" ".join(asked)))
    return found != bool(place.index % 2)


def numeric(schema: dict[str, Any], source: Source, place: Place) -> int | float:
    """A number within its bounds that belongs to the text and the field's name."""
    said = schema.get("type", "number")
    kind = (
        "integer" if said == "integer" or ("integer" in said and "number" not in said) else "number"
    )
    step = schema.get("multipleOf") or (1 if kind == "integer" else None)
    low, high = _bounds(schema, step or 0.01)
    share = source.fraction(place.name)
    if step is None:
        made = low + (0.05 + 0.9 * ((share + place.index * 0.0625) % 1.0)) * (high - low)
        plain = round(made, 4)
        return plain if low < plain < high else made
    return _stepped(schema, kind, step, share, place.index)


def _stepped(
    schema: dict[str, Any], kind: str, step: float, share: float, index: int
) -> int | float:
    low, high = _bounds(schema, step)
    first = (
        math.floor(low / step) + 1
        if _open(schema, "exclusiveMinimum", low)
        else math.ceil(low / step)
    )
    last = (
        math.ceil(high / step) - 1
        if _open(schema, "exclusiveMaximum", high)
        else math.floor(high / step)
    )
    span = max(last - first + 1, 1)
    start = int(share * span) + index
    made = (_multiple(first + (start + move) % span, step, kind) for move in range(min(span, 99)))
    # floating point: only a product that divides back exactly passes a validator
    return next((one for one in made if (one / step).is_integer()), _multiple(first, step, kind))


def _multiple(times: int, step: float, kind: str) -> int | float:
    return int(times * step) if kind == "integer" else float(times * step)


def _bounds(schema: dict[str, Any], step: float) -> tuple[float, float]:
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if _is_number(schema.get(key))]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if _is_number(schema.get(key))]
    high = min(highs) if highs else None
    low = max(lows) if lows else 0 if high is None or high > 0 else high - 100 * step
    return low, low + 100 * step if high is None else high


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _open(schema: dict[str, Any], key: str, bound: float) -> bool:
    return _is_number(schema.get(key)) and schema[key] == bound


def string(schema: dict[str, Any], source: Source, place: Place) -> str:
    """A string for a field: by format, by pattern, else from the text, fitted to its length."""
    known = _FORMATS.get(str(schema.get("format")))
    text = _fitted(_drawn(source, place), schema, place.index) if known is None else known
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not _matches(pattern, text):
        return example(pattern, place.index, schema.get("minLength", 0))
    return text


def _drawn(source: Source, place: Place) -> str:
    name = place.name.lower()
    if name in _TITLES:
        return source.title() if not place.index else source.summary(1, place.index)
    listed = _listed(source, place, name)
    if len(listed) > 1:
        chosen = choose(listed, source.bag, 1, len(listed))
        return chosen[place.index % len(chosen)]
    if name in _KEYWORDS or name in _LABELS:
        found = source.keywords(place.index + 1)
        return found[place.index] if place.index < len(found) else f"{place.name}-{place.index + 1}"
    if name in _REASONS:
        return source.nearest(place.described or source.prompt.instructions, place.index)
    wanted = sentences_wanted(place.described) or sentences_wanted(source.prompt.instructions)
    return source.summary(wanted or (2 if "summar" in name else 1), place.index)


def _listed(source: Source, place: Place, name: str) -> tuple[str, ...]:
    if name in _LABELS:
        return labels_in(place.described) or labels_in(source.prompt.instructions)
    return labels_in(place.described) if "one of" in place.described.lower() else ()


def _fitted(text: str, schema: dict[str, Any], index: int) -> str:
    most, least = schema.get("maxLength"), schema.get("minLength", 0)
    if most is not None:
        text = clip(text, most) if index < 3 else clip(f"{index} {text}", most)
    elif index >= 3:
        text = f"{index} {text}"
    return text if len(text) >= least else (text + "." * (least - len(text)))


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _matches(pattern: str, text: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is not None and compiled.search(text) is not None
