"""Oddities of raw files as loggers and archives write them: each test names what was misread, or refused in vain."""

from __future__ import annotations

import pytest

from tests.tables.test_misread import dated, read, refusal, said, series_of, values

STAMPS = [f"18/06/2021 {hour % 12 or 12}:00:00" for hour in range(24)]


@pytest.mark.parametrize(
    ("am", "pm"), [("a.m.", "p.m."), ("a. m.", "p. m."), ("A.M.", "P.M."), ("a.\xa0m.", "p.\xa0m."), ("am", "pm")]
)
@pytest.mark.parametrize("joined", [True, False])
def test_points_in_am_and_pm_are_read_such_times_had_no_known_form(tmp_path, am, pm, joined):
    stamps = [f"{stamp} {am if hour < 12 else pm}" for hour, stamp in enumerate(STAMPS)]
    stamps = stamps if joined else [stamp.replace(" ", ",", 1) for stamp in stamps]
    rows = "".join(f"{stamp},{hour}\n" for hour, stamp in enumerate(stamps))
    found = read(tmp_path, f"{'when' if joined else 'Date,Time'},temp\n{rows}").observations.collect().sort("time")
    assert found["time"].dt.hour().to_list() == list(range(24))
    assert found["value"].to_list() == list(range(24))


@pytest.mark.parametrize("dash", ["\N{EN DASH}", "\N{MINUS SIGN}"])
def test_the_dashes_of_printers_are_minus_signs_the_en_dash_was_no_number(tmp_path, dash):
    assert values(read(tmp_path, series_of("temp", [f"{dash}1,5", "2,5", f"1,5E{dash}1"])), "temp") == [-1.5, 2.5, 0.15]
    assert values(read(tmp_path, series_of("temp", ["1.5", dash, "2.5"])), "temp") == [1.5, 2.5]


def test_totals_of_months_among_days_are_no_days_they_were_the_first_of_the_month(tmp_path):
    days = [f"2021-{month:02d}-{day:02d},{day}\n" for month in (6, 7) for day in range(2, 30)]
    text = f"date,flow\n{''.join(days[:28])}2021-06,434\n{''.join(days[28:])}2021-07,434\n2021,868\n"
    asked = refusal(tmp_path, text)
    assert "'2021-06' x2" in asked
    assert "--missing 'date=*'" in asked
    assert "does not exist" not in asked
    table = read(tmp_path, text, missing=("date=*",))
    assert table.refusal is None
    assert table.marks == {"2021": 1, "2021-06": 1, "2021-07": 1}
    assert values(table, "flow") == [*range(2, 30)] * 2


def test_months_alone_are_still_read(tmp_path):
    text = "date,flow\n" + "".join(f"2021-{month:02d},{month}\n" for month in range(1, 13))
    assert values(read(tmp_path, text), "flow") == [*range(1, 13)]


NOTES = "Mean,10.2\nbattery changed on 20 June,\n(c) Agency 2021\n"


def test_notes_and_totals_with_digits_are_left_out_by_one_option_nothing_took_them(tmp_path):
    text = dated("ph", map(str, range(30))) + NOTES
    assert "--missing 'date=*'" in refusal(tmp_path, text)
    table = read(tmp_path, text, missing=("date=*",))
    assert table.refusal is None
    assert sum(table.marks.values()) == 3
    assert values(table, "ph") == list(range(30))


def test_an_option_that_leaves_out_rows_is_not_advised_for_times_in_another_form(tmp_path):
    text = dated("ph", map(str, range(30))).replace("2021-01-05", "01/05/2021")
    assert "date=*" not in refusal(tmp_path, text + NOTES)


def test_rows_without_a_time_of_two_columns_are_left_out_too(tmp_path):
    rows = "".join(f"2021-06-18;{hour:02d}:00;{hour}\n" for hour in range(24))
    table = read(tmp_path, f"Date;Time;ph\n{rows}Mean;;11.5\n", missing=("Date Time=*",))
    assert table.refusal is None
    assert values(table, "ph") == list(range(24))


def test_a_leap_second_is_the_first_of_the_next_minute_it_refused_the_file(tmp_path):
    table = read(tmp_path, "time,v\n2016-12-31T23:59:59Z,1\n2016-12-31T23:59:60Z,2\n2017-01-01T00:00:01Z,3\n")
    assert table.refusal is None
    assert f"{table.observations.collect().sort('time')['time'][1]:%Y-%m-%d %H:%M:%S}" == "2017-01-01 00:00:00"
    assert "23:59:61" in refusal(tmp_path, "time,v\n2016-12-31T23:59:59Z,1\n2016-12-31T23:59:61Z,2\n")


def test_numbers_that_all_have_three_digits_behind_a_point_are_said_to_be_read_as_decimals(tmp_path):
    cells = [f"1.{200 + 37 * n % 300}" for n in range(24)]
    assert "(1200): --decimal , --thousands ." in said(tmp_path, series_of("flow", cells))
    assert values(read(tmp_path, series_of("flow", cells)), "flow")[:2] == [1.2, 1.237]
    assert "between thousands" not in said(tmp_path, series_of("flow", [*cells[:23], "0.950"]))
    assert "between thousands" not in said(tmp_path, series_of("flow", cells, ","))
    assert "between thousands" not in said(tmp_path, series_of("flow", cells), thousands=",")
