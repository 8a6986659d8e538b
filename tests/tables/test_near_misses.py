"""Files whose names or numbers are near those of a kind that is recognised, and are no such."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sentinel.analysis.intake import read_files
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions
from sentinel.tables.recognising import recognise
from tests.tables.test_misread import HOURS, read, refusal, values
from tests.tables.test_products import DAYS, first_times


@pytest.mark.parametrize(
    ("zone", "hour"),
    [("Etc/GMT+5", "05:00"), ("America/Argentina/Salta", "03:00"), ("America/Port-au-Prince", "05:00")],
)
def test_the_name_of_a_zone_is_read_whole_west_was_east(tmp_path, zone, hour):
    rows = "".join(f"{day} 00:00,{n}\n" for n, day in enumerate(DAYS))
    for name in ("Time", "Date/Time"):
        assert first_times(read(tmp_path, f"{name} ({zone}),T\n{rows}"), 1) == [f"2021-01-01 {hour}"]


@pytest.mark.parametrize("name", ["Time (America/Argentina)", "DATE/TIME"])
def test_a_folder_of_zones_is_no_zone_the_program_stopped(tmp_path, name):
    rows = "".join(f"{day} 00:00,{n}\n" for n, day in enumerate(DAYS))
    assert first_times(read(tmp_path, f"{name},T\n{rows}"), 1) == ["2021-01-01 00:00"]


@pytest.mark.parametrize("zone", ["Etc/UTC", "Africa/Nairobi"])
def test_clocks_that_never_change_are_not_said_to_change(tmp_path, zone):
    path = tmp_path / "a.csv"
    path.write_text(f"Time ({zone}),T\n" + "".join(f"{day} 00:00,{n}\n" for n, day in enumerate(DAYS)))
    assert not any("change" in line for line in recognise(path, TableOptions()).said)


@pytest.mark.parametrize(("names", "cells"), [("year,m,d", "7.5,11.5"), ("year,m,d", "3,7.5"), ("Year,M,D", "13,40")])
def test_a_mass_and_a_diameter_beside_a_year_are_no_month_and_day_the_file_was_refused(tmp_path, names, cells):
    text = f"{names},x\n" + "".join(f"{1990 + n},{cells},{n}\n" for n in range(30))
    found = read(tmp_path, text)
    assert found.axis == "number"
    assert found.shape.values == (*names.split(",")[1:], "x")


@pytest.mark.parametrize("names", ["Jahr,Mon,Tag", "Jahr,Monat,Tag"])
def test_a_day_beside_an_abbreviated_month_is_a_day_all_of_a_month_were_one_time(tmp_path, names):
    rows = "".join(f"2023,3,{n + 1},{n}.5\n" for n in range(24))
    assert first_times(read(tmp_path, f"{names},Temp\n{rows}")) == ["2023-03-01 00:00", "2023-03-02 00:00"]


@pytest.mark.parametrize("names", ["Tag,Uhrzeit", "Jour,Heure", "Dia,Hora", "day,ora"])
@pytest.mark.parametrize("day", ["2023-03-14", "14.03.2023", "14/03/2023"])
def test_a_whole_date_called_day_beside_a_time_of_day_is_no_day_of_a_month_it_was_refused(tmp_path, names, day):
    rows = "".join(f"{day},{n:02d}:00,{n}.5\n" for n in range(24))
    assert first_times(read(tmp_path, f"{names},Temp\n{rows}")) == ["2023-03-14 00:00", "2023-03-14 01:00"]


def test_hours_and_minutes_as_digits_under_the_name_heure_are_no_hours_the_file_was_refused(tmp_path):
    rows = "".join(f"2023-03-14,{100 * n + 30},{n}.5\n" for n in range(24))
    assert first_times(read(tmp_path, f"Date,Heure,Temp\n{rows}")) == ["2023-03-14 00:30", "2023-03-14 01:30"]


def test_kilowatts_beside_a_year_are_no_weeks(tmp_path):
    text = "Year,kW,x\n" + "".join(f"{1990 + n // 2},{n}.25,{n}\n" for n in range(30))
    assert read(tmp_path, text).shape.values == ("kW", "x")


def test_a_week_that_was_measured_at_several_sites_is_read_with_by_it_was_refused_all_the_same(tmp_path):
    rows = [f"{1990 + n},{site},{10 + n % 9},{n}\n" for n in range(30) for site in "ab"]
    text = "year,site,week,x\n" + "".join(rows)
    assert "--by" in refusal(tmp_path, text)
    assert values(read(tmp_path, text, by=("site",)), "a/week")[:3] == [10, 11, 12]


def test_a_month_under_a_name_with_week_in_it_is_a_month(tmp_path):
    text = "weekly_month,x\n" + "".join(f"{2018 + n // 12}-{n % 12 + 1:02d},{n}\n" for n in range(48))
    assert first_times(read(tmp_path, text)) == ["2018-01-01 00:00", "2018-02-01 00:00"]


@pytest.mark.parametrize("first", [1_000_001, 101_001])
def test_numbers_that_would_be_dates_of_no_measurement_are_steps(tmp_path, first):
    text = "time,x\n" + "".join(f"{first + n},{n}\n" for n in range(12))
    if first == 1_000_001:
        assert values(read(tmp_path, text), "x") == list(range(12))
    else:
        assert "1010-" not in refusal(tmp_path, text)


@pytest.mark.parametrize("name", ["Time (hours before event)", "time before failure", "Years ago"])
def test_times_before_an_event_with_a_minus_sign_run_forward_they_were_turned_around(tmp_path, name):
    text = f"{name},x\n" + "".join(f"{n - 50},{n}\n" for n in range(50))
    assert values(read(tmp_path, text), "x") == list(range(50))


def test_a_text_of_which_the_first_cell_alone_looks_like_a_time_of_day_is_none(tmp_path):
    rows = "".join(f"{day},{lab},{n}\n" for n, day in enumerate(DAYS) for lab in ("12h30", "site"))
    assert "times of day" not in refusal(tmp_path, f"date,lab,T\n{rows}")
    rows = "".join(f"{day},{dilution},{n}\n" for n, day in enumerate(DAYS) for dilution in ("1:10", "1:20"))
    assert "if it names series: --by dilution" in refusal(tmp_path, f"date,dilution,T\n{rows}")
    rows = "".join(f"{day},{clock},{n}\n" for n, day in enumerate(DAYS) for clock in ("9h05", "NA", "10h05"))
    assert "times of day (9h05)" in refusal(tmp_path, f"date,Ora,T\n{rows}"), "one is missing"


@pytest.mark.parametrize("names", ["x,y,z", "pressure,T,S"])
def test_accelerations_and_a_pressure_of_the_air_are_no_positions_the_file_was_refused(tmp_path, names):
    rows = [
        f"{hour},{n * 7 % 23}.5,{n * 5 % 23}.5,{(n + k) * 3 % 23}.5\n" for n, hour in enumerate(HOURS) for k in (0, 1)
    ]
    found = read(tmp_path, f"time,{names}\n" + "".join(rows))
    assert found.refusal is None
    assert found.shape.values == tuple(names.split(","))


def test_a_sensor_for_each_quantity_of_a_long_table_in_blocks_is_no_second_series_it_was_refused(tmp_path):
    times = [f"{datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=n):%Y-%m-%d %H:%M}" for n in range(1200)]
    path, head = tmp_path / "a.csv", "time,parameter,sensor,value\n"
    path.write_text(head + "".join(f"{time},{name},{own},1\n" for name, own in ("Ta", "Pb") for time in times))
    assert read_files([path], TableOptions()).observations.collect()["series"].unique().sort().to_list() == ["P", "T"]
    path.write_text(head + "".join(f"{time},T,{own},1\n" for own in "ab" for time in times))
    with pytest.raises(DataError, match="--by sensor"):
        read_files([path], TableOptions())


@pytest.mark.parametrize("name", ["station", "species"])
def test_what_is_unknown_is_none_of_the_others_they_were_one_series(tmp_path, name):
    path = tmp_path / "a.csv"
    path.write_text(
        f"time,{name},T\n" + "".join(f"{hour},{('a', 'unknown')[n % 2]},{n}\n" for n, hour in enumerate(HOURS))
    )
    with pytest.raises(DataError, match=f"--by {name}"):
        read_files([path], TableOptions())


@pytest.mark.parametrize("name", ["AAAAMMJJHHMN", "AAAAMMJJHHMM"])
def test_rain_of_six_minutes_of_meteo_france_is_read_it_was_refused(tmp_path, name):
    rows = "".join(f"01;X;45.9;5.3;250;20210618{n:02d}06;{n}.5;1\n" for n in range(24))
    found = read(tmp_path, f"NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;{name};RR;QRR\n{rows}")
    assert first_times(found) == ["2021-06-18 00:06", "2021-06-18 01:06"]
    assert len(values(found, "01/RR")) == 24


def test_columns_of_a_long_table_leave_its_decimal_commas_to_be_found(tmp_path):
    text = "time;series;value\n" + "".join(f"{hour};{name};{n},5\n" for n, hour in enumerate(HOURS) for name in "TP")
    assert values(read(tmp_path, text, columns=("T",)), "T")[:2] == [0.5, 1.5]


@pytest.mark.parametrize("name", ["heure", "hour"])
def test_the_hour_of_the_highest_value_of_each_day_and_station_is_a_value_with_by_it_was_a_time(tmp_path, name):
    text = f"date,station,{name},y\n" + "".join(
        f"{day},{one},{n % 5 + 12},1\n" for n, day in enumerate(DAYS) for one in "ab"
    )
    assert first_times(read(tmp_path, text, by=("station",))) == ["2021-01-01 00:00", "2021-01-02 00:00"]
    text = f"date,station,{name},y\n" + "".join(f"{DAYS[0]},{one},{n},1\n" for n in range(24) for one in "ab")
    assert first_times(read(tmp_path, text, by=("station",)))[1] == "2021-01-01 01:00"


def test_a_sensor_that_is_given_as_a_flag_is_no_site_the_file_was_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,sensor,T\n" + "".join(f"{hour},{('ok', 'bad')[n % 2]},{n}\n" for n, hour in enumerate(HOURS)))
    assert read_files([path], TableOptions(flags=("sensor=ok",))).observations.collect()["value"].len() == 12


@pytest.mark.parametrize(("names", "first"), [("year,week,x", "2021"), ("date,hour,x", "2021-01-01")])
def test_a_misspelt_name_of_sites_is_named_where_hours_and_weeks_are_looked_for(tmp_path, names, first):
    (tmp_path / "a.csv").write_text(f"{names}\n" + "".join(f"{first},{n},1\n" for n in range(20)))
    with pytest.raises(DataError, match="sites"):
        read_files([tmp_path / "a.csv"], TableOptions(by=("sites",)))


@pytest.mark.parametrize("name", ["patient_number", "animal no", "host number", "node num"])
def test_a_number_of_patients_or_of_animals_is_a_count_the_file_was_refused(tmp_path, name):
    (tmp_path / "a.csv").write_text(
        f"time,{name},T\n" + "".join(f"{hour},{n % 7},{n}\n" for n, hour in enumerate(HOURS))
    )
    found = read_files([tmp_path / "a.csv"], TableOptions()).observations.collect()
    assert set(found["series"]) == {name, "T"}


def test_the_column_that_is_proposed_is_the_one_that_is_named(tmp_path):
    rows = "".join(f"{day},all,{'abc'[n % 3]},{n}\n" for n in range(3) for day in DAYS[:5] for _ in (0, 1))
    said = refusal(tmp_path, f"date,region_note,lab,T\n{rows}")
    assert "column 'lab' holds text" in said
    assert "--by lab" in said
