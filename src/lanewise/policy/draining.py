"""What the real-time lane of a model can do: by limits that answers stated, and how long its calls took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final, TypeAlias

from lanewise.domain.allowances import Measure
from lanewise.policy.pacing import MOST_IN_FLIGHT
from lanewise.policy.rescuing import Drain, Load

SHARE: Final = 0.8  # of a limit that is counted on: others use the account too
# Without a stated limit, the least that a paying account has [OpenAI's lowest paid tier, 2026].
ASSUMED_REQUESTS: Final = 500
ASSUMED_TOKENS: Final = 200_000
CALL_SECONDS: Final = 30.0  # one call at a high quantile, at the least [assumed]
_UNTIMED_SLOW, _UNTIMED_MEAN = (
    60.0,
    30.0,
)  # where no call was timed: long answers, much reasoning [assumed]
# How calls in real time went, as the store keeps it: milliseconds, and tokens of an answer.
CALL_MEAN, CALL_SLOW, ANSWER_TOKENS = "call_mean_ms", "call_slow_ms", "answer_tokens"
ASSUMED_ANSWER: Final = 300
_HIGH: Final = 0.99
PLACES: Final = MOST_IN_FLIGHT // 2  # calls in flight; flex may hold the others
_REQUEST_LIMIT: Final = "requests_per_minute"
_TOKEN_LIMITS: Final = ("tokens_per_minute", "input_tokens_per_minute")
_OUTPUT_LIMIT: Final = "output_tokens_per_minute"


def limit_name(measure: Measure) -> str:
    """What a stated limit is learned as.

    >>> limit_name(Measure.REQUESTS)
    'requests_per_minute'
    """
    return f"{measure}_per_minute"


Learned: TypeAlias = Mapping[tuple[str, str], int]  # (model, name) -> value, as the store keeps it


def drain(
    learned: Learned, model: str, committed: Sequence[Load] = (), share: float = SHARE
) -> Drain:
    """What may be sent in a second.

    `model`: "" where batches hold several; then the tightest of the account's limits are reckoned with.
    `share`: of the limits, as refusals leave it. Slow calls drain less than limits allow, for only so many
    are in flight at once.
    """
    share = min(share, SHARE)
    mean, slow = _call_seconds(learned, model)
    tokens = token_limit(learned, model) or ASSUMED_TOKENS
    return Drain(
        requests_per_second=min(stated_a_second(learned, model, share), PLACES / mean),
        tokens_per_second=tokens * share / 60.0,
        call_seconds=max(slow, CALL_SECONDS),
        committed=tuple(committed),
    )


def _call_seconds(learned: Learned, model: str) -> tuple[float, float]:
    """The mean, and a high quantile."""
    if not is_timed(learned, model):
        return _UNTIMED_MEAN, _UNTIMED_SLOW
    mean, slow = (max(_values(learned, model, name), default=0) for name in (CALL_MEAN, CALL_SLOW))
    return mean / 1_000.0, slow / 1_000.0


def stated_a_second(learned: Learned, model: str, share: float = SHARE) -> float:
    """Requests that limits allow in a second: where the tokens of answers are limited, by their length."""
    requests: float = min(_values(learned, model, _REQUEST_LIMIT), default=ASSUMED_REQUESTS)
    for output in _values(learned, model, _OUTPUT_LIMIT):
        answer = max(_values(learned, model, ANSWER_TOKENS), default=ASSUMED_ANSWER)
        requests = min(requests, output / answer)
    return requests * share / 60.0


def token_limit(learned: Learned, model: str) -> int | None:
    """Tokens a minute that answers stated; None where none did."""
    return min(_values(learned, model, *_TOKEN_LIMITS), default=None)


def largest_request(learned: Learned, model: str) -> int | None:
    """Tokens of the largest request that real time can ever take; None where no limit was stated."""
    return max(_values(learned, model, *_TOKEN_LIMITS), default=None)


def is_measured(learned: Learned, model: str) -> bool:
    """Whether any limit of a model was ever stated to us."""
    names = (_REQUEST_LIMIT, *_TOKEN_LIMITS, _OUTPUT_LIMIT)
    return bool(_values(learned, model, *names))


def is_timed(learned: Learned, model: str) -> bool:
    """Whether any call in real time was ever timed."""
    return bool(_values(learned, model, CALL_MEAN))


def _values(learned: Learned, model: str, *names: str) -> list[int]:
    """What is known by these names of a model; of every model for ""."""
    if model:
        return [learned[model, name] for name in names if (model, name) in learned]
    return [value for (_, name), value in learned.items() if name in names]


def call_times(seconds: Sequence[float]) -> dict[str, int]:
    """What is learned of calls that took so long: the mean and a high quantile, in milliseconds.

    >>> call_times([1.0] * 98 + [60.0] * 2)
    {'call_mean_ms': 2180, 'call_slow_ms': 60000}
    """
    slow = sorted(seconds)[min(int(len(seconds) * _HIGH), len(seconds) - 1)]
    found = {CALL_MEAN: fmean(seconds), CALL_SLOW: slow}
    return {name: max(round(took * 1_000.0), 1) for name, took in found.items()}
