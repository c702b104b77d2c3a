"""`/metrics`: what was called, what it cost and what is outstanding; any reader of the format reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from lanewise.app import keys
from lanewise.app.keys import NewKey
from lanewise.gateway import metrics
from lanewise.gateway.counting import BUCKETS, MOST_MODELS, OTHER, Counts
from lanewise.gateway.metrics import METRICS, Home, text

SAID: Any = [{"role": "user", "content": "Where is my order? canary-prompt"}]
CHAT = {"model": "gpt-4o-mini", "messages": SAID}
LATER = {"x-lanewise-deadline": "8h", "prefer": "respond-async"}
PATH = "/v1/chat/completions"
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(page: str) -> Samples:
    """The samples of a page; fails for a line that is neither a sample nor a comment."""
    found: Samples = {}
    for line in page.splitlines():
        if not line.startswith(("# HELP ", "# TYPE ")):
            sample = SAMPLE.fullmatch(line)
            assert sample is not None, line
            key = sample[1], frozenset(LABEL.findall(sample[2] or ""))
            assert key not in found, line
            found[key] = float(sample[3])
    return found


def scraped(place: Any, **headers: str) -> Samples:
    got = place.http.get("/metrics", headers=headers)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == metrics.MEDIA_TYPE
    return read(got.text)


def at(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


# -- what is counted ---------------------------------------------------------------------------------
def test_calls_are_counted_with_their_times_tokens_and_cost(place: Any) -> None:
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key="any", max_retries=0) as client:
        client.chat.completions.create(**CHAT)
        list(client.chat.completions.create(**CHAT, stream=True))
    place.http.get("/v1/files")
    place.booked()  # stops it; the numbers stay
    found = read(page_of(place))
    labels = {"endpoint": PATH, "lane": "realtime"}
    assert at(found, "lanewise_calls_total", **labels, model="gpt-4o-mini", status="2xx") == 2
    files = {"endpoint": "/v1/files", "lane": "", "model": "", "status": "2xx"}
    assert at(found, "lanewise_calls_total", **files) == 1
    for name in ("lanewise_call_seconds", "lanewise_first_byte_seconds"):
        assert at(found, f"{name}_count", **labels) == 2
        assert at(found, f"{name}_bucket", **labels, le="+Inf") == 2
        assert 0 < at(found, f"{name}_sum", **labels) < 60
    books = place.sandbox.books()
    model = "gpt-4o-mini-2024-07-18"
    names = {key[1] for key in found if key[0] == "lanewise_tokens_total"}
    [model] = {dict(labels)["model"] for labels in names}
    money = place.engine.store.money()
    assert at(found, "lanewise_tokens_total", model=model, kind="input") == money.usage.input
    assert at(found, "lanewise_tokens_total", model=model, kind="output") == money.usage.output
    cost = at(found, "lanewise_cost_usd_total", model=model, lane="realtime")
    assert cost == pytest.approx(books["nano_usd"] / 1e9)


def page_of(place: Any) -> str:
    """The page of a gateway that has stopped."""
    counts = place.parts.watch.counts
    samples = dict(metrics.of_process(counts, place.running.gateway.passing))
    times = {"lanewise_call_seconds": counts.times(first=False)}
    times["lanewise_first_byte_seconds"] = counts.times(first=True)
    return text(samples | Home(place.engine.store, place.engine.clock).samples(), times)


def test_what_is_outstanding_and_what_was_spent_is_read_from_the_home(place: Any) -> None:
    assert place.http.post(PATH, json=CHAT).status_code == 200
    taken = place.http.post(PATH, json=CHAT, headers=LATER)
    assert taken.status_code == 202
    while not place.engine.store.money().n:  # the ledger is written a moment after the call
        place.http.get("/healthz")
    place.running.close()
    found = read(page_of(place))
    lane = taken.json()["lane"]
    assert at(found, "lanewise_home_readable") == 1
    assert at(found, "lanewise_home_requests", state="waiting", lane=lane) == 1
    assert at(found, "lanewise_home_oldest_waiting_seconds") >= 0
    assert 28_000 < at(found, "lanewise_home_next_deadline_seconds") <= 28_800
    money = place.engine.store.money()
    assert at(found, "lanewise_home_cost_usd", lane="realtime") == money.cost_nano / 1e9
    assert at(found, "lanewise_home_answers_total", lane="realtime") == 1
    assert at(found, "lanewise_home_saving_usd", lane="realtime") == 0
    calls = {"endpoint": PATH, "lane": "waits", "model": "gpt-4o-mini", "status": "2xx"}
    assert at(found, "lanewise_calls_total", **calls) == 1


def test_refusals_are_counted_by_their_code(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place.http.post(PATH, content=b"{")
    monkeypatch.setattr("lanewise.gateway.accepting.MOST_QUEUED", 0)
    assert place.http.post(PATH, json=CHAT, headers=LATER).status_code == 429
    found = scraped(place)
    assert at(found, "lanewise_refusals_total", code="invalid_json") == 1
    assert at(found, "lanewise_refusals_total", code="queue_full") == 1


def test_calls_under_way_and_their_bytes_are_told(
    make_place: Callable[..., Any], upstream: Callable[..., Any]
) -> None:
    silent = upstream(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n", hang=True
    )
    place = make_place(silent.url)
    with place.http.stream(
        "POST", PATH, json={**CHAT, "stream": True, "stream_options": {}}
    ) as got:
        parts = got.iter_raw()  # kept: a response is closed with its last reader
        next(parts)
        found = scraped(place)
        under_way = [n for (name, _), n in found.items() if name == "lanewise_calls_under_way"]
        assert sum(under_way) == 1
        assert at(found, "lanewise_held_bytes") > 50
    assert silent.gone.wait(10)


# -- few values, and no secrets -----------------------------------------------------------------------
def test_names_of_models_that_nobody_answers_for_take_no_memory() -> None:
    counts = Counts()
    for number in range(5_000):
        counts.ended((PATH, "realtime", f"made-up-{number}", 404 // 100), 0.1, None)
    assert [labels[2] for labels, _ in counts.calls()] == [OTHER]
    for number in range(5_000):
        counts.ended((PATH, "realtime", f"answered-{number}", 200 // 100), 0.1, None)
    models = {labels[2] for labels, _ in counts.calls()}
    assert len(models) == MOST_MODELS + 1
    assert sum(n for _, n in counts.calls()) == 10_000


def test_a_status_that_is_none_and_a_path_that_is_not_served_have_a_class_of_their_own(
    place: Any,
) -> None:
    for number in range(3):
        assert place.http.get(f"/wp-admin/{number}").status_code == 404
    found = scraped(place)
    labels = {"endpoint": OTHER, "lane": "", "model": "", "status": "4xx"}
    assert at(found, "lanewise_calls_total", **labels) == 3
    counts = Counts()
    for status in (0, 99, 700, 999):
        counts.ended((PATH, "", "", status // 100), 0.1, None)
    assert [labels[3] for labels, _ in counts.calls()] == ["none"]


def test_neither_prompts_nor_keys_are_among_the_labels(place: Any) -> None:
    headers = {"authorization": "Bearer sk-canary-client"}
    assert place.http.post(PATH, json=CHAT, headers=headers).status_code == 200
    assert "canary" not in place.http.get("/metrics").text


def test_labels_are_escaped_and_buckets_add_up() -> None:
    page = text({"lanewise_refusals_total": [(('a"b\\c\nd',), 1)]}, {})
    assert page.splitlines()[-1] == r'lanewise_refusals_total{code="a\"b\\c\nd"} 1'
    counts = Counts()
    for seconds in (0.004, 0.005, 0.3, 10_000.0):
        counts.ended((PATH, "realtime", "m", 200 // 100), seconds, None)
    found = read(text({}, {"lanewise_call_seconds": counts.times(first=False)}))
    below = [
        at(found, "lanewise_call_seconds_bucket", endpoint=PATH, lane="realtime", le=str(bound))
        for bound in (*BUCKETS, "+Inf")
    ]
    assert below == [2] * 5 + [2] + [3] * (len(BUCKETS) - 6) + [4]


def test_the_reader_of_prometheus_reads_all_of_it(changes: Any, place: Any) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    assert place.http.post(PATH, json={**CHAT, "model": 'gpt-4o-mini"\\\n'}).status_code >= 400
    assert place.http.post(PATH, json=CHAT).status_code == 200

    def read_all() -> dict[str, Any]:
        page = place.http.get("/metrics").text
        return {family.name: family for family in parser.text_string_to_metric_families(page)}

    changes.until(lambda: "lanewise_tokens" in read_all())  # as soon as the call is booked
    families = read_all()
    for name, metric in METRICS.items():
        family = families.get(name.removesuffix("_total"))
        if family is not None:
            assert (family.type, family.documentation) == (metric.kind, metric.help)
    assert len(families) >= 12, sorted(families)


# -- who may look -----------------------------------------------------------------------------------
def test_where_there_are_keys_it_takes_an_admin_key(place: Any) -> None:
    assert place.http.get("/metrics").status_code == 200
    engine = place.engine
    made = {
        name: keys.create(engine.store, NewKey(name=name, admin=name == "ops"), engine.clock.now())
        for name in ("ops", "ann")
    }
    assert place.http.get("/metrics").status_code == 401
    shown = {name: {"authorization": f"Bearer {key.reveal()}"} for name, key in made.items()}
    assert place.http.get("/metrics", headers=shown["ann"]).status_code == 401
    found = scraped(place, **shown["ops"])
    assert at(found, "lanewise_home_readable") == 1


def test_a_home_that_cannot_be_read_is_a_number_too(place: Any) -> None:
    home = Home(place.engine.store, place.engine.clock)
    place.running.close()
    place.engine.store.close()
    assert home.samples() == {"lanewise_home_readable": [((), 0)]}


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/observe.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(lanewise_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    expected = [
        (name, metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.help)
        for name, metric in METRICS.items()
    ]
    assert [(name, kind, labels.strip(), help_) for name, kind, labels, help_ in rows] == expected
