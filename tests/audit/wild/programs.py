"""Workflows for whose answers nobody waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from .calls import (
    DAY,
    HOUR,
    START,
    Call,
    Calls,
    Kind,
    awake,
    call,
    every,
    flat,
    pool,
    spoilt,
    who,
    worldwide,
)

D = random.Random


def each(
    dice: D, times: Iterable[float], input_: float, output: float, *, labels: str = "",
    users: int = 0, form: str = "u-{:05x}", named: Callable[[int], dict[str, Any]] = lambda _: {},
    **more: Any,
) -> Calls:  # fmt: skip
    """One for each event; `labels` are the answers that there are, a letter each."""
    for n, at in enumerate(times):
        own = {"user": who(dice, users, form)} if users else {}
        own |= {"answer": dice.choice(labels)} if labels else {}
        one = call(dice, at, input_, output, **(more | own | named(n)))
        yield replace(one, output=dice.randint(1, 3)) if labels else one


def runs(
    dice: D, starts: Iterable[float], size: int, input_: float, output: float, *, workers: int = 8,
    same: bool = False, one_session: bool = False, **more: Any,
) -> Calls:  # fmt: skip
    """Many, whenever one begins; `same`: the same prompts each time."""
    for begin in starts:
        count = iter(range(10_000))

        def make(at: float, count: Iterable[int] = count) -> Call:
            n = next(iter(count))
            own = {"prompt": f"case {n}"} if same else {}
            own |= {"session": "nightly"} if one_session else {}
            return call(dice, at, input_, output, **(more | own))

        yield from pool(dice, begin, max(round(size * dice.uniform(0.7, 1.3)), 2), workers, make)


def pushes(dice: D, a_day: int) -> Iterable[float]:
    """Whenever somebody changes something, by day."""
    return awake(dice, a_day, peak=14, weekend=0)


def once(day: float) -> list[float]:
    """Begun by hand."""
    return [START + day * DAY + 10 * HOUR]


EMBED: Final = {"model": "text-embedding-3-large"}
BACKGROUND: Final = (
    Kind("crm_enrichment", False, lambda d: runs(
        d, every(24, at=22, late=40, dice=d), 40, 1_100, 150, user="svc-crm", key="crm")),
    Kind("profile_enrichment", False, lambda d: each(
        d, awake(d, 40, peak=15), 800, 130, user="svc-profiles")),
    Kind("ticket_summaries", False, lambda d: each(
        d, awake(d, 45, peak=16), 2_600, 140, user="svc-helpdesk", key="helpdesk")),
    Kind("ticket-summary", False, lambda d: each(d, awake(d, 50, peak=10), 2_200, 120, users=400)),
    Kind("telemetry_labels", False, lambda d: each(
        d, flat(d, 50), 350, 2, labels="ewis", user="telemetry-worker")),
    Kind("log_labelling", False, lambda d: runs(
        d, every(1 / 12, late=8, dice=d), 2, 300, 4, workers=2, key="observability")),
    Kind("doc_indexing", False, lambda d: runs(d, pushes(d, 8), 12, 600, 0, user="svc-docs", **EMBED)),
    Kind("kb_indexing", False, lambda d: each(d, awake(d, 60, peak=12), 500, 0, users=60, **EMBED)),
    Kind("moderation", False, lambda d: each(
        d, awake(d, 55, peak=20, weekend=1.2), 260, 2, labels="aarb", users=600)),
    Kind("upload_moderation", False, lambda d: each(
        d, worldwide(d, 50), 420, 3, labels="aarb", user="svc-trust")),
    Kind("lead_scoring", False, lambda d: runs(
        d, every(1, at=0.2, dice=d), 3, 700, 4, workers=1, user="crm-sync-job")),
    Kind("lead-score", False, lambda d: each(
        d, awake(d, 40, peak=17), 900, 5, user="svc-forms", key="marketing")),
    Kind("nightly_eval", False, lambda d: runs(
        d, every(24, at=1.5, late=60, dice=d), 40, 900, 200, workers=4, same=True, user="ci", stream=True)),
    Kind("ci_evals", False, lambda d: runs(d, pushes(d, 2), 30, 700, 90, workers=12, same=True, key="ci")),
    Kind("backfill_2024", False, lambda d: runs(
        d, once(6.2), 500, 1_000, 110, workers=20, user="svc-migration")),
    Kind("weekend_backfill", False, lambda d: runs(d, once(2.1), 500, 800, 60, workers=3, key="data-eng")),
    Kind("index_refresh", False, lambda d: runs(
        d, every(6, at=0.1, late=20, dice=d), 12, 550, 0, user="svc-search", **EMBED)),
    # kept apart until signs were first chosen
    Kind("lead_enrichment", False, lambda d: runs(
        d, every(24, at=6.2, late=600, dice=d), 40, 1_000, 120, workers=1, user="queue-worker"), kept=True),
    Kind("company_enrich", False, lambda d: runs(
        d, every(2, late=400, dice=d), 5, 900, 140, workers=2, key="data-pipeline"), kept=True),
    Kind("account_enrichment", False, lambda d: each(d, flat(d, 45), 1_200, 160, users=300), kept=True),
    Kind("case_summaries", False, lambda d: each(
        d, awake(d, 45, peak=13), 3_000, 170, users=12, form="rep{}",
        named=lambda n: {"session": f"case-{n}"}),
        kept=True),
    Kind("call_summaries", False, lambda d: runs(
        d, every(1, at=0.5, late=30, dice=d), 3, 5_000, 200, key="voice"), kept=True),
    Kind("conversation_summaries", False, lambda d: each(
        d, worldwide(d, 50), 2_500, 150, key="cx"), kept=True),
    Kind("event_tagging", False, lambda d: each(
        d, flat(d, 60), 250, 3, labels="abcde", users=500, form="dev-{:x}"), kept=True),
    Kind("telemetry_anomaly_labels", False, lambda d: runs(
        d, sorted(flat(d, 2)), 15, 300, 3, workers=10, key="sre"), kept=True),
    Kind("contextual_chunk_indexing", False, lambda d: runs(
        d, pushes(d, 4), 25, 3_500, 80, workers=5, user="svc-rag", model="gpt-5-nano"), kept=True),
    Kind("crawl_indexing", False, lambda d: runs(
        d, every(24, at=2, late=900, dice=d), 50, 700, 0, workers=1, **EMBED), kept=True),
    Kind("image_moderation", False, lambda d: each(d, worldwide(d, 60), 900, 4, users=900), kept=True),
    Kind("comment_moderation", False, lambda d: spoilt(d, each(
        d, awake(d, 50, peak=19, weekend=1.3), 240, 2, labels="aab", key="community"), 0.15), kept=True),
    Kind("review_moderation_sweep", False, lambda d: runs(
        d, every(0.25, late=10, dice=d), 2, 300, 4, workers=1, user="svc-reviews"), kept=True),
    Kind("lead_scores_weekly", False, lambda d: runs(
        d, every(84, at=5, dice=d), 90, 600, 5, workers=10, user="airflow"), kept=True),
    Kind("scoring_nightly", False, lambda d: runs(
        d, every(24, at=23, late=120, dice=d), 30, 700, 30, stream=True, key="growth"), kept=True),
    Kind("prompt_eval", False, lambda d: runs(
        d, pushes(d, 2), 40, 900, 250, workers=16, stream=True, user="ana"), kept=True),
    Kind("regression_eval", False, lambda d: runs(
        d, every(24, at=4, dice=d), 35, 1_100, 180, workers=1, one_session=True, same=True), kept=True),
    Kind("backfill_tags", False, lambda d: runs(
        d, once(1.5), 700, 500, 20, workers=1, key="scripts"), kept=True),
    Kind("history_backfill", False, lambda d: each(
        d, (START + 5 * DAY + n * 1.3 for n in range(600)), 900, 90, users=300), kept=True),
    Kind("embedding_backfill", False, lambda d: spoilt(d, runs(
        d, once(7.3), 500, 480, 0, workers=12, user="svc-migration", **EMBED), 0.1), kept=True),
    Kind("catalog_refresh", False, lambda d: runs(
        d, every(24, at=5, late=1_200, dice=d), 45, 900, 70, workers=6, key="catalog"), kept=True),
    Kind("reindex_on_deploy", False, lambda d: runs(
        d, pushes(d, 2), 40, 450, 0, workers=4, key="deploy", **EMBED),
        kept=True),
)  # fmt: skip
