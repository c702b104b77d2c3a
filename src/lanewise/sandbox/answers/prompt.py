"""Read a prompt: which part says what to do, which part is the text to do it with."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_VERB = re.compile(
    r"\b(?:summar\w+|tl;?dr|classif\w+|categori[sz]\w*|label|tag|tags|extract|translate|rewrite|describe|"
    r"explain|answer|write|list|identify|rate|score|choose|pick|return|give|analy[sz]e|read)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"```[^\n`]*\n|\"\"\"|<(document|text|article|doc|input|content|passage|email|review)>",
    re.IGNORECASE,
)
_MARKED = re.compile(
    r"^(?:text|document|article|input|content|passage|context|review|message|email|docstring)\s*:[ \t]*\n?",
    re.IGNORECASE | re.MULTILINE,
)
_COUNTED = re.compile(
    r"\b(one|two|three|four|five|six|seven|single|a|\d{1,2})[- ]"
    r"(?:(?:short|concise|brief|clear|plain|full|complete)[- ,]*)*sentences?\b",
    re.IGNORECASE,
)
_SUMMARY = re.compile(r"\b(?:summar\w+|tl;?dr|abstract|condense|shorten)\b", re.IGNORECASE)
_NUMBERS = {"a": 1, "one": 1, "single": 1, "two": 2, "three": 3}
_NUMBERS |= {"four": 4, "five": 5, "six": 6, "seven": 7}
LONGEST_INSTRUCTION = 600  # characters; a longer paragraph is a document
LONGEST_READ = 4_000  # characters of the instructions' beginning and of their end


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked (`instructions`, with any system text) and the text it is asked about."""

    instructions: str
    document: str


@lru_cache(maxsize=512)
def sentences_wanted(instructions: str) -> int | None:
    """The number of sentences instructions ask for; None when they do not say."""
    counted = _COUNTED.search(instructions)
    if counted is None:
        return None
    number = counted[1].lower()
    return _NUMBERS.get(number) or max(1, int(number) if number.isdecimal() else 1)


@lru_cache(maxsize=512)
def wants_summary(instructions: str) -> bool:
    """Whether instructions ask for a summary."""
    return _SUMMARY.search(instructions) is not None


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or the text parts of a list, one a line."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def read(system: str, user: str) -> Prompt:
    """Split a conversation's system text and last user text into instructions and document."""
    instruction, document = _split(user, has_system=bool(system))
    both = f"{system}\n{instruction}" if system and instruction else system or instruction
    if len(both) > 2 * LONGEST_READ:
        both = f"{both[:LONGEST_READ]}\n{both[-LONGEST_READ:]}"
    return Prompt(both, document.strip() or user.strip())


def _split(user: str, *, has_system: bool) -> tuple[str, str]:
    fenced = _fenced(user)
    if fenced:
        return fenced
    marked = _MARKED.search(user, 0, LONGEST_INSTRUCTION)
    if marked:
        return user[: marked.start()], user[marked.end() :]
    return _by_paragraph(user) or _by_colon(user) or ("" if has_system else user, user)


def _fenced(user: str) -> tuple[str, str] | None:
    """A quoted part is the document when it is most of the text, not a snippet in it."""
    opening = _OPENING.search(user)
    if opening is None:
        return None
    closing = f"</{opening[1]}>" if opening[1] else opening[0][:3]
    end = user.find(closing, opening.end())
    if (end - opening.end()) * 2 < len(user) - LONGEST_INSTRUCTION or end < 0:
        return None
    return user[: opening.start()] + user[end + len(closing) :], user[opening.end() : end]


def _by_paragraph(user: str) -> tuple[str, str] | None:
    head, _, rest = user.strip().partition("\n\n")
    if not rest:
        return None
    if _instructs(head):
        return head, rest
    body, _, tail = user.strip().rpartition("\n\n")
    return (tail, body) if _instructs(tail) else None


def _instructs(text: str) -> bool:
    short = len(text) <= LONGEST_INSTRUCTION
    return short and (text.rstrip().endswith("?") or _VERB.search(text) is not None)


def _by_colon(user: str) -> tuple[str, str] | None:
    head, colon, rest = user.partition(":")
    if (
        colon
        and len(head) <= LONGEST_INSTRUCTION
        and len(rest.split(None, 3)) > 3
        and _VERB.search(head)
    ):
        return head, rest
    return None
