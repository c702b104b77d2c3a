"""Rules: what a user wants for which requests. The first rule that fits a request says it all.

What a rule leaves out, the policy's defaults say: each rule has one `Ruling`, made when the policy is read,
and a million requests under it share that. Only a rollout by percentage asks for the request's id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from lanewise.domain.deadlines import Deadline, deadline
from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    HELD,
    REALTIME,
    LaneName,
    Offer,
    Terms,
)
from lanewise.errors import BadInput
from lanewise.policy import globs
from lanewise.policy.hours import EVERY_HOUR, Hours, together_hold

ALL_LANES: Final = (REALTIME, FLEX, HELD, BACKGROUND_2H, BACKGROUND_8H, BATCH)
TEXTS: Final = ("workflow", "model", "endpoint", "key")  # what patterns are matched with
Cache: TypeAlias = Literal["auto", "off"]
_REMEMBERED: Final = 65_536  # kinds of requests
_MINUTE: Final = 60


class Traits(NamedTuple):
    """What rules go by: of a million requests of a run, nearly always the same."""

    workflow: str
    model: str
    endpoint: str
    tags: tuple[str, ...] = ()  # such as `team=search`
    key: str = ""  # the name of the caller's key, where there is one


@dataclass(frozen=True, slots=True)
class Ruling:
    """What holds for a request: the fitting rule's word, and the defaults' where it says nothing."""

    rule: str = ""  # the name of the rule that fitted, "" where none did
    policy: str = ""  # the hash of the policy, "" where there is no file
    deadline: str = "none"  # as people say it; a request's or a run's own goes before it
    zone: tzinfo = UTC  # whose clocks `deadline` means where it names none
    lanes: tuple[LaneName, ...] = ALL_LANES  # allowed; what they cost decides, not their order
    pin: LaneName | None = None  # this lane, and never another
    terms: Terms = Terms.ANY
    percent: float = 100.0  # of the requests, which are sent as decided; others go in real time
    budget_nano: int | None = None  # nano-USD in a calendar month (UTC)
    provider: str | None = None  # None: the one whose form the request has
    model: str | None = None  # asked instead of the one that the request names
    held: Hours | None = None  # when held requests are sent
    cache: Cache = "auto"  # whether requests that share a prefix travel together
    dedupe: bool = False  # whether exact duplicates inside a run are asked once

    def acts(self, request_id: str) -> bool:
        """Whether what is decided for it is done; else it is recorded, and the request goes in real time.

        The same id has the same answer at every look, and one that acts at 20 % acts at 30 %.

        >>> [Ruling(percent=percent).acts("r1") for percent in (0, 50, 90, 100)]
        [False, False, True, True]
        """
        if self.percent in (0.0, 100.0):
            return self.percent == 100.0
        return _share(request_id) < self.percent

    def due(
        self,
        now: float,
        said: str | None = None,
        *,
        where: str = "--deadline",
        zones: Callable[[str], tzinfo | None] = lambda name: None,
    ) -> Deadline:
        """The deadline of a request accepted at `now`: what was `said` of it at `where`, else the rule's.

        Raises `BadInput` for one that cannot be meant or has passed.
        """
        place = f"deadline of rule {self.rule!r}" if self.rule else "deadline in [default]"
        if said is not None:
            return deadline(said, now, self.zone, where=where, zones=zones)
        return deadline(self.deadline, now, self.zone, where=place, zones=zones)

    def bars(self, offer: Offer) -> str:
        """Why a lane is not for these requests; "" where it is."""
        if self.provider is not None and offer.provider != self.provider:
            return f"{self.provider} was chosen"
        if self.pin is not None and offer.lane != self.pin:
            return f"pinned to {self.pin}"
        if offer.lane not in self.lanes:
            return "not among the lanes allowed"
        if offer.lane == HELD and self.held is None:
            return "no hours are named to hold it for"
        if self.terms not in offer.terms:
            return f"{offer.provider} does not offer it under {self.terms} terms"
        return ""

    def allowed(self, offers: Iterable[Offer]) -> tuple[Offer, ...]:
        """Those of the offers that these requests may take. Raises `BadInput` where none remains."""
        known = tuple(offers)
        found = tuple(offer for offer in known if not self.bars(offer))
        if found:
            return found
        barred = "; ".join(f"{o.provider} {o.lane}: {self.bars(o)}" for o in known)
        who = f"rule {self.rule!r}" if self.rule else "the policy"
        raise BadInput(
            f"{who} leaves no lane to send by ({barred or 'nothing is offered'}); "
            "allow another lane, or other terms"
        )


def _share(request_id: str) -> float:
    """A percentage from 0 up to 100, that an id always has; spread evenly over ids."""
    digest = hashlib.blake2b(request_id.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * 100


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a rule is for: all that is said must hold; in texts, `*` stands for any text."""

    workflow: str = "*"
    model: str = "*"
    endpoint: str = "*"
    key: str = "*"
    tag: str | None = None  # `team=search`, `team=*`
    hour: Hours | None = None  # when it was accepted

    def misses(self, traits: Traits, now: float) -> str:
        """Why a request at `now` does not fit; "" where it does."""
        for name in TEXTS:
            pattern, text = getattr(self, name), getattr(traits, name)
            if not globs.fits(pattern, text):
                return f"{name} {text!r} is not {pattern!r}"
        if self.tag is not None and not any(globs.fits(self.tag, tag) for tag in traits.tags):
            return f"no tag is {self.tag!r}"
        if self.hour is not None and not self.hour.covers(now):
            return f"it is not {self.hour.text}"
        return ""

    def holds(self, other: Match) -> bool:
        """Whether it is sure to fit all that the other fits."""
        return (
            all(globs.holds(getattr(self, name), getattr(other, name)) for name in TEXTS)
            and (self.tag is None or (other.tag is not None and globs.holds(self.tag, other.tag)))
            and (self.hour is None or self.hour.holds(other.hour or EVERY_HOUR))
        )

    def hidden_by(self, many: Sequence[Match], endpoints: Iterable[str]) -> bool:
        """Whether all that it fits is sure to fit one of many, requests being for these endpoints.

        Hours and endpoints are counted, so that several together may hold them all. Of texts there is no
        end: one that no pattern foresees fits some of many only where that one alone holds all of them.
        """
        wide = [other for other in many if replace(other, endpoint="*", hour=None).holds(self)]
        meant = [endpoint for endpoint in endpoints if globs.fits(self.endpoint, endpoint)]
        return bool(meant) and all(
            together_hold(
                [one.hour or EVERY_HOUR for one in wide if globs.fits(one.endpoint, endpoint)],
                self.hour or EVERY_HOUR,
            )
            for endpoint in meant
        )

    def meets(self, other: Match) -> bool:
        """Whether some request may fit both."""
        return (
            all(globs.meet(getattr(self, name), getattr(other, name)) for name in TEXTS)
            and _tags_meet(self.tag, other.tag)
            and (self.hour is None or other.hour is None or self.hour.meets(other.hour))
        )


def _tags_meet(one: str | None, other: str | None) -> bool:
    """A request has one value for a key, and may have any other keys besides."""
    if one is None or other is None or one.partition("=")[0] != other.partition("=")[0]:
        return True
    return globs.meet(one, other)


@dataclass(frozen=True, slots=True)
class Rule:
    """For whom, and what."""

    match: Match
    ruling: Ruling

    @property
    def name(self) -> str:
        """Unique in its policy."""
        return self.ruling.rule


class Policy:
    """Immutable: rules in their order. Which one fits is remembered by traits, and minute if hours count."""

    def __init__(
        self, rules: Sequence[Rule] = (), default: Ruling = Ruling(), digest: str = ""
    ) -> None:
        self.rules, self.default, self.hash = tuple(rules), default, digest
        self._by_hour = any(rule.match.hour for rule in self.rules)
        self._found = lru_cache(_REMEMBERED)(self._find)

    def ruling(self, traits: Traits, now: float) -> Ruling:
        """What holds for a request accepted at `now`, in seconds since the epoch.

        >>> from lanewise.domain.lanes import BATCH
        >>> night = Rule(Match(workflow="tickets*"), Ruling(rule="tickets", lanes=(BATCH,)))
        >>> Policy([night]).ruling(Traits("tickets-eu", "gpt-5-mini", "/v1/responses"), now=0).lanes
        ('batch',)
        """
        return self._found(traits, int(now // _MINUTE) if self._by_hour else 0)

    def _find(self, traits: Traits, minute: int) -> Ruling:
        now = float(minute * _MINUTE)
        for rule in self.rules:
            if not rule.match.misses(traits, now):
                return rule.ruling
        return self.default

    def rolled_out(self) -> Policy:
        """The same as if every rollout were complete."""
        rules = [Rule(rule.match, replace(rule.ruling, percent=100.0)) for rule in self.rules]
        return Policy(rules, replace(self.default, percent=100.0), self.hash)

    def looks(self, traits: Traits, now: float) -> Iterator[tuple[Rule, str]]:
        """Each rule in turn and why it does not fit, up to the one that does."""
        for rule in self.rules:
            why = rule.match.misses(traits, now)
            yield rule, why
            if not why:
                return


NO_POLICY: Final = Policy()
