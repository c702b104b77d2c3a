"""The log that comes with lanewise, for trying the audit on before one's own logs are at hand."""

from __future__ import annotations

from importlib import resources


def example_log() -> str:
    """The path of a made-up week of a gateway's log, written by scripts/audit_sample.py."""
    return str(resources.files("lanewise.audit") / "example" / "litellm-week.jsonl.gz")
