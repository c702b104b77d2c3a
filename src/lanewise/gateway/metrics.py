"""`/metrics`: numbers of this process and of its home, in Prometheus' text format.

Numbers of the process are kept as calls end (`lanewise.gateway.counting`); those of the home are read from
the store when somebody asks, at most once a second. Nothing of a body, an answer or a key is in them, nor are
names of tenants.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lanewise.clock import Clock
from lanewise.errors import StoreUnusable
from lanewise.gateway import admin
from lanewise.gateway.counting import BUCKETS, Counts, Histogram
from lanewise.gateway.routes import Parts
from lanewise.store.outstanding import Outstanding, Spent
from lanewise.store.protocol import Store

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
READ_SECONDS: Final = 1.0
_NANO: Final = 1e9
Sample: TypeAlias = tuple[tuple[str, ...], float]  # values of the labels, in their order
Times: TypeAlias = Mapping[tuple[str, str], Histogram]


class Metric(NamedTuple):
    """One number, or one for each combination of labels."""

    kind: str  # counter, gauge or histogram
    help: str
    labels: tuple[str, ...] = ()


METRICS: Final = {
    "lanewise_calls_total": Metric(
        "counter", "calls that came to their end", ("endpoint", "lane", "model", "status")
    ),
    "lanewise_call_seconds": Metric("histogram", "how long calls took", ("endpoint", "lane")),
    "lanewise_first_byte_seconds": Metric(
        "histogram", "until the first byte of an upstream's answer", ("endpoint", "lane")
    ),
    "lanewise_refusals_total": Metric("counter", "calls that the gateway refused", ("code",)),
    "lanewise_tokens_total": Metric(
        "counter", "tokens of calls that passed through, as booked", ("model", "kind")
    ),
    "lanewise_cost_usd_total": Metric(
        "counter", "what calls that passed through cost, where it is known", ("model", "lane")
    ),
    "lanewise_calls_under_way": Metric("gauge", "calls under way", ("upstream",)),
    "lanewise_held_bytes": Metric("gauge", "bytes of bodies of calls under way"),
    "lanewise_waiting_clients": Metric("gauge", "clients that wait on their connection"),
    "lanewise_unwritten_calls": Metric("gauge", "calls that wait to be written down"),
    "lanewise_unbooked_calls": Metric("gauge", "calls that are not in the ledger yet"),
    "lanewise_home_readable": Metric("gauge", "1, or 0 where the home cannot be read"),
    "lanewise_home_requests": Metric(
        "gauge", "requests without a final result, `waiting` or `sent`", ("state", "lane")
    ),
    "lanewise_home_batches": Metric(
        "gauge", "batches that have not come to their end", ("state", "lane")
    ),
    "lanewise_home_oldest_waiting_seconds": Metric("gauge", "age of the oldest waiting request"),
    "lanewise_home_next_deadline_seconds": Metric(
        "gauge", "until the earliest deadline of what is open; below 0 where it is over"
    ),
    "lanewise_home_answers_total": Metric("counter", "answers in the ledger", ("lane",)),
    "lanewise_home_cost_usd": Metric("gauge", "what the ledger says was spent", ("lane",)),
    "lanewise_home_saving_usd": Metric(
        "gauge", "what the same would have cost in real time, less what was spent", ("lane",)
    ),
    "lanewise_home_waste_usd": Metric("gauge", "spent on answers that nobody used", ("lane",)),
}


class Load(Protocol):
    """What is under way in this process at the moment."""

    def under_way(self) -> Mapping[str, int]:
        """Calls, by upstream."""
        ...

    @property
    def held(self) -> int:
        """Bytes of their bodies."""
        ...

    @property
    def unbooked(self) -> int:
        """Calls that are not in the ledger yet."""
        ...

    @property
    def waiting_clients(self) -> int:
        """Clients that wait on their connection."""
        ...

    @property
    def unwritten(self) -> int:
        """Calls that wait to be written down."""
        ...


def routes(parts: Parts, load: Load) -> list[Route]:
    """`/metrics`; where there are keys, for whoever has an admin key."""
    home = Home(parts.engine.store, parts.engine.clock)

    async def show(request: Request) -> Response:
        if not await asyncio.to_thread(_may_look, parts, request):
            headers = {"www-authenticate": "Bearer"}
            message = "this takes an admin key: Authorization: Bearer lw-...\n"
            return PlainTextResponse(message, 401, headers)
        of_home = await asyncio.to_thread(home.samples)
        samples = dict(of_process(parts.watch.counts, load)) | of_home
        times = {
            "lanewise_call_seconds": parts.watch.counts.times(first=False),
            "lanewise_first_byte_seconds": parts.watch.counts.times(first=True),
        }
        return Response(text(samples, times).encode(errors="replace"), media_type=MEDIA_TYPE)

    return [Route("/metrics", show, methods=["GET"])]


def _may_look(parts: Parts, request: Request) -> bool:
    try:
        return not parts.engine.store.virtual_keys() or admin.is_admin(parts, request)
    except StoreUnusable:
        return False


def of_process(counts: Counts, load: Load) -> Iterator[tuple[str, list[Sample]]]:
    """What this process counted, and what it is at."""
    yield "lanewise_calls_total", list(counts.calls())
    yield "lanewise_refusals_total", [((code,), n) for code, n in counts.refusals.items()]
    yield "lanewise_tokens_total", list(dict(counts.tokens).items())  # copies: a thread writes them
    cost = dict(counts.cost_nano).items()
    yield "lanewise_cost_usd_total", [(labels, nano / _NANO) for labels, nano in cost]
    yield "lanewise_calls_under_way", [((name,), n) for name, n in load.under_way().items()]
    yield "lanewise_held_bytes", [((), load.held)]
    yield "lanewise_waiting_clients", [((), load.waiting_clients)]
    yield "lanewise_unwritten_calls", [((), load.unwritten)]
    yield "lanewise_unbooked_calls", [((), load.unbooked)]


class Home:
    """Reads the numbers of a home; of the ledger only what is new. May be used from several threads."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._reading = threading.Lock()
        self._spent: dict[str, Spent] = {}
        self._last = 0  # row of the ledger
        self._found: dict[str, list[Sample]] = {}
        self._until = 0.0

    def samples(self) -> dict[str, list[Sample]]:
        """What it has outstanding and has spent; only that it cannot be read, where it cannot."""
        with self._reading:
            now = self._clock.now()
            if not self._until - READ_SECONDS <= now < self._until:
                self._found = dict(self._read(now))
                self._until = now + READ_SECONDS
            return self._found

    def _read(self, now: float) -> Iterator[tuple[str, list[Sample]]]:
        try:
            outstanding = self._store.outstanding()
            new, self._last = self._store.spent(self._last)
        except StoreUnusable:
            yield "lanewise_home_readable", [((), 0)]
            return
        for lane, spent in new.items():
            self._spent[lane] = self._spent.get(lane, Spent()) + spent
        yield "lanewise_home_readable", [((), 1)]
        yield from _of_outstanding(outstanding, now)
        yield from _of_spent(self._spent)


def _of_outstanding(found: Outstanding, now: float) -> Iterator[tuple[str, list[Sample]]]:
    by_state = (("waiting", found.waiting), ("sent", found.sent))
    yield (
        "lanewise_home_requests",
        [((state, lane), n) for state, lanes in by_state for lane, n in lanes.items()],
    )
    yield "lanewise_home_batches", list(found.batches.items())
    age = 0.0 if found.oldest is None else max(now - found.oldest, 0.0)
    yield "lanewise_home_oldest_waiting_seconds", [((), age)]
    if found.deadline is not None:
        yield "lanewise_home_next_deadline_seconds", [((), found.deadline - now)]


def _of_spent(by_lane: Mapping[str, Spent]) -> Iterator[tuple[str, list[Sample]]]:
    lanes = by_lane.items()
    yield "lanewise_home_answers_total", [((lane,), of.answers) for lane, of in lanes]
    yield "lanewise_home_cost_usd", [((lane,), of.cost_nano / _NANO) for lane, of in lanes]
    yield "lanewise_home_saving_usd", [((lane,), of.saved_nano / _NANO) for lane, of in lanes]
    yield "lanewise_home_waste_usd", [((lane,), of.waste_nano / _NANO) for lane, of in lanes]


# -- the text --------------------------------------------------------------------------------------
def text(samples: Mapping[str, Iterable[Sample]], times: Mapping[str, Times]) -> str:
    """Prometheus' text format, version 0.0.4.

    >>> print(text({"lanewise_refusals_total": [(("queue_full",), 2)]}, {}))
    # HELP lanewise_refusals_total calls that the gateway refused
    # TYPE lanewise_refusals_total counter
    lanewise_refusals_total{code="queue_full"} 2
    <BLANKLINE>
    """
    lines: list[str] = []
    for name, metric in METRICS.items():
        found = [*_plain(name, metric, samples.get(name, ())), *_buckets(name, times.get(name, {}))]
        if found:
            lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}", *found]
    return "\n".join((*lines, ""))


def _plain(name: str, metric: Metric, samples: Iterable[Sample]) -> Iterator[str]:
    for values, value in samples:
        yield f"{name}{_labels(zip(metric.labels, values, strict=True))} {value!r}"


def _buckets(name: str, times: Times) -> Iterator[str]:
    for values, histogram in times.items():
        labels, below = list(zip(METRICS[name].labels, values, strict=True)), 0
        for bound, n in zip((*BUCKETS, "+Inf"), histogram.counts, strict=True):
            below += n
            yield f"{name}_bucket{_labels([*labels, ('le', str(bound))])} {below}"
        yield f"{name}_sum{_labels(labels)} {histogram.sum!r}"
        yield f"{name}_count{_labels(labels)} {below}"


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
