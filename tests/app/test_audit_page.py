"""An audit as a page: whatever the log is, the page is sound and says no more than the log does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.app.audit_page import audit_page
from lanewise.app.audit_page.levers import together
from lanewise.app.auditing import auditing, wishes
from lanewise.audit.logs.importing import Wishes
from lanewise.pricing import PriceBook
from lanewise.reports import Waterfall, render

ROOT: Final = Path(__file__).parents[2]
START: Final = 1_793_577_600.0  # a Monday in November 2026
BOOK: Final = PriceBook.load()
MAP: Final = (
    "at", "model", "workflow", "input_tokens", "output_tokens", "prompt", "answer", "user", "cost_usd",
)  # fmt: skip
EVIL: Final = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
VOID: Final = frozenset(("meta", "br", "img", "link"))
Page = Callable[..., str]


class Sound(HTMLParser):
    """Fails on tags not closed in turn, tables that are not square, and headings that skip a level."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[int] = []
        self.level = 1
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows = []
        elif tag == "tr":
            self.rows.append(0)
        elif tag in ("td", "th"):
            self.rows[-1] += 1
        elif re.fullmatch(r"h\d", tag):
            assert int(tag[1]) <= self.level + 1, f"{tag} below h{self.level}"
            self.level = int(tag[1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "table":
            assert len(set(self.rows)) == 1, self.rows


def sound(page: str) -> Sound:
    checked = Sound()
    checked.feed(page)
    checked.close()
    assert checked.open == []
    return checked


def described(rows: list[dict[str, Any]], fields: tuple[str, ...] = MAP) -> Wishes:
    """How to read these rows: those of the fields that they have."""
    there = [name for name in fields if any(name in row for row in rows)]
    return wishes(None, ",".join(f"{name}={name}" for name in there), None)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """A log of these rows as a page."""

    def made(rows: list[dict[str, Any]], fields: tuple[str, ...] = MAP) -> str:
        log = tmp_path / "log.jsonl"
        log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with auditing((str(log),), described(rows, fields), BOOK, START) as audit:
            return render(audit_page(audit, START))

    return made


def row(n: int, **more: Any) -> dict[str, Any]:
    base = {"model": "gpt-5", "workflow": "w", "input_tokens": 900 + n, "output_tokens": 90}
    return base | {"at": START + 900 * n} | more


@pytest.fixture(scope="module")
def sample() -> str:
    with auditing((str(ROOT / "examples/audit"),), wishes(None, None, None), BOOK, START) as audit:
        return render(audit_page(audit, START))


def test_the_sample_has_every_part(sample: str) -> None:
    sound(sample)
    titles = [re.sub("<.*?>", "", found) for found in re.findall(r"<h2>(.*?)</h2>", sample)]
    assert titles == [
        "What would cost less", "Prompt caches", "Spend by who waits", "When requests come", "Workflows",
        "What this rests on", "Next steps",
    ]  # fmt: skip
    for words in (
        "cost by the log",
        "all 1,996 requests",
        "support_chat",
        "a scheduler starts them",
        "verify with a trial",
        "From today",
    ):
        assert words in sample
    assert len(sample) < 1_000_000


def test_it_fetches_nothing_runs_nothing_and_has_no_text_of_a_prompt(sample: str) -> None:
    assert not re.search(r"<[^>]*\s(src|href|on\w+)\s*=", sample)
    assert not re.search(r"@import|url\((?!#)|https?:", sample)
    assert "support assistant of Acme" not in sample


def test_every_chart_names_itself_and_stands_beside_a_table(sample: str) -> None:
    charts = re.findall(r'<svg [^>]*class="chart.*?</svg>', sample, re.DOTALL)
    assert len(charts) >= 5 + 8
    assert all('role="img" aria-label="' in chart and "<desc>" in chart for chart in charts)
    assert sample.count("<table>") >= 5 + 8
    heats = [chart for chart in charts if "Mon 00" in chart]
    assert [chart.count("<rect") for chart in heats] == [168] * len(heats) == [168] * 3


def test_what_is_folded_is_open_in_print(sample: str) -> None:
    assert "details:not(.screen)::details-content { content-visibility: visible" in sample
    assert sample.count("<details") >= 8
    assert sample.count("<details open>") == 1


def test_the_waterfall_goes_without_a_gap_from_the_cost_to_what_is_left() -> None:
    with auditing((str(ROOT / "examples/audit"),), wishes(None, None, None), BOOK, START) as audit:
        assert audit.replayed is not None
        joint, now = audit.replayed.together.joint, audit.replayed.together.now
        (fall,) = (one for one in together(audit.replayed) if isinstance(one, Waterfall))
    first, *changes, last = fall.steps
    for series, saved in enumerate((joint.low, joint.high)):
        assert first.spans[series] == (0, now)
        ends = [now, *(step.spans[series][1] for step in changes)]
        assert [step.spans[series][0] for step in changes] == ends[:-1]
        assert last.spans[series] == (0, ends[-1]) == (0, now - saved)


def test_names_of_any_kind_stay_texts_of_bounded_length(page: Page) -> None:
    names = [EVIL, "x" * 10_000, "مرحبا بالعالم", "a\u202eb", "[/red] :smile:", "line\nbreak"]
    rows = [
        row(n, workflow=names[n % 6], model=names[(n + 1) % 6] if n % 2 else "gpt-5", user=names[n % 5])
        for n in range(300)
    ]  # fmt: skip
    text = page(rows)
    seen = sound(text).seen
    assert "script" not in seen
    assert "img" not in seen
    assert "x" * 100 not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    assert "مرحبا" in text
    assert len(text) < 400_000


def test_five_hundred_workflows_are_named_up_to_a_bound_with_how_many_more(page: Page) -> None:
    rows = [row(n, workflow=f"workflow {n % 500}") for n in range(2_500)]
    text = page(rows)
    sound(text)
    assert "and 400 workflows more" in text
    assert text.count("<details") < 40
    assert len(text) < 600_000


@pytest.mark.parametrize(
    ("rows", "fields", "says", "without"),
    [
        ([row(0)], MAP, "All of it is in one hour", "Mon 00"),
        ([row(n) for n in range(90)], MAP[1:], "90 rows without a time", "Mon 00"),
        ([row(n, model="mine") for n in range(200)], MAP, "neither costs nor priced tokens", "$"),
        (
            [row(n, model="mine", cost_usd=2) for n in range(200)],
            MAP, "Cost per hour, by the log", "price book</span>",
        ),
    ],
    ids=["one row", "no times", "no money", "only logged costs"],
)  # fmt: skip
def test_what_a_log_does_not_say_is_said_and_not_charted(
    page: Page, rows: list[dict[str, Any]], fields: tuple[str, ...], says: str, without: str
) -> None:
    text = page(rows, fields)
    sound(text)
    assert says in text
    assert without not in text.split("</style>")[1]


def test_caches_of_a_log_without_times_are_told_as_if_all_were_sent_at_once(page: Page) -> None:
    static = "Answer from the handbook, in one word. " * 200
    rows = [row(n, prompt=f"{static} {n}", input_tokens=1_800) for n in range(30)]
    text = page(rows, ("model", "input_tokens", "output_tokens", "prompt"))
    assert "as if all were sent at once: at the most" in text
    assert "log it first" in text


def test_requests_that_no_row_counts_are_told_beside_those_that_are(page: Page) -> None:
    text = page([row(n, requests=40 if n % 2 else None) for n in range(30)], (*MAP, "requests"))
    assert "15 rows do not say how many" in text
    assert ">600+<" in text


def test_buckets_make_a_page_of_what_they_can_support(page: Page) -> None:
    rows = [row(96 * n, requests=40) for n in range(30)]
    text = page(rows, (*MAP, "requests"))
    sound(text)
    assert "buckets of many requests" in text
    assert "Cost per day, by the price book" in text
    assert "no hour of the week can be shown" in text
    assert "Levers were not replayed together" in text
    assert "if nobody waits" in text
    assert "Mon 00" not in text


def test_lines_and_files_that_could_not_be_read_are_named_without_what_is_in_them(
    tmp_path: Path,
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    line = json.dumps(
        {"created_at": "2026-03-02", "model": "gpt-5", "tokens_in": 8, "tokens_out": 5}
    )
    (logs / "a.jsonl").write_text(f"{line}\n{{SECRET cut\n", encoding="utf-8")
    (logs / "b.jsonl").write_text('{"SECRET": 1}\n', encoding="utf-8")
    with auditing((str(logs),), wishes(None, None, None), BOOK, START) as audit:
        text = render(audit_page(audit, START))
    assert "a.jsonl, line 2: no JSON" in text
    assert "Files that could not be read" in text
    assert "SECRET cut" not in text


def test_a_lever_of_a_kind_that_the_page_does_not_know_is_shown_like_any_other(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log.jsonl"
    rows = [row(n) for n in range(30)]
    log.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    with auditing((str(log),), described(rows), BOOK, START) as audit:
        lever = replace(audit.found.levers[0], kind="tides", does="wait for the moon", sure="high")
        found = replace(audit.found, levers=(lever, *audit.found.levers))
        text = render(audit_page(replace(audit, found=found), START))
    assert text.count("tides: wait for the moon") == 2


def test_prompts_are_in_it_only_where_somebody_asked_for_samples(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rows = [row(n, prompt=f"Say <b>yes</b> to number {n}.", answer="yes") for n in range(30)]
    log.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    pages = []
    for samples in (False, True):
        with auditing((str(log),), described(rows), BOOK, START, show_samples=samples) as audit:
            pages.append(render(audit_page(audit, START)))
    without, with_ = pages
    assert "to number" not in without
    assert "were hashed" in without
    assert "Say &lt;b&gt;yes&lt;/b&gt; to number" in with_
    assert "were hashed" not in with_
