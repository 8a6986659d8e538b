"""What a file leaves open is taken by its names or said; each was once read wrong, or passed over, in silence."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from sentinel.analysis.intake import read_files, sort
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.counters import is_counter
from sentinel.tables.recognising import Recognised, recognise, recognise_text
from sentinel.tables.times import instant, this_year, zone_in_name
from tests.laws import examples


def read(path: Path, text: str = "", **options) -> tuple[pl.DataFrame, Recognised]:
    if text:
        path.write_text(text, encoding="utf-8")
    found = recognise(path, TableOptions(**options))
    table = parse(open_table(path, found.options), found.options, path.name, strict=True)
    return table.observations.collect().sort("series", "time"), found


def said(found: Recognised) -> str:
    return "\n".join(found.said)


def days(form: str, count: int = 15, column: str = "time") -> str:
    rows = (f"{date(2021, 6, 10 + n):{form}},{7 + n / 10}\n" for n in range(count))
    return f"{column},ph\n" + "".join(rows)


@given(st.integers(0, 99))
def test_a_year_of_two_digits_was_read_as_one_that_has_not_come_yet(year):
    cell = pl.select(instant(pl.lit(f"17/06/{year:02d}"), pl.String(), TableOptions(time_format="%d/%m/%y"))).item()
    assert cell.year % 100 == year
    assert this_year() - 100 < cell.year <= this_year()


def test_the_century_that_was_taken_is_said(tmp_path):
    text = "Date,ph\n" + "".join(f"17/06/{year:02d},{7 + year / 10}\n" for year in (45, 46, 98, 99, 0, 5))
    found, recognised = read(tmp_path / "a.csv", text)
    assert [time.year for time in found["time"]] == [1945, 1946, 1998, 1999, 2000, 2005]
    assert "17/06/45 is 1945-06-17" in said(recognised)


def test_times_of_which_only_some_have_an_offset_were_taken_as_utc_in_silence(tmp_path):
    rows = "".join(f"2021-06-18T{n:02}:00:00{'+02:00' if n % 2 else ''},{n}\n" for n in range(24))
    _, recognised = read(tmp_path / "a.csv", "time,ph\n" + rows)
    assert "12 of the first 24 have none; they are read in UTC" in said(recognised)
    for text in ("2021-06-18T{:02}:00Z", "2021-06-18T{:02}:00"):
        _, recognised = read(tmp_path / "b.csv", "time,ph\n" + "".join(f"{text.format(n)},{n}\n" for n in range(9)))
        assert recognised.said == ()


def test_a_column_of_numbers_without_a_name_was_passed_over_in_silence(tmp_path):
    rows = "".join(f"2021-06-{n + 1:02},{20 + n * 7 % 5}.5,{7 + n / 10}\n" for n in range(20))
    _, recognised = read(tmp_path / "a.csv", "time,,ph\n" + rows)
    assert "column 2 has no name and is no series (20.5, 22.5, 24.5, ...)" in said(recognised)
    numbered = "".join(f'"{n + 1}",2021-06-{n + 1:02},{7 + n / 10}\n' for n in range(20))
    _, recognised = read(tmp_path / "b.csv", '"","time","ph"\n' + numbered)
    assert recognised.said == (), "numbers of rows are no news"


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Date-Time (EDT)", "Etc/GMT+4"), ("Timestamp (UTC-08:00)", "Etc/GMT+8"), ("Zeit [MESZ]", "Etc/GMT-2"),
        ("Date Time, GMT-05:00", "Etc/GMT+5"), ("time UTC", "UTC"), ("DATETIME_AEST", "Etc/GMT-10"),
        ("TIMESTAMP", None),
        ("UTC+5:30", "Asia/Kolkata"), ("Date-Time (EST/EDT)", "America/New_York"), ("CET/CEST", "Europe/Berlin"),
        ("Date (BST)", None), ("time", None), ("estimate", None), ("BEST", None),
    ],
)  # fmt: skip
def test_the_zone_in_the_name_of_a_column_is_known(name, zone):
    found = zone_in_name(name)
    assert (None if found is None else found[1]) == zone


def test_edt_in_the_name_of_the_times_was_read_as_utc(tmp_path):
    found, recognised = read(tmp_path / "a.csv", days("%m/%d/%Y %H:%M", column="Date-Time (EDT)"))
    assert found["time"][0].isoformat() == "2021-06-10T04:00:00+00:00"
    assert "'EDT' stands in the name" in said(recognised)
    found, _ = read(tmp_path / "a.csv", time_zone="America/Denver")
    assert found["time"][0].isoformat() == "2021-06-10T06:00:00+00:00", "what is given wins"
    with pytest.raises(DataError, match="-03:30 from UTC, an offset that no zone"):
        read(tmp_path / "b.csv", days("%m/%d/%Y %H:%M", column="Date (NST)"))


def test_a_table_of_months_became_twelve_series_of_years(tmp_path):
    months = "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec"
    rows = "".join(f"{year}," + ",".join(f"{20 + n}.5" for n in range(12)) + ",25\n" for year in (2019, 2020))
    found, recognised = read(tmp_path / "a.csv", f"Year,{months},Annual\n{rows}")
    assert found["series"].unique().to_list() == ["value"]
    assert [f"{time:%Y-%m}" for time in found["time"][[0, 1, 23]]] == ["2019-01", "2019-02", "2020-12"]
    assert found["value"].to_list() == [20.5 + n for n in range(12)] * 2
    assert "not months, no series: Annual" in said(recognised)
    found, _ = read(tmp_path / "a.csv", layout="wide")
    assert set(found["series"]) == {*months.split(","), "Annual"}


def test_a_slip_in_a_year_of_such_a_table_is_a_fault_and_no_last_line(tmp_path):
    months = " ".join(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
    rows = "".join(f"{year} " + " ".join("20.5" for n in range(12)) + "\n" for year in ("2019", "202O", "2021"))
    with pytest.raises(DataError, match="'202O-01' is not a time"):
        read(tmp_path / "a.csv", f"Year {months}\n{rows}")


@pytest.mark.parametrize("clock", ["%H:%M", "%H:%M:%S", "%I:%M %p"])
def test_year_month_and_day_were_not_joined_with_a_time_of_day(tmp_path, clock):
    times = [datetime.fromisoformat("2021-06-01") + timedelta(hours=n) for n in range(72)]
    rows = "".join(f"{time.year},{time.month},{time.day},{time:{clock}},{n}\n" for n, time in enumerate(times))
    found, _ = read(tmp_path / "a.csv", "year,month,day,time,ph\n" + rows)
    assert [time.replace(tzinfo=None) for time in found["time"]] == times


def test_the_places_of_an_erddap_table_with_tabs_were_series(tmp_path):
    rows = "".join(f"2021-06-{n + 1:02}T00:00:00Z\t45.5\t{7 + n / 10}\n" for n in range(20))
    found, recognised = read(tmp_path / "a.tsv", f"time\tlatitude\tsst\nUTC\tdegrees_north\tdegree_C\n{rows}")
    assert recognised.dialect == "erddap"
    assert set(found["series"]) == {"sst"}


def test_a_long_table_without_a_further_column_is_the_same_however_much_of_it_is_there(tmp_path):
    path = tmp_path / "a.csv"
    rows = "".join(f"2021-06-{1 + n // 4:02},{'ph' if n % 2 else 'temp'},{n}\n" for n in range(40))
    whole = ("datetime,parameter,value\n" + rows).encode()
    path.write_bytes(whole)
    final = recognise(path, TableOptions()).options
    for end in range(60, len(whole), 37):
        path.write_bytes(whole[:end])
        with path.open("rb") as file:
            found = recognise_text(file, "t", "csv", TableOptions(), whole=False)
        assert found is None or found.options == final


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_row_of_totals_below_a_table_could_be_left_out_in_an_editor_only(tmp_path, name):
    rows = [
        ["Date", "ph"],
        *([f"2021-06-{day:02}", f"7.{day}"] for day in range(1, 31)),
        ["Total", "60"],
        ["Mean", "7"],
    ]
    (tmp_path / "a.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"--missing Date=Total, --missing Date=Mean$"):
        read(tmp_path / name)
    assert read(tmp_path / name, missing=("", "Date=Total", "Date=Mean"))[0].height == 30
    with pytest.raises(DataError, match="'Mean' is not a time"):  # each is said; no other row is taken for one
        read(tmp_path / name, missing=("", "Date=Total", "ph=Mean"))


def test_a_workbook_whose_first_sheet_is_text_names_its_sheets(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    for row in (["Lake X"], ["Collected by", "someone"], ["Contact", "somebody"]):
        book.active.append(row)
    data = book.create_sheet("Data")
    for row in (["Date", "ph"], *([date(2021, 6, n), 7 + n / 10] for n in range(1, 9))):
        data.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="of sheet 'Read me', there are also 'Data': --sheet NAME") as caught:
        read(tmp_path / "a.xlsx")
    assert "separator" not in str(caught.value)
    assert read(tmp_path / "a.xlsx", sheet="Data")[0].height == 8
    with pytest.raises(DataError, match="no sheet 'data'; its sheets are 'Read me', 'Data'"):
        read(tmp_path / "a.xlsx", sheet="data")
    book.move_sheet("Data", -1)
    book.save(tmp_path / "b.xlsx")
    found, recognised = read(tmp_path / "b.xlsx")
    assert found.height == 8
    assert "sheet 'Data' is read, not 'Read me'" in said(recognised)


@pytest.mark.parametrize("titles", [0, 2])
def test_a_row_of_a_spreadsheet_is_named_by_its_number_in_the_sheet(tmp_path, titles):
    """Row 21 of the body was said where the sheet has it in row 24."""
    book = Workbook()
    above = [["Station report"], []][:titles]
    rows = [*above, ["time", "ph"], [date(2021, 6, 1), 7], [], [date(2021, 6, 2), "calm"]]
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=f"row {len(rows)}, column 'ph': 'calm' is not a number"):
        read(tmp_path / "a.xlsx")
    names = {"names": ("day", "ph"), "skip_rows": titles + 1, "dialect": "none", "time_column": "day"}
    with pytest.raises(DataError, match=f"row {len(rows)}, column 'ph'"):
        read(tmp_path / "a.xlsx", **names)


@pytest.mark.parametrize("order", [("Local", "GMT"), ("GMT", "Local")])
def test_of_local_times_and_those_in_utc_beside_each_other_those_in_utc_are_taken(tmp_path, order):
    """Times in Colorado were read as UTC, with the right ones in the columns beside them."""

    ahead = {"Local": 0, "GMT": 6}
    (tmp_path / "a.csv").write_text(
        ",".join(f"Date {zone},Time {zone}" for zone in order)
        + ",State Code,O3\n"
        + "".join(
            ",".join(f"2021-06-{n:02},{n % 4 + ahead[zone]:02}:00" for zone in order) + f",08,{n * 7 % 5}\n"
            for n in range(1, 20)
        )
    )
    found, recognised = read(tmp_path / "a.csv")
    assert recognised.options.time_columns == ("Date GMT", "Time GMT")
    assert set(found["series"]) == {"O3"}
    assert found["time"].dt.hour().min() == 6


def test_times_that_are_said_to_be_local_are_named(tmp_path):
    (tmp_path / "a.csv").write_text(
        "Date Local,O3\n" + "".join(f"2021-06-{n:02} 01:00,{n * 7 % 5}\n" for n in range(1, 9))
    )
    assert any("--time-zone" in line for line in read(tmp_path / "a.csv")[1].said)


def test_names_in_a_comment_above_rows_that_begin_with_a_text_are_found(tmp_path):
    """The export of an atmosphere station has them so; each column was to be named by hand."""
    rows = "".join(f"NOR;32.0;2021;06;{n:02};00;{415 + n * 7 % 5}\n" for n in range(1, 20))
    names = "#Site;Height;Year;Month;Day;Hour;co2"
    (tmp_path / "a.csv").write_text(f"# TITLE: CO2\n# STATION: Norunda; Sweden\n{names}\n{rows}")
    found, recognised = read(tmp_path / "a.csv")
    assert recognised.options.time_columns == ("Year", "Month", "Day", "Hour")
    assert found.filter(pl.col("series") == "co2").height == 19
    (tmp_path / "b.csv").write_text("# lake, station\ntime,ph\n" + "".join(f"2021-06-{n:02},7\n" for n in range(1, 9)))
    assert read(tmp_path / "b.csv")[0]["series"].unique().to_list() == ["ph"]


def test_seconds_in_a_column_of_their_own_were_dropped_and_became_a_series(tmp_path):
    rows = "".join(f"2024,5,1,{n // 120},{n // 2 % 60},{n % 2 * 30},{7 + n / 10}\n" for n in range(20))
    found, _ = read(tmp_path / "a.csv", "Year,Month,Day,Hour,Minute,Second,ph\n" + rows)
    assert found["series"].unique().to_list() == ["ph"]
    assert found["time"][:3].dt.second().to_list() == [0, 30, 0]


def test_codes_of_quality_of_the_european_climate_archive_were_a_series(tmp_path):
    rows = "".join(f" 27,{date(2021, 6, 1) + timedelta(n):%Y%m%d},{n + 90:5d},{n % 7 // 6:5d}\n" for n in range(20))
    found, recognised = read(tmp_path / "a.csv", " STAID,    DATE,   TG, Q_TG\n" + rows)
    assert "Q_TG" not in found["series"].unique()
    assert "flags, not used: Q_TG" in said(recognised)


def test_the_column_that_tells_sites_apart_is_proposed_and_not_any_text(tmp_path):
    """Of hourly ozone of two sites `--by Datum` was proposed, a text that is the same everywhere."""
    lines = [f'{site},"NAD83",{n:02d}:00,2023-01-01,{n / 100}\n' for site in ("0010", "0023") for n in range(20)]
    with pytest.raises(DataError, match=r"'Site Num' tells the rows apart.*--by 'Site Num'"):
        read(tmp_path / "a.csv", "Site Num,Datum,Time GMT,Date GMT,Ozone\n" + "".join(lines))


@pytest.mark.parametrize("name", ["site", "plot", "depth"])
@pytest.mark.parametrize(
    "kind", [pl.Categorical(), pl.Enum(["a"]), pl.List(pl.String), pl.Array(pl.String, 1), pl.Binary(), pl.Duration()]
)
def test_a_site_that_is_no_text_ended_in_a_crash_of_the_library(tmp_path, kind, name):
    site = [timedelta(1)] * 20 if kind == pl.Duration else [["a"]] * 20 if kind.is_nested() else ["a"] * 20
    start = datetime(2021, 6, 1)  # noqa: DTZ001
    columns = {"time": [start + timedelta(hours=n) for n in range(20)], name: pl.Series(site).cast(kind)}
    pl.DataFrame({**columns, "ph": [7 + n / 10 for n in range(20)]}).write_parquet(tmp_path / "a.parquet")
    assert set(read_files([tmp_path / "a.parquet"], TableOptions()).observations.collect()["series"]) >= {"ph"}


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        ([[1, None]], "[1, None]"), ([timedelta(seconds=3)], "PT3S"), ([b"ab"], "ab"), ([b"\xff1"], "\\xff1"),
        (pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)), "[1, 2]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"flags": ("flag=1",)}, {"by": ("flag",)}, {"columns": ("ph", "flag")}])
def test_flags_that_are_lists_durations_or_bytes_are_seen_as_texts_they_ended_in_a_crash(
    tmp_path, cells, shown, options
):
    times = [datetime(2021, 6, 1) + timedelta(hours=n) for n in range(20)]  # noqa: DTZ001
    table = pl.DataFrame({"time": times, "ph": [7 + n / 10 for n in range(20)]})
    path = tmp_path / "a.parquet"
    table.with_columns(flag=pl.Series([cells[0]] * 20, dtype=pl.Series(cells).dtype)).write_parquet(path)
    if "columns" in options and shown != "PT3S":  # a duration that is asked for is a number of seconds
        with pytest.raises(DataError, match=re.escape(f"{shown!r} is not a number")):
            read_files([path], TableOptions(**options))
        return
    found = read_files([path], TableOptions(**options))
    assert found.left_out.get("flagged as bad", 0) == (20 if "flags" in options else 0)
    expected = set() if "flags" in options else {f"{shown}/ph"} if "by" in options else {"ph"}
    expected |= {"flag"} if "columns" in options else set()
    assert set(found.observations.collect()["series"]) == expected


def falls(folder: Path, *texts: str) -> int:
    """Count the remarks on times that go back in files that are read as one table."""
    paths = [folder / f"{n}.csv" for n in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return sum("times go back" in one for one in sort(read_files(paths, TableOptions()).observations, folder).remarks)


def test_years_of_months_and_files_of_years_in_any_order_were_said_to_have_a_clock_set_wrong(tmp_path):
    years = [f"{year},{','.join(str(month + year % 7) for month in range(12))}\n" for year in range(1990, 2000)]
    names = ",".join(["year", *map(str, range(1, 13))]) + "\n"
    assert falls(tmp_path, names + "".join(years)) == 0
    assert falls(tmp_path, names + "".join([*years[5:], *years[:4]])) == 1
    files = [
        f"time,ph\n{''.join(f'{year}-06-{day:02},{day}{chr(10)}' for day in range(1, 29))}" for year in (2021, 2020)
    ]
    assert falls(tmp_path, *files) == 0
    assert falls(tmp_path, files[0], f"{files[1]}2020-06-20,1\n") == 1


def test_a_line_of_names_that_is_written_again_twice_does_not_repeat_a_time(tmp_path):
    text = "time,ph,note\n" + "".join(f"2021-06-{day},{day},a\ntime,ph,note\n" for day in range(10, 14))
    found, _ = read(tmp_path / "a.csv", text)
    assert found["value"].to_list() == [10, 11, 12, 13]


def test_utc_in_the_name_of_the_times_is_no_news(tmp_path):
    _, recognised = read(tmp_path / "a.csv", days("%Y-%m-%d", column="time (UTC)"))
    assert "zone" not in said(recognised)


def test_once_both_marks_are_told_no_later_number_changes_them(tmp_path):
    (tmp_path / "a.csv").write_text("time;a\n2021-06-10;1.234,5\n2021-06-11;1,234.5\n")
    options = recognise(tmp_path / "a.csv", TableOptions()).options
    assert (options.decimal, options.thousands) == (",", ".")


@given(st.lists(st.sampled_from([0, 0, 1, 2, -200]), min_size=100, max_size=260), st.booleans())
@settings(max_examples=examples(20, 300), deadline=None)
def test_a_column_that_counts_did_so_at_each_value_before_as_one_that_did_not_was_judged(steps, mostly_rises):
    values = np.cumsum([abs(step) if mostly_rises and n % 60 else step for n, step in enumerate(steps)]).astype(float)
    told = [is_counter(values[:length]) for length in range(100, values.size + 1)]
    assert told == sorted(told, reverse=True)
