"""Virtual keys: who is recognised, what a key is for, and that no limit is ever passed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.domain.allowances import Load
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.errors import BadInput, NotFound
from lanewise.gateway.keys import KeyRing, Refusal, barred, presented
from lanewise.gateway.limits import PARTS, Grant, Limits
from lanewise.gateway.who import OPEN, Who
from lanewise.settings import load
from lanewise.store.keys import NameTaken
from lanewise.store.protocol import Store
from lanewise.store.sqlite import SqliteStore

START = 1_796_000_000.0  # the last day of November 2026 but one
DAY = 86_400.0


class Hand:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Door:
    """A home with its keys, as one process sees them."""

    def __init__(self, home: Path) -> None:
        self.clock = Hand()
        self.store: Store = SqliteStore.open(home, now=START)
        self.ring = KeyRing(self.store, self.clock)

    def create(self, name: str = "search", **wanted: Any) -> str:
        made = keys.create(self.store, NewKey(name=name, **wanted), self.clock.at).reveal()
        self.ring.look(self.clock.at)
        return made

    def who(self, key: str) -> Who | None:
        return self.ring({b"authorization": b"Bearer " + key.encode()})

    def later(self, seconds: float) -> None:
        self.clock.at += seconds

    def limits(self) -> Limits:
        return Limits(self.ring, self.store, self.clock)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    opened = Door(tmp_path / "home")
    yield opened
    opened.store.close()


# -- who asks -----------------------------------------------------------------------------------------
def test_a_key_is_forty_random_characters_and_only_its_hash_and_beginning_are_kept(
    door: Door, tmp_path: Path
) -> None:
    made = [door.create(f"k{number}") for number in range(3)]
    assert all(re.fullmatch(r"lw-[a-z2-7]{40}", key) for key in made)
    assert len(set(made)) == 3
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    for key in made:
        assert key[:9].encode() in kept
        assert key[:12].encode() not in kept


def test_while_no_key_was_ever_made_everybody_may_call(door: Door) -> None:
    assert door.ring.open
    assert door.who("sk-whatever") is OPEN
    assert door.ring({}) is OPEN


def test_a_home_whose_keys_are_all_over_is_shut_and_not_open(door: Door) -> None:
    door.create()
    keys.revoke(door.store, "search", door.clock.at)
    door.later(1.0)
    assert not door.ring.open
    assert door.ring({}) is None


def test_both_official_sdks_ways_to_send_a_key_are_understood(door: Door) -> None:
    key = door.create(workflow="tickets", models=("gpt-5*",), deadline="8h").encode()
    expected = Who("search", "search", "tickets", ("gpt-5*",), (), (), "8h")
    assert door.ring({b"authorization": b"Bearer " + key}) == expected
    assert door.ring({b"authorization": b"bearer  " + key}) == expected
    assert door.ring({b"x-api-key": key}) == expected
    assert door.ring({b"authorization": b"Bearer sk-other", b"x-api-key": key}) == expected


@given(noise=st.binary(max_size=80), header=st.sampled_from([b"authorization", b"x-api-key"]))
def test_nothing_but_a_key_is_recognised(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, header: bytes
) -> None:
    door = Door(tmp_path_factory.mktemp("home"))
    key = door.create().encode()
    for value in (noise, b"Bearer " + noise, key[:-1], key + b"a", key.upper(), b"Basic " + key):
        assert door.ring({header: value}) is None
    door.store.close()


def test_an_expired_key_opens_nothing_from_that_instant_on(door: Door) -> None:
    key = door.create(expires="90d")
    door.later(90 * DAY - 1.0)
    assert door.who(key) is not None
    door.later(1.0)
    assert door.who(key) is None


def test_a_key_that_was_revoked_in_another_process_opens_nothing_a_second_later(
    door: Door, tmp_path: Path
) -> None:
    key = door.create()
    other = SqliteStore.open(tmp_path / "home", now=START)
    keys.revoke(other, "search", START)
    other.close()
    door.later(1.0)
    assert door.who(key) is None


def test_a_clock_that_is_put_back_does_not_keep_a_revoked_key_alive(door: Door) -> None:
    key = door.create()
    keys.revoke(door.store, "search", START)
    door.later(-DAY)
    assert door.who(key) is None


def test_after_a_rotation_the_old_key_is_valid_for_the_grace_and_is_the_same_caller(
    door: Door,
) -> None:
    old = door.create()
    new = keys.rotate(door.store, "search", START, grace="24h").reveal()
    door.later(DAY - 1.0)
    assert door.who(old) == door.who(new) is not None
    door.later(1.0)
    assert door.who(old) is None
    assert door.who(new) is not None


def test_a_rotation_without_grace_ends_the_old_key_at_once(door: Door) -> None:
    old = door.create()
    keys.rotate(door.store, "search", START, grace="now")
    door.later(1.0)
    assert door.who(old) is None


def test_an_admin_key_calls_no_model(door: Door) -> None:
    assert door.who(door.create("ops", admin=True)) is None


def test_a_look_up_reads_the_store_once_a_second_and_no_oftener(door: Door) -> None:
    key = door.create()
    asked: list[int] = []
    version = door.store.keys_version

    def counted() -> int:
        asked.append(1)
        return version()

    door.store.keys_version = counted  # type: ignore[method-assign]
    for _ in range(1_000):
        door.who(key)
        door.later(0.01)
    assert 8 <= len(asked) <= 11


def test_a_look_up_does_not_wait_for_a_transaction_of_the_engine(tmp_path: Path) -> None:
    environ = {"LANEWISE_HOME": str(tmp_path / "home")}
    found: list[Who | None] = []
    with Engine(load(environ), environ=environ) as engine:
        key = keys.create(engine.store, NewKey(name="search"), START).reveal().encode()
        store = keys.apart(engine.settings, START)
        clock = Hand()
        ring = KeyRing(store, clock)
        clock.at += 1.0
        asking = threading.Thread(target=lambda: found.append(ring({b"x-api-key": key})))
        with engine.store._db.transaction():  # type: ignore[attr-defined]
            asking.start()
            asking.join(timeout=20.0)
            assert [who and who.key for who in found] == ["search"]
        store.close()


# -- making them --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"name": "lw-search"}, "not with lw-"),
        ({"name": ""}, "name takes"),
        ({"name": "a/b"}, "name takes"),
        ({"name": "A"}, "name takes"),
        ({"workflow": ""}, "workflow is empty"),
        ({"owner": "a\x1b[2J"}, "owner holds a character"),
        ({"lanes": ("fast",)}, "realtime, flex"),
        ({"models": ("",)}, "a pattern such as gpt-5"),
        ({"endpoints": ("chat",)}, "a path or a pattern"),
        ({"deadline": "soon"}, "deadline is 'soon'; it takes 8h"),
        ({"monthly_usd": "1e999999"}, "monthly_usd is '1e999999'; it takes dollars"),
        ({"monthly_usd": "-1"}, "it takes dollars"),
        ({"expires": "none"}, "expires is 'none'; it takes a span"),
        ({"expires": "9999-12-31T23:59-14:00"}, "more than a year away"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_can(
    door: Door, wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        door.create(**wanted)
    assert door.store.virtual_keys() == []


def test_a_name_is_used_once(door: Door) -> None:
    door.create()
    keys.revoke(door.store, "search", START)
    with pytest.raises(NameTaken):
        door.create()


def test_a_key_that_was_pasted_as_a_name_is_not_repeated(door: Door) -> None:
    key = door.create()
    with pytest.raises(NotFound) as error:
        keys.find(door.store, key)
    assert key[:9] not in str(error.value)
    with pytest.raises(BadInput) as refused:
        door.create(key)
    assert key[:9] not in str(refused.value)


def test_a_key_shows_itself_in_no_representation(door: Door) -> None:
    made = keys.create(door.store, NewKey(name="search"), START)
    seen = [made, door.ring, *door.store.virtual_keys()]
    seen += keys.shown(door.store, door.store.virtual_keys(), START)
    assert made.reveal() not in "".join(f"{one!r} {one}" for one in seen)


# -- what a key is for --------------------------------------------------------------------------------
def test_a_key_without_bounds_is_for_everything() -> None:
    assert barred(Who(), "/v1/messages", "claude-haiku-4-5", BATCH) is None


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (Who(models=("claude-*",)), "model_not_allowed"),
        (Who(lanes=(BATCH,)), "lane_not_allowed"),
        (Who(endpoints=("/v1/messages*",)), "endpoint_not_allowed"),
    ],
)
def test_what_a_key_is_not_for_is_refused_with_what_it_is_for(who: Who, code: str) -> None:
    found = barred(who, "/v1/responses", "gpt-5", REALTIME)
    assert found is not None
    assert (found.status, found.code) == (403, code)
    assert re.search(r"it takes (claude-\*|batch|/v1/messages\*)", found.message)


names = st.text("abc-5.", max_size=6)


@given(patterns=st.lists(names, min_size=1, max_size=3), model=names, tail=names)
def test_a_model_is_allowed_exactly_where_a_pattern_is_the_beginning_of_it(
    patterns: list[str], model: str, tail: str
) -> None:
    who = Who(models=tuple(f"{pattern}*" for pattern in patterns))
    fits = any(model.startswith(pattern) for pattern in patterns)
    assert (barred(who, "/v1/responses", model) is None) == fits
    assert barred(who, "/v1/responses", patterns[0] + tail) is None


@given(models=st.lists(names.filter(bool), min_size=1, max_size=3), model=names)
def test_without_a_star_only_that_very_model_is_allowed(models: list[str], model: str) -> None:
    who = Who(models=tuple(models))
    assert (barred(who, "/v1/responses", model) is None) == (model in models)


def test_a_model_of_any_length_is_refused_quickly_and_not_repeated_whole() -> None:
    found = barred(Who(models=("*a*a*a*a*a*b",)), "/v1/responses", "a" * 5_000_000)
    assert found is not None
    assert len(found.message) < 200


# -- rates --------------------------------------------------------------------------------------------
async def admit(limits: Limits, name: str = "search", **call: Any) -> Grant | Refusal:
    load = Load(call.pop("tokens", 1), 0)
    return await limits.admit(Who(key=name), load, **call)


async def test_an_open_gateway_and_a_key_without_limits_let_everything_through(door: Door) -> None:
    limits = door.limits()
    assert isinstance(await limits.admit(OPEN, Load(10**9)), Grant)
    door.create()
    assert all([isinstance(await admit(limits), Grant) for _ in range(1_000)])


async def test_a_minutes_requests_may_go_at_once_and_then_as_they_come_back(door: Door) -> None:
    door.create(requests_per_minute=60)
    limits = door.limits()
    assert all([isinstance(await admit(limits), Grant) for _ in range(60)])
    refused = await admit(limits)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.retry_after) == (429, 1)
    assert refused.headers() == [(b"retry-after", b"1")]
    assert "60 requests a minute" in refused.message
    door.later(1.0)
    assert isinstance(await admit(limits), Grant)
    assert isinstance(await admit(limits), Refusal)


async def test_tokens_are_counted_and_keys_do_not_share_their_limits(door: Door) -> None:
    door.create("a", tokens_per_minute=1_000)
    door.create("b", tokens_per_minute=1_000)
    limits = door.limits()
    assert isinstance(await admit(limits, "a", tokens=900), Grant)
    refused = await admit(limits, "a", tokens=700)
    assert isinstance(refused, Refusal)
    assert refused.retry_after == 36  # 600 tokens are missing, of 1,000 a minute
    assert isinstance(await admit(limits, "b", tokens=900), Grant)


# -- budgets ------------------------------------------------------------------------------------------
async def test_a_call_that_the_months_budget_has_no_room_for_is_refused(door: Door) -> None:
    door.create(monthly_usd="1")
    limits = door.limits()
    granted = await admit(limits, estimate_nano=700_000_000)
    assert isinstance(granted, Grant)
    refused = await admit(limits, estimate_nano=700_000_000)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (429, "insufficient_quota")
    assert refused.headers() == [(b"x-should-retry", b"false")]
    granted.settle(100_000_000)
    granted.settle(0)  # a second time changes nothing
    assert isinstance(await admit(limits, estimate_nano=900_000_000), Grant)
    door.later(3 * DAY)  # December
    assert isinstance(await admit(limits, estimate_nano=1_000_000_000), Grant)


async def test_calls_at_once_that_a_budget_has_room_for_are_all_let_through(door: Door) -> None:
    door.create(monthly_usd="1")
    limits = door.limits()
    asked = [admit(limits, estimate_nano=10**9 // PARTS) for _ in range(PARTS + 5)]
    found = await asyncio.gather(*asked)
    assert sum(isinstance(one, Grant) for one in found) == PARTS


async def test_a_call_of_unknown_price_is_refused_where_there_is_a_budget(door: Door) -> None:
    door.create(monthly_usd="1")
    refused = await admit(door.limits())
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (403, "price_unknown")


async def test_what_nobody_knows_the_cost_of_counts_as_it_was_reserved(door: Door) -> None:
    door.create(monthly_usd="1")
    limits = door.limits()
    granted = await admit(limits, estimate_nano=700_000_000)
    assert isinstance(granted, Grant)
    granted.settle(None)
    assert isinstance(await admit(limits, estimate_nano=400_000_000), Refusal)


async def test_what_was_not_spent_is_given_back_when_a_gateway_ends(door: Door) -> None:
    door.create(monthly_usd="1")
    limits = door.limits()
    granted = await admit(limits, estimate_nano=1_000)
    assert isinstance(granted, Grant)
    assert door.store.drawn("2026-11") == {"search": 10**9 // PARTS}
    granted.settle(400)
    limits.close()
    assert door.store.drawn("2026-11") == {"search": 400}


async def test_a_call_that_cost_more_than_was_thought_is_made_up_for(door: Door) -> None:
    door.create(monthly_usd="1")
    limits = door.limits()
    granted = await admit(limits, estimate_nano=1_000)
    assert isinstance(granted, Grant)
    granted.settle(900_000_000)
    assert isinstance(await admit(limits, estimate_nano=200_000_000), Refusal)
    assert isinstance(await admit(limits, estimate_nano=100_000_000), Grant)
    limits.close()
    assert door.store.drawn("2026-11") == {"search": 1_000_000_000}


async def test_a_client_that_goes_away_while_a_part_is_drawn_loses_nothing_of_it(
    door: Door,
) -> None:
    door.create(monthly_usd="1")
    limits = door.limits()
    call = asyncio.ensure_future(admit(limits, estimate_nano=1_000))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert isinstance(await admit(limits, estimate_nano=1_000), Grant)
    limits.close()
    assert door.store.drawn("2026-11")["search"] <= 2_000


async def test_refused_calls_ask_the_store_once_a_second(door: Door) -> None:
    door.create(monthly_usd="1")
    limits = door.limits()
    asked: list[int] = []
    draw = door.store.draw

    def counted(*args: Any, **wanted: Any) -> int:
        asked.append(1)
        return draw(*args, **wanted)

    door.store.draw = counted  # type: ignore[method-assign]
    for _ in range(100):
        assert isinstance(await admit(limits, estimate_nano=2_000_000_000), Refusal)
    assert len(asked) == 1
    assert isinstance(await admit(limits, estimate_nano=1_000), Grant)


amounts = st.integers(0, 400)
calls = st.lists(st.tuples(st.integers(0, 2), amounts, st.one_of(st.none(), amounts)), max_size=30)


@settings(max_examples=25, deadline=None)
@given(waves=st.lists(calls, max_size=4), budget=st.integers(0, 3_000))
def test_reservations_of_several_processes_at_once_never_exceed_the_budget(
    tmp_path_factory: pytest.TempPathFactory, waves: list[Any], budget: int
) -> None:
    """Whatever is reserved, settled or left open, in any order: out and spent together fit the month."""
    home = tmp_path_factory.mktemp("home")
    doors = [Door(home) for _ in range(3)]
    doors[0].create(monthly_usd=f"{budget / 10**9:.9f}")
    for door in doors:
        door.ring.look(START)
    committed = asyncio.run(waves_of(doors, waves, budget))
    [drawn] = list(doors[0].store.drawn("2026-11").values()) or [0]
    assert committed == drawn <= budget
    for door in doors:
        door.store.close()


async def waves_of(doors: list[Door], waves: list[Any], budget: int) -> int:
    """Waves of calls made at once; returns what is committed in the end."""
    limits = [door.limits() for door in doors]
    committed = 0
    for wave in waves:
        found = await asyncio.gather(
            *(admit(limits[process], estimate_nano=nano) for process, nano, _ in wave)
        )
        granted = [(one, cost) for one, (_, _, cost) in zip(found, wave, strict=True)
                   if isinstance(one, Grant)]  # fmt: skip
        committed += sum(grant.reserved for grant, _ in granted)
        assert committed <= budget
        for grant, cost in granted:
            spent = None if cost is None else min(cost, grant.reserved)
            committed -= grant.reserved - (grant.reserved if spent is None else spent)
            grant.settle(spent)
        for door in doors:
            door.later(1.0)
    for each in limits:
        each.close()
    return committed


def test_presented_takes_nothing_from_a_url_or_another_header() -> None:
    key = b"lw-" + b"a" * 40
    assert presented({b"cookie": key, b"api-key": key, b"referer": key}) == b""
