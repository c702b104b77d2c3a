"""What a provider keeps for the account is only gone on from by the tenant whose call made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import openai
import pytest

from lanewise.gateway.routes import Parts
from lanewise.gateway.serving import RunningGateway
from lanewise.gateway.who import Who

MODEL = "gpt-4o-mini"


def identify(headers: Mapping[bytes, bytes]) -> Who | None:
    name = headers.get(b"authorization", b"").removeprefix(b"Bearer ").decode()
    return Who(name, name) if name in ("ann", "bob") else None


Client = Callable[[str, str], openai.OpenAI]


@pytest.fixture
def client() -> Iterator[Client]:
    """Clients of a gateway by the name of their tenant, closed at the end."""
    made: list[openai.OpenAI] = []

    def make(url: str, name: str) -> openai.OpenAI:
        made.append(openai.OpenAI(base_url=f"{url}/v1", api_key=name, max_retries=0))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def shared(make_place: Callable[..., Any]) -> Any:
    """A gateway of two tenants, before one account."""
    return make_place(identify=identify)


def made_by(api: openai.OpenAI, *, stream: bool = False) -> str:
    if not stream:
        return api.responses.create(model=MODEL, input="Hello").id
    with api.responses.create(model=MODEL, input="Hello", stream=True) as events:
        return str(list(events)[-1].response.id)  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_gone_on_from_by_its_own_tenant_alone(
    shared: Any, client: Client, stream: bool
) -> None:
    kept = made_by(client(shared.url, "ann"), stream=stream)
    for background in ({}, {"x-lanewise-deadline": "8h"}):
        with pytest.raises(openai.NotFoundError) as caught:
            client(shared.url, "bob").responses.create(
                model=MODEL, input="And?", previous_response_id=kept, extra_headers=background
            )
        assert caught.value.code == "previous_response_not_found"
        assert kept not in caught.value.message
    mine = client(shared.url, "ann").responses
    assert mine.create(model=MODEL, input="And?", previous_response_id=kept).id != kept


def test_it_is_known_whose_a_response_is_after_a_restart_and_in_another_process(
    shared: Any, client: Client
) -> None:
    kept = made_by(client(shared.url, "ann"))
    shared.running.close()
    again = RunningGateway(Parts(shared.engine, identify))
    try:
        with pytest.raises(openai.NotFoundError):
            client(again.url, "bob").responses.create(
                model=MODEL, input="And?", previous_response_id=kept
            )
        mine = client(again.url, "ann").responses
        assert mine.create(model=MODEL, input="And?", previous_response_id=kept).id != kept
    finally:
        again.close()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"previous_response_id": "resp_of_nobody"}, "previous_response_not_found"),
        ({"conversation": "conv_1"}, "conversation_not_found"),
        ({"conversation": {"id": "conv_1"}}, "conversation_not_found"),
    ],
)
def test_what_is_of_nobody_here_is_not_there(shared: Any, more: dict[str, Any], code: str) -> None:
    body = {"model": MODEL, "input": "And?"} | more
    got = shared.http.post("/v1/responses", json=body, headers={"authorization": "Bearer ann"})
    assert (got.status_code, got.json()["error"]["code"]) == (404, code)


def test_a_line_of_a_batch_goes_on_from_nothing_that_is_kept(shared: Any, client: Client) -> None:
    kept = made_by(client(shared.url, "ann"))
    body = {"model": MODEL, "input": "And?", "previous_response_id": kept}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    bob = client(shared.url, "bob")
    file = bob.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = bob.batches.create(
        input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
    )
    while batch.status == "validating":
        batch = bob.batches.retrieve(batch.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert "cannot go on from" in str(batch.errors.data)


def test_an_open_gateway_passes_on_what_a_call_goes_on_from(place: Any, client: Client) -> None:
    kept = made_by(client(place.url, "any"))
    api = client(place.url, "any").responses
    assert api.create(model=MODEL, input="And?", previous_response_id=kept).id != kept
