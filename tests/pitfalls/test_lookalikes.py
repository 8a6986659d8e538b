"""Pitfalls 5.9 to 5.11 and 5.14: what raises lag-1 autocorrelation without any loss of resilience."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.spectrum import recovery_time
from sentinel.config import Settings
from sentinel.domain.states import Reason
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.simulate import simulate
from sentinel.text.claims import sentence_of
from tests.pipeline.streams import HOUR_US, Floats, Run, ar1, batch_of, hourly, run, table, through
from tests.pitfalls.naive import ac1

SERIES = 40


def alarms(found: Run) -> int:
    return sum(event.what == "raised" for event in found.events)


def first_remarks(found: Run, after: int) -> dict[str, tuple[str, ...]]:
    """What each series' first alarm after a tick remarks."""
    first: dict[str, tuple[str, ...]] = {}
    for event in found.events:
        if event.what == "raised" and event.time_us > after * HOUR_US:
            first.setdefault(event.series, event.remarks)
    return first


def test_pitfall_5_8_less_sensor_noise_is_remarked_and_slowing_is_not() -> None:
    ticks, change = 1_800, 900
    random = np.random.default_rng(8)
    signal, noise, shocks = ar1(508, 0.9, ticks, SERIES), *random.normal(size=(2, ticks, SERIES))
    noise[change:] *= 0.3
    assert np.mean(ac1(signal[:change] + noise[:change])) == pytest.approx(0.44, abs=0.04), "0.9 is masked"
    slower = shocks.copy()
    for t in range(1, ticks):
        slower[t] += (0.44 if t < change else 0.83) * slower[t - 1]
    settings = hourly(alarms=[{"threshold": 0.6, "alpha": 1e-4, "at_start": "alarm"}])
    quieter, slowed = (run(values, settings) for values in (signal + noise, slower))
    for event in (*quieter.events, *slowed.events):
        without_variance = event.what == "raised" and event.estimates.spread < 0.0
        assert "noise" in event.remarks or not without_variance, "an alarm without variance agreeing"
    shares = []
    for found in (quieter, slowed):
        remarks = first_remarks(found, change)
        assert len(remarks) >= 0.9 * SERIES, "lag-1 autocorrelation does rise"
        shares.append(np.mean(["noise" in remark for remark in remarks.values()]))
    assert shares[0] >= 0.75
    assert shares[1] <= 0.1


def test_pitfall_5_11_a_level_step_is_remarked_as_one_sided() -> None:
    values = ar1(511, 0.3, 1_000, 400)
    values[500:] += 3.0
    found = run(values, hourly(alarms=[{"threshold": 0.5, "alpha": 1e-4, "at_start": "alarm"}]))
    assert np.mean(ac1(values[450:550])) > 0.7, "the usual estimate takes the step for slowing"
    remarks = first_remarks(found, 500)
    assert 0 < len(remarks) / 400 <= 0.58
    assert np.mean(["one_sided" in remark for remark in remarks.values()]) >= 0.9
    told = next(sentence_of(event) for event in found.events if "one_sided" in event.remarks)
    assert "a level shift looks like this too" in told


@pytest.mark.parametrize(("phi", "threshold"), [pytest.param(0.0, 0.1, marks=pytest.mark.slow), (0.5, 0.6)])
def test_pitfall_5_9_a_trend_is_no_slowing(phi: float, threshold: float) -> None:
    ticks = np.arange(2_000)
    values = ar1(509, phi, ticks.size, SERIES)
    naive = []
    for slope in (0.0, 0.02):
        ramp = (slope * ticks)[:, None]
        naive.append(np.mean(ac1((values + ramp)[-100:])))
        found = run(values + ramp, hourly(alarms=[{"threshold": threshold, "alpha": 1e-3, "at_start": "alarm"}]))
        assert alarms(found) <= 0.2 * 1e-3 * ticks.size * SERIES, slope
        assert np.nanmean(table(found, "lag1")[500:]) == pytest.approx(phi, abs=0.03), slope
    assert naive[1] > naive[0] + 0.05, "the usual estimate takes the trend for slowing"


@pytest.mark.slow
@pytest.mark.parametrize("growth", [0.0, 1e-4])
def test_pitfall_5_10_a_declared_cycle_is_no_slowing_whatever_its_amplitude(growth: float) -> None:
    ticks = np.arange(3_000)
    values = ar1(510, 0.5, ticks.size, SERIES)
    settings = hourly(season=["24h"], alarms=[{"threshold": 0.6, "alpha": 1e-3, "at_start": "alarm"}])
    for amplitude in (0.0, 1.0, 3.0):
        cycle = ((amplitude + growth * ticks) * np.sin(2.0 * np.pi * ticks / 24.0))[:, None]
        found = run(values + cycle, settings)
        assert alarms(found) <= 0.2 * 1e-3 * ticks.size * SERIES, amplitude
        assert np.nanmean(table(found, "lag1")[1_000:]) == pytest.approx(0.5, abs=0.05), amplitude
    assert np.mean(ac1((values + cycle)[-240:])) > 0.85, "the usual estimate takes the cycle for slowing"


@pytest.mark.parametrize(("name", "cadence"), [("co2", "7d"), ("elnino", "1mo")])
def test_pitfall_5_10_real_annual_cycles_are_quiet(name: str, cadence: str) -> None:
    record = simulate(name)
    seen = np.flatnonzero(~np.isnan(record.values))
    ids = np.zeros(seen.size, np.int64)
    settings = Settings.model_validate(
        {
            "series": [{"cadence": cadence, "season": ["1y"], "aggregate": "last"}],
            "alarms": [{"threshold": 0.95, "alpha": 1e-4, "at_start": "alarm"}],
        }
    )
    batch = Batch(ids, record.times_us[seen], record.values[seen], ((0, name, "source"),), source="source")
    found = through(Pipeline(settings), [batch])
    assert np.isfinite(found.rows.estimates.lag1).mean() > 0.5
    assert alarms(found) == 0


@pytest.mark.slow
def test_pitfall_5_14_the_recovery_time_is_the_same_however_often_the_series_is_read() -> None:
    values = ar1(514, 0.9, 7_500, SERIES)
    hours, naive = {}, {}
    for every in (1, 2, 5):
        read: Floats = values[::every]
        naive[every] = np.mean(ac1(read))
        found = through(Pipeline(hourly(cadence=f"{every}h")), [batch_of(read, cadence_us=every * HOUR_US)])
        hours[every] = every * np.nanmedian(recovery_time(table(found, "lag1"))[1_000:])
    assert naive[1] - naive[5] > 0.25, "lag-1 autocorrelation itself depends on the sampling interval"
    assert list(hours.values()) == pytest.approx([-1.0 / np.log(0.9)] * 3, rel=0.15)


def test_pitfall_5_14_a_change_of_cadence_withholds_the_verdict() -> None:
    values = ar1(515, 0.9, 3_000, 10)
    values[1_500:][np.arange(1_500) % 2 == 1] = np.nan
    found = run(values, hourly(alarms=[{"threshold": 0.95, "alpha": 1e-3, "at_start": "alarm"}]))
    assert np.isfinite(table(found, "lag1")[1_400]).all()
    assert np.isnan(table(found, "lag1")[1_800:]).all()
    assert (table(found, "reason")[1_800:] == tuple(Reason).index(Reason.SPACING)).all(), "it says why"
    assert alarms(found) <= 2
