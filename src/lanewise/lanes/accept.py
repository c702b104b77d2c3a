"""Requests come in: read, sorted by packing key, written down, and only then acknowledged.

A run is accepted whole or not at all. Nothing of it is visible, and nothing can be sent, before its
last request is on disk; a crash before that leaves nothing behind but files to sweep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from lanewise.domain.packing import Frame, Limits, PackingKey
from lanewise.errors import BadInput
from lanewise.failpoints import reach
from lanewise.intake import Accepted, Broken, Unfit
from lanewise.lanes.originals import Originals
from lanewise.lanes.shift import Rules, load_of_body, narrowed
from lanewise.providers import dialects, registry
from lanewise.store.nouns import UNDECIDED, AccountRow, NewRun, Route, Run
from lanewise.store.protocol import Draft, Store
from lanewise.tokens import prefix_of

_KEPT_PROBLEMS: Final = 1_000
_LOOK_EVERY: Final = 250  # requests between signs of progress


@dataclass(frozen=True, slots=True)
class Payer:
    """The account that pays for one dialect's requests, and the headers that go with it."""

    row: AccountRow
    headers: tuple[tuple[str, str], ...] = ()


class Payers(Protocol):
    """Finds the account for a dialect and model; raises with a cure where there is none."""

    def __call__(self, provider: str, model: str) -> Payer:
        """The account that pays for `model` in the dialect of `provider`."""
        ...


class Router(Protocol):
    """Decides which way each request goes."""

    def renamed(self, request: Accepted) -> Accepted:
        """The request as policy wants it asked."""
        ...

    def way(self, request: Accepted, key: PackingKey, named: str) -> tuple[Route, float | None]:
        """Its route, and its deadline as `lanewise.domain.deadlines.kept` keeps it.

        `named`: the model that the caller named. Raises `Unfit` for a line that cannot be meant.
        """
        ...

    def count(self, request: Accepted, key: PackingKey, deadline: float | None, rule: str) -> None:
        """Told of each request that is asked, which copies are not, and the rule that fitted it."""
        ...


class Gate(Protocol):
    """Sees every request that is asked on its way in, and decides on the run before it is accepted."""

    def add(self, request: Accepted) -> int:
        """Count one request; returns its input tokens, 0 where they were not counted."""
        ...

    def reserve(self) -> int:
        """The most that the run may cost, in nano-USD; raises `OverBudget` to refuse it."""
        ...


@dataclass(slots=True)
class Received:
    """What came of reading an input."""

    run: Run | None
    new: bool
    requests: int
    broken: list[Broken]
    broken_count: int


@dataclass(slots=True)
class _Sorter:
    """Knows for each dialect, endpoint and model how its lines are written and who pays."""

    payers: Payers
    rules: Rules
    gate: Gate | None
    router: Router | None
    accounts: dict[str, AccountRow] = field(default_factory=dict)
    known: dict[tuple[str, str, str], tuple[PackingKey, Frame, Limits]] = field(
        default_factory=dict
    )
    originals: Originals = field(default_factory=Originals)

    def place(self, dialect: str, endpoint: str, model: str) -> tuple[PackingKey, Frame, Limits]:
        """The packing key, frame and limits for a request."""
        place = self.known.get((dialect, endpoint, model))
        if place is None:
            place = self.known[(dialect, endpoint, model)] = self._new(dialect, endpoint, model)
        return place

    def append(self, draft: Draft, line: Accepted, content: bytes) -> None:
        """Put one request where it belongs; `content` is the SHA-256 of its body. A million pass here."""
        named = line.model
        if self.router is not None and (asked := self.router.renamed(line)) is not line:
            line, content = asked, hashlib.sha256(asked.body).digest()
        key, frame, limits = self.place(line.dialect, line.endpoint, line.model)
        route, deadline, prefix, mark = UNDECIDED, None, None, b""
        if self.router is not None:
            route, deadline = self.router.way(line, key, named)
            if route.once:
                mark = self.originals.mark(content, key, route, deadline)
                if (original := self.originals.find(mark)) is not None:
                    draft.copy(original, number=line.number, caller_id=line.caller_id)
                    return
            self.router.count(line, key, deadline, route.decision.rule)
            if route.decision.caching:
                prefix = prefix_of(line.dialect, line.endpoint, line.model, line.body)
        place = draft.append(
            key,
            frame,
            limits,
            line.body,
            content,
            number=line.number,
            caller_id=line.caller_id,
            units=line.units,
            tokens=0 if self.gate is None else self.gate.add(line),
            route=route,
            deadline=deadline,
            prefix=0 if prefix is None else prefix.hash,
            rate_tokens=load_of_body(line.dialect, len(line.body), line.output_limit).tokens,
        )
        if mark:
            self.originals.add(mark, place)

    def _new(self, dialect: str, endpoint: str, model: str) -> tuple[PackingKey, Frame, Limits]:
        payer = self.payers(dialect, model)
        self.accounts[payer.row.id] = payer.row
        one_model = registry.one_model_a_batch(dialect)
        key = PackingKey(dialect, payer.row.id, endpoint, model if one_model else "", payer.headers)
        limits = narrowed(registry.limits(dialect, endpoint), self.rules)
        return key, dialects.frame(dialect, endpoint), limits


def accept(
    store: Store,
    lines: Iterator[Accepted | Broken],
    payers: Payers,
    rules: Rules,
    new_run: Callable[[str], NewRun],
    *,
    skip_bad: bool = False,
    progress: Callable[[int], None] | None = None,
    gate: Gate | None = None,
    router: Router | None = None,
) -> Received:
    """Write everything down and commit it as one run; `new_run` is given the content's digest.

    With any broken line and without `skip_bad`, nothing is accepted and `run` is None. A run that is
    known already costs nothing more, so its `gate` is not asked.
    """
    draft = store.draft()
    try:
        sorter = _Sorter(payers, rules, gate, router)
        digest, broken, count = _write(draft, lines, sorter, progress)
        if (count and not skip_bad) or draft.requests == 0:
            draft.discard()
            return Received(None, False, draft.requests, broken, count)
        reach("ingest.commit")
        wanted = new_run(digest)
        if gate is not None and not _is_known(store, wanted):
            wanted = replace(wanted, reserve_nano=gate.reserve())
        run, new = draft.commit(wanted, list(sorter.accounts.values()))
    except BaseException:
        draft.discard()
        raise
    return Received(run, new, draft.requests, broken, count)


def _is_known(store: Store, wanted: NewRun) -> bool:
    """Whether this very content was accepted before under this name, or without a name."""
    if wanted.again:
        return False
    if wanted.name is None:
        return store.run_like(wanted.workflow, wanted.digest) is not None
    named = store.run_named(wanted.name)
    return named is not None and named.digest == wanted.digest


def fingerprint(lines: Iterator[Accepted | Broken]) -> str:
    """The digest that `accept` would give this content, without writing anything."""
    digest = hashlib.sha256()
    for line in lines:
        if isinstance(line, Accepted):
            digest.update(_identity(line, hashlib.sha256(line.body).digest()))
    return digest.hexdigest()


def _write(
    draft: Draft,
    lines: Iterator[Accepted | Broken],
    sorter: _Sorter,
    progress: Callable[[int], None] | None,
) -> tuple[str, list[Broken], int]:
    """Append every request; returns the content's digest, the first broken lines, and how many."""
    digest = hashlib.sha256()
    broken: list[Broken] = []
    count = 0
    sha256 = hashlib.sha256
    for line in lines:
        if isinstance(line, Broken):
            count += 1
            if len(broken) < _KEPT_PROBLEMS:
                broken.append(line)
            continue
        content = sha256(line.body).digest()
        try:
            sorter.append(draft, line, content)
        except Unfit as unfit:
            count += 1
            if len(broken) < _KEPT_PROBLEMS:
                broken.append(Broken(line.number, line.source, str(unfit)))
            continue
        digest.update(_identity(line, content))
        if progress is not None and draft.requests % _LOOK_EVERY == 0:
            progress(draft.requests)
    return digest.hexdigest(), broken, count


def _identity(line: Accepted, content: bytes) -> bytes:
    """What makes a request this request: what is asked where, and the id it is answered under."""
    return f"{line.caller_id}\x00{line.endpoint}\x00".encode() + content


def none_to_do(received: Received) -> BadInput:
    """The error for an input without a single request."""
    if received.broken_count:
        return BadInput(f"none of the {received.broken_count:,} lines is a request")
    return BadInput("the input holds no request: expected JSONL, one request a line")
