"""Killed and frozen at every step, lanewise answers each request once and pays for it once."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from typing import Any


def crash_loop() -> Any:
    """The benchmark's module; this is its short version."""
    path = Path(__file__).parents[2] / "benchmarks/crash_loop.py"
    spec = importlib.util.spec_from_file_location("crash_loop", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["crash_loop"] = module
    spec.loader.exec_module(module)
    return module


def test_two_workers_killed_and_frozen_at_every_step_answer_and_pay_once() -> None:
    """A thawed worker may do the rest of a run's work before the last step's turn; then comes another."""
    loop = crash_loop()
    kills: Counter[str] = Counter()
    for seed in range(
        1, 13
    ):  # mostly one or two; on a busy machine the last step is seldom reached first
        plan = loop.Plan(500, kills=1, stops=1, batch_requests=10, longest=180.0, seed=seed)
        figures = loop.run_loop(plan)
        assert figures["kept"], figures
        assert set(figures["other exits"]) <= {0}, figures
        kills.update(figures["kills"])
        if all(kills[point] >= 1 for point in loop.STEPS):
            return
    raise AssertionError(f"in twelve runs no worker was killed at every step: {kills}")
