"""Tables as public archives write them: the column of the observations' times, what is a series, and what is not."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.recognising import Recognised, recognise

DAYS = [date(2021, 6, 1) + timedelta(days=n) for n in range(40)]


def read(path: Path, text: str, **options) -> tuple[dict[str, list[float]], Recognised]:
    path.write_text(text, encoding="utf-8")
    found = recognise(path, TableOptions(**options))
    table = parse(open_table(path, found.options), found.options, path.name, strict=True)
    rows = table.observations.collect().sort("series", "time")
    return {str(name): own["value"].to_list() for (name,), own in rows.group_by("series")}, found


def test_the_date_of_a_series_or_of_a_change_was_taken_for_that_of_the_observations(tmp_path):
    rows = "".join(f"2021-06-01,2021-07-01,{day},{n}.5\n" for n, day in enumerate(DAYS))
    found, told = read(tmp_path / "a.csv", "date_debut_serie,last_modified_date,date_obs,flow\n" + rows)
    assert told.options.time_column == "date_obs"
    assert len(found["flow"]) == len(DAYS)


@pytest.mark.parametrize("name", ["MESS_DATUM", "sampledate", "reference_timestamp", "TMSTAMP", "ActivityStartDate"])
def test_dates_of_digits_are_dates_where_a_part_of_the_name_says_so(tmp_path, name):
    rows = "".join(f"{day:%Y%m%d},{n}.5\n" for n, day in enumerate(DAYS))
    _, told = read(tmp_path / "a.csv", f"{name},ph\n{rows}")
    assert (told.options.time_column, told.options.time_format) == (name, "%Y%m%d")


def test_an_iso_time_comes_before_a_date_and_an_hour_of_digits(tmp_path):
    rows = "".join(f"{day:%Y%m%d},1200,{day}T12:00Z,{n}.5\n" for n, day in enumerate(DAYS))
    found, told = read(tmp_path / "a.csv", "Date,Time,ISO_DateTime_UTC,chl\n" + rows)
    assert told.options.time_column == "ISO_DateTime_UTC"
    assert set(found) == {"chl"}


def test_a_long_table_with_date_time_zone_parameter_and_site_in_columns(tmp_path):
    head = "ActivityStartDate,ActivityStartTime/Time,ActivityStartTime/TimeZoneCode,MonitoringLocationIdentifier,"
    head += "CharacteristicName,ResultMeasureValue\n"
    rows = "".join(f"{day},10:00:00,CDT,W-1,{name},{n}\n" for n, day in enumerate(DAYS) for name in ("Cl", "P"))
    found, told = read(tmp_path / "a.csv", head + rows)
    assert set(found) == {"W-1/Cl", "W-1/P"}
    options = told.options
    table = parse(open_table(tmp_path / "a.csv", options), options, "a.csv", strict=True)
    assert str(table.observations.collect()["time"].min()) == "2021-06-01 15:00:00+00:00"


def test_codes_of_parameters_are_names_of_series(tmp_path):
    rows = "".join(f"USGS-1,{code},{day},{n}\n" for n, day in enumerate(DAYS) for code in ("00060", "00010"))
    found, _ = read(tmp_path / "a.csv", "monitoring_location_id,parameter_code,time,value\n" + rows)
    assert set(found) == {"USGS-1/00060", "USGS-1/00010"}


def test_places_parts_of_a_time_and_identifiers_were_watched_as_series(tmp_path):
    names = "LATITUDE (degree_north),Longitude,Climate ID,Bureau of Meteorology station number,Year,PLATFORM"
    rows = "".join(f"{day},45.5,-71.2,615,86071,2021,61280,{n}.5\n" for n, day in enumerate(DAYS))
    found, told = read(tmp_path / "a.csv", f"Date,{names},Temp\n{rows}")
    assert set(found) == {"Temp"}
    assert any("no series by their names" in line and "Climate ID" in line for line in told.said)
    found, _ = read(tmp_path / "a.csv", f"Date,{names},Temp\n{rows}", columns=("Longitude", "Temp"))
    assert set(found) == {"Longitude", "Temp"}, "what is asked for is read"


def test_a_flag_of_a_name_without_its_unit_was_a_series(tmp_path):
    rows = "".join(f"{day},{n}.5,{1 if n else 4}\n" for n, day in enumerate(DAYS))
    text = f"Date,TEMP LEVEL0 (degree_C),TEMP LEVEL0 QC\n{rows}"
    found, told = read(tmp_path / "a.csv", text)
    assert set(found) == {"TEMP LEVEL0 (degree_C)"}
    assert any("--flags '* QC=CODE,CODE'" in line for line in told.said)
    used, _ = read(tmp_path / "a.csv", text, flags=("* QC=1",))
    assert used["TEMP LEVEL0 (degree_C)"] == found["TEMP LEVEL0 (degree_C)"][1:]


def test_a_quality_code_of_all_values_was_a_series(tmp_path):
    rows = "".join(f"{day},{n}.5,{10 if n else 140}\n" for n, day in enumerate(DAYS))
    found, told = read(tmp_path / "a.csv", f"Timestamp,Value,Quality Code\n{rows}")
    assert set(found) == {"Value"}
    assert any("--flags 'Quality Code=CODE,CODE'" in line for line in told.said)
    used, _ = read(tmp_path / "a.csv", f"Timestamp,Value,Quality Code\n{rows}", flags=("Quality Code=10",))
    assert len(used["Value"]) == len(DAYS) - 1


def test_profiles_say_which_columns_tell_their_rows_apart(tmp_path):
    rows = "".join(
        f"{lake},{day},{d},1,{n % 7}.5\n" for lake in ("AL", "BM") for n, day in enumerate(DAYS) for d in (0, 2)
    )
    with pytest.raises(DataError, match=r"'lakeid' and 'depth' tell the rows apart.*--by lakeid --by depth"):
        read(tmp_path / "a.csv", f"lakeid,sampledate,depth,rep,wtemp\n{rows}")
    found, _ = read(tmp_path / "a.csv", f"lakeid,sampledate,depth,rep,wtemp\n{rows}", by=("lakeid", "depth"))
    assert len(found["BM/2/wtemp"]) == len(DAYS)


def test_depths_in_a_column_of_numbers_were_mixed_into_one_series(tmp_path):
    rows = "".join(f"{day},{d},{n}.5\n" for n, day in enumerate(DAYS) for d in (0, 2.5))
    with pytest.raises(DataError, match=r"times repeat and 'depth' tells the rows apart.*--by depth"):
        read(tmp_path / "a.csv", f"date,depth,wtemp\n{rows}")


def test_values_of_one_series_in_two_units_were_mixed(tmp_path):
    rows = "".join(f"{day},P,{n}.5,{'mg/l' if n % 9 else 'ug/l'}\n" for n, day in enumerate(DAYS))
    text = f"date,parameter,value,unit\n{rows}"
    with pytest.raises(DataError, match=r"series 'P' has values in several units.*ug/l x5, mg/l x35.*--by unit"):
        read(tmp_path / "a.csv", text)
    found, _ = read(tmp_path / "a.csv", text, series_column="parameter", by=("unit",))
    assert {name: len(values) for name, values in found.items()} == {"mg/l/P": 35, "ug/l/P": 5}
