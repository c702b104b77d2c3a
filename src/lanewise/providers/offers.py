"""The lanes of each provider as data, with sources: what cancelling keeps, how long it takes, on which terms.

Providers without an adapter are here too: policy is tested against their rules, and an adapter that comes
later finds its facts. Source of all of it: the providers' documentation and official SDKs, 23 November 2026.
"""

from __future__ import annotations

from typing import Final

from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    HELD,
    REALTIME,
    LaneName,
    Offer,
    Terms,
)

_NOT_ZDR: Final = frozenset({Terms.ANY, Terms.EU})
_ANY: Final = frozenset({Terms.ANY})
_NOT_EU: Final = frozenset({Terms.ANY, Terms.ZDR})  # no EU region of its own API is known
_MINUTES: Final = 60.0
_HOURS: Final = 3_600.0


def _call(
    provider: str,
    lane: LaneName,
    *,
    may_refuse: bool = False,
    terms: frozenset[Terms] = frozenset(Terms),
    source: str,
) -> Offer:
    return Offer(
        provider, lane, None, one_by_one=True, may_refuse=may_refuse, terms=terms, source=source
    )


OFFERS: Final = (
    _call("openai", REALTIME, source="API reference"),
    _call("openai", FLEX, may_refuse=True, source="flex guide: 429 without capacity, not charged"),
    _call("openai", HELD, source="real time, sent at the hour that policy names"),
    Offer(
        "openai",
        BACKGROUND_2H,
        2 * _HOURS,
        one_by_one=True,
        cancellable=True,
        cancel_seconds=10.0,
        terms=_ANY,  # needs storage, and is barred in the EU region
        source="background guide; your-data guide",
    ),
    Offer(
        "openai",
        BACKGROUND_8H,
        8 * _HOURS,
        one_by_one=True,
        cancellable=True,
        cancel_seconds=10.0,
        terms=_ANY,
        source="background guide; your-data guide",
    ),
    Offer(
        "openai",
        BATCH,
        24 * _HOURS,
        one_by_one=False,
        cancellable=True,
        cancel_seconds=10 * _MINUTES,
        partial_on_cancel=True,
        partial_on_expiry=True,
        terms=_NOT_ZDR,
        source="batch guide: cancelling takes up to 10 minutes; your-data guide",
    ),
    _call(
        "anthropic", REALTIME, terms=_NOT_EU, source="API reference; inference_geo: us or global"
    ),
    _call("anthropic", HELD, terms=_NOT_EU, source="real time, sent at the hour that policy names"),
    Offer(
        "anthropic",
        BATCH,
        24 * _HOURS,
        one_by_one=False,
        cancellable=True,
        cancel_seconds=5 * _MINUTES,  # [assumed: no bound is documented]
        partial_on_cancel=True,
        partial_on_expiry=True,
        terms=_ANY,  # not for zero data retention; no EU region of its own
        source="message batches guide: results for each item, also after cancelling",
    ),
    _call("gemini", REALTIME, terms=_NOT_EU, source="API reference"),
    _call(
        "gemini",
        FLEX,
        may_refuse=True,
        terms=_NOT_EU,
        source="optimization guide: 1 to 15 minutes, sheddable",
    ),
    Offer(
        "gemini",
        BATCH,
        48 * _HOURS,
        one_by_one=False,
        cancellable=True,
        cancel_seconds=5 * _MINUTES,
        terms=_ANY,
        source="batch guide: 24 h target; expired after 48 h it returns nothing",
    ),
    _call("azure", REALTIME, source="API reference"),
    _call("azure", FLEX, may_refuse=True, source="flex guide, preview"),
    Offer(
        "azure",
        BATCH,
        None,
        one_by_one=False,
        cancellable=True,
        cancel_seconds=10 * _MINUTES,
        partial_on_cancel=True,
        terms=_NOT_ZDR,
        source="batch how-to: 24 h target, never expires; cancelling returns finished work",
    ),
    _call("bedrock", REALTIME, source="API reference"),
    Offer(
        "bedrock",
        BATCH,
        24 * _HOURS,
        one_by_one=False,
        cancellable=True,
        cancel_seconds=10 * _MINUTES,
        partial_on_cancel=True,
        partial_on_expiry=True,
        terms=_NOT_ZDR,
        floor=100,
        source="batch inference quotas: at least 100 records",
    ),
)
_BY_LANE: Final = {(offer.provider, offer.lane): offer for offer in OFFERS}


def offer(provider: str, lane: LaneName) -> Offer | None:
    """The lane as this provider sells it; None where it does not."""
    return _BY_LANE.get((provider, lane))


def offers(provider: str) -> tuple[Offer, ...]:
    """Every lane of a provider, the quickest first."""
    return tuple(found for found in OFFERS if found.provider == provider)


def least_batch(provider: str) -> int:
    """The least requests that this provider takes in a batch."""
    found = offer(provider, BATCH)
    return 1 if found is None else found.floor
