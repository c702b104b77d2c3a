"""Calls that can wait: how many a second one core writes down durably.

python benchmarks/gateway/accept.py [--calls 20000] [--together 2000] [--rounds 3]

At the level of ASGI, so that no HTTP server is measured along. Accepting: decided on, tokens counted,
written, synced, committed, and only then acknowledged with 202. `python benchmarks/gateway` has the same
over HTTP, with keys.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from typing import Any

import msgspec

from lanewise.app import Engine
from lanewise.gateway.background import Background
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import OPEN
from lanewise.gateway.wishes import Head
from lanewise.settings import load

PATH = "/v1/chat/completions"
POLLS = {
    b"x-lanewise-deadline": b"24h",
    b"x-lanewise-workflow": b"tickets",
    b"prefer": b"respond-async",
}
SCOPE: dict[str, Any] = {"type": "http"}
decode = msgspec.json.Decoder(Head).decode


def body(number: int, size: int = 1_000) -> bytes:
    text = f"Ticket {number}: the order was late and nobody answered. " * 40
    message = {"role": "user", "content": text[:size]}
    return msgspec.json.encode({"model": "gpt-4o-mini", "messages": [message]})


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def call(background: Background, text: bytes, headers: dict[bytes, bytes]) -> int:
    """One call as the gateway hands it over; its status."""
    status = 0

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    wish = background.wish(OPEN, PATH, headers, decode(text))
    assert wish is not None
    answer = await background.handle(OPEN, PATH, headers, wish, text)
    await answer(SCOPE, never, send)
    return status


async def accepting(engine: Engine, calls: int, together: int) -> tuple[float, float, list[float]]:
    """Seconds and processor seconds for all calls, so many at a time; how long each waited for its 202."""
    background = Background(Parts(engine, lambda headers: OPEN))
    bodies = iter([body(number) for number in range(calls)])
    waits: list[float] = []
    assert (
        await call(background, body(calls), POLLS) == 202
    )  # vocabularies and prices are read once

    async def caller() -> None:
        for text in bodies:
            began = time.perf_counter()
            assert await call(background, text, POLLS) == 202
            waits.append(time.perf_counter() - began)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(together)))
    taken = time.perf_counter() - began, time.process_time() - used
    await background.close()
    return *taken, waits


def fresh(folder: str) -> Engine:
    home = tempfile.mkdtemp(dir=folder)
    return Engine(
        load({"LANEWISE_HOME": home, "LANEWISE_DAILY_CAP_USD": "100000"}),
        environ={"OPENAI_API_KEY": "key"},
    )


def main() -> None:
    """Rounds of accepting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--together", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lanewise-gateway-") as folder:
        rounds = []
        for _ in range(chosen.rounds):
            with fresh(folder) as engine:
                rounds.append(asyncio.run(accepting(engine, chosen.calls, chosen.together)))
        seconds, used = (statistics.median(r[i] for r in rounds) for i in (0, 1))
        waits = sorted(wait for *_, found in rounds for wait in found)
        print(f"{chosen.calls:,} calls of 1 KB, {chosen.together:,} at a time, median round")
        print(f"  accepted a second          {chosen.calls / seconds:10,.0f}")
        print(f"  ... a processor second     {chosen.calls / used:10,.0f}")
        print(f"  until 202, p50             {1e3 * waits[len(waits) // 2]:10.1f} ms")
        print(f"  until 202, p99             {1e3 * waits[len(waits) * 99 // 100]:10.1f} ms")


if __name__ == "__main__":
    main()
