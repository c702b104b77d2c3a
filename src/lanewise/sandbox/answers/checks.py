"""The refusals of a provider that looks at a request body before it runs it."""

from collections.abc import Collection
from typing import Any, NoReturn

from lanewise.sandbox.answers.kinds import Invalid

_OPENAI_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))


def openai(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    """Refuse as OpenAI does."""
    raise Invalid(400, "invalid_request_error", code, param, message)


def anthropic(message: str) -> NoReturn:
    """Refuse as Anthropic does."""
    raise Invalid(400, "invalid_request_error", None, None, message)


def json_type(value: object) -> str:
    """The word OpenAI's messages use for a JSON value."""
    names = {bool: "a boolean", int: "an integer", float: "a decimal number", str: "a string"}
    names |= {list: "an array", dict: "an object", type(None): "null"}
    return names[type(value)]


# parameters that are an object wherever they occur
_OBJECTS = ("response_format", "text", "reasoning", "stream_options", "metadata")


def shapes(body: dict[str, Any]) -> None:
    """Refuse parameters that are not the object or array they should be."""
    for param in _OBJECTS:
        if not isinstance(body.get(param, {}), dict | None):
            wrong_type(param, "an object", body[param])
    tools = [] if body.get("tools") is None else body["tools"]
    if not isinstance(tools, list):
        wrong_type("tools", "an array of objects", tools)
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            wrong_type(f"tools[{index}]", "an object", tool)
        if not isinstance(tool.get("function", {}), dict | None):
            wrong_type(f"tools[{index}].function", "an object", tool["function"])


def model(body: dict[str, Any]) -> str:
    """The model's name, or OpenAI's refusal."""
    name = body.get("model")
    if isinstance(name, str) and name:
        return name
    if name is None or name == "":
        openai("you must provide a model parameter")
    return wrong_type("model", "a string", name)


def wrong_type(param: str, wanted: str, value: object) -> NoReturn:
    """Refuse a value of the wrong JSON type."""
    openai(
        f"Invalid type for '{param}': expected {wanted}, but got {json_type(value)} instead.",
        param,
        "invalid_type",
    )


def missing(param: str) -> NoReturn:
    """Refuse a body without a required parameter."""
    openai(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def whole(body: dict[str, Any], param: str, least: int, most: int | None = None) -> int | None:
    """An optional integer parameter within its bounds."""
    value = body.get(param)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        wrong_type(param, "an integer", value)
    if value < least:
        openai(
            f"Invalid '{param}': integer below minimum value. Expected a value >= {least}, but got "
            f"{value} instead.",
            param,
            "integer_below_min_value",
        )
    if most is not None and value > most:
        openai(
            f"Invalid '{param}': integer above maximum value. Expected a value <= {most}, but got "
            f"{value} instead.",
            param,
            "integer_above_max_value",
        )
    return value


def number(body: dict[str, Any], param: str, least: float, most: float) -> None:
    """An optional number parameter within its bounds."""
    value = body.get(param)
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool):
        wrong_type(param, "a decimal number", value)
    if not least <= value <= most:
        side, sign, bound = (
            ("below minimum", ">=", least) if value < least else ("above maximum", "<=", most)
        )
        openai(
            f"Invalid '{param}': decimal {side} value. Expected a value {sign} {bound:g}, but got "
            f"{value} instead.",
            param,
            "decimal_below_min_value" if value < least else "decimal_above_max_value",
        )


def messages(
    items: Any, param: str = "messages", roles: Collection[str] = _OPENAI_ROLES
) -> list[dict[str, Any]]:
    """A non-empty list of messages with known roles, as chat completions want it."""
    if items is None:
        missing(param)
    if not isinstance(items, list):
        wrong_type(param, "an array of objects", items)
    if not items:
        openai(
            f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty "
            "array instead.",
            param,
            "empty_array",
        )
    for index, item in enumerate(items):
        _message(item, f"{param}[{index}]", roles)
    return items


def _message(item: Any, param: str, roles: Collection[str]) -> None:
    if not isinstance(item, dict):
        wrong_type(param, "an object", item)
    role = item.get("role")
    if role is None:
        missing(f"{param}.role")
    if not isinstance(role, str) or role not in roles:
        supported = ", ".join(f"'{one}'" for one in sorted(roles))
        openai(
            f"Invalid value: '{role}'. Supported values are: {supported}.",
            f"{param}.role",
            "invalid_value",
        )
    content = item.get("content")
    if content is None and role != "assistant":
        openai(
            "Invalid value for 'content': expected a string, got null.",
            f"{param}.content",
        )
    if content is not None and not isinstance(content, str | list):
        wrong_type(f"{param}.content", "one of a string or array of objects", content)
    if role == "tool" and not isinstance(item.get("tool_call_id"), str):
        missing(f"{param}.tool_call_id")
