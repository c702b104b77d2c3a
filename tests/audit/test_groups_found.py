"""Groups where no workflow is logged: few, the same each time, and told so that their owner knows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from lanewise.audit.database import database
from lanewise.audit.levers.finding import Group, named
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.waiting import Facts, Waiting, gather, judge

from .conftest import write
from .workloads import START

FIELDS: Final = (
    "at", "model", "input_tokens", "output_tokens", "seconds", "stream", "user", "session", "key", "agent",
    "prompt",
)  # fmt: skip
WISHED: Final = Wishes(mapped(",".join(f"{name}={name}" for name in FIELDS)))
BOILERPLATE: Final = "follow the house rules to the letter and be brief, whatever comes. "


def row(n: int, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(FIELDS)
    return (
        told
        | {
            "at": START + n,
            "model": "gpt-5",
            "input_tokens": 100,
            "output_tokens": 9,
            "seconds": 0.5,
        }
        | more
    )


def found(path: Path, rows: list[dict[str, Any]]) -> list[Facts]:
    with database() as connection:
        load(connection, (str(write(path / "log.jsonl", rows)),), WISHED)
        return list(gather(connection).values())


def asked(system: str, n: int) -> str:
    return f'[{{"role": "system", "content": "{system}: {BOILERPLATE * 3}"}}, {{"content": "{n}"}}]'


def test_two_workflows_under_one_key_are_told_apart_by_their_templates(tmp_path: Path) -> None:
    """One labels once a day, many at once; the other answers people who go on talking."""
    jobs = [
        row(day * 86_400 + n // 5, key="shared", prompt=asked("Label", n), seconds=4.0)
        for day in range(6) for n in range(40)
    ]  # fmt: skip
    talks = [
        row(
            talk * 7_000 + turn * (25 + talk % 9), key="shared", prompt=asked("Answer", turn),
            session=f"t{talk}", input_tokens=300 + turn * 80, output_tokens=60, stream=True,
        )
        for talk in range(60) for turn in range(5)
    ]  # fmt: skip
    classes = {one.requests: judge(one).waiting for one in found(tmp_path, jobs + talks)}
    assert classes == {240: Waiting.BACKGROUND, 300: Waiting.INTERACTIVE}


def test_ten_thousand_templates_used_once_are_one_group_with_all_requests(tmp_path: Path) -> None:
    rows = [row(n, key="k", prompt=f"{n * 7_919:x} {'x' * 90}") for n in range(10_000)]
    rows = [
        one | {"prompt": one["prompt"].translate({c: c + 49 for c in range(48, 58)})}
        for one in rows
    ]
    (only,) = found(tmp_path, rows)
    assert only.requests == 10_000
    assert named(only) == "(key k, templates used rarely)"


def test_keys_and_clients_used_rarely_are_one_group(tmp_path: Path) -> None:
    rows = [row(n, key=f"visitor-{n // 3}", agent=f"tool-{n % 50}x/1.0") for n in range(3_000)]
    rows += [row(n, key="crm", agent=f"python-httpx/0.{n % 30}.1 (linux)") for n in range(90)]
    groups = {named(one): one.rows for one in found(tmp_path, rows)}
    assert groups == {"(no workflow)": 3_000, "(key crm, client python-httpx)": 90}


def test_names_of_groups_are_the_same_next_week_and_say_what_is_meant(tmp_path: Path) -> None:
    weeks = []
    for week in (0, 1):
        folder = tmp_path / str(week)
        folder.mkdir()
        rows = [
            row(n + week * 604_800, key="web", agent=f"curl/{week}.2", prompt=asked("Sum up", n))
            for n in range(40 + week)
        ]
        weeks.append(found(folder, rows))
    (first,), (second,) = weeks
    assert named(first) == named(second)
    assert named(first).startswith("(key web, client curl, template ")
    looks = Group("", 1, first, judge(first), 0).looks
    assert looks == "asks gpt-5; half have 100 input tokens or more, and 9 output tokens or more"


def test_what_a_prompt_says_is_in_no_name_and_no_evidence(tmp_path: Path) -> None:
    rows = [row(n, key="web", prompt=asked("Secret recipe", n)) for n in range(60)]
    (only,) = found(tmp_path, rows)
    judged = judge(only)
    told = (named(only), Group("", 1, only, judged, 0).looks, *judged.evidence, *judged.against)
    assert not [words for words in told if "recipe" in words]
