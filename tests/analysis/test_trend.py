"""Kendall's tau of lag 1 and variance over a record, against surrogates without a trend."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import kendalltau
from statsmodels.tsa.arima.estimators.hannan_rissanen import hannan_rissanen
from statsmodels.tsa.stattools import acovf, levinson_durbin

from sentinel.analysis.surrogate_kernel import find_taus, run_arma
from sentinel.analysis.surrogates import NULLS, block_length, fit_ar, fit_arma, list_nulls
from sentinel.analysis.trend import FEWEST, SURROGATES, find_trends


def process(ticks: int, lag1: np.ndarray | float, seed: int = 1) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_normal(ticks)
    values, rho = np.zeros(ticks), np.broadcast_to(lag1, ticks)
    for t in range(1, ticks):
        values[t] = rho[t] * values[t - 1] + shocks[t]
    return values


def test_tau_is_that_of_each_window_computed_by_itself():
    record = process(300, 0.5)
    record[40:55] = math.nan
    ends = np.arange(150, 301, 10)
    lag1, variance = [], []
    for end in ends:
        window = record[end - 150 : end]
        both = ~np.isnan(window[1:] + window[:-1])
        past, present = window[:-1][both], window[1:][both]
        lag1.append(past @ present / math.sqrt((past @ past) * (present @ present)))
        variance.append(np.nanmean(window**2))
    found = find_taus(record[:, None], ~np.isnan(record), ends - 150, ends)[:, 0]
    expected = [kendalltau(np.arange(ends.size), each).statistic for each in (lag1, variance)]
    np.testing.assert_allclose(found, expected)


def test_slowing_has_the_smallest_p_value_of_both_and_noise_that_grows_only_that_of_variance():
    slowing = find_trends(process(800, np.linspace(0.2, 0.97, 800)))
    least = dict.fromkeys(NULLS, 1 / (1 + SURROGATES))
    assert {name: trend.p for name, trend in slowing.items()} == {"lag 1": least, "variance": least}
    louder = find_trends(process(800, 0.3, 2) * np.linspace(1, 4, 800))
    assert all(p <= 0.02 for p in louder["variance"].p.values())
    assert all(p > 0.05 for p in louder["lag 1"].p.values())


@pytest.mark.parametrize("errors", [0.0, 2.0], ids=["AR(1)", "AR(1) with errors of observation"])
def test_of_records_without_a_trend_about_one_in_twenty_has_a_small_p_value(errors):
    """More than 13 of 100 would be chance once in 1,000 such tests."""
    noise = np.random.default_rng(1).normal(0, errors, (100, 300))
    found = [find_trends(process(300, 0.7, seed) + noise[seed]) for seed in range(100)]
    for name in ("lag 1", "variance"):
        for null in NULLS:
            assert sum(trend[name].p.get(null, 1.0) < 0.05 for trend in found) <= 13


def test_the_same_record_has_the_same_p_value_in_any_unit():
    record = process(400, 0.5)
    assert find_trends(record) == find_trends(record)
    huge = find_trends(record * 2.0**1000)
    for name, trend in find_trends(record).items():
        assert huge[name].tau == pytest.approx(trend.tau)
        assert huge[name].p == pytest.approx(trend.p)


@pytest.mark.parametrize("record", [process(FEWEST - 1, 0.5), np.full(500, math.nan), np.zeros(500)])
def test_nothing_is_said_of_too_few_values_or_of_a_constant(record):
    assert find_trends(record) == {}


def test_nothing_is_said_where_a_window_has_hardly_a_value():
    record = np.concatenate([process(120, 0.5), np.full(900, math.nan), process(10, 0.5)])
    assert find_trends(record) == {}


def test_surrogates_have_the_memory_of_the_record():
    record = process(4_000, 0.8)
    record[700:720] = math.nan
    assert fit_ar(record)[0] == pytest.approx(0.8, abs=0.05)
    for null, draw in list_nulls(record).items():
        drawn = np.concatenate(list(draw(70)), axis=1)
        assert drawn.shape == (record.size, 70), null
        lag1 = (drawn[1:] * drawn[:-1]).sum() / (drawn**2).sum()
        assert lag1 == pytest.approx(0.8, abs=0.05), null


def test_errors_of_observation_are_fitted_as_such():
    record = process(4_000, 0.9) + np.random.default_rng(5).normal(0, 3, 4_000)
    past, shocks = fit_arma(record)
    assert past[0] > 0.8
    assert shocks[0] < -0.3


def test_a_record_without_a_long_stretch_has_no_arma_null():
    record = process(400, 0.5)
    record[::50] = math.nan
    assert set(list_nulls(record)) == {"AR", "blocks"}
    assert set(find_trends(record)["lag 1"].p) == {"AR", "blocks"}
    assert set(find_trends(record, ["blocks"])["lag 1"].p) == {"blocks"}


def test_blocks_are_as_long_as_the_memory():
    assert block_length(process(2_000, 0.0)) == 10
    assert 10 < block_length(process(2_000, 0.9)) <= 400
    assert block_length(process(100, 0.99)) <= 20


def test_processes_are_fitted_and_drawn_as_statsmodels_does_it():
    """Its functions are for any order and take most of a report of many short series."""
    random = np.random.default_rng(3)
    for ticks, lag1, errors in ((120, 0.3, 0.0), (700, 0.9, 2.0), (1_000, 0.7, 0.5), (400, -0.5, 0.3)):
        record = process(ticks, lag1, ticks) + random.normal(0, errors, ticks)
        past, shocks = fit_arma(record)
        fitted, _ = hannan_rissanen(record - record.mean(), ar_order=1, ma_order=1, demean=False)
        np.testing.assert_allclose([*past, *shocks], [*fitted.ar_params, *fitted.ma_params], rtol=1e-6, atol=1e-9)
        record[5:9] = math.nan
        coefficients = fit_ar(record)
        covariances = acovf(record, missing="conservative", fft=False, nlag=coefficients.size)
        _, expected, *_ = levinson_durbin(covariances, nlags=coefficients.size, isacov=True)
        np.testing.assert_allclose(coefficients, expected, rtol=1e-9)
    drawn = random.standard_normal((50, 3))
    by_filter = lfilter([1.0, 0.4, 0.2], [1.0, -0.5, 0.1, -0.2], drawn, axis=0)
    np.testing.assert_allclose(run_arma(drawn, np.array([0.5, -0.1, 0.2]), np.array([0.4, 0.2])), by_filter, rtol=1e-9)
