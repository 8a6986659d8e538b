"""Bad input of `sentinel backtest` gets one clear line and exit 65."""

from __future__ import annotations

import os

import polars as pl
import pytest

from sentinel.commands.main import entry_point
from sentinel.domain.errors import DataError, UsageError

BAD = {
    "no_time.csv": (b"a,b\n1,2\n3,4\n", "no column 'time'"),
    "text.csv": (b"time,x\n2020-01-01,1\n2020-01-02,abc\n2020-01-03,3\n", "row 2, column 'x': 'abc' is not a number"),
    "bad_time.csv": (b"time,x\nyesterday,1\ntoday,2\n", "'yesterday' is not a time"),
    "one_row.csv": (b"time,x\n2020-01-01,1\n", "1 observation, no series with two time stamps"),
    # It said "1 observation", of a file of three rows.
    "equal.csv": (
        b"time,x\n2020-01-01,1\n2020-01-01,2\n2020-01-01,3\n",
        "3 observations (2 of a time that was there already), no series with two time stamps",
    ),
    "all_nan.csv": (b"time,x\n2020-01-01,NaN\n2020-01-02,\n", "no usable value (2 missing)"),
    "header.csv": (b"time,x\n", "no rows"),
    "empty.csv": (b"", "the file is empty"),
    "binary.csv": (bytes(range(256)) * 8, "not a table"),
    "broken.parquet": (b"PAR1 not really", "not a readable Parquet file"),
    "late_text.csv": (
        b"time,x\n" + b"".join(b"%d,inf\n" % n for n in range(12)) + b"12,abc\n13,1\n14,2\n",
        "row 13, column 'x': 'abc' is not a number",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line_and_exit_65(tmp_path, capsys, name):
    content, expected = BAD[name]
    (tmp_path / name).write_bytes(content)
    assert entry_point(["backtest", str(tmp_path / name), "--out", str(tmp_path / "out")]) == DataError.exit_code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"sentinel: {tmp_path / name}")
    assert expected in told.err
    assert told.err.count("\n") == 1
    assert not list((tmp_path / "out").glob("*")), "nothing half-made is left"


@pytest.mark.parametrize(("unit", "stamp"), [("ms", 2**62), ("us", 2**62), ("us", 3 * 10**17), ("ms", -(2**62))])
def test_a_stamp_that_is_no_date_gets_one_clear_line_and_exit_65(tmp_path, capfd, unit, stamp):
    path = tmp_path / "t.parquet"
    times = pl.Series([0, 86_400_000, stamp]).cast(pl.Datetime(unit))
    pl.DataFrame({"time": times, "x": [1.0, 2.0, 3.0]}).write_parquet(path)
    assert entry_point(["backtest", str(path), "--out", str(tmp_path / "out")]) == DataError.exit_code
    told = capfd.readouterr().err
    assert told.startswith(f"sentinel: {path}, row 3, column 'time': '{stamp} {unit} since 1970' is not a time; ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(("name", "expected"), [("missing.csv", "no such file"), (".", "a folder")])
def test_a_missing_file_and_a_folder_get_one_clear_line_and_exit_65(tmp_path, capsys, name, expected):
    assert entry_point(["backtest", str(tmp_path / name), "--out", str(tmp_path / "out")]) == DataError.exit_code
    told = capsys.readouterr().err
    assert expected in told
    assert told.count("\n") == 1


def test_a_pipe_is_refused_because_it_can_be_read_only_once(tmp_path, capsys):
    # It said "None; the file must be readable".
    reader, writer = os.pipe()
    os.write(writer, b"time,x\n2020-01-01,1\n")
    os.close(writer)
    assert entry_point(["backtest", f"/dev/fd/{reader}", "--out", str(tmp_path / "out")]) == 65
    os.close(reader)
    said = f"sentinel: /dev/fd/{reader}: a pipe or a device; a file is needed, which can be read more than once\n"
    assert capsys.readouterr() == ("", said)


def test_an_out_folder_that_is_a_file_is_a_fault_of_usage(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("time,x\n1,2\n2,3\n", encoding="utf-8")
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "t.csv")]) == UsageError.exit_code
    assert "a folder is needed" in capsys.readouterr().err


def test_numbers_of_time_beyond_every_integer_are_steps_like_any_others(tmp_path):
    # Bug: they were cast to integers before they were put on their axis, with a RuntimeWarning in the terminal.
    rows = "".join(f"{n}e300,{n * n % 7}\n" for n in range(200))
    (tmp_path / "far.csv").write_text("time,x\n" + rows)
    assert entry_point(["backtest", str(tmp_path / "far.csv"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert pl.read_parquet(tmp_path / "out" / "readings.parquet").height == 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ["depth", "k"])
def test_rows_that_a_column_of_numbers_tells_apart_are_not_dropped_as_duplicates(name, tmp_path, capsys):
    # Bug: of three depths the two lower ones were dropped in silence, and the depth itself was watched.
    days = [f"2024-01-{day:02}" for day in range(1, 31) for _ in range(3)]
    rows = (f"{day},{5 * (i % 3)},{20.0 - i % 3 + 0.01 * i}" for i, day in enumerate(days))
    (tmp_path / "lake.csv").write_text(f"date,{name},temp\n" + "\n".join(rows) + "\n")
    assert entry_point(["backtest", str(tmp_path / "lake.csv"), "--out", str(tmp_path / "out")]) == 65
    said = capsys.readouterr().err
    assert f"'{name}' tells the rows apart" in said
    assert f"--by {name}" in said
    arguments = ["--by", name, "--cadence", "1d", "--out", str(tmp_path / "out")]
    assert entry_point(["backtest", str(tmp_path / "lake.csv"), *arguments]) == 0
    assert "90 observations of 3 series" in capsys.readouterr().out
