"""One suite for every adapter that sends one request at a time, against the sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lanewise.domain.allowances import Load, Measure
from lanewise.domain.ids import AccountId, AttemptId
from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    HELD,
    REALTIME,
    LaneName,
)
from lanewise.domain.packing import PackingKey
from lanewise.domain.results import ResultLine, Verdict
from lanewise.policy.pacing import Pace
from lanewise.providers import registry
from lanewise.providers.calling import (
    TIMEOUTS,
    Accepted,
    Answered,
    CallProvider,
    CallTag,
    Lost,
    Running,
)
from lanewise.providers.openai_calls import shaped
from lanewise.providers.protocol import Account, Doubtful, NotSent, RefusalKind, Refused
from lanewise.sandbox import Fault, RunningSandbox, SandboxConfig, start_in_thread
from lanewise.secret import Secret

NOW = 1_790_000_000.0
TAG = CallTag("lw-abcdefghijklmnop-7", AttemptId("attempt"), "home")


class Case(NamedTuple):
    """How requests of a provider look."""

    provider: str
    endpoint: str
    model: str
    suffix: str  # of the base URL

    def body(self, **more: Any) -> bytes:
        body: dict[str, Any] = {"model": self.model}
        text = "Say something about number 7."
        if self.endpoint == "/v1/responses":
            body["input"] = text
        else:
            body["messages"] = [{"role": "user", "content": text}]
        body |= {"max_tokens": 20} if self.provider == "anthropic" else {}
        return json.dumps(body | more).encode()


CASES = {
    "chat": Case("openai", "/v1/chat/completions", "gpt-4o-mini", "/v1"),
    "responses": Case("openai", "/v1/responses", "gpt-4o-mini", "/v1"),
    "messages": Case("anthropic", "/v1/messages", "claude-haiku-4-5", ""),
}


class Bench:
    """An adapter connected to a sandbox whose time stands still unless moved."""

    def __init__(self, case: Case, folder: Path, **config: Any) -> None:
        self.case, self.at, self.folder = case, NOW, folder
        self.sandbox: RunningSandbox = start_in_thread(
            folder, config=SandboxConfig(**config), now=lambda: self.at
        )
        self.calls: CallProvider = registry.caller(self.account(self.sandbox.url))
        self.key = PackingKey(case.provider, AccountId("x"), case.endpoint, case.model)

    def account(self, url: str) -> Account:
        return Account(AccountId("x"), self.case.provider, url + self.case.suffix, Secret("key"))

    async def call(
        self, lane: LaneName = REALTIME, *, body: bytes | None = None, timeout: float = 10.0
    ) -> Answered | Accepted:
        sent = self.case.body() if body is None else body
        return await self.calls.call(self.key, sent, lane, tag=TAG, timeout=timeout)

    def read(self, answered: Any) -> ResultLine:
        assert isinstance(answered, Answered), answered
        assert answered.line.count(b"\n") == 1
        assert answered.line.endswith(b"\n")
        line = registry.unwrap(self.case.provider)(answered.line)
        assert isinstance(line, ResultLine), line
        assert line.custom_id == TAG.custom_id
        return line

    def charged(self) -> dict[str, int]:
        return {line["lane"]: line["n"] for line in self.sandbox.books()["lines"]}


@pytest.fixture
async def benches(tmp_path: Path) -> AsyncIterator[Any]:
    made: list[Bench] = []

    def make(case: str, **config: Any) -> Bench:
        made.append(Bench(CASES[case], tmp_path / f"sandbox{len(made)}", **config))
        return made[-1]

    yield make
    for bench in made:
        await bench.calls.close()
        bench.sandbox.close()


@pytest.fixture(params=sorted(CASES))
def bench(request: pytest.FixtureRequest, benches: Any) -> Bench:
    made: Bench = benches(request.param)
    return made


@pytest.fixture
def responses(benches: Any) -> Bench:
    made: Bench = benches("responses")
    return made


# -- every lane that is answered on the connection ------------------------------------------------
@pytest.mark.parametrize("lane", [REALTIME, HELD])
async def test_an_answer_is_a_line_of_the_providers_batch_output(
    bench: Bench, lane: LaneName
) -> None:
    line = bench.read(await bench.call(lane))
    assert line.verdict is Verdict.ANSWERED
    assert line.status == 200
    assert line.usage is not None
    assert line.usage.output > 0
    assert bench.charged() == {"realtime": 1}


async def test_an_answer_tells_the_limits(bench: Bench) -> None:
    answered = await bench.call()
    rate = answered.allowance.rate(Measure.REQUESTS)
    assert rate is not None
    assert (rate.limit, rate.remaining) == (10_000, 9_999)
    assert rate.resets_in == pytest.approx(0.006, abs=1.0)
    assert {r.measure for r in answered.allowance.rates} & {Measure.TOKENS, Measure.INPUT_TOKENS}


async def test_a_final_no_is_an_answer(bench: Bench) -> None:
    answered = await bench.call(body=bench.case.body(temperature="hot"))
    assert answered.status == 400  # type: ignore[union-attr]
    line = bench.read(answered)
    assert line.verdict is Verdict.REFUSED
    assert line.message
    assert bench.charged() == {}


async def test_an_unknown_model_is_a_final_no(bench: Bench) -> None:
    answered = await bench.call(body=bench.case.body(model="nobody-knows-it"))
    assert answered.status == 404  # type: ignore[union-attr]
    assert bench.read(answered).verdict is Verdict.REFUSED


async def test_a_rate_limit_is_busy_says_how_long_and_what_is_used_up(benches: Any) -> None:
    for case in CASES:
        bench = benches(case, requests_per_minute=1)
        await bench.call()
        with pytest.raises(Refused) as caught:
            await bench.call()
        assert caught.value.kind is RefusalKind.BUSY
        assert caught.value.retry_after == 60.0
        assert caught.value.allowance.spent is Measure.REQUESTS
        assert caught.value.allowance.retry_after == 60.0
        bench.at += 61.0
        bench.read(await bench.call())


async def test_a_call_too_large_for_any_minute_fails_for_good_in_this_lane(benches: Any) -> None:
    for case in CASES:
        bench = benches(case, tokens_per_minute=10)
        answered = await bench.call()
        assert answered.status == 429
        assert bench.read(answered).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, RefusalKind.CREDENTIAL), (403, RefusalKind.CREDENTIAL), (402, RefusalKind.BILLING)],
)
async def test_what_somebody_must_mend_is_told_apart(
    bench: Bench, status: int, kind: RefusalKind
) -> None:
    bench.sandbox.add_fault(Fault("http_error", operation="live", status=status))
    with pytest.raises(Refused) as caught:
        await bench.call()
    assert caught.value.kind is kind


@pytest.mark.parametrize("kind", ["accept_then_504", "accept_then_reset"])
async def test_a_lost_answer_is_doubtful_and_may_have_been_charged(bench: Bench, kind: str) -> None:
    bench.sandbox.add_fault(Fault(kind, operation="live"))
    with pytest.raises(Doubtful):
        await bench.call()
    assert bench.charged() == {"realtime": 1}


async def test_no_answer_in_time_is_doubtful(bench: Bench) -> None:
    bench.sandbox.add_fault(Fault("accept_then_hang", operation="live"))
    with pytest.raises(Doubtful, match="no answer in"):
        await bench.call(timeout=0.3)
    assert bench.charged() == {"realtime": 1}


async def test_a_call_given_up_by_us_leaves_the_adapter_usable(bench: Bench) -> None:
    bench.sandbox.add_fault(Fault("accept_then_hang", operation="live"))
    task = asyncio.create_task(bench.call())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.read(await bench.call())


async def test_a_server_error_is_doubtful(bench: Bench) -> None:
    bench.sandbox.add_fault(Fault("http_error", operation="live"))
    with pytest.raises(Doubtful) as caught:
        await bench.call()
    assert caught.value.status == 500


async def test_without_a_connection_nothing_was_sent(bench: Bench) -> None:
    calls = registry.caller(bench.account("http://127.0.0.1:1"))
    with pytest.raises(NotSent):
        await calls.call(bench.key, bench.case.body(), REALTIME, tag=TAG, timeout=5.0)
    await calls.close()


async def test_what_is_sent_is_never_a_stream(bench: Bench) -> None:
    body = bench.case.body(stream=True)
    assert bench.read(await bench.call(body=body)).verdict is Verdict.ANSWERED


async def test_every_one_by_one_lane_has_a_time_out() -> None:
    assert set(TIMEOUTS) == {REALTIME, HELD, FLEX, BACKGROUND_2H, BACKGROUND_8H}
    assert BATCH not in TIMEOUTS


async def test_calls_that_keep_to_the_pace_they_learn_are_never_refused(benches: Any) -> None:
    for case in ("chat", "messages"):
        bench, pace, waited = benches(case, requests_per_minute=60), Pace(), 0.0
        for _ in range(80):
            while (wait := pace.reserve(Load(50, 20), bench.at)) > 0.0:
                bench.at += wait
                waited += wait
            pace.ended((await bench.call()).allowance, bench.at, took=0.1)
        assert 75.0 <= waited <= 81.0  # one a second: none was lost by waiting, either


# -- no capacity ----------------------------------------------------------------------------------
@pytest.mark.parametrize("case", ["chat", "responses"])
async def test_flex_answers_at_its_price_or_has_no_capacity(benches: Any, case: str) -> None:
    bench = benches(case)
    bench.sandbox.add_fault(Fault("no_capacity"))
    with pytest.raises(Refused) as caught:
        await bench.call(FLEX)
    assert caught.value.kind is RefusalKind.NO_CAPACITY
    assert bench.charged() == {}
    assert bench.read(await bench.call(FLEX)).service_tier == "flex"
    assert bench.charged() == {"flex": 1}


async def test_a_rate_limit_on_flex_is_no_lack_of_capacity(benches: Any) -> None:
    bench = benches("chat")
    bench.sandbox.add_fault(Fault("rate_limit", operation="live", seconds=7.0))
    with pytest.raises(Refused) as caught:
        await bench.call(FLEX)
    assert caught.value.kind is RefusalKind.BUSY
    assert caught.value.retry_after == 7.0


async def test_an_overloaded_anthropic_has_no_capacity(benches: Any) -> None:
    bench = benches("messages")
    bench.sandbox.add_fault(Fault("overloaded"))
    with pytest.raises(Refused) as caught:
        await bench.call()
    assert (caught.value.kind, caught.value.status) == (RefusalKind.NO_CAPACITY, 529)
    assert bench.charged() == {}


# -- background -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("lane", "hours", "name"),
    [(BACKGROUND_2H, 2, "background_2h"), (BACKGROUND_8H, 8, "background_8h")],
)
async def test_a_background_response_is_accepted_watched_and_read(
    responses: Bench, lane: LaneName, hours: int, name: str
) -> None:
    accepted = await responses.call(lane)
    assert isinstance(accepted, Accepted)
    assert isinstance(await responses.calls.check(accepted.receipt_id, tag=TAG), Running)
    assert responses.charged() == {}
    responses.at += hours * 3_600.0
    answered = await responses.calls.check(accepted.receipt_id, tag=TAG)
    line = responses.read(answered)
    assert line.verdict is Verdict.ANSWERED
    assert line.usage is not None
    assert responses.charged() == {name: 1}
    shown = json.loads(answered.line)["response"]["body"]  # type: ignore[union-attr]
    assert shown["metadata"]["lw_attempt"] == "attempt"


async def test_a_background_response_may_miss_its_window(responses: Bench) -> None:
    responses.sandbox.add_fault(Fault("miss_window", seconds=600.0))
    accepted = await responses.call(BACKGROUND_2H)
    assert isinstance(accepted, Accepted)
    responses.at += 7_200.0 + 300.0
    assert isinstance(await responses.calls.check(accepted.receipt_id, tag=TAG), Running)
    responses.at += 301.0
    responses.read(await responses.calls.check(accepted.receipt_id, tag=TAG))


async def test_cancelling_is_free_final_and_may_be_repeated(responses: Bench) -> None:
    accepted = await responses.call(BACKGROUND_2H)
    assert isinstance(accepted, Accepted)
    for _ in range(2):
        await responses.calls.cancel(accepted.receipt_id)
    responses.at += 7_200.0
    line = responses.read(await responses.calls.check(accepted.receipt_id, tag=TAG))
    assert line.verdict is Verdict.CANCELLED
    assert responses.charged() == {}


async def test_cancelling_what_has_ended_or_is_gone_changes_nothing(responses: Bench) -> None:
    accepted = await responses.call(BACKGROUND_2H)
    assert isinstance(accepted, Accepted)
    responses.at += 7_200.0
    await responses.calls.cancel(accepted.receipt_id)
    await responses.calls.cancel("resp_nobody")
    line = responses.read(await responses.calls.check(accepted.receipt_id, tag=TAG))
    assert line.verdict is Verdict.ANSWERED


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("server_error", Verdict.FAILED),
        ("rate_limit_exceeded", Verdict.FAILED),
        ("never_heard_of", Verdict.FAILED),
        ("invalid_prompt", Verdict.REFUSED),
        ("image_too_large", Verdict.REFUSED),
    ],
)
async def test_why_a_background_response_failed_decides_whether_it_is_final(
    responses: Bench, code: str, verdict: Verdict
) -> None:
    responses.sandbox.add_fault(Fault("fail_response", code=code))
    accepted = await responses.call(BACKGROUND_8H)
    assert isinstance(accepted, Accepted)
    responses.at += 28_800.0
    line = responses.read(await responses.calls.check(accepted.receipt_id, tag=TAG))
    assert (line.verdict, line.code) == (verdict, code)
    assert responses.charged() == {}


async def test_an_answer_cut_off_by_its_token_limit_is_an_answer(responses: Bench) -> None:
    accepted = await responses.call(
        BACKGROUND_2H, body=responses.case.body(max_output_tokens=16, input="word " * 500)
    )
    assert isinstance(accepted, Accepted)
    responses.at += 7_200.0
    answered = await responses.calls.check(accepted.receipt_id, tag=TAG)
    assert responses.read(answered).verdict is Verdict.ANSWERED


async def test_a_response_that_the_provider_does_not_know_is_lost(responses: Bench) -> None:
    assert isinstance(await responses.calls.check("resp_nobody", tag=TAG), Lost)


async def test_an_error_while_checking_is_doubtful_and_loses_nothing(responses: Bench) -> None:
    accepted = await responses.call(BACKGROUND_2H)
    assert isinstance(accepted, Accepted)
    responses.sandbox.add_fault(Fault("http_error", operation="responses.get"))
    with pytest.raises(Doubtful):
        await responses.calls.check(accepted.receipt_id, tag=TAG)
    assert isinstance(await responses.calls.check(accepted.receipt_id, tag=TAG), Running)


# -- bodies ---------------------------------------------------------------------------------------
ODD = b'{ "model":"m", "input":"\\u00e9\xc3\xa9", "top_p":1.0, "x":[1e5,  {"a":null}] }'


def test_in_real_time_a_body_goes_byte_for_byte() -> None:
    assert shaped(ODD, REALTIME, TAG) == ODD


def test_only_the_lanes_own_members_change() -> None:
    for member in (b'"top_p":1.0', b'"x":[1e5,  {"a":null}]', b'"input":"\\u00e9\xc3\xa9"'):
        for lane in (FLEX, BACKGROUND_2H, BACKGROUND_8H):
            assert member in shaped(ODD, lane, TAG)
    assert json.loads(shaped(ODD, FLEX, TAG))["service_tier"] == "flex"


def test_a_window_is_asked_for_with_standard_processing_stored_and_tagged() -> None:
    body = (
        b'{"input":"x","service_tier":"flex","stream":true,"store":false,"background_options":null}'
    )
    sent = json.loads(shaped(body, BACKGROUND_8H, TAG))
    assert sent == {
        "input": "x",
        "service_tier": "default",
        "background": True,
        "store": True,
        "background_options": {"completion_window": "8h"},
        "metadata": {"lw_attempt": "attempt", "lw_request": TAG.custom_id, "lw_home": "home"},
    }


@pytest.mark.parametrize(("theirs", "ours"), [(0, 3), (13, 3), (14, 2), (15, 1), (16, 0)])
def test_the_callers_metadata_stay_and_ours_take_what_room_is_left(theirs: int, ours: int) -> None:
    metadata = {f"k{n}": str(n) for n in range(theirs)}
    body = json.dumps({"input": "x", "metadata": metadata}).encode()
    sent = json.loads(shaped(body, BACKGROUND_2H, TAG))["metadata"]
    assert len(sent) == theirs + ours
    assert sent.items() >= metadata.items()
    assert ours == 0 or sent["lw_attempt"] == "attempt"
