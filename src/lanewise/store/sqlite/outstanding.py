"""A few numbers of a home, for those who look often."""

from __future__ import annotations

from collections import Counter

from lanewise.domain.deadlines import AT_ONCE
from lanewise.store.outstanding import Outstanding, Spent
from lanewise.store.sqlite.base import Operations
from lanewise.store.sqlite.queries import queries


class OutstandingOperations(Operations):
    """Reads only."""

    def outstanding(self) -> Outstanding:
        """What waits, and what is in batches that have not come to their end."""
        known, values = queries("outstanding"), {"at_once": AT_ONCE}
        waiting = self._db.all(known["waiting"], values)
        batches = self._db.all(known["batches"], values)
        sent: Counter[str] = Counter()
        for row in batches:
            sent[row["lane"]] += row["requests"]
        deadlines = [row["deadline"] for row in (*waiting, *batches) if row["deadline"] is not None]
        return Outstanding(
            {row["lane"]: row["requests"] for row in waiting},
            sent,
            {(row["state"], row["lane"]): row["batches"] for row in batches},
            min((row["oldest"] for row in waiting), default=None),
            min(deadlines, default=None),
        )

    def spent(self, after: int) -> tuple[dict[str, Spent], int]:
        """What ledger rows behind a number come to, by lane, and the number of the last of them."""
        rows = self._db.all(queries("outstanding")["spent"], (after,))
        names = ("answers", "cost_nano", "baseline_nano", "waste_nano")
        found = {row["lane"]: Spent(*(row[name] for name in names)) for row in rows}
        return found, max((row["last"] for row in rows), default=after)
