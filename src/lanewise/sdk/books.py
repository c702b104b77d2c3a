"""The books of a home as Arrow tables, for notebooks and data tools; needs `lanewise[arrow]`."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lanewise.app import Engine
from lanewise.app.arrow import ledger_table, savings_table
from lanewise.app.savings import savings
from lanewise.settings import load

if TYPE_CHECKING:
    import pyarrow as pa


class Books:
    """Reads a home's ledger; changes nothing in it. Use it as a context manager.

    `since` and `until` are seconds since the epoch (UTC); None is without limit. Money columns are
    decimals in US dollars with nine digits after the point, null where a price is unknown.

    Raises `lanewise.errors.BadSettings` where pyarrow is not installed.
    """

    def __init__(self, home: Path | str | None = None) -> None:
        self._engine = Engine(load(home=None if home is None else Path(home)))

    def ledger(self, *, since: float | None = None, until: float | None = None) -> pa.Table:
        """Every row, oldest first, with the columns of `lanewise ledger show --json`."""
        return ledger_table(self._engine.store.ledger(since=since, until=until))

    def savings(
        self, *, by: str = "workflow", since: float | None = None, until: float | None = None
    ) -> pa.Table:
        """A row for each group, the greatest saving first; `by` as in `lanewise savings`."""
        now = self._engine.clock.now()
        entries = self._engine.store.ledger(since=since, until=until)
        return savings_table(
            savings(entries, by=by, since=since, until=now if until is None else until)
        )

    def close(self) -> None:
        """Let go of the home."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
