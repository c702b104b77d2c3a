"""The ledger of calls: what was gathered is written, however the process ends."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lanewise.app import Engine
from lanewise.domain.ids import AccountId
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
