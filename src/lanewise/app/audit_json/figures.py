"""Figures as JSON has them."""

from __future__ import annotations

from typing import Any

from lanewise.app.receipt import usd
from lanewise.audit.money import Money


def range_json(money: Money) -> dict[str, Any]:
    """Between the least and the most, in USD."""
    return {"low": usd(money.low), "high": usd(money.high)}
