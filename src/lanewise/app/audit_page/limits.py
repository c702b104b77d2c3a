"""What the page rests on: what was read, what could not be, what the log does not say; what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lanewise.app.audit_page.words import counted, more, name, printable, sentence, share
from lanewise.app.auditing import Audit
from lanewise.audit.levers import next_steps
from lanewise.audit.logs.importing import Imported
from lanewise.reports import Block, Note, Points, Row, Section, Table

_FILES: Final = 40
_ESTIMATED: Final = 8  # models
_STATUSES: Final = {
    "listed": "a source names the price",
    "override": "your own price file names it",
    "rule": "it follows from a listed price by the provider's rule for the lane or region",
    "estimated": "the model is only like a listed one, or asked of another provider than its maker",
}
_FIELDS: Final = {
    "at": "time", "input": "input tokens", "cached": "cached tokens", "cache_write": "cache writes",
    "output": "output tokens", "seconds": "time to the answer",
    "first_token_seconds": "time to the first token",
    "stream": "streamed or not", "user_name": "user", "key_name": "key", "agent": "client",
    "cost_nano": "cost", "ok": "success or failure", "prompt": "text of the prompt",
    "answer": "text of the answer",
}  # fmt: skip


def limits(audit: Audit) -> Section:
    """What the figures rest on, and where they end."""
    blocks: list[Block] = [_coverage(audit)]
    blocks += [Note(text) for text in _remarks(audit)]
    blocks += _files(audit.imported)
    blocks += _unread(audit.imported)
    return Section("What this rests on", tuple(blocks))


def next_section(audit: Audit) -> Section:
    """The three steps that the terminal names too."""
    steps = tuple(map(sentence, next_steps(audit.found)))
    if not steps:
        return Section("Next steps", (Note("None: nothing was found that would cost less."),))
    return Section("Next steps", (Points("", steps, numbered=True),))


def _coverage(audit: Audit) -> Row:
    missing = tuple(map(sentence, audit.sums.missing)) or ("nothing that the audit looks for",)
    return Row(
        (
            Points("What its rows say", tuple(_covered(audit.sums.coverage))),
            Points("Not in this log; log it to know more", missing),
        )
    )


def _covered(coverage: Mapping[str, float]) -> Iterator[str]:
    names = {_FIELDS.get(field, field): part for field, part in coverage.items()}
    whole = [field for field, part in names.items() if part == 1]
    some = [f"{field} {_part(part)}" for field, part in names.items() if 0 < part < 1]
    none = [field for field, part in names.items() if not part]
    for words, found in (("all rows", whole), ("some", some), ("none", none)):
        if found:
            yield f"{words}: {', '.join(found)}"


def _part(part: float) -> str:
    return share(round(part * 1_000_000), 1_000_000)


def _remarks(audit: Audit) -> Iterator[str]:
    sums = audit.sums
    if sums.aggregates:
        yield (
            f"{sums.aggregates:,} of {counted(sums.total.rows, 'row')} are buckets of many requests. They "
            "have money or tokens, at base prices. Who waits, repeats, caches and the hour of the week take "
            "a log of single requests."
        )
    if any(sums.untold_bytes):
        prompt, answer = sums.untold_bytes
        yield f"Rows without tokens have texts of {prompt:,} and {answer:,} bytes, about 4 bytes a token."
    if sums.total.failed:
        yield f"Of {counted(sums.total.rows, 'row')} {sums.total.failed:,} failed; their tokens count."
    if audit.looked.prompts or (audit.sums.coverage["prompt"] and not audit.looked.rows):
        yield f"{_begun(str(audit.looked))}."
    for one in audit.estimated[:_ESTIMATED]:
        yield f"{_begun(sentence(str(one)))}."
    live = sum(group.facts.live for group in audit.found.groups)
    looked = sum(group.facts.requests for group in audit.found.groups)
    if looked < live:
        yield f"Who waits was judged by the latest {looked:,} of {counted(live, 'request')} in real time."
    yield f"Prices: {printable(audit.basis)}. " + " ".join(_statuses(audit))


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def _statuses(audit: Audit) -> Iterator[str]:
    for status in audit.sums.total.statuses:
        yield f"{status.capitalize()}: {_STATUSES.get(status, status)}."


def _files(imported: Imported) -> Iterator[Block]:
    rows = tuple(
        (name(one.file), one.format, f"{one.rows:,}", f"{one.unread:,}" if one.unread else "")
        for one in imported.read[:_FILES]
    )
    total = ("total", "", f"{imported.rows:,}", f"{imported.broken:,}" if imported.broken else "")
    yield Table(
        "Files",
        ("file", "format", "rows", "lines not read"),
        rows,
        total if len(imported.read) > 1 else (),
        left=("format",),
    )
    left = more(len(imported.read), _FILES, "file")
    if left:
        yield Note(left)


def _unread(imported: Imported) -> Iterator[Block]:
    """Lines and files that could not be read, without what is in them."""
    lines = [
        f"{name(one.file)}, line {line.number:,}: {line.why}"
        for one in imported.read
        for line in one.samples
    ]
    files = [f"{name(one.file)}: {one.why}" for one in imported.unread]
    for title, told, noun in (
        ("Lines that could not be read, the first of each file", lines, "line"),
        ("Files that could not be read", files, "file"),
    ):
        if told:
            yield Points(title, tuple(map(sentence, told[:_FILES])))
            left = more(len(told), _FILES, noun)
            if left:
                yield Note(left)
