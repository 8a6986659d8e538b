"""The theorem behind the budget, seen: alarms per tick at the null itself, with a known level.

Rules clear at once (`clear` = 0.99), so that nearly every tick can raise an alarm: the hardest case for the bound.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.evidence import Evidence, above, stream_of
from detectors.pairs import Pairs

Floats = NDArray[np.float64]

ALPHAS = np.array([1e-2, 1e-3])
QUICKLY = [(0.0, "Gaussian"), (0.5, "Student-3"), (0.9, "Laplace")]
CELLS = [
    pytest.param(rho, name, marks=() if (rho, name) in QUICKLY else pytest.mark.slow)
    for rho in (0.0, 0.5, 0.9)
    for name in ("Gaussian", "Laplace", "Student-3")
]


def share_of_budget(pairs: Pairs, threshold: float, *, recentre: bool) -> tuple[Floats, Floats]:
    """Alarms per tick over alpha, and the half-width of its one-sided 95 % bound, by series; one value per alpha."""
    evidence = Evidence([above(threshold, alpha, 0.99) for alpha in ALPHAS], mean_half_life=100.0 if recentre else 0.0)
    _, block = evidence.advance(evidence.init(pairs.series), stream_of(pairs, rules=len(ALPHAS)))
    by_series = block.raised.mean(axis=0) / ALPHAS
    return by_series.mean(axis=0), 1.645 * by_series.std(axis=0, ddof=1) / np.sqrt(pairs.series)


def hold(pairs: Pairs, threshold: float, what: str) -> None:
    share, half = share_of_budget(pairs, threshold, recentre=False)
    print(f"\n{what}: {share[0]:.2f} ± {half[0]:.2f} of 1e-2, {share[1]:.2f} ± {half[1]:.2f} of 1e-3")
    assert np.all(share + half <= 1.0)
    assert np.all(share > 0.3), "so far below the budget that the test shows nothing"


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "innovation"), CELLS)
def test_alarms_stay_within_the_budget_at_the_null(simulate, pairs_at_known_level, rho: float, innovation: str) -> None:
    hold(pairs_at_known_level(simulate(rho, innovation, 10_001, 100, seed=70)), rho, f"rho {rho} {innovation}")


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_alarms_stay_within_the_budget_whatever_the_scale(simulate, pairs_at_known_level, scale: float) -> None:
    hold(pairs_at_known_level(scale * simulate(0.5, "Student-3", 10_001, 100, seed=72)), 0.5, f"scale {scale}")


@pytest.mark.slow
def test_alarms_stay_within_the_budget_when_the_shocks_grow_and_shrink(pairs_at_known_level) -> None:
    random = np.random.default_rng(73)
    values = np.zeros((10_001, 100))
    for t in range(1, len(values)):
        # The scale depends on the past: threefold after a large value, and threefold in every other 500 ticks.
        spread = np.where(np.abs(values[t - 1]) > 1.5, 3.0, 1.0) * (3.0 if t // 500 % 2 else 1.0)
        values[t] = 0.5 * values[t - 1] + 0.5 * spread * random.standard_normal(100)
    hold(pairs_at_known_level(values), 0.5, "changing scale")


@pytest.mark.parametrize("missing", [pytest.param(0.1, marks=pytest.mark.slow), 0.5])
def test_alarms_stay_within_the_budget_with_missing_ticks(simulate, pairs_at_known_level, missing: float) -> None:
    pairs = pairs_at_known_level(simulate(0.5, "Gaussian", 20_001, 100, seed=74))
    seen = np.random.default_rng(75).random((pairs.ticks + 1, pairs.series)) >= missing
    valid = seen[1:] & seen[:-1]
    share, half = share_of_budget(Pairs(pairs.past, pairs.present, valid, pairs.reset), 0.5, recentre=False)
    print(f"\n{missing:.0%} missing: {share[0]:.2f} ± {half[0]:.2f} of 1e-2, {share[1]:.2f} ± {half[1]:.2f} of 1e-3")
    assert np.all(share + half <= 1.0)


@pytest.mark.slow
def test_below_the_threshold_alarms_are_rarer_still(simulate, pairs_at_known_level) -> None:
    pairs = pairs_at_known_level(simulate(0.5, "Gaussian", 10_001, 100, seed=76))
    at, _ = share_of_budget(pairs, 0.5, recentre=False)
    above, _ = share_of_budget(pairs, 0.6, recentre=False)
    assert np.all(above < at)
    assert above[1] / at[1] < above[0] / at[0], "and the more so, the smaller alpha is"


@pytest.mark.parametrize("innovation", ["Gaussian", pytest.param("Student-3", marks=pytest.mark.slow)])
def test_before_any_alarm_the_expected_wealth_is_the_money_put_in(simulate, pairs_at_known_level, innovation) -> None:
    pairs = pairs_at_known_level(simulate(0.5, innovation, 31, 20_000, seed=77))
    evidence = Evidence([above(0.5, 1e-9)], mean_half_life=0)
    state, _ = evidence.advance(evidence.init(20_000), stream_of(pairs))
    wealth = state.wealth.sum(axis=(1, 2))
    error = wealth.std(ddof=1) / np.sqrt(wealth.size)
    print(f"\n{innovation}: wealth {wealth.mean():.3f} ± {error:.3f} after 30 units")
    assert abs(wealth.mean() - 30.0) <= 3.0 * error


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "innovation"), CELLS)
def test_wealth_and_alarms_less_the_money_put_in_do_not_grow(simulate, pairs_at_known_level, rho, innovation) -> None:
    # E_t + N_t / alpha - t is a supermartingale; while an alarm is open no wealth counts.
    pairs = pairs_at_known_level(simulate(rho, innovation, 2_001, 500, seed=78))
    evidence = Evidence([above(rho, alpha, 0.99) for alpha in ALPHAS], mean_half_life=0)
    state, block = evidence.advance(evidence.init(500), stream_of(pairs, rules=len(ALPHAS)))
    balance = state.wealth.sum(axis=2) * ~state.open + block.raised.sum(axis=0) / ALPHAS - pairs.ticks
    error = balance.std(axis=0, ddof=1) / np.sqrt(500)
    assert np.all(balance.mean(axis=0) <= 3.0 * error)


@pytest.mark.parametrize("rho", [pytest.param(rho, marks=pytest.mark.slow) for rho in (0.0, 0.3, 0.7)] + [0.5])
def test_recentring_halves_the_false_alarms_of_skewed_shocks(simulate, pairs_at_known_level, rho: float) -> None:
    pairs = pairs_at_known_level(simulate(rho, "exponential", 10_001, 200, seed=71))
    plain, half = share_of_budget(pairs, rho, recentre=False)
    recentred, other = share_of_budget(pairs, rho, recentre=True)
    print(f"\nrho {rho}: {plain[1]:.2f} ± {half[1]:.2f} of 1e-3 plain, {recentred[1]:.2f} ± {other[1]:.2f} recentred")
    assert plain[1] - half[1] > 1.0, "skewed shocks are outside the theorem"
    assert np.all(recentred + other <= 1.0)
    assert recentred[1] <= 0.55 * plain[1]
