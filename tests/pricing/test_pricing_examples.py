"""Examples in the documentation of the pricing package run."""

from __future__ import annotations

import doctest

import pytest

from lanewise.pricing import arithmetic, names


@pytest.mark.parametrize("module", [arithmetic, names], ids=lambda module: module.__name__)
def test_examples_in_docstrings_hold(module: object) -> None:
    outcome = doctest.testmod(module)  # type: ignore[arg-type]
    assert outcome.attempted > 0
    assert outcome.failed == 0
