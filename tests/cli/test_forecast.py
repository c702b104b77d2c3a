"""`lanewise forecast`: without a home it assumes and says so; with one it tells what was seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lanewise.cli.forecast import _curve, forecast, lasting
from lanewise.errors import BadInput
from lanewise.policy.outlook import Curve, Sample

ASK = ("--provider", "openai", "--model", "gpt-4o-mini")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command in this process, over a home that does not exist."""
    monkeypatch.setenv("LANEWISE_HOME", str(tmp_path / "home"))

    def run(*arguments: str, columns: int = 80) -> Result:
        monkeypatch.setenv("COLUMNS", str(columns))
        done = CliRunner().invoke(forecast, [*ASK, *arguments])
        if isinstance(done.exception, BadInput):
            raise done.exception
        return done

    return run


def test_without_a_home_it_shows_the_prior_says_that_it_is_one_and_leaves_nothing_behind(
    ask: Any, tmp_path: Path
) -> None:
    done = ask("--requests", "120000")
    assert done.exit_code == 0
    for shown in (
        "openai gpt-4o-mini, lane batch: 120,000 requests, at least 3 batches",
        "basis: prior (assumed)",
        "        1 h     70 %",
        "   99 %  24 h",
        "The prior is an assumption, not a measurement",
        "Nothing is promised from it.",
        "all are done when the last one is",
    ):
        assert shown in done.output
    assert not (tmp_path / "home").exists()


def test_with_a_deadline_it_tells_every_lanes_chance(ask: Any) -> None:
    output = ask("--deadline", "8h").output
    assert "UTC, in 8 h" in output
    for line in (
        "realtime        99.9 %  one request, prior (assumed)",
        "background_8h     97 %  one request, prior (assumed)",
        "batch             92 %  a batch, prior (assumed)",
    ):
        assert line in output


def test_it_fits_a_narrow_terminal(ask: Any) -> None:
    output = ask("--deadline", "8h", "--requests", "120000", columns=60).output
    assert max(len(line) for line in output.splitlines()) <= 70  # no wider than its first line
    assert max(len(line) for line in output.splitlines()[1:]) <= 60


def test_json_has_what_programs_rely_on(ask: Any) -> None:
    told = json.loads(ask("--requests", "20000", "--deadline", "8h", "--json").output)
    assert (told["lane"], told["requests"], told["batches"]) == ("batch", 20_000, 1)
    assert (told["basis"], told["prior_share"]) == ("prior (assumed)", 1.0)
    assert (told["own_finished"], told["own_censored"]) == (0, 0)
    chances = {row["seconds"]: row["chance"] for row in told["done_within"]}
    assert chances[3_600.0] == pytest.approx(0.7)
    assert told["quantiles"][-1] == {"chance": 0.99, "seconds": pytest.approx(86_400.0)}
    lanes = {row["lane"]: row["chance"] for row in told["deadline"]["lanes"]}
    assert lanes["batch"] < lanes["background_8h"] < lanes["realtime"]


def test_what_is_never_reached_is_said_to_be() -> None:
    half = Curve((0.0, 60.0), (1.0, 0.5), "made up", Sample(0, 0))
    lines = list(_curve(half))
    assert "   50 %  1 min" in lines
    assert "   99 %  no time that is known" in lines


def test_what_is_sent_by_itself_fills_no_batches(ask: Any) -> None:
    assert json.loads(ask("--lane", "realtime", "--json").output)["batches"] is None
    told = ask("--lane", "realtime", "--requests", "5").output
    assert "5 requests, each sent by itself" in told
    assert "how long all of them take, rate limits decide" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--requests", "0"], "at least 1 request, not 0"),
        (["--model", ""], "--model takes its name, such as gpt-5-mini"),
        (["--lane", "express"], "openai does not sell the lane 'express'; it sells realtime, flex"),
        (["--deadline", "none"], "a forecast needs a time, such as 8h or 06:00"),
        (["--deadline", "soon"], "--deadline is 'soon'; it takes 8h"),
        (["--deadline", "2020-01-01T00:00+00:00"], "which was 2020-01-01 00:00 UTC"),
    ],
)
def test_bad_input_is_named_with_what_is_accepted(
    ask: Any, arguments: list[str], message: str
) -> None:
    with pytest.raises(BadInput) as told:
        ask(*arguments)
    assert message in str(told.value)


def test_an_unknown_provider_is_named_with_those_there_are() -> None:
    done = CliRunner().invoke(forecast, ["--provider", "gemmini", "--model", "m"])
    assert done.exit_code == 2
    assert "'gemmini' is not one of 'openai', 'anthropic', 'sandbox'" in done.output


def test_a_named_time_zone_is_understood(ask: Any) -> None:
    told = json.loads(ask("--deadline", "tomorrow 06:00 Asia/Tokyo", "--json").output)
    assert told["deadline"]["at"] % 86_400 == 21 * 3_600


def test_own_batches_are_told_of_after_a_run(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(3))
    assert shell("run", name, "-o", "out.jsonl").returncode == 0
    done = shell("forecast", *ASK, "--requests", "3")
    assert done.returncode == 0, done.stderr
    assert "basis: 1 own batch of gpt-4o-mini done; the prior (assumed) weighs 91 %" in done.stdout
    assert "A chance is no promise" in done.stdout


def test_stretches_of_time_are_said_in_two_units() -> None:
    assert [lasting(s) for s in (59.7, 3_599.0, 3_601.0, 7_260.0, 172_800.0, 200_000.0)] == [
        "1 min", "59 min 59 s", "1 h", "2 h 1 min", "48 h", "2 d 7 h",
    ]  # fmt: skip
