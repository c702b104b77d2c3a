"""Whether deadlines can be promised: even if everything had to be sent in real time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lanewise.app.routing import Asked
from lanewise.domain.counts import counted
from lanewise.domain.ids import AccountId
from lanewise.domain.packing import PackingKey
from lanewise.errors import BadInput, TooSoon
from lanewise.lanes.standing import all_loads
from lanewise.policy.draining import (
    CALL_SECONDS,
    drain,
    is_measured,
    is_timed,
    largest_request,
    stated_a_second,
)
from lanewise.policy.rescuing import Drain, Load, earliest_promise
from lanewise.store.protocol import Store

_HURRY = 10.0  # seconds between acceptance and the first call
_ANY = 1e12  # a second: no limit is known


def require_promises(
    store: Store, asked: Mapping[PackingKey, Mapping[int, Asked]], now: float
) -> None:
    """Raises `TooSoon` for a deadline that cannot be met even in real time, with the earliest that can.

    Where no rate limit of a model was ever stated to us, only the time of one call is held against it:
    nothing is refused on a guess. Raises `BadInput` for a request that is larger than real time takes.
    """
    for key, classes in asked.items():
        learned = store.learned(AccountId(key.account))
        able = drain(learned, key.model)
        if is_measured(learned, key.model):
            if not is_timed(learned, key.model):
                stated = stated_a_second(learned, key.model)
                able = replace(able, requests_per_second=stated, call_seconds=CALL_SECONDS)
            _require_room(key, classes.values(), largest_request(learned, key.model))
            others = all_loads(store, AccountId(key.account), key.model, now)
        else:
            able, others = replace(able, requests_per_second=_ANY, tokens_per_second=_ANY), []
            able = replace(able, margin=_HURRY, call_seconds=CALL_SECONDS / 2)
        _require(key, sorted(classes.values(), key=lambda one: one.earliest), others, able, now)


def _require_room(key: PackingKey, asked: Iterable[Asked], limit: int | None) -> None:
    """Raises `BadInput` for a request that real time can never take, however long it has."""
    largest = max((one.largest for one in asked), default=0)
    if limit is not None and largest > limit:
        raise BadInput(
            f"a request that counts {largest:,} tokens or more can have no deadline: {key.provider} takes "
            f"{limit:,} tokens a minute of {key.model} in real time, so what a batch leaves unanswered "
            "could not be sent there. Nothing was accepted; give it the deadline none, let its answer have "
            "fewer tokens (max_tokens), or split it"
        )


def _require(
    key: PackingKey, asked: Sequence[Asked], others: list[Load], able: Drain, now: float
) -> None:
    """Those due first are held against what is promised already, the next against those as well."""
    for number, wanted in enumerate(asked):
        load = Load(f"new {number}", wanted.earliest, wanted.requests, wanted.tokens)
        promised = earliest_promise(load, others, able, now)
        if promised > wanted.earliest:
            at = _sayable(promised)
            raise TooSoon(_refusal(key, wanted, at), datetime.fromtimestamp(at, UTC))
        others = [*others, load]


def _refusal(key: PackingKey, wanted: Asked, promised: float) -> str:
    model = f" of {key.model}" if key.model else ""
    asked = counted(wanted.requests, "request")
    return (
        f"{asked}{model} cannot be answered by {_said(wanted.earliest)}, even in real "
        f"time at the rate limits of {key.provider} and beside what is promised already. The earliest that "
        f"can be promised is {_said(promised)}. Nothing was accepted; give --deadline that or later"
    )


def _sayable(at: float) -> float:
    """An instant that still holds when somebody has read it and asks again: whole minutes, and one more."""
    return (at // 60.0 + 2.0) * 60.0


def _said(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
