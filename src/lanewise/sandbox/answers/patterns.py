r"""Write a string that matches a simple regular expression.

Understood: literals, ., classes like [a-z0-9_], \d \w \s, groups, alternation, anchors and the
quantifiers ? * + {m} {m,} {m,n}. Anything else is taken literally.
"""

import re
from dataclasses import dataclass

_CLASSES = {"d": "0123456789", "w": "abcdefghijklmnopqrstuvwxyz0123456789_", "s": " "}
_ANY = "abcdefghijklmnopqrstuvwxyz"
MOST_REPEATS = 1_000
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")


def example(pattern: str, variant: int, least: int = 0) -> str:
    """A match of `pattern`, of at least `least` characters where a repeat can stretch."""
    for stretch in (0, least, 1, 2 * least):
        text = _Writer(pattern, variant, stretch).alternatives()
        if len(text) >= least:
            return text
    return text


@dataclass(slots=True)
class _Writer:
    """Reads a pattern from left to right and writes what it asks for."""

    pattern: str
    variant: int
    stretch: int
    at: int = 0

    def alternatives(self) -> str:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options[self.variant % len(options)]

    def _sequence(self) -> str:
        written = ""
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            written += self._repeated()
        return written

    def _take(self, char: str) -> bool:
        taken = self.pattern.startswith(char, self.at)
        self.at += len(char) if taken else 0
        return taken

    def _repeated(self) -> str:
        start = self.at
        atom = self._atom()
        end = self.at
        times = self._times()
        if times < 2:
            return atom if times else ""
        again, self.variant = self.at, self.variant
        written = atom
        for number in range(1, times):
            writer = _Writer(self.pattern[:end], self.variant + number, 0, start)
            written += writer._atom()
        self.at = again
        return written

    def _times(self) -> int:
        if self._take("?"):
            return 0 if not self.stretch else 1
        if self._take("*"):
            return self._lazy(self.stretch)
        if self._take("+"):
            return self._lazy(max(1, self.stretch))
        found = _REPEAT.match(self.pattern, self.at)
        if not found:
            return 1
        self.at = found.end()
        least = min(int(found[1]), MOST_REPEATS)
        most = least if not found[2] else int(found[3] or least + self.stretch)
        return self._lazy(max(least, min(most, self.stretch)))

    def _lazy(self, times: int) -> int:
        self._take("?")
        return times

    def _atom(self) -> str:
        char = self.pattern[self.at]
        self.at += 1
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escaped()
        if char in "^$":
            return ""
        return _ANY[self.variant % 26] if char == "." else char

    def _group(self) -> str:
        if self._take("?"):
            while self.at < len(self.pattern) and self.pattern[self.at] not in ":>=!":
                self.at += 1
            self.at += 1
        written = self.alternatives()
        self._take(")")
        return written

    def _escaped(self) -> str:
        char = self.pattern[self.at : self.at + 1]
        self.at += 1
        if char in ("b", "A", "Z", "z"):
            return ""
        choice = _CLASSES.get(char, {"n": "\n", "t": "\t"}.get(char, char))
        return choice[self.variant % len(choice)] if choice else ""

    def _class(self) -> str:
        negated = self._take("^")
        members = ""
        while self.at < len(self.pattern) and (self.pattern[self.at] != "]" or not members):
            members += self._member()
        self.at += 1
        if negated:
            members = "".join(one for one in _ANY + "0123456789 " if one not in members)
        return members[self.variant % len(members)] if members else ""

    def _member(self) -> str:
        low = self.pattern[self.at]
        self.at += 1
        if low == "\\":
            char = self.pattern[self.at]
            self.at += 1
            if char in _CLASSES:
                return _CLASSES[char]
            low = char
        if self.pattern[self.at : self.at + 1] != "-" or self.pattern[
            self.at + 1 : self.at + 2
        ] in ("]", ""):
            return low
        high = self.pattern[self.at + 1]
        self.at += 2
        return "".join(map(chr, range(ord(low), min(ord(high), ord(low) + 255) + 1)))
