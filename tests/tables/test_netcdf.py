"""NetCDF files are read by the same door as all tables: times by CF, one series for each place, flags, units."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sentinel
from sentinel.commands.main import entry_point
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.recognising import recognise
from sentinel.tables.units import find_units
from tests.laws import examples
from tests.sources.following import csv_source, follow, rows

nc = pytest.importorskip("netCDF4")


def write(path: Path, dims: dict[str, int | None], variables: dict[str, tuple], fmt: str = "NETCDF4") -> Path:
    """Write a file: each variable is dimensions, values and attributes."""
    with nc.Dataset(path, "w", format=fmt) as file:
        for name, size in dims.items():
            file.createDimension(name, size)
        for name, (along, values, attributes) in variables.items():
            values = np.ma.asarray(values)
            fill = attributes.get("_FillValue")
            made = file.createVariable(name, values.dtype if values.dtype.kind != "U" else str, along, fill_value=fill)
            made.set_auto_maskandscale(False)
            made.setncatts({key: value for key, value in attributes.items() if key != "_FillValue"})
            made[:] = values.data if values.dtype.kind != "U" else values.data.astype(object)
    return path


def series(path: Path, **options: Any) -> pl.DataFrame:
    found = recognise(path, TableOptions(**options)).options
    table = parse(open_table(path, found), found, path.name, strict=True)
    return table.observations.collect().sort("series", "time")


def times_of(path: Path, **options: Any) -> list[str]:
    return [f"{time:%Y-%m-%d %H:%M}" for time in series(path, **options)["time"]]


def sst(path: Path, numbers: list[float], units: str, fmt: str = "NETCDF4", **attributes: str) -> Path:
    time = (("time",), np.array(numbers, np.float64), {"units": units, **attributes})
    values = (("time",), np.arange(len(numbers), dtype=np.float64), {"units": "K"})
    return write(path, {"time": len(numbers)}, {"time": time, "sst": values}, fmt)


@pytest.mark.parametrize("fmt", ["NETCDF3_CLASSIC", "NETCDF4"])
@pytest.mark.parametrize(
    ("units", "calendar", "first"),
    [
        ("days since 2000-01-01", "standard", "2000-01-02 12:00"),
        ("hours since 2000-01-01 00:00:00 +2:00", "gregorian", "1999-12-31 23:30"),
        ("seconds since 1970-01-01T00:00:00Z", "proleptic_gregorian", "1970-01-01 00:00"),
        # Two days lie between the two calendars in year 1, in which the dates of MATLAB begin.
        ("days since 0001-01-01", "standard", "1999-12-31 12:00"),
        ("days since 0001-01-01", "proleptic_gregorian", "2000-01-02 12:00"),
        ("months since 2000-01-01", "standard", "2000-02-15 12:00"),
        ("years since 2000-01-01", "360_day", ""),
    ],
)
def test_times_are_those_that_units_and_calendar_say(tmp_path, fmt, units, calendar, first):
    number = 730_120.5 if "0001" in units else 1.5
    path = sst(tmp_path / "a.nc", [number, number + 1, number + 2], units, fmt, calendar=calendar)
    if first:
        assert times_of(path)[0] == first
    else:
        with pytest.raises(DataError, match=r"calendar '360_day'.*standard, gregorian, proleptic_gregorian are read"):
            times_of(path)


@pytest.mark.slow
@settings(max_examples=examples(20, 50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 4_000_000_000), min_size=2, max_size=20, unique=True), st.sampled_from([1, 60, 3600]))
def test_seconds_minutes_and_hours_give_the_same_times(tmp_path, seconds, length):
    unit = {1: "seconds", 60: "minutes", 3600: "hours"}[length]
    path = sst(tmp_path / "a.nc", [one / length for one in seconds], f"{unit} since 1970-01-01")
    assert series(path)["time"].dt.epoch("s").to_list() == sorted(seconds)


def moored(path: Path) -> Path:
    """Three depths at one place, packed, with flags, a fill value and an undeclared one."""
    rng = np.random.default_rng(1)
    temp = np.ma.array(np.round(500 + 10 * rng.normal(size=(200, 3, 1))).astype(np.int16))
    temp[5, 1] = -999
    flags = np.ones((200, 3, 1), np.int8)
    flags[7, 0] = 4
    along = ("TIME", "DEPTH", "LATITUDE")
    return write(path, {"TIME": None, "DEPTH": 3, "LATITUDE": 1}, {
        "TIME": (("TIME",), 26_000 + np.arange(200) / 24, {"units": "days since 1950-01-01T00:00:00Z", "axis": "T"}),
        "DEPTH": (("DEPTH",), np.array([0.5, 10, 20], np.float32), {"units": "m", "axis": "Z"}),
        "TEMP": (along, temp, {"units": "degree_Celsius", "long_name": "water temperature", "_FillValue": -999,
                 "scale_factor": 0.01, "add_offset": 10.0}),
        "TEMP_QC": (along, flags, {"flag_values": np.array([1, 4], np.int8), "flag_meanings": "good_data bad_data"}),
        "PSAL": (("TIME",), rng.normal(35, 0.1, 200), {"units": "1", "missing_value": 1e20}),
    })  # fmt: skip


def test_every_depth_is_a_series_packed_values_are_unpacked_and_marks_of_the_file_are_missing(tmp_path):
    found = series(moored(tmp_path / "a.nc"))
    counts = {name: own.height for (name,), own in found.group_by("series")}
    assert counts == {"TEMP@0.5": 200, "TEMP@10": 199, "TEMP@20": 200, "PSAL": 200}
    own = found.filter(series="TEMP@20")["value"]
    assert 14.5 < own.mean() < 15.5
    assert find_units(tmp_path / "a.nc", TableOptions(), [])["TEMP@10"] == "degree_Celsius"


def test_flags_that_the_file_explains_are_proposed_and_used_when_they_are_asked_for(tmp_path, capsys):
    path = moored(tmp_path / "a.nc")
    assert entry_point(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert "flags TEMP_QC: 1 good_data, 4 bad_data" in said
    assert "TEMP@0.5_QC (1 x199, 4 x1)" in said
    assert "--flags '*_QC=1'" in said
    assert "water temperature" in said
    assert "TEMP@10 [degree_Celsius]: 199 values, cadence 1h" in said
    used = series(path, flags=("*_QC=1",))
    assert used.filter(series="TEMP@0.5").height == 199


def test_columns_choose_a_depth_and_the_command_line_that_is_said_reads_the_same(tmp_path):
    path = moored(tmp_path / "a.nc")
    assert set(series(path, columns=("TEMP@10",))["series"]) == {"TEMP@10"}
    found = recognise(path, TableOptions())
    assert found.shown.time_column == "TIME"
    with pytest.raises(DataError, match="no column 'TEMP@11'"):
        series(path, columns=("TEMP@11",))


def test_stations_by_name_and_rows_of_several_stations_one_after_the_other(tmp_path):
    names = np.array([list("north\0"), list("south\0")], "S1")
    hours = {"units": "hours since 2020-01-01"}
    whole = write(tmp_path / "a.nc", {"station": 2, "time": 4, "n": 6}, {
        "name": (("station", "n"), names, {}), "time": (("time",), np.arange(4), hours),
        "temp": (("station", "time"), np.arange(8.0).reshape(2, 4), {}),
    })  # fmt: skip
    ragged = write(tmp_path / "b.nc", {"station": 2, "obs": 7, "n": 6}, {
        "name": (("station", "n"), names, {"cf_role": "timeseries_id"}),
        "rowSize": (("station",), np.array([4, 3]), {"sample_dimension": "obs"}),
        "time": (("obs",), np.r_[0:4, 0:3], hours), "temp": (("obs",), np.arange(7.0), {}),
    })  # fmt: skip
    assert series(whole).filter(series="south/temp")["value"].to_list() == [4.0, 5.0, 6.0, 7.0]
    assert series(ragged).filter(series="north/temp")["value"].to_list() == [0.0, 1.0, 2.0, 3.0]
    assert series(ragged).filter(series="south/temp")["value"].to_list() == [4.0, 5.0, 6.0]


@pytest.mark.slow
def test_a_map_is_refused_with_what_to_select_and_read_at_the_place_that_is_named(tmp_path):
    size = {"time": 3, "lat": 40, "lon": 50}
    axes = {
        name: ((name,), np.arange(n) + 0.5, {"units": "degrees_north"}) for name, n in size.items() if name != "time"
    }
    time = (("time",), np.arange(3), {"units": "days since 2000-01-01"})
    values = (tuple(size), np.arange(6000.0).reshape(3, 40, 50), {})
    path = write(tmp_path / "a.nc", size, {"time": time, **axes, "sst": values})
    with pytest.raises(DataError, match=r"sst is along time at 2,000 places \(lat 40 x lon 50\).*--columns sst@"):
        series(path)
    assert series(path, columns=("sst@1.5,2.5",))["value"].to_list() == [52.0, 2052.0, 4052.0]


def test_levels_that_lie_elsewhere_at_each_time_are_no_series(tmp_path):
    path = write(tmp_path / "a.nc", {"N_PROF": 5, "N_LEVELS": 4}, {
        "JULD": (("N_PROF",), np.arange(5.0), {"units": "days since 1950-01-01 00:00:00 UTC"}),
        "PRES": (("N_PROF", "N_LEVELS"), np.arange(20.0).reshape(5, 4), {"axis": "Z"}),
        "TEMP": (("N_PROF", "N_LEVELS"), np.arange(20.0).reshape(5, 4), {}),
    })  # fmt: skip
    with pytest.raises(DataError, match=r"'PRES' is another one at each time.*fixed depths"):
        series(path)
    assert series(path, columns=("TEMP@1",))["value"].to_list() == [1.0, 5.0, 9.0, 13.0, 17.0]


def test_a_time_of_ages_counts_backward(tmp_path):
    path = sst(tmp_path / "a.nc", [0.0, 100.0, 200.0], "yr BP")
    found = series(path)
    assert found["time"].to_list() == [-200.0, -100.0, 0.0]
    assert found["value"].to_list() == [2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"CDF\x01\x00\x00", "not a readable NetCDF file"),
        (b"", "not a readable NetCDF file"),
        (b"time,ph\n2020-01-01,7\n", "not a readable NetCDF file"),
    ],
)
def test_what_is_no_netcdf_file_is_refused(tmp_path, content, message):
    (tmp_path / "a.nc").write_bytes(content)
    with pytest.raises(DataError, match=message):
        series(tmp_path / "a.nc")


def test_a_netcdf_file_of_another_name_says_how_it_is_read(tmp_path):
    path = sst(tmp_path / "a.nc", [0.0, 1.0], "days since 2000-01-01").rename(tmp_path / "a.dat")
    with pytest.raises(DataError, match="--format netcdf"):
        series(path)
    assert len(times_of(path, format="netcdf")) == 2


def test_a_file_without_a_time_lists_its_variables(tmp_path):
    path = write(tmp_path / "a.nc", {"x": 2}, {"depth": (("x",), np.arange(2.0), {})})
    with pytest.raises(DataError, match=r"no variable is a time.*variables are depth; say which with --time-column"):
        series(path)


def test_groups_beside_what_is_read_are_said_not_to_be(tmp_path):
    """Half of the variables were left out without a word."""
    days = ("time",), np.arange(5.0), {"units": "days since 2020-01-01"}
    path = write(tmp_path / "a.nc", {"time": 5}, {"time": days, "ph": (("time",), np.arange(5.0), {})})
    with nc.Dataset(path, "a") as file:
        file.createGroup("deep")
    assert any("its groups deep are not read" in line for line in recognise(path, TableOptions()).said)


def test_the_daemon_reads_a_file_once_and_what_is_added_to_it(tmp_path):
    path = sst(tmp_path / "a.nc", [0.0, 1.0, 2.0], "days since 2021-01-01")
    source, cursor, told = csv_source(tmp_path, max_observations=2), None, []
    for days in (3, 5):
        sst(path, list(map(float, range(days))), "days since 2021-01-01")
        frames, cursor = follow(source, cursor)
        told.append([value for _, value in rows(frames)])
    assert told == [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0, 4.0]]
    assert rows(follow(csv_source(tmp_path), cursor)[0]) == []


def test_analyse_takes_a_netcdf_file_and_the_same_numbers_as_a_csv_file(tmp_path):
    rng = np.random.default_rng(3)
    values, path = rng.normal(size=300), tmp_path / "a.nc"
    time = (("time",), np.arange(300.0), {"units": "days since 2020-01-01"})
    write(path, {"time": 300}, {"time": time, "ph": (("time",), values, {})})
    text = "time,ph\n" + "".join(
        f"{datetime.fromordinal(737_425 + day):%Y-%m-%d},{value!r}\n" for day, value in enumerate(values.tolist())
    )
    (tmp_path / "a.csv").write_text(text)
    found, other = sentinel.analyse(path).readings, sentinel.analyse(tmp_path / "a.csv").readings
    assert found.equals(other)


@pytest.mark.slow
def test_where_the_library_is_missing_the_extra_is_named_and_nothing_else_needs_it(tmp_path):
    sst(tmp_path / "a.nc", [0.0, 1.0], "days since 2000-01-01")
    (tmp_path / "a.csv").write_text("time,ph\n2020-01-01,7\n2020-01-02,8\n")
    code = (
        "import sys; sys.modules['netCDF4'] = None; from sentinel.commands.main import entry_point\n"
        f"assert entry_point(['inspect', {str(tmp_path / 'a.csv')!r}]) == 0\n"
        f"sys.exit(entry_point(['inspect', {str(tmp_path / 'a.nc')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "install sentinel-ews[netcdf]" in done.stderr
