"""What was spent, what it would have cost in real time, and what was saved: by workflow or otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from lanewise.app.receipt import percent, usd
from lanewise.domain.lanes import REALTIME
from lanewise.errors import BadInput
from lanewise.policy.caching import saved as saved_by_caching
from lanewise.store.books import Entry

GROUPINGS: Final = ("workflow", "model", "provider", "lane", "day")
_UNTAGGED: Final = "(no such tag)"


@dataclass(slots=True)
class Saving:
    """The figures of one group, in nano-USD. Answers of unknown price are counted and in no sum.

    What prompt caches saved is the same tokens at the plain input price of the same lane, less what was paid
    for them; negative where more was written than read back. The baseline has the same tokens in the
    same parts, so it is no part of `saved_nano` and comes on top of it.

    `saved_nano` is `baseline_nano - spent_nano`: waste is part of what was spent and has no baseline, so
    it lowers the saving. `by_status` splits the saving by what its prices rest on.
    """

    name: str
    answers: int = 0
    moved: int = 0  # answers that did not come in real time
    spent_nano: int = 0
    baseline_nano: int = 0
    waste_nano: int = 0
    uncertain_nano: int = 0  # part of spent: upper bounds of what may have been charged
    marked_nano: int = 0  # what prompt caching saved where lanewise marked the requests
    cached_nano: int = 0  # the same where the provider or the caller saw to it
    unpriced: int = 0
    by_status: Counter[str] = field(default_factory=Counter)

    @property
    def saved_nano(self) -> int:
        """Negative where the lane cost more than real time would have."""
        return self.baseline_nano - self.spent_nano

    def add(self, entry: Entry) -> None:
        """Take in one row of the ledger."""
        row = entry.row
        if row.kind in {"answer", "correction"}:
            self.answers += row.n
            self.moved += 0 if row.lane == REALTIME else row.n
        if row.cost_nano is None:
            self.unpriced += row.n
            return
        baseline = row.baseline_nano or 0
        self.spent_nano += row.cost_nano
        self.baseline_nano += baseline
        self.waste_nano += row.waste_nano
        self.uncertain_nano += row.cost_nano if row.kind == "unknown_upper_bound" else 0
        self.by_status[row.price_status] += baseline - row.cost_nano
        if row.price is not None:
            gained = saved_by_caching(row.usage, row.price.rates.above(row.tier))
            self.marked_nano += gained if entry.marked else 0
            self.cached_nano += 0 if entry.marked else gained

    def as_json(self) -> dict[str, object]:
        """The fields of `--json` and `--csv`; money in USD as exact decimal numbers."""
        return {
            "name": self.name,
            "answers": self.answers,
            "moved_off_realtime": self.moved,
            "moved_percent": percent(self.moved, self.answers),
            "spent_usd": usd(self.spent_nano),
            "baseline_usd": usd(self.baseline_nano),
            "saved_usd": usd(self.saved_nano),
            "saved_percent": percent(self.saved_nano, self.baseline_nano),
            "waste_usd": usd(self.waste_nano),
            "uncertain_usd": usd(self.uncertain_nano),
            "saved_by_cache_marks_usd": usd(self.marked_nano),
            "saved_by_other_caching_usd": usd(self.cached_nano),
            "unpriced_answers": self.unpriced,
            "saved_by_price_status_usd": {
                status: usd(nano) for status, nano in sorted(self.by_status.items())
            },
        }


@dataclass(frozen=True, slots=True)
class Savings:
    """All groups, the greatest saving first (days: the first first), and their total."""

    by: str
    since: float | None  # seconds since the epoch; None: since the beginning
    until: float
    groups: tuple[Saving, ...]
    total: Saving

    def as_json(self) -> dict[str, object]:
        """The whole report."""
        return {
            "by": self.by,
            "since": None if self.since is None else instant(self.since),
            "until": instant(self.until),
            "groups": [group.as_json() for group in self.groups],
            "total": self.total.as_json(),
        }


def savings(entries: Iterable[Entry], *, by: str, since: float | None, until: float) -> Savings:
    """Add up ledger rows by `workflow`, `model`, `provider`, `lane`, `day` or `tag:KEY`.

    Raises `BadInput` for another grouping.
    """
    name_of = _grouping(by)
    groups: dict[str, Saving] = {}
    total = Saving("total")
    for entry in entries:
        name = name_of(entry)
        group = groups.get(name)
        if group is None:
            group = groups[name] = Saving(name)
        group.add(entry)
        total.add(entry)
    key: Callable[[Saving], tuple[int, str]] = (
        (lambda group: (0, group.name))
        if by == "day"
        else (lambda group: (-group.saved_nano, group.name))
    )
    return Savings(by, since, until, tuple(sorted(groups.values(), key=key)), total)


def _grouping(by: str) -> Callable[[Entry], str]:
    tag = by.removeprefix("tag:")
    if tag != by and tag:
        return lambda entry: entry.tags.get(tag, _UNTAGGED)
    if by not in GROUPINGS:
        raise BadInput(f"--by is {by!r}; accepted are {', '.join(GROUPINGS)} and tag:KEY")
    if by == "day":
        return lambda entry: instant(entry.at)[:10]
    return lambda entry: str(getattr(entry.row, by))


def instant(at: float) -> str:
    """As `2026-11-24T00:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
