"""Observations one by one: each is taken or counted, whatever it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.observation import OBSERVATIONS, Rejection
from sentinel.sources.labels import Names, plain_name
from sentinel.sources.rows import FUTURE_US, Rows, flat_numbers, leave_out_future, microseconds_of
from tests.sources.following import assert_frame

NOW_US = 1_700_000_000_000_000
NAMES = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["a", "\ud800", "ü" * 2000]), st.integers())
TIMES = st.one_of(st.none(), st.integers(-(10**20), 10**20), st.integers(NOW_US - 10**6, NOW_US + 2 * FUTURE_US))
VALUES = st.one_of(
    st.none(), st.floats(), st.integers(), st.text(max_size=6), st.decimals(), st.booleans(), st.binary(max_size=3),
    st.lists(st.integers(), max_size=2), st.sampled_from(["1e999", "-inf", "NaN", "N/A", "1_0", "٣", 10**400]),
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.tuples(NAMES, TIMES, VALUES), max_size=20))
def test_every_observation_is_taken_or_counted_and_the_frame_keeps_its_promises(given_: list) -> None:
    rows = Rows(NOW_US)
    for number, (series, time_us, value) in enumerate(given_):
        rows.add(series, time_us, value, number)
    frame = rows.frame("s", {}, NOW_US)
    assert_frame(frame, "s")
    assert frame.observations.height + sum(frame.rejected.values()) == len(given_)
    assert all(line.isprintable() for line in frame.complaints)


def test_a_name_that_breaks_lines_or_steers_a_terminal_is_refused_and_other_letters_are_not() -> None:
    # Bug: such names were taken, and `series list` sent their control characters to the terminal; halves of
    # surrogates became "?", so two such names were one series.
    rows = Rows(NOW_US)
    for number, name in enumerate(("a\x1b[31mb", "a\nb=1", "a\0", "\x85", "a\u2028b", "\ud800")):
        rows.add(name, NOW_US, 1.0, number)
    assert rows.rejected == {"no_series": 6}
    for number, name in enumerate(("å😀", "a b\u00a0c", "e\u200dd", "*")):
        rows.add(name, NOW_US, 1.0, number)
    assert len(rows) == 4


def test_observations_of_the_future_are_added_to_those_that_were_counted_before() -> None:
    times = [NOW_US, NOW_US + FUTURE_US, NOW_US + FUTURE_US + 1]
    table = pl.DataFrame({"series": "a", "time": times, "value": 1.0}).cast(OBSERVATIONS)  # type: ignore[arg-type]
    rejected: dict[str, int] = {}
    said: list[str] = []
    for _ in range(2):
        kept = leave_out_future(table, NOW_US, "http://there", "UTC", rejected, said)
        assert kept["time"].dt.epoch("us").to_list() == times[:2]
    assert (rejected, len(said)) == ({Rejection.FUTURE: 2}, 2)
    assert leave_out_future(table[:2], NOW_US, "http://there", "UTC", rejected, said).height == 2
    assert (rejected, len(said)) == ({Rejection.FUTURE: 2}, 2)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), st.integers(-720, 720))  # noqa: DTZ001 - zones are added
def test_a_moment_is_the_same_however_it_is_written(moment: datetime, minutes: int) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert (
        microseconds_of(there)
        == microseconds_of(there.isoformat())
        == microseconds_of(f" {there.isoformat()}\n")
        == expected
    )
    for unit, scale in (("microseconds", 1), ("ns", 1000)):
        assert microseconds_of(expected * scale, unit) == microseconds_of(str(expected * scale), unit) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1.5, "seconds", 1_500_000), (Decimal("1.000001"), "s", 1_000_001), (25_569.5, "excel", 43_200_000_000),
        (2_440_587.5, "julian", 0), ("2026-01-01", None, 1_767_225_600_000_000), (5, None, None), (True, "s", None),
        ("yesterday", None, None), ("x", "s", None), (float("nan"), "s", None), (float("inf"), "ms", None),
        (None, "s", None), ([1], "s", None), ("1e400", "s", None),
    ],
)  # fmt: skip
def test_times_of_each_unit(value: object, unit: str | None, expected: int | None) -> None:
    assert microseconds_of(value, unit) == expected


def test_a_time_without_an_offset_is_one_of_its_zone() -> None:
    assert microseconds_of("2026-07-01T02:00", None, ZoneInfo("Europe/Berlin")) == microseconds_of("2026-07-01T00:00Z")


def test_a_day_begins_also_where_the_clocks_change_at_its_midnight() -> None:
    for day, begins in (("2024-11-03", "2024-11-03T04:00Z"), ("2024-03-10", "2024-03-10T05:00Z")):
        assert microseconds_of(day, None, ZoneInfo("America/Havana")) == microseconds_of(begins)
    assert microseconds_of("2024-11-03T00:30", None, ZoneInfo("America/Havana")) is None
    assert microseconds_of("2024-11-03T00:30-05:00", None, ZoneInfo("America/Havana")) is not None


LABELS = st.dictionaries(
    st.sampled_from(["__name__", "a", "b", "a/b", "%", "="]), st.text("ab/=%", max_size=3), max_size=4
)


@pytest.mark.slow
@given(LABELS, LABELS)
def test_two_label_sets_never_have_one_name(one: dict[str, str], other: dict[str, str]) -> None:
    # An empty name is none: Prometheus itself does not tell them apart.
    one, other = ({k: v for k, v in labels.items() if v} for labels in (one, other))
    assert (plain_name(one) == plain_name(other)) == (one == other)


@pytest.mark.slow
@given(st.lists(LABELS, max_size=8))
def test_a_template_never_gives_two_label_sets_one_name(sets: list[dict[str, str]]) -> None:
    names = Names("{__name__}/{a}")
    owners: dict[str, dict[str, str]] = {}
    for labels in sets:
        name = names.name(labels)
        if name is not None:
            assert plain_name(owners.setdefault(name, labels)) == plain_name(labels)


def test_the_numbers_of_json_are_found_in_order() -> None:
    value = {"a": 1, "b": {"c": [2.5, "x", {"d": 3}]}, "e": True, "f": None}
    assert list(flat_numbers(value).items()) == [("a", 1), ("b.c.0", 2.5), ("b.c.2.d", 3)]
