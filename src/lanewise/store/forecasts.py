"""What forecasts are learned from: how long batches took, or for how long they were seen alive."""

from __future__ import annotations

from dataclasses import dataclass

from lanewise.domain.lanes import LaneName


@dataclass(frozen=True, slots=True)
class Duration:
    """A batch that a provider took on."""

    provider: str
    base_url: str  # of the account: the built-in sandbox's times are nobody else's
    lane: LaneName
    model: str  # "" where the provider takes several in a batch
    requests: int
    started_at: float  # when its create call was sent; seconds since the epoch
    seconds: float  # until the provider was done with it, or until it was last known to be alive
    finished: bool  # False: still running, cancelled or expired
