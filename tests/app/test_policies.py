"""The policy file is found, read again when it changes, and never makes a running loop fall over."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from lanewise.app.policies import (
    PolicyFile,
    load,
    places,
    priced_world,
    starter,
    world,
    zone_named,
)
from lanewise.errors import BadInput, BadSettings
from lanewise.policy.document import read
from lanewise.policy.rules import NO_POLICY
from lanewise.settings import load as load_settings

NOW = 1_796_126_400.0
ONE = '[[rule]]\nname = "one"\nworkflow = "a"\n'
TWO = '[[rule]]\nname = "two"\nworkflow = "a"\n'
BAD = '[[rule]]\nname = "bad"\nlanes = ["bach"]\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


def names(file: PolicyFile) -> list[str]:
    return [rule.name for rule in file.current(NOW).rules]


def replaced(path: Path, text: str) -> None:
    """As editors do: a new file takes the old one's name."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def test_a_changed_file_holds_without_a_restart(path: Path) -> None:
    path.write_text(ONE, encoding="utf-8")
    file = PolicyFile(path)
    assert names(file) == ["one"]
    replaced(path, TWO)
    assert names(file) == ["two"]


def test_a_file_of_the_same_size_written_in_the_same_moment_is_noticed(path: Path) -> None:
    path.write_text(ONE, encoding="utf-8")
    file = PolicyFile(path)
    assert names(file) == ["one"]
    kept = path.stat()
    replaced(path, TWO)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (kept.st_size, kept.st_mtime_ns)
    assert names(file) == ["two"]


def test_an_unchanged_file_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(ONE, encoding="utf-8")
    file = PolicyFile(path)
    first = file.current(NOW)
    monkeypatch.setattr(Path, "read_text", lambda *_args, **_named: pytest.fail("it was read"))
    assert file.current(NOW + 60) is first


@pytest.mark.parametrize("spoil", [BAD, "", "  \n", "[[rule", "gone", "a folder"])
def test_a_spoilt_file_leaves_the_last_good_policy_and_is_reported_once(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: str
) -> None:
    path.write_text(ONE, encoding="utf-8")
    file = PolicyFile(path)
    file.current(NOW)
    if spoil in ("gone", "a folder"):
        path.unlink()
        if spoil == "a folder":
            path.mkdir()
    else:
        replaced(path, spoil)
    assert [names(file) for _ in range(3)] == [["one"]] * 3
    [record] = caplog.records
    assert "holds on" in record.getMessage()
    if path.is_dir():
        path.rmdir()
    replaced(path, TWO)
    assert names(file) == ["two"]


def test_a_file_that_was_never_good_fails_the_command_each_time_it_asks(path: Path) -> None:
    path.write_text(BAD, encoding="utf-8")
    file = PolicyFile(path)
    for _ in range(2):
        with pytest.raises(BadInput, match=r"policy\.toml, line 3: rule 'bad': .* 'batch'"):
            file.current(NOW)
    replaced(path, ONE)
    assert names(file) == ["one"]


def test_without_a_file_all_is_allowed_until_one_comes(tmp_path: Path, path: Path) -> None:
    file = PolicyFile(tmp_path / "nowhere.toml", path)
    assert file.current(NOW) is NO_POLICY
    assert file.path is None
    replaced(path, ONE)
    assert names(file) == ["one"]
    assert file.path == path


def test_warnings_are_told_once_when_the_file_is_read(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text(ONE + 'deadline = "8h"\n[[rule]]\nname = "x"\nmodel = "m"\n', encoding="utf-8")
    file = PolicyFile(path)
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        file.current(NOW)
    assert [record.getMessage().partition("rule")[2][:4] for record in caplog.records] == [" 'x'"]


def test_the_named_file_goes_before_the_current_directory_and_that_before_the_home(
    path: Path, tmp_path: Path
) -> None:
    assert places(tmp_path, {}) == (Path("policy.toml"), path)
    with pytest.raises(BadSettings, match=r"LANEWISE_POLICY names .* not a file"):
        places(tmp_path, {"LANEWISE_POLICY": str(path)})
    path.write_text(ONE, encoding="utf-8")
    assert places(tmp_path / "home", {"LANEWISE_POLICY": str(path)}) == (path,)


def test_a_file_that_is_no_text_or_cannot_be_read_is_told_so(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path, NOW)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match=r", line \d+: this is not UTF-8"):
        load(path, NOW)


def test_a_byte_order_mark_and_windows_lines_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + ONE.replace("\n", "\r\n").encode() + b'lanes = ["x"]\r\n')
    assert [problem.line for problem in load(path, NOW).errors] == [4]


def test_the_starter_is_sound_and_so_is_what_it_suggests() -> None:
    assert read(starter(), "p", world(NOW)).warnings == ()
    text = starter().replace("\n# [[", "\n[[")
    lines = [
        line.removeprefix("# ") if " = " in line and line[0] == "#" else line
        for line in text.splitlines()
    ]
    document = read("\n".join(lines), "p", world(NOW))
    assert document.errors == document.warnings == ()
    assert len(document.sound().rules) == 2


@pytest.mark.parametrize(
    "name", ["Mars/Base", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", ""]
)
def test_no_zone_is_found_where_none_is_meant(name: str) -> None:
    assert zone_named(name) is None
    assert zone_named("Europe/Berlin") is not None


def test_a_provider_to_whom_lanewise_does_not_speak_is_refused() -> None:
    [problem] = read('[default]\nprovider = "gemini"', "p", world(NOW)).errors
    assert problem.what == "provider: 'gemini' is unknown; accepted are openai, anthropic"


@pytest.mark.parametrize(
    ("keys", "line", "said"),
    [
        ('endpoint = "/v1/messages"\nlanes = ["flex"]', 4, "(flex) for /v1/messages, so nothing could be"),
        ('endpoint = "/v1/messages"\nprovider = "openai"', 4, "openai offers none of the lanes allowed"),
        ('endpoint = "/v1/embeddings"\npin = "background_2h"', 4, "(background_2h) for /v1/embeddings"),
        ('endpoint = "/v1/messages"\nterms = "eu"', 4, "under the terms eu, no provider offers any"),
        ('terms = "eu"\nprovider = "anthropic"', 3, "under the terms eu, anthropic offers none"),
    ],
)  # fmt: skip
def test_a_rule_whose_endpoint_has_none_of_its_lanes_is_refused(
    keys: str, line: int, said: str
) -> None:
    [problem] = read(f'[[rule]]\nname = "a"\n{keys}\n', "p", world(NOW)).errors
    assert problem.line == line
    assert said in problem.what


def test_an_endpoint_that_leaves_none_of_the_default_lanes_is_refused() -> None:
    text = '[default]\nlanes = ["flex"]\n[[rule]]\nname = "a"\nendpoint = "/v1/messages"\n'
    [problem] = read(text, "p", world(NOW)).errors
    assert (problem.line, problem.key) == (5, "endpoint")
    assert not read(text.replace("messages", "*"), "p", world(NOW)).errors


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ('model = "gpt-5-mni"', "; did you mean 'gpt-5-mini'?"),
        ('use_model = "gpt-4o-minni"', "; did you mean 'gpt-4o-mini'?"),
        ('model = "gtp-*"', "; did you mean"),
        ('model = "claude*"', None),
        ('model = "gpt-4o-2024-08-06"', None),
        ('model = "fast"', None),  # an alias
        ('use_model = "llama-70b"', None),  # of a server of one's own
    ],
)
def test_a_model_of_no_known_price_is_warned_of_with_what_may_have_been_meant(
    tmp_path: Path, key: str, hint: str | None
) -> None:
    settings = load_settings(
        {"LANEWISE_HOME": str(tmp_path)},
        aliases={"fast": "gpt-4o-mini"},
        upstreams=[
            {
                "name": "own",
                "api": "openai",
                "base_url": "http://localhost:1/v1",
                "models": ["llama-*"],
            }
        ],
    )
    known = priced_world(NOW, settings)
    document = read(f'[[rule]]\nname = "a"\n{key}\n', "p", known)
    assert not document.errors
    if hint is None:
        assert document.warnings == ()
    else:
        [warning] = document.warnings
        assert (warning.line, warning.key) == (3, key.split(maxsplit=1)[0])
        assert hint in warning.what


def test_a_pipe_in_its_place_is_never_waited_for(path: Path) -> None:
    path.write_text(ONE, encoding="utf-8")
    file = PolicyFile(path)
    assert names(file) == ["one"]
    path.unlink()
    os.mkfifo(path)
    assert names(file) == ["one"]
    with pytest.raises(BadInput, match="is not a file"):
        PolicyFile(path).current(NOW)
