"""The stated delay against measured ones: medians over seeded jumps through the product's own pipeline."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import detrending, half_life
from detectors.delay import detrended, lag1_delay, modulus_delay, spread_delay
from tests.sentinel.streams import HOUR_US, Floats, ar1, hourly, run

BEFORE, SERIES = 400, 150
CASES = [
    (0.0, 0.3, 0.8, 1e-4),
    (0.5, 0.8, 0.9, 1e-4),
    (0.5, 0.9, 0.95, 1e-4),
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
@given(st.floats(0.0, 0.8), st.floats(0.2, 0.7), st.floats(-6, -2))  # at .98 the grid of the integral shows
def test_a_larger_jump_and_a_larger_budget_are_seen_sooner(threshold: float, part: float, log_alpha: float) -> None:
    small, large = (threshold + share * (1.0 - threshold) for share in (part, part + 0.1))
    alpha = 10.0**log_alpha
    assert lag1_delay(threshold, large, alpha) < lag1_delay(threshold, small, alpha)
    assert lag1_delay(threshold, small, alpha) < lag1_delay(threshold, small, alpha / 10.0)


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
