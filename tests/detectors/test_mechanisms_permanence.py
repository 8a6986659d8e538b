"""Object permanence: what is known of a series that is out of sight, before, during and after, through the product."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import sentinel
from tests.detectors.outage import bands, watched

BLIND_AFTER = 14
"""Missing ticks in a row: a tenth of the longest gap."""


@pytest.fixture(scope="module")
def readings() -> pl.DataFrame:
    values, present = watched()
    table = {"time": np.flatnonzero(present), "x": values[present]}
    return sentinel.analyse(table, conditioning=False).readings


def between(readings: pl.DataFrame, first: int, last: int, column: str) -> np.ndarray:
    """A column over the ticks `first` to `last`, both included."""
    return readings.filter(pl.col("time").is_between(first, last))[column].to_numpy()


def test_a_short_outage_is_watched_through_and_the_reading_held_exactly(readings: pl.DataFrame) -> None:
    assert set(between(readings, 299, 311, "state")) == {"watching"}
    held = between(readings, 299, 310, "lag1")  # the first value after an outage makes no pair yet
    assert held.size == 12
    assert np.ptp(held) == 0.0
    assert between(readings, 311, 311, "lag1") != held[0]


def test_a_longer_outage_is_watched_for_a_while_and_then_blind(readings: pl.DataFrame) -> None:
    states = between(readings, 500, 559, "state")
    assert set(states[: BLIND_AFTER - 1]) == {"watching"}
    assert set(states[BLIND_AFTER - 1 :]) == {"blind"}
    shown = between(readings, 500, 559, "lag1")
    assert np.isnan(shown[BLIND_AFTER - 1 :]).all()
    assert np.isfinite(shown[: BLIND_AFTER - 1]).all()


def test_after_it_the_reading_is_the_one_from_before_it_to_the_last_bit(readings: pl.DataFrame) -> None:
    assert between(readings, 560, 560, "state") == "watching"
    assert between(readings, 560, 560, "lag1") == between(readings, 499, 499, "lag1")


def test_an_outage_longer_than_the_longest_gap_is_one_row_and_then_the_series_is_learnt_anew(
    readings: pl.DataFrame,
) -> None:
    assert between(readings, 800, 999, "state").tolist() == ["blind"]
    after = between(readings, 1000, 1299, "state").tolist()
    learning = after.count("learning")
    assert after == ["learning"] * learning + ["watching"] * (len(after) - learning)
    assert learning >= BLIND_AFTER
    assert np.isnan(between(readings, 1000, 999 + learning, "lag1")).all()


def test_the_band_at_readout_widens_while_the_estimate_stays_and_narrows_again_with_new_pairs(
    readings: pl.DataFrame,
) -> None:
    values, present = watched()
    (centre, low, high), plain = bands(np.where(present, values, np.nan)[:, None])
    wide, narrow = (np.arctanh(h[450:800, 0]) - np.arctanh(lo[450:800, 0]) for _, lo, h in ((centre, low, high), plain))
    assert np.array_equal(centre, plain[0], equal_nan=True)
    before, first, last, again = 499 - 450, 500 - 450, 560 - 450, 561 - 450  # the tick 560 has a value, but no pair
    assert (np.diff(wide[first : last + 1]) > 0.0).all()
    assert np.ptp(narrow[before : last + 1]) == 0.0
    assert wide[last] / wide[before] == pytest.approx(np.sqrt(1.0 + 61 * 2.0 * np.log(2.0) / 70.0), rel=0.1)
    ratios = (wide / narrow)[again:]
    assert ratios[0] > 1.4 > 1.2 > ratios[70] > 1.05 > ratios[230] >= 1.0
    for column, expected in (("lag1", centre), ("lag1_low", low), ("lag1_high", high)):
        assert np.abs(between(readings, 500, 512, column) - expected[500:513, 0]).max() < 1e-12
        assert np.abs(between(readings, 561, 799, column) - expected[561:800, 0]).max() < 1e-12
