"""The stories of deadlines end as the page tells them: kept, at the price that is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/deadlines.md"
SHOWN = re.compile(r"<!-- stories -->\n```text\n(.*?)```", re.DOTALL)
# which requests a batch had answered when it was called back is chance, and so is what the others cost
CHANCE = re.compile(r"(\d+) by realtime, (\d+) by batch|paid (\$[\d.]+), in.*?: (\d+) % saved")

EARLY = re.compile(r"done (\d+) min")


@pytest.fixture(scope="module")
def stories() -> list[str]:
    command = [sys.executable, str(ROOT / "examples/deadlines.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n\n")


def test_the_page_shows_what_the_stories_print(stories: list[str]) -> None:
    found = SHOWN.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    shown = found[1].split("\n\n")
    assert [without_chance(story) for story in shown] == [without_chance(s) for s in stories]


def test_a_batch_that_is_called_back_keeps_its_answers_and_part_of_the_saving(
    stories: list[str],
) -> None:
    by_realtime, by_batch = (int(n) for n in CHANCE.findall(stories[2])[0][:2])
    saved = int(CHANCE.findall(stories[2])[1][3])
    assert by_batch + by_realtime == 200
    assert 40 < by_batch < 130
    assert abs(saved - by_batch / 4) <= 2  # half the price of as many in two hundred


def test_a_lane_without_capacity_is_left_early_enough_for_a_batch(stories: list[str]) -> None:
    [minutes] = EARLY.findall(stories[4])
    assert 30 <= int(minutes) <= 45  # the story's clock goes on while refusals are under way


def without_chance(story: str) -> str:
    if story.startswith("4."):
        return EARLY.sub("done ... min", story).rstrip()
    return CHANCE.sub("...", story).rstrip() if story.startswith("2.") else story.rstrip()
