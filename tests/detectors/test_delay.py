"""The stated delay against measured ones: medians over seeded jumps through the product's own pipeline."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import detrending, half_life
from detectors.delay import STEEPEST, detrended, lag1_delay, modulus_delay, spread_delay
from tests.pipeline.streams import HOUR_US, Floats, ar1, hourly, run

BEFORE, SERIES = 400, 150
CASES = [
    pytest.param(0.0, 0.3, 0.8, 1e-4, marks=pytest.mark.slow),
    (0.5, 0.8, 0.9, 1e-4),
    pytest.param(0.5, 0.9, 0.95, 1e-4, marks=pytest.mark.slow),
    pytest.param(0.2, 0.5, 0.75, 1e-4, marks=pytest.mark.slow),
    pytest.param(0.5, 0.6, 0.9, 1e-4, marks=pytest.mark.slow),
    pytest.param(0.5, 0.7, 0.85, 1e-5, marks=pytest.mark.slow),
    pytest.param(0.5, 0.8, 0.9, 1e-3, marks=pytest.mark.slow),
    pytest.param(0.5, 0.8, 0.95, 1e-6, marks=pytest.mark.slow),
]


def measured(values: Floats, rule: dict[str, object], jump: int, level: int = 30) -> float:
    """Median ticks from the jump to the first alarm after it."""
    bank = {"default": {"half_life": "70 ticks", "level_half_life": f"{level} ticks"}}
    found = run(values, hourly(alarms=[rule], banks=bank))
    delay = dict.fromkeys((f"s{i}" for i in range(values.shape[1])), math.inf)
    for event in found.events:
        after = event.time_us / HOUR_US - jump
        if event.what == "raised" and after > 0:
            delay[event.series] = min(delay[event.series], after)
    return float(np.median(list(delay.values())))


def jump(before: float, after: float, ticks: int) -> Floats:
    """AR(1) of unit variance whose autocorrelation jumps."""
    rho = np.where(np.arange(BEFORE + ticks) < BEFORE, before, after)
    return ar1(20260801, rho, BEFORE + ticks, SERIES)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "threshold", "rho", "alpha"), CASES)
def test_the_stated_delay_is_within_a_quarter_of_the_measured_median(
    before: float, threshold: float, rho: float, alpha: float
) -> None:
    median = measured(jump(before, rho, 1_200), {"threshold": threshold, "alpha": alpha}, BEFORE)
    assert lag1_delay(threshold, rho, alpha) == pytest.approx(median, rel=0.25)


def test_the_stated_delay_of_the_lower_side_is_within_a_quarter_of_the_measured_median() -> None:
    median = measured(jump(-0.3, -0.85, 600), {"threshold": -0.7, "side": "below", "alpha": 1e-4}, BEFORE)
    placed = detrending.below(-0.7, half_life.gain(30.0))
    assert lag1_delay(placed, -0.85, 1e-4, below=True) == pytest.approx(median, rel=0.25)


@pytest.mark.parametrize("level", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_the_stated_delay_knows_the_level_tracker(level: int) -> None:
    median = measured(jump(0.5, 0.95, 1_500), {"threshold": 0.9, "alpha": 1e-4}, BEFORE, level)
    assert lag1_delay(0.9, 0.95, 1e-4, level_half_life=level) == pytest.approx(median, rel=0.25)


@pytest.mark.parametrize("omega", [0.6, pytest.param(1.2, marks=pytest.mark.slow), 2.4])
def test_the_stated_delay_of_the_modulus_is_within_a_quarter_of_the_measured_median(omega: float) -> None:
    modulus = np.where(np.arange(BEFORE + 600) < BEFORE, 0.5, 0.9)
    values = np.random.default_rng(77).normal(size=(modulus.size, SERIES))
    for t in range(2, modulus.size):
        phi1, phi2 = 2.0 * modulus[t] * np.cos(omega), -(modulus[t] ** 2)
        values[t] *= np.sqrt((1.0 + phi2) * ((1.0 - phi2) ** 2 - phi1**2) / (1.0 - phi2))  # keeps the variance at 1
        values[t] += phi1 * values[t - 1] + phi2 * values[t - 2]
    median = measured(values, {"kind": "modulus", "threshold": 0.8, "alpha": 1e-4}, BEFORE)
    assert modulus_delay(0.8, 0.9, 1e-4) == pytest.approx(median, rel=0.25)


@pytest.mark.parametrize(("ratio", "actual"), [(1.5, 3.0), pytest.param(2.0, 4.0, marks=pytest.mark.slow)])
def test_the_stated_delay_of_the_spread_is_within_a_quarter_of_the_measured_median(ratio: float, actual: float) -> None:
    values = ar1(78, 0.5, 1_900, SERIES)
    values[1_300:] *= math.sqrt(actual)
    median = measured(values, {"kind": "spread", "ratio": ratio, "alpha": 1e-4}, 1_300)
    assert spread_delay(ratio, actual, 1e-4) == pytest.approx(median, rel=0.25)


@pytest.mark.slow
def test_a_tracked_level_leaves_the_autocorrelation_that_is_measured() -> None:
    values = ar1(7, 0.97, 60_000)[:, 0]
    a = 1.0 - 2.0 ** (-1.0 / 15.0)
    level, slope, pairs = 0.0, 0.0, []
    before = values[0]
    for value in values[1:].tolist():
        expected = level + slope
        pairs.append((before - level, value - expected))
        level, slope, before = expected + a * (value - expected), slope + a * a / 4.0 * (value - expected), value
    past, present = np.array(pairs).T
    assert detrended(0.97, 15.0) == pytest.approx((past @ present) / (past @ past), abs=0.005)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.0, 0.8), st.floats(0.2, 0.8), st.floats(-6, -2))
def test_a_larger_jump_and_a_larger_budget_are_seen_sooner(threshold: float, part: float, log_alpha: float) -> None:
    small, large = (threshold + share * (1.0 - threshold) for share in (part, part + 0.1))
    alpha = 10.0**log_alpha
    # Jumps up to .98: beyond, next to a random walk, a larger one is not seen sooner (.99 up to 7 % later than .98).
    assert lag1_delay(threshold, large, alpha) < lag1_delay(threshold, small, alpha)
    assert lag1_delay(threshold, small, alpha) < lag1_delay(threshold, small, alpha / 10.0)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.floats(-0.98, 0.99), st.floats(0.01, 0.99), st.sampled_from([None, 3.0, 30.0, 1e5]),
    st.sampled_from([3.0, 100.0, 1e5]), st.booleans(), st.floats(-9, -1),
)  # fmt: skip
def test_over_all_thresholds_a_delay_is_positive_and_only_next_to_the_ends_not_a_number(
    threshold: float, part: float, level: float | None, mean_half_life: float, below: bool, log_alpha: float
) -> None:
    end = -1.0 if below else 1.0
    rho = threshold + part * (end - threshold)
    placed = detrending.below(threshold, half_life.gain(level)) if below and level is not None else threshold
    delay = lag1_delay(placed, rho, 10.0**log_alpha, below=below, level_half_life=level, mean_half_life=mean_half_life)
    if math.isnan(delay):
        assert abs(rho if level is None else detrended(rho, level)) >= STEEPEST
    else:
        assert delay > 1.0


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.9), st.sampled_from([None, 3.0, 30.0, 1e5]), st.floats(-9, -1))
def test_over_all_moduli_a_delay_is_a_positive_number(
    threshold: float, part: float, level: float | None, log_alpha: float
) -> None:
    reached = threshold + part * (1.0 - threshold)
    assert modulus_delay(threshold, reached, 10.0**log_alpha, level_half_life=level) > 1.0


@pytest.mark.parametrize("threshold", [-0.95, -0.9, 0.0, 0.9, 0.95, 0.97])
def test_a_jump_half_way_to_the_end_has_a_delay_at_every_threshold_of_the_bank(threshold: float) -> None:
    assert 10.0 < lag1_delay(threshold, (threshold + 1.0) / 2.0, 1e-4) < 1e4
    placed = detrending.below(threshold, half_life.gain(30.0))
    assert 10.0 < lag1_delay(placed, (threshold - 1.0) / 2.0, 1e-4, below=True) < 1e4


def test_the_running_mean_costs_growth_and_a_slow_one_costs_little() -> None:
    free, slow, fast = (lag1_delay(0.8, 0.9, 1e-4, mean_half_life=half_life) for half_life in (1e6, 1_000.0, 100.0))
    assert free < slow < fast
    assert slow == pytest.approx(free, rel=0.1)


def test_a_falling_autocorrelation_is_seen_as_soon_as_its_mirror_image_without_a_running_mean() -> None:
    options = {"level_half_life": None, "mean_half_life": 1e9}
    rising = lag1_delay(0.5, 0.8, 1e-4, **options)
    falling = lag1_delay(-0.5, -0.8, 1e-4, below=True, **options)
    assert falling == pytest.approx(rising, rel=1e-3)


def test_a_smaller_change_of_spread_is_seen_later_and_none_takes_longer_than_the_budget() -> None:
    delays = [spread_delay(1.5, actual, 1e-3) for actual in (9.0, 3.0, 2.0, 1.5)]
    assert delays == sorted(delays)
    assert delays[-1] > 1e3
