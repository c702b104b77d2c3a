"""No command overwrites a file without `--force`, whichever option names it; `-` is standard output."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import pytest

from lanewise.cli.main import cli, main
from lanewise.cli.written import Target

THERE: Final = b"somebody else's\n"

# The other paths of the command line: what is read, where things are kept, and a folder that must be new.
NOT_WRITTEN: Final = {
    "home", "calc --file", "reconcile COSTS", "simulate --compare", "policy check FILE",
    "policy explain --policy", "prices diff --from", "prices diff --against", "sandbox serve --faults",
    "sandbox serve --directory", "backup TARGET",
}  # fmt: skip

# What each command needs besides; a command that is not here has no file to write yet.
BESIDES: Final = {
    "run": ["in.jsonl", "--provider", "sandbox"],
    "results": ["known"],
    "audit": ["--example"],
    "savings": [],
    "export focus": ["--month", "2026-11"],
    "policy init": [],
}


def every(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from every(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def named(parameter: click.Parameter) -> str:
    assert parameter.name is not None
    option = isinstance(parameter, click.Option)
    return parameter.opts[-1] if option else parameter.make_metavar(click.Context(cli)).strip("[].")


PATHS: Final = [
    (name, parameter)
    for name, command in every(cli)
    for parameter in command.params
    if isinstance(parameter.type, click.Path)
]
TARGETS: Final = [
    (name, parameter) for name, parameter in PATHS if isinstance(parameter.type, Target)
]
each = pytest.mark.parametrize(
    ("command", "parameter"), TARGETS, ids=[f"{name} {named(one)}" for name, one in TARGETS]
)


@dataclass(frozen=True)
class Person:
    """Runs commands in a folder of their own, where one run is known."""

    folder: Path
    captured: pytest.CaptureFixture[str]

    def __call__(self, command: str, *arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), *BESIDES.get(command, []), *map(str, arguments)])
        code = ended.value.code
        assert isinstance(code, int)
        return code, *self.captured.readouterr()

    def writes(
        self, command: str, parameter: click.Parameter, path: Path | str, *more: str
    ) -> tuple[int, str, str]:
        option = [parameter.opts[-1]] if isinstance(parameter, click.Option) else []
        return self(command, *option, path, *more)

    def runs(self) -> int:
        code, told, _ = self("status", "--json")
        assert code == 0
        return len(json.loads(told)["runs"])


@pytest.fixture
def person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Person:
    for name in list(os.environ):
        if name.startswith(("LANEWISE_", "OPENAI_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANEWISE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANEWISE_POLL_SECONDS", "0.01")
    monkeypatch.setenv("LANEWISE_SANDBOX_PROFILE", "instant")
    monkeypatch.chdir(tmp_path)
    requests(tmp_path / "in.jsonl", "one", "two")
    requests(tmp_path / "known.jsonl", "three")
    made = Person(tmp_path, capsys)
    assert made("submit", "known.jsonl", "--provider", "sandbox", "--run", "known")[0] == 0
    assert made("worker", "--idle-exit")[0] == 0
    return made


def requests(path: Path, *words: str) -> None:
    bodies = [
        {
            "custom_id": word,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": word}]},
        }
        for word in words
    ]
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies), encoding="utf-8")


def test_whatever_names_a_file_is_known_to_write_it_or_not_to() -> None:
    others = {
        "home" if one.name == "home" else f"{name} {named(one)}"
        for name, one in PATHS
        if not isinstance(one.type, Target)
    }
    assert others == NOT_WRITTEN, "an option that writes a file has the type `Target`"
    assert {name for name, _ in TARGETS} == set(BESIDES)


@each
def test_what_is_there_stays_and_nothing_else_is_done(
    person: Person, command: str, parameter: click.Parameter
) -> None:
    path = person.folder / "there.csv"
    path.write_bytes(THERE)
    before = person.runs()
    code, _, said = person.writes(command, parameter, path)
    assert (code, path.read_bytes()) == (2, THERE)
    assert said == f"error: {path} is there already; --force overwrites it\n"
    assert person.runs() == before


@each
def test_force_puts_a_whole_file_in_its_place(
    person: Person, command: str, parameter: click.Parameter
) -> None:
    path = person.folder / "there.csv"
    path.write_bytes(THERE * 10_000)
    code, _, said = person.writes(command, parameter, path, "--force")
    assert code == 0, said
    assert THERE not in path.read_bytes()
    assert path.stat().st_size
    assert not list(person.folder.glob(".*")), "nothing is left beside it"


@each
def test_what_cannot_be_a_file_is_said_before_anything_is_done(
    person: Person, command: str, parameter: click.Parameter
) -> None:
    (person.folder / "folder.csv").mkdir()
    (person.folder / "link.csv").symlink_to("nowhere.csv")
    before = person.runs()
    for name, why in (
        ("folder.csv", "which is a folder; name a file"),
        ("link.csv", "is there already; --force overwrites it"),
        ("missing/new.csv", "is no folder; name a file in one"),
        ("in.jsonl/new.csv", "is no folder; name a file in one"),
    ):
        code, _, said = person.writes(command, parameter, person.folder / name)
        assert (code, why in said, name in said) == (2, True, True), said
    assert not (person.folder / "nowhere.csv").exists()
    assert person.runs() == before


@each
def test_a_dash_is_standard_output_and_no_file(
    person: Person, command: str, parameter: click.Parameter
) -> None:
    code, told, said = person.writes(command, parameter, "-")
    assert not (person.folder / "-").exists()
    if parameter.name == "write_policy":  # the report is there
        assert (code, "name a file" in said) == (2, True)
    else:
        assert (code, bool(told)) == (0, True), said


@each
def test_a_device_takes_it_and_stays_one(
    person: Person, command: str, parameter: click.Parameter
) -> None:
    device = person.folder / "device.csv"
    device.symlink_to(os.devnull)
    code, _, said = person.writes(command, parameter, device)
    assert (code, device.is_symlink()) == (0, True), said


def test_the_same_run_again_writes_its_results_again_and_no_others_do(person: Person) -> None:
    assert person("run", "-o", "out.jsonl")[0] == 0
    first = Path("out.jsonl").read_bytes()
    assert person("run", "-o", "out.jsonl")[0] == 0
    Path("out.jsonl").write_bytes(first.splitlines(keepends=True)[1])  # as of a run that was open
    assert person("run", "-o", "out.jsonl")[0] == 0
    assert Path("out.jsonl").read_bytes() == first
    for command in (("results",), ("run", "--again"), ("run", "--run", "another")):
        code, _, said = person(*command, "-o", "out.jsonl")
        assert (code, "out.jsonl is there already" in said) == (2, True)
    assert Path("out.jsonl").read_bytes() == first
    assert person("results", "-o", "known.out")[0] == 0
    assert person("results", "-o", "known.out")[0] == 0


def test_a_run_that_a_file_comes_in_the_way_of_keeps_its_answers(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lanewise.cli import run as command

    def drive(*given: object) -> None:
        work(*given)  # type: ignore[arg-type]
        Path("out.jsonl").write_bytes(THERE)

    work = command._drive
    monkeypatch.setattr(command, "_drive", drive)
    code, _, said = person("run", "-o", "out.jsonl", "--run", "kept")
    assert (code, Path("out.jsonl").read_bytes()) == (2, THERE)
    assert "lanewise results kept -o" in said
