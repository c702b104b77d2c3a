"""How long to wait before the next try, poll or look. All times in seconds."""

from __future__ import annotations

from typing import Final

FIRST_POLL: Final = 1.0
LONGEST_POLL: Final = 60.0
LONGEST_BACKOFF: Final = 300.0


def next_poll(age: float, *, fixed: float | None = None, retry_after: float | None = None) -> float:
    """Seconds until the next poll of a batch that was submitted `age` seconds ago.

    A tenth of its age, between a second and a minute: a batch that takes minutes is seen done soon
    after it is, one that takes hours costs one call a minute. The provider's own wish is a floor, a
    fixed interval set by the user overrules both.

    >>> [next_poll(age) for age in (0, 100, 3600)]
    [1.0, 10.0, 60.0]
    >>> next_poll(0, retry_after=10.0)
    10.0
    """
    if fixed is not None:
        return fixed
    return max(min(max(age / 10, FIRST_POLL), LONGEST_POLL), retry_after or 0.0)


def backoff(
    troubles: int, *, first: float = 1.0, retry_after: float | None = None, noise: float = 0.5
) -> float:
    """Seconds to wait after `troubles` failures in a row (the first is 1).

    Doubling from `first` up to five minutes, spread by `noise` (0 to 1) so that many batches do not
    come back together; never sooner than the provider asked for.

    >>> [backoff(n) for n in (1, 2, 3)]
    [1.0, 2.0, 4.0]
    >>> backoff(1, retry_after=30.0)
    30.0
    """
    doubled = first * 2.0 ** min(max(troubles - 1, 0), 16)
    spread = min(doubled, LONGEST_BACKOFF) * (0.75 + noise / 2)
    return max(spread, retry_after or 0.0)
