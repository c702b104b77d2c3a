"""Write an answer from the prompt's own words: a summary, a label, the best sentence, an extract."""

import re
from collections import Counter
from functools import lru_cache
from zlib import crc32

from lanewise.sandbox.answers.labels import choose, how_many, labels_in
from lanewise.sandbox.answers.prompt import Prompt, sentences_wanted, wants_summary
from lanewise.sandbox.answers.text import STOPS, clip, content_words, rank, sentences, stem, stems

LABELS_READ, HEAD = 5_000, 250  # characters of a document that labels are chosen by
MARK = " [sandbox]"
LONGEST_EXTRACT = 600  # characters
_TRIM = " \t#*=-_>`"


class Source:
    """One prompt's text, read once: what summaries, labels and schema fields are drawn from."""

    __slots__ = ("_bag", "_order", "_parts", "prompt")

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self._parts: list[str] | None = None
        self._order: list[int] = []
        self._bag: Counter[str] | None = None

    @property
    def parts(self) -> list[str]:
        """The document's sentences in order."""
        if self._parts is None:
            self._parts = sentences(self.prompt.document) or [
                clip(self.prompt.document.strip(), 80)
            ]
            self._order = rank(self._parts) if len(self._parts) > 1 else [0]
        return self._parts

    @property
    def bag(self) -> Counter[str]:
        """The document's stems and their counts; its beginning counts three times."""
        if self._bag is None:
            self._bag = stems(self.prompt.document[:LABELS_READ])
            head = stems(self.prompt.document[:HEAD])
            self._bag.update({one: 2 * count for one, count in head.items()})
        return self._bag

    def summary(self, count: int, skip: int = 0) -> str:
        """The `count` most telling sentences in their original order."""
        parts = self.parts
        start = skip % len(parts)
        chosen = sorted((self._order[start:] + self._order[:start])[:count])
        return " ".join(clip(_ended(parts[index]), LONGEST_EXTRACT) for index in chosen)

    def title(self) -> str:
        """The beginning of the first sentence, without its full stop."""
        return clip(self.parts[0].strip(_TRIM), 72).rstrip(".,:;")

    def nearest(self, question: str, skip: int = 0) -> str:
        """The sentence that shares most with a question."""
        asked = stems(question)
        scored = sorted(
            range(len(self.parts)),
            key=lambda index: -sum(1 for one in stems(self.parts[index]) if one in asked),
        )
        return clip(self.parts[scored[skip % len(scored)]], LONGEST_EXTRACT)

    def keywords(self, count: int) -> list[str]:
        """The document's commonest meaningful words, commonest first, one a stem."""
        seen: dict[str, list[str | int]] = {}
        for word in content_words(self.prompt.document[:8_000]):
            if len(word) > 2 and not word.isdecimal():
                entry = seen.setdefault(stem(word), [word, 0])
                entry[1] = int(entry[1]) + 1
        ranked = sorted(seen.values(), key=lambda entry: -int(entry[1]))
        return [str(entry[0]) for entry in ranked[:count]]

    def fraction(self, name: str) -> float:
        """A number in [0, 1) that belongs to this document and a field's name."""
        seed = (self.prompt.document[:2_000] + name).encode("utf-8", "replace")
        return crc32(seed) / 2**32


def _ended(sentence: str) -> str:
    return sentence if sentence[-1:] in STOPS else f"{sentence}."


_JSON = re.compile(r"\bjson\b", re.IGNORECASE)
_KEYS = re.compile(
    r"[\"'`](\w{1,40})[\"'`]\s*:"
    r"|\bkeys?:?\s+((?:[\"'`]?\w+[\"'`]?(?:,|,? and)\s+)*[\"'`]?\w+)"
)
_SCALE = re.compile(
    r"\b(?:rat\w+|scor\w+|grade|number|scale)\b[^\n]{0,60}?\b(\d+)\s*(?:to|and|-|\u2013)\s*(\d+)",
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def json_keys(instructions: str) -> tuple[str, ...]:
    """The keys that instructions name for a JSON answer; () when they name none."""
    if not _JSON.search(instructions):
        return ()
    quoted = [found[1] for found in _KEYS.finditer(instructions) if found[1]]
    if quoted:
        return tuple(dict.fromkeys(quoted))
    listed = _KEYS.search(instructions)
    names = re.findall(r"\w+", listed[2]) if listed else []
    return tuple(dict.fromkeys(name for name in names if name != "and"))


@lru_cache(maxsize=512)
def scale_in(instructions: str) -> tuple[int, int] | None:
    """The rating scale that instructions give ("from 1 to 5"); None when there is none."""
    found = _SCALE.search(instructions)
    return (int(found[1]), int(found[2])) if found and int(found[1]) < int(found[2]) else None


def free_text(source: Source, variant: int = 0) -> str:
    """A plain-text answer. Labels and numbers stand alone; prose ends with the sandbox's mark."""
    instructions = source.prompt.instructions
    if wants_summary(instructions):
        return source.summary(sentences_wanted(instructions) or 2, variant) + MARK
    labels = labels_in(instructions)
    if len(labels) > 1:
        return ", ".join(choose(labels, source.bag, how_many(instructions)))
    scale = scale_in(instructions)
    if scale:
        return str(scale[0] + int(source.fraction("scale") * (scale[1] - scale[0] + 1)))
    if instructions.rstrip().endswith("?"):
        return source.nearest(instructions, variant) + MARK
    return source.summary(sentences_wanted(instructions) or 1, variant) + MARK
