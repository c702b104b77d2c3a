"""What the page says to write is taken as it is."""

from __future__ import annotations

import re
from pathlib import Path

from lanewise.app.accounts import Accounts
from lanewise.policy.breadth import CUT, FAILING, FIRST, MOST, WORTH
from lanewise.policy.yielding import QUIET_SECONDS, SHARE, SLACK_FACTOR, SLACK_SECONDS
from lanewise.settings import load

PAGE = Path(__file__).parents[2] / "docs/how-to/own-server.md"


def test_the_settings_of_the_page_are_taken(tmp_path: Path) -> None:
    [text] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "lanewise.toml"
    path.write_text(text, encoding="utf-8")
    settings = load({}, config=path)
    assert [one.batches for one in settings.upstreams] == [False] * 4
    accounts = Accounts({"VLLM_KEY": "k"}, lambda: "", settings.upstreams, settings.aliases)
    bases = {
        accounts.payer("openai", model, chosen=None).row.base_url
        for model in ("Qwen/Qwen3-8B", "llama3.2", "gguf-small")
    }
    assert len(bases) == 3
    assert accounts.name_there("openai", "gguf-small", chosen=None) == "model"


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert (FIRST, MOST, WORTH, round(1 - CUT, 2), FAILING) == (4, 256, 0.3, 0.15, 0.1)
    assert (QUIET_SECONDS, SHARE, SLACK_FACTOR, SLACK_SECONDS) == (5.0, 0.25, 2.0, 300.0)
