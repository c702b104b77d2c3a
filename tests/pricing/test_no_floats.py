"""No float can get into `lanewise.pricing`: not by a literal, a conversion, a division or a library.

A true division is let through only where an operand is said to be a `Fraction` in the same file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lanewise.pricing

FILES = sorted(Path(lanewise.pricing.__file__).parent.rglob("*.py"))
LIBRARIES = {"cmath", "math", "numpy", "random", "statistics", "time"}
CONVERTING = {"float", "complex", "as_tuple_float", "from_float", "fsum", "mean", "sqrt"}


def floats(source: str) -> Iterator[str]:
    """Each way in which this source makes, takes or imports a float, as `line: what`."""
    tree = ast.parse(source)
    exact = set(fractions(tree))
    for node in ast.walk(tree):
        found = imported(node) or made(node, exact)
        if found:
            yield f"{getattr(node, 'lineno', 0)}: {found}"


def made(node: ast.AST, exact: set[str]) -> str:
    """How this node makes a float, if it does."""
    match node:
        case ast.Constant(value=float() | complex()):
            return f"the literal {node.value}"
        case ast.BinOp(op=ast.Div()) if exact.isdisjoint(mentioned(node)):
            return "a true division"
        case ast.AugAssign(op=ast.Div()):
            return "a true division"
        case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
            return "a negative power"
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in CONVERTING:
            return name
    return ""


def imported(node: ast.AST) -> str:
    """The library that this node imports, if it is one that works in floats."""
    match node:
        case ast.Import(names=items):
            modules = [item.name for item in items]
        case ast.ImportFrom(module=str(module)):
            modules = [module]
        case _:
            return ""
    found = [module for module in modules if module.partition(".")[0] in LIBRARIES]
    return f"import {found[0]}" if found else ""


def fractions(tree: ast.AST) -> Iterator[str]:
    """The names that are annotated as a `Fraction`, and that class's own."""
    yield "Fraction"
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as said):
                yield from (name,) if "Fraction" in mentioned(said) else ()
            case ast.AnnAssign(target=ast.Name(id=name), annotation=said):
                yield from (name,) if "Fraction" in mentioned(said) else ()


def mentioned(node: ast.AST) -> set[str]:
    """Every name and attribute in an expression."""
    inside = list(ast.walk(node))
    return {item.id for item in inside if isinstance(item, ast.Name)} | {
        item.attr for item in inside if isinstance(item, ast.Attribute)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_float_exists_in_the_pricing_package(path: Path) -> None:
    assert list(floats(path.read_text(encoding="utf-8"))) == []


def test_every_module_of_the_package_is_looked_at() -> None:
    assert {"arithmetic.py", "book.py", "compiling.py", "kept.py"} <= {path.name for path in FILES}


@pytest.mark.parametrize(
    "source",
    [
        "rate = 0.5",
        "rate = cost / 2",
        "def f(cost: int, other: Fraction) -> int:\n    return round(cost / 2)",
        "cost /= 2",
        "rate = float(text)",
        "def f(x: float) -> int: ...",
        "rate = 10 ** -6",
        "import math",
        "from statistics import mean",
        "from decimal import Decimal\nrate = Decimal(0.1)",
        "rate = Decimal.from_float(x)",
    ],
)
def test_each_way_in_is_seen(source: str) -> None:
    assert list(floats(source))


@pytest.mark.parametrize(
    "source",
    [
        "rate = cost // 2",
        "rate = Decimal('0.5')",
        "a = 10**6",
        "a = Fraction(1) / 3",
        "def f(cost: Fraction) -> Fraction:\n    return cost / 2",
    ],
)
def test_exact_arithmetic_is_let_through(source: str) -> None:
    assert not list(floats(source))
