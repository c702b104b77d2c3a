"""The installed library's data as its project publishes it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/compile_prices.py"


@pytest.fixture(scope="session")
def compiler() -> ModuleType:
    """`scripts/compile_prices.py`."""
    spec = importlib.util.spec_from_file_location("compile_prices", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def published(compiler: ModuleType) -> bytes:
    """genai-prices' data of version 2, JSON."""
    return bytes(compiler.data())
