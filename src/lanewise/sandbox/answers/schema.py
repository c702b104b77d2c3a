"""Generate an instance that is valid against a JSON schema and says something about the text.

A schema is compiled once to a tree of closures ("plans"), kept by its JSON. Keywords that are not
understood (not, if, contains, dependentRequired, patternProperties) are passed over.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn

import msgspec

from lanewise.sandbox.answers import checks
from lanewise.sandbox.answers.compose import Source
from lanewise.sandbox.answers.fields import boolean, enumerated, numeric, string
from lanewise.sandbox.answers.labels import choose, how_many, labels_in
from lanewise.sandbox.answers.place import Place

Plan = Callable[[Source, Place], Any]
_LEASTS = ("minLength", "minItems", "minProperties")
LARGEST = 5_000  # characters or items that a schema may demand of the sandbox
DEEPEST = 6  # beyond this depth only what is required is written
_NO_DEMANDS = frozenset(
    ("$ref", "$defs", "definitions", "$schema", "description", "title", "default", "examples")
)


def _null(schema: dict[str, Any], source: Source, place: Place) -> None:
    """The only instance of type null."""


_SIMPLE: dict[str, Callable[[dict[str, Any], Source, Place], Any]] = {
    "enum": enumerated,
    "boolean": boolean,
    "integer": numeric,
    "number": numeric,
    "null": _null,
}


def instance(schema: Any, source: Source, variant: int = 0) -> Any:
    """A valid instance; `variant` asks for a different one where there is a choice."""
    try:
        return _compiled(msgspec.json.encode(schema))(source, Place("", "", 0, variant))
    except RecursionError:
        _refuse("it refers to itself without an end")
    except (TypeError, AttributeError, ValueError, LookupError, ArithmeticError):
        _refuse("it is not a JSON schema")


def _refuse(why: str) -> NoReturn:
    message = f"Invalid schema for response_format: {why}."
    checks.openai(message, "response_format", "invalid_json_schema")


def from_keys(keys: tuple[str, ...], instructions: str) -> dict[str, Any]:
    """A schema for a JSON answer whose keys the prompt names in prose."""
    return {"type": "object", "properties": {key: _guess(key, instructions) for key in keys}}


def _guess(key: str, instructions: str) -> dict[str, Any]:
    plural = key.lower() in ("tags", "labels", "keywords", "topics", "categories", "entities")
    labels = labels_in(instructions) if plural or key in ("label", "category", "class") else ()
    item: dict[str, Any] = {"enum": list(labels)} if len(labels) > 1 else {"type": "string"}
    return (
        {"type": "array", "items": item, "maxItems": max(how_many(instructions), 3)}
        if plural
        else item
    )


@lru_cache(maxsize=512)
def _compiled(data: bytes) -> Plan:
    root = msgspec.json.decode(data)
    return _Compiler(root).plan(root)


class _Compiler:
    """Compiles one root schema; references are resolved once and may be recursive."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.followed: dict[bytes, Plan] = {}

    def plan(self, schema: Any) -> Plan:
        """How to write an instance of `schema`."""
        if not isinstance(schema, dict):
            return lambda source, place: string({}, source, place)
        if max(schema.get(key, 0) for key in _LEASTS) > LARGEST:
            _refuse(f"it asks for more than {LARGEST} characters or items")
        if "$ref" in schema:
            return self._reference(schema)
        if "allOf" in schema:
            return self._later(schema)
        union = next((one for one in ("anyOf", "oneOf") if schema.get(one)), None)
        if union and "const" not in schema and "enum" not in schema:
            return self._union(schema, union)
        return self._typed(schema)

    def _reference(self, schema: dict[str, Any]) -> Plan:
        target = self._target(schema["$ref"])
        others = {key: value for key, value in schema.items() if key not in _NO_DEMANDS}
        return self._later({"allOf": [target, others]} if others else target)

    def _later(self, schema: Any) -> Plan:
        """The plan of a schema, compiled when first followed: it may refer to itself."""
        key = msgspec.json.encode(schema)

        def follow(source: Source, place: Place) -> Any:
            found = self.followed.get(key)
            if found is None:
                ready = (
                    self._merged(schema)
                    if isinstance(schema, dict) and "allOf" in schema
                    else schema
                )
                found = self.followed[key] = self.plan(ready)
            return found(source, place)

        return follow

    def _target(self, pointer: Any) -> Any:
        node = self.root
        try:
            for step in str(pointer).split("/")[1:]:
                key = step.replace("~1", "/").replace("~0", "~")
                node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, ValueError, IndexError, TypeError):
            node = None
        if node is None or not str(pointer).startswith("#"):
            _refuse(f"reference '{pointer}' cannot be resolved")
        return node

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in map(self._whole, schema["allOf"]):
            for key, value in part.items():
                merged[key] = _both(key, merged[key], value) if key in merged else value
        return merged

    def _whole(self, part: Any) -> dict[str, Any]:
        if not isinstance(part, dict):
            return {}
        if "$ref" in part:
            others = {key: value for key, value in part.items() if key != "$ref"}
            part = {"allOf": [self._whole(self._target(part["$ref"])), others]}
        return self._merged(part) if "allOf" in part else part

    def _union(self, schema: dict[str, Any], union: str) -> Plan:
        own = {
            key: value
            for key, value in schema.items()
            if key not in (union, "description", "title")
        }
        branches = [{"allOf": [own, branch]} if own else branch for branch in schema[union]]
        shallow = [
            branch for branch, said in zip(branches, schema[union], strict=True) if _is_plain(said)
        ]
        plans = [
            self.plan(branch)
            for branch, said in zip(branches, schema[union], strict=True)
            if not _is_null(said)
        ]
        simplest = self.plan(shallow[0]) if shallow else None
        null = any(_is_null(said) for said in schema[union])

        def pick(source: Source, place: Place) -> Any:
            if place.depth > DEEPEST and (null or simplest):
                return simplest(source, place) if simplest else None
            return plans[place.index % len(plans)](source, place) if plans else None

        return pick

    def _typed(self, schema: dict[str, Any]) -> Plan:
        if "const" in schema:
            return lambda source, place: schema["const"]
        kind = "enum" if "enum" in schema else _kind(schema)
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        write: Callable[..., Any] = _SIMPLE.get(kind, string)
        return lambda source, place: write(schema, source, place)

    def _object(self, schema: dict[str, Any]) -> Plan:
        properties = schema.get("properties") or {}
        required = [name for name in schema.get("required") or () if name not in properties]
        extra = schema.get("additionalProperties")
        other = self.plan(extra if isinstance(extra, dict) else {"type": "string"})
        fields = [
            (n, self.plan(s), _described(s), n in (schema.get("required") or ()))
            for n, s in properties.items()
        ]
        least, most = schema.get("minProperties", 0), schema.get("maxProperties")

        def build(source: Source, place: Place) -> dict[str, Any]:
            lean = place.depth >= DEEPEST or most is not None
            made = {
                name: plan(source, place.inside(name, described))
                for name, plan, described, needed in fields
                if needed or not lean
            }
            for name in required:
                made[name] = other(source, place.inside(name, ""))
            for name, plan, described, _ in fields if len(made) < least else ():
                made.setdefault(name, plan(source, place.inside(name, described)))
                if len(made) >= least:
                    break
            for number in range(least - len(made)):
                made[f"key_{number + 1}"] = other(source, place.inside("", ""))
            return made

        return build

    def _array(self, schema: dict[str, Any]) -> Plan:
        items = schema.get("items", {})
        prefix = [self.plan(one) for one in schema.get("prefixItems") or ()]
        plan = self.plan(items)
        unique = bool(schema.get("uniqueItems"))
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        labels = _labels(items)

        def build(source: Source, place: Place) -> list[Any]:
            if labels and not prefix:
                return _tags(labels, source, place, least, most, unique=unique)
            aim = (
                least if place.depth >= DEEPEST else max(least, min(3, 3 if most is None else most))
            )
            aim = least if items is False else aim
            made = [one(source, place.item(number)) for number, one in enumerate(prefix)][
                : most or None
            ]
            return _filled(made, plan, source, place, aim, unique=unique)

        return build


def _filled(
    made: list[Any], plan: Plan, source: Source, place: Place, aim: int, *, unique: bool
) -> list[Any]:
    seen = {msgspec.json.encode(one) for one in made}
    for number in range(len(made), 4 * aim + 8):
        if len(made) >= aim:
            break
        one = plan(source, place.item(number))
        key = msgspec.json.encode(one)
        if not (unique and key in seen):
            made.append(one)
            seen.add(key)
    return made


def _tags(
    labels: tuple[str, ...],
    source: Source,
    place: Place,
    least: int,
    most: int | None,
    *,
    unique: bool,
) -> list[Any]:
    asked = f"{place.described}\n{source.prompt.instructions}"
    wanted = max(how_many(place.described), how_many(source.prompt.instructions))
    at_most = min(
        max(wanted if "tag" in asked.lower() or wanted > 1 else 3, least),
        most if most is not None else 99,
    )
    chosen = choose(labels, source.bag, at_most, min(max(least, 1), at_most)) if at_most else []
    while len(chosen) < least and not unique:
        chosen.append(labels[0])
    return list(chosen)


def _labels(items: Any) -> tuple[str, ...]:
    values = items.get("enum") if isinstance(items, dict) and "allOf" not in items else None
    return tuple(values) if values and all(isinstance(value, str) for value in values) else ()


def _both(key: str, one: Any, other: Any) -> Any:
    if key == "properties":
        return {**one, **{n: {"allOf": [one[n], s]} if n in one else s for n, s in other.items()}}
    if key == "required":
        return list(dict.fromkeys([*one, *other]))
    if key == "enum":
        return [value for value in one if value in other]
    if key in ("minimum", "minLength", "minItems", "exclusiveMinimum", "minProperties"):
        return max(one, other)
    return (
        min(one, other)
        if key in ("maximum", "maxLength", "maxItems", "exclusiveMaximum")
        else other
    )


def _kind(schema: dict[str, Any]) -> str:
    said = schema.get("type")
    if isinstance(said, list):
        said = next((one for one in said if one != "null"), "null")
    if isinstance(said, str):
        return said
    if "properties" in schema or "required" in schema or "additionalProperties" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema or "minItems" in schema:
        return "array"
    return "number" if schema.keys() & {"minimum", "maximum", "multipleOf"} else "string"


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _is_plain(schema: Any) -> bool:
    return isinstance(schema, dict) and not schema.keys() & {
        "$ref",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
    }


def _described(schema: Any) -> str:
    return str(schema.get("description", "")) if isinstance(schema, dict) else ""
