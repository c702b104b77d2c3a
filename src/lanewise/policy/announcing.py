"""What a webhook is told of something that has ended: ids and states, never what was asked or answered.

Names of events are OpenAI's where it has them: of batches and of background responses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from lanewise.domain.ids import RunId, request_name, response_name
from lanewise.domain.results import Verdict

TEST: Final = "webhook.test"
REQUESTS: Final = "/v1/lanewise/requests"
_RESPONSES: Final = "/v1/responses"
_BATCHES: Final = "/v1/batches"
_MESSAGE_BATCHES: Final = "/v1/messages/batches"


@dataclass(frozen=True, slots=True)
class News:
    """That something has ended: its name for the caller, how it ended, and where to ask for the rest."""

    subject: Literal["request", "response", "batch"]
    id: str
    status: str
    url: str  # a path at the gateway
    workflow: str

    @property
    def type(self) -> str:
        """The name of the event, such as `request.answered`."""
        return f"{self.subject}.{self.status}"

    def payload(self, now: float) -> dict[str, object]:
        """The body of the notice."""
        data = {"id": self.id, "status": self.status, "url": self.url, "workflow": self.workflow}
        return enveloped(self.type, data, now)


def enveloped(kind: str, data: dict[str, str], now: float) -> dict[str, object]:
    """A payload as Standard Webhooks has it.

    >>> enveloped("webhook.test", {}, 0.0)
    {'type': 'webhook.test', 'timestamp': '1970-01-01T00:00:00Z', 'data': {}}
    """
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": kind, "timestamp": at, "data": data}


def of_request(run: RunId, sequence: int, verdict: Verdict, workflow: str) -> News:
    """A request of ours has its final result."""
    words = {Verdict.ANSWERED: "answered", Verdict.REFUSED: "refused"}
    name = request_name(run, sequence)
    return News("request", name, words.get(verdict, "unanswered"), f"{REQUESTS}/{name}", workflow)


def of_response(run: RunId, sequence: int, said: str, *, cancelled: bool, workflow: str) -> News:
    """A background response has ended; `said` is its own status where it was answered, else empty."""
    status = said or ("cancelled" if cancelled else "failed")
    name = response_name(run, sequence)
    return News("response", name, status, f"{_RESPONSES}/{name}", workflow)


def of_batch(order: str, status: str, workflow: str, *, anthropics: bool) -> News:
    """A batch that was ordered in one of the two APIs has ended: completed, failed or cancelled."""
    path = _MESSAGE_BATCHES if anthropics else _BATCHES
    return News("batch", order, status, f"{path}/{order}", workflow)
