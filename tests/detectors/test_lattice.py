"""The second stage: modulus and period of processes whose roots are known, and the laws of every stage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bank import Bank
from detectors.checks import stream
from detectors.lattice import Lattice, Roots
from detectors.pairs import pairs_of
from detectors.spectrum import crossings, thresholds
from detectors.tables import lag1

HALF_LIFE = 70.0
GRID = thresholds()


def ar2(one: complex, other: complex, ticks: int = 6_000, series: int = 20, seed: int = 5) -> np.ndarray:
    """Gaussian AR(2) with these roots, shape (tick, series), of unit variance."""
    phi1, phi2 = (one + other).real, -(one * other).real
    noise = np.random.default_rng(seed).standard_normal((ticks + 500, series))
    values = np.zeros_like(noise)
    for t in range(2, len(values)):
        values[t] = phi1 * values[t - 1] + phi2 * values[t - 2] + noise[t]
    return values[500:] / values[500:].std()


def read(values: np.ndarray) -> Roots:
    """Roots after the first 500 ticks; the level is known."""
    pairs = pairs_of(values)
    before = np.vstack([np.full((2, values.shape[1]), np.nan), values[:-2]])
    bank, lattice = Bank([lag1(float(r), HALF_LIFE) for r in GRID]), Lattice(HALF_LIFE)
    _, readings, _ = bank.advance(bank.init(pairs.series), pairs)
    k1, _, _ = crossings(readings, GRID)
    _, _, roots = lattice.advance(lattice.init(pairs.series), pairs, before, k1)
    return Roots(*(array[500:] for array in roots))


@pytest.mark.parametrize(("modulus", "omega"), [(0.9, 1.2), (0.8, 2.0), (0.95, 0.6)])
def test_an_oscillation_is_read_with_its_modulus_and_its_period(modulus: float, omega: float) -> None:
    root = modulus * np.exp(1j * omega)
    roots = read(ar2(root, root.conjugate()))
    print(f"\n{modulus} at {omega}: {roots.modulus.mean():.3f}, omega {np.nanmean(2 * np.pi / roots.period):.3f}")
    assert abs(roots.modulus.mean() - modulus) < 0.03
    assert abs(np.nanmean(2.0 * np.pi / roots.period) - omega) < 0.05
    assert np.isfinite(roots.period).mean() > 0.95


def test_towards_period_doubling_the_modulus_rises_while_lag_1_falls() -> None:
    moduli = [read(ar2(phi, 0.0)).modulus.mean() for phi in (-0.3, -0.6, -0.9)]
    assert np.all(np.abs(np.array(moduli) - [0.3, 0.6, 0.9]) < 0.05)


def test_two_real_roots_give_the_larger_where_lag_1_alone_would_say_more() -> None:
    roots = read(ar2(0.8, 0.8))
    assert abs(roots.modulus.mean() - 0.8) < 0.1
    assert 1.6 / 1.64 > 0.95, "lag-1 autocorrelation of this process: (a + b) / (1 + ab)"


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_of_a_true_ar1_the_second_coefficient_is_hardly_ever_used(phi: float) -> None:
    roots = read(ar2(phi, 0.0))
    used = (roots.k2 != 0.0).mean()
    print(f"\nphi {phi}: used in {used:.2%} of readings")
    assert used <= 0.01


@given(st.integers(0, 2**32), st.lists(st.integers(0, 300), max_size=5).map(sorted))
def test_cut_anywhere_it_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    pairs = stream(300, 4, seed)
    random = np.random.default_rng(seed)
    before = np.where(random.random(pairs.past.shape) < 0.8, random.standard_normal(pairs.past.shape), np.nan)
    k1 = np.where(random.random(pairs.past.shape) < 0.9, random.uniform(-1.0, 1.0, pairs.past.shape), np.nan)
    lattice = Lattice(20.0)
    whole = lattice.advance(lattice.init(4), pairs, before, k1)
    state, parts = lattice.init(4), []
    for start, stop in zip([0, *cuts], [*cuts, 300], strict=True):
        state, second, roots = lattice.advance(state, pairs[start:stop], before[start:stop], k1[start:stop])
        parts.append((*roots, second.past, second.present, second.valid))
    assert [a.tobytes() for a in state] == [a.tobytes() for a in whole[0]]
    expected = (*whole[2], whole[1].past, whole[1].present, whole[1].valid)
    for one, pieces in zip(expected, zip(*parts, strict=True), strict=True):
        assert np.concatenate(pieces).tobytes() == one.tobytes()


def test_an_even_number_of_detectors_is_refused() -> None:
    with pytest.raises(ValueError, match="lattice: 8 detectors; an odd number of at least 3 is needed"):
        Lattice(70.0, 8)
