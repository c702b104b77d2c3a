"""Prompts from traces that hold the blocks of each prompt, and from plain lists of prompts without times.

A trace is JSONL whose lines name the blocks of a prompt: `hash_ids`, or `hash_runs` as `[[first, count],
...]`. Its other members go by several names, and neither the size of a block nor the unit of time is told:
both are worked out from the lines, and `Trace` says what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from lanewise.audit.caching.prompts import Prompt, in_order
from lanewise.errors import BadInput
from lanewise.replay.blocks import of_bytes, of_ids, of_runs
from lanewise.replay.caches import BLOCK_BYTES

SIZES: Final = (16, 32, 64, 128, 256, 512, 1_024)  # tokens a block may have
_TIMES: Final = ("timestamp", "t", "time", "at")
_INPUTS: Final = ("input_length", "in", "input_tokens", "prompt_tokens")
_WORKFLOWS: Final = ("workflow", "agent", "type")
_NEARLY: Final = 0.9  # of the lines
_SAMPLE: Final = 1_000  # lines that the unit and the size are worked out from
# Whole numbers are microseconds since 1970 where they are so large, else milliseconds.
_MICROSECONDS: Final = 10**14


@dataclass(frozen=True, slots=True)
class Trace:
    """The prompts in the order of time, the tokens of a block, and how many of its units a second has."""

    prompts: list[Prompt]
    block: int
    per_second: int


def is_trace(record: Mapping[str, Any]) -> bool:
    """Whether a line is one of a trace with blocks."""
    return isinstance(record.get("hash_ids", record.get("hash_runs")), list)


def read_trace(records: Iterable[Mapping[str, Any]], *, model: str = "") -> Trace:
    """The prompts of a trace; `model` is taken where a line names none.

    Ids of blocks are taken to be of their own `trace`, where lines name one. Raises `BadInput` for lines that
    are of no such trace, or whose blocks are of no known size.

    >>> lines = [{"timestamp": at, "input_length": 700, "hash_ids": [0, at]} for at in (2_000, 0)]
    >>> trace = read_trace(lines)
    >>> trace.block, trace.per_second, [prompt.at for prompt in trace.prompts]
    (512, 1000, [0.0, 2.0])
    """
    rows = iter(records)
    sample = list(islice(rows, _SAMPLE))
    block, unit = _block(sample), _unit(sample)
    prompts = (_prompt(row, block, unit, model) for row in chain(sample, rows))
    return Trace(in_order(prompts), block, unit)


def paced(prompts: Sequence[Prompt], per_second: float) -> list[Prompt]:
    """The same prompts as if they were sent one after the other, so many a second."""
    return [prompt._replace(at=place / per_second) for place, prompt in enumerate(prompts)]


def _prompt(row: Mapping[str, Any], block: int, unit: int, model: str) -> Prompt:
    tokens = int(_member(row, _INPUTS))
    return Prompt(
        at=_member(row, _TIMES) / unit,
        blocks=_blocks(row),
        tokens=tokens,
        size=tokens,
        block=block,
        workflow=next((str(row[name]) for name in _WORKFLOWS if row.get(name)), ""),
        model=row.get("model") or model,
        organisation=str(row.get("trace", "")),
    )


def _blocks(row: Mapping[str, Any]) -> bytes:
    if "hash_runs" in row:
        return of_runs(row["hash_runs"])
    ids = _member(row, ("hash_ids",))
    if ids and isinstance(ids[0], str):
        return b"".join(of_bytes(one.encode(), len(one.encode())) for one in ids)
    return of_ids(ids)


def _block(rows: Sequence[Mapping[str, Any]]) -> int:
    """The size by which nearly all have as many blocks as they do, with a short last block or without."""
    told = [(int(_member(row, _INPUTS)), len(_blocks(row)) // BLOCK_BYTES) for row in rows]
    fits = {
        (last, size): sum(blocks == (tokens + (size - 1) * last) // size for tokens, blocks in told)
        for last in (1, 0)
        for size in reversed(SIZES)
    }
    (_, size), most = max(fits.items(), key=lambda fit: fit[1])
    if most < _NEARLY * len(told):
        raise BadInput(
            f"reading a trace: its blocks are of no known size; accepted: {SIZES} tokens"
        )
    return size


def _unit(rows: Sequence[Mapping[str, Any]]) -> int:
    times = [_member(row, _TIMES) for row in rows]
    if any(isinstance(time, float) for time in times):
        return 1
    return 1_000_000 if max(times, default=0) >= _MICROSECONDS else 1_000


def _member(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise BadInput(
        f"reading a trace: a line has none of {', '.join(names)}; it has {', '.join(row)}"
    )
