"""Who may act for an account: leases with fences, and workers that are seen to be alive."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lanewise.domain.ids import AccountId, WorkerId
from lanewise.store.disk import FileLock
from lanewise.store.nouns import Lease, WorkerRow
from lanewise.store.sqlite.base import Operations


class LeaseOperations(Operations):
    """A lease ends by time, by release, or by the death of its holder's process."""

    @contextmanager
    def register_worker(self, worker: WorkerId, now: float) -> Iterator[None]:
        """Be seen as alive until the context ends or the process does."""
        lock = FileLock(self.home / "workers" / f"{worker}.lock")
        lock.take(wait=False)
        with self._db.transaction():
            row = (worker, socket.gethostname(), os.getpid(), now, now)
            self._db.execute(self._work["add_worker"], row)
        try:
            yield
        finally:
            with self._db.transaction():
                self._db.execute(self._work["drop_worker"], (worker,))
            lock.remove()

    def heartbeat(self, worker: WorkerId, accounts: Iterable[AccountId], now: float) -> None:
        """Still here, able to act for these accounts."""
        with self._db.transaction():
            self._db.execute(self._work["seen_worker"], (now, json.dumps(sorted(accounts)), worker))

    def workers(self, now: float) -> list[WorkerRow]:
        """Those alive; the rows of dead ones are removed on the way."""
        alive: list[WorkerRow] = []
        for row in self._db.all(self._work["workers"]):
            if self._is_dead(row["id"]):
                with self._db.transaction():
                    self._db.execute(self._work["drop_worker"], (row["id"],))
                continue
            accounts = tuple(AccountId(name) for name in json.loads(row["accounts"]))
            alive.append(
                WorkerRow(
                    row["id"], row["host"], row["pid"], row["started_at"], row["seen_at"], accounts
                )
            )
        return alive

    def _is_dead(self, worker: str) -> bool:
        """The kernel lets go of a dead process's lock; whoever gets it knows."""
        path = self.home / "workers" / f"{worker}.lock"
        if not path.exists():
            return True
        lock = FileLock(path)
        if not lock.take(wait=False):
            return False
        lock.remove()
        return True

    def acquire(self, account: AccountId, worker: WorkerId, now: float, ttl: float) -> Lease | None:
        """The lease, or a longer one; None while another worker holds it."""
        with self._db.transaction():
            row = self._db.first(self._work["lease"], (account,))
            taken = row is not None and row["worker"] != worker and row["until"] > now
            if taken and row is not None and not self._is_dead(row["worker"]):
                return None
            until = now + ttl
            fence = self._db.one(self._work["take_lease"], (account, worker, until, now))[0]
            return Lease(account, worker, fence, until)

    def release(self, lease: Lease) -> None:
        """Let another worker act at once."""
        with self._db.transaction():
            self._db.execute(
                self._work["release_lease"], (lease.account, lease.worker, lease.fence)
            )
