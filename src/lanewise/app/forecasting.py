"""When work will be done: the completion model over what this home has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lanewise.app.accounts import SANDBOX
from lanewise.domain.lanes import HELD, LaneName, Offer
from lanewise.domain.packing import PackingKey
from lanewise.errors import BadInput
from lanewise.policy.completion import HALF_LIFE, Completion, Observation
from lanewise.policy.outlook import Curve
from lanewise.providers import registry
from lanewise.providers.offers import offers
from lanewise.store.forecasts import Duration
from lanewise.store.protocol import Store

LEARN_FROM: Final = 10_000  # batches, the newest
_LEARN_SINCE: Final = 8 * HALF_LIFE  # seconds: what is older weighs less than a two-hundredth

TIMES: Final = (900.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0)  # seconds
CHANCES: Final = (0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Forecast:
    """When `requests` sent at `at` in one lane will be done; `curve` is that of one batch of them."""

    provider: str
    model: str
    offer: Offer
    requests: int
    batches: int | None  # as many as they fill at the least; None where each is sent by itself
    at: float  # seconds since the epoch
    curve: Curve

    def as_json(self) -> dict[str, Any]:
        """For programs; seconds and shares, None for a share that is never reached."""
        return {
            "provider": self.provider,
            "model": self.model,
            "lane": self.offer.lane,
            "requests": self.requests,
            "batches": self.batches,
            "at": self.at,
            "basis": self.curve.basis,
            "own_finished": self.curve.sample.finished,
            "own_censored": self.curve.sample.censored,
            "prior_share": self.curve.assumed,
            "done_within": [
                {"seconds": seconds, "chance": self.curve.done_within(seconds)} for seconds in TIMES
            ],
            "quantiles": [
                {"chance": chance, "seconds": self.curve.quantile(chance)} for chance in CHANCES
            ],
        }


def completion(store: Store, now: float) -> Completion:
    """The model over the own batches of the last months, as they stand at `now`."""
    return Completion((_observation(one) for one in durations(store, now)), now)


def durations(store: Store, now: float) -> list[Duration]:
    """How long the own batches of the last months took, as they stand at `now`."""
    return store.durations(since=now - _LEARN_SINCE, now=now, limit=LEARN_FROM)


def forecast(
    known: Completion,
    provider: str,
    model: str,
    requests: int,
    *,
    lane: LaneName,
    at: float,
    most: int | None = None,
) -> Forecast:
    """The forecast for one lane of a provider, or of the built-in sandbox.

    `most`: requests in a batch, where settings allow fewer than the provider.

    Raises `BadInput` for fewer than one request, no model, and a lane that the provider does not sell.

    >>> from lanewise.domain.lanes import BATCH
    >>> found = forecast(
    ...     Completion([], now=0.0), "openai", "gpt-4o-mini", 120_000, lane=BATCH, at=0.0
    ... )
    >>> found.batches, found.curve.basis
    (3, 'prior (assumed)')
    """
    if requests < 1:
        raise BadInput(f"a forecast is for at least 1 request, not {requests:,}")
    if not model.strip():
        raise BadInput("a forecast is for one model; --model takes its name, such as gpt-5-mini")
    offer = next((sold for sold in sold_by(provider) if sold.lane == lane), None)
    if offer is None:
        lanes = ", ".join(sold.lane for sold in sold_by(provider))
        raise BadInput(f"{provider} does not sell the lane {lane!r}; it sells {lanes}")
    limit = _limit(provider)
    batches = None if offer.one_by_one else -(-requests // min(limit, most or limit))
    each = 1 if batches is None else -(-requests // batches)
    curve = known.curve(provider, lane, model_seen(provider, model), each, at)
    return Forecast(provider, model, offer, requests, batches, at, curve)


def curve_of(known: Completion, key: PackingKey, lane: LaneName, requests: int, at: float) -> Curve:
    """The curve of a batch of an account, or of one request in a lane that takes them one by one."""
    provider = SANDBOX if key.account.endswith(f"-{SANDBOX}") else key.provider
    return known.curve(provider, lane, model_seen(key.provider, key.model), requests, at)


def sold_by(provider: str) -> tuple[Offer, ...]:
    """The lanes to forecast, the quickest first; a held request is one of real time, begun later."""
    return tuple(offer for offer in offers(_dialect(provider)) if offer.lane != HELD)


def model_seen(provider: str, model: str) -> str:
    """The model by which batches of this provider are told apart: none, where a batch holds several."""
    return model if registry.one_model_a_batch(_dialect(provider)) else ""


def _dialect(provider: str) -> str:
    return "openai" if provider == SANDBOX else provider


def _limit(provider: str) -> int:
    return registry.limits(_dialect(provider), "/v1/chat/completions").batch_requests


def _observation(seen: Duration) -> Observation:
    provider = SANDBOX if seen.base_url == SANDBOX else seen.provider
    return Observation(
        provider,
        seen.lane,
        seen.model,
        seen.requests,
        seen.started_at,
        seen.seconds,
        seen.finished,
    )
