"""Several servers of one API: turns by weight, a call goes elsewhere only where that is safe, names."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import openai
import pytest

from lanewise.app.accounts import Member
from lanewise.domain.ids import AccountId
from lanewise.gateway.asked import Refused
from lanewise.gateway.upstream import Upstream
from lanewise.gateway.ways import MOST_UNDER_WAY, Way, Ways
from lanewise.gateway.who import Who
from lanewise.policy.health import FIRST_REST_SECONDS, LEAST_FAILED
from lanewise.providers.protocol import Account
from lanewise.secret import Secret
from lanewise.upstreams import named_upstreams

ANSWER = {"model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def place_with(make_place: Callable[..., Any]) -> Callable[..., Any]:
    """A gateway over upstreams, named a, b, c in order."""

    def make(*urls: str, aliases: str = "", **keys: list[Any]) -> Any:
        tables = [
            {"name": "abc"[n], "api": "openai", "base_url": f"{url}/v1", "key_env": f"KEY_{n}"}
            | {key: values[n] for key, values in keys.items() if values[n] is not None}
            for n, url in enumerate(urls)
        ]
        environ = {f"KEY_{n}": f"sk-{n}" for n in range(len(urls))}
        environ["LANEWISE_UPSTREAMS"] = json.dumps(tables)
        environ |= {"LANEWISE_ALIASES": aliases} if aliases else {}
        return make_place(urls[0], environ=environ)

    return make


@pytest.fixture
def answering(answering: Callable[..., bytes]) -> Callable[..., bytes]:
    """Answers after which the server closes, and says so: no call meets a connection that just closed."""
    return lambda document, *headers, **more: answering(
        document, b"connection: close", *headers, **more
    )


def nobody() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def status_of(place: Any, body: dict[str, Any] = CHAT) -> int:
    found: int = place.http.post("/v1/chat/completions", json=body).status_code
    return found


def test_calls_are_shared_out_by_weight_each_with_the_servers_own_credential(
    place_with: Any, upstream: Any, answering: Any
) -> None:
    a, b = upstream(answering(ANSWER)), upstream(answering(ANSWER))
    place = place_with(a.url, b.url, weight=[2, 1])
    assert [status_of(place) for _ in range(6)] == [200] * 6
    assert (len(a.requests), len(b.requests)) == (4, 2)
    assert b"authorization: Bearer sk-0" in a.requests[0]
    assert b"authorization: Bearer sk-1" in b.requests[0]
    accounts = place.engine.accounts.members("openai", chosen=None)
    counted: Counter[str] = Counter()
    for entry in place.booked():
        counted[entry.row.account] += entry.row.n
    assert counted == {accounts[0].account.id: 4, accounts[1].account.id: 2}


@pytest.mark.parametrize(
    "status", [b"429 No", b"503 No", b"529 No", b"401 No", b"403 No", b"404 No"]
)
def test_a_call_that_was_surely_not_executed_goes_to_the_next_server(
    status: bytes, place_with: Any, upstream: Any, answering: Any
) -> None:
    a = upstream(answering({"error": {}}, b"retry-after: 20", status=status))
    b = upstream(answering(ANSWER))
    place = place_with(a.url, b.url)
    assert [status_of(place) for _ in range(4)] == [200] * 4
    assert (len(a.requests), len(b.requests)) == (1, 4), "what asks to be spared is not asked again"


def test_a_server_that_cannot_be_reached_is_passed_over(
    place_with: Any, upstream: Any, answering: Any
) -> None:
    b = upstream(answering(ANSWER))
    place = place_with(nobody(), b.url)
    assert [status_of(place) for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("status", [b"500 No", b"502 No", b"504 No", b"400 No"])
def test_a_call_that_may_have_been_executed_is_not_sent_again(
    status: bytes, place_with: Any, upstream: Any, answering: Any
) -> None:
    a = upstream(answering({"error": {"message": "theirs"}}, status=status))
    b = upstream(answering(ANSWER))
    place = place_with(a.url, b.url)
    reply = place.http.post("/v1/chat/completions", json=CHAT)
    assert (reply.status_code, reply.json()["error"]["message"]) == (int(status[:3]), "theirs")
    assert not b.requests


def test_half_an_answer_is_not_asked_for_again(place_with: Any, upstream: Any) -> None:
    a = upstream(b"HTTP/1.1 200 OK\r\ncontent-le")
    b = upstream(b"")
    place = place_with(a.url, b.url)
    assert status_of(place) == 502
    assert not b.requests


def test_where_every_server_says_later_the_last_word_is_the_clients(
    place_with: Any, upstream: Any, answering: Any
) -> None:
    full = [
        upstream(answering({"error": {}}, b"retry-after: 7", status=b"429 No")) for _ in range(2)
    ]
    place = place_with(*(one.url for one in full))
    reply = place.http.post("/v1/chat/completions", json=CHAT)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert [len(one.requests) for one in full] == [1, 1]


def test_a_server_that_keeps_failing_is_left_alone_and_clients_are_told_when_to_come_back(
    make_place: Any,
) -> None:
    place = make_place(nobody())
    assert [status_of(place) for _ in range(LEAST_FAILED)] == [502] * LEAST_FAILED
    reply = place.http.post("/v1/chat/completions", json=CHAT)
    assert reply.status_code == 503
    assert 1 <= int(reply.headers["retry-after"]) <= FIRST_REST_SECONDS


def test_what_a_response_goes_on_from_is_looked_for_where_it_is_kept(
    place_with: Any, upstream: Any, answering: Any
) -> None:
    missing = {"error": {"code": "previous_response_not_found"}}
    a, b = upstream(answering(missing, status=b"400 No")), upstream(answering({"id": "resp_2"}))
    place = place_with(a.url, b.url)
    body = {"model": "gpt-4o", "input": "and?", "previous_response_id": "resp_1"}
    assert place.http.post("/v1/responses", json=body).json() == {"id": "resp_2"}
    assert place.http.post("/v1/responses", json=body | {"input": "?"}).status_code == 200


def test_models_go_where_they_are_under_the_name_they_have_there(
    place_with: Any, upstream: Any, answering: Any
) -> None:
    azure, own = upstream(answering(ANSWER)), upstream(answering(ANSWER))
    place = place_with(
        azure.url,
        own.url,
        models=[["gpt-*"], ["qwen*"]],
        renames=[{"gpt-4o": "prod-4o"}, None],
        aliases="fast=gpt-4o,local=qwen3",
    )
    client = openai.OpenAI(base_url=f"{place.url}/v1", api_key="any", max_retries=0)
    for name in ("gpt-4o", "fast", "local"):
        client.chat.completions.create(model=name, messages=[{"role": "user", "content": name}])
    with pytest.raises(
        openai.NotFoundError, match="no upstream of this gateway has the model 'o3'"
    ):
        client.chat.completions.create(model="o3", messages=[])
    bodies = [json.loads(sent.partition(b"\r\n\r\n")[2]) for sent in azure.requests + own.requests]
    assert [body["model"] for body in bodies] == ["prod-4o", "prod-4o", "qwen3"]


def test_the_models_of_every_server_are_listed_by_our_names_with_the_aliases(
    place_with: Any, upstream: Any, answering: Any
) -> None:
    azure = upstream(answering({"data": [{"id": "prod-4o", "object": "model"}, {"id": "other"}]}))
    own = upstream(answering({"data": [{"id": "qwen3", "object": "model"}]}))
    mute = upstream(answering(b"<html>"))
    place = place_with(
        azure.url,
        own.url,
        mute.url,
        models=[["gpt-*"], ["qwen*"], ["x"]],
        renames=[{"gpt-4o": "prod-4o"}, None, None],
        aliases="fast=gpt-4o",
    )
    client = openai.OpenAI(base_url=f"{place.url}/v1", api_key="any", max_retries=0)
    assert [model.id for model in client.models.list()] == ["gpt-4o", "qwen3", "fast"]
    assert client.models.retrieve("fast").id == "fast"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("prod-4o")


def test_a_key_sees_the_models_that_it_is_for(make_place: Any) -> None:
    place = make_place(identify=lambda _: Who("acme", "narrow", models=("gpt-4o-*",)))
    client = openai.OpenAI(base_url=f"{place.url}/v1", api_key="any", max_retries=0)
    found = [model.id for model in client.models.list()]
    assert "gpt-4o-mini" in found
    assert all(name.startswith("gpt-4o-") for name in found)


# -- the order, without a network -----------------------------------------------------------------
def ways(*weights: int) -> tuple[Ways, list[Way]]:
    tables = [
        {"name": str(n), "api": "openai", "base_url": f"http://h{n}/v1", "weight": weight}
        for n, weight in enumerate(weights)
    ]
    found = []
    for one in named_upstreams(tables):
        account = Account(AccountId(one.name), "openai", one.base_url, Secret("k"))
        found.append(Way(Member(account, one), account, Upstream(one.base_url, [])))
    return Ways(found), found


def test_a_standby_of_no_weight_gets_calls_only_where_no_other_is_well() -> None:
    several, (a, standby) = ways(1, 0)
    assert [several.order("m", 0.0)[0] is a for _ in range(5)] == [True] * 5
    a.health.spare("m", 0.0, 10.0)
    assert list(several.order("m", 1.0)) == [standby, a]


def test_a_shut_server_gets_one_call_as_a_trial_with_the_others_behind_it() -> None:
    several, (a, b) = ways(1, 1)
    for _ in range(LEAST_FAILED):
        a.health.failed(0.0)
    assert [list(several.order("m", 1.0)) for _ in range(2)] == [[b], [b]]
    back = FIRST_REST_SECONDS
    assert list(several.order("m", back)) == [a, b]
    assert list(several.order("m", back)) == [b], "until the trial has ended"
    a.health.well(back + 1.0)
    assert {several.order("m", back + 1.0)[0] for _ in range(2)} == {a, b}


def test_no_room_anywhere_is_told_apart_from_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    several, _ = ways(1, 1)
    monkeypatch.setattr(Upstream, "under_way", MOST_UNDER_WAY)
    with pytest.raises(Refused, match="2000 calls are under way") as caught:
        several.order("m", 0.0)
    assert caught.value.status == 429
