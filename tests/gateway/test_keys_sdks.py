"""What the official SDKs send is recognised, and what is refused is what they understand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from lanewise.app import keys
from lanewise.app.keys import NewKey
from lanewise.clock import SystemClock
from lanewise.domain.allowances import Load
from lanewise.gateway.dialect import dialect_of, error_body
from lanewise.gateway.keys import UNKNOWN_KEY, KeyRing, Refusal, barred
from lanewise.gateway.limits import Limits
from lanewise.store.sqlite import SqliteStore

ASKED = [{"role": "user", "content": "hello"}]


class Door:
    """As much of a gateway as it takes to turn callers away."""

    def __init__(self, home: Path) -> None:
        clock = SystemClock()
        self.store = SqliteStore.open(home, now=clock.now())
        wanted = NewKey(name="search", models=("m-*",), monthly_usd="1", requests_per_minute=2)
        self.key = keys.create(self.store, wanted, clock.now()).reveal()
        self.ring = KeyRing(self.store, clock)
        self.limits = Limits(self.ring, self.store, clock)
        self.estimate, self.calls = 1, 0

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        path = request.url.path
        refusal = await self.refuse(request, path)
        if refusal is None:
            return httpx2.Response(200, json={"id": "x", "object": "chat.completion"})
        dialect = dialect_of(path, versioned=False)
        body = error_body(dialect, refusal.status, refusal.message, code=refusal.code)
        return httpx2.Response(refusal.status, headers=refusal.headers(), content=body)

    async def refuse(self, request: httpx2.Request, path: str) -> Refusal | None:
        headers = {name.lower(): value for name, value in request.headers.raw}
        who = self.ring(headers)
        if who is None:
            return UNKNOWN_KEY
        model = httpx2.Response(200, content=request.content).json()["model"]
        if (found := barred(who, path, model)) is not None:
            return found
        admitted = await self.limits.admit(who, Load(1), self.estimate)
        return admitted if isinstance(admitted, Refusal) else None

    async def ask(self, sdk: str, key: str | None = None, model: str = "m-1") -> Any:
        transport = httpx2.MockTransport(self)
        key = key or self.key
        if sdk == "openai":
            client = openai.AsyncOpenAI(
                api_key=key, base_url="http://here/v1",
                http_client=openai.DefaultAsyncHttpxClient(transport=transport),
            )  # fmt: skip
            return await client.chat.completions.create(model=model, messages=ASKED)  # type: ignore[arg-type]
        other = anthropic.AsyncAnthropic(
            api_key=key, base_url="http://here",
            http_client=anthropic.DefaultAsyncHttpxClient(transport=transport),
        )  # fmt: skip
        return await other.messages.create(model=model, messages=ASKED, max_tokens=9)  # type: ignore[arg-type]


@pytest.fixture(params=["openai", "anthropic"])
def sdk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def door(tmp_path: Path) -> Any:
    made = Door(tmp_path / "home")
    yield made
    made.store.close()


async def test_a_key_is_recognised_as_the_sdk_sends_it(door: Any, sdk: str) -> None:
    assert (await door.ask(sdk)).id == "x"


async def test_an_unknown_key_is_an_authentication_error_that_is_not_tried_again(
    door: Any, sdk: str
) -> None:
    module: Any = {"openai": openai, "anthropic": anthropic}[sdk]
    with pytest.raises(module.AuthenticationError):
        await door.ask(sdk, "lw-" + "a" * 40)
    assert door.calls == 1


async def test_a_model_that_is_not_allowed_is_a_permission_error_that_names_those_that_are(
    door: Any, sdk: str
) -> None:
    module: Any = {"openai": openai, "anthropic": anthropic}[sdk]
    with pytest.raises(module.PermissionDeniedError, match=r"m-\*"):
        await door.ask(sdk, model="other")
    assert door.calls == 1


async def test_a_budget_that_is_gone_is_a_rate_limit_error_that_is_not_tried_again(
    door: Any, sdk: str
) -> None:
    module: Any = {"openai": openai, "anthropic": anthropic}[sdk]
    door.estimate = 2 * 10**9
    with pytest.raises(module.RateLimitError, match=r"monthly budget of this key is \$1"):
        await door.ask(sdk)
    assert door.calls == 1
