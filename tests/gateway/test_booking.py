"""The ledger of calls: what was gathered is written, however the process ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lanewise.app import Engine
from lanewise.domain.ids import AccountId
from lanewise.errors import StoreUnusable
from lanewise.gateway.booking import Call, Ledger, Pricing
from lanewise.gateway.usage import Told
from lanewise.settings import load

CALL = Call("", "support", "openai", AccountId("mine"), "gpt-4o-mini", Told("", None), True, 1e9)
_TURNS = 20  # of the loop: more than it takes to give up a write that waits for a thread


def test_a_write_that_waits_for_a_thread_at_the_end_is_made_all_the_same(tmp_path: Path) -> None:
    free = threading.Event()

    async def later() -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        free.set()

    async def end_while_every_thread_is_busy(engine: Engine) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, free.wait)
        ledger = Ledger(engine.store, engine.clock, Pricing(engine.book, {}), 0.0)
        async with ledger.running():
            ledger.add(CALL)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            freeing = asyncio.create_task(later())
        await asyncio.gather(busy, freeing)

    environ = {"LANEWISE_HOME": str(tmp_path / "home")}
    with Engine(load(environ), environ=environ) as engine:
        asyncio.run(end_while_every_thread_is_busy(engine))
        assert engine.store.money().n == 1


def test_calls_are_booked_once_where_whose_responses_are_could_not_be_kept_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"LANEWISE_HOME": str(tmp_path / "home")}
    with Engine(load(environ), environ=environ) as engine:
        keep, failures = engine.store.keep_responses, [StoreUnusable("the disk is full")]

        def fails_once(made: Iterable[tuple[str, str]], now: float) -> None:
            if failures:
                raise failures.pop()
            keep(made, now)

        monkeypatch.setattr(engine.store, "keep_responses", fails_once)
        told = Told("", None, response="resp_1")
        call, heard = CALL._replace(tenant="ann", told=told, said=((b"x", b"y"),)), []

        async def book() -> list[bool]:
            pricing = Pricing(engine.book, {})
            ledger = Ledger(engine.store, engine.clock, pricing, 0.0, heard=heard.extend)
            ledger.add(call)
            return [await ledger.flush(), await ledger.flush()]

        assert asyncio.run(book()) == [False, True]
        assert engine.store.money().n == 1
        assert engine.store.owner_of_response("resp_1") == "ann"
        assert [one.said for one in heard] == [()], "what waits for a disk is kept small"
