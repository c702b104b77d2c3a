"""Upstreams and aliases that settings name: what is taken, and which account a request is filed under."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lanewise.app import Engine
from lanewise.app.accounts import Accounts
from lanewise.app.doctor import examine
from lanewise.errors import BadSettings, ProviderUnusable
from lanewise.settings import load

OWN = {"name": "own", "api": "openai", "base_url": "http://gpu:8000/v1/", "batches": False}
EU = {
    "name": "eu",
    "api": "openai",
    "base_url": "https://eu.example.com/v1",
    "key_env": "EU_KEY",
    "models": ["gpt-*"],
    "renames": {"gpt-4o": "prod-4o"},
}


def accounts(*tables: dict[str, object], **environ: str) -> Accounts:
    settings = load({"LANEWISE_UPSTREAMS": json.dumps(tables)})
    return Accounts(environ, lambda: "", settings.upstreams, settings.aliases)


def said(*tables: object) -> str:
    with pytest.raises(BadSettings) as caught:
        load({"LANEWISE_UPSTREAMS": json.dumps(tables)})
    return str(caught.value)


def test_upstreams_and_aliases_are_read_from_the_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "lanewise.toml"
    path.write_text(
        "[aliases]\nfast = 'gpt-4o-mini'\n[[upstreams]]\nname = 'own'\napi = 'openai'\n"
        "base_url = 'http://gpu:8000/v1'\nweight = 3\n"
    )
    settings = load({}, config=path)
    assert settings.aliases == {"fast": "gpt-4o-mini"}
    assert [(one.name, one.weight, one.models) for one in settings.upstreams] == [
        ("own", 3, ("*",))
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weight": -1}, "table 1 ('own'): weight takes a whole number, 0 to 1000"),
        ({"weight": True}, "weight takes a whole number"),
        ({"api": "gemini"}, "api takes openai or anthropic"),
        ({"models": "gpt-*"}, "models takes a list of patterns"),
        ({"batches": "no"}, "batches takes true or false"),
        ({"renames": {"a": 1}}, "renames takes a table"),
        ({"url": "http://x"}, "unknown key 'url'; known are name, api, base_url"),
    ],
)
def test_what_an_upstream_cannot_be_is_told_with_its_name_and_what_is_taken(
    change: dict[str, object], told: str
) -> None:
    assert told in said(OWN | change)


def test_an_address_with_a_credential_is_refused_and_not_repeated() -> None:
    text = said(OWN | {"base_url": "https://user:hunter2@example.com/v1"})
    assert "without a credential in it" in text
    assert "hunter2" not in text


def test_two_upstreams_of_one_name_or_of_one_server_are_refused() -> None:
    assert "two are named 'own'" in said(OWN, OWN | {"base_url": "http://other/v1"})
    assert "'own' and 'again' are one server" in said(OWN, OWN | {"name": "again"})


def test_an_alias_of_an_alias_is_refused() -> None:
    with pytest.raises(BadSettings, match="'b' is an alias and is what an alias means"):
        load({"LANEWISE_ALIASES": "a=b,b=c"})


def test_a_request_is_filed_under_the_first_upstream_that_has_its_model() -> None:
    found = accounts(EU, OWN, EU_KEY="sk-eu")
    eu, own = found.members("openai", chosen=None)
    assert found.payer("openai", "gpt-4o", chosen=None).row.id == eu.account.id
    assert found.payer("openai", "prod-4o", chosen=None).row.id == eu.account.id
    assert found.payer("openai", "qwen3", chosen=None).row.id == own.account.id
    assert found.name_there("openai", "gpt-4o", chosen=None) == "prod-4o"
    there = found.connectable(found.payer("openai", "qwen3", chosen=None).row)
    assert there is not None
    assert there.id == own.account.id
    assert [found.has_batches(one.account.id) for one in (eu, own)] == [True, False]


def test_named_upstreams_take_the_place_of_the_environment_for_their_api_alone() -> None:
    found = accounts(OWN, OPENAI_API_KEY="sk-real", ANTHROPIC_API_KEY="sk-ant")
    assert found.payer("openai", "gpt-4o", chosen=None).row.base_url == "http://gpu:8000/v1"
    assert found.payer("anthropic", "m", chosen=None).row.base_url == "https://api.anthropic.com"


def test_a_missing_credential_or_model_is_told_with_its_cure() -> None:
    with pytest.raises(BadSettings, match="upstream 'eu' is missing: set EU_KEY"):
        accounts(EU).payer("openai", "gpt-4o", chosen=None)
    with pytest.raises(ProviderUnusable, match=r"no upstream has the model 'o3' \(asked: eu\)"):
        accounts(EU, EU_KEY="sk-eu").payer("openai", "o3", chosen=None)


def test_the_settings_of_the_how_to_are_taken_as_written(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs/how-to/upstreams.md"
    [block] = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "lanewise.toml"
    path.write_text(block, encoding="utf-8")
    settings = load({}, config=path)
    found = Accounts(
        {"OPENAI_API_KEY": "a", "AZURE_EU_KEY": "b"},
        lambda: "",
        settings.upstreams,
        settings.aliases,
    )
    main, azure, gpu = found.members("openai", chosen=None)
    assert [one.takes("gpt-4o-mini") for one in (main, azure, gpu)] == [True, True, False]
    assert (found.meant("local"), gpu.takes("qwen3-8b"), gpu.batches) == ("qwen3-8b", True, False)


def test_doctor_says_which_upstreams_there_are_and_whose_credential_is_missing(
    tmp_path: Path,
) -> None:
    tables = json.dumps([OWN, EU])
    environ = {"LANEWISE_UPSTREAMS": tables, "LANEWISE_HOME": str(tmp_path)}
    with Engine(load(environ), environ=environ) as engine:
        texts = [finding.what for finding in examine(engine)]
    assert "upstream 'own': openai at http://gpu:8000/v1" in texts
    assert "upstream 'eu': no credential" in texts
