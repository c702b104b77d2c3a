"""Lane choices a second on one core, for requests of many classes with deadlines of their own.

    python benchmarks/decisions.py [--requests 1000000] [--repeat 3]

Each request is of one of 24 classes (model and size) and is due between 20 minutes and 30 hours from its own
moment. `first time` has nothing remembered; `remembered` has seen such requests before; `unremembered` works
every choice out anew and is the baseline. `with rules` is all that intake does for a request before it is
written down, from nothing remembered: its rule of twenty, its deadline, its share of a rollout, the choice.
`and instants` is the same where each request says an instant of its own.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from lanewise.app import Engine, RunRequest
from lanewise.domain.deadlines import By
from lanewise.domain.ids import AccountId
from lanewise.domain.packing import PackingKey
from lanewise.intake import Accepted, Dialect
from lanewise.policy.choosing import Chooser, Ladder, Option
from lanewise.providers.offers import offers
from lanewise.replay.beliefs import Prior
from lanewise.settings import load

SHARES = {"realtime": 100, "flex": 50, "background_2h": 70, "background_8h": 60, "batch": 50}
NEEDS = {"realtime": 90.0, "flex": 1_500.0}
CLASSES = [(f"model-{number}", size) for number in range(6) for size in range(4)]


def options(key: tuple[str, int]) -> list[Option]:
    belief = Prior()
    return [
        Option(
            offer,
            SHARES[offer.lane] * 1_000 * 4 ** key[1],
            belief.outlook(offer.lane),
            NEEDS.get(offer.lane, offer.window_seconds or 0.0),
            belief.refuses(offer.lane),
        )
        for offer in offers("openai")
        if offer.lane in SHARES
    ]


def requests(count: int) -> list[tuple[tuple[str, int], By, float]]:
    dice = random.Random(1)
    return [
        (dice.choice(CLASSES), By(now / 10 + dice.uniform(1_200, 108_000)), now / 10)
        for now in range(count)
    ]


def rate(chooser: Chooser[tuple[str, int]], work: list[tuple[tuple[str, int], By, float]]) -> float:
    began = time.process_time()
    for key, deadline, now in work:
        chooser.choose(key, deadline, now)
    return len(work) / (time.process_time() - began)


def routed(count: int, *, instants: bool) -> float:
    """Requests a second through rules and choice, one core; `instants`: each has a deadline of its own."""
    dice, models = random.Random(1), [f"gpt-{number}-mini" for number in range(6)]
    with tempfile.TemporaryDirectory() as home:
        rules = "".join(
            f'[[rule]]\nname = "r{number}"\nmodel = "gpt-{number}-*"\n'
            f'percent = {30 + number}\ndeadline = "{4 + number}h"\n'
            for number in range(20)
        )
        Path(home, "policy.toml").write_text(rules, encoding="utf-8")
        environ = {"LANEWISE_HOME": home}
        with Engine(load(environ), environ=environ) as engine:
            now, router = engine.clock.now(), engine.router(RunRequest("benchmark", "benchmark"))
            work = []
            for number in range(count):
                at = datetime.fromtimestamp(now + dice.uniform(1_200, 108_000), UTC)
                said, model = at.isoformat() if instants else "", dice.choice(models)
                where = (Dialect.OPENAI, "/v1/responses", model)
                request = Accepted(number, 0, f"r{number}", *where, b"{}", 1, said)
                key = PackingKey("openai", AccountId("openai-one"), "/v1/responses", model)
                work.append((request, key, model))
            began = time.process_time()
            for request, key, model in work:
                router.way(request, key, model)
            return count / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    work = requests(chosen.requests)
    first, warm = [], []
    for _ in range(chosen.repeat):
        chooser = Chooser(options)
        first.append(rate(chooser, work))
        warm.append(rate(chooser, work))
    ladder = Ladder(options(CLASSES[0]))
    began = time.process_time()
    for _, deadline, now in work[:2_000]:
        ladder.choose(deadline, now)
    anew = 2_000 / (time.process_time() - began)
    print(f"decisions a second, {chosen.requests:,} requests of {len(CLASSES)} classes")
    for name, value in (
        ("first time", max(first)),
        ("remembered", max(warm)),
        ("unremembered", anew),
        ("with rules", routed(chosen.requests, instants=False)),
        ("and instants", routed(chosen.requests, instants=True)),
    ):
        print(f"  {name:<14}{value:>12,.0f}")


if __name__ == "__main__":
    main()
