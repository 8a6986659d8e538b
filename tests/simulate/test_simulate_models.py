"""The small systems lose their state where, and as, their docstrings say."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import fsolve

from sentinel.simulate import DAY_US, EPOCH_2020_US, MODEL_TICKS, MODELS, SYSTEMS, TICKS_TO_TIP, run, simulate
from sentinel.simulate.models import CYCLE_AT, DOUBLING_AT, EXTINCT_AT, FOLD_AT, FORK_AT, NEAREST
from tests.laws import examples

SLOWING = {
    "fold": (FOLD_AT, 0.519, 1.0),
    "transcritical": (EXTINCT_AT, 0.442, 1.0),
    "pitchfork": (FORK_AT, 0.442, 1.0),
    "hopf": (CYCLE_AT, 0.687 * cmath.exp(1.234j), cmath.exp(1.423j)),
    "period_doubling": (DOUBLING_AT, 0.0, -1.0),
}
"""Name -> critical parameter, and the slowest eigenvalue of one tick at rest and at the tip."""
TIPPING = (*SLOWING, "rate_induced", "noise_induced")


def eigenvalue(name: str, parameter: float) -> complex:
    """The slowest eigenvalue of one tick about the state at rest, of positive angle where it turns."""
    model, p = MODELS[name], np.array([parameter])

    def tick(state: NDArray[np.float64]) -> NDArray[np.float64]:
        for _ in range(model.inner):
            state = model.step(state, p, np.zeros_like(state))
        return state

    rest = fsolve(lambda state: tick(state[:, None])[:, 0] - state, np.array(model.start), xtol=1e-12)[:, None]
    step = 1e-6
    slopes = [(tick(rest + step * e[:, None]) - tick(rest - step * e[:, None])) / (2 * step) for e in np.eye(rest.size)]
    found = np.linalg.eigvals(np.concatenate(slopes, axis=1))
    return complex(max(found, key=lambda value: (round(abs(value), 9), value.imag)))


@pytest.mark.parametrize("name", SLOWING)
def test_the_slowest_eigenvalue_goes_from_what_is_said_to_the_unit_circle(name):
    tip, at_rest, at_tip = SLOWING[name]
    assert eigenvalue(name, MODELS[name].first) == pytest.approx(at_rest, abs=0.002)
    # Near the tip, since at it the state at rest is not unique.
    near = MODELS[name].first + 0.999 * (tip - MODELS[name].first)
    assert eigenvalue(name, near) == pytest.approx(at_tip, abs=0.03)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("fold", "hopf", "transcritical") else ())
        for name in TIPPING
    ],
)
def test_a_record_tips_where_its_parameter_says_and_its_control_does_not(name):
    record, control = simulate(name, 1), simulate(f"{name}_control", 1)
    assert control.tip_us is None
    assert record.values.size == control.values.size == MODEL_TICKS
    tip = (record.tip_us - EPOCH_2020_US) // DAY_US
    if name == "noise_induced":
        assert 0 < tip < MODEL_TICKS  # when chance has it
    else:
        assert abs(tip - TICKS_TO_TIP) < 60


@pytest.mark.slow
def test_a_record_that_ends_before_the_tip_has_none():
    assert simulate("fold", 1, ticks=1_000).tip_us is None
    assert simulate("pitchfork", 1, ticks=TICKS_TO_TIP).tip_us is None


@pytest.mark.parametrize("name", ["rate_induced", "noise_induced"])
def test_the_double_well_is_as_stable_just_before_it_is_left_as_at_rest(name):
    ticks, runs = np.full(200, 300.0), 200
    values, lost = run(MODELS[name], np.random.default_rng(5), 290, ticks=ticks)
    kept = values[:, ~lost.any(axis=0)]
    assert kept.shape[1] > runs / 2
    off = kept - kept.mean(axis=0)
    early, late = ((off[a:b] * off[a + 1 : b + 1]).sum() / (off[a:b] ** 2).sum() for a, b in ((20, 140), (150, 270)))
    assert late == pytest.approx(early, abs=0.05)


@pytest.mark.slow
def test_half_the_noise_never_leaves_the_well():
    values, lost = run(MODELS["noise_induced"], np.random.default_rng(5), 1_500, ticks=np.full(100, 1.0), null=True)
    assert not lost.any()
    assert values.min() > 0


def test_a_shift_ten_times_as_slow_is_followed():
    model = MODELS["rate_induced"]
    state, place = np.array([[1.0]]), 0.0
    for _ in range(100 * model.inner):
        place += 3.0 / 100 / model.inner
        state = model.step(state, np.array([place]), np.zeros((1, 1)))
    assert state[0, 0] > place


def test_the_near_miss_comes_near_halfway_and_goes_back():
    model = MODELS["near_miss"]
    tick = np.arange(1_001.0)[:, None]
    rho = model.path(tick, np.array([1_000.0]), np.array([model.first]))[:, 0]
    assert rho[[0, 500, 1_000]].tolist() == pytest.approx([0.4, NEAREST, 0.4])
    assert rho.max() == pytest.approx(NEAREST)
    assert math.isclose(rho[250], 0.6)
    assert simulate("near_miss", 3).tip_us is None


@pytest.mark.parametrize(
    "name", [pytest.param("pitchfork", marks=pytest.mark.slow), "period_doubling", "near_miss_control"]
)
@settings(max_examples=examples(2, 5), deadline=None)
@given(seed=st.integers(0, 1_000), taken=st.integers(1, 600))
def test_a_seed_gives_the_same_values_whatever_number_is_taken(name, seed, taken):
    assert np.array_equal(simulate(name, seed, ticks=taken).values, simulate(name, seed).values[:taken])


@pytest.mark.slow
def test_a_run_and_its_null_differ_only_by_the_parameter():
    for name in ("fold", "transcritical", "period_doubling"):
        record, control = (simulate(each, 2).values for each in (name, f"{name}_control"))
        assert record[0] == control[0]
        assert np.abs(record[1:4] / control[1:4] - 1).max() < 0.05
        assert not np.array_equal(record, control)


def test_every_model_has_a_control_among_the_systems():
    assert {f"{name}_control" for name in MODELS} | set(MODELS) <= set(SYSTEMS)
