"""An audit as a page to print or to send: what is spent, what would cost less, what that rests on."""

from __future__ import annotations

from lanewise.app.audit_page.caches import caches
from lanewise.app.audit_page.headline import headline, subtitle
from lanewise.app.audit_page.levers import levers
from lanewise.app.audit_page.limits import limits, next_section
from lanewise.app.audit_page.times import spend, week
from lanewise.app.audit_page.workflows import workflows
from lanewise.app.auditing import Audit
from lanewise.reports import Page

__all__ = ["audit_page"]

_MADE = "Made by lanewise audit from logs alone; nothing was sent."
_HASHED = "Prompts and answers were hashed and are not in this page."
_SHOWN = "A few prompts are in this page, as --show-samples asked."
_MONEY = "Money of the price book is added up exactly and rounded once for each figure."


def audit_page(audit: Audit, now: float) -> Page:
    """The page; `now`, in seconds since the epoch, is when it was made."""
    over = audit.over_time()
    blocks = (
        *headline(audit),
        levers(audit),
        *caches(audit),
        spend(audit, over),
        week(over),
        workflows(audit, over),
        limits(audit),
        next_section(audit),
    )
    footer = f"{_MADE} {_SHOWN if audit.shown else _HASHED} {_MONEY}"
    return Page("LLM traffic audit", subtitle(audit, now), blocks, footer)
