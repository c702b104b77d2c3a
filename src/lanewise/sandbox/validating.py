"""What OpenAI finds when it reads a batch's input: the number of requests, or why it is refused whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from lanewise.sandbox import books, creating, lines
from lanewise.sandbox.state import State

_MOST_REQUESTS: Final = 50_000
_MOST_INPUTS: Final = 50_000
_MOST_ERRORS: Final = 100  # listed on one batch [assumed]


def validate(state: State, row: sqlite3.Row) -> creating.Verdict:
    """What the provider finds when it reads the input: the number of requests, or errors."""
    plan = creating.plan_of(row)
    if (failure := _planned_failure(plan)) is not None:
        return failure
    if creating.withdrawn(state, row):
        return creating.failed("input_file_not_found", "The input file was deleted.")
    found = _read_lines(state.input_of(row), row["endpoint"])
    if found.errors:
        return found
    if found.model is None or books.base_model("openai", found.model) is None:
        return creating.failed(
            "model_not_found", f"The model '{found.model}' does not exist.", param="body.model"
        )
    limit = state.config.enqueued_tokens
    if limit is None:
        return found
    queued = creating.queued_tokens(state, row, found.model) + found.tokens
    over = creating.failed("token_limit_exceeded", _queue_message(found.model, limit))
    return over if queued > limit else found


def _read_lines(path: Path, endpoint: str) -> creating.Verdict:
    """Requests, model and tokens of an input file, or what is wrong with its lines."""
    seen: set[bytes] = set()
    errors: list[dict[str, Any]] = []
    model: str | None = None
    count = tokens = inputs = 0
    for number, line in enumerate(lines.of(path), start=1):
        problem, model = _problem(line, endpoint, model, seen)
        if problem is not None:
            errors += creating.failed(*problem, line=number).errors or []
            if len(errors) == _MOST_ERRORS:
                break
        count += 1
        tokens += len(line) // 4
        inputs += _inputs_of(line) if endpoint == "/v1/embeddings" else 0
    if errors:
        return creating.Verdict(0, None, 0, errors)
    if count == 0:
        return creating.failed("empty_file", "The input file is empty.")
    if inputs > _MOST_INPUTS:
        return creating.failed("too_many_inputs", "The batch has more than 50000 embedding inputs.")
    if count > _MOST_REQUESTS:
        return creating.failed("too_many_tasks", "The batch has more than 50000 requests.")
    return creating.Verdict(count, model, tokens, None)


def _inputs_of(line: bytes) -> int:
    """How many texts an embeddings request holds."""
    found = lines.decode(line).body.get("input")
    several = isinstance(found, list) and found and not isinstance(found[0], int)
    return len(found) if several and isinstance(found, list) else 1


def _planned_failure(plan: list[Any]) -> creating.Verdict | None:
    for fault in plan:
        if fault.kind == "fail_validation":
            code = fault.code or "invalid_request"
            return creating.failed(code, "This line is not acceptable.", line=fault.line)
        if fault.kind == "token_limit_exceeded":
            return creating.failed(
                "token_limit_exceeded", _queue_message("the model", fault.limit or 100_000)
            )
        if fault.kind == "billing_limit":
            return creating.failed(
                "billing_hard_limit_reached", "Billing hard limit has been reached."
            )
        if fault.kind == "fail_whole":
            return creating.failed(fault.code or "model_not_found", "The model does not exist.")
    return None


def _queue_message(model: str, limit: int) -> str:
    return (
        f"Enqueued token limit reached for {model} in organization org-sandbox. Limit: {limit} enqueued "
        "tokens. Please try again once some in_progress batches have been completed."
    )


def _problem(
    line: bytes, endpoint: str, model: str | None, seen: set[bytes]
) -> tuple[tuple[str, str] | None, str | None]:
    """What is wrong with a line (code and message), and the model of the batch so far."""
    try:
        request = lines.decode(line)
    except ValueError:
        return ("invalid_json_line", "This line is not parseable as valid JSON."), model
    if not request.custom_id:
        return ("missing_required_parameter", "Missing required parameter: 'custom_id'."), model
    key = request.custom_id.encode()
    if key in seen:
        return (
            "duplicate_custom_id",
            "The custom_id for this request is a duplicate of another.",
        ), model
    seen.add(key)
    if request.url != endpoint:
        return (
            "url_mismatch",
            "The provided 'url' does not match the endpoint of the batch.",
        ), model
    if request.method != "POST":
        return ("invalid_method", "The 'method' must be POST."), model
    name = request.body.get("model")
    if not isinstance(name, str):
        return ("missing_required_parameter", "Missing required parameter: 'body.model'."), model
    if model is not None and name != model:
        return ("mismatched_model", "All requests in a batch must use the same model."), model
    if request.body.get("stream"):
        return ("invalid_request", "Streaming is not supported in the Batch API."), model
    return None, name
