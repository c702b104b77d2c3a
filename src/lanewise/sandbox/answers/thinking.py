"""How much a reasoning model thinks in the sandbox: more for longer prompts and more effort."""

from lanewise.sandbox.answers.names import is_reasoning

_EFFORT = {"none": 0, "minimal": 0, "low": 1, "medium": 4, "high": 8, "xhigh": 16, "max": 16}


def reasoning_tokens(model: str, prompt_tokens: int, effort: object, limit: int | None) -> int:
    """Thinking tokens in steps of 64, at most `limit`; 0 for models that do not reason."""
    if not is_reasoning(model):
        return 0
    strength = _EFFORT.get(str(effort or "medium"), 4)
    thought = 64 * -(-strength * (64 + min(prompt_tokens, 2048) // 8) // 256)
    return thought if limit is None else min(thought, limit)
