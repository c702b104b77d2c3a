"""From sources to requests: every line that is not blank is accepted or broken, in order."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from lanewise.intake.duplicates import DuplicateWatch
from lanewise.intake.lines import Accepted, Broken, ReadOptions, Unfit
from lanewise.intake.shapes import Recogniser
from lanewise.intake.sources import BinaryStream, Source, blocks, name_of
from lanewise.intake.splitting import Oversized, split

_SHOWN: Final = 10
_FLAT: Final = bytes.maketrans(b"\r\n", b"  ")
# msgspec writes NaN as null; a request must not be changed without a word, so json writes these
_written = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def read(sources: Sequence[Source], options: ReadOptions) -> Iterator[Accepted | Broken]:
    """Read all sources, one after the other; each is opened when its turn comes.

    Lines are numbered from 1 in each source, blank ones included; values in memory likewise. The
    same input always gives the same requests with the same ids.

    Raises `BadInput` for an option that cannot be meant, before anything is read, and for a source
    that cannot be read to its end.
    """
    return _Reader(sources, options, Recogniser(options)).read()


@dataclass(slots=True)
class _Reader:
    sources: Sequence[Source]
    options: ReadOptions
    recogniser: Recogniser
    watch: DuplicateWatch = field(default_factory=DuplicateWatch)
    starts: list[int] = field(default_factory=list)  # lines before each source
    used: dict[str, int] = field(default_factory=dict)  # the last number given to a repeated id

    def read(self) -> Iterator[Accepted | Broken]:
        before = requests = 0
        recognise, watch = self.recogniser.recognise, self.watch
        for index, source in enumerate(self.sources):
            self.starts.append(before)
            number = 0
            for number, line in enumerate(_lines(source, self.options), start=1):
                if line.__class__ is bytes and (not line or line.isspace()):
                    continue
                requests += 1
                try:
                    request = recognise(_fit(line), number, index, requests)
                except Unfit as unfit:
                    yield Broken(number, index, str(unfit))
                    continue
                place = watch.first(request.caller_id, before + number)
                yield request if place is None else self._repeated(request, place)
            before += number

    def _repeated(self, request: Accepted, place: int) -> Accepted | Broken:
        if self.options.renumber:
            return self._renumbered(request)
        source = bisect_right(self.starts, place - 1) - 1
        first = f"{name_of(self.sources[source])}:{place - self.starts[source]}"
        why = f"its custom_id is already that of {first}: make it unique, or give --renumber"
        return Broken(request.number, request.source, why)

    def _renumbered(self, request: Accepted) -> Accepted:
        """Its id with the lowest number, from 2, that is not taken."""
        number = self.used.get(request.caller_id, 1) + 1
        place = self.starts[request.source] + request.number
        while self.watch.first(f"{request.caller_id}~{number}", place) is not None:
            number += 1
        self.used[request.caller_id] = number
        return msgspec.structs.replace(request, caller_id=f"{request.caller_id}~{number}")


def _lines(source: Source, options: ReadOptions) -> Iterator[bytes | Oversized | Unfit]:
    if isinstance(source, str | os.PathLike | BinaryStream):
        return split(blocks(source, unpack=options.unpack), options.line_limit)
    return (_one_line(value, options.line_limit) for value in source)


def _fit(line: bytes | Oversized | Unfit) -> bytes:
    match line:
        case bytes():
            return line
        case Oversized():
            raise Unfit(f"it has {line.size:,} bytes, more than the limit of {line.limit:,}")
        case Unfit():
            raise line


def _one_line(value: dict[str, Any] | bytes, limit: int) -> bytes | Oversized | Unfit:
    """A value in memory as a line; a newline in JSON can only be white space."""
    try:
        text = value if isinstance(value, bytes) else _written(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return Unfit(f"it cannot be written as JSON: {type(error).__name__}")
    if len(text) > limit:
        return Oversized(len(text), limit)
    return text.translate(_FLAT) if b"\n" in text or b"\r" in text else text


def describe(broken: Iterable[Broken], sources: Sequence[Source], total: int | None = None) -> str:
    r"""Up to ten lines `name:number: why` for people, and how many more there are of `total`.

    >>> describe([Broken(7, 0, "not JSON")], ["in.jsonl"], total=3)
    'in.jsonl:7: not JSON\nand 2 more'
    """
    known = list(broken)
    shown = [f"{name_of(sources[b.source])}:{b.number}: {b.why}" for b in known[:_SHOWN]]
    more = (len(known) if total is None else total) - len(shown)
    return "\n".join([*shown, f"and {more:,} more"] if more > 0 else shown)
