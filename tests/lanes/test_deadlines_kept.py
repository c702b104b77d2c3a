"""Whatever a provider's batches do, a deadline that was promised is kept and every answer counted once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from lanewise.errors import TooSoon

MINUTE, HOUR = 60.0, 3_600.0
FAULTS: dict[str, dict[str, Any]] = {
    "http_error": {"operation": "batches.cancel", "times": -1, "status": 500},
    "stuck_finalizing": {"times": -1, "seconds": 9 * HOUR},
    "lines_missing": {"times": 2, "fraction": 0.3},
    "overloaded": {"times": -1, "probability": 0.1},
    "accept_then_504": {"operation": "batches.create", "times": 1},
    "fail_whole": {"times": 1, "code": "server_error"},
}
_WORLDS = st.fixed_dictionaries(
    {
        "batch_seconds": st.sampled_from([5 * MINUTE, 50 * MINUTE, 3 * HOUR, 30 * HOUR]),
        "validation_seconds": st.sampled_from([0.0, 20 * MINUTE, 8 * HOUR]),
        "cancel_seconds": st.sampled_from([60.0, 590.0]),
        "requests_per_minute": st.sampled_from([60, 120, 1_000]),
        "tokens_per_minute": st.sampled_from([10_000, 1_000_000]),
        "flex_refusals": st.sampled_from([0.0, 0.5, 1.0]),
    }
)


_DAYS = st.tuples(
    _WORLDS,
    st.lists(st.integers(1, 150), min_size=1, max_size=3),  # requests of each run
    st.sampled_from(["gpt-4o-mini", "gpt-5-mini"]),  # without and with flex
    st.integers(10, 180),  # minutes until they are due
    st.sampled_from([10, 1_000]),  # tokens that an answer may have
    st.lists(st.sampled_from(sorted(FAULTS)), unique=True, max_size=3),
)


@given(day=_DAYS)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_promised_deadline_is_kept_and_each_answer_is_counted_once(
    world_type: Any,
    requests_of: Any,
    day: tuple[dict[str, Any], list[int], str, int, int, list[str]],
) -> None:
    world, counts, model, minutes, tokens, faults = day
    folder = Path(tempfile.mkdtemp())
    here = world_type(folder, **world)
    here.reopen(poll_seconds=MINUTE)
    try:
        asked = {"model": model, "max_completion_tokens": tokens}
        first = lines(requests_of, 1, -1, asked)
        here.finish(here.submit(first, deadline="now"))  # states the limits
        for name in faults:
            here.fault(name, **FAULTS[name])
        runs = []
        for place, count in enumerate(counts):
            try:
                runs.append(
                    here.submit(lines(requests_of, count, place, asked), deadline=f"{minutes}m")
                )
            except TooSoon:
                event("refused")
        assume(runs)
        for run in runs:
            ended = finished(here, run)
            assert ended.late == 0, here.story()
            assert ended.answered == run.requests == len(here.results(ended)), here.story()
        settled(here)
        assert here.engine.store.money().cost_nano == here.sandbox.books()["nano_usd"]
    finally:
        here.close()
        shutil.rmtree(folder)


def finished(world: Any, run: Any) -> Any:
    """What became of it, with a pass of a worker every minute as cron would make them."""
    for _ in range(600):
        now = world.engine.run(run.id)
        if now.state == "finished":
            return now
        world.passes(seconds=MINUTE)
    raise AssertionError(world.story())


def settled(world: Any) -> None:
    """Wait for what runs on beside its rescue: its answers are paid for, too."""
    for _ in range(400):
        if not world.engine.store.batches(live_only=True):
            return
        world.passes(seconds=10 * MINUTE)
    raise AssertionError(world.story())


def lines(requests_of: Any, count: int, place: int, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Requests that no other run of the world has."""
    return [
        {
            **line,
            "custom_id": f"{place}-{line['custom_id']}",
            "body": line["body"] | asked,
        }
        for line in requests_of("openai", count)
    ]
