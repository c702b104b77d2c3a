"""Tables as databases, spreadsheets and pandas write them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from .conftest import rows_of
from .test_formats import RECORDS

RECORD: Final[dict[str, Any]] = RECORDS["litellm"][0] | {
    "startTime": "2026-03-02 12:00:00",
    "endTime": "2026-03-02 12:00:02.5",
    "completionStartTime": None,
    "prompt_tokens": 1234,
    "completion_tokens": 5,
    "spend": 0.5,
    "end_user": 'bob; "b"',
    "metadata": {"additional_usage_values": {"cache_read_input_tokens": 64}},
    "request_tags": ["workflow:tickets"],
    "messages": [{"role": "user", "content": 'one\ntwo, "three"; four'}],
}  # fmt: skip
EXPECT: Final = {"input": 1234, "cached": 64, "output": 5, "workflow": "tickets"} | {
    "cost_nano": 500_000_000,
    "user_name": 'bob; "b"',
}


def as_json(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else json.dumps(value)


def table(cell: Callable[[Any], Any] = as_json, lead: str = "", **how: Any) -> str:
    whole = io.StringIO()
    writer = csv.writer(whole, **how)
    writer.writerow(RECORD)
    writer.writerow([cell(value) for value in RECORD.values()])
    return lead + whole.getvalue()


def nothing_is(word: str) -> Callable[[Any], Any]:
    return lambda value: word if value is None else as_json(value)


def thousands(value: Any) -> Any:
    return f"{value:,}" if type(value) is int else as_json(value)


WRITTEN: Final[dict[str, str]] = {
    "psql": table(lineterminator="\n"),
    "a spreadsheet": table(lead="\ufeff", delimiter=";"),
    "a spreadsheet that says so": table(lead="sep=;\r\n", delimiter=";"),
    "tabs": table(delimiter="\t"),
    "bars": table(delimiter="|"),
    "all in quotes": table(quoting=csv.QUOTE_ALL),
    "backslashes": table(quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\"),
    "pandas": table(lambda value: value if isinstance(value, str | float) else str(value)),
    "floats": table(lambda value: float(value) if type(value) is int else as_json(value)),
    "thousands": table(thousands),
    "small letters": "".join(
        line.lower() if place == 0 else line
        for place, line in enumerate(table().splitlines(keepends=True))
    ),
    **{f"{word} for nothing": table(nothing_is(word)) for word in ("NULL", "None", "nan", "\\N")},
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_table_is_read_however_it_is_written(how: str, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes(WRITTEN[how].encode())
    imported, (row,) = rows_of(log)
    assert {name: row[name] for name in EXPECT} == EXPECT
    assert (row["seconds"], imported.broken) == (2.5, 0)


def test_a_table_in_the_letters_of_old_windows_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes(table().replace("bob", "Jos\u00e9").encode("cp1252"))
    assert rows_of(log)[1][0]["user_name"] == 'Jos\u00e9; "b"'


def test_rows_that_are_cut_short_or_open_a_quote_are_counted(tmp_path: Path) -> None:
    whole = table()
    head, row = whole.split("\r\n", 1)
    log = tmp_path / "log.csv"
    log.write_bytes(f'{whole}r9,acompletion\r\n{row}{"," * head.count(",")}\r\n"open'.encode())
    imported, rows = rows_of(log)
    assert (len(rows), imported.broken) == (2, 3)
    assert all("row of this table" in line.why for line in imported.read[0].samples)


def test_a_row_of_three_megabytes_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes(table().replace("four", "four" * 800_000).encode())
    assert rows_of(log)[1][0]["prompt_bytes"] > 3_000_000


def test_parquet_with_types_of_its_own_is_read(tmp_path: Path) -> None:
    """Instants with a zone, decimals, small numbers, structs, lists and maps."""
    import duckdb

    log = tmp_path / "log.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT TIMESTAMPTZ '2026-03-02 13:00:00+01' AS \"startTime\", "
            "TIMESTAMPTZ '2026-03-02 13:00:02.5+01' AS \"endTime\", 0.5::DECIMAL(18, 9) AS spend, "
            "1234::USMALLINT AS prompt_tokens, 5::UTINYINT AS completion_tokens, 'gpt-5' AS model, "
            "'acompletion' AS call_type, "
            "{'additional_usage_values': {'cache_read_input_tokens': 64}} AS metadata, "
            "['workflow:tickets'] AS request_tags, MAP {'a': 1} AS response, 'bob; \"b\"' AS end_user) "
            f"TO '{log}'"
        )
    (row,) = rows_of(log)[1]
    assert {name: row[name] for name in EXPECT} == EXPECT
    assert (row["at"], row["seconds"]) == (1_772_452_800.0, 2.5)
