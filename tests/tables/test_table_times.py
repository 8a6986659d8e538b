"""Event times as tables write them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from tests.laws import examples


def write(folder: Path, text: str | bytes, name: str = "lake.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def observations(path: Path, **settings) -> list[tuple]:
    options = TableOptions(**settings)
    table = parse(open_table(path, options), options, path.name).observations.collect()
    return sorted((series, time.isoformat(), value) for series, time, value in table.iter_rows())


def one_time(written: str, **settings) -> str | None:
    options = TableOptions(separator=";", **settings)
    table = pl.LazyFrame({"time": [written, "2020-01-01"], "ph": ["1", "2"]})
    found = parse(table, options, "t", axis="time").observations.collect()
    return found["time"][0].isoformat() if found.height == 2 else None


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("2020-02-29", "2020-02-29T00:00:00+00:00"),
        ("2020-02", "2020-02-01T00:00:00+00:00"),
        ("2020-01-01T12:30", "2020-01-01T12:30:00+00:00"),
        (" 2020-01-01 12:30:59.25 ", "2020-01-01T12:30:59.250000+00:00"),
        ("2020-01-01T12:30:59,123456789", "2020-01-01T12:30:59.123456+00:00"),
        ("2020-01-01T00:30:00+02:00", "2019-12-31T22:30:00+00:00"),
        ("2020-01-01T00:30:00-0330", "2020-01-01T04:00:00+00:00"),
        ("2020-01-01 00:30 +01", "2019-12-31T23:30:00+00:00"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999+00:00"),
        ("2021-02-29", None),
        ("2020-13-01", None),
        ("2020-01-01T24:00:00", "2020-01-02T00:00:00+00:00"),
        ("2020-01-01T24:30:00", None),
        ("2020-01-01T12:60", None),
        ("2020-01-01T\N{ARABIC-INDIC DIGIT THREE}0:00", None),  # once it ended the reading of the whole table
        ("01/02/2020", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_iso_times(written, means):
    assert one_time(written) == means


@pytest.mark.slow
@given(
    st.datetimes(datetime.fromisoformat("0001-01-02"), datetime.fromisoformat("9999-12-30")),
    st.sampled_from(["", "Z", "+05:30", "-11:00"]),
)
def test_python_and_we_read_the_same_iso_times(stamp, offset):
    written = stamp.isoformat() + offset
    expected = datetime.fromisoformat(written)
    expected = expected.replace(tzinfo=UTC) if not offset else expected.astimezone(UTC)
    assert one_time(written) == expected.isoformat()


@pytest.mark.slow
@settings(max_examples=examples(25, 60))
@given(st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2030-01-01")))
def test_naive_times_are_of_the_given_zone(stamp):
    local = stamp.replace(tzinfo=ZoneInfo("America/New_York"))  # fold=0: the first of two
    exists = local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) == stamp
    expected = local.astimezone(UTC).isoformat() if exists else None
    assert one_time(stamp.isoformat(), time_zone="America/New_York") == expected


def test_an_hour_that_the_clocks_repeat_is_the_first_and_one_they_skip_is_refused():
    assert one_time("2024-10-27T02:30", time_zone="Europe/Berlin") == "2024-10-27T00:30:00+00:00"
    assert one_time("2024-03-31T02:30", time_zone="Europe/Berlin") is None


@pytest.mark.parametrize(
    ("written", "form", "means"),
    [
        ("31.12.2019 23:15", "%d.%m.%Y %H:%M", "2019-12-31T22:15:00+00:00"),
        ("31/12/2019 23:15 +0200", "%d/%m/%Y %H:%M %z", "2019-12-31T21:15:00+00:00"),
        ("1577836800.5", "%s", "2020-01-01T00:00:00.500000+00:00"),
        ("32.12.2019 23:15", "%d.%m.%Y %H:%M", None),
        ("2019.365", "%Y.%j", "2019-12-30T23:00:00+00:00"),
        ("2019.365.5", "%Y.%j", "2019-12-31T11:00:00+00:00"),
        ("2019-365.5", "%Y-%j", "2019-12-31T11:00:00+00:00"),
    ],
)
def test_times_in_another_form(written, form, means):
    table = pl.LazyFrame({"time": [written], "ph": ["1"]})
    options = TableOptions(time_format=form, time_zone="Europe/Berlin")
    found = parse(table, options, "t").observations.collect()
    assert [time.isoformat() for time in found["time"]] == ([means] if means else [])


def test_numbers_in_the_time_column_are_a_step_axis_where_that_is_allowed(tmp_path):
    path = write(tmp_path, "time,ph\n1990,7\n1991.5,8\nx,9\n")
    parsed = parse(open_table(path), TableOptions(), "a.csv")
    assert parsed.axis == "number"
    assert parsed.observations.collect()["time"].to_list() == [1990.0, 1991.5]
    assert "'x' is not a time; a number is allowed" in parsed.complaints[0]
    with pytest.raises(DataError, match=r"column 'time' holds numbers \(first 1990\); time stamps are needed"):
        parse(open_table(path), TableOptions(), "a.csv", axis="time")


ORDERS = {
    "in order": ["01:45", "02:00", "02:30", "02:00", "02:30", "03:00"],
    "side by side": ["01:45", "02:00", "02:00", "02:30", "02:30", "03:00"],
    "falling": ["03:00", "02:30", "02:00", "02:30", "02:00", "01:45"],
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_hour_that_comes_twice_is_told_by_order(tmp_path, order):
    # Bug: the second hour was lost as duplicates of the first.
    rows = "".join(f"2018-10-28T{clock},{n}\n" for n, clock in enumerate(ORDERS[order]))
    found = observations(write(tmp_path, "time,ph\n" + rows), time_zone="Europe/Berlin")
    hours = [
        f"2018-10-{day}:00+00:00" for day in ("27T23:45", "28T00:00", "28T00:30", "28T01:00", "28T01:30", "28T02:00")
    ]
    assert [time for _, time, _ in found] == hours


def test_series_that_share_a_time_that_comes_twice_do_not_disturb_each_other(tmp_path):
    text = "time,lake,ph\n" + "".join(
        f"2018-10-28T{c},{lake},1\n" for c in ("02:00", "02:30", "02:00", "02:30") for lake in "ab"
    )
    found = observations(write(tmp_path, text), time_zone="Europe/Berlin", by=("lake",))
    assert [time[11:16] for _, time, _ in found] == ["00:00", "00:30", "01:00", "01:30"] * 2
