"""How long batches take: three profiles from recorded and claimed completion times, and two for tests.

Assumed, not measured: no provider publishes a distribution. `fast` is lognormal with a median of 60 s
and 90 % within 7 min; `typical` ends 70 % within an hour, 20 % in 1 to 4 h, 9 % in 4 to 24 h and lets
1 % expire; on a `bad-day` half expire and the others are stuck for hours.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from lanewise.sandbox.config import SandboxConfig

HOUR: Final = 3_600.0
_FAST_SIGMA: Final = math.log(7) / 1.2816  # the 90th percentile is seven times the median
_VALIDATION: Final = {"instant": 0.0, "fast": 20.0, "typical": 62.0, "bad-day": 120.0}


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from creation to each point; `expires` where the window closes first."""

    validated: float
    finalizing: float
    ended: float
    expires: bool
    done: float  # share answered when it expires


def draw(config: SandboxConfig, seed: str) -> Timing:
    """The timing of one batch; the same seed gives the same."""
    rng = random.Random(f"{config.seed}:{seed}")
    total, share = _total(config, rng)
    expires = total >= config.window_seconds
    ended = min(total, config.window_seconds)
    validated = _VALIDATION[config.profile] if config.batch_seconds is None else 0.0
    if config.validation_seconds is not None:
        validated = config.validation_seconds
    validated = min(validated, ended / 3)
    finalizing = ended - min(5.0, (ended - validated) / 10)
    return Timing(validated, finalizing, ended, expires, share)


def _total(config: SandboxConfig, rng: random.Random) -> tuple[float, float]:
    """Seconds until it would end, and the share done if it expires before."""
    if config.batch_seconds is not None:
        return config.batch_seconds, 1.0
    if config.profile == "instant":
        return 0.0, 1.0
    if config.profile == "fast":
        return 60.0 * math.exp(rng.gauss(0.0, _FAST_SIGMA)), 1.0
    if config.profile == "typical":
        return _typical(rng)
    if rng.random() < 0.5:
        return config.window_seconds, rng.uniform(0.1, 0.9)
    return rng.uniform(5.0, 20.0) * HOUR, 1.0


def _typical(rng: random.Random) -> tuple[float, float]:
    part = rng.random()
    if part < 0.70:
        return min(420.0 * math.exp(rng.gauss(0.0, 1.0)), HOUR), 1.0
    if part < 0.90:
        return rng.uniform(1.0, 4.0) * HOUR, 1.0
    if part < 0.99:
        return rng.uniform(4.0, 23.9) * HOUR, 1.0
    return 24.0 * HOUR, rng.uniform(0.3, 0.95)
