"""Compressed files of the csv source, and files that their reader cannot read."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sentinel.analysis.intake import read_files, read_frame
from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.tables import TableOptions
from tests.sources.following import csv_source, follow, line, rows, table, values
from tests.sources.rotating import COMPRESS
from tests.sources.test_csv_columns import write_sheet


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("most", [7, 1_000])
def test_a_folder_of_compressed_files_is_read_once(tmp_path, ending, most):
    for name, ns in (("a", range(50)), ("b", range(50, 90))):
        (tmp_path / f"{name}.csv{ending}").write_bytes(COMPRESS[ending](table(ns).encode()))
    frames, cursor = follow(csv_source(tmp_path, max_observations=most))
    assert values(frames) == [float(n) for n in range(90)]
    frames, again = follow(csv_source(tmp_path), cursor)
    assert rows(frames) == []
    assert again == cursor


def test_the_last_row_of_a_compressed_file_may_lack_its_newline(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(COMPRESS[".gz"](table(range(9)).encode().rstrip()))
    assert values(follow(csv_source(tmp_path))[0]) == [float(n) for n in range(9)]


@pytest.mark.parametrize(
    "ending", [pytest.param(each, marks=pytest.mark.slow if each != ".gz" else ()) for each in COMPRESS]
)
def test_a_compressed_file_that_is_cut_off_costs_its_end_is_counted_once_and_holds_up_no_other(tmp_path, ending):
    whole = COMPRESS[ending](table(range(40_000)).encode())
    (tmp_path / f"a.csv{ending}").write_bytes(whole[: len(whole) * 3 // 4])
    (tmp_path / "b.csv").write_text(table(range(40_000, 40_005)))
    source = csv_source(tmp_path, columns=["n"])
    frames, cursor = follow(source)
    told = values(frames)
    assert told[-5:] == [float(n) for n in range(40_000, 40_005)]
    assert sorted(told)[: len(told) - 5] == [float(n) for n in range(len(told) - 5)]
    assert sum(frame.rejected.get(Rejection.UNREADABLE, 0) for frame in frames) == 1
    assert "ends before its end" in "".join(line for frame in frames for line in frame.complaints)
    frames, cursor = follow(source, cursor)
    assert (rows(frames), frames[0].rejected) == ([], {})
    (tmp_path / f"a.csv{ending}").write_bytes(whole)  # copied again
    frames, _ = follow(source, cursor)
    assert sorted({*told, *values(frames)}) == [float(n) for n in range(40_005)]
    assert len(told) + len(values(frames)) == 40_005


def test_a_file_that_is_being_compressed_is_read_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(table(range(4_000)))
    source = csv_source(tmp_path, columns=["n"])
    frames, cursor = follow(source)
    packed = COMPRESS[".gz"](path.read_bytes())
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    frames, cursor = follow(source, cursor)
    assert (rows(frames), frames[0].rejected) == ([], {})
    (tmp_path / "a.csv.gz").write_bytes(packed)
    path.unlink()
    frames, cursor = follow(source, cursor)
    assert (rows(frames), frames[0].rejected) == ([], {})
    path.write_text(table(range(4_000, 4_010)))
    assert values(follow(source, cursor)[0]) == [float(n) for n in range(4_000, 4_010)]


# Files that their reader cannot read


@pytest.mark.parametrize("row", ['{"time": "2020-01-01", "series": "\\ud800", "value": 7}', "[1", "nothing"])
def test_a_row_that_no_reader_reads_costs_itself_alone(tmp_path, row):
    good = [f'{{"time": "2020-01-02T00:00:{n:02d}", "series": "x", "value": {n}}}' for n in range(20)]
    (tmp_path / "a.ndjson").write_text("\n".join([*good[:9], row, *good[9:], ""]))
    (tmp_path / "b.csv").write_text("time,m\n2020-01-03,99\n")
    frames, cursor = follow(csv_source(tmp_path))
    assert values(frames) == [*map(float, range(20)), 99.0]
    assert sum(sum(frame.rejected.values()) for frame in frames) == 1
    assert rows(follow(csv_source(tmp_path), cursor)[0]) == []


@pytest.mark.parametrize("at", [0, 5, 19])
def test_whatever_a_reader_stumbles_over_costs_one_row(tmp_path, monkeypatch, at):
    from sentinel.sources import pieces

    def stumble(piece, *rest):
        if f",{at}\n".encode() in piece and (at or b"time" not in piece):
            raise pl.exceptions.PanicException("a fault of the library") if at else RuntimeError
        return whole(piece, *rest)

    monkeypatch.setattr(
        "sentinel.tables.plain.PlainLayout.of", lambda *_: None
    )  # numbers alone do not come to that reader
    whole = pieces.rows_of
    (tmp_path / "a.csv").write_text(table([100, 101]))
    source = csv_source(tmp_path, columns=["n"])
    _, cursor = follow(source)
    with (tmp_path / "a.csv").open("a") as file:
        file.write("".join(line(n) for n in range(20)))
    monkeypatch.setattr(pieces, "rows_of", stumble)
    frames, _ = follow(source, cursor)
    assert values(frames) == [float(n) for n in range(20) if n != at]
    assert sum(frame.rejected.get(Rejection.UNREADABLE, 0) for frame in frames) == 1


def test_torn_files_in_a_folder_are_counted_once_and_read_when_they_have_been_put_right(tmp_path):
    times = pl.Series(range(4_000), dtype=pl.Int64).cast(pl.Datetime("ms"))
    whole = pl.DataFrame({"time": times, "p": [n * 7_919 % 4_000 for n in range(4_000)]})
    whole.write_parquet(tmp_path / "a.parquet", row_group_size=500)
    good = (tmp_path / "a.parquet").read_bytes()
    torn = bytearray(good)
    torn[len(torn) // 3 : len(torn) // 3 + 600] = bytes(600)
    (tmp_path / "a.parquet").write_bytes(torn)
    (tmp_path / "b.csv").write_text(table(range(5)))
    source = csv_source(tmp_path)
    frames, cursor = follow(source)
    assert {series for series, _ in rows(frames)} >= {"n"}
    assert sum(frame.rejected.get(Rejection.UNREADABLE, 0) for frame in frames) == 1
    frames, cursor = follow(source, cursor)
    assert (rows(frames), frames[0].rejected) == ([], {})
    shutil.move(tmp_path / "a.parquet", tmp_path / "torn")
    (tmp_path / "a.parquet").write_bytes(good)
    os.utime(tmp_path / "a.parquet", ns=(1, 1))
    assert {value for series, value in rows(follow(source, cursor)[0]) if series == "p"} == set(
        map(float, range(4_000))
    )


def test_a_file_that_other_options_read_is_looked_at_again(tmp_path):
    (tmp_path / "a.csv").write_text("when,n\n5 o'clock,1\n")
    (tmp_path / "b.csv").write_text("time,m\n2020-01-03,99\n")
    frames, cursor = follow(csv_source(tmp_path))
    assert rows(frames) == [("m", 99.0)]
    assert frames[0].rejected == {Rejection.UNREADABLE: 1}
    assert rows(follow(csv_source(tmp_path), cursor)[0]) == []
    frames, _ = follow(csv_source(tmp_path, time_column="when", time_format="%H o'clock"), cursor)
    assert frames[0].rejected


def test_a_file_of_another_format_that_was_renamed_is_read_on_as_it_began(tmp_path):
    path = tmp_path / "a.ndjson"
    rows_of_json = [f'{{"time": "2020-01-01T00:00:{n:02d}", "n": {n}}}\n' for n in range(20)]
    path.write_text("".join(rows_of_json[:10]))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write("".join(rows_of_json[10:15]))
    path.rename(tmp_path / "old.dat")
    path.write_text("".join(rows_of_json[15:]))
    assert values(follow(source, cursor)[0]) == [float(n) for n in range(10, 20)]


@pytest.mark.parametrize("name", ["a.pq", "a.xlsx", "a.parquet"])
def test_a_file_that_is_replaced_as_a_whole_is_no_loss(tmp_path, name):
    cursor = None
    for first in (0, 50):
        times = pl.Series(range(first, first + 9), dtype=pl.Int64).cast(pl.Datetime("ms")) + pl.duration(days=9_000)
        frame = pl.select(time=times).with_columns(n=pl.int_range(9).cast(pl.Float64) + first)
        if name.endswith("xlsx"):
            write_sheet(frame, tmp_path / "new")
        else:
            frame.write_parquet(tmp_path / "new")
        (tmp_path / "new").replace(tmp_path / name)
        frames, cursor = follow(csv_source(tmp_path / name), cursor)
        assert values(frames) == [float(n) for n in range(first, first + 9)]
        assert frames[0].rejected == {}


def test_a_single_file_that_cannot_be_read_is_a_failure_of_its_source(tmp_path):
    (tmp_path / "a.csv").write_bytes(COMPRESS[".gz"](b"\0\1\2\n" * 9))
    with pytest.raises(DataError, match="binary data, not a table"):
        csv_source(tmp_path / "a.csv").fetch(None)


def test_spans_of_time_that_are_asked_for_are_seconds_in_a_backtest_in_python_and_in_the_daemon(tmp_path):
    """`--columns run` named a column of durations and was refused: 'PT1M30S' is not a number."""
    table = pl.DataFrame({"time": [datetime(2020, 1, 1, hour, tzinfo=UTC) for hour in range(3)], "v": [1.0, 2.0, 3.0]})
    table = table.with_columns(run=pl.Series([timedelta(seconds=90.5), None, timedelta(days=-1)]))
    table.write_parquet(tmp_path / "a.parquet")
    options, said = TableOptions(columns=("run",)), "spans of time, read in seconds: run"
    for intake in (read_files([tmp_path / "a.parquet"], options), read_frame(table.lazy(), options)):
        assert intake.observations.collect()["value"].to_list() == [90.5, -86_400.0]
        assert said in intake.read_as
    frames, _ = follow(csv_source(tmp_path / "a.parquet", columns=["run"]))
    assert rows(frames) == [("run", 90.5), ("run", -86_400.0)]
    assert said in frames[0].complaints[0]
    assert rows(follow(csv_source(tmp_path / "a.parquet"))[0]) == [("v", 1.0), ("v", 2.0), ("v", 3.0)]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_a_file_that_is_rewritten_with_more_columns_gives_them_and_one_of_more_sites_says_what_to_do(tmp_path, name):
    path = tmp_path / name

    def write(**columns: list[object]) -> None:
        hours = [datetime(2020, 1, 1, n // 2 if "site" in columns else n, tzinfo=UTC) for n in range(len(columns["v"]))]
        table = pl.DataFrame({"time": hours, **columns})
        table.write_parquet(tmp_path / "new") if name == "a.parquet" else table.write_csv(tmp_path / "new")
        (tmp_path / "new").replace(path)

    write(v=[1.0, 2.0])
    source = csv_source(path)
    _, cursor = follow(source)
    write(v=[1.0, 2.0, 3.0], w=[None, None, 4.0])
    frames, cursor = follow(source, cursor)
    assert ("w", 4.0) in rows(frames)
    assert frames[-1].columns == ("v", "w")
    write(v=[1.0, 2.0, 3.0, 4.0], site=["north", "south", "north", "south"])
    with pytest.raises(DataError, match=r"'site' tells the rows apart; if it names series, say so with by: \[site\]"):
        source.fetch(cursor)
    with pytest.raises(DataError, match=r"say so with by: \[site\]"):
        read_files([path], TableOptions())
    frames, cursor = follow(csv_source(path, by=["site"]), cursor)
    assert {series for series, _ in rows(frames)} == {"north/v", "south/v"}
    write(v=[1.0, 2.0, 3.0, 4.0, 5.0], site=["north", "south", "north", "south", "west"])
    assert ("west/v", 5.0) in rows(follow(csv_source(path, by=["site"]), cursor)[0])
