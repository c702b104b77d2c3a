"""Tools that a request forces the model to call."""

from dataclasses import dataclass
from typing import Any

from lanewise.sandbox.answers import checks


@dataclass(frozen=True, slots=True)
class Call:
    """The tool to call and the schema of its arguments; `any` when the choice was free."""

    name: str
    schema: Any
    any: bool


def forced(tools: Any, choice: Any, *, nested: bool) -> Call | None:
    """The function an OpenAI request forces; `nested` for chat's `function` envelope."""
    offered = _functions(tools, nested=nested)
    if choice is not None and choice != "none" and not offered and nested:
        checks.openai(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.",
            "tool_choice",
        )
    if choice == "required" and offered:
        name, schema = next(iter(offered.items()))
        return Call(name, schema, any=True)
    if not isinstance(choice, dict) or choice.get("type") != "function":
        return None
    named = choice.get("function") if nested else choice
    name = str(named.get("name")) if isinstance(named, dict) else ""
    if name not in offered:
        checks.openai(
            f"Invalid value for 'tool_choice': no function named '{name}' was specified in the 'tools' "
            "parameter.",
            "tool_choice",
        )
    return Call(name, offered[name], any=False)


def _functions(tools: Any, *, nested: bool) -> dict[str, Any]:
    if tools is None:
        return {}
    if not isinstance(tools, list):
        checks.wrong_type("tools", "an array of objects", tools)
    entries = (tool for tool in tools if isinstance(tool, dict) and tool.get("type") == "function")
    functions = (tool.get("function") or {} if nested else tool for tool in entries)
    return {
        str(function.get("name")): function.get("parameters") or {"type": "object"}
        for function in functions
    }
