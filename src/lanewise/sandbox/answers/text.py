"""Words, stems and sentences of any language, well enough for extracts."""

import re
from collections import Counter
from functools import lru_cache
from itertools import chain

WORD = re.compile(r"[^\W_]+")
# a stop before a small letter ends a sentence only after a longer word ("e.g. this" does not)
_SENTENCE_END = re.compile(
    r"[.!?][\"')\]]*\s+(?=[^\sa-z]|(?<=\w{4}.\s)[a-z])|[\u3002\uff01\uff1f]|\n\s*\n|\u2029"
)
_ENDINGS = """
ization ations ments ation ently ment ings edly ions ency ence ance ing ent ant ion ies ied ers
er or ed es ly s e y
"""
_SUFFIXES = tuple(_ENDINGS.split())  # longest first
_COMMON = """
a about above after all also an and any are as at be because been before being below between both
but by can could did do does doing down during each few for from further had has have having he her
here hers him his how i if in into is it its itself just me more most my no nor not now of off on
once only or other our out over own s same she should so some such t than that the their them then
there these they this those through to too under until up very was we were what when where which
while who whom why will with would you your
"""
STOPWORDS = frozenset(_COMMON.split())
LONGEST_READ = 12_000  # characters of a document that are looked at; the rest only costs tokens


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A lower-case word without its commonest English endings; at least three letters stay."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def words(text: str) -> list[str]:
    """Lower-case words in order."""
    return WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Lower-case words that carry meaning, in order."""
    return [word for word in WORD.findall(text.lower()) if word not in STOPWORDS]


def stems(text: str) -> Counter[str]:
    """How often each stem of a meaningful word occurs."""
    return Counter(map(stem, content_words(text)))


def sentences(text: str) -> list[str]:
    """Sentences in order with their whitespace made plain; blank lines end a sentence too."""
    read = text[:LONGEST_READ]
    ends = [found.end() for found in _SENTENCE_END.finditer(read)]
    pieces = (read[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True))
    return [plain for piece in pieces if (plain := " ".join(piece.split()))]


def rank(parts: list[str]) -> list[int]:
    """Indices of sentences, the most telling first: frequent words, early place, fair length."""
    bags = [[word for word in part.lower().split() if len(word) > 3] for part in parts]
    counts = Counter(chain.from_iterable(bags))
    scores = [_worth(bag, counts, place) for place, bag in enumerate(bags)]
    return sorted(range(len(parts)), key=lambda index: -scores[index])


def _worth(bag: list[str], counts: Counter[str], place: int) -> float:
    if len(bag) < 3:
        return 0.0 if place else 1.0
    shared = sum(map(counts.__getitem__, bag))
    return shared / (len(bag) + 6) * (1.0 + 1.0 / (1 + place))


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, cut between words where that is possible."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    at_word = head.rsplit(" ", 1)[0]
    return at_word if len(at_word) * 2 > limit else head
