"""Answers in the shape of POST /v1/completions, the legacy text endpoint."""

from typing import Any

from lanewise.sandbox.answers import checks, counting
from lanewise.sandbox.answers.chat import FINGERPRINT, usage, written
from lanewise.sandbox.answers.compose import Source
from lanewise.sandbox.answers.kinds import Answer, Tokens
from lanewise.sandbox.answers.names import canonical, identifier
from lanewise.sandbox.answers.prompt import read

DEFAULT_LIMIT = 16  # tokens [documented]


def answer(body: dict[str, Any], *, id_seed: str, created: int) -> Answer:
    """A text completion: `n` choices for each prompt."""
    checks.shapes(body)
    model, prompts = checks.model(body), _prompts(body)
    limit = checks.whole(body, "max_tokens", 0)
    room = DEFAULT_LIMIT if limit is None else limit
    count = checks.whole(body, "n", 1, 128) or 1
    drafts = [_choice(prompt, index, room) for prompt in prompts for index in range(count)]
    choices = [choice | {"index": index} for index, (choice, _) in enumerate(drafts)]
    read_tokens = sum(counting.text_tokens(prompt) for prompt in prompts)
    tokens = Tokens(input=read_tokens, output=sum(cost for _, cost in drafts))
    envelope = {
        "id": identifier("cmpl-", id_seed),
        "object": "text_completion",
        "created": created,
        "model": canonical(model),
        "choices": choices,
        "usage": usage(tokens),
        "system_fingerprint": FINGERPRINT,
    }
    return Answer(envelope, tokens, canonical(model))


def _prompts(body: dict[str, Any]) -> list[str]:
    prompt = body.get("prompt", "")
    if isinstance(prompt, str):
        return [prompt]
    if not isinstance(prompt, list) or not prompt:
        checks.wrong_type("prompt", "one of a string or array", prompt)
    if isinstance(prompt[0], str):
        return [str(one) for one in prompt]
    many = prompt if isinstance(prompt[0], list) else [prompt]
    return [" ".join(f"t{token}" for token in one) for one in many]


def _choice(prompt: str, variant: int, room: int) -> tuple[dict[str, Any], int]:
    text = " " + written(Source(read("", prompt)), None, variant)
    tokens, finish = counting.text_tokens(text), "stop"
    if tokens > room:
        text, tokens, finish = counting.cut(text, room), room, "length"
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}, tokens
