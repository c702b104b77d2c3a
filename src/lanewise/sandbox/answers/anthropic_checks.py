"""The refusals of Anthropic's Messages API, worded as it words them."""

from typing import Any

from lanewise.sandbox.answers.checks import anthropic as refuse

MOST_MARKS = 4  # [documented]


def request(body: dict[str, Any]) -> None:
    """Refuse a body that POST /v1/messages would refuse."""
    prompt(body)
    limit = body.get("max_tokens")
    if limit is None:
        refuse("max_tokens: Field required")
    if not isinstance(limit, int) or isinstance(limit, bool):
        refuse("max_tokens: Input should be a valid integer")
    if limit < 1:
        refuse("max_tokens: Input should be greater than or equal to 1")
    _temperature(body.get("temperature"))
    _thinking(body.get("thinking"), limit)
    _tools(body)


def prompt(body: dict[str, Any]) -> None:
    """Refuse a prompt that cannot be read: what count_tokens checks too."""
    _shapes(body)
    model = body.get("model")
    if model is None:
        refuse("model: Field required")
    if not isinstance(model, str):
        refuse("model: Input should be a valid string")
    if not model:
        refuse("model: String should have at least 1 character")
    messages = body.get("messages")
    if messages is None:
        refuse("messages: Field required")
    if not isinstance(messages, list):
        refuse("messages: Input should be a valid list")
    if not messages:
        refuse("messages: at least one message is required")
    for index, message in enumerate(messages):
        _message(message, f"messages.{index}", last=index == len(messages) - 1)
    if messages[0]["role"] != "user":
        refuse('messages: first message must use the "user" role')
    _system(body.get("system"))
    _marks(body)


_OBJECTS = ("tool_choice", "thinking", "output_config", "output_format", "cache_control")
_NO_OBJECT = "Input should be a valid dictionary or object to extract fields from"


def _shapes(body: dict[str, Any]) -> None:
    for name in _OBJECTS:
        if not isinstance(body.get(name, {}), dict | None):
            refuse(f"{name}: {_NO_OBJECT}")
    tools = [] if body.get("tools") is None else body["tools"]
    stops = body.get("stop_sequences") or []
    if not isinstance(tools, list):
        refuse("tools: Input should be a valid list")
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        refuse("stop_sequences: Input should be a valid list of strings")
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            refuse(f"tools.{index}.custom.name: Field required")


def _message(message: Any, at: str, *, last: bool) -> None:
    if not isinstance(message, dict):
        refuse(f"{at}: Input should be a valid dictionary or object to extract fields from")
    role, content = message.get("role"), message.get("content")
    if role is None:
        refuse(f"{at}.role: Field required")
    if role == "system":
        refuse(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` '
            'parameter, not "system" as an input message role.'
        )
    if role not in ("user", "assistant"):
        refuse(f"{at}.role: Input should be 'user' or 'assistant'")
    if content is None:
        refuse(f"{at}.content: Field required")
    if not isinstance(content, str | list):
        refuse(f"{at}.content: Input should be a valid string or list")
    if not content and not (last and role == "assistant"):
        refuse(
            f"{at}: all messages must have non-empty content except for the optional final assistant message"
        )
    for index, part in enumerate(content if isinstance(content, list) else ()):
        _part(part, f"{at}.content.{index}")


def _part(part: Any, at: str) -> None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        refuse(f"{at}.type: Field required")
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        refuse(f"{at}.text.text: Field required")
    if part["type"] == "text" and not part["text"]:
        refuse("messages: text content blocks must be non-empty")


def _system(system: Any) -> None:
    if system is not None and not isinstance(system, str | list):
        refuse("system: Input should be a valid string or list")
    for index, part in enumerate(system if isinstance(system, list) else ()):
        _part(part, f"system.{index}")


def _marks(body: dict[str, Any]) -> None:
    parts = list(body.get("tools") or ())
    for content in (body.get("system"), *(message["content"] for message in body["messages"])):
        parts += content if isinstance(content, list) else []
    controls = [
        part["cache_control"]
        for part in parts
        if isinstance(part, dict) and part.get("cache_control")
    ]
    controls += [body["cache_control"]] if body.get("cache_control") else []
    if len(controls) > MOST_MARKS:
        refuse(
            f"A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found {len(controls)}."
        )
    _lifetimes(controls)


def _lifetimes(controls: list[Any]) -> None:
    lives = [one.get("ttl", "5m") if isinstance(one, dict) else None for one in controls]
    if any(life not in ("5m", "1h") for life in lives):
        refuse("cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    if "1h" in lives[lives.index("5m") if "5m" in lives else len(lives) :]:
        refuse(
            "cache_control: a ttl='1h' cache_control block must not come after a ttl='5m' "
            "cache_control block."
        )


def _temperature(value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool):
        refuse("temperature: Input should be a valid number")
    if not 0 <= value <= 1:
        refuse("temperature: range: 0..1")


def _thinking(thinking: Any, limit: int) -> None:
    if thinking is None:
        return
    budget = thinking.get("budget_tokens")
    if thinking.get("type") == "enabled" and isinstance(budget, int) and budget >= limit:
        refuse(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our "
            "documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
        )


def _tools(body: dict[str, Any]) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not choice:
        return
    if choice.get("type") not in ("auto", "any", "tool", "none"):
        refuse(
            "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'none', 'tool'"
        )
    if choice["type"] == "tool" and choice.get("name") not in [
        tool["name"] for tool in tools or ()
    ]:
        refuse(f"Tool '{choice.get('name')}' not found in provided tools")
