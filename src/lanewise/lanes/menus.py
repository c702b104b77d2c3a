"""What may be chosen from: the lanes that requests may take, with prices and outlooks as they are known now.

Intake, packer and rescue all choose from here, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from lanewise.domain.ids import AccountId
from lanewise.domain.lanes import (
    BATCH,
    HELD,
    REALTIME,
    LaneName,
    Offer,
)
from lanewise.policy.choosing import Chooser, Ladder, Option, Outlook
from lanewise.policy.completion import Completion
from lanewise.policy.hours import hours
from lanewise.policy.options import ALIKE, TYPICAL, needs, refuses
from lanewise.pricing import PriceBook
from lanewise.providers import registry
from lanewise.providers.offers import offers

# Of a model without a price, lanes are taken to stand to each other as providers' lanes do.
_USUAL_SHARE: Final[Mapping[str, float]] = {
    "realtime": 1.0,
    "held": 1.0,
    "flex": 0.5,
    "background_2h": 0.7,
    "background_8h": 0.6,
    "batch": 0.5,
}
_NOMINAL_NANO: Final = 1_000_000
SANDBOX: Final = "sandbox"  # the built-in one's times are nobody else's
_EVERY_MODEL: Final = (REALTIME, HELD, BATCH)


class Class(NamedTuple):
    """Requests that choose alike."""

    account: AccountId
    provider: str
    endpoint: str
    model: str  # "" where several share a batch: then the typical one's prices
    lanes: tuple[LaneName, ...]  # allowed
    held: str = ""  # the hours of held requests, as a decision has them


@dataclass(slots=True)
class Menus:
    """Options and ladders, remembered until what is known changes."""

    book: PriceBook
    completion: Completion
    learned: Callable[[AccountId], Mapping[tuple[str, str], int]]  # (model, name) -> value
    at: float
    has_batches: Callable[[AccountId], bool] = lambda _: True
    chooser: Chooser[Class] = field(init=False)  # lane choice over these options

    def __post_init__(self) -> None:
        self.chooser = Chooser(self.options)

    def ladder(self, of: Class) -> Ladder:
        """Every way that requests of a class may take."""
        return self.chooser.ladder(of)

    def faster(self, of: Class, than: float) -> Ladder:
        """The ways that are left to what waits in a lane that takes `than` seconds or more."""
        quicker = [o for o in self.options(of) if o.needs < than]
        return Ladder(quicker or [min(self.options(of), key=lambda option: option.needs)])

    def options(self, of: Class) -> Sequence[Option]:
        """The lanes of a class that are sold for its endpoint and have a price."""
        sold = [
            offer
            for offer in self.offers(of.account, of.provider, of.endpoint)
            if offer.lane in of.lanes
        ]
        priced = [(offer, self._nano(of, offer.lane)) for offer in sold]
        known = [(offer, nano) for offer, nano in priced if nano is not None]
        if not known:
            known = [
                (offer, round(_NOMINAL_NANO * _USUAL_SHARE[offer.lane]))
                for offer, _ in priced
                if offer.lane in _EVERY_MODEL  # which models have the others, their prices tell
            ]
        found = [self._option(of, offer, nano) for offer, nano in known]
        return [option for option in found if option.refuses < 1.0] or found

    def offers(self, account: AccountId, provider: str, endpoint: str) -> tuple[Offer, ...]:
        """The lanes that an account has for an endpoint: the provider's, or a server's of one's own."""
        sold = registry.lanes(provider, endpoint) if self.has_batches(account) else (REALTIME,)
        return tuple(
            offer for offer in offers(provider) if offer.lane in sold or offer.lane == HELD
        )

    def option(self, of: Class, lane: LaneName, requests: int = 1) -> Option:
        """One lane of a class, as of a batch of so many requests; for what is there already."""
        offer = next(o for o in self.offers(of.account, of.provider, of.endpoint) if o.lane == lane)
        nano = self._nano(of, lane)
        if nano is None:
            nano = round(_NOMINAL_NANO * _USUAL_SHARE[lane])
        return self._option(of, offer, nano, requests)

    def _option(self, of: Class, offer: Offer, nano: int, requests: int = ALIKE) -> Option:
        provider = SANDBOX if of.account.endswith(f"-{SANDBOX}") else of.provider
        model = of.model if registry.one_model_a_batch(of.provider) else ""
        outlook: Outlook = self.completion.curve(provider, offer.lane, model, requests, self.at)
        wait = 0.0
        if offer.lane == HELD:
            wait = max(opening(of.held, self.at) - self.at, 0.0)
            outlook = Held(wait, outlook)
        refused = refuses(offer, of.model, self.learned(of.account), self.at)
        return Option(offer, nano, outlook, wait + needs(offer), refused)

    def _nano(self, of: Class, lane: LaneName) -> int | None:
        when = datetime.fromtimestamp(self.at, UTC)
        pricer = self.book.pricer(of.provider, of.model, when, lane)
        return None if pricer is None else pricer.cost(TYPICAL)


@dataclass(frozen=True, slots=True)
class Held:
    """The outlook of what is sent in real time, `wait` seconds from now."""

    wait: float
    call: Outlook

    def done_within(self, seconds: float) -> float:
        """Nothing before it is sent."""
        return self.call.done_within(seconds - self.wait)

    def given(self, elapsed: float) -> Outlook:
        """The same, later."""
        if elapsed <= self.wait:
            return Held(self.wait - elapsed, self.call)
        return self.call.given(elapsed - self.wait)


def opening(held: str, now: float) -> float:
    """When held requests may go, from the hours that a decision names; at once where it names none.

    >>> opening("16:00-00:30 @ UTC", 15 * 3_600.0) / 3_600.0
    16.0
    """
    if not held:
        return now
    texts, _, zone = held.rpartition(" @ ")
    return hours(tuple(texts.split("; ")), _zone(zone), _zone).opens(now)


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)
