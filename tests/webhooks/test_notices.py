"""Webhooks are told what ended: at least once, under one id, on the schedule, whatever crashes."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from lanewise.app import webhooks as app
from lanewise.app.webhooks import NewWebhook
from lanewise.errors import BadInput, NotFound, StoreUnusable
from lanewise.lanes.notify import AT_ONE, CLAIM_SECONDS
from lanewise.policy.notifying import SCHEDULE
from lanewise.store.keys import NameTaken

Make = Callable[..., Any]


# -- as Standard Webhooks has it ----------------------------------------------------------------------
def test_the_official_libraries_of_standard_webhooks_and_openai_verify_a_notice(
    home: Any, receiver: Make
) -> None:
    home.clock.at = time.time()  # by which the libraries judge
    hook = receiver()
    secret = home.add(hook.url)
    [order] = home.end()
    home.tell()
    [got] = hook.got
    assert Verifier(secret).verify(got.body, got.headers) == got.payload
    client = openai.OpenAI(api_key="x", webhook_secret=secret)
    event = client.webhooks.unwrap(got.body, got.headers)
    assert (event.type, event.data.id) == ("batch.failed", order)
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(got.body.replace(b"failed", b"cooked"), got.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(got.body, got.headers | {"webhook-id": "msg_other"})


def test_a_notice_has_ids_and_states_and_nothing_of_what_was_asked(
    home: Any, receiver: Make
) -> None:
    hook = receiver()
    home.add(hook.url)
    [order] = home.end()
    home.tell()
    [got] = hook.got
    assert got.head == "POST /hook HTTP/1.1"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-timestamp"] == "1790000000"
    assert got.payload == {
        "type": "batch.failed",
        "timestamp": "2026-09-21T14:13:20Z",
        "data": {
            "id": order,
            "status": "failed",
            "url": f"/v1/batches/{order}",
            "workflow": "tickets",
        },
    }


def test_a_secret_is_of_32_random_bytes_and_is_kept_where_only_the_owner_reads(home: Any) -> None:
    secrets = [home.add("http://127.0.0.1:9/", name) for name in ("one", "two")]
    for secret in secrets:
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secrets[0] != secrets[1]
    assert (home.store.home / "lanewise.db").stat().st_mode & 0o777 == 0o600
    assert home.store.home.stat().st_mode & 0o777 == 0o700
    assert all(secret not in repr(home.store.webhooks()) for secret in secrets)


def test_while_a_secret_is_rotated_a_notice_is_signed_with_both_and_after_it_with_the_new_one(
    home: Any, receiver: Make
) -> None:
    home.clock.at = time.time()
    hook = receiver()
    old = home.add(hook.url)
    new = app.rotate(home.engine, "", "hook", grace="2h").reveal()
    home.end()
    home.tell()
    [got] = hook.got
    assert len(got.headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        Verifier(secret).verify(got.body, got.headers)
    assert home.shown().old_until == pytest.approx(home.clock.at + 7_200)
    home.clock.at += 7_201
    home.end()
    home.tell()
    [said] = hook.got[1].headers["webhook-signature"].split(" ")
    signer, at = Verifier(new), hook.got[1].headers["webhook-timestamp"]
    body = hook.got[1].body.decode()
    assert said == signer.sign(hook.got[1].id, _instant(int(at)), body)


def _instant(at: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC)


# -- until it is taken --------------------------------------------------------------------------------
def test_a_webhook_that_fails_is_told_again_on_the_schedule_and_then_visibly_given_up(
    home: Any, receiver: Make
) -> None:
    hook = receiver(500)
    home.add(hook.url)
    home.end()
    times = []
    while (due := home.store.next_notice([])) is not None or not times:
        home.clock.at = due or home.clock.at
        times.append(home.clock.at)
        home.tell()
        assert len(hook.got) == len(times)
    assert [b - a for a, b in itertools.pairwise(times)] == list(SCHEDULE)
    assert len({got.id for got in hook.got}) == 1
    assert len({got.body for got in hook.got}) == 1
    assert [int(got.headers["webhook-timestamp"]) for got in hook.got] == [int(t) for t in times]
    shown = home.shown()
    assert (shown.waiting, shown.given_up) == (0, 1)
    assert shown.trouble == "it answered with status 500"
    [event] = [one for one in home.store.events() if one.kind == "webhook.given_up"]
    assert (event.subject, event.detail.split()[0]) == ("hook", hook.got[0].id)


def test_nothing_is_told_before_it_is_due(home: Any, receiver: Make) -> None:
    hook = receiver(503, 204)
    home.add(hook.url)
    home.end()
    home.tell()
    home.clock.at += 4.9
    home.tell()
    assert len(hook.got) == 1
    home.clock.at += 0.1
    home.tell()
    assert [got.id for got in hook.got] == [hook.got[0].id] * 2
    assert (home.shown().waiting, home.shown().trouble) == (0, "")
    assert home.shown().told_at == home.clock.at


def test_a_webhook_that_is_gone_is_disabled_and_told_nothing_more(
    home: Any, receiver: Make
) -> None:
    hook, other = receiver(410), receiver()
    home.add(hook.url)
    home.add(other.url, "other")
    home.end()
    awaited = home.order()
    home.tell()
    home.store.decide_order(awaited, "failed", home.clock.at)
    home.end(2)
    home.clock.at += 90_000.0
    home.tell()
    assert (len(hook.got), len(other.got)) == (1, 4)
    assert (home.shown().state, home.shown().waiting) == ("disabled", 0)
    assert "410" in home.shown().trouble
    assert [one.subject for one in home.store.events() if one.kind == "webhook.disabled"] == [
        "hook"
    ]


def test_a_webhook_is_told_of_what_names_it_unless_it_is_for_all(home: Any, receiver: Make) -> None:
    named, every = receiver(), receiver()
    home.add(named.url, "named", everything=False)
    home.add(every.url, "every")
    first, second = home.order(), home.order("named")
    for order in (first, second):
        home.store.decide_order(order, "cancelled", home.clock.at)
    home.tell()
    assert [got.payload["data"]["id"] for got in named.got] == [second]
    assert {got.payload["data"]["id"] for got in every.got} == {first, second}
    assert {got.payload["type"] for got in every.got} == {"batch.cancelled"}


def test_a_webhook_that_is_removed_is_told_nothing_and_its_name_is_free(
    home: Any, receiver: Make
) -> None:
    hook = receiver()
    home.add(hook.url)
    with pytest.raises(NameTaken):
        home.add(hook.url)
    home.end()
    app.remove(home.store, "", "hook")
    home.tell()
    assert hook.got == []
    with pytest.raises(NotFound):
        app.remove(home.store, "", "hook")
    home.add(hook.url)


# -- whatever crashes ---------------------------------------------------------------------------------
def test_what_ended_while_nobody_worked_is_told_by_whoever_works_next(
    home: Any, receiver: Make
) -> None:
    hook = receiver()
    home.add(hook.url)
    orders = home.end(3)
    home.tell(home.open())
    assert sorted(got.payload["data"]["id"] for got in hook.got) == sorted(orders)


async def test_a_worker_that_goes_on_hears_of_what_ends_later(home: Any, receiver: Make) -> None:
    hook = receiver()
    home.add(hook.url)
    order = home.order()
    notifier = home.notifier()
    notifier.turn()
    assert notifier.tasks == []
    home.store.decide_order(order, "failed", home.clock.at)
    notifier.turn()
    await asyncio.gather(*notifier.tasks)
    await notifier.close()
    assert [got.payload["data"]["id"] for got in hook.got] == [order]


async def test_a_try_whose_maker_died_over_it_is_made_again_under_the_same_id(
    home: Any, receiver: Make
) -> None:
    hook = receiver(None, 204)
    home.add(hook.url)
    home.end()
    notifier = home.notifier()
    notifier.turn()
    await asyncio.to_thread(hook.wait, 1)
    await notifier.close()  # with the call under way, and nothing written down of it
    await asyncio.to_thread(home.tell, home.open())
    assert len(hook.got) == 1, "it is still taken for being told"
    home.clock.at += CLAIM_SECONDS
    await asyncio.to_thread(home.tell, home.open())
    assert [got.id for got in hook.got] == [hook.got[0].id] * 2
    assert home.shown().waiting == 0


def test_a_worker_that_is_killed_while_it_tells_loses_nothing(home: Any, receiver: Make) -> None:
    hook = receiver(None, 204)
    home.clock.at = time.time()  # by which a process goes
    home.add(hook.url)
    [order] = home.end()
    command = [sys.executable, "-m", "lanewise", "worker"]
    with subprocess.Popen(
        command, env=os.environ | home.environ, stderr=subprocess.DEVNULL
    ) as worker:
        hook.wait(1)
        worker.kill()
    home.clock.at = time.time() + CLAIM_SECONDS
    home.tell()
    assert [got.id for got in hook.got] == [hook.got[0].id] * 2
    assert hook.got[1].payload["data"]["id"] == order


def test_what_was_taken_and_not_noted_is_told_again_under_the_same_id(
    home: Any, receiver: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = receiver()
    home.add(hook.url)
    home.end()

    def full(*_: Any) -> None:
        raise StoreUnusable("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(home.store, "notice_taken", full)
        with pytest.raises(StoreUnusable):
            home.tell()
    home.clock.at += CLAIM_SECONDS
    home.tell()
    assert [got.id for got in hook.got] == [hook.got[0].id] * 2


def test_what_was_announced_is_announced_once_by_however_many(home: Any, receiver: Make) -> None:
    hook = receiver()
    home.add(hook.url)
    orders = home.end(40)
    engines = [home.open() for _ in range(3)]
    barrier = threading.Barrier(len(engines))

    def work(engine: Any) -> None:
        barrier.wait(20)
        home.tell(engine)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    home.tell()
    assert len({got.id for got in hook.got}) == len(hook.got) == 40
    assert sorted(got.payload["data"]["id"] for got in hook.got) == sorted(orders)


# -- receivers that are no good -----------------------------------------------------------------------
async def test_a_webhook_that_is_slow_keeps_no_other_waiting(home: Any, receiver: Make) -> None:
    slow, quick = receiver(None), receiver()
    home.add(slow.url, "slow")
    home.add(quick.url, "quick")
    home.end(2 * AT_ONE)
    notifier = home.notifier()
    while len(quick.got) < 2 * AT_ONE:
        notifier.turn()
        await asyncio.wait(notifier.tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(slow.wait, AT_ONE)
    assert len(notifier.tasks) >= AT_ONE
    assert len(slow.got) == AT_ONE
    assert notifier.due() is None, "there is nothing to do until it answers"
    await notifier.close()


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (None, "it did not answer within 0.05 s"),
        (b"", "the call failed (RemoteProtocolError)"),
        (b"\x00\xff not http at all \r\n\r\n", "the call failed (RemoteProtocolError)"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "the call failed (RemoteProtocolError)"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000, "the call failed (RemoteProtocolError)"),
        (b"HTTP/1.1 404 secret words\r\n\r\nsecret words", "it answered with status 404"),
    ],
)
def test_a_receiver_that_answers_with_nonsense_has_not_taken_it(
    home: Any, receiver: Make, reply: bytes | None, trouble: str
) -> None:
    hook = receiver(reply)
    home.add(hook.url)
    home.end()
    home.tell(try_seconds=0.05 if reply is None else 15.0)
    assert home.shown().waiting == 1
    assert home.shown().trouble == trouble


def test_of_what_a_receiver_says_only_the_status_is_read(home: Any, receiver: Make) -> None:
    """A body without end costs nothing."""
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" + b"x" * 100_000
    hook = receiver(endless)
    home.add(hook.url)
    home.end()
    home.tell()
    assert (home.shown().waiting, home.shown().trouble) == (0, "")


def test_a_test_is_told_at_once_and_says_what_was_answered(home: Any, receiver: Make) -> None:
    hook = receiver(204, 500)
    home.add(hook.url)
    assert app.try_out(home.engine, "", "hook") == app.Tested(
        taken=True, status=204, said="it answered with status 204"
    )
    assert not app.try_out(home.engine, "", "hook").taken
    assert [got.payload["type"] for got in hook.got] == ["webhook.test"] * 2
    assert home.shown().waiting == 0


def test_what_was_given_up_is_shown_for_a_month(home: Any, receiver: Make) -> None:
    hook = receiver(500)
    home.add(hook.url)
    home.end()
    while (due := home.store.next_notice([])) is not None or not hook.got:
        home.clock.at = due or home.clock.at
        home.tell()
    home.clock.at += 30 * 86_400 + 1.0
    home.end()
    home.tell()
    assert (home.shown().waiting, home.shown().given_up) == (1, 0)


@pytest.mark.parametrize("name", ["", "Hook", "../x", "a" * 64, "-a"])
def test_a_name_is_safe_in_headers_urls_and_logs(home: Any, name: str) -> None:
    with pytest.raises(BadInput, match="name takes"):
        app.add(home.engine, "", NewWebhook(name=name, url="https://example.org/"))


def test_a_webhook_belongs_to_a_key_where_there_are_any(home: Any) -> None:
    from lanewise.app import keys
    from lanewise.app.keys import NewKey

    keys.create(home.store, NewKey(name="ops", admin=True), home.clock.at)
    home.add("http://127.0.0.1:9/", "open")
    keys.create(home.store, NewKey(name="ann"), home.clock.at)
    with pytest.raises(BadInput, match="--key"):
        home.add("http://127.0.0.1:9/", "another")
    wanted = NewWebhook(name="hook", url="http://127.0.0.1:9/")
    with pytest.raises(BadInput, match="admin key"):
        app.add(home.engine, "ops", wanted)
    with pytest.raises(NotFound):
        app.add(home.engine, "bob", wanted)
    app.add(home.engine, "ann", wanted)
    assert json.loads(json.dumps([one.tenant for one in home.store.webhooks()])) == ["", "ann"]
