"""Counts as they are said: 1 request, 2 requests, 1,000 requests."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number and what it counts.

    >>> counted(1, "request"), counted(1_000, "request"), counted(0, "batch", "batches")
    ('1 request', '1,000 requests', '0 batches')
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
