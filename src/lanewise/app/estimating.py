"""An estimator that knows the providers: their lanes, their limits and how their lines are written."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lanewise.domain.ids import ID_LENGTH
from lanewise.domain.packing import Limits
from lanewise.lanes.shift import Rules, narrowed
from lanewise.pricing import PriceBook
from lanewise.providers import dialects, registry
from lanewise.tokens import Estimator, History, Place

SAMPLE: Final = 2_000  # requests of a group counted before a run; then one in fifty


def estimator(
    book: PriceBook,
    at: datetime,
    *,
    rules: Rules | None = None,
    history: History | None = None,
    sample: int | None = None,
) -> Estimator:
    """Ready to take requests. `rules`: the settings that make batches smaller than providers allow.

    `sample`: see `lanewise.tokens.Estimator`; `SAMPLE` keeps a run of a million requests quick.
    """
    kept = rules or Rules()

    def place(provider: str, endpoint: str) -> Place:
        limits: Limits = narrowed(registry.limits(provider, endpoint), kept)
        frame = dialects.frame(provider, endpoint)
        around = len(frame.head) + len("lw--") + ID_LENGTH + len(frame.middle) + len(frame.tail)
        return Place(
            limits, around, registry.one_model_a_batch(provider), registry.lanes(provider, endpoint)
        )

    return Estimator(book, at, place, history=history, sample=sample)
