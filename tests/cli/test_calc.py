"""`lanewise calc` as a stranger runs it: no home, no key, no network."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def calc(tmp_path: Path):
    """Runs `lanewise calc` in an empty folder."""
    env = {name: value for name, value in os.environ.items() if "API_KEY" not in name}
    env |= {"LANEWISE_HOME": str(tmp_path / "home")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lanewise", "calc", "--at", "2026-11-23", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    run.folder = tmp_path
    return run


def test_the_reference_figures_are_printed_and_nothing_is_left_behind(calc):
    done = calc("--model", "gpt-4o", "--in", "10M/day")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["realtime", "$750.00", "listed"] in lines
    batch = ["batch", "$375.00", "$375.00", "50", "%", "listed", "cheapest", "that", "fits"]
    assert batch in lines
    assert list(calc.folder.iterdir()) == []


def test_json_has_request_day_month_and_year(calc):
    done = calc(
        "--model", "claude-sonnet-4-6", "--in", "1000", "--out", "100", "--n", "1000/day", "--json"
    )
    found = json.loads(done.stdout)["workloads"][0]
    assert found["requests_per_month"] == 30_000
    assert found["lanes"]["batch"] == {
        "status": "listed",
        "fits": True,
        "request_usd": 0.00225,
        "day_usd": 2.25,
        "month_usd": 67.5,
        "year_usd": 821.25,
        "saved_usd": 67.5,
        "low_usd": None,
        "high_usd": None,
    }


def test_csv_and_markdown_have_the_same_rows(calc):
    arguments = ("--model", "gpt-4o", "--in", "10M/day")
    rows = list(csv.DictReader(io.StringIO(calc(*arguments, "--csv").stdout)))
    assert {row["lane"]: row["month_usd"] for row in rows} == {
        "realtime": "750",
        "background_2h": "525",
        "background_8h": "450",
        "batch": "375",
    }
    table = calc(*arguments, "--md").stdout.splitlines()
    assert len(table) == len(rows) + 2
    assert "| batch | 375 | 375 | listed | yes | yes |" in table[-1]


def test_the_terms_of_an_explained_sum_can_be_added_up_by_hand(calc):
    from decimal import Decimal

    done = calc(
        "--model", "gpt-5-mini", "--in", "1200", "--out", "150", "--n", "20000/day",
        "--cached", "60%", "--rescue", "2%", "--lane", "batch", "--explain",
    )  # fmt: skip
    section = done.stdout.split("  batch: listed")[1].splitlines()[1:]
    terms = [Decimal(line.rsplit("= $", 1)[1]) for line in section if "tokens" in line]
    whole = next(line for line in section if line.strip().startswith("= $"))
    assert sum(terms) == Decimal(whole.split("$")[1].split(" ")[0])
    assert len(terms) == 6


def test_the_terms_in_json_add_up_to_the_month(calc):
    from decimal import Decimal

    arguments = ("--model", "gpt-4o", "--in", "1200..4000", "--n", "7/hour", "--waste", "1%")
    plain = json.loads(calc(*arguments, "--json").stdout)["workloads"][0]["lanes"]
    assert "terms" not in plain["batch"]
    lanes = json.loads(calc(*arguments, "--json", "--explain").stdout)["workloads"][0]["lanes"]
    for name, lane in lanes.items():
        whole = sum(Decimal(term["usd"]) for term in lane["terms"])
        assert round(whole, 9) == round(Decimal(str(lane["month_usd"])), 9), name
        assert lane["month_usd"] == plain[name]["month_usd"]


def test_a_model_that_is_named_is_compared_with_all_even_if_its_price_is_unknown(calc):
    arguments = ("--model", "text-embedding-3-small", "--in", "1M/day", "--out", "1M/day")
    every = json.loads(calc(*arguments, "--compare", "all", "--json").stdout)["workloads"]
    assert every[-1]["model"] == "text-embedding-3-small"
    assert every[-1]["cheapest"] is None
    assert [item["model"] for item in every].count("text-embedding-3-small") == 1


def test_models_are_compared_cheapest_first_and_the_unknown_comes_last(calc):
    done = calc("--in", "1M/day", "--compare", "gpt-4o,gpt-4o-mini,claude-haiku-4-5", "--json")
    models = [item["model"] for item in json.loads(done.stdout)["workloads"]]
    assert models == ["gpt-4o-mini", "claude-haiku-4-5", "gpt-4o"]
    every = json.loads(calc("--in", "1M/day", "--compare", "all", "--json").stdout)["workloads"]
    assert len(every) > 100
    months = [item["lanes"][item["cheapest"]]["month_usd"] for item in every]
    assert months == sorted(months)


def test_a_file_of_workloads_has_a_total(calc):
    (calc.folder / "work.toml").write_text(
        '[[workload]]\nname = "nightly"\nmodel = "gpt-4o"\nin = "10M/day"\n'
        '[[workload]]\nname = "chat"\nmodel = "claude-sonnet-4-6"\nin = "10M/day"\nwait = "none"\n'
    )
    done = calc("--file", "work.toml", "--json")
    assert json.loads(done.stdout)["cheapest_total_usd"] == 375 + 900
    lines = calc("--file", "work.toml").stdout.splitlines()
    assert lines[-1].split()[:3] == ["total", "$1,650.00", "$1,275.00"]


def test_a_machine_of_ones_own_is_set_beside_the_provider(calc):
    home = calc.folder / "home"
    home.mkdir()
    (home / "prices.toml").write_text(
        "[self_hosted.llama]\ngpu_hour_usd = 2.50\ngpus = 2\ntokens_per_second = 10000\n"
    )
    done = calc("--model", "gpt-4o", "--in", "9.6M/day", "--self-hosted", "llama")
    assert "$3,600.00 a month for the machine (wall), $360.00 at the provider" in done.stdout
    assert "breaks even at 1000 % of this volume, 96,000,000 tokens a day" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "gpt-4o", "--in", "10X/day"), "--in is '10X/day'; it takes tokens such as"),
        (("--model", "gpt-9o", "--in", "1M/day"), "no price of 'gpt-9o' is known; near it: "),
        (("--model", "gpt-4o"), "--in and --out are missing"),
        (("--in", "1M/day"), "--model is missing"),
        (("--model", "gpt-4o", "--in", "1200"), "--n is missing"),
        (("--model", "gpt-4o", "--in", "1M/day", "--n", "5/day"), "--n was given, so"),
        (("--model", "gpt-4o", "--in", "1M/day", "--at", "someday"), "--at is 'someday'"),
        (("--model", "gpt-4o", "--in", "1M/day", "--lane", "slow"), "'slow' is not one of"),
        (("--model", "gpt-4o", "--in", "1M/day", "--self-hosted", "x"), "--self-hosted is 'x'"),
        (("--model", "gpt-4o", "--in", "1M/day", "--provider", "nobody"), "provider 'nobody'"),
        (("--compare", "all", "--in", "1M/day", "--provider", "nobody"), "provider 'nobody'"),
        (
            ("--compare", "all", "--out", "1M/day", "--provider", "voyageai"),
            "found no model whose price",
        ),
        (
            ("--compare", "all", "--in", "1M/day", "--model", "gpt-9o"),
            "no price of 'gpt-9o' is known",
        ),
        (("--compare", ",", "--in", "1M/day"), "--compare is ','; it takes models such as"),
        (
            ("--model", "o3", "--in", "1M/day", "--explain", "--md"),
            "--md has no place for --explain",
        ),
        (
            ("--model", "o3", "--in", "1M/day", "--self-hosted", "x", "--csv"),
            "no place for --self-hosted",
        ),
        (("--file", "none.toml"), "none.toml: cannot be read"),
        (("--file", "bad.toml"), "bad.toml, line 1: workload 1: unknown key 'colour'"),
        (("--file", "bad.toml", "--in", "1"), "--in cannot be given with it"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_code_two(calc, arguments, says):
    (calc.folder / "bad.toml").write_text('[[workload]]\ncolour = "red"\n')
    done = calc(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_it_imports_nothing_that_could_reach_a_network(calc):
    """Nor a store, nor a provider: which is also what keeps it quick."""
    program = (
        "import sys; from lanewise.cli.main import cli\n"
        "cli.main(['calc', '--model', 'gpt-4o', '--in', '1M/day'], standalone_mode=False)\n"
        "print([name for name in ('httpx2', 'asyncio', 'ssl', 'sqlite3', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=calc.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
