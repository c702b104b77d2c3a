"""Examples in the documentation of prices hold: in docstrings, and on the reference page."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from lanewise.pricing import PriceBook, arithmetic, names, sheets
from lanewise.pricing.overlay import SECTIONS

PAGE = Path(__file__).parents[2] / "docs/reference/prices.md"
FILES = re.findall(
    r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("module", [arithmetic, names, sheets], ids=lambda module: module.__name__)
def test_examples_in_docstrings_hold(module: object) -> None:
    outcome = doctest.testmod(module)  # type: ignore[arg-type]
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_python_example_of_the_page_holds() -> None:
    outcome = doctest.testfile(str(PAGE), module_relative=False)
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize("text", FILES)
def test_a_price_file_of_the_page_can_be_used(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    assert "user sha256:" in PriceBook.load(user_prices=path).basis


def test_the_page_shows_every_section_of_a_price_file() -> None:
    shown = set(re.findall(r"^\[\[(\w+)\]\]", "\n".join(FILES), re.MULTILINE))
    assert shown == set(SECTIONS)
