"""What the source `csv` promises besides the contract of every source; see also test_csv_rotation.py."""

from __future__ import annotations

import os
import random

import polars as pl
import pytest

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.simulate import DAY_US
from sentinel.sources import SourceError
from tests.sources.following import NOW_US, csv_source, follow, line, rows, table, values

# csv: a growing file


def test_a_growing_file_is_followed_and_a_half_written_line_waits(tmp_path):
    path, text = tmp_path / "lake.csv", table(range(300))
    path.write_bytes(b"")
    source, dice = csv_source(path, columns=["n"]), random.Random(1)
    cursor, told, written = None, [], 0
    while written < len(text):
        step = dice.randint(1, 400)
        with path.open("a") as file:
            file.write(text[written : written + step])
        written += step
        frames, cursor = follow(source, cursor)
        told += values(frames)
        assert told == [float(n) for n in range(text[:written].count("\n") - 1)]
    assert told == [float(n) for n in range(300)]


def test_at_most_max_observations_come_in_one_frame_and_nothing_is_told_as_complete_before_the_last(tmp_path):
    (tmp_path / "a.csv").write_text("time,a,b,c\n" + "".join(f"2020-01-{d:02d},1,2,3\n" for d in range(1, 31)))
    frames, _ = follow(csv_source(tmp_path / "a.csv", max_observations=20))
    assert [frame.observations.height for frame in frames] == [18, 18, 18, 18, 18]
    assert [frame.watermark_us for frame in frames] == [None] * 4 + [NOW_US]


def test_pieces_smaller_than_a_line_are_enlarged(tmp_path, monkeypatch):
    monkeypatch.setattr("sentinel.sources.pieces.PIECE_BYTES", 16)
    (tmp_path / "a.csv").write_text(table(range(50)))
    frames, _ = follow(csv_source(tmp_path / "a.csv"))
    assert values(frames) == [float(n) for n in range(50)]


def test_observations_of_a_fetch_come_in_the_order_of_time(tmp_path):
    (tmp_path / "a.csv").write_text("time,n\n" + "".join(line(n) for n in (5, 3, 9, 1)))
    (tmp_path / "b.csv").write_text("time,m\n" + "".join(line(n) for n in (4, 2)))
    frames, _ = follow(csv_source(tmp_path))
    assert values(frames) == [1, 2, 3, 4, 5, 9]


@pytest.mark.parametrize("at", [0, 10, 40_000])
def test_zeros_that_a_power_failure_left_among_the_rows_cost_one_row_not_the_file(tmp_path, at):
    text = table(range(40_100)).encode()
    cut = text.index(b"\n", 1 + text.index(b"\n") + 12 * at) + 1
    (tmp_path / "a.csv").write_bytes(text[:cut] + bytes(4_096) + b"\n" + text[cut:])
    frames, _ = follow(csv_source(tmp_path / "a.csv", columns=["n"]))
    assert values(frames) == [float(n) for n in range(40_100)]
    assert sum(sum(frame.rejected.values()) for frame in frames) == 1


# csv: folders


def test_a_pipe_is_refused_and_holds_no_thread(tmp_path):
    os.mkfifo(tmp_path / "lake.csv")
    with pytest.raises(SourceError, match="a pipe or a device; a file or a folder is needed"):
        csv_source(tmp_path / "lake.csv").fetch(None)


def test_a_name_of_a_series_as_long_as_a_file_is_a_broken_row(tmp_path):
    path = tmp_path / "lake.csv"
    names = ["ü" * 501, "n", "ü" * 500]
    path.write_text("time,series,value\n" + "".join(f"2020-01-01,{name},1\n" for name in names))
    frames, _ = follow(csv_source(path))
    assert [series for series, _ in rows(frames)] == names[1:]
    assert frames[0].rejected == {Rejection.MALFORMED_ROW: 1}
    assert "a name over 1000 bytes" in frames[0].complaints[0]


def test_a_folder_holds_tables_of_all_formats_and_unfinished_names_are_not_read(tmp_path):
    (tmp_path / "a.csv").write_text("time,a\n2020-01-01,1\n")
    pl.DataFrame({"time": ["2020-01-01"], "b": [2.0]}).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.ndjson").write_text('{"time": "2020-01-01", "c": 3}\n')
    for name in (".hidden.csv", "d.csv.tmp", "e.csv~", "f.txt"):
        (tmp_path / name).write_text("time,x\n2020-01-01,9\n")
    (tmp_path / "folder.csv").mkdir()
    frames, cursor = follow(csv_source(tmp_path))
    assert sorted(rows(frames)) == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    (tmp_path / "g.csv").write_text("time,g\n2020-01-02,4\n")
    assert rows(follow(csv_source(tmp_path), cursor)[0]) == [("g", 4.0)]


def test_a_truncated_parquet_file_is_complained_about_holds_up_no_other_and_is_tried_again(tmp_path):
    pl.DataFrame({"time": ["2020-01-01", "2020-01-02"], "b": [2.0, 3.0]}).write_parquet(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:-20])
    (tmp_path / "c.csv").write_text("time,c\n2020-01-01,1\n")
    source = csv_source(tmp_path)
    frames, cursor = follow(source)
    assert rows(frames) == [("c", 1.0)]
    assert frames[0].rejected == {Rejection.UNREADABLE: 1}
    assert "b.parquet: not a readable Parquet file" in frames[0].complaints[0]
    (tmp_path / "b.parquet").write_bytes(whole)
    frames, cursor = follow(source, cursor)
    assert rows(frames) == [("b", 2.0), ("b", 3.0)]
    assert frames[0].rejected == {}
    assert rows(follow(source, cursor)[0]) == []


def test_parquet_files_are_read_in_bounded_frames_and_again_when_replaced(tmp_path):
    path = tmp_path / "a.parquet"
    times = pl.Series(range(100), dtype=pl.Int64).cast(pl.Datetime("ms"))
    pl.DataFrame({"time": times, "n": range(100)}).write_parquet(path)
    source = csv_source(path, columns=["n"], max_observations=30)
    frames, cursor = follow(source)
    assert [frame.observations.height for frame in frames] == [30, 30, 30, 10]
    pl.DataFrame({"time": times[:5], "n": range(200, 205)}).write_parquet(path)
    assert values(follow(source, cursor)[0]) == [200, 201, 202, 203, 204]


def test_an_unreadable_file_is_a_failure(tmp_path):
    path = tmp_path / "a.csv"
    path.symlink_to(path)
    with pytest.raises(SourceError, match="Too many levels of symbolic links"):
        csv_source(path).fetch(None)


def test_a_missing_file_and_a_table_that_cannot_be_used_are_failures(tmp_path):
    with pytest.raises(SourceError, match=r"none\.csv: No such file or directory; a readable file or folder is needed"):
        csv_source(tmp_path / "none.csv").fetch(None)
    (tmp_path / "a.csv").write_text("lake,n\npeter,1\n")
    with pytest.raises(DataError, match=r"a\.csv: no column 'time'; columns are lake, n"):
        csv_source(tmp_path / "a.csv").fetch(None)
    (tmp_path / "b.csv").write_text("time,n\n1,1\n2,2\n")
    with pytest.raises(DataError, match=r"b\.csv: column 'time' holds numbers"):
        csv_source(tmp_path / "b.csv").fetch(None)


def test_times_far_ahead_of_the_clock_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("time,n\n2020-01-01,1\n2200-01-01,2\n")
    frames, _ = follow(csv_source(tmp_path / "a.csv"))
    assert values(frames) == [1.0]
    assert frames[0].rejected == {Rejection.FUTURE: 1}
    assert "series n: time 2200-01-01T00:00:00+00:00 is in the future" in frames[0].complaints[0]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("9999-12-31", Rejection.FUTURE),
        ("9999-12-31T00:00:00-05:00", Rejection.FUTURE),
        ("9999-12-31T23:59:59.999999Z", Rejection.FUTURE),
        ("9999-12-31T23:30:00-05:00", Rejection.BAD_TIME),
        ("0001-01-01T00:00:00+02:00", Rejection.BAD_TIME),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_time_at_the_end_of_the_calendar_costs_one_observation_and_holds_up_nothing(tmp_path, written, reason, zone):
    (tmp_path / "a.csv").write_text(f"time,n\n2020-01-01,1\n{written},2\n2020-01-02,3\n")
    (tmp_path / "b.csv").write_text("time,n\n2020-01-03,4\n")
    frames, _ = follow(csv_source(tmp_path, time_zone=zone))
    assert values(frames) == [1.0, 3.0, 4.0]
    assert frames[0].rejected == {reason: 1}
    assert "a.csv" in frames[0].complaints[0]
    assert written[:4] in frames[0].complaints[0]


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize(
    ("unit", "stamp"),
    [("us", 2**62), ("us", 3 * 10**17), ("us", -(2**62)), ("ms", 2**62), ("ms", -(2**62)), ("ms", 253402300800000)],
)
def test_a_parquet_stamp_that_is_no_date_costs_one_observation_and_holds_up_nothing(tmp_path, unit, stamp, zone):
    day = DAY_US if unit == "us" else DAY_US // 1000
    times = pl.Series([20_000 * day, stamp, 20_001 * day]).cast(pl.Datetime(unit, zone))
    pl.DataFrame({"time": times, "n": [1.0, 2.0, 3.0]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("time,n\n2030-01-03,4\n")
    frames, _ = follow(csv_source(tmp_path))
    assert values(frames) == [1.0, 3.0, 4.0]
    assert frames[0].rejected == {Rejection.BAD_TIME: 1}
    said = f"row 2, column 'time': '{stamp} {unit} since 1970' is not a time; ISO 8601 is allowed"
    assert said in frames[0].complaints[0]


@pytest.mark.parametrize("days", [2**31 - 1, -(2**31), 2_932_897])
def test_a_parquet_date_that_no_calendar_holds_costs_one_observation_and_holds_up_nothing(tmp_path, days):
    times = pl.Series([18_262, days], dtype=pl.Int32).cast(pl.Date)
    pl.DataFrame({"time": times, "n": [1.0, 2.0]}).write_parquet(tmp_path / "a.parquet")
    frames, _ = follow(csv_source(tmp_path / "a.parquet"))
    assert values(frames) == [1.0]
    assert frames[0].rejected == {Rejection.BAD_TIME: 1}
    assert f"'{days} days since 1970' is not a time" in frames[0].complaints[0]


def test_rows_keep_their_numbers_over_fetches(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(table(range(7)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write("2020-01-02,seven\n")
    frames, _ = follow(source, cursor)
    assert frames[0].complaints[0].startswith(f"{path}, row 8, column 'n': 'seven' is not a number")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_followed_too(tmp_path, encoding):
    path = tmp_path / "a.csv"
    text = "time;ä\n" + "".join(line(n).replace(",", ";") for n in range(9))
    raw = text.encode(encoding)
    source, cursor, told = csv_source(path, encoding=encoding, separator=";"), None, []
    for end in range(0, len(raw) + 7, 7):
        path.write_bytes(raw[:end])
        frames, cursor = follow(source, cursor)
        told += rows(frames)
    assert told == [("ä", float(n)) for n in range(9)]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["\r", "\r\n"])
def test_a_file_whose_lines_end_in_a_return_was_said_to_be_lost_while_it_had_one_line(tmp_path, ending):
    path = tmp_path / "a.csv"
    raw = table(range(4)).replace("\n", ending).encode()
    source, cursor, told = csv_source(path), None, []
    for end in range(1, len(raw) + 1):
        path.write_bytes(raw[:end])
        frames, cursor = follow(source, cursor)
        told += rows(frames)
        assert not any(frame.rejected for frame in frames)
    assert told == [("n", float(n)) for n in range(4)]
