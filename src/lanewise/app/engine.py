"""One running system: a home, the accounts this process can act for, and the loops over them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from lanewise.app.accounts import SANDBOX, Accounts, Names
from lanewise.app.budgets import (
    BudgetStanding,
    budget_caps,
    budgets_of,
    caps_for,
    key_cap,
    rule_cap,
)
from lanewise.app.estimating import SAMPLE, estimator
from lanewise.app.forecasting import completion
from lanewise.app.guard import Guard
from lanewise.app.policies import PolicyFile, places
from lanewise.app.promises import require_promises
from lanewise.app.routing import Caller, Router, Way
from lanewise.app.zones import local_zone
from lanewise.clock import Clock, SystemClock
from lanewise.domain.ids import RunId, WorkerId, fresh_id
from lanewise.domain.lanes import LaneName
from lanewise.errors import NotFound
from lanewise.intake import Accepted, Broken
from lanewise.lanes import accept as accepting
from lanewise.lanes.accept import Payer, Received
from lanewise.lanes.deliver import result_lines
from lanewise.lanes.menus import Menus
from lanewise.lanes.notify import Notifier
from lanewise.lanes.receiver import Receivers
from lanewise.lanes.shift import Rules
from lanewise.lanes.traffic import Traffic
from lanewise.lanes.worker import Pace, Worker
from lanewise.policy.reaching import Inside
from lanewise.policy.rules import Policy
from lanewise.pricing import PriceBook
from lanewise.providers import registry
from lanewise.providers.calling import CallProvider
from lanewise.providers.protocol import BatchProvider
from lanewise.settings import Settings
from lanewise.store.books import Cap
from lanewise.store.nouns import AccountRow, Claim, NewRun, Run
from lanewise.store.protocol import Store
from lanewise.store.sqlite import SqliteStore
from lanewise.tokens import Estimate, Estimator, History, history_of

if TYPE_CHECKING:
    from lanewise.sandbox import RunningSandbox

_LEARN_FROM: Final = 2_000  # answers of a workflow
_MENUS_SECONDS: Final = 60.0  # what was learned meanwhile is seen by then
_SANDBOX_POLL: Final = 0.2  # seconds: the sandbox's hours are seconds here


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a caller wants done with an input."""

    workflow: str
    source: str
    provider: str | None = None
    name: str | None = None
    again: bool = False
    skip_bad: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    deadline: str | None = None  # in the caller's words; None: as policy says
    dedupe: bool = False  # ask requests of the same content once, and give every asker the answer
    key: str = ""  # the name of the caller's key, for policy
    monthly_nano: int | None = None  # the monthly budget of that key, nano-USD; None: it has none
    tenant: str | None = None  # who asked over HTTP
    lanes: tuple[LaneName, ...] = ()  # those that the caller's key is for; none: all
    claims: Sequence[Claim] = ()  # one for each request, where a tenant asked


class Engine:
    """Opens a home and acts on it; every command and the Python client go through this."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """`traffic`: that of an engine whose calls in real time this one's worker makes room for."""
        self.settings = settings
        self.clock = clock or SystemClock()
        self.traffic = traffic or Traffic(self.clock)
        self._closing = ExitStack()
        self._sandbox: RunningSandbox | None = None
        self.environ = os.environ if environ is None else environ
        self.accounts = Accounts(
            self.environ, self._sandbox_url, settings.upstreams, settings.aliases
        )
        self.policy = PolicyFile(*places(settings.home, self.environ))
        self._menus: Menus | None = None
        self.store: Store = SqliteStore.open(settings.home, now=self.clock.now())
        self._closing.callback(self.store.close)
        self._book: PriceBook | None = None

    @property
    def book(self) -> PriceBook:
        """The price book, loaded when it is first needed."""
        if self._book is None:
            self._book = PriceBook.of_home(self.settings.home)
        return self._book

    # -- in ---------------------------------------------------------------------------------------
    def accept(
        self,
        lines: Iterator[Accepted | Broken],
        request: RunRequest,
        *,
        progress: Callable[[int], None] | None = None,
        max_nano: int | None = None,
        approve: Callable[[Estimate], None] | None = None,
        ways: list[Way] | None = None,
    ) -> Received:
        """Write a run down, durably; see `lanewise.lanes.accept`. `ways` gets how each request goes.

        `max_nano` and `approve`: see `lanewise.app.guard.Guard`. Raises `OverBudget`, and accepts nothing,
        where they or a budget refuse it.
        """
        budget = self.budget_of(request.workflow)
        router = self.router(request)
        router.given = ways
        guard = Guard(
            self._estimator(self.history(request.workflow)),
            max_nano,
            approve,
            None if budget is None else budget.limit_nano,
            lambda: self._require(router),
            request.monthly_nano,
        )

        def payer(provider: str, model: str) -> Payer:
            return self.accounts.payer(provider, model, chosen=request.provider)

        def new_run(digest: str) -> NewRun:
            return NewRun(
                request.workflow,
                digest,
                request.source,
                self.clock.now(),
                name=request.name,
                again=request.again,
                tags=request.tags,
                caps=(*self._caps(request), *router.caps()),
                asked=router.asked_deadline,
                tenant=request.tenant,
                key="" if request.monthly_nano is None else request.key,
                claims=request.claims,
            )

        return accepting.accept(
            self.store,
            lines,
            payer,
            self._rules_for_any(),
            new_run,
            skip_bad=request.skip_bad,
            progress=progress,
            gate=guard,
            router=router,
        )

    def most(self, requests: Iterable[Accepted], request: RunRequest) -> Iterator[int]:
        """What each may cost at the most, nano-USD, as `accept` would reserve it for that one alone."""
        router, history = self.router(request), self.history(request.workflow)
        for asked in requests:
            found = self._estimator(history)
            found.add(router.renamed(asked))
            estimate = found.finish()
            yield estimate.high_nano if request.monthly_nano is None else estimate.dearest_nano

    def _require(self, router: Router) -> None:
        """Refuse what cannot be promised, and what has a budget and no price."""
        require_promises(self.store, router.asked, self.clock.now())
        router.require_prices()

    def _caps(self, request: RunRequest) -> Iterator[Cap]:
        """What a run has to fit into, whatever policy says."""
        now = self.clock.now()
        yield from caps_for(self.settings, request.workflow, now)
        if request.monthly_nano is not None:
            yield key_cap(request.key, request.monthly_nano, now)

    def router(self, request: RunRequest) -> Router:
        """Decides for every request of a run that comes in now."""
        now = self.clock.now()
        policy = self.policy.current(now)
        caller = Caller(
            request.workflow,
            tuple(f"{name}={value}" for name, value in sorted(request.tags.items())),
            key=request.key,
            deadline=request.deadline,
            dedupe=request.dedupe,
            lanes=request.lanes,
        )
        names = Names(self.accounts, request.provider)
        history = self.history(request.workflow) if _budgeted(policy) else History()
        zone = local_zone(self.environ)
        return Router(
            policy, self.menus(), caller, now, zone, names, lambda: self._estimator(history)
        )

    def menus(self) -> Menus:
        """What lanes may be chosen from, as is known now; made anew every minute."""
        now = self.clock.now()
        if self._menus is None or not 0.0 <= now - self._menus.at < _MENUS_SECONDS:
            self._menus = Menus(
                self.book,
                completion(self.store, now),
                self.store.learned,
                now,
                self.accounts.has_batches,
            )
        return self._menus

    def _estimator(self, history: History) -> Estimator:
        """It knows what earlier answers teach."""
        return estimator(
            self.book,
            datetime.fromtimestamp(self.clock.now(), UTC),
            rules=self._rules_for_any(),
            history=history,
            sample=SAMPLE,
        )

    def history(self, workflow: str) -> History:
        """What the newest answers of a workflow teach about its next requests."""
        return history_of(
            (seen.model, seen.counted, seen.usage)
            for seen in self.store.observations(workflow, limit=_LEARN_FROM)
        )

    def budget_of(self, workflow: str) -> BudgetStanding | None:
        """How much of a workflow's monthly budget is gone; None where it has none."""
        caps = [
            cap for cap in budget_caps(self.settings, self.clock.now()) if cap.workflow == workflow
        ]
        return next(budgets_of(self.settings, self.store.standing(caps)), None)

    def find(self, lines: Iterator[Accepted | Broken], request: RunRequest) -> Run | None:
        """The run of the same content, if there is one; reads, and writes nothing."""
        return self.store.run_like(request.workflow, accepting.fingerprint(lines))

    # -- act --------------------------------------------------------------------------------------
    def worker(self) -> Worker:
        """A worker for every account this process has a credential for."""
        name = WorkerId(f"{socket.gethostname()[:24]}-{os.getpid()}-{fresh_id()[:6]}")
        return Worker(
            name,
            self.store,
            self.clock,
            self.book,
            self._connect,
            call=self._call,
            rules=self._rules,
            menus=self.menus,
            notifier=Notifier(self.store, self.clock, self.receivers()),
            pace=Pace(
                lease=self.settings.lease_seconds,
                sweep=self.settings.sweep_seconds,
                transfers=self.settings.transfers,
            ),
            traffic=self.traffic,
        )

    def receivers(self) -> Receivers:
        """Calls webhooks, where the settings allow their addresses."""
        return Receivers(Inside.of(self.settings.webhook_allow))

    def retry(self, run: Run, *, refused: bool) -> int:
        """Ask again what a finished run left unanswered; see `Store.retry_run`."""
        now = self.clock.now()
        caps = (*caps_for(self.settings, run.workflow, now), *self._rule_caps(run, now))
        return self.store.retry_run(run.id, now, refused=refused, caps=caps)

    def _rule_caps(self, run: Run, now: float) -> Iterator[Cap]:
        """The budgets, as they are now, of the rules that a run's requests came under."""
        policy = self.policy.current(now)
        budgets = {rule.name: rule.ruling.budget_nano for rule in policy.rules}
        budgets[""] = policy.default.budget_nano
        for rule in self.store.rules_of(run.id):
            if (budget := budgets.get(rule)) is not None:
                yield rule_cap(rule, budget, now)

    def cannot_act_for(self) -> list[AccountRow]:
        """Accounts with open work for which this process has no credential."""
        return [
            row for row in self.store.accounts_with_work() if self.accounts.connectable(row) is None
        ]

    # -- out --------------------------------------------------------------------------------------
    def run(self, name: str) -> Run:
        """The run of that name or id; raises `NotFound` with those there are."""
        found = self.store.run_named(name)
        if found is None:
            known = ", ".join(run.name for run in self.store.runs(limit=5)) or "none yet"
            raise NotFound(f"there is no run {name!r}; the newest are: {known}")
        return found

    def results(self, run: RunId) -> Iterator[bytes]:
        """Result lines in the order of the input."""
        return result_lines(self.store, run)

    # -- wiring -----------------------------------------------------------------------------------
    def _connect(self, row: AccountRow) -> BatchProvider | None:
        account = self.accounts.connectable(row)
        return None if account is None else registry.connect(account)

    def _call(self, row: AccountRow) -> CallProvider:
        account = self.accounts.connectable(row)
        assert account is not None, "a worker acts for accounts that it has connected to"
        return registry.caller(account)

    def _rules_for_any(self) -> Rules:
        settings = self.settings
        return Rules(
            max_tries=settings.max_tries,
            poll_seconds=settings.poll_seconds,
            listing_lag_seconds=settings.listing_lag_seconds,
            create_timeout_seconds=settings.create_timeout_seconds,
            provider_file_hold_seconds=settings.provider_file_hold_seconds,
            batch_requests=settings.batch_requests,
            batch_bytes=settings.batch_bytes,
        )

    def _rules(self, row: AccountRow) -> Rules:
        rules = self._rules_for_any()
        if row.base_url != SANDBOX or rules.poll_seconds is not None:
            return rules
        return Rules(
            max_tries=rules.max_tries,
            poll_seconds=_SANDBOX_POLL,
            listing_lag_seconds=rules.listing_lag_seconds / self.settings.sandbox_speed,
            create_timeout_seconds=rules.create_timeout_seconds,
            provider_file_hold_seconds=rules.provider_file_hold_seconds,
            batch_requests=rules.batch_requests,
            batch_bytes=rules.batch_bytes,
        )

    def _sandbox_url(self) -> str:
        """Start the built-in sandbox: its state is in the home, so any number of processes share it."""
        if self._sandbox is None:
            from lanewise.sandbox import SandboxConfig, start_in_thread

            config = SandboxConfig(
                profile=self.settings.sandbox_profile, speed=self.settings.sandbox_speed
            )
            self._sandbox = start_in_thread(self.settings.home / "sandbox", config=config)
            self._closing.callback(self._sandbox.close)
        url: str = self._sandbox.url
        return url

    def close(self) -> None:
        """Let go of everything."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _budgeted(policy: Policy) -> bool:
    rulings = (policy.default, *(rule.ruling for rule in policy.rules))
    return any(ruling.budget_nano is not None for ruling in rulings)


def runs_of(store: Store, workflow: str) -> Sequence[Run]:
    """Every run of a workflow, oldest first."""
    return [run for run in reversed(store.runs(limit=1_000_000)) if run.workflow == workflow]
