"""Files that were read wrongly without a word: each test names what was taken for what."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import pytest

from sentinel.domain.errors import DataError
from sentinel.tables import Parsed, TableOptions, open_table, parse
from sentinel.tables.recognising import recognise
from tests.tables.specimens import SPECIMENS

HOURS = [f"2021-06-18 {hour:02d}:00" for hour in range(24)]


def read(folder: Path, text: str, encoding: str = "utf-8", **options: object) -> Parsed:
    path = folder / "lake.csv"
    path.write_text(text, encoding, newline="")
    found = recognise(path, TableOptions(**options))
    return parse(open_table(path, found.options), found.options, path.name)


def refusal(folder: Path, text: str) -> str:
    """What is said of a file that is refused, by either of the two that do."""
    try:
        found = read(folder, text).refusal
    except DataError as error:
        return str(error)
    assert found is not None
    return found.message


def values(table: Parsed, series: str) -> list[float]:
    return table.observations.collect().filter(series=series).sort("time")["value"].to_list()


@pytest.mark.parametrize("name", ["age_CE", "age_AD", "Age (CE)", "Age [a AD]"])
def test_an_age_of_the_common_era_runs_forward_it_was_turned_around_and_a_rise_of_lag_1_was_a_fall(tmp_path, name):
    rows = "".join(f"{1900 + year}\t{year}\n" for year in range(30))
    assert values(read(tmp_path, f"{name}\tring\n{rows}"), "ring") == list(range(30))


@pytest.mark.parametrize("name", ["age_calBP", "Age [ka BP]", "Age (cal yr BP/AD)", "Year BP"])
def test_an_age_before_present_still_runs_backward(tmp_path, name):
    rows = "".join(f"{10 + year}\t{year}\n" for year in range(30))
    assert values(read(tmp_path, f"{name}\tring\n{rows}"), "ring") == list(range(30))[::-1]


def test_the_head_of_a_logger_that_started_anew_is_no_row_whatever_its_program_is_called(tmp_path):
    head = '"TIMESTAMP","RECORD","DO"\n"TS","RN","mg/L"\n"","","Avg"\n'
    station = '"TOA5","steg","CR1000X","{}"\n'
    first, second = ("".join(f'"{time}:00",{n},{n}\n' for n, time in enumerate(HOURS[at : at + 12])) for at in (0, 12))
    table = read(tmp_path, station.format(1) + head + first + station.format(2) + head + second)
    assert table.refusal is None
    assert values(table, "DO") == [*range(12), *range(12)]
    assert table.marks == {"TIMESTAMP": 3}


def test_names_that_come_again_in_another_order_are_refused_with_no_advice_that_would_swap_the_columns(tmp_path):
    rows = [f"{time},{n},{20 + n}\n" for n, time in enumerate(HOURS)]
    text = f"time,ph,temp\n{''.join(rows[:12])}time,temp,ph\n{''.join(rows[12:])}"
    said = refusal(tmp_path, text)
    assert "row 13" in said
    assert "--missing" not in said
    assert "split the file" in said


def test_other_units_after_a_restart_are_refused_with_no_advice_to_leave_their_line_out(tmp_path):
    rows = [f"{time},{n},{1000 + n}\n" for n, time in enumerate(HOURS)]
    again = f"time,T,P\nUTC,degF,hPa\n{''.join(rows[12:])}"
    said = refusal(tmp_path, f"time,T,P\nUTC,degC,hPa\n{''.join(rows[:12])}{again}")
    assert "row 13 stand other units" in said
    assert "--missing" not in said


def test_swapped_columns_of_a_logger_are_refused_with_no_advice_to_leave_out_their_units(tmp_path):
    text = SPECIMENS["toa5"].text
    swapped = '"TIMESTAMP","RECORD","AirT_C(42)","BattV"\n"TS","RN","Deg C","Volts"\n"","","Smp","Avg"\n'
    station, _, _, _, *rows = text.splitlines(keepends=True)
    said = refusal(tmp_path, text + station + swapped + "".join(rows))
    assert "split the file" in said
    assert "--missing" not in said


def series_of(name: str, cells: list[str], separator: str = ";") -> str:
    return f"time{separator}{name}\n" + "".join(f"{HOURS[n]}{separator}{cell}\n" for n, cell in enumerate(cells))


def test_a_point_between_thousands_beside_whole_numbers_is_asked_about_1_201_stood_between_950_and_903(tmp_path):
    text = series_of("flow", ["950", "1.201", "1.105", "903", "870", "1.012"])
    said = refusal(tmp_path, text)
    assert "--decimal , --thousands . (1201)" in said
    assert values(read(tmp_path, text, decimal=",", thousands="."), "flow")[:2] == [950, 1201]
    assert values(read(tmp_path, text, thousands=","), "flow")[:2] == [950, 1.201]


@pytest.mark.parametrize(
    "cells", [["950", "1.25", "1.105", "903", "870"], ["1.201", "0", "1.105", "-999"], ["0.950", "101", "102", "103"]]
)
def test_other_fractions_and_marks_beside_three_decimals_are_no_thousands(tmp_path, cells):
    assert values(read(tmp_path, series_of("flow", cells)), "flow") == list(map(float, cells))


def test_hours_and_minutes_in_digits_beside_a_date_are_its_time_of_day_they_were_steps(tmp_path):
    clocks = [0, 15, 30, 45, 100, 2345]
    rows = "".join(f"18/06/2021,{clock},{n}\n" for n, clock in enumerate(clocks))
    found = read(tmp_path, f"date,time,ph\n{rows}").observations.collect().sort("time")
    assert [f"{time:%H%M}" for time in found["time"]] == [f"{clock:04d}" for clock in clocks]


def test_a_year_alone_is_no_time_of_daily_rows_all_were_at_2021(tmp_path):
    rows = "".join(f"2021,{day},{day / 10}\n" for day in range(1, 31))
    found = read(tmp_path, f"Year,JD,ph\n{rows}").observations.collect().sort("time")
    assert f"{found['time'][-1]:%Y-%m-%d}" == "2021-01-30"
    assert "in most rows (2021 x30)" in refusal(tmp_path, f"Year,tag,ph\n{rows}")


def test_units_above_the_names_are_not_the_names(tmp_path):
    text = ",mg/L\n" + series_of("do", ["7", "8", "9"], ",")
    assert values(read(tmp_path, text), "do") == [7, 8, 9]


def test_a_decimal_comma_with_an_exponent_is_a_number(tmp_path):
    assert values(read(tmp_path, series_of("flow", ["1,5E+03", "1,234E+03"])), "flow") == [1500, 1234]


def test_a_date_that_a_spreadsheet_made_of_a_number_is_not_advised_to_be_cut_to_one(tmp_path):
    assert "--trailing" not in refusal(tmp_path, series_of("x", ["3.1", "3.2", "3.Mai", "3.4"]))


def test_numbers_in_two_units_are_refused_with_no_advice_to_take_both_off(tmp_path):
    said = refusal(tmp_path, series_of("level", ["1.2 m", "120 cm", "1.3 m"]))
    assert "--trailing cm" not in said
    assert "'cm', 'm'" in refusal(tmp_path, series_of("level", ["120 cm", "1.2 m", "121 cm"]))


def test_rows_with_a_field_more_than_names_are_refused_with_the_names_that_read_them(tmp_path):
    rows = "".join(f"{n},{time},{n / 2}\n" for n, time in enumerate(HOURS))
    said = refusal(tmp_path, f"time,ph\n{rows}")
    assert "--skip-rows 1 --names row --names time --names ph" in said
    assert values(read(tmp_path, f"time,ph\n{rows}", skip_rows=1, names=("row", "time", "ph")), "ph")[:2] == [0, 0.5]


@pytest.mark.parametrize(
    ("name", "first", "advice"),
    [
        ("Date", "44365.5", "--time-column Date --time-format excel (2021-06-18 12:00)"),
        ("date", "202106", "--time-column date --time-format %Y%m (2021-06-01 00:00)"),
        ("date", "2021169", "--time-column date --time-format %Y%j (2021-06-18 00:00)"),
        ("date", "2021.4603", "--time-column date --time-format years (2021-06-18 00:00)"),
        ("year", "2021.4603", "--time-format years (2021-06-18 00:00), or --time-direction forward"),
        ("Datum", "18. kesäkuuta 2021", "--time-column Datum --time-format"),
    ],
)
def test_times_in_no_known_form_are_asked_about_with_what_they_may_be(tmp_path, name, first, advice):
    assert advice in refusal(tmp_path, f"{name},ph\n{first},7\n{first[:-1]}9,8\n")


def test_european_abbreviations_of_zones_behind_a_time_are_read(tmp_path):
    text = series_of("ph", ["1"]).replace("00:00;", "00:00 CEST;")
    assert f"{read(tmp_path, text).observations.collect()['time'][0]:%d %H:%M}" == "17 22:00"


def said(folder: Path, text: str, written: str = "utf-8", **options: object) -> str:
    path = folder / "lake.csv"
    path.write_text(text, written, newline="")
    return "\n".join(recognise(path, TableOptions(**options)).said)


def test_central_european_names_read_as_western_ones_are_shown_in_both_encodings(tmp_path):
    text = "time;Průtok [m3/s]\n2021-06-18;1\n2021-06-19;2\n"
    assert "Prùtok [m3/s] are Průtok [m3/s]" in said(tmp_path, text, "cp1250")
    assert "Central" not in said(tmp_path, text, "cp1250", encoding="cp1250")
    assert "Central" not in said(tmp_path, text.replace("Průtok", "Güte für ß°"), "cp1252")


def test_local_standard_time_of_a_kind_of_file_is_said_until_a_zone_is_given(tmp_path):
    text = SPECIMENS["fluxnet"].text
    assert "local standard time" in said(tmp_path, text)
    assert "local standard time" not in said(tmp_path, text, time_zone="Etc/GMT+6")


def test_a_decimal_comma_between_commas_is_refused_it_was_the_next_column(tmp_path):
    text = SPECIMENS["ibutton"].text.replace("20.", "20,")
    assert "decimal comma stands between commas" in refusal(tmp_path, text)


def test_flags_of_ocean_data_view_are_proposed_with_the_codes_that_mean_good(tmp_path):
    text = SPECIMENS["odv"].text.replace("300.5\t1", "999.9\t4")
    assert "--flags 'QV:*=1,2'" in said(tmp_path, text)
    assert values(read(tmp_path, text, flags=("QV:*=1,2",)), "Oxygen [umol/l]") == [300.25]


@pytest.mark.parametrize("name", ["Integration_time (ms)", "Time to peak (min)", "Peak time", "travel_time"])
def test_a_length_of_time_beside_a_date_is_a_series_it_was_taken_for_the_time_of_day(tmp_path, name):
    rows = "".join(f"2021-06-{day:02d},{(100, 200, 545)[day % 3]},{day}\n" for day in range(1, 31))
    table = read(tmp_path, f"Date,{name},Signal\n{rows}")
    assert values(table, name)[:3] == [200.0, 545.0, 100.0]
    assert values(table, "Signal") == list(range(1, 31))


def test_digits_of_a_clock_behind_a_date_are_read_whatever_the_order_they_were_no_time(tmp_path):
    rows = "".join(f"2021-06-{day:02d},{(815, 830, 945)[day % 3]},{day}\n" for day in range(1, 31))
    times = read(tmp_path, f"Date,Time,Temp\n{rows}").observations.collect()["time"]
    assert str(times[0]) == "2021-06-01 08:30:00+00:00"
    assert times.len() == 30


def test_digits_of_a_clock_beside_a_day_of_the_year_are_its_time_of_day_three_in_four_were_duplicates(tmp_path):
    rows = "".join(f"2021,{1 + n // 4},{(0, 30, 600, 1330)[n % 4]},{n}\n" for n in range(40))
    assert values(read(tmp_path, f"Year,DOY,Time,Temp\n{rows}"), "Temp") == list(range(40))


def test_years_with_four_decimals_keep_their_hours_those_that_end_in_0_were_put_at_noon(tmp_path):
    rows = "".join(f"{2003 + hour / 8760:.4f},{hour * 7 % 24}\n" for hour in range(500))
    times = read(tmp_path, f"decimal_year,Temp\n{rows}").observations.collect()["time"].dt.timestamp("us").to_numpy()
    wrong = abs(times - times[0] - [hour * 3_600_000_000 for hour in range(500)])
    assert times.size == 500
    assert wrong.max() <= 53 * 60_000_000, "two cells of four decimals are 53 minutes apart"


def test_a_row_of_units_below_an_index_without_a_name_is_one_of_units_they_were_the_names(tmp_path):
    rows = "".join(f"{time},{n},{n}\n" for n, time in enumerate(HOURS))
    found = read(tmp_path, f",Temp,Sal\nUTC,degC,PSU\n{rows}").observations.collect()["series"].unique()
    assert sorted(found) == ["Sal", "Temp"]


def test_a_date_called_dec_date_is_a_date_it_was_to_be_a_year_with_a_fraction(tmp_path):
    rows = "".join(f"2021-06-{day:02d},{day}\n" for day in range(1, 31))
    assert values(read(tmp_path, f"dec_date,Temp\n{rows}"), "Temp") == list(range(1, 31))


def test_counts_called_nr_are_watched_they_were_left_out_as_numbers_of_rows(tmp_path):
    rows = "".join(f"2021-06-{day:02d},{(7, 3, 9)[day % 3]},{day}\n" for day in range(1, 31))
    assert values(read(tmp_path, f"Date,Nr,Temp\n{rows}"), "Nr")[:3] == [3.0, 9.0, 7.0]


@pytest.mark.parametrize(("scheme", "known"), [("QV", True), ("QV:SEADATANET", True), ("QV:ODV:SAMPLE", False)])
def test_codes_of_seadatanet_are_not_proposed_for_flags_of_ocean_data_view_by_which_1_is_unknown(
    tmp_path, scheme, known
):
    text = SPECIMENS["odv"].text.replace("QV:SEADATANET", scheme)
    assert ("good by the documentation" in said(tmp_path, text)) is known
    assert read(tmp_path, text).shape.values == ("Oxygen [umol/l]", "Salinity [psu]")


CASTS = [f"2021-06-{1 + n // 3:02d}T00:00\t{(5, 10, 20)[n % 3]}\t{n}" for n in range(60)]


def test_a_time_series_of_seadatanet_has_its_times_in_a_column_of_their_own_all_rows_but_one_were_refused(tmp_path):
    head = "Cruise\tStation\tType\tyyyy-mm-ddThh:mm:ss.sss\ttime_ISO8601 [UT]\tQV\tOxygen [umol/l]\tQV\n"
    rows = [f"2021-06-18T{n:02d}:00:00.000\t1\t{300 + n}\t1\n" for n in range(20)]
    table = read(tmp_path, head + "C1\tS1\t*\t2021-06-18T00:00:00.000\t" + "\t\t\t\t".join(rows))
    assert table.refusal is None
    assert values(table, "Oxygen [umol/l]") == [300 + n for n in range(20)]


def test_stations_of_one_time_are_asked_about_in_a_spreadsheet_of_ocean_data_view(tmp_path):
    head = "Cruise\tStation\tType\tyyyy-mm-ddThh:mm:ss.sss\tOxygen [umol/l]\tQV\n"
    rows = "".join(f"C1\tS{n % 2}\t*\t2021-06-{1 + n // 2:02d}T00:00\t{n}\t1\n" for n in range(20))
    assert "--by Station" in refusal(tmp_path, head + rows)


def test_depths_of_a_cast_with_their_unit_are_asked_about_the_last_one_won_and_depth_was_a_series(tmp_path):
    plain = "time\tDepth [m]\tOxygen\n" + "".join(f"{row}\n" for row in CASTS)
    odv = "Cruise\tStation\tType\tyyyy-mm-ddThh:mm:ss.sss\tDepth [m]\tQV\tOxygen\tQV\n" + "".join(
        f"C1\tS1\t*\t{row[:16]}\t{row[17:].replace(chr(9), f'{chr(9)}1{chr(9)}')}\t1\n" for row in CASTS
    )
    for text in (plain, odv):
        assert "--by 'Depth [m]'" in refusal(tmp_path, text)
        assert values(read(tmp_path, text, by=("Depth [m]",)), "10/Oxygen")[:2] == [1, 4]


def dated(names: str, rows: Iterable[str]) -> str:
    return f"date,{names}\n" + "".join(f"{date(2021, 1, 1) + timedelta(n)},{row}\n" for n, row in enumerate(rows))


def test_two_units_in_two_columns_are_asked_about_one_in_the_column_of_the_other_was_taken_below_the_head(tmp_path):
    rows = [f"{10 + n % 7} mg/L,{20 + n % 5} µg/L" for n in range(1500)]
    text = dated("a,b", [*rows, "10400 µg/L,21 µg/L"])
    assert "--trailing mg/L --trailing 'µg/L'" in refusal(tmp_path, text)
    alone = dated("a", [*(row.split(",")[0] for row in rows), "10400 µg/L"])
    assert "--trailing" not in refusal(tmp_path, alone)  # the unit of one cell is none to take off


def test_a_column_that_begins_with_a_bare_number_is_asked_about_its_units_too(tmp_path):
    units = ["1", *("2 mg/L", "300 µg/L") * 20]
    said = refusal(tmp_path, dated("a,c", (f"{n} mg/L,{cell}" for n, cell in enumerate(units))))
    assert "'c' end in 'mg/L', 'µg/L'" in said
    bare = dated("c", ["1", "2 mg/L", "3 mg/L"])
    assert "--trailing mg/L" in refusal(tmp_path, bare)
    assert values(read(tmp_path, bare, trailing=("mg/L",)), "c") == [1, 2, 3]


def test_a_label_that_is_a_number_with_a_unit_is_no_series_two_thirds_of_the_values_were_duplicates(tmp_path):
    rows = [f"2021-01-{1 + n // 3:02d},{(10, 20, 50)[n % 3]} mg/L,{n}\n" for n in range(60)]
    text = f"Date,Treatment,Growth\n{''.join(rows)}"
    said = refusal(tmp_path, text)
    assert "--by Treatment" in said
    assert "--trailing mg/L" in said
    assert values(read(tmp_path, text, by=("Treatment",)), "20 mg/L/Growth")[:2] == [1, 4]


def test_units_of_a_long_table_are_asked_about_by_series_they_need_not_be_converted(tmp_path):
    rows = [f"2021-01-01T{n:02d}:00,{name},{n}{unit}\n" for n in range(12) for name, unit in (("T", "°C"), ("RH", "%"))]
    text = f"time,variable,value\n{''.join(rows)}"
    said = refusal(tmp_path, text)
    assert "'°C' of 'T', '%' of 'RH'" in said
    assert "--trailing '°C' --trailing %" in said
    assert values(read(tmp_path, text, trailing=("°C", "%")), "RH")[:2] == [0, 1]
    assert "'T' end in '°C', '%'" in refusal(tmp_path, text.replace("T,3°C", "T,3%"))


@pytest.mark.parametrize("order", [1, -1])
def test_a_clock_of_12_hours_without_am_and_pm_is_refused_half_of_the_values_were_duplicates(tmp_path, order):
    hours = [f"06/{18 + n // 48}/2021 {(n // 2 + 11) % 12 + 1}:{n % 2 * 30:02d},{n % 7}\n" for n in range(100)]
    assert "AM and PM are missing" in refusal(tmp_path, f"time,ph\n{''.join(hours[::order])}")
    mornings = [f"2021-06-{18 + n // 12} {n % 12 + 1:02d}:00,{n % 7}\n" for n in range(120)]
    table = read(tmp_path, f"time,ph\n{''.join([*mornings, *mornings[:40]])}")  # a part of a file behind itself
    assert table.refusal is None
