"""One request held against a policy: which rules were looked at, what they say, and which lanes remain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lanewise.app.policies import zone_named
from lanewise.domain.deadlines import Deadline
from lanewise.domain.lanes import HELD, REALTIME, LaneName, Offer
from lanewise.errors import BadInput
from lanewise.intake import ENDPOINTS, Accepted, ReadOptions, describe, read
from lanewise.policy.rules import Policy, Rule, Ruling, Traits
from lanewise.pricing import PriceBook
from lanewise.providers import registry
from lanewise.providers.offers import offers


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and what the policy makes of it."""

    traits: Traits
    at: float  # when it is accepted
    looks: tuple[tuple[Rule, str], ...]  # each rule that was looked at, and why it does not fit
    ruling: Ruling
    due: Deadline
    provider: str
    lanes: tuple[tuple[Offer, str], ...]  # each lane of the provider, and why it is barred

    @property
    def allowed(self) -> tuple[LaneName, ...]:
        """The lanes that remain."""
        return tuple(offer.lane for offer, why in self.lanes if not why)


def case(
    policy: Policy, book: PriceBook, traits: Traits, at: float, deadline: str | None = None
) -> Case:
    """Hold a request against a policy; `deadline` is what was said of it.

    Raises `BadInput` for an endpoint that no provider has, and a deadline that cannot be meant.
    """
    if traits.endpoint not in ENDPOINTS:
        raise BadInput(f"--endpoint is {traits.endpoint!r}; it takes {', '.join(ENDPOINTS)}")
    ruling = policy.ruling(traits, at)
    provider = ruling.provider or ENDPOINTS[traits.endpoint].dialect
    return Case(
        traits,
        at,
        tuple(policy.looks(traits, at)),
        ruling,
        ruling.due(at, deadline, zones=zone_named),
        provider,
        tuple((offer, _barred(offer, ruling, traits, book, at)) for offer in offers(provider)),
    )


def _barred(offer: Offer, ruling: Ruling, traits: Traits, book: PriceBook, at: float) -> str:
    """Why a lane is not for this request: by the policy, the endpoint or the price book."""
    if barred := ruling.bars(offer):
        return barred
    if ENDPOINTS[traits.endpoint].dialect != offer.provider:
        return f"{offer.provider} has no {traits.endpoint}"
    sent_by = REALTIME if offer.lane == HELD else offer.lane
    if sent_by not in registry.lanes(offer.provider, traits.endpoint):
        return f"not sold for {traits.endpoint}"
    model, when = ruling.model or traits.model, datetime.fromtimestamp(at, UTC)
    if book.resolve(offer.provider, model, when, sent_by).rates is None:
        return f"no price of {model} in it is known"
    return ""


def request_at(text: str, options: ReadOptions) -> Accepted:
    """The request on a line of a file, said as `requests.jsonl:3`, or the first of the input, said as `-`.

    Raises `BadInput`.
    """
    if text == "-":
        return _first(options)
    name, colon, number = text.rpartition(":")
    if not (colon and number.isascii() and number.isdigit()):
        raise BadInput(
            f"{text!r} names no line; it takes a file and a line such as {text}:1, or - for the input. How a "
            f"request was decided that is accepted already, tells: lanewise explain {text}"
        )
    if not Path(name).is_file():
        raise BadInput(f"{name} is not a file")
    for line in read([name], options):
        if line.number != int(number):
            continue
        if isinstance(line, Accepted):
            return line
        raise BadInput(describe([line], [name]))
    raise BadInput(f"{name} has no request on line {number}")


def _first(options: ReadOptions) -> Accepted:
    for line in read(["-"], options):
        if isinstance(line, Accepted):
            return line
        raise BadInput(describe([line], ["-"]))
    raise BadInput("the input holds no request")
