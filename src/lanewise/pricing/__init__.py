"""From usage to money: a dated price book and exact integer arithmetic. No floats, no clock, no network."""

from lanewise.pricing.arithmetic import Components, Rates, components, price
from lanewise.pricing.book import PriceBook, Pricer, PriceStatus, Resolved

__all__ = [
    "Components",
    "PriceBook",
    "PriceStatus",
    "Pricer",
    "Rates",
    "Resolved",
    "components",
    "price",
]
