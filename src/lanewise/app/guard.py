"""Before a run is accepted: what it may cost, and whether that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lanewise.intake import Accepted
from lanewise.tokens import Estimate, Estimator


@dataclass(slots=True)
class Guard:
    """Sees every request on its way in, and decides on the run before anything of it can be sent.

    `max_nano`: refuse what may cost more, or of which nobody can say. `approve`: called with the estimate
    of a run that is new; raises to refuse it.
    """

    estimator: Estimator
    max_nano: int | None = None
    approve: Callable[[Estimate], None] | None = None
    budget_nano: int | None = None  # of the workflow; what has no price cannot be held to it
    promise: Callable[[], None] = lambda: None  # raises where a deadline cannot be kept
    key_nano: int | None = (
        None  # the budget of the caller's key; it holds in whatever lane is taken
    )

    def add(self, request: Accepted) -> int:
        """Count one request; returns our own count of its input tokens, 0 if it was not counted."""
        return self.estimator.add(request)

    def reserve(self) -> int:
        """The most that the run may cost, in nano-USD. Raises `OverBudget` or `TooSoon` to refuse it."""
        self.promise()
        estimate = self.estimator.finish()
        if self.approve is not None:
            self.approve(estimate)
        if self.max_nano is not None:
            estimate.hold(self.max_nano, "--max-usd")
        if self.budget_nano is not None and estimate.unpriced:
            estimate.hold(self.budget_nano, "the monthly budget of")
        if self.key_nano is None:
            return estimate.high_nano
        if estimate.unpriced:
            estimate.hold(self.key_nano, "the monthly budget of this key,")
        return estimate.dearest_nano
