"""What the live view shows where not all runs fit on the screen."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lanewise.app.standing import Standing
from lanewise.cli.live import fitting
from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.ids import RunId
from lanewise.store.nouns import Run

_SLACKS = st.lists(st.none() | st.integers(-100_000, 100_000), max_size=40)


def standing(name: str, slack: float | None, *, deadline: float | None = None) -> Standing:
    run = Run(RunId(name), name, "w", "", "", 9, 1, "open", 0.0, None, 5, 1, 0, "", deadline)
    due = None if slack is None else 1e6 + slack
    return Standing(run, 1e6, due, due, 3, (), None)


@given(_SLACKS, st.integers(2, 60))
def test_every_run_is_shown_or_counted_within_the_rows_there_are(
    slacks: list[int | None], rows: int
) -> None:
    said = fitting([standing(f"run-{i}", slack) for i, slack in enumerate(slacks)], rows)
    shown = [line.split()[0] for line in said if line.startswith("run-")]
    hidden = re.search(r"^and (\d+) more: lanewise status$", said[-1]) if said else None
    assert len(said) <= rows
    assert len(shown) + (int(hidden[1]) if hidden else 0) == len(slacks)
    by_slack = sorted(float("inf") if slack is None else slack for slack in slacks)
    got = [slacks[int(name.removeprefix("run-"))] for name in shown]
    assert [float("inf") if slack is None else slack for slack in got] == by_slack[: len(shown)]


def test_who_waits_comes_first() -> None:
    items = [standing("late", -60.0), standing("chat", None, deadline=AT_ONCE)]
    assert [line.split()[0] for line in fitting(items, 40) if "open" in line] == ["chat", "late"]
