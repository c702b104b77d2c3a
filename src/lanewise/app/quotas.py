"""What each account's provider has room for, as far as it is known, and what waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any, Final

from lanewise.domain.batches import Packed, Uploaded
from lanewise.domain.ids import AccountId
from lanewise.domain.lanes import BATCH
from lanewise.lanes.queueing import BATCH_BYTES, NAMES, UNITS, Standing, at_provider, standing
from lanewise.lanes.shift import tokens_of
from lanewise.policy.quotas import ALL_MODELS, Unit, doubted
from lanewise.providers import registry
from lanewise.store.nouns import AccountRow, BatchRow, Lesson
from lanewise.store.protocol import Store

DOCUMENTED: Final = "the provider's documentation"
HEADERS: Final = "the headers of answers"
PER_MINUTE: Final = "_per_minute"
SOURCES: Final = {
    NAMES[Unit.TOKENS]: "batches that were refused, and what was taken after",
    NAMES[Unit.REQUESTS]: "creations that were refused, and what was taken after",
    NAMES[Unit.CREATIONS]: "creations that were refused, and what was taken after",
    NAMES[Unit.BYTES]: "uploads that were refused, and what was taken after",
    BATCH_BYTES: "batches that were refused as too large",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One limit, None where it is not known; `used` is None where it is not one of work that is there."""

    subject: str  # a model, or "*" where models share it
    name: str
    limit: int | None
    used: int | None
    source: str  # what the limit was learned from; "" where it is not known
    learned_at: float | None  # when the provider last said so
    doubted: bool  # one batch more than it allows is tried

    @property
    def room(self) -> int | None:
        """What may be added."""
        if self.limit is None or self.used is None:
            return None
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class Held:
    """Batches of a workflow and model that are not sent yet."""

    workflow: str
    model: str
    batches: int
    requests: int
    tokens: int  # of input, roughly
    deadline: float | None  # of the one that is due first; None where nobody waits


@dataclass(frozen=True, slots=True)
class AccountQuotas:
    """Everything about one account."""

    account: AccountId
    provider: str
    lines: tuple[Line, ...]
    waits: tuple[Held, ...]  # the tightest first

    def as_json(self) -> dict[str, Any]:
        """For programs; instants in seconds since the epoch."""
        return {
            "account": self.account,
            "provider": self.provider,
            "quotas": [asdict(line) | {"room": line.room} for line in self.lines],
            "waits": [asdict(held) for held in self.waits],
        }


def quotas(store: Store, now: float) -> list[AccountQuotas]:
    """Every account of a home as it stands at `now`."""
    return [_account(store, row, now) for row in store.accounts()]


def _account(store: Store, row: AccountRow, now: float) -> AccountQuotas:
    live = store.live(row.id)
    there = standing(store, row.id, [batch for batch in live if at_provider(batch)], now)
    lessons = store.lessons(row.id)
    lines = [*_documented(row.provider, there, lessons), *_learned(there, lessons, now)]
    lines += _unknown(row.provider, there, {(line.subject, line.name) for line in lines})
    lines.sort(key=lambda line: (line.subject != ALL_MODELS, line.subject))
    return AccountQuotas(row.id, row.provider, tuple(lines), tuple(_waits(live)))


def _documented(provider: str, there: Standing, lessons: Iterable[Lesson]) -> Iterator[Line]:
    limits = registry.limits(provider, "")
    hourly = NAMES[Unit.CREATIONS]
    overruled = any(lesson.name == hourly for lesson in lessons)
    if limits.creations_per_hour is not None and not overruled:
        yield _said(hourly, limits.creations_per_hour, there.created)
    yield _said("batch_requests", limits.batch_requests)
    yield _said(BATCH_BYTES, limits.batch_bytes)


def _said(name: str, limit: int, used: int | None = None) -> Line:
    return Line(ALL_MODELS, name, limit, used, DOCUMENTED, None, doubted=False)


def _learned(there: Standing, lessons: Iterable[Lesson], now: float) -> Iterator[Line]:
    for lesson in lessons:
        source = HEADERS if lesson.name.endswith(PER_MINUTE) else SOURCES.get(lesson.name)
        if source is None:
            continue
        unit = UNITS.get(lesson.name)
        used = None if unit is None else there.used(lesson.subject, unit)
        old = unit is not None and doubted(lesson.at, now)
        yield Line(lesson.subject, lesson.name, lesson.value, used, source, lesson.at, old)


def _unknown(provider: str, there: Standing, known: AbstractSet[tuple[str, str]]) -> Iterator[Line]:
    """What is in the provider's queue where nothing was ever refused for want of room."""
    by_model = registry.one_model_a_batch(provider)
    unit = Unit.TOKENS if by_model else Unit.REQUESTS
    for subject in {row.key.model if by_model else ALL_MODELS for row in there.rows}:
        if (subject, NAMES[unit]) not in known:
            used = there.used(subject, unit)
            yield Line(subject, NAMES[unit], None, used, "", None, doubted=False)


def _waits(live: Iterable[BatchRow]) -> list[Held]:
    found: dict[tuple[str, str], list[BatchRow]] = {}
    for row in live:
        if row.lane == BATCH and isinstance(row.batch, Packed | Uploaded):
            found.setdefault((row.workflow, row.key.model), []).append(row)
    held = [
        Held(
            workflow,
            model,
            len(rows),
            sum(row.requests for row in rows),
            sum(tokens_of(row.bytes) for row in rows),
            min((row.deadline for row in rows if row.deadline is not None), default=None),
        )
        for (workflow, model), rows in found.items()
    ]
    return sorted(held, key=lambda one: (one.deadline is None, one.deadline or 0.0))
