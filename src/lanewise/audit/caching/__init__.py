"""The cache lever: what repeats as a prefix, what a provider lets be read of it, and what that would save.

    replay = Replay(rates)
    for prompt in settled(prompts):  # in the order of time
        replay.add(prompt)
    found = lines(replay.sums, rates)  # by workflow and model; `whole(found)` is their sum

docs/explanation/cache-replay.md says what each figure means.
"""

from lanewise.audit.caching.figures import Line, Plan, Whole, lines, whole
from lanewise.audit.caching.ordering import regrouped
from lanewise.audit.caching.prompts import Prompt, in_order, settled
from lanewise.audit.caching.replaying import Replay
from lanewise.audit.caching.sampling import Interval, interval, ratio, replayed
from lanewise.audit.caching.sums import RatesOf, repeated, tokens, total

__all__ = [
    "Interval",
    "Line",
    "Plan",
    "Prompt",
    "RatesOf",
    "Replay",
    "Whole",
    "in_order",
    "interval",
    "lines",
    "ratio",
    "regrouped",
    "repeated",
    "replayed",
    "settled",
    "tokens",
    "total",
    "whole",
]
