"""Structured answers are valid against their schema, whatever the schema."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanewise.sandbox.answers import Invalid
from lanewise.sandbox.answers.compose import Source
from lanewise.sandbox.answers.prompt import Prompt
from lanewise.sandbox.answers.schema import instance

names = st.sampled_from(["title", "summary", "tags", "reason", "label", "score", "n", "é ü", "a/b"])
small = st.integers(0, 6)


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(small)
    schema: dict[str, Any] = {"type": "string"}
    if draw(st.booleans()):
        schema["minLength"] = low
    if draw(st.booleans()):
        schema["maxLength"] = low + draw(small)
    return schema


@st.composite
def patterned(draw: st.DrawFn) -> dict[str, Any]:
    known = ["^[a-z]{3,8}$", r"^\d{4}-\d{2}$", "^(red|blue)-[A-F0-9]+$", "^x?y*z$", r"\w+@\w+\.com"]
    return {"type": "string", "pattern": draw(st.sampled_from(known))}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["integer", "number"]))
    low, span = draw(st.integers(-50, 50)), draw(st.integers(3, 100))
    schema: dict[str, Any] = {"type": kind}
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + span
    if draw(st.booleans()):
        steps = [1, 2] if kind == "integer" else [1, 0.5, 0.25, 0.1]
        schema["multipleOf"] = draw(st.sampled_from(steps))
    return schema


values = st.one_of(st.text(max_size=5), st.integers(-3, 3), st.booleans(), st.none())
enums = st.lists(values, min_size=1, max_size=4, unique_by=repr).map(lambda one: {"enum": one})
simple = st.one_of(
    strings(),
    patterned(),
    numbers(),
    enums,
    values.map(lambda one: {"const": one}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["string", "null"]}),
    st.just({}),
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(names, inner, max_size=4))
    required = [name for name in properties if draw(st.booleans())]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    low = draw(st.integers(0, 3))
    schema: dict[str, Any] = {"type": "array", "items": draw(inner), "minItems": low}
    if draw(st.booleans()):
        schema["maxItems"] = low + draw(st.integers(0, 3))
    return schema


def unions(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some})


schemas = st.recursive(
    simple, lambda inner: objects(inner) | arrays(inner) | unions(inner), max_leaves=8
)
texts = st.text(max_size=200) | st.just("One sentence here. Another sentence there, with red.")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas, texts, st.integers(0, 3))
def test_an_instance_is_valid_for_any_schema(schema: Any, text: str, variant: int) -> None:
    made = instance(schema, Source(Prompt("Describe.", text)), variant)
    jsonschema.validate(made, schema)


@settings(max_examples=100, deadline=None)
@given(strings() | patterned() | numbers(), st.integers(1, 3))
def test_unique_items_are_unique(items: dict[str, Any], count: int) -> None:
    schema = {"type": "array", "items": items, "uniqueItems": True, "maxItems": count}
    made = instance(schema, Source(Prompt("", "A short text. And another one.")))
    jsonschema.validate(made, schema)


def test_unique_items_reach_the_minimum(structured: Callable[..., Any]) -> None:
    items = {"type": "string", "enum": ["a", "b", "c", "d"]}
    schema = {"type": "array", "items": items, "uniqueItems": True, "minItems": 4}
    assert sorted(structured(schema)) == ["a", "b", "c", "d"]
    texts = {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 9}
    assert len(set(structured(texts))) == 9


def test_references_may_be_recursive(structured: Callable[..., Any]) -> None:
    node = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        },
        "required": ["title", "children", "next"],
        "additionalProperties": False,
    }
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    jsonschema.validate(structured(schema), schema)


def test_all_parts_of_all_of_hold(structured: Callable[..., Any]) -> None:
    first = {"properties": {"a": {"type": "integer", "minimum": 5}}, "required": ["a"]}
    second = {"properties": {"a": {"maximum": 7}, "b": {"type": "string"}}, "required": ["b"]}
    schema = {"type": "object", "allOf": [first, second]}
    made = structured(schema)
    jsonschema.validate(made, schema)
    assert 5 <= made["a"] <= 7


def test_required_fields_without_a_schema_are_written(structured: Callable[..., Any]) -> None:
    schema = {"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}}
    jsonschema.validate(structured(schema), schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/absent"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "https://example.com/schema"},
        {"type": "object", "properties": ["a"]},
    ],
)
def test_a_schema_that_makes_no_sense_is_refused(
    structured: Callable[..., Any], schema: Any
) -> None:
    with pytest.raises(Invalid) as caught:
        structured(schema)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json_schema")


def test_fields_say_something_about_the_text(structured: Callable[..., Any], document: str) -> None:
    tags = {"type": "string", "enum": ["cooking", "concurrency", "networking", "astronomy"]}
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "summary": {"type": "string", "description": "A two-sentence summary."},
            "tags": {"type": "array", "items": tags, "maxItems": 2},
        },
        "required": ["title", "summary", "tags"],
        "additionalProperties": False,
    }
    made = structured(schema)
    assert set(made["tags"]) == {"concurrency", "networking"}
    assert made["summary"].count(".") == 2
    assert all(part.strip() in document for part in made["summary"].split(". "))
    assert "[sandbox]" not in json.dumps(made)
    assert made["title"].startswith("asyncio is a library")


def test_json_mode_writes_the_keys_the_prompt_names(
    chat: Callable[..., str], document: str
) -> None:
    system = "Return JSON with keys summary, tags. Tags: concurrency, cooking, poetry."
    made = json.loads(chat(system, document, response_format={"type": "json_object"}))
    assert list(made) == ["summary", "tags"]
    assert made["tags"][0] == "concurrency"
