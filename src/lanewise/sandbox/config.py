"""What can be set about a sandbox, its limits and its fault script."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROFILES: Final = ("instant", "fast", "typical", "bad-day")

# kind -> (where it strikes, what happens); `lanewise sandbox` documentation is made from this table.
FAULTS: Final[dict[str, tuple[str, str]]] = {
    "http_error": ("call", "answers `status` (500) before anything is done"),
    "rate_limit": ("call", "answers 429 with `Retry-After: seconds`"),
    "not_found": ("call", "answers 404 although it exists"),
    "slow": ("call", "waits `seconds` of real time, then goes on"),
    "overloaded": ("live call", "answers 529 (Anthropic) or 503 before anything is done"),
    "no_capacity": ("flex call", "answers 429 `Resource Unavailable`"),
    "miss_window": ("background call", "is done `seconds` after the end of its window"),
    "fail_response": ("background call", "fails with `code` (server_error)"),
    "accept_then_504": (
        "create",
        "accepts the batch (or answers and bills the call) and answers 504",
    ),
    "accept_then_hang": ("create", "accepts the batch (or call) and never answers"),
    "accept_then_reset": ("create", "accepts the batch (or call) and breaks the connection"),
    "accept_late": ("create", "answers 504; the batch appears `seconds` later"),
    "file_not_found": ("create", "answers that it cannot find the input file"),
    "fail_validation": ("batch", "fails with an error at `line` (1), `code`"),
    "token_limit_exceeded": ("batch", "fails: enqueued token limit `limit` reached"),
    "billing_limit": ("batch", "fails: billing hard limit reached"),
    "fail_whole": ("batch", "fails with `code` (model_not_found) and no line"),
    "expire": ("batch", "expires after the share `fraction` (0.5) was answered"),
    "error_file_only": ("batch", "every line is refused; there is no output file"),
    "lines_refused": ("batch", "4xx for the share `fraction` (0.1), or lines that hold `match`"),
    "lines_failed": (
        "batch",
        "`status` (500) for the share `fraction` (0.1), or lines with `match`",
    ),
    "lines_missing": ("batch", "no result for the share `fraction` (0.1)"),
    "unknown_ids": ("batch", "`count` (1) results for requests that nobody made"),
    "duplicate_ids": ("batch", "`count` (1) results twice"),
    "malformed_lines": (
        "batch",
        "`count` (1) result lines that are no JSON, besides the real ones",
    ),
    "truncated_line": ("batch", "the last result line is cut off"),
    "empty_file_ids": ("batch", "empty texts instead of null for files that are not there"),
    "stuck_finalizing": ("batch", "stays in finalizing for `seconds`"),
    "odd_unicode": ("batch", "answers hold U+2028, U+2029, U+0085 and an emoji"),
    "usage_mismatch": ("batch", "the batch's own usage does not equal its lines"),
    "results_expired": ("batch", "the result files are gone when it has ended"),
    "drop_download": ("download", "breaks the connection after `bytes` (1000)"),
    "drop_without_range": ("download", "the same, and Range is ignored on the next try"),
}
OPERATIONS: Final = (
    "files.create",
    "files.content",
    "files.delete",
    "batches.create",
    "batches.get",
    "batches.list",
    "batches.cancel",
    "results",
    "live",
    "flex",
    "background",
    "responses.get",
    "responses.cancel",
)
_DEFAULT_OPERATION: Final = {
    "create": "batches.create",
    "batch": "batches.create",
    "download": "results",
    "call": "batches.get",
    "live call": "live",
    "flex call": "flex",
    "background call": "background",
}


class BadFault(ValueError):
    """A fault rule that cannot be used."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule of the fault script: strikes `times` times, after the first `after` chances."""

    kind: str
    operation: str = ""
    provider: str = ""  # "openai", "anthropic" or either
    times: int = 1  # -1: always
    after: int = 0
    probability: float = 1.0
    seconds: float = 0.0
    fraction: float = -1.0
    status: int = 0
    line: int = 1
    code: str = ""
    limit: int = 0
    count: int = 1
    bytes: int = 1_000
    match: str = ""

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise BadFault(f"unknown fault {self.kind!r}; known are {', '.join(FAULTS)}")
        if self.operation and self.operation not in OPERATIONS:
            raise BadFault(
                f"unknown operation {self.operation!r}; known are {', '.join(OPERATIONS)}"
            )

    @property
    def strikes_at(self) -> str:
        """The operation it strikes at."""
        return self.operation or _DEFAULT_OPERATION[FAULTS[self.kind][0]]


def fault_from(item: dict[str, Any]) -> Fault:
    """A fault out of a table or JSON object; raises `BadFault` naming what is wrong."""
    try:
        return Fault(**item)
    except TypeError as error:
        raise BadFault(f"a fault takes {', '.join(Fault.__dataclass_fields__)}: {error}") from error


def load_faults(path: Path) -> tuple[Fault, ...]:
    """A fault script: TOML with `[[fault]]` tables, or a JSON list."""
    text = path.read_text(encoding="utf-8")
    items = json.loads(text) if path.suffix == ".json" else tomllib.loads(text).get("fault", [])
    return tuple(fault_from(item) for item in items)


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """How a sandbox behaves. Times are sandbox seconds unless said otherwise."""

    profile: str = "fast"
    speed: float = 1.0  # sandbox seconds in a real second
    batch_seconds: float | None = None  # a fixed time for every batch instead of the profile
    validation_seconds: float | None = None  # unset: what the profile says
    window_seconds: float = 86_400.0  # until a batch expires
    listing_lag_seconds: float = 0.0  # until a new batch shows in listings
    retention_days: float = 29.0
    seed: int = 0
    enqueued_tokens: int | None = None  # per model and account (OpenAI)
    queued_requests: int = 200_000  # per account (Anthropic)
    storage_bytes: int | None = None  # files kept, per account (OpenAI)
    cancel_seconds: float = 60.0  # until a batch that is cancelled has ended, at the most
    call_seconds: float = 0.0  # until a call in real time is answered
    requests_per_minute: int = 10_000  # live calls, per account and model, as the next two
    tokens_per_minute: int = 10_000_000  # by their size; OpenAI: or the most they ask for
    output_tokens_per_minute: int = 2_000_000  # Anthropic
    creations_per_hour: int = 2_000  # batches, per account (OpenAI)
    flex_refusals: float = 0.0  # share of flex calls without capacity
    cache_hits: float = 1.0  # share of a batch's requests that find what is cached (Anthropic)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"unknown profile {self.profile!r}; known are {', '.join(PROFILES)}")
