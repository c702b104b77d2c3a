"""From what a tenant orders as a batch to the run of its name: once, whatever crashes in between."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lanewise.app import RunRequest
from lanewise.app.policies import zone_named
from lanewise.app.zones import zone_of
from lanewise.domain.deadlines import deadline
from lanewise.errors import BadInput, OverBudget, ProviderUnusable
from lanewise.gateway.asked import goes_on
from lanewise.gateway.desk import Desk
from lanewise.gateway.keys import barred
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import Who
from lanewise.gateway.wishes import DEADLINE
from lanewise.intake import Accepted, Broken, ReadOptions, read
from lanewise.settings import DAY
from lanewise.store.orders import Order, OrderState, Wrong

_MOST_ERRORS: Final = 100
_TIES: Final = (b"previous_response_id", b"conversation")
_REPEATS: Final = "x-stainless-retry-count"
log = logging.getLogger("lanewise.gateway")


class Orders:
    """Makes runs of orders, one at a time; one for each process."""

    def __init__(self, parts: Parts, *, provider: str | None = None) -> None:
        """`provider`: "sandbox" for the built-in one instead of those that there are credentials for."""
        self.desk, self._provider, self._keys = Desk(parts), provider, parts.keys
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()

    def resume(self) -> None:
        """Make runs of what was ordered and is none yet, after a restart as well; returns at once."""
        task = asyncio.create_task(self._resumed(), name="orders")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resumed(self) -> None:
        async with self._one_at_a_time:
            for order in await asyncio.to_thread(self.desk.store.validating):
                try:
                    await asyncio.to_thread(self.decide, order)
                except Exception:
                    log.exception("batch %s stays as it is until the next start", order.id)

    async def close(self) -> None:
        """Let the orders under way become runs."""
        await asyncio.gather(*self._tasks)

    def require_deadline(self, said: str, where: str) -> None:
        """Raises `BadInput` for a deadline that cannot be meant, or has passed."""
        engine, now = self.desk.engine, self.desk.now()
        zone = zone_of(engine.policy.current(now), engine.environ)
        deadline(said, now, zone, where=where, zones=zone_named)

    def repeated(self, who: Who, content: bytes, headers: Mapping[str, str]) -> Order | None:
        """The order that this call made before, where it says that it may have."""
        if headers.get("idempotency-key") is None and headers.get(_REPEATS, "0") == "0":
            return None
        return self.desk.store.order_like(who.tenant, content, self.desk.now() - DAY)

    def decide(self, order: Order) -> None:
        """The order becomes a run of its name, which a crash and another process cannot make twice.

        Raises `StoreUnusable` where that has to be tried again.
        """
        store = self.desk.store
        wrong: Sequence[Wrong] = ()
        if store.run_named(order.id) is None:
            if order.cancel_at is not None:
                store.decide_order(order.id, "cancelled", self.desk.now())
                return
            wrong = self._troubles(order)
        state: OrderState = "failed" if wrong else "accepted"
        store.decide_order(order.id, state, self.desk.now(), wrong[:_MOST_ERRORS])
        late, run = store.order(order.tenant, order.id), store.run_named(order.id)
        if late is not None and late.cancel_at is not None and run is not None:
            store.cancel_run(run.id, self.desk.now())

    def _troubles(self, order: Order) -> Sequence[Wrong]:
        """Accept it as a run; why it cannot be one, if so."""
        try:
            return self._accept(order)
        except (BadInput, OverBudget) as error:
            return [Wrong(0, str(error).replace("--deadline", DEADLINE.decode()))]
        except ProviderUnusable as error:
            log.warning("batch %s cannot be accepted: %s", order.id, error)
            return [Wrong(0, "the gateway has no account at the provider")]
        except FileNotFoundError:
            return [Wrong(0, "its file is not there any more")]

    def _accept(self, order: Order) -> Sequence[Wrong]:
        path = self.desk.store.upload_path(order.upload)
        who = None if self._keys is None else self._keys.holder(order.key)
        who = who or Who(order.tenant, order.key)
        wanted = RunRequest(
            order.workflow,
            "gateway",
            self._provider,
            name=order.id,
            deadline=order.deadline,
            key=order.key,
            monthly_nano=who.monthly_nano,
            tenant=order.tenant,
            lanes=who.lanes,
        )
        received = self.desk.engine.accept(_lines(str(path), order), wanted)
        if received.run is None and not received.broken:
            return [Wrong(0, "the file holds no request")]
        return [Wrong(broken.number, broken.why) for broken in received.broken]

    def cancel(self, order: Order) -> bool:
        """Stop it: what is answered by then is kept. False where it has ended."""
        store, now = self.desk.store, self.desk.now()
        run = store.run_named(order.id)
        if order.state in ("failed", "cancelled") or (run is not None and run.state == "finished"):
            return False
        store.cancel_order(order.id, now)
        if run is not None:
            store.cancel_run(run.id, now)
        return True


def content_of(headers: Mapping[str, str], body: bytes) -> bytes:
    """A digest of a call: of its body's, and of the idempotency key that it gave."""
    name = headers.get("idempotency-key", "").encode("latin-1", errors="replace")
    return hashlib.sha256(name + b"\0" + body).digest()[:16]


def require_endpoint(who: Who, endpoint: str) -> None:
    """Raises `BadInput` where a key is not for an endpoint."""
    if (found := barred(who, endpoint)) is not None:
        raise BadInput(found.message)


def _lines(path: str, order: Order) -> Iterator[Accepted | Broken]:
    """The lines of a file; those that are not of the order's endpoint, or not for its key, are wrong."""
    for line in read([path], ReadOptions(unpack=False)):
        why = _unfit(line, order) if isinstance(line, Accepted) else ""
        yield Broken(line.number, line.source, why) if why else line


def _unfit(line: Accepted, order: Order) -> str:
    if line.endpoint != order.endpoint:
        return f"its url is {line.endpoint}, and the batch's endpoint is {order.endpoint}"
    if order.tenant and any(word in line.body for word in _TIES) and goes_on(line.body):
        return "a line cannot go on from a response or conversation that the provider keeps"
    found = barred(Who(models=order.models), order.endpoint, line.model)
    return "" if found is None else found.message
