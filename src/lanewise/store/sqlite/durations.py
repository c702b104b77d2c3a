"""How long the own batches took, for forecasts."""

from __future__ import annotations

from lanewise.domain.lanes import LaneName
from lanewise.store.forecasts import Duration
from lanewise.store.sqlite.base import Operations
from lanewise.store.sqlite.queries import queries


class DurationOperations(Operations):
    """Reads only."""

    def durations(self, *, since: float, now: float, limit: int) -> list[Duration]:
        """Batches that providers took on since then, the newest `limit` of them, as they stand at `now`."""
        rows = self._db.all(queries("durations")["durations"], (since, now, limit))
        return [
            Duration(
                row["provider"],
                row["base_url"],
                LaneName(row["lane"]),
                row["model"],
                row["requests"],
                row["started_at"],
                row["seconds"],
                bool(row["finished"]),
            )
            for row in rows
        ]
