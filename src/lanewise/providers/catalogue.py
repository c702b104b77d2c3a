"""What each provider offers and limits, as data with sources: for `lanewise providers` and the docs."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from lanewise.domain.lanes import Offer, Terms
from lanewise.domain.packing import Limits
from lanewise.providers import anthropic, openai
from lanewise.providers.dialects import ANTHROPIC_ENDPOINT, OPENAI_ENDPOINTS
from lanewise.providers.offers import offers


class Entry(NamedTuple):
    """One provider's batch lane."""

    provider: str
    endpoints: tuple[str, ...]
    limits: Limits
    window: str
    models_in_a_batch: str
    tag: str
    after_a_lost_answer: str
    partial_results: str
    source: str


ENTRIES: Final = (
    Entry(
        "openai",
        OPENAI_ENDPOINTS,
        openai.limits("/v1/embeddings"),
        "24 h",
        "one",
        "metadata on the batch",
        "found in the listing by our tag or the input file: certain",
        "kept and charged, on expiry and cancellation",
        "OpenAI API reference and SDK 3.54, 23 November 2026",
    ),
    Entry(
        "anthropic",
        (ANTHROPIC_ENDPOINT,),
        anthropic.LIMITS,
        "24 h",
        "any",
        "none",
        "found by time and count, proved by the ids in its results",
        "kept and charged, on expiry and cancellation",
        "Anthropic API reference and SDK 2.12, 23 November 2026",
    ),
)


def rows(entry: Entry) -> list[tuple[str, str]]:
    """Label and value of everything about one provider."""
    limits = entry.limits
    hourly, inputs = limits.creations_per_hour, limits.embedding_inputs
    return [
        ("endpoints", ", ".join(entry.endpoints)),
        ("window", entry.window),
        ("requests in a batch", f"{limits.batch_requests:,}"),
        ("bytes in a batch", f"{limits.batch_bytes:,}"),
        ("bytes in a request", f"{limits.line_bytes:,}"),
        ("embedding inputs in a batch", "-" if inputs is None else f"{inputs:,}"),
        ("batches created in an hour", "-" if hourly is None else f"{hourly:,}"),
        ("models in a batch", entry.models_in_a_batch),
        ("results kept", f"{limits.result_days} days"),
        ("our tag", entry.tag),
        ("after a lost answer", entry.after_a_lost_answer),
        ("partial results", entry.partial_results),
        ("source", entry.source),
    ]


def lanes(provider: str) -> list[tuple[str, str]]:
    """Each lane of a provider, and what rescue and data terms go by."""
    return [(offer.lane, _facts(offer)) for offer in offers(provider)]


def _facts(offer: Offer) -> str:
    window = offer.window_seconds
    facts = ["answers on the connection" if window is None else f"{window / 3_600:g} h"]
    facts += ["may refuse, uncharged"] * offer.may_refuse
    if offer.cancellable:
        took = f"cancelling takes up to {offer.cancel_seconds / 60:.2g} min"
        facts.append(
            took if offer.partial_on_cancel or offer.one_by_one else f"{took}, keeps nothing"
        )
    facts += [f"not under {terms} terms" for terms in Terms if terms not in offer.terms]
    return "; ".join(facts)


def as_text() -> str:
    """For people."""
    parts = []
    for entry in ENTRIES:
        lines = [f"  {label:<28}{value}" for label, value in rows(entry)]
        parts.append("\n".join([f"{entry.provider}, batch lane", *lines]))
        sold = [f"  {lane:<28}{facts}" for lane, facts in lanes(entry.provider)]
        parts.append("\n".join([f"{entry.provider}, every lane", *sold]))
    return "\n\n".join(parts)


def as_json() -> list[dict[str, Any]]:
    """For programs."""
    return [
        {"provider": entry.provider, **dict(rows(entry)), "lanes": dict(lanes(entry.provider))}
        for entry in ENTRIES
    ]
