"""What `lanewise audit --json` says: money in USD as exact decimal numbers, ranges as low and high."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lanewise.app.audit_json.caches import caches_json, estimated_json
from lanewise.app.audit_json.levers import found_json, together_json
from lanewise.app.audit_json.times import over_time_json
from lanewise.app.auditing import Audit
from lanewise.app.receipt import usd
from lanewise.audit.logs.importing import Read
from lanewise.audit.sums import Group


def as_json(audit: Audit) -> dict[str, Any]:
    """Every figure, with what it rests on."""
    return {
        "files": [_file(one) for one in audit.imported.read],
        "not_read": [{"file": one.file, "why": one.why} for one in audit.imported.unread],
        "rows": audit.imported.rows,
        "aggregate_rows": audit.sums.aggregates,
        "unreadable_lines": audit.imported.broken,
        "total": _group(audit.sums.total),
        "groups": [_group(group) for group in audit.sums.groups],
        "groups_found": audit.sums.count,
        "coverage": {name: round(share, 4) for name, share in audit.sums.coverage.items()},
        "cannot_be_said": list(audit.sums.missing),
        **found_json(audit.found),
        "tokens_estimated": [estimated_json(one) for one in audit.estimated],
        "caches": None if audit.replayed is None else caches_json(audit.replayed),
        "together": None if audit.replayed is None else together_json(audit.replayed),
        "prompts_looked_at": asdict(audit.looked),
        "samples": [one._asdict() for one in audit.shown],
        **over_time_json(audit.over_time()),
        "prices": audit.basis,
    }


def _file(read: Read) -> dict[str, Any]:
    return {
        "file": read.file,
        "format": read.format,
        "rows": read.rows,
        "unreadable_lines": read.unread,
        "examples": [{"line": line.number, "why": line.why} for line in read.samples],
        "notes": list(read.notes),
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "workflow": group.workflow,
        "provider": group.provider,
        "model": group.model,
        "lane": group.lane,
        "rows": group.rows,
        "requests": group.requests,
        "rows_without_count": group.uncounted,
        "rows_without_tokens": group.untold,
        "input_tokens": group.input,
        "cached_tokens": group.cached,
        "cache_write_tokens": group.cache_write,
        "output_tokens": group.output,
        "logged_usd": None if group.logged_nano is None else usd(group.logged_nano),
        "rows_with_logged_cost": group.logged_rows,
        "reckoned_usd": None if group.reckoned_nano is None else usd(group.reckoned_nano),
        "unpriced_rows": group.unpriced,
        "failed": group.failed,
        "first": group.first,
        "last": group.last,
        "price_statuses": list(group.statuses),
    }
