"""What the real-time lane of a model can do, as far as is known: from limits that answers stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lanewise.policy.rescuing import Drain, Load

SHARE: Final = 0.8  # of a limit that is counted on: others use the account too
# Without a stated limit, the least that a paying account has [OpenAI's lowest paid tier, 2026].
ASSUMED_REQUESTS: Final = 500
ASSUMED_TOKENS: Final = 200_000
CALL_SECONDS: Final = 30.0  # one call at a high quantile [assumed]
_TOKEN_LIMITS: Final = ("tokens_per_minute", "input_tokens_per_minute")


def drain(
    learned: Mapping[tuple[str, str], int], model: str, committed: Sequence[Load] = ()
) -> Drain:
    """What may be sent in a second. `learned`: (model, name) -> value, as the store keeps it."""
    requests = learned.get((model, "requests_per_minute"), ASSUMED_REQUESTS)
    tokens = token_limit(learned, model) or ASSUMED_TOKENS
    return Drain(
        requests_per_second=requests * SHARE / 60.0,
        tokens_per_second=tokens * SHARE / 60.0,
        call_seconds=CALL_SECONDS,
        committed=tuple(committed),
    )


def token_limit(learned: Mapping[tuple[str, str], int], model: str) -> int | None:
    """Tokens a minute that answers stated: no larger request can be answered; None where none did."""
    stated = (learned[model, name] for name in _TOKEN_LIMITS if (model, name) in learned)
    return min(stated, default=None)


def is_measured(learned: Mapping[tuple[str, str], int], model: str) -> bool:
    """Whether any limit of a model was ever stated to us."""
    return any((model, name) in learned for name in ("requests_per_minute", *_TOKEN_LIMITS))
