"""litellm, unmodified: the address and the key come from the environment."""

from __future__ import annotations

import os
import threading
from typing import Any

import litellm
from checks import billed, check, raises, stage

SAID = [{"role": "user", "content": "Where is my order?"}]
LATER = {"x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets"}
MODELS = {"openai": "openai/gpt-4o-mini", "anthropic": "anthropic/claude-haiku-4-5"}
STOPPING = {
    "openai": f"{os.environ['STOPPING_URL']}/v1",
    "anthropic": os.environ["STOPPING_URL"],
}


def ask(of: str, **more: Any) -> Any:
    return litellm.completion(**({"model": MODELS[of], "messages": SAID, "max_tokens": 60} | more))


def answers(of: str) -> None:
    answer = ask(of)
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens > 0


def streams(of: str) -> None:
    text = before = ""
    for chunk in ask(of, stream=True, api_base=STOPPING[of]):
        text += chunk.choices[0].delta.content or ""
        if text and not before:
            before = text
            stage("go")
    assert before
    assert len(text) > len(before)


def fails(of: str) -> None:
    kind = of + "/no-such-model"
    raises(litellm.NotFoundError, lambda: ask(of, model=kind))
    raises(litellm.BadRequestError, lambda: ask(of, temperature=99))
    raises(litellm.AuthenticationError, lambda: ask(of, api_key="lw-nobody"))
    raises(litellm.RateLimitError, lambda: ask(of, api_key=os.environ["POOR_KEY"]))


def waits(of: str) -> None:
    before = billed()
    assert ask(of, extra_headers=LATER).choices[0].message.content
    assert billed() == before + 1


def is_taken_up_again(of: str) -> None:
    before = billed()
    stage("hold")
    found: list[Any] = []
    named = LATER | {"idempotency-key": f"litellm-{of}"}
    thread = threading.Thread(
        target=lambda: found.append(ask(of, extra_headers=named, num_retries=2))
    )
    thread.start()
    stage("let_go")
    stage("release")
    thread.join()
    assert found[0].choices[0].message.content
    assert billed() == before + 1


def lists_models(of: str) -> None:
    # of the environment's addresses, only Anthropic's is looked at here
    address = os.environ[f"{of.upper()}_BASE_URL"]
    found = litellm.get_valid_models(
        check_provider_endpoint=True, custom_llm_provider=of, api_base=address
    )
    assert MODELS[of].rpartition("/")[2] in {name.rpartition("/")[2] for name in found}


def embeds() -> None:
    vectors = litellm.embedding(model="openai/text-embedding-3-small", input=["Hello"])
    assert len(vectors.data[0]["embedding"]) == 1536


def responds() -> None:
    found = litellm.responses(model=MODELS["openai"], input="Hello")
    assert found.output[0].content[0].text


for name in MODELS:
    check(f"a call is answered ({name})", lambda of=name: answers(of))
    check(
        f"the first event of a stream is there before the last is sent ({name})",
        lambda of=name: streams(of),
    )
    check(f"errors are litellm's own ({name})", lambda of=name: fails(of))
    check(f"a call that can wait is answered on its connection ({name})", lambda of=name: waits(of))
    check(
        f"a call cut off by a restart is taken up again and paid once ({name})",
        lambda of=name: is_taken_up_again(of),
    )
    check(f"models are listed ({name})", lambda of=name: lists_models(of))
check("embeddings are made", embeds)
check("a response is answered", responds)
