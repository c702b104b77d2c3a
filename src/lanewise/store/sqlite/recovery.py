"""What recovery needs: attempts, who owns which provider id, orphans."""

from __future__ import annotations

from collections.abc import Sequence

from lanewise.domain.ids import AccountId, AttemptId, BatchId
from lanewise.store.books import LedgerRow
from lanewise.store.nouns import Attempt, Lease, Stray
from lanewise.store.sqlite.base import Operations
from lanewise.store.sqlite.rows import attempt_of, stray_of


class RecoveryOperations(Operations):
    """Read by whoever looks for a batch whose create has no known outcome, and by the sweep."""

    def attempts(self, account: AccountId, since: float) -> list[Attempt]:
        """Create calls made after `since`."""
        return [attempt_of(row) for row in self._db.all(self._work["attempts"], (account, since))]

    def attempt(self, attempt: AttemptId) -> Attempt | None:
        """One create call."""
        row = self._db.first(self._work["attempt"], (attempt,))
        return None if row is None else attempt_of(row)

    def owned(
        self, account: AccountId, *, besides: BatchId
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Provider ids that other batches hold: for certain, and provisionally."""
        certain = {row[0] for row in self._db.all(self._work["stray_ids"], (account,))}
        provisional: set[str] = set()
        for row in self._db.all(self._work["held_ids"], (account, besides)):
            (provisional if row["provisional"] else certain).add(row["provider_id"])
        return frozenset(certain), frozenset(provisional)

    def known_provider_ids(self, account: AccountId) -> frozenset[str]:
        """Provider ids of batches and strays that this home knows."""
        return frozenset(row[0] for row in self._db.all(self._work["known_ids"], (account,)))

    def disproved(self, batch: BatchId) -> frozenset[str]:
        """Provider ids whose results proved to be something else."""
        return frozenset(row[0] for row in self._db.all(self._work["disproved"], (batch,)))

    def add_stray(self, lease: Lease, stray: Stray) -> bool:
        """Remember an orphan; False if it is known."""
        with self._db.transaction():
            self._require(lease)
            row = (
                stray.account, stray.provider_id, stray.batch, stray.state, stray.found_at,
                stray.due_at,
            )  # fmt: skip
            new = self._db.execute(self._work["add_stray"], row).rowcount == 1
            if new:
                detail = f"{stray.provider_id} at the provider belongs to no row"
                self._event(stray.found_at, "orphan.found", stray.batch, detail)
            return new

    def strays(self, account: AccountId) -> list[Stray]:
        """Orphans that are not booked yet."""
        return [stray_of(row) for row in self._db.all(self._work["strays"], (account,))]

    def update_stray(
        self, lease: Lease, stray: Stray, ledger: Sequence[LedgerRow], now: float, detail: str
    ) -> None:
        """What became of it."""
        with self._db.transaction():
            self._require(lease)
            self._db.execute(
                self._work["update_stray"],
                (stray.state, stray.due_at, stray.account, stray.provider_id),
            )
            self._book(f"stray:{stray.provider_id}", ledger, now)
            if detail:
                kind = f"orphan.{stray.state}"
                self._event(now, kind, stray.batch, f"{stray.provider_id}: {detail}")
