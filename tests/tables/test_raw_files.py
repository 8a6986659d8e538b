"""Files as loggers and field notes write them: read, or asked about with an option that reads them."""

from __future__ import annotations

from datetime import date

import pytest
from openpyxl import Workbook

from sentinel.analysis.intake import read_files
from sentinel.domain.errors import DataError, UsageError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.cells import without_unit
from sentinel.tables.options import options_from
from sentinel.tables.recognising import Recognised, recognise, recognise_text


def look(path, **given) -> tuple[list[str], list[tuple[str, float]], Recognised]:
    """Recognise and read a file: the series, first time and value of each, and what was said."""
    found = recognise(path, options_from(given, "{}"))
    table = open_table(path, found.options)
    rows = parse(table, found.options, path.name, strict=True).observations.collect()
    firsts = rows.sort("time").group_by("series", maintain_order=True).first().sort("series")
    return firsts["series"].to_list(), [(str(t)[:16], v) for _, t, v in firsts.rows()], found


@pytest.mark.parametrize("name", ["plot_no", "sample_no", "Sample", "No.", "tree"])
def test_a_number_that_is_the_same_few_at_each_time_is_asked_about_whatever_its_name(tmp_path, name):
    """All rows of a time but the first were left out as duplicates, and the numbers of the trees were judged."""
    path = tmp_path / "a.csv"
    rows = [f"2021-06-{day:02},{tree},{day * tree % 7}.5\n" for day in range(1, 31) for tree in (1, 2, 3)]
    path.write_text(f"date,{name},moisture\n" + "".join(rows[:-1]))  # the last one is still to be measured
    with pytest.raises(DataError, match=f"'{name}' tells the rows apart; .*--by {name} on the command line"):
        look(path)
    assert look(path, by=name)[0] == [f"{n}/moisture" for n in (1, 2, 3)]


def test_counts_that_differ_from_time_to_time_tell_no_series_apart(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"2021-06-{1 + n // 2:02},{n * 7 % 5},{n % 3}.5\n" for n in range(60)]
    path.write_text("date,count,ph\n" + "".join(rows))
    assert look(path)[0] == ["count", "ph"]


@pytest.mark.parametrize(("zone", "hour"), [("UTC", "00:00"), ("Etc/GMT-1", "23:00"), (None, "23:00")])
@pytest.mark.parametrize("name", ["time (CET)", "Date Time, GMT+01:00"])
def test_the_zone_that_is_asked_for_wins_over_one_in_a_name_and_that_is_said(tmp_path, zone, hour, name):
    """UTC is the default: where it was asked for, the zone in the name took its place."""
    path = tmp_path / "a.csv"
    path.write_text(f'"#","{name}",temp\n' + "".join(f"{n},2021-06-{n:02} 00:00,{n % 3}.5\n" for n in range(1, 9)))
    _, firsts, found = look(path, **{"time_zone": zone} if zone else {})
    assert firsts[0][0][11:] == hour
    said = "; ".join(found.said)
    assert ("would be Etc/GMT-1; read as Etc/UTC, as --time-zone says" in said) == (zone == "UTC")
    again = recognise(path, found.options)  # the options that are written down read it likewise
    assert again.options.time_zone == found.options.time_zone


RANGES = '"MTU (CET/CEST)","Area","Load [MW]"\n' + "".join(
    f'"30/10/2021 {n:02}:00:00 - 30/10/2021 {n + 1:02}:00:00","DE","1"\n' for n in range(1, 23)
)
RANGES += """\
"30/10/2021 23:00:00 - 31/10/2021 00:00:00","DE","1"
"31/10/2021 00:00:00 - 31/10/2021 01:00:00","DE","2"
"31/10/2021 01:00:00 - 31/10/2021 02:00:00 (CEST)","DE","3"
"31/10/2021 02:00:00 (CEST) - 31/10/2021 02:00:00 (CET)","DE","4"
"31/10/2021 02:00:00 (CET) - 31/10/2021 03:00:00","DE","5"
"31/10/2021 03:00:00 - 31/10/2021 04:00:00","DE","6"
"""


@pytest.mark.parametrize("marked", [True, False])
def test_the_start_of_a_range_is_the_time_also_in_the_night_of_a_change_of_clocks(tmp_path, marked):
    path = tmp_path / "a.csv"
    path.write_text(RANGES if marked else RANGES.replace(" (CEST)", "").replace(" (CET)", ""))
    series, firsts, found = look(path)
    assert (series, firsts) == (["Load [MW]"], [("2021-10-29 23:00", 1.0)])
    times = parse(open_table(path, found.options), found.options, "a").observations.collect()["time"]
    assert times.sort().dt.hour().to_list()[-6:] == [21, 22, 23, 0, 1, 2]
    assert "--time-format '%d/%m/%Y %H:%M:%S - *' --time-zone Europe/Berlin" in found.said[0]


def test_the_zone_of_ranges_may_stand_behind_them_and_is_not_taken_where_it_would_change(tmp_path):
    path = tmp_path / "a.csv"
    row = '"01.06.2021 0{}:00 - 01.06.2021 0{}:00 (CET/CEST)",{}\n'
    path.write_text("MTU,Load\n" + "".join(row.format(n, n + 1, n) for n in range(8)))
    assert look(path)[1] == [("2021-05-31 22:00", 0.0)]
    path.write_text(path.read_text().replace("(CET/CEST)", "(CEST)"))
    with pytest.raises(DataError, match="no column 'time'"):
        look(path)
    path.write_text(path.read_text().replace(" (CEST)", "").replace("01.06", "05/06").replace(".2021", "/2021"))
    assert look(path)[1] == [("2021-06-05 00:00", 0.0)]  # ENTSO-E writes the day first
    path.write_text(path.read_text().replace("MTU", "Period"))
    with pytest.raises(DataError, match=r"--time-format '%d/%m/%Y %H:%M - \*' \(2021-06-05 00:00"):
        look(path)


@pytest.mark.parametrize(
    ("form", "times"),
    [
        ("10 seconds since 2021-06-18T12:00", ["12:00:00", "12:00:10", "12:00:20"]),
        ("0.5 hours since 2021-06-18", ["00:00:00", "00:30:00", "01:00:00"]),
        ("days since 2021-06-18 06:00:00.25", ["06:00:00.250000"] * 3),
    ],
)
def test_rows_without_times_count_from_a_start(tmp_path, form, times):
    path = tmp_path / "a.txt"
    path.write_text("temp,ph\n# resting\n18.5,7.5\n18.25,7.25\n18.75,7.0\n")
    with pytest.raises(DataError, match="rows without times, at equal steps: --time-column __row__ --time-format"):
        look(path)
    series, _, found = look(path, time_column="__row__", time_format=form)
    assert series == ["ph", "temp"]
    table = parse(open_table(path, found.options), found.options, "a").observations.collect()
    clock = [str(one.time()) for one in table.filter(series="ph")["time"].sort()]
    assert clock == times


@pytest.mark.parametrize("form", ["10 seconds since yesterday", "weeks since 2021-06-18", "seconds since 2021-02-30"])
def test_a_start_that_is_no_moment_is_refused(form):
    with pytest.raises(UsageError, match="10 seconds since 2021-01-31T12:00"):
        options_from({"time_format": form})


def test_a_sheet_has_no_row_numbers_for_times(tmp_path):
    """There the first row of values is not row 0."""
    book = Workbook()
    for row in (["temp", "ph"], [18.5, 7.5], [18.25, 7.0]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="no column '__row__'"):
        look(tmp_path / "a.xlsx", time_column="__row__", time_format="hours since 2021-06-18")


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([["Date", "North", None, "South"], [None, "T", "pH", "T"]], ("North T", "North pH", "South T")),
        ([[None, "North", None, "South"], ["Date", "T", "pH", "T"]], ("North T", "North pH", "South T")),
        ([["Lake"], [], [None, "North", None, "pH"], ["Date", "T", "O2", None]], ("North T", "North O2", "pH")),
        ([["Date", "A", None, None], [None, "T", "O2", "pH"], [None, "°C", "mg/L", None]], ("A T", "A O2", "A pH")),
        ([["Date", "Soil", None, None], [None, 10, 20, 50]], ("Soil 10", "Soil 20", "Soil 50")),
    ],
)
def test_names_of_a_sheet_may_stand_below_merged_ones(tmp_path, rows, names):
    """The columns below a merged cell, but for the first, had no name and were no series."""
    book = Workbook()
    for row in (*rows, *([date(2021, 6, n), n / 2, n % 3, 7 + n % 2] for n in range(1, 12))):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    series, _, found = look(tmp_path / "a.xlsx")
    assert {without_unit(name) for name in series} == set(names)
    written = recognise(tmp_path / "a.xlsx", found.options)
    assert written.options.names == found.options.names


def test_a_row_of_a_sheet_is_not_taken_for_names_because_a_column_has_none(tmp_path):
    book = Workbook()
    for row in (["date", "ph", None], *([f"2021-06-{n:02}", n / 2, "calm"] for n in range(1, 12))):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert look(tmp_path / "a.xlsx")[:2] == (["ph"], [("2021-06-01 00:00", 0.5)])


@pytest.mark.parametrize("word", ["unknown", "offline"])
def test_a_word_above_the_numbers_of_a_column_is_told_where_it_is_no_mark_of_a_missing_value(tmp_path, word):
    """Numbers that began below the first 1,000 rows were passed over, and only `inspect` named the column."""
    path = tmp_path / "a.csv"
    rows = [f"{n // 24 % 28 + 1:02} {n % 24:02}:00,{n % 7},{word if n < 1_100 else n % 5},calm" for n in range(1_300)]
    lines = [f"2021-{n // 672 + 1:02}-{row}" for n, row in enumerate(rows)]
    path.write_text("time,ph,turbidity,note\n" + "\n".join(lines[:1_299]) + "\n2021-03-01 00:00,7,3,5\n")
    series, _, found = look(path)
    parsed = parse(open_table(path, found.options), found.options, "a")
    if word == "unknown":
        assert series == ["ph", "turbidity"]
        assert (parsed.late, parsed.marks) == ((), {"unknown": 1_100})
        return
    assert series == ["ph"]
    said = "column 'turbidity' holds no number in the first 1,000 rows ('offline') and 200 below, and is no series"
    assert [line.partition(";")[0] for line in parsed.late] == [said]
    assert parsed.late[0].endswith("--missing offline")
    assert look(path, missing=("offline",))[0] == ["ph", "turbidity"]
    assert said in read_files([path], options_from({}, "{}")).read_as[-1]


STACKED = """Date,North,,South,
,Temp,pH,Temp,pH
,°C,,°C,
2021-06-18 00:00,18.5,7.5,17.5,7.0
2021-06-18 01:00,18.25,7.25,17.25,7.1
2021-06-18 02:00,18.0,7.0,17.0,7.2
"""


@pytest.mark.parametrize("units", [True, False])
def test_names_of_text_below_merged_ones_are_joined_however_much_of_the_file_is_there(tmp_path, units):
    path = tmp_path / "a.csv"
    path.write_text(STACKED if units else STACKED.replace(",°C,,°C,\n", ""))
    series, firsts, found = look(path)
    assert [without_unit(name) for name in series] == ["North Temp", "North pH", "South Temp", "South pH"]
    assert firsts[0] == ("2021-06-18 00:00", 18.5)
    assert [name for name in series if name.endswith("[°C]")] == (
        ["North Temp [°C]", "South Temp [°C]"] if units else []
    )
    whole = path.read_bytes()
    for end in (n + 1 for n, byte in enumerate(whole) if byte == ord("\n")):
        path.write_bytes(whole[:end])
        with path.open("rb") as file:
            told = recognise_text(file, "a", "csv", TableOptions(), whole=False)
        assert told is None or (told.options.names, told.options.skip_rows) == (
            found.options.names,
            found.options.skip_rows,
        )


@pytest.mark.parametrize(("mark", "form"), [(".", "%d.%m.%y %H.%M"), ("h", "%d.%m.%y %Hh%M")])
def test_hours_with_a_point_are_asked_about_and_read_with_their_form(tmp_path, mark, form):
    """A column of 08.00 and 09.00 was said to name series, and its zeros were taken off."""
    path = tmp_path / "a.csv"
    rows = [f"{1 + n // 24:02}.06.21;{n % 24:02}{mark}00;{n % 7},5;{'Regen' * (n % 9 == 2)}\n" for n in range(72)]
    path.write_text("Datum;Uhrzeit;Temp;Bemerkung\n" + "".join(rows))
    with pytest.raises(DataError, match=r"'Uhrzeit' holds times of day .* --time-column Datum --time-column Uhrzeit"):
        look(path)
    series, firsts, _ = look(path, time_column=("Datum", "Uhrzeit"), time_format=form)
    assert (series, firsts) == (["Temp"], [("2021-06-01 00:00", 0.5)])


def test_a_date_in_digits_beside_its_time_of_day_names_no_series(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Date,Time,Temp\n" + "".join(f"0601{n // 24 + 10},{n % 24:02}0000,{n % 7}.5\n" for n in range(96)))
    with pytest.raises(DataError, match="name all columns that make the time, in order"):
        look(path)
