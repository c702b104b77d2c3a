"""The lines of a batch as they go out: with marks for the prompt cache where its plan says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from lanewise.domain.caching import Breakpoint, Marks, Prefix, Ttl
from lanewise.domain.lanes import BATCH, LaneName
from lanewise.lanes.shift import Shift
from lanewise.policy.caching import Follow, follow
from lanewise.providers.marking import mark
from lanewise.store.nouns import Contents
from lanewise.store.protocol import Payload
from lanewise.store.segments import body_of, model_of
from lanewise.tokens import prefix_of

# Seconds from sending until the provider has begun with all of it [assumed].
_BATCH_BEGINS_WITHIN: Final = 300.0
_CALLS_BEGIN_WITHIN: Final = 10.0
MOST_ADDED: Final = 120  # bytes that marks add to a body, at most


class Caching(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the requests of a batch are marked, as the batch's row keeps it in JSON."""

    at: Breakpoint
    ttl: Ttl | None = None
    prefix: str = ""  # the hash of what they share, in hexadecimal
    model: str = ""  # as it is asked for; an answer may name it with a date
    ahead: bool = False  # the one that writes what others read
    keys: int = 1  # over which a group is spread

    def text(self) -> str:
        """The JSON."""
        return _encode(self).decode()

    def marks(self, prefix: Prefix | None, position: int = 0) -> Marks | None:
        """What goes into the body at this position of its batch."""
        if self.at is not Breakpoint.KEY:
            return Marks(self.at, ttl=self.ttl)
        if prefix is None:
            return None
        number = position % self.keys
        return Marks(self.at, key=f"lw-{prefix.hash:016x}" + (f"-{number}" if number else ""))


_encode = msgspec.json.Encoder().encode
read_caching = msgspec.json.Decoder(Caching).decode


def lead(lane: LaneName) -> float:
    """How long what is sent now takes to begin, in seconds."""
    return _BATCH_BEGINS_WITHIN if lane == BATCH else _CALLS_BEGIN_WITHIN


def payload_of(shift: Shift, contents: Contents) -> Payload:
    """What is sent for a batch."""
    plain = shift.store.payload(contents)
    caching = caching_now(shift, contents)
    if caching is None:
        if contents.caching:
            unmark(shift, contents)
        return plain
    return Marked(plain, contents, caching)


def caching_now(shift: Shift, contents: Contents) -> Caching | None:
    """How a batch is marked, if that still pays: an entry that nobody wrote, or that is gone, is not read."""
    if not contents.caching:
        return None
    caching = read_caching(contents.caching)
    if contents.after is None or caching.ttl is None:
        return caching
    now = shift.now()
    landed = shift.store.landed_at(contents.after)
    going = follow(caching.ttl, landed_at=landed, now=now, leave_by=now, lead=lead(contents.lane))
    return caching if going is Follow.MARKED else None


def unmark(shift: Shift, contents: Contents) -> None:
    """Keep that a batch goes as it is, so that nothing it shows is put down to marks."""
    why = "sent without cache marks: what was to warm the cache has not, or too long ago"
    shift.store.unmark(shift.lease, contents.batch, shift.now(), why)


def marked_body(
    contents: Contents, caching: Caching, body: bytes, model: str, position: int = 0
) -> bytes:
    """The body at this position of a batch, with its marks."""
    prefix = None
    if caching.at is Breakpoint.KEY:
        key = contents.key
        prefix = prefix_of(key.provider, key.endpoint, key.model or model, body)
    marks = caching.marks(prefix, position)
    return body if marks is None else mark(body, marks)


@dataclass(slots=True)
class Marked:
    """A payload whose bodies are marked on the way; the segments stay as they were accepted."""

    plain: Payload
    contents: Contents
    caching: Caching
    _size: int | None = field(default=None)

    @property
    def requests(self) -> int:
        """How many lines."""
        return self.plain.requests

    @property
    def size(self) -> int:
        """Their bytes, marks included."""
        if self._size is None:
            self._size = sum(len(line) for line in self.chunks())
        return self._size

    def chunks(self) -> Iterator[bytes]:
        """The lines, one by one."""
        held = b""
        for chunk in self.plain.chunks():
            *whole, held = (held + chunk).split(b"\n")
            for line in whole:
                yield self._line(line) + b"\n"
        if held:
            yield self._line(held)

    def _line(self, line: bytes) -> bytes:
        body = body_of(line)
        new = marked_body(self.contents, self.caching, body, model_of(line))
        if new is body:
            return line
        at = line.rindex(body)
        return line[:at] + new + line[at + len(body) :]
