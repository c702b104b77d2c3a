"""Words, stems and sentences of any language, well enough for extracts."""

import re
from collections import Counter
from functools import lru_cache
from itertools import chain

WORD = re.compile(r"[^\W_]+")
# A stop before a small letter ends a sentence only after a longer word ("e.g. this" does not).
# The pattern begins with one set of characters because the regex engine then skips ahead fast.
_SENTENCE_END = re.compile(
    r"[.!?\n\u2029\u3002\uff01\uff1f](?:"
    r"(?<=[.!?])[\"')\]]*\s+(?=[^\sa-z]|(?<=\w{4}.\s)[a-z])"
    r"|(?<=\n)\s*\n|(?<=[\u2029\u3002\uff01\uff1f]))"
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
STOPS = ".!?\u3002\uff01\uff1f"
LONGEST_SENTENCE = 320  # characters; longer ones make poor extracts
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
    """Sentences in order with their whitespace made plain, none twice; blank lines end a sentence too."""
    read = text[:LONGEST_READ]
    ends = [found.end() for found in _SENTENCE_END.finditer(read)]
    pieces = (read[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True))
    plain = (" ".join(piece.split()) for piece in pieces)
    return list(dict.fromkeys(filter(None, plain)))


def rank(parts: list[str]) -> list[int]:
    """Indices of sentences, the most telling first: frequent words, early place, fair length."""
    bags = [[word for word in part.lower().split() if len(word) > 3] for part in parts]
    counts = Counter(chain.from_iterable(bags))
    scores = [
        _worth(bag, counts) * _prose(part) * (1.0 + 1.0 / (1 + place))
        for place, (part, bag) in enumerate(zip(parts, bags, strict=True))
    ]
    return sorted(range(len(parts)), key=lambda index: -scores[index])


def _worth(bag: list[str], counts: Counter[str]) -> float:
    return sum(map(counts.__getitem__, bag)) / (len(bag) + 6) if len(bag) > 2 else 0.05


def _prose(part: str) -> float:
    """Whole sentences weigh most; headings, tables, code and endless ones weigh little."""
    if ">>>" in part or "==" in part or " = " in part or "--" in part or part[0] in "-*#[(":
        return 0.05
    ended = 1.0 if part[-1] in STOPS else 0.2
    return ended if len(part) < LONGEST_SENTENCE else 0.2 * ended


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, cut between words where that is possible."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    at_word = head.rsplit(" ", 1)[0]
    return at_word if len(at_word) * 2 > limit else head
