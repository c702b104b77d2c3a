"""Which calls can wait: what a call says of itself, what its key says, and what policy says of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from lanewise.domain.deadlines import ACCEPTED
from lanewise.errors import BadInput
from lanewise.gateway.webhooks import WEBHOOK, webhook_of
from lanewise.gateway.who import Who

DEADLINE: Final = b"x-lanewise-deadline"
EARLIEST: Final = b"x-lanewise-earliest-deadline"  # of a refusal: what can be promised instead
WORKFLOW: Final = b"x-lanewise-workflow"
FLEX_DEADLINE: Final = "15m"  # OpenAI's advice for how long a client waits for flex
_WORKFLOW_LENGTH: Final = 200
_AT_ONCE: Final = "now"


class Answering(StrEnum):
    """How the caller gets the answer."""

    WAIT = "wait"  # on the connection of the call
    POLL = "poll"  # by an address of ours
    RESPONSE = "response"  # as OpenAI's background responses are polled


class _Options(msgspec.Struct, gc=False):
    completion_window: str | None = None


class Head(msgspec.Struct, gc=False):
    """What decides which way a call goes; the rest of its body is not looked at."""

    model: str = ""
    stream: bool | None = None
    service_tier: str | None = None
    background: bool | None = None
    background_options: _Options | None = None

    @property
    def marked(self) -> bool:
        """Whether it asks for a lane in the provider's own words, which are not for the lane it takes."""
        return self.service_tier == "flex" or self.background is not None

    @property
    def _window(self) -> str | None:
        options = self.background_options
        return options.completion_window if self.background and options is not None else None

    def deadline(self) -> str | None:
        """When it says that its answer is needed, in the provider's own words for that."""
        return self._window or (FLEX_DEADLINE if self.service_tier == "flex" else None)


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that can wait: until when, in the caller's words, and how its answer is fetched."""

    deadline: str
    workflow: str
    answering: Answering
    marked: bool = False  # the body has words for a lane, which are taken out
    webhook: str | None = None  # which of the tenant's is told of its end


def is_background(
    who: Who, headers: Mapping[bytes, bytes], head: Head, ruled: str = ""
) -> Wish | None:
    """What is wished of a call that can wait; None for one that somebody waits for.

    The header goes before the provider's own words, those before the key's deadline, and that before
    `ruled`, the deadline of the policy rule that fits. A stream is watched by somebody, so only the header
    can ask for waiting there, and is refused with `BadInput`.

    >>> is_background(Who(), {b"x-lanewise-deadline": b"8h"}, Head("m")).deadline
    '8h'
    >>> is_background(Who(), {}, Head("m")) is None
    True
    >>> is_background(Who(), {}, Head("m", background=True)).deadline
    'now'
    """
    if (said := headers.get(DEADLINE)) is not None:
        deadline = said.decode("latin-1").strip()
        if not deadline:
            raise BadInput(f"x-lanewise-deadline is empty; it takes {ACCEPTED}")
        if head.stream and deadline.lower() != _AT_ONCE:
            raise BadInput(
                "what can wait is not streamed: leave out `stream` or x-lanewise-deadline"
            )
    elif head.stream:
        deadline = None
    else:
        deadline = head.deadline() or who.deadline or ruled
    if not deadline or deadline.lower() == _AT_ONCE:
        deadline = _AT_ONCE if head.background and not head.stream else None  # it is fetched here
    if deadline is None:
        if WEBHOOK in headers:
            raise BadInput(
                "x-lanewise-webhook is for calls that can wait: say until when with x-lanewise-deadline"
            )
        return None
    answering, workflow = _answering(headers, head), workflow_of(who, headers)
    return Wish(deadline, workflow, answering, head.marked, webhook_of(headers))


def workflow_of(who: Who, headers: Mapping[bytes, bytes]) -> str:
    """The workflow that a call names, else that of its key. Raises `BadInput` for what is no name."""
    said = headers.get(WORKFLOW)
    if said is None:
        return who.workflow
    name = said.decode("latin-1").strip()
    if not name or not name.isprintable() or len(name) > _WORKFLOW_LENGTH:
        raise BadInput(
            f"x-lanewise-workflow takes a name of up to {_WORKFLOW_LENGTH} printable characters"
        )
    return name


def _answering(headers: Mapping[bytes, bytes], head: Head) -> Answering:
    if head.background:
        return Answering.RESPONSE
    preferred = headers.get(b"prefer", b"").lower().replace(b";", b",").split(b",")
    asynchronous = any(part.strip() == b"respond-async" for part in preferred)
    return Answering.POLL if asynchronous else Answering.WAIT
