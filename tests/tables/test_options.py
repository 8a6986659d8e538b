"""Each option of a table, by itself."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sentinel.domain.errors import DataError, UsageError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.fills import FillSearch
from sentinel.tables.options import options_from
from sentinel.tables.recognising import recognise
from tests.sources.following import csv_source, follow


def read(path: Path, **settings) -> pl.DataFrame:
    options = TableOptions(**settings)
    return parse(open_table(path, options), options, path.name).observations.collect().sort("series", "time")


def write(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_lines_before_the_header_and_lines_of_units_are_skipped(tmp_path):
    path = write(tmp_path, "Logger 5\n\ntime,ph\niso,-\n\n2020-01-01,7\n2020-01-02,8\n")
    assert read(path, skip_rows=2, unit_rows=2)["value"].to_list() == [7.0, 8.0]


def test_columns_that_blanks_and_tabs_keep_apart(tmp_path):
    path = write(tmp_path, "  YY  MM DD   ph\n2020  1 02   7 \n 2020\t01  3 8\n")
    found = read(path, separator="whitespace", time_column=("YY", "MM", "DD"), time_format="%Y %m %d")
    assert found.select(pl.col("time").dt.day(), "value").rows() == [(2, 7.0), (3, 8.0)]


def test_marks_of_thousands_stand_between_groups_of_three_only(tmp_path):
    path = write(tmp_path, "time;v\n1;1.159,90\n2;12.345.678\n3;-1.000\n4;12.34\n5;7,5\n")
    assert read(path, separator=";", decimal=",", thousands=".")["value"].to_list() == [
        1159.9, 12345678.0, -1000.0, 7.5,
    ]  # fmt: skip


def test_a_missing_number_is_missing_however_it_is_spelt_and_a_mark_can_be_of_one_column(tmp_path):
    path = write(tmp_path, "time,ph,depth\n1,-9999,99\n2,-9999.00,1\n3,-9.999e3,2\n4,99.0,-9999.5\n")
    options = TableOptions(missing=("-9999", "ph=99"))
    parsed = parse(open_table(path, options), options, "a")
    assert sorted(parsed.observations.collect()["value"]) == [-9999.5, 1.0, 2.0, 99.0]
    assert dict(parsed.rejected) == {"missing": 4}


@pytest.mark.parametrize(("rule", "value"), [("half", 0.25), ("limit", 0.5), ("missing", None)])
def test_values_below_the_limit_of_detection(tmp_path, rule, value):
    path = write(tmp_path, "time,chl\n1,<0.5\n2,3\n")
    assert read(path, below_detection=rule)["value"].to_list() == ([3.0] if value is None else [value, 3.0])


def test_a_mark_behind_a_number_is_named_with_the_option_that_takes_it_off_and_counted(tmp_path):
    path = write(tmp_path, "time,chl\n1,7.00*\n2,3\n3,<0.5 e\n4,8*\n5,*\n6,e\n7,1e3\n")
    with pytest.raises(DataError, match=r"--trailing '\*', --trailing e, --below-detection half, --missing '\*'"):
        parse(open_table(path, TableOptions()), TableOptions(), "a", strict=True)
    options = TableOptions(trailing=("*", "e"), below_detection="half", missing=("*", "e"))
    parsed = parse(open_table(path, options), options, "a", strict=True)
    assert parsed.observations.collect()["value"].to_list() == [7.0, 3.0, 0.25, 8.0, 1000.0]
    assert parsed.trailing == {"*": 2, "e": 1}
    assert not parse(open_table(path, options), TableOptions(below_detection="half"), "a").trailing


def test_values_whose_flag_is_not_good_are_left_out_and_counted_as_flagged(tmp_path):
    text = "time,ph,ph_qual,F_temp,temp\n1,7,NULL,<0> (CSM),20\n2,8,10,<-3> [SBO],21\n3,,NULL,<0>,22\n"
    options = TableOptions(flags=("*_qual=NULL", "F_*=<0>"))
    parsed = parse(open_table(write(tmp_path, text), options), options, "a")
    assert sorted(parsed.observations.collect()["value"]) == [7.0, 20.0, 22.0]
    assert dict(parsed.rejected) == {"flagged": 2, "missing": 1}
    assert parsed.shape.values == ("ph", "temp")


def test_a_flag_without_a_star_judges_all_of_its_row_and_qartod_is_a_name_for_its_codes(tmp_path):
    path = write(tmp_path, "time,method,status,value\n1,a,1,5\n2,a,4,6\n3,b,2,7\n")
    assert read(path, by=("method",), flags=("status=qartod",))["value"].to_list() == [5.0, 7.0]


def test_excluded_columns_are_no_series_and_brackets_of_a_name_stand_for_themselves(tmp_path):
    path = write(tmp_path, "time,a[m],b,Battery V,ph\n1,2,3,4,5\n")
    assert read(path, exclude=("a[m]", "Batt*"))["series"].to_list() == ["b", "ph"]


def test_the_logarithm_of_a_column(tmp_path):
    path = write(tmp_path, "time,chl,ph\n1,1,1\n2,0,2\n")
    options = TableOptions(transform=("chl=log",))
    parsed = parse(open_table(path, options), options, "a")
    assert sorted(parsed.observations.collect()["value"]) == [0.0, 1.0, 2.0]
    assert dict(parsed.rejected) == {"not_finite": 1}


def test_ages_count_backwards(tmp_path):
    path = write(tmp_path, "age,d18O\n12000,3\n11980,4\n")
    assert read(path, time_column="age", time_direction="backward")["time"].to_list() == [-12000.0, -11980.0]


@pytest.mark.parametrize(
    ("written", "form", "means"),
    [
        ("1577836800", "seconds", "2020-01-01T00:00:00"),
        ("1577836800500", "milliseconds", "2020-01-01T00:00:00.500000"),
        ("1577836800000001", "microseconds", "2020-01-01T00:00:00.000001"),
        ("1577836800000000000", "nanoseconds", "2020-01-01T00:00:00"),
        ("44197.041667", "excel", "2021-01-01T01:00:00"),
        ("2459215.5", "julian", "2021-01-01T00:00:00"),
        ("202101010030", "%Y%m%d%H%M", "2021-01-01T00:30:00"),
        ("2018-W01", "%G-W%V", "2018-01-01T00:00:00"),
        ("1990", "%Y", "1990-01-01T00:00:00"),
        ("2021-01-01 05", "%Y-%m-%d %H", "2021-01-01T05:00:00"),
        ("2021-01-01 05:00 EST", "%Y-%m-%d %H:%M %Z", "2021-01-01T10:00:00"),
        ("2021-01-01 05:00 UTC", "%Y-%m-%d %H:%M %Z", "2021-01-01T05:00:00"),
        ("2021-01-01 05:00 XYZ", "%Y-%m-%d %H:%M %Z", None),
    ],
)
def test_forms_of_time(tmp_path, written, form, means):
    found = read(write(tmp_path, f"time,ph\n{written},7\n"), time_format=form)["time"].to_list()
    assert [time.replace(tzinfo=None).isoformat() for time in found] == ([means] if means else [])


def test_a_parquet_file_of_whole_numbers_can_hold_dates(tmp_path):
    pl.DataFrame({"time": [20210101, 20210102], "ph": [7, 8]}).write_parquet(tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", time_format="%Y%m%d")
    assert found["time"].dt.day().to_list() == [1, 2]


def test_all_faults_of_a_table_are_counted_by_kind_in_one_answer_that_names_the_options(tmp_path):
    cells = ["7", "ND", "<0.5", "ND", "3.2*", "<0.7", "8"]
    path = write(tmp_path, "time,chl,ph\n" + "".join(f"2020-01-{n + 1:02d},{c},x1\n" for n, c in enumerate(cells)))
    options = TableOptions(columns=("chl",))
    with pytest.raises(DataError) as caught:
        parse(open_table(path, options), options, "a.csv", strict=True)
    said = str(caught.value)
    assert said.startswith("a.csv, row 2, column 'chl': 'ND' is not a number; ")
    assert "'ND' x2, '<0.5' x2, '3.2*' x1 in column 'chl'; --missing ND, --below-detection half" in said


def test_an_hour_that_the_clocks_skip_is_named_as_such(tmp_path):
    path = write(tmp_path, "time,ph\n2024-03-31T01:30,1\n2024-03-31T02:00,2\n2024-03-31T02:30,3\n")
    options = TableOptions(time_zone="Europe/Berlin")
    with pytest.raises(DataError, match=r"x2 in the time column; this hour does not exist in Europe/Berlin"):
        parse(open_table(path, options), options, "a.csv", strict=True)


def test_options_are_checked_by_the_rules_of_a_csv_source():
    options = options_from({"missing": ["ND"], "time_column": ["date", "hour"], "separator": r"\t", "flags": "q=1"})
    assert options.missing == (*TableOptions().missing, "ND")
    assert (options.time_name, options.separator, options.flags) == ("date hour", "\t", ("q=1",))
    assert options_from({"time_column": ["date"], "columns": []}) == TableOptions(time_column="date")
    with pytest.raises(UsageError, match=r"--time-format dd: a strftime form such as"):
        options_from({"time_format": "dd"})
    with pytest.raises(UsageError, match=r"^transform: 'rain'; a column and difference or log are needed"):
        options_from({"transform": ["rain"]}, "{}")
    with pytest.raises(UsageError, match=r"^colums: unknown; options of a table are"):
        options_from({"colums": ["rain"]}, "{}")


def test_a_spreadsheet_is_read_with_its_own_types(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["time", "ph", "note", "late"])
    for day in (1, 2, 3):
        book.active.append([datetime.fromisoformat(f"2021-01-0{day}"), 7 + day / 10, "a", None if day < 3 else 4])
    book.save(tmp_path / "a.xlsx")
    found = read(tmp_path / "a.xlsx", time_zone="Europe/Berlin")
    assert found["value"].to_list() == [4.0, 7.1, 7.2, 7.3]
    assert found["time"][1].isoformat() == "2020-12-31T23:00:00+00:00"
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match=r"b\.xlsx: not a readable spreadsheet"):
        read(tmp_path / "b.xlsx")
    assert math.isclose(found["value"].sum(), 25.6)


def test_numbers_of_a_spreadsheet_were_multiplied_by_1000_beside_texts_with_a_decimal_comma(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (
        ["time", "mixed", "numbers", "q"], [1, 12.042, 9.204, 1], [2, "1.202,5", 8.663, 1],
        [3, 12.04191912138518, -0.5, 1], [4, "9,07", 1e-7, 1], [5, 1203, 1234567.891, 1],
    ):  # fmt: skip
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    for given in (TableOptions(exclude=("q",)), TableOptions(flags=("q=1",))):
        options = recognise(tmp_path / "a.xlsx", given).options
        assert (options.decimal, options.thousands) == (",", ".")
        found = parse(open_table(tmp_path / "a.xlsx", options), options, "a.xlsx", strict=True).observations.collect()
        assert found.filter(series="mixed")["value"].to_list() == [12.042, 1202.5, 12.04191912138518, 9.07, 1203.0]
        assert found.filter(series="numbers")["value"].to_list() == [9.204, 8.663, -0.5, 1e-7, 1234567.891]


def test_numbers_and_texts_of_a_spreadsheet_that_name_series_stay_as_they_are_written(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["time", "depth", "t"], [1, 0.5, 7.25], [1, "surface", "8,5"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    found = read(tmp_path / "a.xlsx", by=("depth",), decimal=",")
    assert found.select("series", "value").rows() == [("0.5/t", 7.25), ("surface/t", 8.5)]


def test_numbers_of_ndjson_were_multiplied_by_1000_beside_texts_with_a_decimal_comma(tmp_path):
    lines = ['{"time": 1, "a": 12.042, "b": "1.202,5"}', '{"time": 2, "a": 1e-07, "b": 12.041}']
    path = write(tmp_path, "\n".join(lines) + "\n", "a.ndjson")
    options = recognise(path, TableOptions()).options
    assert (options.decimal, options.thousands) == (",", ".")
    found = read(path, **vars_of(options))
    assert found.select("series", "value").rows() == [("a", 12.042), ("a", 1e-07), ("b", 1202.5), ("b", 12.041)]


def vars_of(options: TableOptions) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in fields(options)}


PH = "time,rain,ph,ph_qual\n2020-01-01,1,7,1\n2020-01-02,2,8,1\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"flags": ("*_qc=1",)}, r"flags: '\*_qc=1' names nothing: there is no column '\*_qc' whose \* is the name of"),
        ({"flags": ("status=1",)}, "flags: 'status=1' names nothing: there is no column 'status'"),
        ({"flags": ("*=1",)}, r"flags: '\*=1' names nothing"),
        ({"transform": ("nope=log",)}, "transform: 'nope=log' names nothing: there is no column 'nope'"),
        ({"by": ("rain",), "transform": ("1/nope=log",)}, "transform: '1/nope=log' names nothing"),
        ({"transform": ("p*=log", "ph=difference")}, r"column 'ph' has two, p\*=log and ph=difference; one is allowed"),
        ({"missing": ("nope=99",)}, "missing: 'nope=99' names nothing: there is no column 'nope'"),
        ({"exclude": ("nope*",)}, r"exclude: 'nope\*' names nothing: there is no column 'nope\*'"),
        ({"series_column": "nope"}, "no column 'nope'; columns are .* series_column"),
        ({"value_column": "nope"}, "no column 'nope'; columns are .* value_column"),
        ({"layout": "wide", "value_column": "nope"}, "no column 'nope'; columns are .* value_column"),
        ({"series_column": "rain"}, "no column 'value'; columns are .* value_column"),
        ({"time_direction": "backward"}, r"'time' is read as times \(first 2020-01-01\); .* ages, which are numbers"),
    ],
)
@pytest.mark.parametrize("dialect", ["auto", "none"])
def test_options_that_fit_no_column_were_accepted_in_silence(tmp_path, given, said, dialect):
    path = write(tmp_path, PH)
    with pytest.raises(DataError, match=rf"a\.csv: .*{said}"):
        read(path, **vars_of(recognise(path, TableOptions(dialect=dialect, **given)).options))
    with pytest.raises(DataError, match=rf"a\.csv: .*{said}"):
        follow(csv_source(path, dialect=dialect, **given))


@pytest.mark.parametrize(
    "given",
    [
        {"flags": ("*_qual=1",), "exclude": ("r*",), "transform": ("ph=log",), "missing": ("ph=99",)},
        {"by": ("rain",), "transform": ("1/ph=log",)},
        {"columns": ("ph_qual",)},
    ],
)
def test_options_that_fit_a_column_are_taken(tmp_path, given):
    path = write(tmp_path, PH)
    options = recognise(path, TableOptions(**given)).options
    assert parse(open_table(path, options), options, "a.csv", strict=True).observations.collect().height
    assert options_from({name: value for name, value in vars_of(options).items() if name != "missing"})


def test_a_transform_of_a_long_table_can_be_of_a_series(tmp_path):
    path = write(tmp_path, "time,series,value\n1,chl,1\n2,chl,1\n")
    assert read(path, transform=("chl=log",))["value"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"columns": ["ph"], "exclude": ["p*"]}, r"exclude: .*'p\*' fits 'ph', which is one of columns"),
        ({"transform": ["ph=log", "ph=difference"]}, "transform: .*'ph' has two transforms; one is allowed"),
    ],
)
def test_options_that_contradict_each_other_were_accepted_in_silence(given, said):
    with pytest.raises(UsageError, match=said):
        options_from(given)


def test_series_that_flags_empty_are_named(tmp_path):
    path = write(tmp_path, "time,q,q_cd,h,h_cd\n1,7,A,1,P\n2,8,A,2,A:e\n")
    options = TableOptions(flags=("*_cd=A:e",), exclude=("*_cd",))
    (said,) = parse(open_table(path, options), options, "a").complaints
    assert said == "a: the flags *_cd=A:e leave no value of q x2; are these codes the good ones?"
    options = TableOptions(flags=("*_cd=A:e,A",), exclude=("*_cd",))
    assert parse(open_table(path, options), options, "a").complaints == ()


@pytest.mark.parametrize("layout", ["wide", "long", "by"])
def test_a_fill_value_of_one_series_is_not_proposed_for_all(layout, tmp_path):
    name = "north/queue" if layout == "by" else "queue"
    queue, others = [0.0 if n % 6 == 0 else 500.0 + n % 7 for n in range(40)], [float(n % 5) for n in range(40)]
    table = pl.DataFrame({"time": range(40), "queue": queue, "errors": others})
    options = TableOptions()
    if layout == "long":
        table = table.unpivot(["queue", "errors"], index="time", variable_name="series")
    if layout == "by":
        table, options = table.with_columns(site=pl.lit("north")), TableOptions(by=("site",))
    table.write_csv(tmp_path / "a.csv")
    search = FillSearch()
    search.look_at(read(tmp_path / "a.csv", by=options.by))
    (said,) = search.say()
    assert said.endswith(f"If it means no value: --missing {name}=0")
    kept = read(tmp_path / "a.csv", missing=(*options.missing, f"{name}=0"), by=options.by)
    zeros = kept.filter(pl.col("value") == 0)["series"].unique().to_list()
    assert zeros == [name.replace("queue", "errors")]


def test_a_time_column_that_is_named_like_a_site_is_no_site(tmp_path):
    # Bug: the column was asked for twice, which ended the program.
    path = write(tmp_path, "Site,Parameter,Value\n2021-06-18,pH,7\n2021-06-19,pH,8\n", "a.csv")
    options = recognise(path, TableOptions()).options
    assert (options.time_columns, options.by) == (("Site",), ())


def test_a_mark_and_a_transform_of_a_column_with_a_slash_in_its_name_are_taken(tmp_path):
    path = write(tmp_path, "time,core,Al/Ti\n2021-06-18,A,99\n2021-06-19,A,8\n2021-06-20,A,9\n", "a.csv")
    found = read(path, by=("core",), missing=("A/Al/Ti=99",), transform=("A/Al/Ti=log",))
    assert found["value"].to_list() == [pytest.approx(math.log(8)), pytest.approx(math.log(9))]
