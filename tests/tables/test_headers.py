"""Where the names of a table are: behind lines of other forms, in the options, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.recognising import Recognised, recognise
from tests.sources.following import csv_source, follow, rows


def read(path: Path, text: str, **options) -> tuple[dict[str, list[float]], Recognised]:
    path.write_text(text, encoding="utf-8")
    found = recognise(path, TableOptions(**options))
    table = parse(open_table(path, found.options), found.options, path.name, strict=True)
    kept = table.observations.collect().sort("series", "time")
    return {str(name): own["value"].to_list() for (name,), own in kept.group_by("series")}, found


IN_SITU = """Report Date:,6/18/2021 12:00:00
Report User Name:,me
Application:,WinSitu.exe

Log File Properties
File Name,x.wsl

,,Sensor: Pres(G) 35ft,Sensor: Pres(G) 35ft
Elapsed Time,SN#: 12345,SN#: 12345
Date and Time,Temperature (C),Depth (ft)
"""
KOREXO = """KorEXO Measurement File Export
FILE CREATED:,2021-06-20

,,,MEAN VALUE:,10.1,8.2
,,,STANDARD DEVIATION:,1,0.1
Date (MM/DD/YYYY),Time (HH:mm:ss),Site Name,Fault Code,Temp C,pH
"""


def test_lines_above_the_names_that_have_fields_of_their_own_were_taken_for_the_table(tmp_path):
    body = "".join(f"06/{n + 1:02}/2021 12:00:00 AM,{n}.5,{n}.25\n" for n in range(28))
    found, told = read(tmp_path / "a.csv", IN_SITU + body)
    assert found["Depth (ft)"] == [n + 0.25 for n in range(28)]
    assert told.options.skip_rows == IN_SITU.count("\n") - 1
    body = "".join(f"06/01/2021,{n:02}:00:00,Dock,0,{n}.5,{n}.25\n" for n in range(24))
    found, told = read(tmp_path / "b.csv", KOREXO + body)
    assert found["pH"] == [n + 0.25 for n in range(24)]
    assert told.options.time_format == "%m/%d/%Y %H:%M:%S", "the name of the column says it"


NUMBERS = {",": "2021,{:02d},20.5,-1\n", ";": "2021;{:02d};  20.5;-1\n", "whitespace": " 2021 {:2d}   20.5  -1\n"}
NAMES = ("year", "month", "level", "rest")


@pytest.mark.parametrize("separator", NUMBERS)
def test_a_table_without_names_asks_for_them_and_is_read_with_them(tmp_path, separator):
    text = "# a comment\n" + "".join(NUMBERS[separator].format(month) for month in range(1, 13))
    with pytest.raises(DataError, match=r"the first line holds data \('2021'\), not names; name its 4 columns"):
        read(tmp_path / "a.csv", text)
    found, told = read(tmp_path / "a.csv", text, names=NAMES, columns=("level",))
    assert found == {"level": [20.5] * 12}, "the first row is a row"
    assert told.options.separator == separator
    assert told.options.time_columns == ("year", "month")


def test_a_daemon_follows_a_table_without_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("2021-06-01,1,7.5\n2021-06-02,2,7.25\n")
    source = csv_source(path, names=("time", "n", "ph"), columns=("ph",))
    frames, cursor = follow(source)
    with path.open("a") as file:
        file.write("2021-06-03,3,7.0\n")
    more, _ = follow(source, cursor)
    assert [value for _, value in (*rows(frames), *rows(more))] == [7.5, 7.25, 7.0]


def test_two_columns_of_one_name_are_numbered_and_that_is_said(tmp_path):
    """Monthly indices name each anomaly ANOM; the table was refused, and only an editor helped."""
    rows = "".join(f"2021,{month},20.5,0.5,21.5,-0.5\n" for month in range(1, 13))
    found, told = read(tmp_path / "a.csv", f"YR,MON,NINO1,ANOM,NINO2,ANOM\n{rows}")
    assert found["ANOM (2)"] == [-0.5] * 12
    assert "columns of one name are numbered from left to right: ANOM (2)" in told.said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Time(H:M:S)\tCO2\n00:00:00\t410.5\n00:01:00\t411.5\n", "'Time.H:M:S.' holds times of day without a date"),
        ("USW00014837201901TMAX  193  W  207  W\nUSW00014837201901TMIN  103  W  107  W\n", "a .dly file of GHCN-Daily"),
        (
            '"TOB1","St","CR1000"\n"SECONDS","T"\n"SECONDS","C"\n"","Avg"\n"ULONG","IEEE4"\n\x01\x02\n',
            "TOA5 table is read",
        ),
        ('[{"date": "2021-06-01", "q": 1}]\n', "array of objects .*--format json.* are read$"),
        ('{"data": [{"date": "2021-06-01", "q": 1}]}\n', "jq -c '.data.*' a.json > a.ndjson"),
    ],
)
def test_what_is_no_table_says_what_would_be_one(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.txt", text)


@pytest.mark.parametrize(
    ("head", "row", "names"),
    [
        ("date,temp,,,", "2021-01-{:02},{},,,", {"temp"}),
        ("date,temp,,,\nyyyy-mm-dd,degC,,,", "2021-01-{:02},{},,,", {"temp"}),
        ("Datum;Temp, °C;;;;", "2021-01-{:02};{};;;;", {"Temp, °C"}),
        ("Datum\tTemp, unten\t\t\t\t", "2021-01-{:02}\t{}\t\t\t\t", {"Temp, unten"}),
        (",Site A,,,\ndate,a,b,c,d", "2021-01-{:02},{},1,1,1", {"a", "b", "c", "d"}),
    ],
)
def test_empty_columns_behind_the_names_are_no_names_of_groups(tmp_path, head, row, names):
    """The first row of data was taken for the names where a spreadsheet had written more empty columns than others."""
    rows = "".join(row.format(day, day) + "\n" for day in range(1, 29))
    found, _ = read(tmp_path / "a.csv", f"{head}\n{rows}")
    assert set(found) == names


@pytest.mark.parametrize("line", ["date,temp,,,\n", "date,,,temp\n", ",,a,\n"])
def test_a_first_line_of_mostly_blank_names_with_nothing_below_it_ended_in_an_index_error(tmp_path, line):
    with pytest.raises(DataError, match=r"no rows|no column"):
        read(tmp_path / "a.csv", line)
    frames, _ = follow(csv_source(tmp_path / "a.csv"))
    assert not rows(frames)


@pytest.mark.parametrize("name", ["date", "time,temp"])
def test_wavelengths_beside_the_times_are_names_not_years_that_stand_side_by_side(tmp_path, name):
    waves = [str(number) for number in range(1800, 2100, 25)]
    rows = "".join(f"2021-06-{day:02}{',7.5' * name.count(',')}{f',{day}' * len(waves)}\n" for day in range(1, 29))
    found, _ = read(tmp_path / "a.csv", f"{name},{','.join(waves)}\n{rows}")
    assert set(waves) <= set(found)
    with pytest.raises(DataError, match=r"a column for each time \(1800 to 2075\)"):
        read(
            tmp_path / "a.csv",
            f"{name.replace(name[:4], 'lake')},{','.join(waves)}\n{rows.replace('2021-06-', 'lake ')}",
        )


@pytest.mark.parametrize("place", ["43.1,-89.2,5", "1;2;3"])
def test_a_place_between_blanks_that_holds_commas_of_its_own_does_not_separate_the_columns(tmp_path, place):
    rows = "".join(f"2021-06-{day:02} {day} {place}\n" for day in range(1, 29))
    found, _ = read(tmp_path / "a.txt", f"time temp pos\n{rows}")
    assert found == {"temp": [*range(1, 29)]}
