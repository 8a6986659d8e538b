"""Source `sql`: every row once, in the order of its keys, whatever is committed when; nothing is written."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import SqlSource
from sentinel.domain.errors import ConfigError, DataError
from sentinel.domain.observation import Frame
from sentinel.sources import PullSource, SourceError, make_source
from tests.fixtures import ManualClock
from tests.sources.following import follow
from tests.sources.logging_table import write_log

NOW = 1_700_000_000


def records(path: Path, now: float = NOW, **settings: object) -> PullSource:
    wanted = {"kind": "sql", "name": "lake", "database": f"sqlite:{path}", "query": "SELECT * FROM log", "lag": "10s"}
    source = make_source(SqlSource.model_validate(wanted | settings), ManualClock(int(now * 1_000_000)))
    assert isinstance(source, PullSource)
    return source


def rows(frames: list[Frame]) -> list[tuple[str, float, float]]:
    return [(series, at.timestamp(), value) for frame in frames for series, at, value in frame.observations.iter_rows()]


@pytest.mark.slow
@settings(max_examples=25)  # each writes and reads a file many times
@given(
    st.lists(st.tuples(st.integers(NOW - 60, NOW + 5), st.integers(0, 15)), max_size=30),
    st.integers(2, 9), st.lists(st.booleans(), min_size=30, max_size=30),
)  # fmt: skip
def test_every_row_comes_once_if_it_is_committed_within_the_lag(
    drawn: list[tuple[int, int]], limit: int, in_between: list[bool]
) -> None:
    """Rows (time, delay) are committed `delay` seconds after their time; the lag is longer, reads are in between."""
    with TemporaryDirectory() as folder:
        path, cursor, found = Path(folder) / "a.db", None, []
        write_log(path, [])
        commits = sorted((at + delay, at, number) for number, (at, delay) in enumerate(drawn))
        for reads, (committed, at, number) in zip(in_between, commits, strict=False):
            write_log(path, [(at, number, "s", 1.0)])
            if reads:
                frames, cursor = follow(
                    records(path, committed, max_rows=limit, time_format="seconds", lag="20s"), cursor
                )
                found += rows(frames)
        frames, cursor = follow(records(path, NOW + 60, max_rows=limit, time_format="seconds"), cursor)
        found += rows(frames)
        assert len(found) == len(drawn)
        assert sorted(at for _, at, _ in found) == sorted(at for at, _ in drawn)


def test_rows_that_wait_as_the_clock_was_set_back_are_said_to(tmp_path: Path) -> None:
    # Nothing was read for an hour, and nothing said so.
    path = tmp_path / "a.db"
    write_log(path, [(NOW - 20, 1, "s", 1.0), (NOW, 2, "s", 2.0)])
    frame = records(path, NOW - 3_600, time_format="seconds").fetch(None)
    assert frame.observations.is_empty()
    (said,) = frame.complaints
    assert "2023-11-14T22:13:00" in said
    assert "here it is 2023-11-14T21:13:" in said
    assert records(path, NOW - 15, time_format="seconds").fetch(None).complaints == ()
    assert records(path, NOW + 15, time_format="seconds").fetch(None).observations.height == 2


VALUES = [None, "", "NaN", "calm", 1e308, -0.0, 1 << 62, float("inf"), b"x", "3.5", True]


def test_what_is_no_number_is_counted_and_harms_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write_log(path, [(NOW - 99 + n, n, "å😀", value) for n, value in enumerate(VALUES)] + [(NOW - 50, 99, None, 1.0)])
    (frame,), _ = follow(records(path, time_format="seconds"))
    assert frame.observations["value"].to_list() == [1e308, 0.0, float(1 << 62), 3.5, 1.0]
    assert frame.rejected == {"missing": 3, "not_a_number": 2, "not_finite": 1, "no_series": 1}


def test_rows_that_have_no_time_stop_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    times = [
        "",
        "2023-01-01",
        "2023-01-01 12:00:00",
        "2023-01-02T00:00:00+01:00",
        "2023-13-45",
        "2023-14",
        "2024-99",
        None,
    ]
    write_log(path, [(text, n, "s", float(n)) for n, text in enumerate(times)])
    frames, cursor = follow(records(path))
    assert [value for _, _, value in rows(frames)] == [1.0, 2.0, 3.0]
    assert frames[0].rejected == {"bad_time": 1}
    write_log(path, [("2023-06-01", 20, "s", 20.0)])
    frames, cursor = follow(records(path), cursor)
    assert [value for _, _, value in rows(frames)] == [20.0]
    with pytest.raises(DataError, match="time_format"):
        records(path, query="SELECT 'x' AS time, id, series, value FROM log", max_rows=3).fetch(None)


def test_a_cell_that_cannot_be_read_stops_no_other_row(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write_log(path, [(NOW - 99 + n, n, "s", float(n)) for n in range(5)])
    write_log(path, [(NOW - 97, b"\1\2", "s", 7.0), (NOW - 97.5, 8, "t", 8.0)])
    with closing(sqlite3.connect(path)) as database, database:
        for cells in ("-98.5, 90, 's', cast(x'ff31' as text)", "-96.5, cast(x'ff31' as text), 's', 9.0"):
            database.execute(f"INSERT INTO log VALUES ({NOW} {cells})")
        database.execute("INSERT INTO log VALUES (cast(x'ff31' as text), 91, 's', 9.0)")
    expected = [0.0, 1.0, 8.0, 2.0, 3.0, 4.0]
    for limit in (3, 4, 100):
        frames, cursor = follow(records(path, time_format="seconds", max_rows=limit))
        assert [value for _, _, value in rows(frames)] == expected
        counted: Counter[str] = sum((Counter(frame.rejected) for frame in frames), Counter())
        assert counted == {"not_a_number": 1, "malformed_row": 2}
    assert "id b'\\x01\\x02', where a number or a text is needed" in frames[0].complaints[1]
    write_log(path, [("9999-01-01", 99, "s", 99.0), (NOW - 20, 99, "s", 99.0)])
    assert [value for _, _, value in rows(follow(records(path, time_format="seconds"), cursor)[0])] == [99.0]


def test_ids_that_are_all_bytes_are_said_at_once(tmp_path: Path) -> None:
    write_log(tmp_path / "a.db", [(NOW - 99, b"\1", "s", 1.0)])
    with pytest.raises(DataError, match=r"id b'\\x01', where a number or a text is needed"):
        records(tmp_path / "a.db", time_format="seconds").fetch(None)


def test_wide_rows_are_split_and_those_beside_are_no_values(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE w (at INTEGER, n TEXT, lake TEXT, ph REAL, note TEXT)")
        database.executemany(
            "INSERT INTO w VALUES (?, ?, ?, ?, ?)",
            [(NOW - 99, "x", "peter", 8.0, "fine"), (NOW - 99, "y", None, 7.0, "?")],
        )
    source = records(
        path, query="SELECT * FROM w -- all", time_column="at", id_column="n", by=["lake"], time_format="seconds"
    )
    (frame,), _ = follow(source)
    assert rows([frame]) == [("peter/ph", NOW - 99, 8.0)]
    assert frame.rejected == {"no_series": 1}
    chosen = records(
        path, query="SELECT * FROM w", time_column="at", id_column="n", columns=["ph", "note"], time_format="seconds"
    )
    (frame,), _ = follow(chosen)
    assert frame.rejected == {"not_a_number": 2}


@pytest.mark.parametrize("since", [None, "1m"])
def test_the_first_start_reads_as_far_back_as_it_is_told(tmp_path: Path, since: str | None) -> None:
    path = tmp_path / "a.db"
    write_log(path, [(NOW - 15 * n, n, "s", float(n)) for n in range(1, 9)])
    frames, _ = follow(records(path, time_format="seconds", since=since))
    assert len(rows(frames)) == (8 if since is None else 4)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT", "syntax"), ("DELETE FROM log", "syntax"), ("SELECT * FROM nowhere", "no such table"),
        ("SELECT id, value FROM log", "0 columns time"), ("SELECT time, id FROM log", "no column is left"),
        ("SELECT 1) ; DELETE FROM log; --", "one statement|syntax|no such"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_work_is_said_so_and_writes_nothing(tmp_path: Path, query: str, why: str) -> None:
    path = tmp_path / "a.db"
    write_log(path, [(NOW - 99, 1, "s", 1.0)])
    with pytest.raises((DataError, SourceError), match=why):
        records(path, query=query, time_format="seconds").fetch(None)
    assert len(rows(follow(records(path, time_format="seconds"))[0])) == 1


def test_a_query_that_ends_with_a_semicolon_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="query: it ends with"):
        records(tmp_path / "a.db", query="SELECT 1;")


def test_a_file_that_is_none_or_not_there_is_not_made_and_an_endless_query_ends(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.db"):
        records(tmp_path / "a.db").fetch(None)
    assert not (tmp_path / "a.db").exists()
    (tmp_path / "b.db").write_text("no database at all, but some text that is long enough to be one" * 99)
    with pytest.raises(SourceError, match="not a database"):
        records(tmp_path / "b.db").fetch(None)
    write_log(tmp_path / "a.db", [])
    endless = (
        "WITH RECURSIVE n(time) AS (SELECT 1 UNION ALL SELECT time + 1 FROM n) SELECT time, 1 AS id, time AS v FROM n"
    )
    with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
        records(tmp_path / "a.db", query=endless, timeout="200ms", time_format="seconds").fetch(None)
