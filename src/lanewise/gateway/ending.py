"""What is told of a call at its end: to the log, and to traces."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import Any, Final, Protocol

from lanewise.gateway import access
from lanewise.gateway.accepting import Place, request_id
from lanewise.gateway.access import Line
from lanewise.gateway.asked import Asked
from lanewise.gateway.counting import Counts
from lanewise.gateway.tracing import Attributes
from lanewise.gateway.usage import Told
from lanewise.gateway.who import Who
from lanewise.gateway.wire import Headers

WAITS: Final = (
    "waits"  # in place of a lane, for a call that is written down: its lane is decided later
)
_MOST_NAME: Final = 200  # characters of what a client calls something
_IDS: Final = frozenset({b"x-request-id", b"request-id", b"x-lanewise-request"})


class Ended(Protocol):
    """A call as far as it came."""

    asked: Asked
    gone: bool
    headers: dict[bytes, bytes]
    lane: str
    method: str
    said: Headers
    status: int
    told: Told
    who: Who | None

    @property
    def upstream(self) -> tuple[str, str]:
        """Provider, and the account there; no account where it was sent to none."""
        ...


def workflow(call: Ended) -> str:
    """The name under which it is accounted."""
    said = call.headers.get(b"x-lanewise-workflow", b"").decode("latin-1")
    return (said or ("" if call.who is None else call.who.workflow))[:_MOST_NAME]


def line(call: Ended, path: str, seconds: float, first: float | None) -> Line:
    """For the log; `first`: seconds to the first byte."""
    who, usage = call.who or Who(workflow=""), call.told.usage
    return Line(
        method=call.method,
        path=path,
        status=call.status or None,
        ms=round(seconds * 1_000.0, 3),
        ms_to_first_byte=None if first is None else round(first * 1_000.0, 3),
        lane=call.lane,
        model=call.asked.model[:_MOST_NAME],
        key=who.key,
        tenant=who.tenant,
        workflow=workflow(call),
        upstream=call.upstream[1],
        tokens_in=None if usage is None else usage.total_input,
        tokens_out=None if usage is None else usage.output,
        gone=call.gone,
        request=_request(call.said),
    )


class Waited:
    """What is told of a call that waits on its connection, when its wait is over: little, kept for hours."""

    __slots__ = ("_began", "_counts", "_line", "_model", "_path")

    def __init__(self, counts: Counts, call: Ended, path: str, began: float) -> None:
        self._counts, self._path, self._began = counts, path, began
        self._model = call.asked.model[:_MOST_NAME]
        self._line = line(call, path, 0.0, None) if access.is_on() else None

    def ended(self, status: int, place: Place) -> None:
        """The wait is over; `status`: 0 where the client went away."""
        seconds = monotonic() - self._began
        self._counts.ended((self._path, WAITS, self._model, status // 100), seconds, None)
        if self._line is not None:
            told: dict[str, Any] = {"ms": round(seconds * 1_000.0, 3), "request": request_id(place)}
            access.write(replace(self._line, status=status or None, gone=not status, **told))


def attributes(call: Ended) -> Attributes:
    """For its span, under the names of the conventions; empty where there is nothing to say."""
    provider, account = call.upstream
    found: Attributes = {
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": call.asked.model[:_MOST_NAME],
        "gen_ai.response.model": call.told.model,
        "gen_ai.workflow.name": workflow(call),
        "lanewise.lane": call.lane,
        "lanewise.upstream": account,
    }
    if provider == "openai":
        found["openai.request.service_tier"] = (call.asked.service_tier or "")[:_MOST_NAME]
        found["openai.response.service_tier"] = call.told.tier[:_MOST_NAME]
    if call.status:
        found["http.response.status_code"] = call.status
    return found


def _request(said: Headers) -> str:
    """The id under which the one who answered knows the call."""
    found = next((value for name, value in said if name in _IDS), b"")
    return found.decode("latin-1")[:_MOST_NAME]
