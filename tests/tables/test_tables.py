from __future__ import annotations

import codecs
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.reading import Head, csv_rows, cut
from sentinel.tables.recognising import recognise


def write(folder: Path, text: str | bytes, name: str = "lake.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def observations(path: Path, **settings) -> list[tuple]:
    options = TableOptions(**settings)
    table = parse(open_table(path, options), options, path.name).observations.collect()
    return sorted((series, time.isoformat(), value) for series, time, value in table.iter_rows())


def one_time(written: str, **settings) -> str | None:
    options = TableOptions(separator=";", **settings)
    table = pl.LazyFrame({"time": [written, "2020-01-01"], "ph": ["1", "2"]})
    found = parse(table, options, "t", axis="time").observations.collect()
    return found["time"][0].isoformat() if found.height == 2 else None


# Layouts


def test_a_long_table_is_recognised_by_its_columns(tmp_path):
    path = write(tmp_path, "value,series,time,note\n7.5,ph,2020-01-01,a\n7.6,ph,2020-01-02,\n3,temp,2020-01-01,\n")
    assert observations(path) == [
        ("ph", "2020-01-01T00:00:00+00:00", 7.5),
        ("ph", "2020-01-02T00:00:00+00:00", 7.6),
        ("temp", "2020-01-01T00:00:00+00:00", 3.0),
    ]


def test_each_column_of_numbers_of_a_wide_table_is_a_series_and_text_is_left_out(tmp_path):
    path = write(tmp_path, "time,ph,observer,temp\n2020-01-01,7,ann,3\n2020-01-02,8,bo,4\n")
    assert [row[0] for row in observations(path)] == ["ph", "ph", "temp", "temp"]
    assert parse(open_table(path), TableOptions(), "lake.csv").shape.left_out == ("observer",)


def test_identifying_columns_come_before_the_name_of_the_series(tmp_path):
    path = write(tmp_path, "time,lake,depth,ph\n2020-01-01,peter,1,7\n2020-01-01,paul,2,8\n")
    assert [row[0] for row in observations(path, by=("lake", "depth"))] == ["paul/2/ph", "peter/1/ph"]


def test_columns_choose_the_series_of_a_wide_table(tmp_path):
    path = write(tmp_path, "time,a,b,c\n2020-01-01,1,2,3\n")
    assert [row[0] for row in observations(path, columns=("c", "a"))] == ["a", "c"]


def test_a_column_without_a_name_is_an_index_and_no_series(tmp_path):
    path = write(tmp_path, ",time,ph\n0,2020-01-01,7\n1,2020-01-02,8\n")
    assert {row[0] for row in observations(path)} == {"ph"}


def test_columns_named_like_the_parts_of_the_long_form_are_ordinary_series(tmp_path):
    path = write(tmp_path, "when,time,value\n2020-01-01,5,6\n")
    assert [row[::2] for row in observations(path, time_column="when")] == [("time", 5.0), ("value", 6.0)]


def test_repeated_times_beside_a_column_of_text_are_refused_rather_than_mixed(tmp_path):
    path = write(tmp_path, "time,lake,ph\n2020-01-01,peter,7\n2020-01-01,paul,8\n")
    with pytest.raises(DataError, match=r"times repeat and column 'lake' holds text; .* by: \[lake\]"):
        observations(path)


def test_a_complaint_shows_the_cell_as_it_came(tmp_path):
    path = write(tmp_path, "time,lake,ph\n01.02.2020,peter,7\n2020-02-01,peter,7;5\n")
    complaints = parse(open_table(path), TableOptions(by=("lake",), columns=("ph",)), "lake.csv").complaints
    assert complaints[0].startswith("lake.csv, row 1, column 'time': '01.02.2020' is not a time")
    assert complaints[1].startswith("lake.csv, row 2, column 'ph': '7;5' is not a number")


# Formats and encodings


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-16-le", "utf-32", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("ends", [True, False])
def test_encodings_line_ends_and_a_missing_last_newline_do_not_matter(tmp_path, encoding, newline, ends):
    lines = ["time,Zürichsee", "2020-01-01,1", "2020-01-02,2"]
    path = write(tmp_path, (newline.join(lines) + newline * ends).encode(encoding))
    assert [row[::2] for row in observations(path, encoding=encoding)] == [("Zürichsee", 1.0), ("Zürichsee", 2.0)]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = write(tmp_path, codecs.BOM_UTF8 + b"time,ph\n2020-01-01,7\n")
    assert observations(path)[0][0] == "ph"


def test_decimal_commas_comments_blank_lines_and_quotes_are_read(tmp_path):
    text = '# station 5\n\ntime;"p;h"\n# battery low\n2020-01-01;7,5\n\n2020-01-02;"8,25"\n2020-01-03;1.234,5\n'
    path = write(tmp_path, text)
    options = TableOptions(separator=";", decimal=",")
    parsed = parse(open_table(path, options), options, "s.csv")
    assert parsed.observations.collect()["value"].to_list() == [7.5, 8.25]
    assert parsed.complaints[0].startswith("s.csv, row 3, column 'p;h': '1.234,5' is not a number")


def test_parquet_ndjson_and_csv_give_the_same_observations(tmp_path):
    rows = [(f"2020-01-{day:02d}T06:00:00Z", "ph", day / 7) for day in range(1, 20)]
    frame = pl.DataFrame(rows, schema=["time", "series", "value"], orient="row")
    frame.write_csv(tmp_path / "a.csv")
    frame.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")).write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.ndjson")
    from_csv = observations(tmp_path / "a.csv")
    assert from_csv == observations(tmp_path / "a.parquet") == observations(tmp_path / "a.ndjson")
    assert len(from_csv) == 19


def test_ndjson_lines_that_python_writes_and_lines_that_are_broken_are_told_apart(tmp_path):
    rows = [{"time": "2020-01-01", "ph": 7}, {"time": "2020-01-02", "ph": float("nan")}, {"time": "2020-01-03"}]
    lines = [json.dumps(row) for row in rows] + ['{"time": "2020-01-04", "ph"', "[1, 2]", ""]
    parsed = parse(open_table(write(tmp_path, "\n".join(lines), "a.ndjson")), TableOptions(), "a")
    assert parsed.observations.collect()["value"].to_list() == [7.0]
    assert dict(parsed.rejected) == {"missing": 2, "malformed_row": 2}


def test_objects_within_the_objects_of_ndjson_could_not_be_read(tmp_path):
    rows = [{"meta": {"time": f"2020-01-{n:02}"}, "site": {"lake": {"ph": n / 2}}, "at.do": n} for n in range(1, 29)]
    lines = [*(json.dumps(row) for row in rows), '{"a":' * 100_000]
    options = TableOptions(time_column="meta.time")
    parsed = parse(open_table(write(tmp_path, "\n".join(lines), "a.ndjson"), options), options, "a")
    found = parsed.observations.collect()
    assert found.filter(pl.col("series") == "site.lake.ph")["value"].to_list() == [n / 2 for n in range(1, 29)]
    assert found.filter(pl.col("series") == "at.do")["value"].to_list() == list(range(1, 29))
    assert parsed.rejected["malformed_row"] == 2  # once for each series


def test_types_of_parquet_columns_are_used(tmp_path):
    naive = [datetime.fromisoformat("2024-07-01T12:00"), datetime.fromisoformat("2024-07-02T12:00")]
    pl.DataFrame({"time": naive, "n": [1, 2], "x": [1.5, float("nan")], "ok": [True, False]}).write_parquet(
        tmp_path / "a.parquet"
    )
    found = observations(tmp_path / "a.parquet", time_zone="Europe/Berlin")
    assert found[0] == ("n", "2024-07-01T10:00:00+00:00", 1.0)
    assert len(found) == 5


def test_a_mixture_of_text_and_number_columns_in_parquet_is_judged_cell_by_cell(tmp_path):
    frame = pl.DataFrame({"time": ["2020-01-01", "2020-01-02"], "a": [1, 2], "b": ["3.5", "x"]})
    frame.write_parquet(tmp_path / "a.parquet")
    parsed = parse(open_table(tmp_path / "a.parquet"), TableOptions(), "a")
    assert sorted(parsed.observations.collect()["value"].to_list()) == [1.0, 2.0, 3.5]
    assert dict(parsed.rejected) == {"not_a_number": 1}


# What is left out


def test_everything_left_out_is_counted_by_reason_and_the_first_are_complained_about(tmp_path):
    rows = ["2020-01-01,a,1", "2020-01-02,a,NA", "2020-01-03,a,", "2020-01-04,a,7x", "2020-01-05,a,inf"]
    rows += ["2020-01-06,a,1e999", "soon,a,1", "2020-01-07,,1", "2020-01-08,a,1,9", "2020-01-09,a"]
    parsed = parse(open_table(write(tmp_path, "\n".join(["time,series,value", *rows]))), TableOptions(), "a.csv")
    assert dict(parsed.rejected) == {
        "missing": 3,
        "not_a_number": 1,
        "not_finite": 2,
        "bad_time": 1,
        "no_series": 1,
        "malformed_row": 1,
    }
    assert parsed.observations.collect().height == 1
    assert parsed.complaints[0] == (
        "a.csv, row 4, column 'value': '7x' is not a number; a number or a mark of a missing value "
        "('', 'NA', 'N/A', 'NaN', 'nan', 'null') is allowed"
    )
    assert len(parsed.complaints) == 6


def test_at_most_ten_complaints(tmp_path):
    text = "time,ph\n2020-01-01,1\n" + "".join(f"2020-02-{day:02d},bad{day}\n" for day in range(1, 28))
    parsed = parse(open_table(write(tmp_path, text)), TableOptions(), "a.csv")
    assert dict(parsed.rejected) == {"not_a_number": 27}
    assert len(parsed.complaints) == 10


def test_strict_names_row_and_column_of_the_first_text_among_numbers(tmp_path):
    path = write(tmp_path, "time,lake,ph\n2020-01-01,peter,7\n2020-01-02,peter,\n2020-01-03,peter,about 7\n")
    with pytest.raises(DataError, match=r"^lake.csv, row 3, column 'ph': 'about 7' is not a number; "):
        parse(open_table(path), TableOptions(by=("lake",)), "lake.csv", strict=True)


def test_strict_lets_missing_and_infinite_values_pass_as_counted(tmp_path):
    path = write(tmp_path, "time,ph\n2020-01-01,7\n2020-01-02,\n2020-01-03,inf\n")
    parsed = parse(open_table(path), TableOptions(), "a.csv", strict=True)
    assert dict(parsed.rejected) == {"missing": 1, "not_finite": 1}


def test_bytes_in_another_encoding_are_complained_about_where_they_name_a_series(tmp_path):
    path = write(tmp_path, "time,series,value\n2020-01-01,Zürichsee,1\n2020-01-01,Genf,1\n".encode("latin-1"))
    parsed = parse(open_table(path), TableOptions(), "a.csv")
    assert dict(parsed.rejected) == {"malformed_row": 1}
    assert "check separator and encoding" in parsed.complaints[0]


@pytest.mark.parametrize("width", ['5" rain', '"5 rain', '5"" rain', 'a "big" one'])
def test_a_stray_quote_costs_at_most_its_own_row(tmp_path, width):
    rows = [f"2020-01-{day:02d},{day},{width if day in (3, 9) else 'dry'}" for day in range(1, 20)]
    path = write(tmp_path, "\n".join(["time,ph,note", *rows, ""]))
    days = {value for _, _, value in observations(path, columns=("ph",))}
    assert days >= {float(day) for day in range(1, 20) if day not in (3, 9)}


# Files that are no tables


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\n\n# nothing\n", "the file is empty"),
        ("a.csv", b"time,ph\n", "the table has no rows"),
        (
            "a.csv",
            b"date,ph\n2020-01-01,7\n",
            "no column 'time'; columns are date, ph; say which it is with time_column",
        ),
        ("a.csv", b"time;ph\n2020-01-01;7\n", "no column 'time'; columns are time;ph; .* is `separator` right"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0", "binary data, not a table"),
        ("a.csv", b"PK\x03\x04\0\0", "binary data, not a table"),
        ("a.csv", b"<!DOCTYPE html><html><body>Login</body></html>", "a web page"),
        ("a.csv", "time,Zürich\n2020-01-01,7\n".encode("latin-1"), "byte 0xfc in the first line is not utf-8"),
        ("a.csv", "time,ph\n2020-01-01,7\n".encode("utf-16"), "the file is utf-16, not utf-8; set encoding: utf-16"),
        ("a.csv", b"time,note\n2020-01-01,good\n", "no column of numbers beside time"),
        ("a.csv", b"time,level\n2020-01-01,\n2020-01-02,8.2 m\n", "'level' holds '8.2 m'; is .* without its unit"),
        ("a.parquet", b"PAR1 but no more", "not a readable Parquet file"),
        ("a.ndjson", b"time,ph\n2020-01-01,7\n", "no line is a JSON object"),
        # It said "the table has no rows", and of the next "no column 'time'; columns are [".
        ("a.csv", b'[{"time": 1, "ph": 7}, {"time": 2, "ph": 7}]', "JSON, not a CSV table; an array .* are read"),
        ("a.csv", b'[\n  {"time": 1, "ph": 7}\n]\n', "JSON, not a CSV table; an array .* are read"),
        # It asked to "open the file in universal-newline mode", which is a matter of the programmer.
        ("a.csv", b"time,ph\r2020-01-01,7\r\n", "lines end in a carriage return alone; LF or CR LF is needed$"),
    ],
)
def test_what_is_not_a_table_gets_one_clear_line(tmp_path, name, content, message):
    path = write(tmp_path, content, name)
    with pytest.raises(DataError, match=message) as caught:
        parse(open_table(path), TableOptions(), str(path), strict=True)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_folders_and_unknown_columns_are_refused(tmp_path):
    path = write(tmp_path, "time,ph\n2020-01-01,7\n")
    with pytest.raises(DataError, match="there is no such file"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="a folder"):
        open_table(tmp_path)
    with pytest.raises(DataError, match="no column 'lake'; columns are time, ph; say which it is with by"):
        parse(open_table(path), TableOptions(by=("lake",)), "a.csv")
    with pytest.raises(DataError, match="no column 'temp'"):
        parse(open_table(path), TableOptions(columns=("temp",)), "a.csv")
    with pytest.raises(DataError, match="encoding 'klingon' is not known"):
        open_table(path, TableOptions(encoding="klingon"))


def test_advice_names_the_option_of_the_settings_and_that_of_the_command_line(tmp_path):
    path = write(tmp_path, "when,lake,ph\n2020-01-01,peter,7\n2020-01-01,paul,8\n")
    with pytest.raises(DataError, match=r"with time_column, or --time-column on the command line$"):
        parse(open_table(path), TableOptions(), "a.csv")
    with pytest.raises(DataError, match=r"with by, or --by on the command line$"):
        parse(open_table(path), TableOptions(time_column="when", by=("depth",)), "a.csv")
    with pytest.raises(DataError, match=r"with by: \[lake\], or --by lake on the command line, else"):
        parse(open_table(path), TableOptions(time_column="when"), "a.csv")
    with pytest.raises(DataError, match=r"with columns, or --columns on the command line$"):
        parse(open_table(path), TableOptions(time_column="when", columns=("x",)), "a.csv")


def test_one_row_is_a_table(tmp_path):
    assert len(observations(write(tmp_path, "time,ph\n2020-01-01,7"))) == 1


# Pieces


@given(st.lists(st.text(alphabet='ab,"\n#1.é', max_size=6), max_size=8), st.integers(0, 60), st.integers(1, 5))
def test_a_cut_ends_behind_a_newline_and_never_inside_of_closed_quotes(cells, at, rows):
    text = "\n".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"
    piece = text.encode()[:at]
    length = cut(piece, "utf-8", quoted=True)
    assert length == 0 or piece[length - 1 : length] == b"\n"
    if piece[:length].count(b'"') % 2:  # only where no newline of the piece is outside of quotes
        ends = [end for end in range(1, len(piece) + 1) if piece[end - 1 : end] == b"\n"]
        assert all(piece[:end].count(b'"') % 2 for end in ends)
    limited = cut(piece, "utf-8", quoted=False, rows=rows)
    assert piece[:limited].count(b"\n") <= rows


@given(st.lists(st.lists(st.text(alphabet='ab,"\n1. ', min_size=1, max_size=4), min_size=2, max_size=2), max_size=6))
def test_what_a_csv_writer_quoted_is_read_back(rows):
    text = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
    if not rows:
        return
    table = csv_rows(text.encode(), Head(("x", "y"), 0, "utf-8"), TableOptions(comment=None))
    assert table.select("x", "y").rows() == [tuple(row) for row in rows]


def test_a_file_of_many_pieces_is_read_once_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("sentinel.tables.reading.STREAM_BYTES", 997)
    path = write(tmp_path, "time,n\n" + "".join(f"2020-01-01T00:{i // 60:02d}:{i % 60:02d},{i}\n" for i in range(500)))
    parsed = parse(open_table(path), TableOptions(), "a.csv")
    assert parsed.observations.collect()["value"].to_list() == list(range(500))
    assert parsed.observations.head(3).collect().height == 3


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak_mb(rows: int) -> int:
        path = write(tmp_path, "time,a,b\n" + "2020-01-01T00:00:00,1.5,2.25\n" * rows)
        program = (
            "import re, sys, pathlib, polars as pl\n"
            "from sentinel.tables import TableOptions, open_table, parse\n"
            "table = parse(open_table(pathlib.Path(sys.argv[1])), TableOptions(), 'a', strict=True).observations\n"
            "assert table.select(pl.len()).collect(engine='streaming').item() == 2 * int(sys.argv[2])\n"
            # Not ru_maxrss, which a child inherits from the process that forked it.
            "print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
        )
        command = [sys.executable, "-c", program, str(path), str(rows)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout) // 1024

    small, large = peak_mb(2_000_000), peak_mb(10_000_000)  # 56 MB and 280 MB of text
    assert large < small + 150


@pytest.mark.parametrize("name", ["*", "^n.*$"])
def test_a_column_whose_name_is_a_pattern_is_refused(tmp_path, name):
    (tmp_path / "a.csv").write_text(f"time,{name},n\n2020-01-01,1,2\n")
    with pytest.raises(DataError, match="which stands for any of them"):
        parse(open_table(tmp_path / "a.csv"), TableOptions(), "a.csv")
    (tmp_path / "b.csv").write_text(f"{name},v\n2020-01-01,1\n2020-01-02,3\n")
    with pytest.raises(DataError, match="which stands for any of them"):
        recognise(tmp_path / "b.csv", TableOptions())
