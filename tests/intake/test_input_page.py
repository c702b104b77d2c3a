"""What the page on inputs shows is true."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from lanewise.intake import ENDPOINTS, Accepted, reading, sources

PAGE = (Path(__file__).parents[2] / "docs/reference/input.md").read_text()
SHOWN = re.findall(r"```jsonl(?: endpoint=(\S+))?\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("endpoint", "text"), SHOWN)
def test_the_lines_shown_are_accepted(read_bytes, endpoint, text):
    got = read_bytes(text.encode(), endpoint=endpoint or None)
    assert got
    assert all(isinstance(line, Accepted) for line in got)


def test_the_python_shown_runs():
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})


def test_every_endpoint_is_on_the_page():
    assert len(SHOWN) == 4
    for url in ENDPOINTS:
        assert f"`{url}`" in PAGE


@pytest.mark.parametrize("module", [reading, sources])
def test_the_examples_in_the_code_are_true(module):
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
