"""Signs that somebody waits, or that nobody does: each from facts alone, and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from lanewise.audit.waiting.facts import Facts
from lanewise.audit.waiting.kinds import Kind, Sign
from lanewise.audit.waiting.naming import names
from lanewise.audit.waiting.pace import (
    crowds,
    evenness,
    handing_on,
    loops,
    rounds,
    scattered,
    schedule,
    turns,
)

Signs: TypeAlias = Callable[[Facts], Iterator[Sign]]
_MOST: Final = 0.7  # of the requests
_NEARLY_ALL: Final = 0.9
_FEW_ANSWERS: Final = 20
_SHORT: Final = 16  # tokens
_LONG: Final = 100  # tokens: over a second to read, and people like to see it come
_PEOPLE: Final = 8  # askers
_QUERY: Final = 40  # tokens
_DOCUMENT: Final = 100  # tokens


def streaming(facts: Facts) -> Iterator[Sign]:
    """Answers are streamed for somebody who reads along; some clients stream whatever they do."""
    if not facts.stream_told or _embeds(facts):  # vectors cannot be streamed
        return
    share = facts.share(facts.streamed, facts.stream_told)
    told = f"{facts.streamed:,} of {facts.stream_told:,} answers are streamed"
    if share >= 0.5:
        yield Sign(Kind.STREAMED, told)
    elif share <= 0.02:
        long = facts.output >= _LONG
        yield Sign(
            Kind.NOT_STREAMED if long else Kind.NOT_STREAMED_SHORT,
            f"{told}, though half of them have {facts.output:,.0f} tokens or more"
            if long
            else told,
        )


def paid_for_speed(facts: Facts) -> Iterator[Sign]:
    """A priority tier costs more."""
    if facts.share(facts.priority) >= 0.5:
        yield Sign(
            Kind.PRIORITY,
            f"{facts.priority:,} of {facts.requests:,} requests pay for a priority tier",
        )


def callers(facts: Facts) -> Iterator[Sign]:
    """Programs that ask: what works off a list rather tells than what merely serves."""
    if facts.callers_told < _MOST * facts.requests:
        return
    told = f"of {facts.callers_told:,} requests come from users or keys that are named as"
    if facts.jobs >= _NEARLY_ALL * facts.callers_told:
        yield Sign(Kind.JOBS, f"{facts.jobs:,} {told} jobs, workers or pipelines")
    elif facts.services + facts.jobs >= _NEARLY_ALL * facts.callers_told:
        yield Sign(Kind.SERVICES, f"{facts.services + facts.jobs:,} {told} services")


def people(facts: Facts) -> Iterator[Sign]:
    """Many users. Their ids may also say on whose behalf something is done, so how they come counts too."""
    if facts.asked_by_told < _MOST * facts.requests or not _by_people(facts):
        return
    yield Sign(Kind.USERS, f"{facts.askers:,} different users ask")
    if facts.returned >= 0.3 * facts.requests:
        yield Sign(
            Kind.RETURNING,
            f"{facts.returned:,} of {facts.requests:,} requests come within ten minutes of the answer "
            "before to the same user",
        )


def clients(facts: Facts) -> Iterator[Sign]:
    """What program sends them."""
    if facts.client_told < _MOST * facts.requests:
        return
    if facts.people_clients >= 0.8 * facts.client_told:
        yield Sign(Kind.PEOPLE_CLIENT, "the client is one that people sit at")
    elif facts.program_clients >= 0.8 * facts.client_told:
        yield Sign(Kind.JOB_CLIENT, "the client is a scheduler of jobs")


def one_shot(facts: Facts) -> Iterator[Sign]:
    """The same template with other content each time, and nothing that carries on."""
    carries = facts.pairs >= 5 and facts.carried >= _MOST * facts.pairs
    talks = facts.sessions < _MOST * facts.in_session
    if _by_people(facts) or carries or talks or facts.requests < 20:
        return
    if facts.templated >= _NEARLY_ALL and facts.distinct_prompts >= 0.5 * facts.prompts:
        yield Sign(
            Kind.FILLED_IN,
            f"{facts.templated:.0%} of {facts.prompts:,} prompts begin in one of three ways and go on "
            "differently: a template is filled in",
        )
    if facts.prompts >= 50 and facts.distinct_prompts <= 0.5 * facts.prompts:
        yield Sign(
            Kind.REPEATED,
            f"the same prompts come again: about {facts.distinct_prompts:,} different ones "
            f"in {facts.prompts:,}",
        )


def answers(facts: Facts) -> Iterator[Sign]:
    """Labels or vectors rather than texts."""
    if facts.answers >= 50 and facts.distinct_answers <= min(_FEW_ANSWERS, 0.2 * facts.answers):
        yield Sign(
            Kind.LABELS,
            f"{facts.answers:,} answers are among {facts.distinct_answers:,}: labels, "
            "which something else reads",
        )
    elif _embeds(facts) and facts.input >= _DOCUMENT:
        yield Sign(
            Kind.DOCUMENTS,
            f"vectors of texts of {facts.input:,.0f} tokens (median), longer than a search",
        )
    elif _embeds(facts) and 0 < facts.input <= _QUERY:
        yield Sign(
            Kind.QUERIES, f"vectors of texts of {facts.input:,.0f} tokens (median), as a search has"
        )
    elif facts.output_told >= 50 and 0 < facts.long_output <= _SHORT:
        yield Sign(Kind.SHORT, f"95 of 100 answers have at most {facts.long_output:.0f} tokens")


def _embeds(facts: Facts) -> bool:
    return facts.vectors >= 0.5 * facts.requests > 0 or (
        facts.output_told >= 50 and facts.long_output == 0
    )


def _by_people(facts: Facts) -> bool:
    """Many ask, and they are not named as programs."""
    programs = facts.jobs + facts.services
    return facts.askers >= _PEOPLE and programs <= 0.1 * facts.callers_told


ALL: Final[tuple[Signs, ...]] = (
    streaming, turns, loops, evenness, handing_on, paid_for_speed, schedule, crowds, scattered, rounds,
    callers, people, clients, one_shot, answers, names,
)  # fmt: skip
