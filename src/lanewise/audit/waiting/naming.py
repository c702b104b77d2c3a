"""What the name of a workflow says. Its team chose it: a witness, though none without other signs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lanewise.audit.waiting.facts import Facts
from lanewise.audit.waiting.kinds import Kind, Sign, Waiting

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SCHEDULED: Final = re.compile(
    r"nightly|backfill(s|ing)?|cron|batch(es)?|bulk|weekly|daily|hourly|offline|etl"
)
_TELLING: Final = (
    (Waiting.BACKGROUND, re.compile(
        r"night\w*|index(es|ing|er)?|reindex\w*|enrich\w*|evals?|evaluations?|benchmarks?|label(s|ing|ling|ler)?|"
        r"telemetry|scor(e|es|ing|er)|moderat(e|ion|or)|digests?|refresh\w*|summaries|summary|summari[sz]\w*|"
        r"migrat\w*|tagging|tagger|archiv\w*|dedup\w*|sweep\w*|async|pipeline|embeddings?|ingest\w*|crawl\w*|sync")),
    (Waiting.INTERACTIVE, re.compile(
        r"chats?|chatbot|bot|assist(ant|ance|ants)?|copilot|search\w*|draft\w*|autocomplet\w*|"
        r"compos(e|er|ing)|playground|button|live|realtime|typeahead|concierge|dialog(ue)?s?|repl(y|ies)|suggest\w*|tutor|qa|helpdesk")),
    (Waiting.BLOCKING, re.compile(
        r"agents?|agentic|tools?|inline|input|intents?|preflight|router|routing|guard\w*|planner|steps?|rerank\w*")),
)  # fmt: skip
_ALL: Final = {
    Waiting.INTERACTIVE: Kind.NAMED_FOR_A_PERSON,
    Waiting.BLOCKING: Kind.NAMED_FOR_A_STEP,
    Waiting.BACKGROUND: Kind.NAMED_FOR_NOBODY,
}
_LAST: Final = {
    Waiting.INTERACTIVE: Kind.NAMED_PERSON,
    Waiting.BLOCKING: Kind.NAMED_STEP,
    Waiting.BACKGROUND: Kind.NAMED_NOBODY,
}


def names(facts: Facts) -> Iterator[Sign]:
    """What the telling words of its name agree on; where they differ the last one, which is what it is.

    >>> [
    ...     sign.kind.name
    ...     for name in ("ticket-summaries", "support_chat_eval", "wf-17")
    ...     for sign in names(Facts(name))
    ... ]
    ['NAMED_FOR_NOBODY', 'NAMED_NOBODY']
    """
    words = [word.lower() for word in _WORD.findall(facts.name)]
    found = [told for word in words for told in _told(word)]
    for word in filter(_SCHEDULED.fullmatch, words):  # when it runs, whatever it does
        found = [(Waiting.BACKGROUND, word)]
    if not found:
        return
    towards, last = found[-1]
    agreed = all((one is Waiting.BACKGROUND) == (towards is Waiting.BACKGROUND) for one, _ in found)
    kind = (_ALL if agreed else _LAST)[towards]
    said = dict.fromkeys(word for _, word in found) if agreed else [last]
    yield Sign(kind, f"its name says {' and '.join(map(repr, said))}")


def _told(word: str) -> Iterator[tuple[Waiting, str]]:
    for towards, words in _TELLING:
        if words.fullmatch(word):
            yield towards, word
