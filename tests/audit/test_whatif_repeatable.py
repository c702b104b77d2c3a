"""The same traffic gives the same what-if to the bit: on each run, in any order, however it is packed."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.app import policies
from lanewise.audit.database import database
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.whatif import Known, Plan, planned, replayed, traffic
from lanewise.policy.document import read
from lanewise.pricing import PriceBook

BEGIN = 1_793_577_600.0  # a Monday in November 2026
BOOK = PriceBook.load()
MAP = (
    "at=at,model=model,workflow=workflow,input_tokens=input,cached_tokens=cached,"
    "output_tokens=output,prompt=prompt,cost_usd=cost,key=key"
)
RULES = """
[default]
deadline = "2h"
percent = 50
budget = 0.05
dedupe = true

[[rule]]
name = "soon"
workflow = "b"
deadline = "30m"
"""
FEW = Known(stated={("*", "creations_per_hour"): 4, ("*", "enqueued_tokens"): 60_000})
# few values of everything, so that most requests have equals, and many their time in common
ROWS = st.fixed_dictionaries(
    {
        "at": st.sampled_from([BEGIN, BEGIN + 1, BEGIN + 1.5, BEGIN + 4_000]),
        "model": st.sampled_from(["gpt-5", "gpt-5-mini", "claude-sonnet-4-5"]),
        "workflow": st.sampled_from(["a", "b", None]),
        "input": st.sampled_from([100, 100, 20_000]),
        "cached": st.sampled_from([0, 50]),
        "output": st.sampled_from([10, 2_000]),
        "prompt": st.sampled_from(["one", "two", None]),
        "cost": st.sampled_from([0.1, 0.30000000000000004, None]),
        "key": st.sampled_from(["k", None]),
    }
)


def written(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def planned_from(*paths: Path) -> Plan:
    rules = read(RULES, "policy.toml", policies.world(BEGIN)).sound()
    with database() as connection:
        load(connection, tuple(map(str, paths)), Wishes(mapped(MAP)))
        return planned(traffic(connection), rules, BOOK, policies.zone_named, FEW)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(ROWS, min_size=2, max_size=60))
def test_neither_the_order_of_lines_nor_their_division_into_files_nor_their_packing_counts(
    tmp_path_factory: pytest.TempPathFactory, dice: random.Random, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    shuffled = dice.sample(rows, len(rows))
    half = len(rows) // 2
    found = [
        planned_from(written(folder / "plain.jsonl", rows)),
        planned_from(written(folder / "shuffled.jsonl", shuffled)),
        planned_from(written(folder / "packed.jsonl.gz", rows)),
        planned_from(
            written(folder / "z.jsonl", shuffled[:half]),
            written(folder / "a.jsonl", shuffled[half:]),
        ),
    ]
    assert all(other == found[0] for other in found)
    seeds = [replayed(plan, 3, "bad-day") for plan in found]
    assert all(other == seeds[0] for other in seeds)


def many(count: int) -> list[dict[str, Any]]:
    """Sixty a second, so that most have their time in common."""
    dice = random.Random(7)
    return [
        {
            "at": BEGIN + n // 60,
            "model": dice.choice(["gpt-5", "gpt-5-mini", "claude-sonnet-4-5"]),
            "workflow": dice.choice(["a", "b", "c", None]),
            "input": dice.choice([100, 200, 3_000]),
            "cached": 0,
            "output": dice.choice([10, 20]),
            "prompt": dice.choice(["one", "two", None]),
            "key": dice.choice(["k", "l", None]),
        }
        for n in range(count)
    ]


def test_another_process_with_other_hashes_of_texts_says_the_same_to_the_letter(
    tmp_path: Path,
) -> None:
    log, rules = written(tmp_path / "log.jsonl", many(600)), tmp_path / "policy.toml"
    rules.write_text(RULES, encoding="utf-8")
    said = {_said(log, rules, tmp_path, hashes) for hashes in ("0", "1", "4711")}
    assert len(said) == 1
    assert json.loads(said.pop())["policies"][0]["requests"] > 100


def _said(log: Path, rules: Path, folder: Path, hashes: str) -> str:
    command = [sys.executable, "-m", "lanewise", "simulate", "--home", str(folder / "home")]
    command += ["--json", "--seeds", "2", "--completion", "bad-day", "--map", MAP]
    done = subprocess.run(
        [*command, str(rules), str(log)],
        env={**os.environ, "PYTHONHASHSEED": hashes},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
