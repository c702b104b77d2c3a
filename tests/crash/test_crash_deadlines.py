"""Killed and frozen while it calls and rescues, lanewise answers each request once and books what it cost."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def benchmark(name: str) -> Any:
    """A benchmark's module; this is its short version."""
    path = Path(__file__).parents[2] / f"benchmarks/{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_killed_while_it_keeps_deadlines_it_answers_once_and_books_what_was_paid() -> None:
    plan = benchmark("crash_loop").Plan(
        requests=150, kills=1, stops=1, batch_requests=20, longest=180.0
    )
    figures = benchmark("crash_deadlines").run_loop(plan)
    assert figures["kept"], figures
    assert sum(figures["kills"].values()) + sum(figures["stops"].values()) >= 3, figures
    assert figures["batch.withdrawn"] + figures["batch.rescued"] >= 1, figures
    assert set(figures["other exits"]) <= {0}, figures
