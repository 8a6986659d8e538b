"""The coefficient of variation fades with the half-life, whatever the cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.analysis.variation import Variation


def whole(values: np.ndarray, half_life: float = 20.0) -> np.ndarray:
    ticks = np.arange(values.size)
    return Variation().extend(0, ticks, values, half_life, np.ones(values.size, bool))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_cuts_change_nothing_and_a_missing_value_holds(data):
    size = data.draw(st.integers(2, 120))
    values = np.random.default_rng(size).normal(9, 2, size)
    missing = data.draw(st.sets(st.integers(0, size - 1)))
    values[list(missing)] = np.nan
    cuts = sorted(data.draw(st.sets(st.integers(1, size - 1))))
    cut, ticks = Variation(), np.arange(size)
    parts = [
        cut.extend(3, ticks[a:b], values[a:b], 20.0, np.ones(b - a, bool))
        for a, b in zip([0, *cuts], [*cuts, size], strict=True)
    ]
    found = np.concatenate(parts)
    np.testing.assert_array_equal(found, whole(values))
    for at in sorted(missing - {0}):
        np.testing.assert_array_equal(found[at], found[at - 1])


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
    found = Variation().extend(0, ticks, values, 20.0, ready)
    assert np.isnan(found[:30]).all()
    np.testing.assert_array_equal(found[61:], whole(values[60:])[1:])


@pytest.mark.parametrize("values", [np.zeros(9), np.full(9, np.nan), np.array([1e300, -1e300] * 5)])
def test_where_it_has_no_meaning_it_is_nan_without_complaint(values):
    assert np.isnan(whole(values)[1:]).all()
