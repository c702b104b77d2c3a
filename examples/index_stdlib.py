"""Index the documentation of Python's standard library: summaries, tags and embeddings, by batch.

It runs without a key: the built-in sandbox plays OpenAI and Anthropic in accelerated time, and its
answers are marked as made up. With keys, leave `provider="sandbox"` away and it is the real thing.

    python examples/index_stdlib.py [FOLDER]     # results go to FOLDER, ./demo-out by default
"""

from __future__ import annotations

import ast
import json
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lanewise
from lanewise.cli import show

TAGS = ["text", "files", "network", "concurrency", "data", "math", "testing", "language", "system"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "description": "two sentences"},
        "tags": {"type": "array", "items": {"enum": TAGS}, "minItems": 1, "maxItems": 3},
    },
    "required": ["summary", "tags"],
    "additionalProperties": False,
}
TASK = "Summarise this documentation in two sentences and choose its tags from the list."
SHORTEST, LONGEST = 200, 8_000  # characters of documentation worth indexing


def documents(limit: int = 400) -> dict[str, str]:
    """Documentation strings of modules and classes, read from source without importing anything."""
    found: dict[str, str] = {}
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.glob("*.py")) + sorted(library.glob("*/__init__.py")):
        name = path.parent.name if path.stem == "__init__" else path.stem
        if name.startswith("_") or name in {"site-packages", "test", "idlelib"}:
            continue
        for title, text in _strings(path, name):
            found.setdefault(title, text[:LONGEST])
            if len(found) == limit:
                return found
    return found


def _strings(path: Path, name: str) -> Iterator[tuple[str, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    nodes: list[tuple[str, ast.Module | ast.ClassDef]] = [(name, tree)]
    nodes += [(f"{name}.{node.name}", node) for node in tree.body if isinstance(node, ast.ClassDef)]
    for title, node in nodes:
        text = ast.get_docstring(node) or ""
        if len(text) >= SHORTEST:
            yield title, text


def openai_summary(title: str, text: str) -> dict[str, Any]:
    """A summary with structured output, as OpenAI takes it."""
    return {
        "custom_id": f"summary:{title}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "gpt-4o-mini",
            "messages": [
                {"role": "system", "content": TASK},
                {"role": "user", "content": f"{title}\n\n{text}"},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "entry", "strict": True, "schema": SCHEMA},
            },
        },
    }


def anthropic_summary(title: str, text: str) -> dict[str, Any]:
    """The same, as Anthropic takes it: a tool that must be used."""
    return {
        "custom_id": f"summary:{title}",
        "params": {
            "model": "claude-haiku-4-5",
            "max_tokens": 400,
            "system": TASK,
            "messages": [{"role": "user", "content": f"{title}\n\n{text}"}],
            "tools": [{"name": "entry", "description": "File the entry", "input_schema": SCHEMA}],
            "tool_choice": {"type": "tool", "name": "entry"},
        },
    }


def embedding(title: str, text: str) -> dict[str, Any]:
    """An embedding for search."""
    return {
        "custom_id": f"embedding:{title}",
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {
            "model": "text-embedding-3-small",
            "input": f"{title}\n\n{text}",
            "dimensions": 256,
        },
    }


def entry(result: dict[str, Any]) -> dict[str, Any]:
    """The structured answer in a result line of either provider."""
    if "result" in result:
        content = result["result"]["message"]["content"]
        return dict(next(block["input"] for block in content if block["type"] == "tool_use"))
    message = result["response"]["body"]["choices"][0]["message"]
    return dict(json.loads(message["content"]))


def nearest(title: str, vectors: dict[str, list[float]]) -> list[str]:
    """The three entries most like one, by the cosine of their embeddings (they have length 1)."""
    wanted = vectors[title]
    scores = {
        other: sum(a * b for a, b in zip(wanted, vector, strict=True))
        for other, vector in vectors.items()
        if other != title
    }
    return sorted(scores, key=lambda other: -scores[other])[:3]


def main(folder: Path) -> None:
    """Index, write the index, show a little of it and the receipts."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = documents()
    print(
        f"{len(texts)} documents of the standard library, {sum(map(len, texts.values())):,} characters"
    )
    titles = list(texts)
    summaries = [
        (openai_summary if number % 2 else anthropic_summary)(title, texts[title])
        for number, title in enumerate(titles)
    ]
    with tempfile.TemporaryDirectory(prefix="lanewise-demo-") as home:
        with lanewise.SyncClient(
            home=home, provider="sandbox", workflow="stdlib-summaries"
        ) as client:
            ticket = client.submit(summaries)
            found = {item["custom_id"]: entry(item) for item in client.results(ticket)}
            receipts = [client.receipt(ticket)]
        with lanewise.SyncClient(home=home, provider="sandbox", workflow="stdlib-search") as client:
            ticket = client.submit([embedding(title, texts[title]) for title in titles])
            vectors = {
                item["custom_id"].removeprefix("embedding:"): item["response"]["body"]["data"][0][
                    "embedding"
                ]
                for item in client.results(ticket)
            }
            receipts.append(client.receipt(ticket))
    with (folder / "index.jsonl").open("w", encoding="utf-8") as file:
        for title in titles:
            line = {"title": title, **found[f"summary:{title}"], "embedding": vectors[title]}
            file.write(json.dumps(line) + "\n")
    for title in [name for name in ("json", "threading", "unittest") if name in vectors] or titles[
        :3
    ]:
        about = found[f"summary:{title}"]
        print(
            f"\n{title}  {about['tags']}\n  {about['summary']}\n  near: {', '.join(nearest(title, vectors))}"
        )
    show.receipts(receipts, stdout=True)
    print(f"\nthe index is in {folder / 'index.jsonl'} (sandbox answers: made up, for trying out)")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo-out"))
