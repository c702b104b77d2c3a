"""From the text of a policy file to a policy: every problem at once, each with its line and key."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import tzinfo
from decimal import Decimal
from typing import Any, Final

from lanewise.domain.lanes import HELD, REALTIME, Offer
from lanewise.errors import BadInput
from lanewise.policy import globs
from lanewise.policy.hours import Hours
from lanewise.policy.keys import DEFAULT, MATCHING, RULE, SAYING, ZONE, Key, Mismatch, World, near
from lanewise.policy.lines import Lines, lines
from lanewise.policy.rules import ALL_LANES, Match, Policy, Rule, Ruling

_AT: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_DIGITS: Final = 12  # hexadecimal, of a hash
_SENDING: Final = {
    "terms",
    "lanes",
    "pin",
    "provider",
    "held",
    "endpoint",
}  # what says by which lane


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or that somebody may not have meant."""

    file: str
    line: int | None
    place: str  # `[default]`, `rule 'nightly'`, or "" for the file
    key: str  # "" for the whole
    what: str

    def __str__(self) -> str:
        """For people."""
        at = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{at}: {self.place}: {self.what}" if self.place else f"{at}: {self.what}"


@dataclass(frozen=True, slots=True)
class Document:
    """A policy file as it was read; with errors there is no policy."""

    policy: Policy | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def sound(self) -> Policy:
        """The policy. Raises `BadInput` with all errors, one a line."""
        if self.policy is None:
            raise BadInput("\n".join(map(str, self.errors)))
        return self.policy


def read(text: str, name: str, world: World) -> Document:
    """Read the text of the file `name`. What is wrong is in the document; nothing is raised.

    The policy's hash is that of what it says: comments, the order of keys and lanes, and whether a default is
    written out or not make no difference.
    """
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:  # a number too long, or lists in lists in lists
        return Document(None, (_syntax(str(error), text, name),))
    return _Reading(name, world, lines(text)).document(table)


def _syntax(said: str, text: str, name: str) -> Problem:
    found = _AT.search(said)
    line = int(found[1] or text.count("\n") + 1) if found else None
    return Problem(name, line, "", "", f"this is not TOML: {_AT.sub('', said)}")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A table of the file and where it stands."""

    section: str
    number: int
    name: str  # for people
    table: dict[str, Any]


@dataclass(slots=True)
class _Reading:
    file: str
    world: World
    lines: Lines
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def document(self, table: dict[str, Any]) -> Document:
        for section in table:
            if section not in ("default", "rule"):
                self._unknown_section(section)
        default = self._default(table.get("default", {}))
        entries = self._entries(table.get("rule", []))
        found = [made for entry in entries if (made := self._rule(entry, default)) is not None]
        self._compare(found)
        if self.errors:
            errors = sorted(self.errors, key=lambda problem: problem.line or 0)
            return Document(None, tuple(errors), tuple(self.warnings))
        policy = _policy([rule for _, rule in found], default)
        return Document(policy, (), tuple(self.warnings))

    def _unknown_section(self, section: str) -> None:
        accepted = ("default", "rule")
        known = "[default] and [[rule]]" + near(section, accepted)
        at = self.lines.get((section, 0, "")) or self.lines.get(("", 0, section))
        what = f"unknown key or table {section!r}; accepted are {known}"
        self.errors.append(Problem(self.file, at, "", section, what))

    def _default(self, table: Any) -> Ruling:
        entry = _Entry("default", 0, "[default]", table if isinstance(table, dict) else {})
        if not isinstance(table, dict):
            self._wrong(entry, "", "default is not a table; write [default]")
        self._known(entry, DEFAULT)
        zone = self._values(entry, (ZONE,)).get("zone", self.world.zone)
        self.world = replace(self.world, zone=zone)
        return self._checked(entry, Ruling(zone=zone), Match())

    def _entries(self, found: Any) -> list[_Entry]:
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            entry = _Entry("rule", 0, "", {})
            self._wrong(entry, "", "rule is not a list of rules; write [[rule]]")
            return []
        return [_Entry("rule", n, _name(item, n), item) for n, item in enumerate(found)]

    def _rule(self, entry: _Entry, default: Ruling) -> tuple[_Entry, Rule] | None:
        """The rule; None where something is wrong with it, so that it is not compared with others."""
        errors = len(self.errors)
        self._known(entry, RULE)
        name = entry.table.get("name")
        if not isinstance(name, str) or not name.strip():
            said = "missing" if name is None else _shown(name)
            what = f"name is {said}; it takes a text, by which decisions name it"
            self._wrong(entry, "name", what)
        match = Match(**self._values(entry, MATCHING))
        rule = Rule(match, self._checked(entry, replace(default, rule=str(name)), match))
        return (entry, rule) if len(self.errors) == errors else None

    def _known(self, entry: _Entry, keys: dict[str, Key]) -> None:
        """Refuse keys that nobody would read."""
        for name in entry.table:
            if name in keys:
                continue
            if name in RULE:
                hint = "only a [[rule]] takes it"
            elif name == ZONE.name:
                hint = "only [default] takes it"
            else:
                hint = f"accepted are {', '.join(keys)}{near(name, keys)}"
            self._wrong(entry, name, f"unknown key {name!r}; {hint}")

    def _values(self, entry: _Entry, keys: Sequence[Key]) -> dict[str, Any]:
        """What is said under these keys, by field; what cannot be used is left out and reported."""
        found: dict[str, Any] = {}
        for key in keys:
            if key.name not in entry.table:
                continue
            value = entry.table[key.name]
            try:
                found[key.field] = key.read(value, self.world)
            except Mismatch:
                self._wrong(entry, key.name, f"{key.name} is {_shown(value)}; it takes {key.takes}")
            except BadInput as error:
                said = str(error)
                begins = said.startswith(f"{key.name} ")
                self._wrong(entry, key.name, said if begins else f"{key.name}: {said}")
        return found

    def _checked(self, entry: _Entry, before: Ruling, match: Match) -> Ruling:
        """The ruling with what the entry says; reports what does not go together."""
        errors = len(self.errors)
        ruling = replace(before, **self._values(entry, SAYING))
        said = entry.table.keys()
        if {"rollout", "percent"} <= said:
            self._wrong(entry, "percent", "rollout and percent were both given; percent is enough")
        if len(self.errors) == errors and said & _SENDING:
            self._check_lanes(entry, ruling, match.endpoint)
        if len(self.errors) == errors and said & {"deadline", "lanes", "pin"}:
            self._check_at_once(entry, ruling)
        self._warn_of_models(entry)
        return ruling

    def _warn_of_models(self, entry: _Entry) -> None:
        """Where no model of a price is meant, the rule fits nothing, or asks what nobody sells."""
        for key in ("model", "use_model"):
            said = entry.table.get(key)
            if not isinstance(said, str) or not said.strip() or self._is_model(said):
                continue
            what = f"{key} is {said!r}, of which no price is known{near(said, self.world.models)}"
            self.warnings.append(self._problem(entry, key, what))

    def _is_model(self, said: str) -> bool:
        if "*" in said:
            return not self.world.models or any(globs.fits(said, one) for one in self.world.models)
        return said in self.world.models or self.world.priced(said)

    def _offers(self, endpoint: str) -> tuple[Offer, ...]:
        """The lanes of the endpoints that are meant."""
        if endpoint == "*" or not self.world.sold:
            return self.world.offers
        meant = [sold for one, sold in self.world.sold.items() if globs.fits(endpoint, one)]
        return tuple(dict.fromkeys(offer for sold in meant for offer in sold))

    def _check_lanes(self, entry: _Entry, ruling: Ruling, endpoint: str) -> None:
        said, lanes = entry.table.keys(), ", ".join(ruling.lanes)
        named = ruling.lanes != ALL_LANES
        if ruling.pin is not None and ruling.pin not in ruling.lanes:
            key = "pin" if "pin" in said else "lanes"
            self._wrong(entry, key, f"pin is {ruling.pin!r}, which is not among the lanes: {lanes}")
        elif ruling.held is None and (ruling.pin == HELD or (named and HELD in ruling.lanes)):
            key = "lanes" if "lanes" in said else "pin"
            what = f"{key}: the lane held is allowed, but no hours are named; add held, such as"
            self._wrong(entry, key, f'{what} held = "22:00-06:00"')
        elif "held" in said and HELD not in ruling.lanes:
            what = f"held names hours, but the lane held is not among the lanes: {lanes}"
            self._wrong(entry, "held", what)
        elif all(ruling.bars(offer) for offer in self._offers(endpoint)):
            key = next(
                name
                for name in ("terms", "lanes", "pin", "provider", "held", "endpoint")
                if name in said
            )
            self._wrong(entry, key, f"{key}: {self._nothing_left(ruling, endpoint)}")

    def _check_at_once(self, entry: _Entry, ruling: Ruling) -> None:
        """Somebody waits: nothing but real time will do."""
        lanes = (ruling.pin,) if ruling.pin else ruling.lanes
        if ruling.deadline.lower() != "now" or REALTIME in lanes:
            return
        key = next(name for name in ("deadline", "lanes", "pin") if name in entry.table)
        what = f"deadline is 'now', but the lanes allowed are {', '.join(lanes)}; add realtime"
        self._wrong(entry, key, f"{what}, or give another deadline")

    def _nothing_left(self, ruling: Ruling, endpoint: str) -> str:
        wanted = ", ".join([ruling.pin] if ruling.pin else ruling.lanes)
        who = ruling.provider or "no provider"
        asked = "offers none" if ruling.provider else "offers any"
        where = "" if endpoint == "*" else f" for {endpoint}"
        sold = [
            offer.lane if ruling.provider else f"{offer.lane} at {offer.provider}"
            for offer in self._offers(endpoint)
            if ruling.provider in (None, offer.provider) and ruling.terms in offer.terms
        ]
        return (
            f"under the terms {ruling.terms}, {who} {asked} of the lanes allowed ({wanted}){where}, "
            f"so nothing could be sent; what is offered: {', '.join(sold) or 'nothing'}"
        )

    def _compare(self, found: Sequence[tuple[_Entry, Rule]]) -> None:
        """Report rules that cannot be reached or told apart, and those whose order parts requests."""
        for n, (entry, rule) in enumerate(found):
            for earlier, other in found[:n]:
                if rule.name == other.name:
                    self._wrong(
                        entry, "name", f"name is that of {self._at(earlier)} too; make it unique"
                    )
                    break
                if other.match.holds(rule.match):
                    first = f"{self._at(earlier)} comes first and fits all that it fits"
                    hint = "put it before that one, or narrow that one"
                    self._wrong(entry, "", f"it can never match: {first}; {hint}")
                    break
                self._warn_of_overlap(entry, rule, earlier, other)
            else:
                self._check_hidden(entry, rule, found[:n])

    def _check_hidden(
        self, entry: _Entry, rule: Rule, earlier: Sequence[tuple[_Entry, Rule]]
    ) -> None:
        """Report a rule of which others take all requests together, if none does alone."""
        parts = [
            other.match for _, other in earlier if other.match.hour or other.match.endpoint != "*"
        ]
        if parts and rule.match.hidden_by(parts, self.world.endpoints):
            what = "it can never match: earlier rules together fit all that it fits"
            self._wrong(entry, "", f"{what}; put it before them, or narrow one of them")

    def _warn_of_overlap(self, entry: _Entry, rule: Rule, earlier: _Entry, other: Rule) -> None:
        """Where neither is the exception from the other; a general rule after a narrow one is meant."""
        if rule.match.holds(other.match) or not rule.match.meets(other.match):
            return
        parts = _differences(rule.ruling, other.ruling)
        if parts:
            what = (
                f"some requests fit it and {self._at(earlier)}, which comes first and wins; "
                f"they differ in {', '.join(parts)}"
            )
            self.warnings.append(self._problem(entry, "", what))

    def _at(self, entry: _Entry) -> str:
        line = self._line(entry, "")
        return entry.name if line is None else f"{entry.name} (line {line})"

    def _wrong(self, entry: _Entry, key: str, what: str) -> None:
        self.errors.append(self._problem(entry, key, what))

    def _problem(self, entry: _Entry, key: str, what: str) -> Problem:
        return Problem(self.file, self._line(entry, key), entry.name, key, what)

    def _line(self, entry: _Entry, key: str) -> int | None:
        """The key's, else its table's."""
        place = (entry.section, entry.number)
        known = self.lines.get((*place, key)) or self.lines.get((*place, ""))
        return known or self.lines.get(("", 0, entry.section))  # said without a table


def _name(table: dict[str, Any], n: int) -> str:
    said = table.get("name")
    return f"rule {said!r}" if isinstance(said, str) and said.strip() else f"rule {n + 1}"


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _differences(one: Ruling, other: Ruling) -> list[str]:
    """Keys under which two rulings say different things."""
    names = {key.field: key.name for key in reversed(SAYING)}
    return [
        name for part, name in reversed(names.items()) if getattr(one, part) != getattr(other, part)
    ]


def _policy(rules: Sequence[Rule], default: Ruling) -> Policy:
    content = [_content(default), *(_content(p) for r in rules for p in (r.match, r.ruling))]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    stamped = [Rule(rule.match, replace(rule.ruling, policy=digest)) for rule in rules]
    return Policy(stamped, replace(default, policy=digest), digest)


def _content(part: Match | Ruling) -> dict[str, Any]:
    return {item.name: _plain(getattr(part, item.name)) for item in fields(part)}


def _plain(value: Any) -> Any:
    match value:
        case Hours():
            return [f"{value.week:x}", str(value.zone)]
        case tzinfo():
            return str(value)
        case _:
            return value
