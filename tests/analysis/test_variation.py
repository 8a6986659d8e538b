"""The coefficient of variation fades with the half-life, whatever the cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.analysis.variation import Variation
from tests.laws import examples


def whole(values: np.ndarray, half_life: float = 20.0) -> np.ndarray:
    return follow(Variation(), 0, np.arange(values.size), values, half_life)


def follow(variation: Variation, series: int, ticks: np.ndarray, values: np.ndarray, half_life: float) -> np.ndarray:
    ids, ready = np.full(values.size, series), np.ones(values.size, bool)
    return variation.extend(ids, ticks, values, lambda _: half_life, ready)


@settings(max_examples=examples(15, 40), deadline=None)
@given(st.data())
def test_cuts_change_nothing_and_a_missing_value_holds(data):
    size = data.draw(st.integers(2, 120))
    values = np.random.default_rng(size).normal(9, 2, size)
    missing = data.draw(st.sets(st.integers(0, size - 1)))
    values[list(missing)] = np.nan
    cuts = sorted(data.draw(st.sets(st.integers(1, size - 1))))
    cut, ticks = Variation(), np.arange(size)
    parts = [follow(cut, 3, ticks[a:b], values[a:b], 20.0) for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    found = np.concatenate(parts)
    np.testing.assert_array_equal(found, whole(values))
    for at in sorted(missing - {0}):
        np.testing.assert_array_equal(found[at], found[at - 1])


def test_series_that_are_followed_together_are_what_each_is_alone():
    sizes, half_lives = [40, 1, 90, 60], [20.0, 20.0, 7.0, 20.0]
    values = np.random.default_rng(2).normal(9, 2, sum(sizes))
    values[[0, 41, 100]] = np.nan
    ids, ticks = np.repeat(np.arange(4), sizes), np.concatenate([np.arange(size) for size in sizes])
    together = Variation()
    found = together.extend(ids, ticks, values, half_lives.__getitem__, np.ones(values.size, bool))
    alone = [whole(values[ids == number], half_life) for number, half_life in enumerate(half_lives)]
    np.testing.assert_array_equal(found, np.concatenate(alone))
    np.testing.assert_array_equal([together.last[number] for number in range(4)], [own[-1] for own in alone])


def test_it_is_the_weighted_standard_deviation_over_the_weighted_mean():
    values = np.random.default_rng(1).gamma(4.0, 2.0, 300) + 1e6
    weights = 0.5 ** (np.arange(300)[::-1] / 20.0)
    mean = np.average(values, weights=weights)
    expected = np.sqrt(np.average((values - mean) ** 2, weights=weights)) / mean
    assert whole(values)[-1] == pytest.approx(expected, rel=1e-6)


def test_a_gap_begins_it_anew_and_what_is_not_ready_is_nan():
    values = np.random.default_rng(1).normal(9, 2, 100)
    ticks = np.arange(100)
    ticks[60:] += 50
    ready = np.arange(100) >= 30
    found = Variation().extend(np.zeros(100, np.int64), ticks, values, lambda _: 20.0, ready)
    assert np.isnan(found[:30]).all()
    np.testing.assert_array_equal(found[61:], whole(values[60:])[1:])


@pytest.mark.parametrize("values", [np.zeros(9), np.full(9, np.nan), np.array([1e300, -1e300] * 5)])
def test_where_it_has_no_meaning_it_is_nan_without_complaint(values):
    assert np.isnan(whole(values)[1:]).all()
