"""What has ended becomes notices to those who are to be told, whatever crashed in between.

Who is to be told is written with what is asked. A worker that begins looks at all of it, and from then on at
what an event may have put an end to; the commit that makes a notice takes the wish out, so that of several
workers one makes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from lanewise.domain.ids import RunId
from lanewise.domain.results import Verdict
from lanewise.domain.webhooks import WHOLE
from lanewise.policy.announcing import News, of_batch, of_request, of_response
from lanewise.providers.dialects import as_called
from lanewise.store.nouns import Answer, Run
from lanewise.store.protocol import Store
from lanewise.store.webhooks import Awaited

_MOST_TOGETHER: Final = 500  # notices in one commit
_COMPLETED: Final = "completed"
_OWN: Final = (_COMPLETED, "incomplete", "failed", "cancelled")


class _Body(msgspec.Struct):
    status: str = ""


class Announcer:
    """Looks for ends; one for each worker."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: int | None = None  # the last event that was heard of

    def turn(self, now: float) -> None:
        """Make notices of what has ended since the last turn; in the first, of all that has ended."""
        newest = self._store.newest_event()
        if newest == self._seen:
            return
        found: list[tuple[Awaited, bytes | None]] = []
        for item, news in self._ended(self._store.awaited(self._seen)):
            found.append((item, None if news is None else msgspec.json.encode(news.payload(now))))
            if len(found) == _MOST_TOGETHER:
                self._store.announce(found, now)
                found = []
        if found:
            self._store.announce(found, now)
        self._seen = newest

    def _ended(self, awaited: Iterable[Awaited]) -> Iterator[tuple[Awaited, News | None]]:
        """Those that have ended, with what is told of them."""
        requests: dict[str, dict[int, list[Awaited]]] = defaultdict(lambda: defaultdict(list))
        for item in awaited:
            if item.sequence == WHOLE:
                yield from self._ended_order(item)
            else:
                requests[item.subject][item.sequence].append(item)
        for subject, by_sequence in requests.items():
            run = self._store.run_named(subject)
            assert run is not None, "what is awaited of a run was written with it"
            for answer in self._store.answers_at(run.id, by_sequence):
                for item in by_sequence[answer.sequence]:
                    yield item, _news(item, run, answer)

    def _ended_order(self, item: Awaited) -> Iterator[tuple[Awaited, News | None]]:
        order = self._store.order(item.tenant, item.subject)
        if order is None:
            yield item, None
            return
        run = self._store.run_named(order.id)
        status: str = order.state
        if run is not None and run.state == "finished":
            status = "completed" if order.cancel_at is None else "cancelled"
        elif status in ("accepted", "validating"):
            return
        if status == "failed" and item.kind == "message_batch":  # the call that ordered it was told
            yield item, None
            return
        anthropics = item.kind == "message_batch"
        yield item, of_batch(order.id, status, order.workflow, anthropics=anthropics)


def _news(item: Awaited, run: Run, answer: Answer) -> News:
    assert answer.verdict is not None, "only final results are found"
    if item.kind != "response":
        return of_request(RunId(item.subject), item.sequence, answer.verdict, run.workflow)
    cancelled = answer.outcome is not None and answer.outcome.code == "cancelled"
    return of_response(
        RunId(item.subject), item.sequence, _own_status(answer), cancelled=cancelled,
        workflow=run.workflow,
    )  # fmt: skip


def _own_status(answer: Answer) -> str:
    """What an answered response says of itself: completed, or incomplete."""
    found = None if answer.line is None else as_called(answer.line)
    if answer.verdict is not Verdict.ANSWERED or found is None:
        return ""
    try:
        status = msgspec.json.decode(found[1], type=_Body).status
    except msgspec.DecodeError:
        return _COMPLETED
    return status if status in _OWN else _COMPLETED
