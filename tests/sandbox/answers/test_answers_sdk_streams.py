"""The official SDKs put our streams together again to the answer that was streamed."""

import json

import anthropic
import httpx2
import openai
import pytest

from lanewise.sandbox.answers import answer, stream_events

USER = [{"role": "user", "content": "Summarise: The sky is blue today. Birds sing in the trees."}]


def provider(request: httpx2.Request) -> httpx2.Response:
    """A provider that does nothing but answer."""
    body = json.loads(request.content)
    path = request.url.path
    made = answer(path, body, id_seed="s", created=1, lane="realtime")
    if not body.get("stream"):
        return httpx2.Response(200, json=made.body)
    frames = b"".join(stream_events(path, made, body))
    return httpx2.Response(200, content=frames, headers={"content-type": "text/event-stream"})


@pytest.fixture
def chatgpt() -> openai.OpenAI:
    client = httpx2.Client(transport=httpx2.MockTransport(provider))
    return openai.OpenAI(api_key="k", base_url="http://sandbox/v1", http_client=client)


@pytest.fixture
def claude() -> anthropic.Anthropic:
    client = httpx2.Client(transport=httpx2.MockTransport(provider))
    return anthropic.Anthropic(api_key="k", base_url="http://sandbox", http_client=client)


def test_openai_chat_stream_adds_up(chatgpt: openai.OpenAI) -> None:
    asked = {"model": "gpt-4o-mini", "messages": USER}
    whole = chatgpt.chat.completions.create(**asked)
    with chatgpt.chat.completions.stream(**asked) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert whole.choices[0].message.content.endswith("[sandbox]")


def test_openai_responses_stream_adds_up(chatgpt: openai.OpenAI) -> None:
    whole = chatgpt.responses.create(model="gpt-5-mini", input=USER)
    with chatgpt.responses.stream(model="gpt-5-mini", input=USER) as stream:
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert final.usage == whole.usage


def test_openai_embeddings_are_asked_for_and_read_as_base64(chatgpt: openai.OpenAI) -> None:
    made = chatgpt.embeddings.create(model="text-embedding-3-small", input=["a text", "two"])
    assert [len(one.embedding) for one in made.data] == [1536, 1536]
    assert sum(x * x for x in made.data[0].embedding) == pytest.approx(1, abs=1e-5)


def test_anthropic_stream_adds_up(claude: anthropic.Anthropic) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked = {"model": "claude-x", "max_tokens": 2000, "messages": USER, "thinking": thinking}
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[1].text == whole.content[1].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.input_tokens == whole.usage.input_tokens
