"""What a workload costs a month in each lane, exactly: fractions inside, rounded only to be shown.

book = PriceBook.load()
bill = calculate(book, Workload("openai", "gpt-4o", Volume(10_000_000 * 30)), at)
bill.lane("batch").month_nano
"""

from lanewise.pricing.calculator.bills import (
    Bill,
    LaneBill,
    Term,
    calculate,
    total,
)
from lanewise.pricing.calculator.workloads import DAYS, Lengths, Workload

__all__ = ["DAYS", "Bill", "LaneBill", "Lengths", "Term", "Workload", "calculate", "total"]
