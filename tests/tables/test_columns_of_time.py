"""Columns that look like a time and are none, and times that archives and loggers split or write in their own way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import sentinel
from sentinel.analysis.found import Analysis
from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions
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
