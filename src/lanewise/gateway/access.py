"""The line that the log has for each call, for people or with fields for programs: never what was said."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

logger: Final = logging.getLogger("lanewise.access")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is told of one call, under the names of the fields of the JSON log. Times in milliseconds."""

    method: str
    path: str  # the template: ids are not told, and nothing of a query
    status: int | None  # None: the client went away before there was one
    ms: float
    ms_to_first_byte: float | None = None
    lane: str = ""
    model: str = ""  # that the call names
    key: str = ""  # its name
    tenant: str = ""
    workflow: str = ""
    upstream: str = ""  # the account at the provider
    tokens_in: int | None = None
    tokens_out: int | None = None
    gone: bool = False  # the client went away before the end
    request: str = ""  # the upstream's id for the call, or ours for one that waits


def is_on() -> bool:
    """Whether calls are logged."""
    return logger.isEnabledFor(logging.INFO)


def write(line: Line) -> None:
    """Log a call."""
    fields: dict[str, Any] = {name: getattr(line, name) for name in line.__dataclass_fields__}
    logger.info(
        "%s %s %s %.1f ms key=%r model=%r%s",
        line.method,
        line.path,
        line.status or "-",
        line.ms,
        line.key,
        line.model,
        " (the client went away)" if line.gone else "",
        extra={"call": fields},
    )
