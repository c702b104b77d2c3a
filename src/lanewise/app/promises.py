"""Whether deadlines can be promised: even if everything had to be sent in real time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lanewise.app.routing import Asked
from lanewise.domain.ids import AccountId
from lanewise.domain.packing import PackingKey
from lanewise.errors import TooSoon
from lanewise.lanes.draining import drain, is_measured
from lanewise.lanes.standing import all_loads
from lanewise.policy.rescuing import Load, earliest_promise
from lanewise.store.protocol import Store

_HURRY = 10.0  # seconds between acceptance and the first call


def require_promises(store: Store, asked: Mapping[PackingKey, Asked], now: float) -> None:
    """Raises `TooSoon` for a deadline that cannot be met even in real time, with the earliest that can.

    Where no rate limit of a model was ever stated to us, only the time of one call is held against it:
    nothing is refused on a guess.
    """
    for key, wanted in asked.items():
        if wanted.earliest is None:
            continue
        promised = _earliest(store, key, wanted, now)
        if promised > wanted.earliest:
            raise TooSoon(_refusal(key, wanted, _sayable(promised)))


def _earliest(store: Store, key: PackingKey, wanted: Asked, now: float) -> float:
    learned = store.learned(AccountId(key.account))
    able = drain(learned, key.model)
    if not is_measured(learned, key.model):
        return now + _HURRY + able.call_seconds / 2
    load = Load("new", 0.0, wanted.requests, wanted.tokens)
    return earliest_promise(load, all_loads(store, key.account, key.model, now), able, now)


def _refusal(key: PackingKey, wanted: Asked, promised: float) -> str:
    assert wanted.earliest is not None
    model = f" of {key.model}" if key.model else ""
    return (
        f"{wanted.requests:,} requests{model} cannot be answered by {_said(wanted.earliest)}, even in real "
        f"time at the rate limits of {key.provider} and beside what is promised already. The earliest that "
        f"can be promised is {_said(promised)}. Nothing was accepted; give --deadline that or later"
    )


def _sayable(at: float) -> float:
    """An instant that still holds when somebody has read it and asks again: whole minutes, and one more."""
    return (at // 60.0 + 2.0) * 60.0


def _said(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
