"""Kendall's tau of lag 1 and variance over a record, against surrogates without a trend."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from sentinel.analysis.trend import FEWEST, SURROGATES, _taus, find_trends


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
    found = _taus(record[None], 150, ends)[:, 0]
    expected = [kendalltau(np.arange(ends.size), each).statistic for each in (lag1, variance)]
    np.testing.assert_allclose(found, expected)


def test_slowing_has_the_smallest_p_value_of_both_and_noise_that_grows_only_that_of_variance():
    slowing = find_trends(process(800, np.linspace(0.2, 0.97, 800)))
    assert {name: trend.p for name, trend in slowing.items()} == pytest.approx(
        {"lag 1": 1 / (1 + SURROGATES), "variance": 1 / (1 + SURROGATES)}
    )
    louder = find_trends(process(800, 0.3, 2) * np.linspace(1, 4, 800))
    assert louder["variance"].p <= 0.02
    assert louder["lag 1"].p > 0.05


def test_of_records_without_a_trend_about_one_in_twenty_has_a_small_p_value():
    """More than 13 of 100 would be chance once in 1,000 such tests."""
    found = [find_trends(process(300, 0.7, seed)) for seed in range(100)]
    for name in ("lag 1", "variance"):
        assert sum(trend[name].p < 0.05 for trend in found) <= 13


def test_the_same_record_has_the_same_p_value_in_any_unit():
    record = process(400, 0.5)
    assert find_trends(record) == find_trends(record)
    huge = find_trends(record * 2.0**1000)
    for name, trend in find_trends(record).items():
        assert huge[name] == pytest.approx(trend)


@pytest.mark.parametrize("record", [process(FEWEST - 1, 0.5), np.full(500, math.nan), np.zeros(500)])
def test_nothing_is_said_of_too_few_values_or_of_a_constant(record):
    assert find_trends(record) == {}


def test_nothing_is_said_where_a_window_has_hardly_a_value():
    record = np.concatenate([process(120, 0.5), np.full(900, math.nan), process(10, 0.5)])
    assert find_trends(record) == {}
