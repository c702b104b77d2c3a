"""The lines of a batch as they go out: with marks for the prompt cache where its plan says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lanewise.lanes.priming import marks_of
from lanewise.lanes.shift import Shift
from lanewise.policy.caching import Follow, follow
from lanewise.providers.marking import mark
from lanewise.store.nouns import Contents
from lanewise.store.protocol import Payload
from lanewise.store.segments import body_of, model_of
from lanewise.tokens import prefix_of

_BEGINS_WITHIN = (
    300.0  # seconds from a create until the provider has begun with all of a batch [assumed]
)


def payload_of(shift: Shift, contents: Contents) -> Payload:
    """What is sent for a batch."""
    plain = shift.store.payload(contents)
    caching = caching_now(shift, contents)
    return Marked(plain, contents, caching) if caching else plain


def caching_now(shift: Shift, contents: Contents) -> str:
    """How a batch is marked, if that still pays: an entry that nobody wrote, or that is gone, is not read."""
    if not contents.caching or contents.after is None:
        return contents.caching
    marks = marks_of(contents.caching, None)
    if marks is None or marks.ttl is None:
        return contents.caching
    landed = shift.store.settled_at(contents.after)
    going = follow(
        marks.ttl, landed_at=landed, now=shift.now(), leave_by=shift.now(), lead=_BEGINS_WITHIN
    )
    return contents.caching if going is Follow.MARKED else ""


def marked_body(contents: Contents, caching: str, body: bytes, model: str) -> bytes:
    """One body with its marks."""
    key = contents.key
    prefix = prefix_of(key.provider, key.endpoint, key.model or model, body)
    marks = marks_of(caching, prefix)
    return body if marks is None else mark(body, marks)


@dataclass(slots=True)
class Marked:
    """A payload whose bodies are marked on the way; the segments stay as they were accepted."""

    plain: Payload
    contents: Contents
    caching: str
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
