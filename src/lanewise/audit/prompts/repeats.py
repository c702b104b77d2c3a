"""The same prompt again: exact repeats, retries after a failure, and prompts that ask nothing.

Prompts are the same if their hash, model and parameters are. A repeat is money only if its first answer would
have done: where the log has answers, `same_answer` counts those that were answered alike, for which that is
sure.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

RETRY_SECONDS: Final = 60.0
REMEMBERED: Final = 1_000_000  # prompts, some 200 bytes each


class Request(NamedTuple):
    """One request, its texts as hashes. `parameters` hashes whatever else may change the answer."""

    at: float
    workflow: str
    provider: str
    model: str
    parameters: int
    prompt: int | None  # None: the log has no text
    answer: int | None
    ok: bool
    tokens: int  # in and out
    cost: int  # nano-USD
    empty: bool = False  # the prompt is nothing but white space


@dataclass(frozen=True, slots=True)
class Tally:
    """Some requests, their tokens and what they cost in nano-USD."""

    requests: int = 0
    tokens: int = 0
    cost: int = 0

    def plus(self, request: Request) -> Tally:
        """With one more."""
        return Tally(self.requests + 1, self.tokens + request.tokens, self.cost + request.cost)


@dataclass(frozen=True, slots=True)
class Repeated:
    """Of one workflow. No request is in two of `repeats`, `retries` and `empty`."""

    requests: int = 0
    with_text: int = 0  # of which anything can be said
    repeats: Tally = Tally()  # asked and answered before
    same_answer: Tally = Tally()  # of these, those that were answered as before
    retries: Tally = Tally()  # asked again within a minute of a failure
    empty: Tally = Tally()


class _Before(NamedTuple):
    at: float
    ok: bool
    answer: int | None


class Repeats:
    """Give it requests in the order of time; `found` has the figures by workflow.

    It remembers so many prompts, the latest asked for, so memory is bounded; `forgotten` says how many it let
    go of, whose repeats it could not see.

    >>> repeats = Repeats()
    >>> for at, ok in ((0, False), (5, True), (900, True)):
    ...     repeats.add(Request(at, "w", "openai", "gpt-5", 0, 77, 1, ok, tokens=100, cost=10))
    >>> repeats.found["w"].retries.requests, repeats.found["w"].repeats.requests
    (1, 1)
    """

    def __init__(self, *, remembered: int = REMEMBERED) -> None:
        self.found: dict[str, Repeated] = {}
        self.forgotten = 0
        self._remembered = remembered
        self._before: OrderedDict[tuple[str, str, str, int, int], _Before] = OrderedDict()

    def add(self, request: Request) -> None:
        """Take the next request. Prompts of different workflows are not compared."""
        row = self.found.get(request.workflow, Repeated())
        self.found[request.workflow] = self._counted(row, request)

    def _counted(self, row: Repeated, request: Request) -> Repeated:
        repeats, same, retries, empty = row.repeats, row.same_answer, row.retries, row.empty
        if request.empty:
            empty = empty.plus(request)
        elif request.prompt is not None:
            before = self._asked_before(request, request.prompt)
            if before and before.ok:
                repeats = repeats.plus(request)
                if request.answer is not None and request.answer == before.answer:
                    same = same.plus(request)
            elif before and request.at - before.at <= RETRY_SECONDS:
                retries = retries.plus(request)
        with_text = row.with_text + (request.prompt is not None or request.empty)
        return Repeated(row.requests + 1, with_text, repeats, same, retries, empty)

    def _asked_before(self, request: Request, prompt: int) -> _Before | None:
        key = request.workflow, request.provider, request.model, request.parameters, prompt
        before = self._before.pop(key, None)
        answered = before is not None and before.ok
        kept = before if before is not None and answered and not request.ok else None
        self._before[key] = kept or _Before(request.at, request.ok, request.answer)
        if len(self._before) > self._remembered:
            self._before.popitem(last=False)
            self.forgotten += 1
        return before
