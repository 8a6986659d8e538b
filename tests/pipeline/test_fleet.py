"""e-BH: its definition, its laws, and the false discovery rate it keeps, also where it is exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel.domain.metrics import LEVEL
from sentinel.pipeline.fleet import e_bh

E_VALUES = st.lists(st.floats(0, 1e6) | st.just(math.nan), max_size=30).map(np.array)
LEVELS = st.floats(0.01, 1.0)


def by_definition(e_values: NDArray[np.float64], level: float) -> set[int]:
    """Wang & Ramdas 2022, definition 1, literally."""
    known = [i for i, e in enumerate(e_values) if not math.isnan(e)]
    falling = sorted(known, key=lambda i: -e_values[i])
    counts = [k for k in range(1, len(known) + 1) if k * e_values[falling[k - 1]] / len(known) >= 1 / level]
    return set(falling[: max(counts, default=0)])


@pytest.mark.slow
@given(e_values=E_VALUES, level=LEVELS)
def test_discoveries_are_those_of_the_definition(e_values, level: float) -> None:
    found = e_bh(e_values, level)
    # On the line itself the two ways to round a quotient may differ.
    if not np.isclose(found.level, level, rtol=1e-12).any():
        assert set(np.flatnonzero(found.discovered)) == by_definition(e_values, level)
    np.testing.assert_array_equal(np.isnan(found.level), np.isnan(e_values))
    np.testing.assert_array_equal(found.rank == 0, np.isnan(e_values))


@given(e_values=E_VALUES, level=LEVELS, seed=st.integers(0, 9))
def test_the_order_in_which_series_come_changes_nothing(e_values, level: float, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(e_values))
    for there, here in zip(e_bh(e_values, level), e_bh(e_values[order], level), strict=True):
        np.testing.assert_array_equal(there[order], here)


@given(e_values=E_VALUES, level=LEVELS, factor=st.floats(1, 100), data=st.data())
def test_more_evidence_anywhere_never_takes_a_discovery_away(e_values, level: float, factor: float, data) -> None:
    more = e_values.copy()
    if more.size:
        more[data.draw(st.integers(0, more.size - 1))] *= factor
    before, after = e_bh(e_values, level), e_bh(more, level)
    assert (after.discovered | ~before.discovered).all()
    assert (np.nan_to_num(after.level) <= np.nan_to_num(before.level)).all()


@pytest.mark.slow
@given(e_values=E_VALUES, level=LEVELS)
def test_ranks_and_levels_follow_the_e_values(e_values, level: float) -> None:
    found = e_bh(e_values, level)
    known = np.flatnonzero(~np.isnan(e_values))
    by_rank = known[np.argsort(found.rank[known], kind="stable")]
    assert (np.diff(e_values[by_rank]) <= 0).all()
    assert (np.diff(found.level[by_rank]) >= 0).all()
    assert (found.rank[known] == [1 + (e_values[known] > e).sum() for e in e_values[known]]).all()


def test_a_series_that_is_not_ready_is_no_hypothesis() -> None:
    assert e_bh(np.array([11.0, math.nan, math.nan])).discovered.tolist() == [True, False, False]
    assert not e_bh(np.array([11.0, 0.0, 0.0])).discovered.any()
    assert e_bh(np.array([])).discovered.size == 0


def false_share(discovered: NDArray[np.bool_], true: int) -> float:
    """Share of false ones among the discoveries; the last `true` are right."""
    return discovered[: discovered.size - true].sum() / max(1, discovered.sum())


def within_its_level(shares: list[float], level: float) -> bool:
    return float(np.mean(shares)) <= level + 3 * float(np.std(shares)) / math.sqrt(len(shares))


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.7, -1.0], ids=["independent", "correlated", "opposed"])
def test_the_false_discovery_rate_is_kept_however_series_depend_on_one_another(correlation: float) -> None:
    chance, series, true, lift = np.random.default_rng(7), 60, 12, 2.5
    shares = []
    for _ in range(1500):
        noise = chance.normal(size=series)
        if correlation < 0:
            noise[series // 2 :] = -noise[: series // 2]
        else:
            noise = math.sqrt(1 - correlation) * noise + math.sqrt(correlation) * chance.normal()
        noise[-true:] += lift
        shares.append(false_share(e_bh(np.exp(lift * noise - lift**2 / 2)).discovered, true))
    assert within_its_level(shares, LEVEL)


@pytest.mark.slow
def test_the_level_is_reached_where_it_can_be_so_the_line_is_not_lower_than_it_must_be() -> None:
    # One null in turn has an e-value of K / level with probability level: mean 1 each, and the rate is exact.
    chance, series = np.random.default_rng(8), 20
    shares = []
    for _ in range(4000):
        e_values = np.zeros(series)
        if chance.random() < LEVEL:
            e_values[chance.integers(series)] = series / LEVEL * (1 + 1e-9)
        shares.append(false_share(e_bh(e_values).discovered, 0))
    error = np.std(shares) / math.sqrt(len(shares))
    assert abs(np.mean(shares) - LEVEL) <= 3 * error


@pytest.mark.parametrize("level", [0.0, -0.1, 1.1, math.nan])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        e_bh(np.array([1.0]), level)


def test_a_negative_e_value_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        e_bh(np.array([1.0, -2.0]))
