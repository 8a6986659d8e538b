"""A plan says in ticks what settings say in durations; a cadence is learnt from the first stamps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.domain.spans import DAY, HOUR, MINUTE, SECOND, YEAR, Cadence
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.plan import Plan, learn_cadence, plan_for
from tests.pipeline.comparisons import PAIR, against, lakes, rows_of, stream
from tests.pipeline.streams import ar1, batch_of, run, table, through


def stamps(step_us: int, count: int = 60, start_us: int = 1_600_000_000_000_000) -> np.ndarray:
    return start_us + np.arange(count, dtype=np.int64) * step_us


def days(text: str) -> np.ndarray:
    return np.array(text.split(), "datetime64[D]").astype("datetime64[us]").astype(np.int64)


@pytest.mark.parametrize("step", [SECOND, 10 * SECOND, 15 * MINUTE, HOUR, DAY, 7 * DAY, 37 * SECOND, 1, 1234])
def test_a_regular_series_has_the_cadence_of_its_stamps(step: int) -> None:
    assert learn_cadence(stamps(step)) == Cadence.fixed(step)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.4))
def test_missing_stamps_jitter_and_the_order_of_arrival_do_not_change_it(seed: int, missing: float) -> None:
    random = np.random.default_rng(seed)
    there = stamps(HOUR, 200)[random.random(200) >= missing]
    jittered = there + random.integers(-MINUTE, MINUTE, there.size)
    jittered[:50] = random.permutation(jittered[:50])
    assert learn_cadence(jittered) == Cadence.fixed(HOUR)
    repeated = np.repeat(jittered, 2)
    assert learn_cadence(repeated) == Cadence.fixed(HOUR)


def test_later_stamps_do_not_change_it() -> None:
    first = stamps(HOUR, 50)
    later = stamps(MINUTE, 500, int(first[-1]) + MINUTE)
    assert learn_cadence(np.concatenate([first, later])) == Cadence.fixed(HOUR)


def test_fifty_distinct_stamps_are_needed_unless_the_input_has_ended() -> None:
    assert learn_cadence(stamps(HOUR, 49)) is None
    assert learn_cadence(np.repeat(stamps(HOUR, 49), 3)) is None
    assert learn_cadence(stamps(HOUR, 2), ended=True) == Cadence.fixed(HOUR)
    assert learn_cadence(stamps(HOUR, 1), ended=True) is None
    assert learn_cadence(stamps(HOUR, 0), ended=True) is None


def test_stamps_in_the_middle_of_months_are_months_and_equal_steps_of_thirty_days_are_not():
    first = np.datetime64("1960-01", "M") + np.arange(60)
    starts, ends = (one.astype("datetime64[us]").astype(np.int64) for one in (first, first + 1))
    assert learn_cadence((starts + ends) // 2) == Cadence.calendar(1)
    assert learn_cadence(starts + 14 * DAY) == Cadence.calendar(1)
    for n in (3, 5, 50):
        assert learn_cadence(starts[0] + 14 * DAY + 30 * DAY * np.arange(n), ended=True) == Cadence.fixed(30 * DAY)
        assert learn_cadence(starts[0] + 28 * DAY * np.arange(n), ended=True) == Cadence.fixed(28 * DAY)


def test_stamps_on_the_same_day_of_a_month_or_at_its_end_are_calendar_months() -> None:
    months = np.arange("2000-01", "2006-01", dtype="datetime64[M]")
    firsts = months.astype("datetime64[us]").astype(np.int64)
    assert learn_cadence(firsts) == Cadence.calendar(1)
    ends = (months + np.timedelta64(1, "M")).astype("datetime64[D]").astype("datetime64[us]").astype(np.int64) - DAY
    assert learn_cadence(ends) == Cadence.calendar(1)
    assert learn_cadence(firsts[::3], ended=True) == Cadence.calendar(3)
    years = np.arange("1900", "1970", dtype="datetime64[Y]").astype("datetime64[us]").astype(np.int64)
    assert learn_cadence(years) == Cadence.calendar(12)
    assert learn_cadence(stamps(30 * DAY)) == Cadence.fixed(30 * DAY)
    assert learn_cadence(days("2020-02-29 2020-03-31 2020-04-30"), ended=True) == Cadence.calendar(1)


def plan(
    cadence: str, series: dict[str, object] | None = None, bank: dict[str, object] | None = None, **top: object
) -> Plan:
    chosen = Settings.model_validate({"series": [series or {}], "banks": {"default": bank or {}}, **top})
    return plan_for(chosen, "lake/ph", Cadence.parse(cadence))


def test_durations_become_ticks_of_the_cadence() -> None:
    found = plan(
        "15m",
        {"season": ["1d"], "max_gap": "6h", "lateness": "1h", "range": [None, 14], "aggregate": "mean"},
        {"half_life": "1d", "level_half_life": "7.5h"},
        alarms=[{"threshold": 0.7, "false_alarms": "1 per 10y", "severity": "critical"}],
    )
    assert (found.half_life, found.level_half_life, found.seasons) == (96.0, 30.0, (96.0,))
    assert (found.max_gap, found.lateness_us, found.mean) == (24, HOUR, True)
    assert (found.lowest, found.highest) == (-math.inf, 14.0)
    assert found.stale_after_us == 3 * 15 * MINUTE + HOUR
    (rule,) = found.rules
    assert (rule.label, rule.severity, rule.alpha) == ("0.7", "critical", pytest.approx(15 * MINUTE / (10 * YEAR)))


def test_a_season_is_remembered_for_five_periods_and_a_short_one_for_120_ticks_unless_a_number_is_given() -> None:
    # A week of daily values was half forgotten in 35 days: what it had learnt of the noise drifted, as if it slowed.
    assert plan("1d", {"season": ["7d", "1y"]}).season_half_lives == (120.0, 5 * 365.25)
    assert plan("1h", {"season": ["1d"]}).season_half_lives == (120.0,)
    assert plan("1d", {"season": ["7d"]}, {"season_memory": 5}).season_half_lives == (35.0,)


def test_what_is_not_configured_comes_from_the_table_by_cadence() -> None:
    hourly, daily = plan("1h"), plan("1d")
    assert (hourly.half_life, hourly.level_half_life, hourly.max_gap, hourly.warm_up) == (70.0, 30.0, 140, 100)
    assert (daily.half_life, daily.level_half_life, daily.max_gap, daily.warm_up) == (40.0, 30.0, 80, 70)
    assert (hourly.warm_up_pairs, daily.warm_up_pairs) == (50, 20)
    assert [(rule.kind, rule.label, rule.severity) for rule in hourly.rules] == [
        ("slower", "warning", "warning"), ("slower", "critical", "critical")
    ]  # fmt: skip
    assert [rule.alpha for rule in hourly.rules] == pytest.approx([1.0 / 8_766, 0.1 / 8_766], rel=1e-3)
    assert [rule.alpha for rule in daily.rules] == [1e-3, 1e-4], "never more than that per tick"


def test_when_a_sensor_cannot_be_judged_can_be_set() -> None:
    chosen = {"blind_after_missing_ticks": 30, "implausible_scales": 50, "coarse_steps": 3}
    found, usual = plan("1h", chosen), plan("1h")
    assert (found.blind_after_missing, found.implausible, found.coarse_steps) == (30, 50.0, 3.0)
    assert (usual.blind_after_missing, usual.implausible, usual.coarse_steps) == (14, 1000.0, 2.0)
    assert plan("1h", {"max_gap": "5h"}).blind_after_missing == 3


@pytest.mark.parametrize(
    ("ratios", "expected"), [((), 0.4), ((1.5,), 0.4), ((4.0, 2.0), 0.4), ((4.0, 1.2), math.log(1.2))]
)
def test_a_comparison_counts_spread_from_the_smallest_ratio_of_its_rules(
    ratios: tuple[float, ...], expected: float
) -> None:
    rules = [{"kind": "spread", "ratio": ratio, "alpha": 1e-3} for ratio in ratios]
    assert plan("1h", alarms=rules).apart == expected


@pytest.mark.parametrize(
    ("series", "bank", "conditioning"),
    [
        ({}, {}, True),
        ({}, {"warm_up_ticks": 20}, True),
        ({}, {"level_half_life": "90.5 ticks"}, True),
        ({"season": ["50h"]}, {}, True),
        ({}, {}, False),
    ],
)
def test_the_first_verdict_comes_after_as_many_values_as_the_plan_says(
    series: dict[str, object], bank: dict[str, object], conditioning: bool
) -> None:
    """A level that is slower than the warm-up asked for, and a season, were left out of what `check` said."""
    chosen = Settings.model_validate({"series": [series | {"cadence": "1h"}], "banks": {"default": bank}})
    found = run(ar1(1, 0.5, 400), chosen, conditioning=conditioning)
    expected = plan_for(chosen, "s0", Cadence.parse("1h"), conditioning=conditioning).ready_after
    assert np.flatnonzero(~np.isnan(table(found, "lag1")[:, 0]))[0] + 1 == expected


@pytest.mark.parametrize(
    ("season", "conditioning"), [([], True), (["50h"], True), ([], False)], ids=["plain", "season", "residuals"]
)
def test_the_first_verdict_of_a_comparison_comes_after_as_many_values_as_the_plan_says(
    season: list[str], conditioning: bool
) -> None:
    """The scale of the difference, and the season of its halves, were left out of what the report said."""
    pipeline = Pipeline(against(season=season), conditioning=conditioning)
    found = through(pipeline, [stream(lakes(1, 400))])
    number = found.state.names.index(PAIR)
    (plan,) = (plan for (plan, _), members in zip(found.state.keys, found.state.cohorts, strict=True)
               if number in members.series)  # fmt: skip
    assert plan.is_comparison
    assert np.flatnonzero(~np.isnan(found.rows.estimates.lag1[rows_of(found, PAIR)]))[0] + 1 == plan.ready_after


def test_a_reference_is_full_after_as_many_values_as_the_plan_says() -> None:
    rules = [{"kind": "spread", "alpha": 1e-3}]
    chosen = {"series": [{"cadence": "1h"}], "banks": {"default": {"reference_ticks": 200}}, "alarms": rules}
    found = run(ar1(1, 0.5, 400), Settings.model_validate(chosen))
    expected = plan("1h", bank={"reference_ticks": 200}, alarms=rules)
    assert np.flatnonzero(~np.isnan(table(found, "evidence")[:, 0]))[0] == expected.learnt_after + 200


@pytest.mark.parametrize(
    ("cadence", "series", "bank"),
    [
        ("1d", {}, {"half_life": "1h", "level_half_life": "1s"}),
        ("1us", {}, {"half_life": "50000w", "level_half_life": "50000w"}),
        ("1d", {"season": ["1d", "1h"]}, {}),
        ("1y", {"season": ["1mo"], "max_gap": "1h"}, {}),
        ("1s", {}, {"thresholds": 3, "lowest": -0.1, "highest": 0.1}),
    ],
)
def test_settings_that_do_not_suit_a_learnt_cadence_are_brought_into_range(
    cadence: str, series: dict[str, object], bank: dict[str, object]
) -> None:
    """A file that is valid must not end the daemon once the cadence of some series is known."""
    found = plan(cadence, series, bank)
    assert 3 <= found.half_life <= 1e5
    assert 3 <= found.level_half_life <= 1e5
    assert all(period >= 4 for period in found.seasons)
    assert found.max_gap >= 1
    chosen = Settings.model_validate({"series": [series | {"match": "*"}], "banks": {"default": bank}})
    step = Cadence.parse(cadence)
    if not step.months:
        outcome = through(Pipeline(chosen), [batch_of(ar1(0, 0.5, 60), cadence_us=step.microseconds)])
        assert outcome.rows.tick.size >= 58
