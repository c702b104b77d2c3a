"""How a batch gets on: its state from its row and the time, its results when they are first needed."""

from __future__ import annotations

import fcntl
import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from lanewise.sandbox import books, lines
from lanewise.sandbox.answers import Invalid, PromptCache
from lanewise.sandbox.answers import answer as make_answer
from lanewise.sandbox.caches import BatchCache, earlier, ended
from lanewise.sandbox.config import Fault, fault_from
from lanewise.sandbox.state import State

_ODD: Final = "\u2028\u2029\u0085\U0001f40d"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a batch stands now. `phase` is one of validating, failed, running, finalizing, ended."""

    phase: str
    ending: str  # completed, expired, cancelled; "" before the end
    share: float  # of the requests that were answered by now
    cancelling: bool


def standing(row: sqlite3.Row, now: float) -> Standing:
    """The state that follows from the row and the time."""
    created = row["born_at"]
    if row["errors"] is not None:
        return Standing("failed", "", 0.0, cancelling=False)
    if row["cancel_at"] is not None:
        if now >= row["cancel_done"]:
            return Standing(
                "ended", "cancelled", _share_at(row, row["cancel_at"]), cancelling=False
            )
        return Standing("running", "", _share_at(row, row["cancel_at"]), cancelling=True)
    if now >= created + row["ended"]:
        ending = "expired" if row["expires"] else "completed"
        return Standing("ended", ending, row["share"] if row["expires"] else 1.0, cancelling=False)
    if now < created + row["validated"]:
        return Standing("validating", "", 0.0, cancelling=False)
    if now >= created + row["finalizing"]:
        return Standing("finalizing", "", row["share"], cancelling=False)
    return Standing("running", "", _share_at(row, now), cancelling=False)


def _share_at(row: sqlite3.Row, at: float) -> float:
    """Requests are answered evenly between validation and finalizing."""
    begin, end = row["born_at"] + row["validated"], row["born_at"] + row["finalizing"]
    if at <= begin:
        return 0.0
    if at >= end:
        return float(row["share"])
    return float(row["share"] * (at - begin) / (end - begin))


@dataclass(slots=True)
class Produced:
    """What the results of a batch come to."""

    output: int = 0
    error: int = 0
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    usage: list[int] = field(
        default_factory=lambda: [0, 0, 0, 0]
    )  # input, cached, output, reasoning
    bills: dict[tuple[str, str], list[int]] = field(default_factory=dict)


class Producer:
    """Answers the requests of one batch, line by line, and bills them."""

    def __init__(self, state: State, row: sqlite3.Row, share: float, ending: str) -> None:
        self.state, self.row = state, row
        self.ending = ending
        self.plan = [fault_from(item) for item in json.loads(row["plan"])]
        self.share = share
        self.made = Produced()
        self.dice = random.Random(f"{state.config.seed}:{row['id']}")
        self.anthropic = row["provider"] == "anthropic"
        # OpenAI's caches by itself, and within a batch too [assumed]
        self.cache = BatchCache(state, row) if self.anthropic else PromptCache()

    def run(self) -> Produced:
        """Write the result files, the bills and the row; once, whoever calls."""
        directory = self.state.directory / "files"
        output, error = (directory / f"{self.row['id']}.{kind}" for kind in ("output", "error"))
        bill = self.state.directory / "bills" / self.row["id"]
        with _open(output) as out, _open(error) as err, _open(bill) as ids:
            for line in self._shuffled():
                self._one(line, out, err, ids)
            self._oddities(out)
        for path in (output, error, bill):
            path.with_name(path.name + ".new").replace(path)
        return self.made

    def _shuffled(self) -> Iterator[bytes]:
        """Lines in an order that is not the input's: windows of a few hundred, each mixed."""
        window: list[bytes] = []
        for line in lines.of(self.state.input_of(self.row)):
            window.append(line)
            if len(window) == 512:
                self.dice.shuffle(window)
                yield from window
                window.clear()
        self.dice.shuffle(window)
        yield from window

    def _one(self, line: bytes, out: IO[bytes], err: IO[bytes], ids: IO[bytes]) -> None:
        request = lines.decode(line)
        if self._loses(line):
            return
        if self.dice.random() >= self.share and self.share < 1.0:
            self._unfinished(request.custom_id, out, err)
            return
        status = self._fault_status(line)
        if status:
            self._refuse(request.custom_id, status, "a fault struck this line", out, err)
            return
        try:
            self._answer(request, out, ids)
        except Invalid as invalid:
            self._refuse(
                request.custom_id, invalid.status, invalid.message, out, err, invalid=invalid
            )

    def _answer(self, request: lines.Request, out: IO[bytes], ids: IO[bytes]) -> None:
        body = request.params if self.anthropic else request.body
        model = books.base_model(self.row["provider"], str(body.get("model")))
        if model is None:
            name = body.get("model")
            raise Invalid(404, "not_found_error", "model_not_found", "model", f"model: {name}")
        answer = make_answer(
            "/v1/messages" if self.anthropic else self.row["endpoint"],
            body,
            id_seed=f"{self.row['id']}{request.custom_id}",
            created=int(self.row["born_at"]),
            lane="batch",
            cache=self.cache,
        )
        self._bill(model, answer.tokens, request.custom_id, ids)
        self.made.counts["succeeded"] += 1
        if any(fault.kind == "odd_unicode" for fault in self.plan):
            answer.body["lanewise_sandbox_note"] = _ODD
        line: dict[str, Any]
        if self.anthropic:
            line = {
                "custom_id": request.custom_id,
                "result": {"type": "succeeded", "message": answer.body},
            }
        else:
            line = {
                "id": f"batch_req_{request.custom_id[-12:]}",
                "custom_id": request.custom_id,
                "response": {"status_code": 200, "request_id": "req_sandbox", "body": answer.body},
                "error": None,
            }
        self.made.output += 1
        out.write(msgspec.json.encode(line) + b"\n")

    def _bill(self, model: str, tokens: Any, custom_id: str, ids: IO[bytes]) -> None:
        provider = self.row["provider"]
        entry = self.made.bills.setdefault((model, "batch"), [0, 0, 0])
        entry[0] += 1
        entry[1] += books.charge(provider, model, "batch", tokens)
        entry[2] += books.charge(provider, model, "realtime", tokens)
        cached = tokens.cache_read
        total = tokens.input + cached + tokens.cache_write_5m + tokens.cache_write_1h
        for place, count in enumerate((total, cached, tokens.output, tokens.reasoning)):
            self.made.usage[place] += count
        ids.write(custom_id.encode() + b"\n")

    def _refuse(
        self,
        custom_id: str,
        status: int,
        message: str,
        out: IO[bytes],
        err: IO[bytes],
        *,
        invalid: Invalid | None = None,
    ) -> None:
        self.made.counts["errored"] += 1
        kind = invalid.type if invalid else _kind(status)
        if self.anthropic:
            kind = kind if kind.endswith("_error") and kind != "server_error" else "api_error"
            cause = {"type": "error", "error": {"type": kind, "message": message}}
            line: dict[str, Any] = {
                "custom_id": custom_id,
                "result": {"type": "errored", "error": cause},
            }
            self.made.output += 1
            out.write(msgspec.json.encode(line) + b"\n")
            return
        body: dict[str, dict[str, str | None]] = {
            "error": {
                "message": message,
                "type": kind,
                "param": invalid.param if invalid else None,
                "code": invalid.code if invalid else None,
            }
        }
        line = {
            "id": f"batch_req_{custom_id[-12:]}",
            "custom_id": custom_id,
            "response": {"status_code": status, "request_id": "req_sandbox", "body": body},
            "error": None,
        }
        self.made.error += 1
        err.write(msgspec.json.encode(line) + b"\n")

    def _unfinished(self, custom_id: str, out: IO[bytes], err: IO[bytes]) -> None:
        """Not executed by the end: expired or cancelled, free of charge."""
        cancelled = self.ending == "cancelled"
        self.made.counts["canceled" if cancelled else "expired"] += 1
        if self.anthropic:
            result = {"type": "canceled" if cancelled else "expired"}
            self.made.output += 1
            out.write(msgspec.json.encode({"custom_id": custom_id, "result": result}) + b"\n")
            return
        message = (
            "This request was cancelled before it could be executed."
            if cancelled
            else "This request could not be executed before the completion window expired."
        )
        code = "batch_cancelled" if cancelled else "batch_expired"
        self.made.error += 1
        line = {
            "id": f"batch_req_{custom_id[-12:]}",
            "custom_id": custom_id,
            "response": None,
            "error": {"code": code, "message": message},
        }
        err.write(msgspec.json.encode(line) + b"\n")

    # -- faults -----------------------------------------------------------------------------------
    def _loses(self, line: bytes) -> bool:
        return any(
            fault.kind == "lines_missing" and self._hit(fault, line, 0.1) for fault in self.plan
        )

    def _fault_status(self, line: bytes) -> int:
        for fault in self.plan:
            if fault.kind == "error_file_only":
                return fault.status or 400
            if fault.kind == "lines_refused" and self._hit(fault, line, 0.1):
                return fault.status or 400
            if fault.kind == "lines_failed" and self._hit(fault, line, 0.1):
                return fault.status or 500
        return 0

    def _hit(self, fault: Fault, line: bytes, fraction: float) -> bool:
        if fault.match:
            return fault.match.encode() in line
        return self.dice.random() < (fraction if fault.fraction < 0 else fault.fraction)

    def _oddities(self, out: IO[bytes]) -> None:
        for fault in self.plan:
            for number in range(fault.count):
                if fault.kind == "unknown_ids":
                    stranger = {"custom_id": f"stranger-{number}", "result": {"type": "expired"}}
                    out.write(msgspec.json.encode(stranger) + b"\n")
                elif fault.kind == "malformed_lines":
                    out.write(b'{"custom_id": "lw-cut-off", "resp\n')
            if fault.kind == "duplicate_ids":
                out.flush()
                _repeat_lines(out, fault.count)
            if fault.kind == "truncated_line":
                out.flush()
                out.truncate(max(out.tell() - 20, 0))


def _repeat_lines(out: IO[bytes], count: int) -> None:
    """Write the first lines once more at the end."""
    with Path(out.name).open("rb") as written:
        repeated = [written.readline() for _ in range(count)]
    out.write(b"".join(repeated))


def _kind(status: int) -> str:
    kinds = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error"}
    return kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")


def _open(path: Path) -> IO[bytes]:
    return path.with_name(path.name + ".new").open("wb", 256 * 1024)


def results_of(state: State, row: sqlite3.Row, now: float) -> dict[str, Any]:
    """What the results of an ended batch come to; made now if nobody has made them yet."""
    if row["produced"] is not None:
        return dict(json.loads(row["produced"]))
    if row["provider"] == "anthropic":
        for before in earlier(state, row):
            results_of(state, before, now)
    lock = (state.directory / "bills" / f"{row['id']}.lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh = state.first("SELECT * FROM batches WHERE id = ?", row["id"])
        assert fresh is not None, "the batch exists"
        if fresh["produced"] is not None:
            return dict(json.loads(fresh["produced"]))
        at = standing(fresh, now)
        producer = Producer(state, fresh, at.share, at.ending)
        return _record(producer, producer.run(), now)


def _charged_at(state: State, row: sqlite3.Row) -> float:
    """When the batch ended; where sandbox time runs ahead of the world's, when that was seen there."""
    return min(ended(row), state.clock.real_now())


def _record(producer: Producer, made: Produced, now: float) -> dict[str, Any]:
    """The bills, what was cached and the row, in one transaction."""
    state, row = producer.state, producer.row
    result = {
        "output": made.output,
        "error": made.error,
        "counts": dict(made.counts),
        "usage": made.usage,
        "at": now,
    }
    with state.transaction():
        for (model, lane), (count, nano, realtime) in made.bills.items():
            state.run(
                "INSERT OR IGNORE INTO bills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row["account"],
                row["id"],
                model,
                lane,
                row["provider"],
                count,
                nano,
                realtime,
                _charged_at(state, row),
            )
        if isinstance(producer.cache, BatchCache):
            producer.cache.flush()
        state.run("UPDATE batches SET produced = ? WHERE id = ?", json.dumps(result), row["id"])
    return result
