"""Columns that look like a time and are none, and times that archives and loggers split or write in their own way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import sentinel
from sentinel.analysis.results import Analysis
from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions
from sentinel.tables.dialects.base import UnfinishedError
from sentinel.tables.guessing import find_time
from sentinel.tables.recognising import recognise

HOURS = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=tick) for tick in range(1, 301)]


def table(folder: Path, names: str, *cells: list[str]) -> Path:
    path = folder / "station.csv"
    path.write_text("\n".join([names, *map(",".join, zip(*cells, strict=True))]) + "\n")
    return path


def temperatures(number: int = 300) -> list[str]:
    return [f"{12 + tick * 7 % 13 + tick / 1000:.3f}" for tick in range(number)]


def times(found: Analysis) -> list[datetime]:
    return found.readings["time"].to_list()


@pytest.mark.parametrize("name", ["T", "T (degC)"])
def test_a_temperature_called_t_is_no_time(tmp_path, name):
    """The rows of a station were put in the order of its temperature, in silence."""
    path = table(tmp_path, f"station,{name},O2", ["260"] * 300, temperatures(), temperatures())
    with pytest.raises(DataError, match="no column 'time'"):
        sentinel.analyse(path)
    said = recognise(path, TableOptions(time_column=name)).said
    assert any("goes up and down (12, 19.001, 13.002)" in line for line in said)


def test_steps_called_t_are_the_time(tmp_path):
    path = table(tmp_path, "O2,t", temperatures(), [str(tick) for tick in range(300)])
    assert recognise(path, TableOptions()).options.time_column == "t"


@pytest.mark.parametrize(("name", "form"), [("AAAAMMJJHH", "%Y%m%d%H"), ("YYYYMMDDHHMM", "%Y%m%d%H%M")])
def test_a_time_named_by_its_digits_is_taken_before_a_letter(tmp_path, name, form):
    path = table(tmp_path, f"STN,{name},T", ["260"] * 300, [f"{hour:{form}}" for hour in HOURS], temperatures())
    found = recognise(path, TableOptions()).options
    assert (found.time_column, found.time_format) == (name, form)


@pytest.mark.parametrize("rows", [1, 300])
@pytest.mark.parametrize(("date", "form"), [("YYYYMMDD", "%Y%m%d"), ("Date", "%Y-%m-%d"), ("Date", "%d.%m.%Y")])
def test_the_hour_beside_a_date_belongs_to_it_and_24_is_midnight(tmp_path, date, form, rows):
    """Of the hours of each day the last one was kept."""
    begun = [hour - timedelta(hours=1) for hour in HOURS[:rows]]
    days, ends = [f"{hour:{form}}" for hour in begun], [str(hour.hour + 1) for hour in begun]
    path = table(tmp_path, f"{date},HH,T", days, ends, temperatures(rows))
    options = recognise(path, TableOptions()).options
    assert (options.time_column, options.time_format) == ((date, "HH"), f"{form} %H")
    if rows > 1:
        assert times(sentinel.analyse(path)) == HOURS


QUARTERS = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * tick) for tick in range(300)]


@pytest.mark.parametrize("form", ["%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H", "%Y-%m-%dT%H", "%s"])
def test_a_column_of_hours_changes_no_time_that_has_its_hour(tmp_path, form):
    """The local hour beside a stamp in UTC was put in the place of the stamp's own."""
    stamps = [f"{hour.timestamp():.0f}" if form == "%s" else f"{hour:{form}}" for hour in HOURS]
    local = [f"{(hour - timedelta(hours=5)).hour:02d}" for hour in HOURS]
    found = sentinel.analyse(table(tmp_path, "timestamp,hour,load", stamps, local, temperatures()))
    assert times(found)[:300] == HOURS


@pytest.mark.parametrize("names", ["date,hour,minute,load", "Date,HH,MM,T", "YYYYMMDD,hh,min,T"])
def test_minutes_beside_an_hour_belong_to_the_time(tmp_path, names):
    """Of the values of each hour one was kept, and the minute was a series."""
    days = [f"{one:{'%Y%m%d' if names.startswith('YYYY') else '%Y-%m-%d'}}" for one in QUARTERS]
    hours, minutes = [str(one.hour) for one in QUARTERS], [str(one.minute) for one in QUARTERS]
    found = sentinel.analyse(table(tmp_path, names, days, hours, minutes, temperatures()))
    assert times(found) == QUARTERS


def test_the_hour_of_a_daily_maximum_is_no_part_of_the_time(tmp_path):
    days = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=tick) for tick in range(300)]
    path = table(tmp_path, "date,tmax,hour", [f"{day:%Y-%m-%d}" for day in days], temperatures(), ["14"] * 300)
    assert recognise(path, TableOptions()).options.time_column == "date"


@pytest.mark.parametrize(
    ("form", "gap", "end"),
    [
        ("%Y-%m-%d %H%M %Z", " ", " UTC"), ("%Y-%m-%d %H%M%S", " ", ""), ("%Y-%m-%dT%H%M", "T", ""),
        ("%Y-%m-%d %H%M%z", " ", "+0000"),
    ],
)  # fmt: skip
def test_lost_zeros_of_a_clock_are_put_back_before_a_zone_and_with_seconds(tmp_path, form, gap, end):
    """130 EST, half past one, was read as one in the afternoon."""
    clock = [str(int(f"{one:{'%H%M%S' if '%S' in form else '%H%M'}}")) for one in QUARTERS]
    stamps = [f"{one:%Y-%m-%d}{gap}{cell}{end}" for one, cell in zip(QUARTERS, clock, strict=True)]
    found = sentinel.analyse(table(tmp_path, "when,load", stamps, temperatures()), time_column="when", time_format=form)
    assert times(found) == QUARTERS


def test_a_clock_that_begins_with_15_and_30_is_one_of_hours_and_minutes(tmp_path):
    clock = [str(int(f"{one:%H%M}")) for one in QUARTERS]
    path = table(tmp_path, "d,t,load", [f"{one:%Y-%m-%d}" for one in QUARTERS], clock, temperatures())
    assert times(sentinel.analyse(path, time_column=["d", "t"])) == QUARTERS


def test_24_and_no_minutes_in_columns_of_their_own_are_midnight(tmp_path):
    begun = [hour - timedelta(hours=1) for hour in HOURS]
    parts = [[str(getattr(hour, part)) for hour in begun] for part in ("year", "month", "day")]
    ends = [str(hour.hour + 1) for hour in begun]
    path = table(tmp_path, "Year,Month,Day,Hour,Minute,T", *parts, ends, ["0"] * 300, temperatures())
    assert times(sentinel.analyse(path)) == HOURS


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y"])
@pytest.mark.parametrize("part", [".0", ".000"])
def test_fractions_of_seconds_in_a_column_of_times_of_day_are_taken_off(tmp_path, part, form):
    days, clock = ([f"{hour:{one}}" for hour in HOURS] for one in (form, f"%H:%M:%S{part}"))
    path = table(tmp_path, "date,time,load", days, clock, temperatures())
    assert times(sentinel.analyse(path)) == HOURS
    found = sentinel.analyse(path, time_column=["date", "time"], time_format=f"{form} %H:%M:%S")
    assert times(found) == HOURS


def test_fractions_of_seconds_of_which_only_the_first_is_none_are_kept(tmp_path):
    halves = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=tick / 2) for tick in range(300)]
    days, clock = [f"{one:%d.%m.%Y}" for one in halves], [f"{one:%H:%M:%S.%f}"[:-5] for one in halves]
    assert times(sentinel.analyse(table(tmp_path, "date,time,load", days, clock, temperatures()))) == halves


def test_a_minute_of_24_is_no_midnight(tmp_path):
    stamps = [f"{hour:%Y-%m-%d} {hour.hour} 24" for hour in HOURS]
    path = table(tmp_path, "when,x", stamps, temperatures())
    found = sentinel.analyse(path, time_column="when", time_format="%Y-%m-%d %H %M")
    assert times(found) == [hour + timedelta(minutes=24) for hour in HOURS]


def test_a_few_rows_of_a_growing_table_decide_on_its_hours_only_once_a_date_returns():
    """Of two rows around midnight the dates differ, as those of days do."""
    head = pl.DataFrame({"date": ["2023-01-01", "2023-01-02"], "hour": ["23", "0"], "v": ["1", "2"]})
    with pytest.raises(UnfinishedError):
        find_time(head, head.columns, TableOptions(), growing=True)
    assert find_time(head, head.columns, TableOptions()) == "date"
    head = head.with_columns(date=pl.lit("2023-01-01"))
    assert find_time(head, head.columns, TableOptions(), growing=True) == ("date", "hour")


def test_years_that_begin_again_in_each_country_are_the_time(tmp_path):
    """They fall at each new country, and were passed over as temperatures called `T` are."""
    countries, years = [f"c{tick // 5}" for tick in range(300)], [str(2000 + tick % 5) for tick in range(300)]
    path = table(tmp_path, "country,year,gdp", countries, years, temperatures())
    assert recognise(path, TableOptions(by=("country",))).options.time_column == "year"


def test_a_rate_called_hr_is_no_hour(tmp_path):
    days = [f"{datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=tick):%Y-%m-%d}" for tick in range(300)]
    path = table(tmp_path, "Date,hr", days, temperatures())
    assert recognise(path, TableOptions()).options.time_column == "Date"


def test_hours_and_minutes_without_their_zeros_are_read_as_a_logger_means_them(tmp_path):
    """15, a quarter past midnight, was read as five past one, and 100 as ten o'clock."""
    quarters = [datetime(2023, 3, 1, tzinfo=UTC) + timedelta(minutes=15 * tick) for tick in range(1, 301)]
    days = [str((one - timedelta(minutes=1)).timetuple().tm_yday) for one in quarters]
    clock = [str((one.hour * 100 + one.minute) or 2400) for one in quarters]
    path = table(tmp_path, "year,day,hhmm,temp", ["2023"] * 300, days, clock, temperatures())
    found = sentinel.analyse(path, time_column=["year", "day", "hhmm"], time_format="%Y %j %H%M")
    assert times(found) == quarters


@pytest.mark.parametrize("name", ["Time UTC 15 min", "Time UTC/12"])
def test_a_number_behind_utc_is_no_offset_without_a_sign(tmp_path, name):
    """`Time UTC 15 min` was read five hours off: all letters from + to a printer's minus were taken for a sign."""
    path = table(tmp_path, f"{name},x", [f"{hour:%Y-%m-%d %H:%M}" for hour in HOURS], temperatures())
    assert recognise(path, TableOptions()).options.time_zone == "UTC"


@pytest.mark.parametrize("decimal", [".", ","])
def test_the_minus_of_printers_is_a_minus(tmp_path, decimal):
    """Programs of some languages and R's pictures write it; the table was refused, and no option read it."""
    cells = [f"\N{MINUS SIGN}{cell}".replace(".", decimal) for cell in temperatures()]
    rows = [f"{hour:%Y-%m-%d %H:%M};{cell}\n" for hour, cell in zip(HOURS, cells, strict=True)]
    path = tmp_path / "a.csv"
    path.write_text("time;x\n" + "".join(rows))
    assert sentinel.analyse(path, decimal=decimal).readings["value"].to_list() == [
        -float(one) for one in temperatures()
    ]
