"""One running system: a home, the accounts this process can act for, and the loops over them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from lanewise.app.accounts import SANDBOX, Accounts
from lanewise.app.budgets import caps_for
from lanewise.clock import Clock, SystemClock
from lanewise.domain.ids import RunId, WorkerId, fresh_id
from lanewise.errors import NotFound
from lanewise.intake import Accepted, Broken
from lanewise.lanes import accept as accepting
from lanewise.lanes.accept import Payer, Received
from lanewise.lanes.deliver import result_lines, write_results
from lanewise.lanes.shift import Rules
from lanewise.lanes.worker import Pace, Worker
from lanewise.pricing import PriceBook
from lanewise.providers import registry
from lanewise.providers.protocol import BatchProvider
from lanewise.settings import Settings
from lanewise.store.protocol import AccountRow, NewRun, Run, Store
from lanewise.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from lanewise.sandbox import RunningSandbox

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


class Engine:
    """Opens a home and acts on it; every command and the Python client go through this."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self._closing = ExitStack()
        self._sandbox: RunningSandbox | None = None
        self.accounts = Accounts(os.environ if environ is None else environ, self._sandbox_url)
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
    ) -> Received:
        """Write a run down, durably; see `lanewise.lanes.accept`."""

        def payer(provider: str) -> Payer:
            return self.accounts.payer(provider, chosen=request.provider)

        def new_run(digest: str) -> NewRun:
            return NewRun(
                request.workflow,
                digest,
                request.source,
                self.clock.now(),
                name=request.name,
                again=request.again,
                tags=request.tags,
                caps=caps_for(self.settings, request.workflow, self.clock.now()),
            )

        return accepting.accept(
            self.store,
            lines,
            payer,
            self._rules_for_any(),
            new_run,
            skip_bad=request.skip_bad,
            progress=progress,
        )

    def find(self, lines: Iterator[Accepted | Broken], request: RunRequest) -> Run | None:
        """The run of the same content, if there is one; reads, and writes nothing."""
        return self.store.run_like(request.workflow, accepting.fingerprint(lines))

    def paid_accounts(self, run: RunId) -> list[AccountRow]:
        """The accounts that will be charged for a run; the sandbox charges nobody."""
        return [row for row in self.store.accounts_of(run) if row.base_url != SANDBOX]

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
            rules=self._rules,
            pace=Pace(
                lease=self.settings.lease_seconds,
                sweep=self.settings.sweep_seconds,
                transfers=self.settings.transfers,
            ),
        )

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

    def write_results(self, run: RunId, target: Path) -> int:
        """Results to a file, whole or not at all."""
        return write_results(self.store, run, target)

    # -- wiring -----------------------------------------------------------------------------------
    def _connect(self, row: AccountRow) -> BatchProvider | None:
        account = self.accounts.connectable(row)
        return None if account is None else registry.connect(account)

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


def runs_of(store: Store, workflow: str) -> Sequence[Run]:
    """Every run of a workflow, oldest first."""
    return [run for run in reversed(store.runs(limit=1_000_000)) if run.workflow == workflow]
