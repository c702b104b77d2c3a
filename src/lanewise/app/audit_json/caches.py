"""What a replay of prompt caches found, as fields of `--json`."""

from __future__ import annotations

from typing import Any

from lanewise.app.audit_json.figures import range_json
from lanewise.audit.caching import Interval, Line, Plan
from lanewise.audit.estimating import Estimated
from lanewise.audit.levers import Cached, Caches, Replayed, Sample
from lanewise.audit.levers.caches import finding


def caches_json(replayed: Replayed) -> dict[str, Any] | None:
    """Shares are of the input tokens that were replayed, money in USD of the whole log."""
    if replayed.caches is None:
        return None
    found = replayed.caches
    return {
        **_sampled(replayed.sample),
        "input_tokens": found.whole.input,
        "repeated_share": _shares(found.whole.repeated, found.whole.input),
        "repeated_share_interval": {
            f"{window:.0f}": _interval(one) for window, one in found.intervals.items()
        },
        "usable_share": _share(found.whole.usable, found.whole.input),
        "cached_share": None if found.cached is None else _share(found.cached, found.whole.input),
        "sorted_usable_share": (
            None if found.sorted is None else _share(found.sorted, found.whole.input)
        ),
        "not_sorted": found.not_sorted,
        "lines": [_line(one) for one in found.lines],
        "findings": _findings(found),
    }


def estimated_json(one: Estimated) -> dict[str, Any]:
    """Which tokens are worked out, and from what."""
    return {
        "model": one.model,
        "requests": one.requests,
        "bytes_a_token": round(one.bytes_a_token, 4),
        "prompts_counted": one.counted,
        "method": one.method,
    }


def _sampled(sample: Sample) -> dict[str, Any]:
    return {
        "requests_replayed": sample.requests,
        "of_requests": sample.of,
        "stretches": sample.stretches,
        "warmed_seconds": None if sample.stretches is None else round(sample.warmed, 3),
        "paced_per_second": None if sample.timeless else sample.paced,
        "as_if_sent_at_once": sample.timeless,
        "block_tokens": sample.prompts.block,
        "files_not_read_again": list(sample.prompts.missing),
    }


def _line(one: Cached) -> dict[str, Any]:
    line = one.line
    return {
        "workflow": line.workflow,
        "provider": line.provider or None,
        "model": line.model or None,
        "requests": line.requests,
        "input_tokens": line.input,
        "input_tokens_of_log": one.spent.input,
        "repeated_share": _shares(line.repeated, line.input),
        "usable_share": _share(line.usable, line.input),
        "usable_share_interval": None if one.usable is None else _interval(one.usable),
        "cached_share": None if line.cached is None else _share(line.cached, line.input),
        "best_life": line.best.life if line.best else None,
        "saves_more_usd": range_json(one.money),
        "plans": [_plan(plan) for plan in line.plans],
        "sorted_usable_share": _sorted(one.sorted),
        "sorted_saves_more_usd": range_json(one.adds),
        "rests_on": list(line.rests_on),
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "life": plan.life,
        "read_tokens": plan.read,
        "written_tokens": {"low": plan.written_shared, "high": plan.written_whole},
        "saves_usd": None if plan.saves is None else range_json(plan.saves),
    }


def _findings(found: Caches) -> list[str]:
    return [said for one in found.lines if (said := finding(one)) is not None]


def _sorted(line: Line | None) -> float | None:
    return None if line is None else _share(line.usable, line.input)


def _shares(repeated: dict[float, int], input_: int) -> dict[str, float]:
    return {f"{window:.0f}": _share(tokens, input_) for window, tokens in repeated.items()}


def _share(tokens: int, input_: int) -> float:
    return round(tokens / input_, 4) if input_ else 0.0


def _interval(one: Interval) -> dict[str, float]:
    return {"low": round(one.low, 4), "high": round(one.high, 4), "level": one.level}
