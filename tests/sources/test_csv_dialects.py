"""Source `csv` recognises a file by its first rows, once, and reads it on in the same way."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sentinel.domain.errors import DataError
from sentinel.sources.base import SourceError
from tests.sources.following import csv_source, follow, rows
from tests.tables.specimens import SPECIMENS

EPOCH = datetime(2021, 1, 1, tzinfo=UTC)
CALENDAR = {name: one for name, one in SPECIMENS.items() if "T" in one.first}


@pytest.mark.parametrize("name", CALENDAR)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_file_gives_the_same_observations_whole_and_in_pieces_with_restarts(tmp_path, name, seed):
    path, text = tmp_path / "logger.dat", CALENDAR[name].text.encode(CALENDAR[name].encoding)
    path.write_bytes(text)
    whole, _ = follow(csv_source(path))
    assert {series for series, _ in rows(whole)} == set(CALENDAR[name].series)
    assert whole[0].complaints[0].startswith(f"{path}: read as ")
    dice, told, cursor, written = random.Random(seed), [], None, 0
    path.write_bytes(b"")
    while written < len(text):
        step = dice.randint(1, 60)
        with path.open("ab") as file:
            file.write(text[written : written + step])
        written += step
        frames, cursor = follow(csv_source(path), cursor)
        told += rows(frames)
    assert sorted(told) == sorted(rows(whole))


def test_marks_that_a_backtest_finds_in_the_first_rows_are_found_as_they_come_and_later_ones_are_counted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time;v\n01.02.2020;0,5\n")
    source = csv_source(path)
    frames, cursor = follow(source)
    assert rows(frames) == [("v", 0.5)]
    with path.open("a") as file:
        file.write("02.02.2020;7\n03.02.2020;1.234,5\n")
    frames, cursor = follow(csv_source(path), cursor)
    assert rows(frames) == [("v", 7.0), ("v", 1234.5)]
    assert "from row 2 on also read with --thousands ." in frames[0].complaints[0]
    plain = tmp_path / "b.csv"
    plain.write_text("time;v\n" + "".join(f"{1 + n % 28:02d}.{1 + n // 28:02d}.2020;0,5\n" for n in range(210)))
    _, cursor = follow(csv_source(plain))
    with plain.open("a") as file:
        file.write("02.12.2020;7\n03.12.2020;1.234,5\n")
    frames, _ = follow(csv_source(plain), cursor)
    assert rows(frames) == [("v", 7.0)]
    assert "'1.234,5' is not a number" in frames[0].complaints[0]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_decimal_mark_that_comes_late_between_semicolons_or_tabs_is_found(separator, tmp_path):
    # Bug: between tabs the mark was taken to be a point, and no later value was a number; likewise behind row 10.
    path = tmp_path / "a.csv"
    path.write_text(f"time{separator}v\n" + "".join(f"2020-02-{n:02d}{separator}{n}\n" for n in range(1, 16)))
    source = csv_source(path)
    frames, cursor = follow(source)
    assert rows(frames) == [("v", float(n)) for n in range(1, 16)]
    with path.open("a") as file:
        file.write(f"2020-02-16{separator}7,5\n2020-02-17{separator}8\n")
    frames, cursor = follow(source, cursor)
    assert rows(frames) == [("v", 7.5), ("v", 8.0)]
    with path.open("a") as file:
        file.write(f"2020-02-18{separator}9,5\n")
    assert rows(follow(csv_source(path), cursor)[0]) == [("v", 9.5)]


def test_a_late_mark_by_which_rows_that_were_read_are_other_numbers_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time;v\n2020-02-01;1.234\n2020-02-02;7\n")
    source = csv_source(path)
    frames, cursor = follow(source)
    assert rows(frames) == [("v", 1.234), ("v", 7.0)]
    with path.open("a") as file:
        file.write("2020-02-03;1.234,5\n")
    with pytest.raises(DataError, match=r"row 3 tells that numbers are written as by --decimal , --thousands \."):
        source.fetch(cursor)


def test_a_point_that_may_stand_between_thousands_is_asked_about_when_it_comes(tmp_path):
    """The daemon took 1.200 behind 950 as a number a little over one, about which a backtest asks."""
    path = tmp_path / "a.csv"
    path.write_text("time;v\n" + "".join(f"2020-02-{n:02d};{900 + n}\n" for n in range(1, 15)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write("2020-02-15;1.200\n")
    with pytest.raises(DataError, match=r"'1.200' stand beside whole ones below a thousand"):
        source.fetch(cursor)
    frames, _ = follow(csv_source(path, decimal=",", thousands="."), cursor)
    assert rows(frames) == [("v", 1200.0)]


def test_a_file_that_is_too_short_to_tell_says_so(tmp_path):
    path, source = tmp_path / "a.csv", csv_source(tmp_path / "a.csv")
    path.write_text("date,parameter,rep,value\n")
    frames, cursor = follow(source)
    assert not frames[0].complaints
    path.write_text("date,parameter,rep,value\n2024-01-01,ph,1,7.1\n")
    frames, _ = follow(source, cursor)
    assert "its first rows do not tell yet how it is read" in frames[0].complaints[0]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_the_hour_that_comes_twice_is_told_by_order_in_a_file_whose_latest_row_comes_first(tmp_path, name):
    clocks = ["2020-10-25 01:30", "2020-10-25 02:00", "2020-10-25 02:30", "2020-10-25 02:00", "2020-10-25 02:30"]
    table = pl.DataFrame({"time": [*clocks, "2020-10-25 03:00"][::-1], "v": [6, 5, 4, 3, 2, 1]})
    path = tmp_path / name
    table.write_csv(path) if name.endswith("csv") else table.write_parquet(path)
    frames, _ = follow(csv_source(path, time_zone="Europe/Berlin"))
    assert [f"{time:%H:%M}" for time in frames[0].observations["time"]] == [
        "23:30", "00:00", "00:30", "01:00", "01:30", "02:00"
    ]  # fmt: skip
    assert [value for _, value in rows(frames)] == [1, 2, 3, 4, 5, 6]


def test_replicates_that_came_after_the_first_rows_were_mixed_into_one_series(tmp_path):
    path, source = tmp_path / "a.csv", csv_source(tmp_path / "a.csv")
    path.write_text("date,parameter,rep,value\n2024-01-01,ph,1,7.1\n2024-01-02,ph,1,7.2\n")
    frames, cursor = follow(source)
    assert rows(frames) == []
    with path.open("a") as file:
        file.write("2024-01-03,ph,1,7.1\n2024-01-03,ph,2,7.9\n")
    with pytest.raises(DataError, match="if it names series, say so with by"):
        source.fetch(cursor)


def test_a_date_with_two_readings_is_asked_about_until_a_row_decides(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,v\n01/02/2020,1\n")
    source = csv_source(path)
    with pytest.raises(DataError, match="can be read in 2 ways, and no row decides; say which with --time-format"):
        source.fetch(None)
    with path.open("a") as file:
        file.write("13/02/2020,2\n")
    frames, _ = follow(source)
    assert [time.day for time in frames[0].observations["time"]] == [1, 13]


@pytest.mark.slow
def test_the_steps_of_a_counter_go_on_over_fetches_and_restarts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,rain,ph\n")
    told, cursor = [], None
    for n, total in enumerate([1.0, 3.0, 6.0, 0.5, 2.0]):
        with path.open("a") as file:
            file.write(f"2020-01-0{n + 1},{total},7\n")
        frames, cursor = follow(csv_source(path, transform=("rain=difference",)), cursor)
        told += [row for row in rows(frames) if row[0] == "rain"]
    assert [value for _, value in told] == [2.0, 3.0, 1.5]


def test_a_column_that_wakes_up_late_is_taken_up(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,a,b\n" + "".join(f"2020-01-01T{n // 60:02d}:{n % 60:02d},1,NULL\n" for n in range(1200)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write("2020-01-02,1,5\n")
    assert rows(follow(csv_source(path), cursor)[0]) == [("a", 1.0), ("b", 5.0)]


def test_with_dialect_none_nothing_is_recognised(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time;v\n01.02.2020;0,5\n")
    with pytest.raises(DataError, match="no column 'time'"):
        csv_source(path, dialect="none").fetch(None)


@pytest.mark.slow
def test_the_hour_that_comes_twice_is_told_by_order_over_fetches_and_restarts(tmp_path):
    path, clocks = tmp_path / "a.csv", ["01:45", "02:00", "02:30", "02:00", "02:30", "03:00"]
    path.write_text("time,v\n")
    told, cursor = [], None
    for n, clock in enumerate(clocks):
        with path.open("a") as file:
            file.write(f"2018-10-28T{clock},{n}\n")
        frames, cursor = follow(csv_source(path, time_zone="Europe/Berlin"), cursor)
        told += [time for frame in frames for time in frame.observations["time"]]
    assert [f"{time:%H:%M}" for time in told] == ["23:45", "00:00", "00:30", "01:00", "01:30", "02:00"]


def test_a_spreadsheet_is_read_when_it_is_there_and_again_when_it_is_replaced(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path, source, cursor, told = tmp_path / "a.xlsx", csv_source(tmp_path / "a.xlsx", max_observations=2), None, []
    for days in (3, 5):
        book = openpyxl.Workbook()
        for row in (
            ["Buoy 5"],
            ["Date", "ph"],
            *([datetime.fromisoformat(f"2021-06-0{day + 1}"), 7.0 + day] for day in range(days)),
        ):
            book.active.append(row)
        book.save(path)
        frames, cursor = follow(source, cursor)
        told.append([value for _, value in rows(frames)])
    assert told == [[7.0, 8.0, 9.0], [7.0, 8.0, 9.0, 10.0, 11.0]]


def test_a_spreadsheet_that_has_not_changed_was_parsed_at_every_fetch(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path, source, book = tmp_path / "a.xlsx", csv_source(tmp_path / "a.xlsx"), openpyxl.Workbook()
    for row in (["time", "ph"], *([datetime.fromisoformat(f"2021-06-0{day}"), 7.0] for day in (1, 2, 3))):
        book.active.append(row)
    book.save(path)
    frames, cursor = follow(source)
    assert len(rows(frames)) == 3
    # What is broken inside, though its size, its ends and its time of change are the same, is seen by parsing only.
    changed, content = path.stat().st_mtime_ns, path.read_bytes()
    path.write_bytes(content[:1_024] + bytes(len(content) - 1_280) + content[-256:])
    os.utime(path, ns=(changed, changed))
    assert rows(follow(source, cursor)[0]) == []
    os.utime(path, ns=(changed + 1, changed + 1))
    with pytest.raises((SourceError, DataError)):
        source.fetch(cursor)


@pytest.mark.slow
def test_cells_of_the_row_above_are_known_over_fetches_and_restarts(tmp_path):
    path, options = tmp_path / "casts.csv", {"by": ("depth",), "fill_down": ("date", "site")}
    text = "date,site,depth,oxygen\n" + "".join(
        f"{f'2021-06-{day:02d},north' if depth == 1 else ','},{depth},{10 * day + depth}\n"
        for day in range(1, 10)
        for depth in (1, 5, 9)
    )
    path.write_text(text)
    whole, _ = follow(csv_source(path, **options))
    assert len(rows(whole)) == 27
    told, cursor, lines = [], None, text.splitlines(keepends=True)
    path.write_text("")
    for line in lines:
        with path.open("a") as file:
            file.write(line)
        frames, cursor = follow(csv_source(path, **options), cursor)
        told += rows(frames)
    assert sorted(told) == sorted(rows(whole))


def grown(path, text: str) -> list[tuple[str, float]]:
    """What a file gives that grows by a line at a time."""
    told, cursor = [], None
    path.write_text("")
    for line in text.splitlines(keepends=True):
        with path.open("a") as file:
            file.write(line)
        with suppress(SourceError, DataError):
            frames, cursor = follow(csv_source(path), cursor)
            told += rows(frames)
    return told


@pytest.mark.slow
def test_digits_of_a_clock_in_the_first_hour_wait_for_the_next_all_but_one_a_day_were_duplicates(tmp_path):
    lines = [f"2021,{169 + n // 48},{n % 48 // 2 * 100 + n % 2 * 30},{n % 7}\n" for n in range(100)]
    told = grown(tmp_path / "a.csv", f"Year,DOY,HHMM,temp\n{''.join(lines)}")
    assert told == [("temp", n % 7) for n in range(100)]


@pytest.mark.slow
def test_tables_side_by_side_that_begin_at_one_time_are_asked_about_the_second_had_the_times_of_the_first(tmp_path):
    lines = [f"2021-06-18 {n:02d}:00,{n},2021-06-18 {n // 2:02d}:{n % 2 * 30:02d},{n}\n" for n in range(24)]
    assert grown(tmp_path / "a.csv", f"Date,a,Date,b\n{''.join(lines)}") == []


def test_names_of_sensors_above_the_names_of_a_file_that_grows_are_not_the_names(tmp_path):
    lines = [f"2021-06-18 {n:02d}:00,{n},{30 + n}\n" for n in range(24)]
    told = grown(
        tmp_path / "a.csv", f"Report,me\n\nElapsed Time,SN#: 1,SN#: 1\nDate and Time,temp,depth\n{''.join(lines)}"
    )
    assert sorted(told) == [*(("depth", 30.0 + n) for n in range(24)), *(("temp", float(n)) for n in range(24))]


@pytest.mark.slow
@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("names", "first", "second"), [("parameter,unit", "NO3,mg/l", "NO3,ug/l"), ("site,ph", "a,7", "b,7")]
)
def test_a_unit_or_a_site_that_changes_below_the_first_rows_is_said(tmp_path, names, first, second, restart):
    path = tmp_path / "a.csv"
    lines = [
        f"{EPOCH + timedelta(hours=n):%Y-%m-%d %H:%M},{first if n < 1200 else second},{n % 7}\n" for n in range(1300)
    ]
    path.write_text(f"date,{names},value\n" + "".join(lines[:1150]))
    source = csv_source(path)
    frames, cursor = follow(source)
    assert not any("was" in line for frame in frames for line in frame.complaints)
    source, said = csv_source(path) if restart else source, []
    for first_line in range(1150, 1300, 50):
        with path.open("a") as file:
            file.write("".join(lines[first_line : first_line + 50]))
        frames, cursor = follow(source, cursor)
        said += [line for frame in frames for line in frame.complaints]
    assert sum(" was " in line and " in new rows" in line for line in said) == 1


@pytest.mark.parametrize("restart", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize(
    ("names", "cell", "times"),
    [
        ("station", lambda n: "A" if n < 20 else "B", 1),
        pytest.param("station", lambda n: "44" if n < 20 else "45", 1, marks=pytest.mark.slow),
        ("station", lambda n: "A" if n % 7 else "NA", 0),
        pytest.param("platform", lambda n: "AB"[n % 2], 1, marks=pytest.mark.slow),
        ("location", lambda n: f"43.{n:02d}N 89W", 1),
    ],
)
def test_a_change_of_site_is_said_once_and_stops_nothing_it_stopped_a_daemon_or_was_said_at_each_row(
    tmp_path, restart, names, cell, times
):
    path, told, said, cursor = tmp_path / "a.csv", [], [], None
    path.write_text(f"time,{names},temp\n")
    source = csv_source(path)
    for n in range(40):
        with path.open("a") as file:
            file.write(f"{EPOCH + timedelta(hours=n):%Y-%m-%d %H:%M},{cell(n)},{'bad' if n == 30 else n}\n")
        source = csv_source(path) if restart else source
        frames, cursor = follow(source, cursor)
        told += rows(frames)
        said += [line for frame in frames for line in frame.complaints if " in new rows" in line]
    assert told == [("temp", n) for n in range(40) if n != 30]
    assert len(said) == times


def test_numbers_that_are_hours_or_one_time_of_day_are_refused_on_the_second_day_a_daemon_waited_sixty_rows(tmp_path):
    path = tmp_path / "a.csv"
    for lines in (
        "2021-06-18,9,7\n2021-06-19,9,8\n",
        "".join(f"2021-06-{18 + n // 24},{n % 24},7\n" for n in range(25)),
    ):
        path.write_text(f"date,time,temp\n{lines}")
        with pytest.raises(DataError):
            follow(csv_source(path))


def test_a_second_date_without_values_does_not_keep_a_daemon_waiting(tmp_path):
    assert len(grown(tmp_path / "a.csv", "date,temp,date2\n2021-06-18,7,2021-06-18\n")) == 1


@pytest.mark.slow
def test_a_file_that_grows_by_lines_with_a_carriage_return_is_followed(tmp_path):
    path, text = tmp_path / "a.csv", "time,ph\r" + "".join(f"2021-06-{day:02d},{day % 7}\r" for day in range(1, 30))
    told, cursor = [], None
    for end in range(40, len(text) + 25, 25):
        path.write_text(text[:end], newline="")
        frames, cursor = follow(csv_source(path), cursor)
        told += rows(frames)
    assert told == [("ph", day % 7) for day in range(1, 30)]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("station,date_utc,time_utc,temp\n", "BATS,20210618,{:04d},{:.1f}\n"),  # the clock was no part of the time
        ("sampledate,sample_time,do\n", "2021-06-18,{:04d},{:.1f}\n"),
        ("TOACI1,CR10X,Table1\nTMSTAMP,RECNBR,Batt,Temp\n", '"2021-06-18 {:02d}:00:00",1,{:.1f},3\n'),
        ("Project: Lake,Site: Buoy\nTime,T,DO\n", "2021-06-18 {:02d}:00:00,{:.1f},3\n"),  # all rows were malformed
    ],
)
def test_a_first_row_alone_does_not_decide_what_a_second_one_contradicts(tmp_path, head, row):
    path, told, cursor = tmp_path / "a.csv", [], None
    step = 100 if "04d" in row else 1
    lines = [row.format(900 + step * n if step > 1 else n, n % 3 + 0.5) for n in range(12)]
    path.write_text(head)
    for line in lines:
        with path.open("a") as file:
            file.write(line)
        frames, cursor = follow(csv_source(path), cursor)
        told += [one for frame in frames for one in frame.observations.rows()]
    whole = [one for frame in follow(csv_source(path))[0] for one in frame.observations.rows()]
    assert sorted(told) == sorted(whole)
    assert len({time for _, time, _ in whole}) == 12


def test_another_sensor_of_a_quantity_of_a_long_table_is_said_though_its_first_rows_had_but_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,sensor,parameter,value\n" + "".join(f"2021-06-18 {n:02d}:00,a,T,{n}\n" for n in range(12)))
    _, cursor = follow(csv_source(path))
    with path.open("a") as file:
        file.write("2021-06-18 12:00,b,T,7\n")
    frames, _ = follow(csv_source(path), cursor)
    assert rows(frames) == [("T", 7.0)]
    assert any("'sensor' of 'T' was 'a' and is 'b'" in one for frame in frames for one in frame.complaints)
