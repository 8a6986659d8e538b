"""Spans of time: what is written parses, what is printed parses back to the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.config.values import parse_size
from sentinel.domain.spans import (
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    YEAR,
    Budget,
    Cadence,
    HalfLife,
    parse_duration,
    parse_season,
    print_duration,
    print_season,
    print_size,
)

SPANS = st.integers(0, 1_000 * YEAR)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("12h", 12 * HOUR),
        ("7d", 7 * DAY),
        ("4w", 28 * DAY),
        ("250ms", 250_000),
        ("3us", 3),
        ("1.5h", 90 * MINUTE),
        ("0s", 0),
    ],
)
def test_durations_are_a_number_and_a_unit(text: str, microseconds: int) -> None:
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "s",
        "-5s",
        "+5s",
        "5 s",
        "5S",
        "1h30m",
        "1:30",
        "PT1M",
        "1mo",
        "1y",
        "1e3s",
        "0.1us",
        "٣s",
        "5s\n",
        "9999999w",
    ],
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a duration is a number and a unit"):
        parse_duration(text)


@given(SPANS)
def test_a_printed_duration_parses_back(span: int) -> None:
    assert parse_duration(print_duration(span)) == span


@given(SPANS)
def test_a_printed_season_parses_back(span: int) -> None:
    assert parse_season(print_season(span)) == span


def test_a_season_of_a_year_is_12_months_of_the_mean_length() -> None:
    assert parse_season("1y") == parse_season("12mo") == YEAR == 12 * MONTH == 365.25 * DAY
    assert print_season(YEAR) == "1y"
    assert print_season(365 * DAY) == "365d"


@given(st.integers(1, 1_000 * YEAR).map(Cadence.fixed) | st.integers(1, 99_999).map(Cadence.calendar))
def test_a_printed_cadence_parses_back(cadence: Cadence) -> None:
    assert Cadence.parse(str(cadence)) == cadence


def test_calendar_cadences_know_their_months_and_their_mean_length() -> None:
    assert Cadence.parse("1mo") == Cadence(MONTH, 1)
    assert Cadence.parse("1y") == Cadence(YEAR, 12)
    assert Cadence.parse("15m").months == 0
    assert Cadence.parse("15m").seconds == 900.0
    assert Cadence.parse("1y") != Cadence.fixed(YEAR)


@pytest.mark.parametrize("text", ["0s", "0mo", "1.5mo", "hourly", "60", "1 mo", "100000y"])
def test_what_is_not_a_cadence_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cadence"):
        Cadence.parse(text)


def test_a_half_life_is_a_duration_or_a_number_of_ticks() -> None:
    day, month = Cadence.parse("1d"), Cadence.parse("1mo")
    assert HalfLife.parse("70d").ticks(day) == 70.0
    assert HalfLife.parse("70 ticks").ticks(month) == 70.0
    assert HalfLife.parse("1w").ticks(day) == 7.0
    assert HalfLife.parse("1461d").ticks(month) == 48.0


@given(
    st.integers(1, 10**9).map(lambda span: HalfLife(microseconds=span))
    | st.integers(1, 10**17).map(lambda n: n / 10**9).map(lambda n: HalfLife(fixed_ticks=n))
)
def test_a_printed_half_life_parses_back(half_life: HalfLife) -> None:
    assert HalfLife.parse(str(half_life)) == half_life


@pytest.mark.parametrize("text", ["70", "0d", "0 ticks", "-1 ticks", "many ticks", "1mo"])
def test_what_is_not_a_half_life_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="half-life"):
        HalfLife.parse(text)


def test_a_budget_of_1_in_10_years_at_one_tick_an_hour_is_alpha_1_in_87660() -> None:
    budget = Budget.parse("1 per 10y")
    assert budget.alpha_per_tick(Cadence.parse("1h")) == pytest.approx(1 / 87_660)
    assert budget.alpha_per_tick(Cadence.parse("1y")) == pytest.approx(0.1)


@given(st.integers(1, 10**17).map(lambda n: n / 10**9), st.integers(1, 1_000 * YEAR))
def test_a_printed_budget_parses_back(alarms: float, period: int) -> None:
    assert Budget.parse(str(Budget(alarms, period))) == Budget(alarms, period)


@pytest.mark.parametrize("text", ["1", "10y", "1 in 10y", "0 per 1y", "1 per 0s", "1 per 10", "one per 10y"])
def test_what_is_not_a_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget.parse(text)


@given(st.integers(0, 2**60))
def test_a_printed_size_parses_back(size: int) -> None:
    assert parse_size(print_size(size)) == size


@pytest.mark.parametrize("value", ["2GB", "2 GiB", "-1", -1, True, 1.5, None, "GiB"])
def test_what_is_not_a_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a size is"):
        parse_size(value)
