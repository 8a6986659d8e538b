"""Undeclared seasons: found where there is one, not where noise, drift or a quasi-cycle only look like it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.datasets import co2, elnino, nile, sunspots
from statsmodels.tsa.arima_process import arma_generate_sample

from sentinel.analysis.record import Proposal, season_hint
from sentinel.analysis.seasons import on_grid, propose
from sentinel.config import Settings
from sentinel.domain.observation import CalendarAxis, NumberAxis
from sentinel.domain.spans import Cadence, parse_season
from sentinel.pipeline.plan import plan_for
from tests.analysis.labelling import record

HOUR_US = Cadence.parse("1h").microseconds
Floats = NDArray[np.float64]
RIVERS = Path(os.environ.get("SENTINEL_TEST_DATA", "no-such-folder")) / "rivers"
Make = Callable[[np.random.Generator, int], Floats]


def autoregressive(random: np.random.Generator, ticks: int, *phi: float) -> Floats:
    """AR(p) of variance 1 after 1,000 ticks of run-in."""
    x = arma_generate_sample([1.0, *(-p for p in phi)], [1.0], ticks, distrvs=random.standard_normal, burnin=1_000)
    return np.asarray(x / x.std())


def quasi_cycle(random: np.random.Generator, ticks: int, modulus: float, period: float) -> Floats:
    return autoregressive(random, ticks, 2 * modulus * float(np.cos(2 * np.pi / period)), -(modulus**2))


def walk(random: np.random.Generator, ticks: int) -> Floats:
    return np.asarray(random.normal(size=ticks).cumsum())


def ramp(random: np.random.Generator, ticks: int) -> Floats:
    return autoregressive(random, ticks, 0.5) + 0.02 * np.arange(ticks)


def fold(random: np.random.Generator, ticks: int) -> Floats:
    """Overgrazed: x recovers ever more slowly, then collapses."""
    x, state = np.empty(ticks), 0.82
    for tick, b in enumerate(np.linspace(0.15, 0.30, ticks)):
        drift = state * (1 - state) - b * state**2 / (0.01 + state**2)
        x[tick] = state = max(0.0, state + 0.2 * drift + 0.0045 * random.normal())
    return x


def holed(random: np.random.Generator, ticks: int) -> Floats:
    return np.where(random.random(ticks) < 0.3, np.nan, autoregressive(random, ticks, 0.9))


SEASONLESS: dict[str, Make] = {
    "white": lambda random, ticks: random.normal(size=ticks),
    "AR(1) 0.9": lambda random, ticks: autoregressive(random, ticks, 0.9),
    "AR(1) 0.995": lambda random, ticks: autoregressive(random, ticks, 0.995),
    "random walk": walk,
    "ramp": ramp,
    "fold": fold,
    "30 % missing": holed,
    "quasi-cycle .85": partial(quasi_cycle, modulus=0.85, period=11.0),
    "quasi-cycle .95": partial(quasi_cycle, modulus=0.95, period=24.0),
}


@pytest.mark.parametrize("kind", SEASONLESS)
def test_noise_drift_and_quasi_cycles_are_not_called_a_season(kind: str) -> None:
    random = np.random.default_rng(20)
    found = [propose(SEASONLESS[kind](random, 1_500), HOUR_US) for _ in range(20)]
    assert not any(found)


@pytest.mark.parametrize(("spread", "days"), [(1.0, 20), (2.0, 14)])
@pytest.mark.parametrize("phi", [0.0, pytest.param(0.5, marks=pytest.mark.slow), 0.9])
def test_a_daily_cycle_as_large_as_the_noise_is_found_in_weeks_of_hours(spread: float, days: int, phi: float) -> None:
    random = np.random.default_rng(21)
    tick = np.arange(24 * days)
    for wave in (np.sqrt(2) * np.sin(2 * np.pi * tick / 24), (tick % 24 - 11.5) / 6.92):
        found = [propose(autoregressive(random, tick.size, phi) + spread * wave, HOUR_US) for _ in range(10)]
        daily = [proposals for proposals in found if [p.text for p in proposals] == ["1d"]]
        assert len(daily) >= 9
        if phi == 0.0:  # of slow noise the decomposition takes much for trend
            share = spread**2 / (1 + spread**2)
            assert np.mean([proposals[0].strength for proposals in daily]) == pytest.approx(share, abs=0.2)


def test_day_and_year_week_and_year_and_a_tide_are_told_apart() -> None:
    random = np.random.default_rng(22)

    def texts(parts: dict[float, float], ticks: int, cadence: str) -> list[str]:
        tick = np.arange(ticks)
        waves = sum(size * np.sqrt(2) * np.sin(2 * np.pi * tick / period) for period, size in parts.items())
        return [p.text for p in propose(random.normal(size=ticks) + waves, Cadence.parse(cadence).microseconds)]

    assert texts({24: 1, 8766: 3}, 5 * 8766, "1h") == ["1y", "1d"]
    assert texts({7: 1, 365.25: 3}, 2_000, "1d") == ["1y", "7d"]
    assert texts({12.42: 1}, 2_000, "1h") == ["12.42h"]
    assert texts({24: 1, 12.42: 1}, 2_000, "1h") == ["1d", "12.42h"]
    assert texts({10: 1}, 500, "1d") == ["10d"]


def test_the_year_is_found_in_the_carbon_dioxide_and_the_sea_and_no_season_in_the_nile_or_the_sunspots() -> None:
    def texts(values: Floats, cadence: str) -> list[str]:
        return [p.text for p in propose(values, Cadence.parse(cadence).microseconds)]

    sea = elnino.load_pandas().data.drop(columns="YEAR").to_numpy().ravel()
    assert texts(co2.load_pandas().data["co2"].to_numpy(), "7d") == ["1y"]
    assert texts(sea, "1mo") == ["1y"]
    assert texts(nile.load_pandas().data["volume"].to_numpy(), "1y") == []
    assert texts(sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(), "1y") == []


@pytest.mark.slow
@pytest.mark.skipif(not RIVERS.is_dir(), reason="the rivers are not here: set SENTINEL_TEST_DATA")
def test_the_day_of_a_river_was_proposed_as_24_01_hours() -> None:
    table = pl.read_csv(RIVERS / "water_lab.csv", try_parse_dates=True, infer_schema_length=None)
    table = table.drop_nulls("conductance")
    time_us = table["time"].dt.epoch("us").to_numpy()
    found = propose(on_grid(time_us, table["conductance"].to_numpy(), HOUR_US // 4), HOUR_US // 4)
    assert [(season.text, season.ticks) for season in found] == [("1d", 96.0)]


def test_a_season_that_is_declared_and_its_harmonics_are_not_proposed() -> None:
    tick = np.arange(1_000)
    values = np.random.default_rng(23).normal(size=1_000) + 3 * (tick % 24 < 6)
    assert [p.text for p in propose(values, HOUR_US)] == ["1d"]
    assert propose(values, HOUR_US, [parse_season("1d")]) == ()
    for other in ("7d", "1y"):
        assert [p.text for p in propose(values, HOUR_US, [parse_season(other)])] == ["1d"], "bins of a week see no day"


def test_a_cycle_of_fifty_level_half_lives_is_followed_by_the_level() -> None:
    (day,) = propose(np.sin(2 * np.pi * np.arange(1_000) / 24) + np.random.default_rng(1).normal(size=1_000), HOUR_US)
    assert not day.is_followed(30.0)
    assert day.is_followed(0.4)


def test_on_a_numbered_axis_the_hint_names_a_season_in_steps_and_says_how_they_are_declared() -> None:
    found = record()
    found.axis, found.plan = NumberAxis(0.0, 1.0), plan_for(Settings(), "x", Cadence.parse("1s"))
    found.undeclared = (Proposal("24s", 24.0, 0.9),)
    told = "an undeclared season of 24 steps (strength 0.90) was found in this record; declare it with --season 24s"
    assert season_hint(found) == f"{told} (a step is written 1s)"
    found.axis = CalendarAxis()
    assert season_hint(found) == told.replace("24 steps", "24s")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, -1.0, 1e9, float("nan")]) | st.floats(-1e3, 1e3), max_size=300),
    st.sampled_from(["1s", "1h", "1d", "1mo", "1y"]),
)
def test_whatever_comes_it_answers(values: list[float], cadence: str) -> None:
    for proposal in propose(np.array(values, float), Cadence.parse(cadence).microseconds):
        assert 0.1 <= proposal.strength <= 1.0
        assert parse_season(proposal.text) > 0
        assert 4.0 <= proposal.ticks <= len(values) / 4


def test_a_record_on_its_grid_has_the_last_value_of_a_tick_and_nan_where_there_was_none() -> None:
    times = np.array([0, 60, 61, 240, 305])
    assert on_grid(times, np.arange(5.0), 60).tolist() == pytest.approx([0, 2, np.nan, np.nan, 3, 4], nan_ok=True)


@pytest.mark.parametrize("period", [11.3, 24.84, pytest.param(37.3, marks=pytest.mark.slow), 200.7])
@pytest.mark.parametrize("digits", [1, 2])
def test_of_a_clean_cycle_written_with_few_digits_the_cycle_alone_is_proposed(period: float, digits: int) -> None:
    """The errors of rounding make dozens of lines: of one cycle 42 seasons were proposed."""
    ticks = np.arange(3_000)
    cycle = np.round(5 + 2 * np.sin(2 * np.pi * ticks / period), digits)
    assert [round(one.ticks / period, 2) for one in propose(cycle, HOUR_US)] == [1.0]
    assert propose(cycle, HOUR_US, [round(period * HOUR_US)]) == ()
