"""The rivals: the field's indicators, causal and over trailing windows."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, skew

from sentinel.analysis.skill import kendall_tau, lag1, means, rolling, skewness, variances

ROLLING = [*(partial(rolling, one) for one in (lag1, variances, means, skewness)), kendall_tau]
# Few distinct values: ties are frequent.
records = arrays(np.float64, st.integers(8, 40), elements=st.sampled_from([0.0, 1.0, 2.0, 5.0, -3.0, np.nan]))


@pytest.mark.slow
def test_without_gaps_lag1_variance_and_their_tau_are_the_numbers_of_ewstools():
    ewstools = pytest.importorskip("ewstools")
    pandas = pytest.importorskip("pandas")
    values = np.random.default_rng(1).normal(size=120).cumsum()
    peer = ewstools.TimeSeries(pandas.Series(values))
    peer.compute_var(rolling_window=40)
    peer.compute_auto(lag=1, rolling_window=40)
    np.testing.assert_allclose(rolling(variances, values, 40), peer.ews["variance"], rtol=1e-9)
    np.testing.assert_allclose(rolling(lag1, values, 40), peer.ews["ac1"], rtol=1e-9)
    peer.compute_ktau()
    for name, ours in (("variance", rolling(variances, values, 40)), ("ac1", rolling(lag1, values, 40))):
        # Over the whole record, as the field takes it: 81 values from the first whole window on.
        assert kendall_tau(ours[39:], 81)[-1] == pytest.approx(peer.ktau[name], abs=1e-12)


def test_skewness_is_that_of_scipy():
    values = np.random.default_rng(2).exponential(size=60)
    expected = [skew(values[k - 19 : k + 1]) for k in range(19, 60)]
    np.testing.assert_allclose(rolling(skewness, values, 20)[19:], expected, rtol=1e-9)


@given(records, st.integers(4, 12))
def test_tau_is_that_of_scipy_in_every_window_with_ties_and_gaps(values, window):
    tau = kendall_tau(values, window)
    for last in range(values.size):
        inside = values[max(0, last + 1 - window) : last + 1]
        there = ~np.isnan(inside)
        if last < window - 1 or there.sum() < window / 2 or np.ptp(inside[there]) == 0:
            assert np.isnan(tau[last])
        else:
            expected = kendalltau(np.flatnonzero(there), inside[there]).statistic
            assert tau[last] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("indicator", ROLLING)
@given(values=records, cut=st.integers(0, 40), window=st.integers(4, 12))
def test_no_number_changes_when_later_values_come(indicator, values, cut, window):
    np.testing.assert_array_equal(indicator(values[:cut], window), indicator(values, window)[:cut])


def test_lag1_forms_no_pair_across_a_missing_value():
    values = np.random.default_rng(4).normal(size=30).cumsum()
    values[15] = np.nan
    past, present = values[:-1], values[1:]
    both = ~np.isnan(past + present)
    expected = np.corrcoef(past[both], present[both])[0, 1]
    assert rolling(lag1, values, 30)[-1] == pytest.approx(expected, abs=1e-12)
