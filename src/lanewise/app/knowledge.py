"""What a home knows before any traffic is replayed: how long its batches took, and its accounts' limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lanewise.app.accounts import SANDBOX
from lanewise.app.engine import Engine
from lanewise.app.forecasting import completion, durations, model_seen
from lanewise.audit.whatif import NAMES, Known, Numbers
from lanewise.domain.lanes import LaneName
from lanewise.errors import BadInput
from lanewise.policy.completion import Completion
from lanewise.policy.options import ALIKE
from lanewise.policy.outlook import Curve
from lanewise.policy.quotas import ALL_MODELS
from lanewise.settings import Settings
from lanewise.store.nouns import Lesson
from lanewise.store.protocol import Store
from lanewise.store.sqlite.connection import DATABASE

_HOW: Final = "[MODEL:]NAME=NUMBER, such as gpt-5:enqueued_tokens=2000000"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """`known`, and how many batches it rests on; those of the built-in sandbox are nobody else's."""

    known: Known
    batches: int = 0
    sandboxed: int = 0


def knowledge(settings: Settings, stated: Numbers, now: float) -> Knowledge:
    """What the lanes of this home would go by, as it stood when its newest batch was last seen.

    Not as it stands at `now`, so that the same home knows the same an hour later.
    """
    if not (settings.home / DATABASE).exists():
        return Knowledge(Known(stated=stated))
    with Engine(settings) as engine:
        return _known(engine.store, stated, now)


def _known(store: Store, stated: Numbers, now: float) -> Knowledge:
    seen = durations(store, now)
    as_of = max((one.started_at + one.seconds for one in seen), default=now)
    curves = _Curves(completion(store, as_of))
    sandboxed = sum(one.base_url == SANDBOX for one in seen)
    known = Known(curves.of, _learned(store), stated)
    return Knowledge(known, len(seen) - sandboxed, sandboxed)


@dataclass(frozen=True, slots=True)
class _Curves:
    completion: Completion

    def of(self, provider: str, model: str, lane: LaneName) -> Curve:
        """At any hour of the week: a replay does not tell hours apart."""
        return self.completion.curve(provider, lane, model_seen(provider, model), ALIKE, None)


def _learned(store: Store) -> dict[str, Numbers]:
    """By provider. Where several accounts learned a limit, the newest lesson holds."""
    lessons: defaultdict[str, list[Lesson]] = defaultdict(list)
    for row in store.accounts():
        if row.base_url != SANDBOX:
            lessons[row.provider] += store.lessons(row.id)
    return {provider: _newest(found) for provider, found in lessons.items()}


def _newest(lessons: Iterable[Lesson]) -> Numbers:
    ordered = sorted(lessons, key=lambda one: (one.at, one.value))
    return {(one.subject, one.name): one.value for one in ordered}


def stated_limits(texts: Sequence[str]) -> Numbers:
    """Limits as `--limit` says them. Raises `BadInput` for a name or number that cannot be meant.

    >>> stated_limits(["gpt-5:enqueued_tokens=900000", "creations_per_hour=100"])
    {('gpt-5', 'enqueued_tokens'): 900000, ('*', 'creations_per_hour'): 100}
    """
    return dict(_stated(text) for text in texts)


def _stated(text: str) -> tuple[tuple[str, str], int]:
    subject, equals, number = text.rpartition("=")
    model, _, name = subject.rpartition(":")
    if not equals or name not in NAMES:
        raise BadInput(f"--limit is {text!r}; it takes {_HOW}, with NAME one of {', '.join(NAMES)}")
    digits = number.replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit() and int(digits) > 0):
        raise BadInput(f"--limit {text!r}: {number!r} is no whole number of 1 or more")
    return (model or ALL_MODELS, name), int(digits)
