"""Looks where runs stand: what is open, how much slack is left, and when they will be done."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from lanewise.app.forecasting import completion, curve_of
from lanewise.app.standing import ROOM, BatchStanding, Finish, Standing
from lanewise.domain.batches import Packed, Uploaded
from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.ids import AccountId
from lanewise.domain.lanes import BATCH, FLEX, HELD, REALTIME, Offer
from lanewise.lanes.menus import Held, opening
from lanewise.lanes.standing import in_real_time, load_of, may_move, waiting_load, waiting_name
from lanewise.policy.choosing import Option, Outlook
from lanewise.policy.completion import Completion
from lanewise.policy.draining import CALL_SECONDS, drain
from lanewise.policy.finishing import AllOf, Steady, quantile
from lanewise.policy.rescuing import Drain, Live, Load, latest_starts, stuck
from lanewise.providers.offers import offer
from lanewise.store.nouns import BatchRow, Run, WaitingGroup
from lanewise.store.protocol import Store

_LEARN_EVERY: Final = 60.0  # seconds: forecasts change slowly
_BY_RATE: Final = (REALTIME, FLEX)  # lanes whose end the rate limits decide
_NOBODY_WAITS: Final = math.inf


class Standings:
    """Looks at runs; may be asked every second."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[float, Completion] | None = None

    def of(self, runs: Sequence[Run], now: float) -> list[Standing]:
        """Each run as it stands; finished ones have nothing open."""
        facts: dict[AccountId, _Account] = {}
        found: list[Standing] = []
        for run in runs:
            if run.state == "finished":
                found.append(Standing(run, now, None, None, 0, (), None))
                continue
            accounts = [row.id for row in self._store.accounts_of(run.id)]
            for account in accounts:
                if account not in facts:
                    facts[account] = _Account(self._store, account, self._completion(now), now)
            own = [facts[account] for account in accounts]
            found.append(_standing(run, self._store.batches(run.id, live_only=True), own, now))
        return found

    def _completion(self, now: float) -> Completion:
        if self._known is None or not 0.0 <= now - self._known[0] < _LEARN_EVERY:
            self._known = (now, completion(self._store, now))
        return self._known[1]


def _standing(run: Run, rows: list[BatchRow], accounts: list[_Account], now: float) -> Standing:
    by_account = {account.account: account for account in accounts}
    batches = [by_account[row.key.account].batch(row) for row in rows]
    groups = [group for account in accounts for group in account.waiting_of(run)]
    dues = [item.due for item in batches] + [_instant(group.deadline) for group in groups]
    calls = [item.last_call for item in batches]
    calls += [by_account[group.key.account].last_call_of(group) for group in groups]
    batches.sort(key=lambda item: item.last_call or _NOBODY_WAITS)
    asked = [row for row in rows if row.rescued_at is None]  # of others, another batch decides
    stuck = {item.row.batch.id for item in batches if item.stuck}
    works = [by_account[row.key.account].work(row, stuck=row.batch.id in stuck) for row in asked]
    works += [by_account[group.key.account].work_of(group) for group in groups]
    due, last_call = _first(dues), _first(calls)
    movable = all(may_move(row) or in_real_time(row) for row in asked)
    finish = _finish(works, due, now, in_time=movable and last_call is not None and last_call > now)
    unpacked = sum(len(group.waiting.ordinals) for group in groups)
    return Standing(run, now, due, last_call, unpacked, tuple(batches), finish)


def _finish(
    works: list[tuple[Outlook, str]], due: float | None, now: float, *, in_time: bool
) -> Finish:
    """`in_time`: what is late is called back, and there is time for that."""
    counted = Counter((id(outlook), basis) for outlook, basis in works)
    outlooks = {id(outlook): outlook for outlook, _ in works}
    whole = AllOf([(outlooks[which], number) for (which, _), number in counted.items()])
    basis = "; ".join(dict.fromkeys(basis for _, basis in works))
    latest = due if in_time and due is not None else None
    likely, nearly = (_at(quantile(whole, share), now, latest) for share in (0.5, 0.9))
    chance = None if due is None else whole.done_within(due - now)
    return Finish(likely, nearly, chance, latest is not None, basis)


def _at(seconds: float | None, now: float, latest: float | None) -> float | None:
    at = None if seconds is None else now + seconds
    return at if latest is None else min(latest if at is None else at, latest)


class _Account:
    """What is known of an account: its open batches, its queue here, what real time can do."""

    def __init__(self, store: Store, account: AccountId, known: Completion, now: float) -> None:
        self.account = account
        self._known, self._now = known, now
        self._groups = store.waiting(account, _NOBODY_WAITS)
        self._learned = store.learned(account)
        self._outlooks: dict[tuple[object, ...], tuple[Outlook, str]] = {}
        rows = store.live(account)
        self._starts = self._latest(rows)
        self._drains = self._by_rate(rows)

    # -- the last moment ---------------------------------------------------------------------------
    def _latest(self, rows: list[BatchRow]) -> dict[str, float]:
        """As `lanewise.lanes.rescue` and the packer reckon: everything that is due, taken together."""
        loads: dict[str, list[Load]] = defaultdict(list)
        for row in rows:
            if _instant(row.deadline) is not None and row.rescued_at is None:
                loads[row.key.model].append(load_of(row, self._now))
        for group in self._groups:
            if _instant(group.deadline) is not None:
                loads[group.key.model].append(waiting_load(group, self._now))
        starts: dict[str, float] = {}
        for model, of_model in loads.items():
            starts |= latest_starts(of_model, self._drain(model))
        return starts

    def _drain(self, model: str) -> Drain:
        return drain(self._learned, model)

    def last_call_of(self, group: WaitingGroup) -> float | None:
        """When waiting requests must be sent in real time at the latest."""
        return self._starts.get(waiting_name(group))

    def waiting_of(self, run: Run) -> list[WaitingGroup]:
        """What of a run is in no batch."""
        return [group for group in self._groups if group.run == run.id]

    # -- a batch -----------------------------------------------------------------------------------
    def batch(self, row: BatchRow) -> BatchStanding:
        """A batch as people want to see it."""
        last_call = self._starts.get(row.batch.id)
        why = _stuck(row, self._curve(row), self._now) if row.batch.state == "submitted" else None
        return BatchStanding(
            row, _instant(row.deadline), last_call, _waits(row, self._now), why or ""
        )

    def _curve(self, row: BatchRow) -> Outlook:
        return curve_of(self._known, row.key, row.lane, row.requests, row.created_at)

    # -- when it is done ---------------------------------------------------------------------------
    def _by_rate(self, rows: list[BatchRow]) -> dict[str, float]:
        """By model: seconds until what is in lanes that rate limits decide is answered."""
        loads: dict[str, list[Load]] = defaultdict(list)
        for row in rows:
            if row.lane in _BY_RATE:
                left = max(row.requests - (row.done or 0), 0)
                tokens = row.rate_tokens * left // row.requests
                loads[row.key.model].append(Load(row.batch.id, 0.0, left, tokens))
        for group in self._groups:
            if group.decision.lane in _BY_RATE:
                loads[group.key.model].append(waiting_load(group, self._now))
        return {model: self._seconds(model, of_model) for model, of_model in loads.items()}

    def _seconds(self, model: str, loads: Sequence[Load]) -> float:
        able = self._drain(model)
        return able.call_seconds + sum(able.seconds(load) for load in loads)

    def work(self, row: BatchRow, *, stuck: bool) -> tuple[Outlook, str]:
        """When a batch is done, from now, and what that rests on."""
        if stuck:
            return Steady(math.inf), "a batch is stuck"
        elapsed = 0.0 if _is_here(row) else self._now - row.created_at
        wait = (_due_at(row) or self._now) - self._now if row.lane == HELD else 0.0
        key = (row.key, row.lane, row.requests, round(elapsed / 60.0), round(wait / 60.0))
        if key not in self._outlooks:
            self._outlooks[key] = self._work(row, elapsed, wait)
        return self._outlooks[key]

    def _work(self, row: BatchRow, elapsed: float, wait: float) -> tuple[Outlook, str]:
        if row.lane in _BY_RATE:
            return Steady(
                self._drains.get(row.key.model, CALL_SECONDS)
            ), "the rate limits of real time"
        curve = curve_of(self._known, row.key, row.lane, row.requests, row.created_at)
        if row.lane == HELD:
            return Held(max(wait, 0.0), curve), curve.basis
        return curve.given(elapsed), curve.basis

    def work_of(self, group: WaitingGroup) -> tuple[Outlook, str]:
        """The same of requests that wait."""
        lane, requests = group.decision.lane, len(group.waiting.ordinals)
        key = (group.key, lane, group.decision.held, requests)
        if key not in self._outlooks:
            self._outlooks[key] = self._work_of(group, requests)
        return self._outlooks[key]

    def _work_of(self, group: WaitingGroup, requests: int) -> tuple[Outlook, str]:
        lane = group.decision.lane
        if lane in _BY_RATE:
            return Steady(self._drains[group.key.model]), "the rate limits of real time"
        curve = curve_of(self._known, group.key, lane, requests, self._now)
        opens = opening(group.decision.held, self._now) if lane == HELD else self._now
        return Held(max(opens - self._now, 0.0), curve), curve.basis


def _stuck(row: BatchRow, outlook: Outlook, now: float) -> str | None:
    """As `lanewise.lanes.rescue` notices it."""
    sold: Offer | None = offer(row.key.provider, row.lane)
    if sold is None or sold.one_by_one:
        return None
    load = Load(row.batch.id, _NOBODY_WAITS, row.requests, 0)
    live = Live(load, Option(sold, 0, outlook, 0.0), row.created_at)
    moved_at = row.progress_at or row.created_at
    return stuck(live, now, moved_at=moved_at, finalizing_since=row.finalizing_since)


def _waits(row: BatchRow, now: float) -> str:
    """What a batch waits for that has not left this machine."""
    batch, due_at = row.batch, _due_at(row)
    if not isinstance(batch, Packed | Uploaded):
        return ""
    if batch.troubles:
        return "the provider said not now"
    later = due_at is not None and due_at > now
    if later and row.lane == HELD:
        return "waits for its hours"
    if later and row.after is not None:
        return f"waits for {row.after}, which warms the prompt cache"
    held_back = (later or isinstance(batch, Packed)) and batch.step > 0
    return ROOM if held_back and row.lane == BATCH else ""


def _is_here(row: BatchRow) -> bool:
    return row.batch.state in ("packed", "uploading", "uploaded")


def _due_at(row: BatchRow) -> float | None:
    return row.batch.due_at


def _instant(deadline: float | None) -> float | None:
    return None if deadline is None or deadline <= AT_ONCE else deadline


def _first(instants: Iterator[float | None] | Sequence[float | None]) -> float | None:
    return min((at for at in instants if at is not None), default=None)
