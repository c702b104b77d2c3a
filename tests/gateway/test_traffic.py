"""What passes through is known to the worker beside it, for as long as it is under way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def test_a_call_to_a_server_without_batches_is_counted_from_its_beginning_to_its_end(
    make_place: Callable[..., Any], upstream: Callable[..., Any]
) -> None:
    server = upstream(HEAD + b"e\r\ndata: [DONE]\n\n\r\n", b"0\r\n\r\n")
    own = {"name": "own", "api": "openai", "base_url": f"{server.url}/v1", "batches": False}
    place = make_place(server.url, environ={"LANEWISE_UPSTREAMS": json.dumps([own])})
    account = next(iter(place.engine.accounts.members("openai", chosen=None))).account.id
    live = lambda: place.engine.traffic.live(account)  # noqa: E731
    assert live().under_way == 0
    with httpx2.stream("POST", f"{place.url}/v1/chat/completions", json=ASKED) as answer:
        chunks = answer.iter_bytes()
        assert next(chunks)
        assert live().under_way == 1
        server.proceed.set()
        assert not list(chunks)
    place.running.close()  # its last calls are over when it has ended
    assert live().under_way == 0
    assert live().ended > 0.0
