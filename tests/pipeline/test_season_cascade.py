"""Several seasons at once, and recovery time at several cadences, through the product's own pipeline."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

import sentinel
from sentinel.config import Settings
from sentinel.domain.states import Reason, State
from tests.pipeline.streams import ar1, hourly, run

Floats = NDArray[np.float64]
SERIES = 12


def autoregressive(phi: float, ticks: int, seed: int) -> Floats:
    """Rows of AR(1) of variance 1."""
    noise = np.random.default_rng(seed).normal(size=(SERIES, ticks + 300))
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=1)[:, 300:] * np.sqrt(1 - phi**2))


def sine(ticks: int, period: float) -> Floats:
    return np.asarray(np.sqrt(2) * np.sin(2 * np.pi * np.arange(ticks) / period))


def saw(ticks: int, period: float) -> Floats:
    return np.asarray((np.arange(ticks) % period / period - 0.5) * np.sqrt(12))


class Measured(NamedTuple):
    left: list[float]
    """Spread of the mean residual over the bins of each season, residuals having spread 1."""
    alarms: float
    """Per 10,000 ready ticks."""
    bias: float
    """Of lag 1, median."""


def measured(values: Floats, phi: float, declared: tuple[float, ...], asked: tuple[float, ...]) -> Measured:
    """Alarms at the truth, with one false alarm in 1,000 ticks allowed; one step of the axis counts as a second."""
    ticks = values.shape[1]
    settings = Settings.model_validate(
        {
            "alarms": [{"threshold": phi, "alpha": 1e-3, "at_start": "alarm"}],
            "series": [{"match": "*", "season": [f"{period:g}s" for period in declared]}],
        }
    )
    table = {"time": np.arange(ticks), **{f"s{at}": row for at, row in enumerate(values)}}
    found = sentinel.analyse(table, config=settings)
    residual, lag1 = (found.readings[name].to_numpy().reshape(SERIES, ticks) for name in ("residual", "lag1"))
    warm = int(2 * max(declared)) + 200
    mean = np.nanmean(residual[:, warm:], axis=0)
    left = []
    for period in asked:
        phase = (24 * (np.arange(ticks)[warm:] % period) / period).astype(int)
        left.append(float(np.std([mean[phase == bin_].mean() for bin_ in np.unique(phase)])))
    ready = np.isfinite(lag1)
    bias = float(np.median(lag1[:, warm:][ready[:, warm:]])) - phi
    return Measured(left, found.alarms.height / ready.sum() * 1e4, bias)


LEFT = 0.05
"""What may be left of a season, in standard deviations of the residual."""


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(
    ("short", "long", "ticks"), [(24.0, 8766.0, 26_298), (7.0, 365.25, 7_305)], ids=["day and year", "week and year"]
)
def test_two_seasons_at_once_are_taken_out_within_the_budget(phi, short, long, ticks):
    values = autoregressive(phi, ticks, 5) + 2 * saw(ticks, short) + 3 * sine(ticks, long)
    found = measured(values, phi, (short, long), (short, long))
    assert found.alarms <= 10.0, found
    assert abs(found.bias) <= 0.05, found
    assert max(found.left) <= LEFT, found


def test_the_order_in_which_seasons_are_declared_makes_no_difference():
    values = autoregressive(0.5, 600, 5) + 2 * saw(600, 7) + 3 * sine(600, 60)
    residual = [
        sentinel.analyse(
            {"time": np.arange(600), "x": values[0]},
            config=Settings.model_validate({"series": [{"match": "*", "season": season}]}),
        ).readings["residual"]
        for season in (["7s", "60s"], ["60s", "7s"])
    ]
    assert residual[0].is_finite().sum() > 400
    assert residual[0].equals(residual[1], null_equal=True)


@pytest.mark.slow
def test_a_day_and_a_week_at_once_leave_nothing_of_either():
    ticks = 6_000
    values = autoregressive(0.5, ticks, 6) + 2 * saw(ticks, 24) + 2 * sine(ticks, 168)
    both = measured(values, 0.5, (24.0, 168.0), (24.0, 168.0))
    assert both.alarms <= 10.0
    assert abs(both.bias) <= 0.05
    assert max(both.left) <= LEFT
    one = measured(values, 0.5, (24.0,), (24.0, 168.0))
    assert one.left[1] > 5 * both.left[1], "what is not declared stays"
    assert one.bias > 0.1, "and looks like slowing"


@pytest.mark.slow
def test_recovery_time_in_seconds_is_the_same_at_every_cadence():
    step_s, recovery_s = 600.0, 6 * 3_600.0
    values = autoregressive(float(np.exp(-step_s / recovery_s)), 8_000, 1)
    for every in (1, 2, 5):
        cadence_s = every * step_s
        time = pl.Series(np.arange(0, 8_000, every) * int(step_s * 1e6)).cast(pl.Datetime("us", "UTC"))
        table = {"time": time, **{f"s{at}": row[::every] for at, row in enumerate(values)}}
        readings = sentinel.analyse(table).readings.filter(pl.col("lag1").is_not_nan())
        truth = float(np.exp(-cadence_s / recovery_s))
        inside = readings.select(((pl.col("lag1_low") <= truth) & (pl.col("lag1_high") >= truth)).mean()).item()
        assert inside >= 0.88, every  # 94 to 95 % of all bands, measured over 24 series of 12,000 steps
        assert readings["recovery"].median() == pytest.approx(recovery_s, rel=0.3), every
        banded = (pl.col("recovery_low") <= recovery_s) & (pl.col("recovery_high") >= recovery_s)
        assert readings.filter(pl.col("recovery").is_not_nan()).select(banded.mean()).item() >= 0.88, every


def test_a_series_that_comes_twice_as_often_is_aggregated_into_its_grid():
    slow = np.arange(0, 2_000)
    fast = np.arange(2_000, 4_000, 0.5)
    hours = np.concatenate([slow, fast])
    time = pl.Series((hours * 3.6e9).astype(np.int64)).cast(pl.Datetime("us", "UTC"))
    values = autoregressive(float(np.exp(-0.5 / 10)), 8_000, 3)[0]
    x = values[(hours * 2).astype(int)]
    whole = sentinel.analyse({"time": time, "x": x}).readings
    assert whole["time"].diff().drop_nulls().n_unique() == 1
    assert "blind" not in set(whole["state"])
    hourly = sentinel.analyse({"time": time.filter(pl.Series(hours % 1 == 0)), "x": x[hours % 1 == 0]}).readings
    truth = float(np.exp(-1 / 10))
    for readings in (whole, hourly):
        late = readings.filter(pl.col("lag1").is_not_nan()).tail(1_500)
        assert late["lag1"].median() == pytest.approx(truth, abs=0.04), "no jump of the reading at the change"


def test_a_series_that_comes_half_as_often_as_its_grid_is_withheld_for_its_spacing_until_it_comes_again():
    values = ar1(4, 0.5, 2_000)
    values[1_001:1_400:2] = np.nan
    rows = run(values, hourly(alarms=[{"threshold": 0.8, "alpha": 1e-4, "at_start": "alarm"}])).rows
    withheld = rows.reason == list(Reason).index(Reason.SPACING)
    first, after = int(np.argmax(withheld)), 2_000 - int(np.argmax(withheld[::-1]))
    assert 1_050 <= first <= 1_070, "after thirty values without one a tick before"
    assert after == 1_401, "until two values are one tick apart again"
    assert withheld[first:after].all()
    assert set(rows.state[withheld]) == {list(State).index(State.BLIND)}
    evidence = rows.evidence[1_001:1_400]
    assert np.unique(evidence[~np.isnan(evidence)]).size == 1, "nothing is gathered without pairs"
    assert rows.estimates.lag1[after + 100] == pytest.approx(0.5, abs=0.25)


def test_a_series_that_comes_at_half_its_cadence_from_the_start_is_never_judged():
    values = ar1(4, 0.95, 2_000)
    values[1::2] = np.nan
    found = run(values, hourly(alarms=[{"threshold": 0.5, "alpha": 1e-2, "at_start": "alarm"}]))
    assert not found.events
    assert found.rows.reason[-1] == list(Reason).index(Reason.SPACING)
    assert np.isnan(found.rows.estimates.lag1).all()


def test_the_spread_of_a_steady_series_stays_at_its_baseline_with_a_declared_season() -> None:
    random = np.random.default_rng(41)
    ticks, series = 3_000, 20
    cycle = 3.0 * np.sin(2.0 * np.pi * np.arange(ticks) / 24.0)[:, None]
    values = ar1(41, 0.5, ticks, series) + cycle + random.normal(0.0, 0.01, (ticks, series))
    rows = run(values, hourly(season=("1d",))).rows
    spread = rows.estimates.spread[np.isfinite(rows.estimates.spread)]
    assert abs(np.median(spread)) < 0.3, "0.9 when the baseline began with the verdict"
    assert np.isfinite(rows.estimates.criticality[rows.tick >= 210]).all()
