from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.simulate import (
    DAY_US,
    EPOCH_2020_US,
    EUTROPHIC,
    LOADED_TICKS,
    LOSS,
    SYSTEMS,
    TICK,
    fold,
    loads,
    simulate,
    tip_tick,
)


def lag1(values: np.ndarray) -> float:
    ticks = np.arange(values.size)
    rest = values - np.polyval(np.polyfit(ticks, values, 2), ticks)
    return float(rest[1:] @ rest[:-1] / (rest @ rest))


def test_at_the_fold_the_drift_and_its_slope_vanish():
    load, phosphorus = fold()
    assert load - LOSS * phosphorus + phosphorus**2 / (1 + phosphorus**2) == pytest.approx(0, abs=1e-12)
    assert -LOSS + 2 * phosphorus / (1 + phosphorus**2) ** 2 == pytest.approx(0, abs=1e-12)
    # By search on a grid: the largest load that a clear lake can hold.
    grid = np.linspace(0, 0.5, 500_001)
    assert load == pytest.approx(np.max((LOSS * grid - grid**2 / (1 + grid**2))[:450_000]), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(40)])
def test_the_loaded_lake_tips_where_the_theory_says(seeds):
    crossing = int(np.searchsorted(loads(), fold()[0]))
    assert 0.8 * LOADED_TICKS < crossing < LOADED_TICKS
    tips = np.array([(simulate("lake", seed).tip_us - EPOCH_2020_US) // DAY_US for seed in seeds])
    assert abs(np.median(tips) / crossing - 1) < 0.03
    assert np.all(np.abs(tips / crossing - 1) < 0.07)


@pytest.mark.slow
def test_the_control_never_tips():
    for seed in range(40):
        control = simulate("lake_control", seed, ticks=LOADED_TICKS)
        assert control.tip_us is None
        assert control.values.max() < fold()[1]


@pytest.mark.slow
def test_lag_1_of_the_loaded_lake_rises_and_that_of_the_control_stays():
    crossing = int(np.searchsorted(loads(), fold()[0]))
    early, late, control = [], [], []
    for seed in range(20):
        values = simulate("lake", seed).values
        early.append(lag1(values[:300]))
        late.append(lag1(values[crossing - 150 : crossing - 50]))
        control.append(lag1(simulate("lake_control", seed, ticks=LOADED_TICKS).values[-300:]))
    assert 0.4 < np.mean(early) < 0.55
    assert np.mean(late) > 0.75  # of 100 ticks with their trend taken out, which lowers it; 0.85 to 0.93 in theory
    assert 0.4 < np.mean(control) < 0.55


def test_the_theoretical_lag_1_starts_near_a_half_and_passes_nine_tenths_a_hundred_days_before_the_fold():
    grid = np.linspace(0, fold()[1], 100_000)
    clear = np.interp(loads(), LOSS * grid - grid**2 / (1 + grid**2), grid)
    theory = np.exp(-TICK * (LOSS - 2 * clear / (1 + clear**2) ** 2))
    crossing = int(np.searchsorted(loads(), fold()[0]))
    assert 0.4 < theory[0] < 0.52
    assert 80 < crossing - np.searchsorted(theory[:crossing], 0.9) < 130
    assert 300 < crossing - np.searchsorted(theory[:crossing], 0.8) < 360


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lake", "lake_control", "ar1"])
@given(seed=st.integers(0, 1_000), taken=st.integers(1, 600))
def test_a_seed_gives_the_same_values_bitwise_however_many_are_taken(name, seed, taken):
    some = np.array(list(islice(SYSTEMS[name].values(seed), taken)))
    assert np.array_equal(some, simulate(name, seed, ticks=taken + 100).values[:taken])


def test_other_seeds_give_other_values():
    assert not np.array_equal(simulate("lake", 0).values, simulate("lake", 1).values)


def test_ar1_has_the_lag_1_autocorrelation_it_says():
    assert lag1(simulate("ar1", ticks=100_000).values) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("name", "first", "last", "missing"),
    [
        ("co2", "1958-03-29", "2001-12-29", 59),
        ("elnino", "1950-01-01", "2010-12-01", 0),
        ("nile", "1871-01-01", "1970-01-01", 0),
        ("sunspots", "1700-01-01", "2008-01-01", 0),
    ],
)
def test_recorded_series_come_with_their_own_time_stamps(name, first, last, missing):
    record = simulate(name)
    assert record.values.size == record.times_us.size == SYSTEMS[name].length
    days = record.times_us.astype("datetime64[us]").astype("datetime64[D]")
    assert [str(days[0]), str(days[-1])] == [first, last]
    assert np.isnan(record.values).sum() == missing
    assert record.tip_us is None


def test_the_weeks_of_co2_have_no_gap_between_their_stamps():
    assert set(np.diff(simulate("co2").times_us)) == {7 * DAY_US}


def test_the_nile_steps_down_where_it_is_said_to():
    nile = simulate("nile")
    step = int(np.searchsorted(nile.times_us.astype("datetime64[us]"), np.datetime64("1899")))
    assert nile.values[:step].mean() - nile.values[step:].mean() > 200


@pytest.mark.slow
@given(st.lists(st.floats(0, 2), max_size=30))
def test_the_tip_is_the_first_value_after_which_none_comes_back(values):
    tip = tip_tick(np.array(values))
    stays = [all(value > EUTROPHIC for value in values[at:]) for at in range(len(values))]
    assert tip == (stays.index(True) if True in stays else None)
