"""The policy file: where it is, and read again when it changes, without a restart.

A file that cannot be used never takes the place of one that could: the last good policy holds on, and the log
says once what is wrong. The same where the file is gone or empty for a moment, as it is while some editors
write: else requests would for that moment go on terms that their owner forbade.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from lanewise.domain.lanes import BATCH, HELD, REALTIME, Offer
from lanewise.errors import BadInput, BadSettings
from lanewise.intake import ENDPOINTS, Dialect
from lanewise.policy import globs
from lanewise.policy.document import Document, Problem, read
from lanewise.policy.keys import World
from lanewise.policy.rules import NO_POLICY, Policy
from lanewise.pricing import PriceBook
from lanewise.providers import registry
from lanewise.providers.offers import OFFERS
from lanewise.settings import Settings

POLICY_FILE: Final = "policy.toml"
VARIABLE: Final = "LANEWISE_POLICY"
_Seen: TypeAlias = tuple[Path, int, int, int]  # modified, size and inode: what a change changes

log = logging.getLogger("lanewise.policy")


@cache
def zone_named(name: str) -> tzinfo | None:
    """A time zone by its IANA name; None where there is none of it."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not known, not a name, a folder of names
        return None


def world(now: float) -> World:
    """What policies are read against: the lanes of those providers to whom lanewise speaks."""
    offers = tuple(offer for offer in OFFERS if offer.provider in tuple(Dialect))
    sold = {path: _sold(path, end.dialect) for path, end in ENDPOINTS.items()}
    return World(now, offers, tuple(ENDPOINTS), zone_named, sold=sold)


def _sold(endpoint: str, provider: str) -> tuple[Offer, ...]:
    lanes = (*registry.lanes(provider, endpoint), HELD)  # held: real time at another hour
    return tuple(offer for offer in OFFERS if offer.provider == provider and offer.lane in lanes)


def priced_world(now: float, settings: Settings) -> World:
    """The same with the models that are known: a rule for another is warned of."""
    book, when = PriceBook.of_home(settings.home), datetime.fromtimestamp(now, UTC)
    own = [*settings.aliases, *(name for one in settings.upstreams for name in one.models)]
    listed = [name for provider in Dialect for name in book.models(provider)]

    def priced(model: str) -> bool:
        lanes = ((provider, lane) for provider in Dialect for lane in (REALTIME, BATCH))
        found = (book.resolve(who, model, when, lane).rates for who, lane in lanes)
        return any(rates is not None for rates in found) or any(
            map(partial(globs.meet, model), own)
        )

    return replace(world(now), models=tuple(dict.fromkeys([*own, *listed])), priced=priced)


def load(path: Path, now: float, against: World | None = None) -> Document:
    """A policy file as it is at this moment, read `against` a world, else that of `now`.

    Raises `BadInput` where it cannot be read at all.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadInput(f"{path}, line {line}: this is not UTF-8 ({error.reason})") from error
    if not text.strip():
        what = "it is empty; for no rules write [default], or remove the file"
        return Document(None, (Problem(str(path), None, "", "", what),))
    return read(text, str(path), against or world(now))


def places(home: Path, environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Where a policy file may be: the one that was named, else the current directory, else the home."""
    env = os.environ if environ is None else environ
    if named := env.get(VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise BadSettings(f"{VARIABLE} names {path}, which is not a file")
        return (path,)
    return Path(POLICY_FILE), home / POLICY_FILE


def starter() -> str:
    """A policy file to begin with."""
    return resources.files(__package__).joinpath("policy.starter.toml").read_text(encoding="utf-8")


class PolicyFile:
    """The policy that holds now. `paths`: the first of them that is there is meant."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self.path: Path | None = None  # the file in use
        self._good: Policy | None = None
        self._seen: _Seen | None = None

    def current(self, now: float) -> Policy:
        """The policy at `now`; the built-in one where there never was a file.

        Raises `BadInput` only while nothing good was ever read: a command fails, a loop that began goes on.
        """
        seen = self._look()
        if self._good is not None and seen == self._seen:
            return self._good
        before, self._seen = self._seen, seen
        try:
            self._good, self.path = self._read(seen, before, now)
        except BadInput as error:
            if self._good is None:
                self._seen = None
                raise
            holds = f"that of {self.path}" if self.path else "the built-in one"
            log.warning("the last good policy, %s, holds on: %s", holds, error)
        return self._good

    def _look(self) -> _Seen | None:
        for path in self.paths:
            try:
                found = path.stat()
            except OSError:
                continue
            return path, found.st_mtime_ns, found.st_size, found.st_ino
        return None

    def _read(
        self, seen: _Seen | None, before: _Seen | None, now: float
    ) -> tuple[Policy, Path | None]:
        if seen is None:
            if before is not None:
                raise BadInput(f"{before[0]} is gone; to go on without a policy, restart")
            return NO_POLICY, None
        if not seen[0].is_file():  # a pipe would never be read to its end
            raise BadInput(f"{seen[0]} is not a file")
        document = load(seen[0], now)
        policy = document.sound()
        for warning in document.warnings:
            log.warning("%s", warning)
        if before is not None:
            log.info("the policy of %s was read again, hash %s", seen[0], policy.hash)
        return policy, seen[0]
