"""JSON that is one array of objects is a table; other JSON is refused with what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.recognising import recognise
from tests.sources.following import csv_source, follow, rows

ROWS = [{"time": f"2020-01-{day:02}", "ph": 7 + day * 7 % 11 / 8, "at": {"depth": day % 3}} for day in range(1, 29)]
LINES = "\n".join(map(json.dumps, ROWS))


def read(path: Path) -> list[tuple[str, float]]:
    options = recognise(path, TableOptions()).options
    found = parse(open_table(path, options), options, "a.json", strict=True).observations.collect()
    return found.sort("series", "time").select("series", "value").rows()


@pytest.mark.parametrize("text", [json.dumps(ROWS), json.dumps(ROWS, indent=2), "\ufeff" + json.dumps(ROWS), LINES])
def test_an_array_of_objects_is_read_as_the_same_lines_are(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "a.ndjson").write_text(LINES)
    assert read(tmp_path / "a.json") == read(tmp_path / "a.ndjson")
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(text.encode()))
    assert read(tmp_path / "b.json.gz") == read(tmp_path / "a.ndjson")


def test_the_daemon_reads_it_once_and_as_a_whole_when_it_was_replaced(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS[:20]))
    source = csv_source(path)
    frames, cursor = follow(source)
    assert len(rows(frames)) == 40
    path.write_text(json.dumps(ROWS))
    frames, cursor = follow(source, cursor)
    assert len(rows(frames)) == 56  # the journal knows which of them it has
    assert rows(follow(source, cursor)[0]) == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", json.dumps({"site": 1, "data": ROWS}), r"the array of objects 'data' in it.*jq"),
        ("a.json", "[1, 2]", "no array of objects"),
        ("a.json", "[]", "no array of objects"),
        ("a.json", "", "not JSON"),
        ("a.json", "[1, ", "not JSON"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.ndjson", json.dumps(ROWS), "--format json"),
        ("a.csv", LINES, "JSON, not a CSV table"),
        ("a.txt", "".join(f"USW0001{2020}{n % 12 + 1:02}{n * 7 % 11:5}{n % 7:5}\n" for n in range(50)), "read_fwf"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)
