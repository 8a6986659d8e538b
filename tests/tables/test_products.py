"""Files in the manner of public data products and loggers that were read wrongly, or refused with a wrong advice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from sentinel.analysis.intake import read_files
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions
from sentinel.tables.recognising import recognise
from tests.tables.test_misread import HOURS, read, refusal, values

DAYS = [(date(2021, 1, 1) + timedelta(days=n)).isoformat() for n in range(30)]


def first_times(found, count: int = 2) -> list[str]:
    times = found.observations.collect().sort("time")["time"].unique(maintain_order=True).head(count)
    return [f"{time:%Y-%m-%d %H:%M}" for time in times]


@pytest.mark.parametrize(("place", "cell"), [("LATITUDE,", "40.77,"), ("", "")])
def test_a_value_and_its_quality_in_one_cell_are_no_decimal_comma_tenths_became_whole_degrees(tmp_path, place, cell):
    digits = "{:+05d}" if not place else "{:d}"
    rows = "".join(f'{hour},{cell}"{digits.format(101 + 3 * n)},5"\n' for n, hour in enumerate(HOURS))
    said = refusal(tmp_path, f"DATE,{place}TMP\n{rows}")
    assert "between two values" in said
    assert values(read(tmp_path, f"DATE,{place}TMP\n{rows}", decimal=","), "TMP")[0] == 101.5, "what is given wins"
    other = f"DATE,{place}TMP,wind\n" + rows.replace("\n", ",2.5\n")
    assert values(read(tmp_path, other, columns=("wind",)), "wind") == [2.5] * 24
    assert values(read(tmp_path, other, exclude=("TMP",)), "wind") == [2.5] * 24


@pytest.mark.parametrize("rows", [['"12,5"', '"7,25"'], ['"0,5"', '"10,2"'], ['"17,74"', '"18,36"']])
def test_a_decimal_comma_between_commas_is_still_one(tmp_path, rows):
    text = "time,flow\n" + "".join(f"{HOURS[n]},{cell}\n" for n, cell in enumerate(rows))
    assert values(read(tmp_path, text), "flow") == [float(cell.strip('"').replace(",", ".")) for cell in rows]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("entity_id", "sensor.air", "sensor.lake"), ("host", "a", "b"), ("species", "Pica pica", "Parus major"),
     ("Device ID", "17", "18"), ("taxon_name", "x", "y")],
)  # fmt: skip
def test_devices_and_species_that_take_turns_are_asked_about_they_were_one_series(tmp_path, name, first, second):
    rows = [f"{hour},{(first, second)[n % 2]},{20 + 80 * (n % 2)}\n" for n, hour in enumerate(HOURS)]
    text = f"time,{name},value\n" + "".join(rows)
    (tmp_path / "lake.csv").write_text(text)
    with pytest.raises(DataError, match=f"--by '?{name}"):
        read_files([tmp_path / "lake.csv"], TableOptions())
    assert values(read(tmp_path, text, by=(name,)), f"{first}/value") == [20] * 12


def test_numbers_of_a_column_called_species_are_a_series(tmp_path):
    text = "time,species\n" + "".join(f"{hour},{3 + n % 4}\n" for n, hour in enumerate(HOURS))
    assert values(read(tmp_path, text), "species")[:3] == [3, 4, 5]


@pytest.mark.parametrize(
    ("names", "by"), [("pres", "pres"), ("lat,lon", "lat"), ("verticalPosition", "vert"), ("z", "z")]
)
def test_positions_tell_rows_apart_where_each_time_repeats_all_but_the_first_were_lost(tmp_path, names, by):
    more = ",3" * names.count(",")
    rows = "".join(
        f"{hour},{depth}{more},{20 - depth + n / 7:.3f}\n" for n, hour in enumerate(HOURS) for depth in (5, 10)
    )
    assert f"--by {by}" in refusal(tmp_path, f"time,{names},temp\n{rows}")


def test_a_pressure_that_differs_in_a_single_repeated_hour_tells_no_series_apart(tmp_path):
    rows = [f"{hour},{1000 + n % 9},{n}.5\n" for n, hour in enumerate([*HOURS[:5], HOURS[4], *HOURS[5:]])]
    assert len(values(read(tmp_path, "time,pressure,temp\n" + "".join(rows)), "temp")) == 25


@pytest.mark.parametrize(
    "name", ["Year BC", "Year BCE", "Time (Ma)", "time_Myr", "Years ago", "Years before present", "yb2k"]
)
def test_years_before_christ_and_millions_of_years_run_backward_they_ran_forward(tmp_path, name):
    rows = "".join(f"{100 + 10 * n},{n}\n" for n in range(30))
    assert values(read(tmp_path, f"{name},d18O\n{rows}"), "d18O")[0] == 29, "the oldest is the first"


@pytest.mark.parametrize(("name", "first"), [("Year BCE", -1000), ("Year (BC/AD)", -1000), ("Year BC/AD", 100)])
def test_years_of_the_common_era_run_forward_also_with_a_minus_sign(tmp_path, name, first):
    rows = "".join(f"{first + 10 * n},{n}\n" for n in range(30))
    assert values(read(tmp_path, f"{name},d18O\n{rows}"), "d18O")[0] == 0


def test_thousands_of_years_in_the_row_of_units_run_backward_they_ran_forward(tmp_path):
    rows = "".join(f"  {n}  {n}.5\n" for n in range(30))
    assert values(read(tmp_path, f"  Time  d18O\n  (ka)  (per_mil)\n{rows}"), "d18O")[0] == 29.5


@pytest.mark.parametrize(("unit", "hour"), [("(America/New_York)", "05:00"), ("EST", "05:00"), ("UTC-7", "07:00")])
def test_the_zone_in_the_row_of_units_is_taken_times_were_read_in_utc(tmp_path, unit, hour):
    rows = "".join(f"{day} 00:00,{n}\n" for n, day in enumerate(DAYS))
    assert first_times(read(tmp_path, f"Timestamp,T\n{unit},C\n{rows}"), 1) == [f"2021-01-01 {hour}"]


@pytest.mark.parametrize(
    ("own", "others"),
    [
        ("sample_date", "date_analyzed"),
        ("collected_date", "Date Analysed"),
        ("Collection Date", "Analysis Date"),
        ("startDateTime", "publicationDate"),
    ],
)
def test_the_date_of_an_analysis_is_not_when_a_sample_was_taken(tmp_path, own, others):
    rows = list(zip(DAYS[:20], DAYS[10:], range(20), strict=True))
    text = f"{own},{others},TP\n" + "".join(f"{day},{later},{n}\n" for day, later, n in rows)
    assert first_times(read(tmp_path, text), 1) == ["2021-01-01 00:00"]
    if others != "publicationDate":
        text = f"{others},{own},TP\n" + "".join(f"{later},{day},{n}\n" for day, later, n in rows)
        assert first_times(read(tmp_path, text), 1) == ["2021-01-01 00:00"]


def test_weeks_that_look_like_months_are_asked_about_those_up_to_12_were_months(tmp_path):
    text = "year_week,n\n" + "".join(f"2020-{n + 1:02d},{n}\n" for n in range(12))
    assert "--time-format %G-%V" in refusal(tmp_path, text)
    assert first_times(read(tmp_path, text, time_format="%G-%V", time_column="year_week")) == [
        "2019-12-30 00:00", "2020-01-06 00:00",
    ]  # fmt: skip


def test_a_week_beside_its_year_is_asked_about_the_advice_kept_one_week_of_each_year(tmp_path):
    text = "REGION,YEAR,WEEK,ILI\n" + "".join(f"all,{2018 + n // 52},{n % 52 + 1},{n % 7}\n" for n in range(120))
    assert "--time-column YEAR --time-column WEEK --time-format '%G %V'" in refusal(tmp_path, text)
    found = read(tmp_path, text, time_column=("YEAR", "WEEK"), time_format="%G %V")
    assert first_times(found) == ["2018-01-01 00:00", "2018-01-08 00:00"]
    assert len(values(found, "ILI")) == 120


@pytest.mark.parametrize("hour", ["Hour Ending", "HourEnding", "OPR_HR", "hr_end"])
def test_the_hour_that_ends_belongs_to_its_date_23_of_24_values_were_duplicates(tmp_path, hour):
    rows = "".join(f"{day},{n},{n}.5\n" for day in ("03/14/2023", "03/15/2023") for n in range(1, 25))
    found = read(tmp_path, f"Date,{hour},MW\n{rows}")
    assert first_times(found) == ["2023-03-14 01:00", "2023-03-14 02:00"]
    assert len(values(found, "MW")) == 48


@pytest.mark.parametrize(
    ("names", "row"),
    [
        ("Year,m,d,Time,Time zone", "2023,3,14,{}:00,UTC"), ("Data,Hora", "14/03/2023,{}:00"),
        ("Datum,Tid", "2023-03-14,{}:00"), ("Data,Czas", "14.03.2023,{}:00"), ("Data,Ora", "14/03/2023,{}:00:00"),
        ("Vuosi,Kuukausi,P\u00e4iv\u00e4,Aika [UTC]", "2023,3,14,{}:00"),
    ],
)  # fmt: skip
def test_dates_and_times_of_day_in_other_languages_are_joined_the_advice_was_a_series_for_each(tmp_path, names, row):
    rows = "".join(f"{row.format(f'{n:02d}')},{n}.5\n" for n in range(24))
    assert first_times(read(tmp_path, f"{names},Temp\n{rows}")) == ["2023-03-14 00:00", "2023-03-14 01:00"]


@pytest.mark.parametrize("names", ["Jahr,Monat,Tag", "ann\u00e9e,mois,jour", "ano,mes,dia"])
def test_parts_of_a_date_in_other_languages_are_the_time(tmp_path, names):
    rows = "".join(f"2023,3,{n + 1},{n}.5\n" for n in range(24))
    assert first_times(read(tmp_path, f"{names},Temp\n{rows}")) == ["2023-03-01 00:00", "2023-03-02 00:00"]


def test_a_letter_beside_a_year_is_no_month_unless_the_day_is_there_too(tmp_path):
    text = "year,m,x\n" + "".join(f"{1990 + n},{n % 9 + 1},{n}\n" for n in range(30))
    assert values(read(tmp_path, text), "m")[:3] == [1, 2, 3]


@pytest.mark.parametrize(("clock", "first"), [("{}:05a", "00:05"), ("{}:05p", "12:05"), ("{}:05P", "12:05")])
def test_the_a_and_p_of_weather_stations_are_halves_of_a_day(tmp_path, clock, first):
    rows = "".join(f"3/14/23\t{clock.format(n or 12)}\t{n}.5\n" for n in range(12))
    assert first_times(read(tmp_path, f"Date\tTime\tOut\n{rows}"), 1) == [f"2023-03-14 {first}"]


def test_other_times_of_day_are_asked_about_as_such_the_advice_was_a_series_for_each(tmp_path):
    text = "Data;Ora;T\n" + "".join(f"14/03/2023;{n:02d}.05;{n},5\n" for n in range(24))
    said = refusal(tmp_path, text)
    assert "--time-column Data --time-column Ora" in said
    assert "--by" not in said
    found = read(tmp_path, text, time_column=("Data", "Ora"), time_format="%d/%m/%Y %H.%M")
    assert first_times(found, 1) == ["2023-03-14 00:05"]


def test_a_text_formula_of_a_spreadsheet_is_asked_about_with_the_form_that_reads_it(tmp_path):
    text = "date,x\n" + "".join(f'"=""{day}""",{n}\n' for n, day in enumerate(DAYS))
    assert """--time-format '="%Y-%m-%d"'""" in refusal(tmp_path, text)
    assert first_times(read(tmp_path, text, time_column="date", time_format='="%Y-%m-%d"'))[0] == "2021-01-01 00:00"


def test_a_date_without_a_time_of_day_has_no_offset_its_day_was_taken_for_one(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("time,x\n2021-03-14 23:00:00,1\n2021-03-15,2\n2021-03-15 01:00:00,3\n")
    assert not recognise(path, TableOptions()).said


def test_names_above_the_end_of_a_header_are_found(tmp_path):
    head = '#Search: x\n#"Time UTC (yyyy-mm-dd)", "Temperature (C)", "Temperature QC Flag  "\n## END HEADER\n'
    found = read(tmp_path, head + "".join(f"{day}T00:00:00.000Z, {n}, 1\n" for n, day in enumerate(DAYS)))
    assert found.shape.values == ("Temperature (C)",)


def test_a_column_of_zones_is_no_row_of_units_the_first_row_was_lost(tmp_path):
    rows = "".join(f"{hour},UTC,{n}\n" for n, hour in enumerate(HOURS))
    assert len(values(read(tmp_path, f"time,time_zone,x\n{rows}"), "x")) == 24


def test_flags_of_quality_control_are_no_series(tmp_path):
    rows = "".join(f"{hour},{n}.5,1,1\n" for n, hour in enumerate(HOURS))
    assert read(tmp_path, f"TIME,TEMP,TEMP_quality_control,finalQF\n{rows}").shape.values == ("TEMP",)


def test_unavailable_is_no_value(tmp_path):
    cells = ["unavailable" if n % 5 == 1 else str(n) for n in range(24)]
    text = "last_changed,state\n" + "".join(f"{hour},{cell}\n" for hour, cell in zip(HOURS, cells, strict=True))
    assert len(values(read(tmp_path, text), "state")) == 19


def test_a_depth_with_two_decimals_is_no_time_of_day(tmp_path):
    rows = "".join(f"{day},{depth},{n}\n" for n, day in enumerate(DAYS) for depth in ("10.25", "20.50"))
    assert "--by depth" in refusal(tmp_path, f"date,depth,T\n{rows}")


def test_two_sensors_of_one_quantity_in_a_long_table_were_one_series(tmp_path):
    rows = "".join(f"{hour}:{k},{sensor},T,{k}\n" for hour in HOURS for k, sensor in ((10, "a"), (20, "b")))
    assert values(read(tmp_path, f"time,sensor,parameter,value\n{rows}"), "a/T") == [10] * 24
    rows = "".join(f"{hour},{sensor},{name},1\n" for hour in HOURS for sensor, name in (("a", "T"), ("b", "pH")))
    assert len(values(read(tmp_path, f"time,sensor,parameter,value\n{rows}"), "pH")) == 24


@pytest.mark.parametrize(
    ("form", "step", "readings"),
    [("%Y%m", 31, ["%Y%m"]), ("%Y%j", 1, ["%Y%j"]), ("%y%m%d", 1, ["%y%m%d"]), ("%d%m%Y", 1, ["%d%m%Y"])],
)
def test_digits_of_dates_under_the_name_time_are_asked_about_they_were_steps_with_gaps(tmp_path, form, step, readings):
    days = [date(2021, 1, 15) + timedelta(days=step * n) for n in range(60)]
    text = "time,x\n" + "".join(f"{day:{form}},{n}\n" for n, day in enumerate(days))
    said = refusal(tmp_path, text)
    assert all(f"--time-format {one}" in said for one in readings)
    assert first_times(read(tmp_path, text, time_format=form), 1)[0][:7] == "2021-01"
    assert len(values(read(tmp_path, text, time_direction="forward"), "x")) >= 58


def test_days_with_a_fraction_in_digits_are_asked_about_they_were_steps_with_gaps(tmp_path):
    text = "time,x\n" + "".join(f"{day.replace('-', '')}.{half},{half}\n" for day in DAYS for half in (0, 5))
    assert "%Y%m%d" in refusal(tmp_path, text)


@pytest.mark.parametrize("first", [199001, 2021001, 100000])
def test_numbers_that_run_over_every_calendar_are_steps(tmp_path, first):
    text = "step,x\n" + "".join(f"{first + n},{n % 7}\n" for n in range(500))
    assert values(read(tmp_path, text), "x")[:3] == [0, 1, 2]


@pytest.mark.parametrize(("name", "first", "step"), [("age_kaBP", -22, 0.1), ("time (years BP)", -2000, 10)])
def test_ages_with_a_minus_sign_run_forward_they_were_turned_around(tmp_path, name, first, step):
    text = f"{name},x\n" + "".join(f"{first + step * n:.2f},{n}\n" for n in range(50))
    assert values(read(tmp_path, text), "x")[0] == 0, "the oldest is the first"


def test_ages_of_a_core_of_the_last_years_still_fall_towards_the_present(tmp_path):
    for last in (60, 200):
        text = "Age (cal BP),x\n" + "".join(f"{n - 70},{n * n % 7}\n" for n in range(last))
        assert values(read(tmp_path, text), "x") == [n * n % 7 for n in reversed(range(last))], "-70 is 2020"


def test_ages_of_both_signs_are_asked_about(tmp_path):
    text = "age,x\n" + "".join(f"{50 * n - 1000},{n}\n" for n in range(50))
    assert "--time-direction backward" in refusal(tmp_path, text)


@pytest.mark.parametrize("late", ["ingestion_time", "inserted_at"])
@pytest.mark.parametrize("own", ["event_time", "observed_at"])
def test_the_time_at_which_a_record_was_stored_is_not_when_it_was_measured(tmp_path, late, own):
    times = [datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(30)]
    stored = [time + timedelta(minutes=17 * (n % 3) + 5) for n, time in enumerate(times)]
    pl.DataFrame({late: stored, own: times, "x": range(30)}).write_parquet(tmp_path / "a.parquet")
    assert recognise(tmp_path / "a.parquet", TableOptions()).options.time_name == own


def test_a_time_of_day_of_its_own_type_is_joined_to_its_date(tmp_path):
    times = [datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(30)]
    table = {"date": [time.date() for time in times], "time": [time.time() for time in times], "x": range(30)}
    pl.DataFrame(table).write_parquet(tmp_path / "a.parquet")
    found = read_files([tmp_path / "a.parquet"], TableOptions()).observations.collect()
    assert found["time"].to_list() == times


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%m/%d/%Y", "%d-%b-%Y"])
@pytest.mark.parametrize("days_off", [0, 1])
def test_the_same_times_in_two_forms_are_one_time_they_were_two_tables(tmp_path, form, days_off):
    second = [f"{date.fromisoformat(day) + timedelta(days=days_off * (n > 20)):{form}}" for n, day in enumerate(DAYS)]
    text = "date,x,date2,y\n" + "".join(f"{DAYS[n]},{n % 7},{second[n]},{n % 5}\n" for n in range(30))
    if days_off:
        assert "two tables stand side by side" in refusal(tmp_path, text)
    else:
        assert values(read(tmp_path, text), "y")[:6] == [0, 1, 2, 3, 4, 0]


def test_nitric_oxide_is_no_number_of_rows(tmp_path):
    text = "time,No.,NO\n" + "".join(f"{hour},{n + 1},{n % 5}\n" for n, hour in enumerate(HOURS))
    assert read(tmp_path, text).shape.values == ("NO",)


@pytest.mark.parametrize(
    ("name", "clock"),
    [("Hour (PST)", "{:02d}00"), ("utctime", "{:02d}00"), ("UTC time", "{:d}"), ("<TIME>", "{:02d}0000")],
)
@pytest.mark.parametrize("station", ["FivePoints,", ""])
def test_hours_as_numbers_beside_a_date_are_asked_about_of_each_day_one_row_was_left(tmp_path, name, clock, station):
    rows = "".join(f"{DAYS[n // 24]},{station}{clock.format(n % 24)},{n % 7}.5\n" for n in range(96))
    said = refusal(tmp_path, f"Date,{'Stn Name,' * bool(station)}{name},air\n{rows}")
    assert f"'{name}' holds times of day" in said
    assert "--time-column Date --time-column" in said
    assert ("--by 'Stn Name'" in said) == bool(station)
    if station:
        with pytest.raises(DataError, match="holds times of day"):
            recognise(tmp_path / "lake.csv", TableOptions(by=("Stn Name",)))


def test_the_halves_of_a_day_are_no_series(tmp_path):
    times = [datetime(2021, 3, 14, tzinfo=UTC) + timedelta(hours=n) for n in range(96)]
    rows = "".join(f"{time:%m/%d/%Y},{time:%I:%M},{time:%p},{n % 7}.5\n" for n, time in enumerate(times))
    text = f"Date,Time,AM/PM,Temp\n{rows}"
    assert "--time-column Date --time-column Time --time-column AM/PM" in refusal(tmp_path, text)
    found = read(tmp_path, text, time_column=("Date", "Time", "AM/PM"))
    assert first_times(found) == ["2021-03-14 00:00", "2021-03-14 01:00"]


def test_times_of_travel_of_one_day_are_no_times_of_day(tmp_path):
    rows = "".join(f"{DAYS[n // 4]},{20 + n % 3},{n % 7}.5\n" for n in range(96))
    assert read(tmp_path, f"Date,travel time,air\n{rows}").shape.values == ("travel time", "air")


def test_a_table_of_influxdb_is_read_by_its_fields(tmp_path):
    # `result` is empty and was taken for the value; blocks of another kind begin with their own lines of names.
    names = ",result,table,_start,_time,_value,_field,_measurement\n"
    head = f"#group,false,false,true,false,false,true,true\n#default,_result,,,,,,\n{names}"
    blocks = [
        "".join(
            f",,{number},2021-06-18T00:00:00Z,{hour.replace(' ', 'T')}:00Z,{n}.5,{field},lake\n" for n, hour in times
        )
        for number, field in enumerate(("do", "temp"))
        for times in [list(enumerate(HOURS))]
    ]
    found = read(tmp_path, f"{head}{blocks[0]}\n{head}{blocks[1]}")
    assert values(found, "do") == values(found, "temp") == [n + 0.5 for n in range(24)]


def test_the_flags_of_neon_are_no_series(tmp_path):
    rows = "".join(f"{hour},{n}.5,{n % 3 == 1:d},{n % 5 == 1:d}\n" for n, hour in enumerate(HOURS))
    text = f"startDateTime,dissolvedOxygen,dissolvedOxygenRangeQF,dissolvedOxygenFinalQF\n{rows}"
    assert read(tmp_path, text).shape.values == ("dissolvedOxygen",)
    good = values(read(tmp_path, text, flags=("*FinalQF=0",)), "dissolvedOxygen")
    assert good == [n + 0.5 for n in range(24) if n % 5 != 1]
    assert "--flags '*FinalQF=0'" in " ".join(recognise(tmp_path / "lake.csv", TableOptions()).said)
