"""Counting tokens offline, always labelled with how, and what requests would cost if they were sent.

    estimator = Estimator(book, at, place)
    for request in requests:
        count = estimator.add(request)
    estimate = estimator.finish()

A provider's own usage is the truth; nothing here is ever booked as cost.
"""

from lanewise.tokens.counting import Count, TokenCounter
from lanewise.tokens.estimate import Estimate
from lanewise.tokens.estimating import Estimator, Place
from lanewise.tokens.history import History, history_of
from lanewise.tokens.measuring import likely_input, measure_alone
from lanewise.tokens.models import Method
from lanewise.tokens.prefixes import prefix_of

__all__ = [
    "Count",
    "Estimate",
    "Estimator",
    "History",
    "Method",
    "Place",
    "TokenCounter",
    "history_of",
    "likely_input",
    "measure_alone",
    "prefix_of",
]
