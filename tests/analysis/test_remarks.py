"""A record's character in words: a level shift and a cycle are named, nothing else is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter
from statsmodels.datasets import nile, sunspots
from statsmodels.tsa.stattools import zivot_andrews

import sentinel
from sentinel.analysis.intervals import count_interval
from sentinel.analysis.remarks import find_cycle, find_level_shift
from sentinel.analysis.seasons import propose
from sentinel.commands.main import entry_point
from sentinel.simulate import simulate

NILE = nile.load_pandas().data["volume"].to_numpy(dtype=np.float64)
SUNSPOTS = sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(dtype=np.float64)


def ar1(phi: float, ticks: int, noise: np.random.Generator) -> np.ndarray:
    return lfilter([1], [1, -phi], noise.normal(size=ticks + 300))[300:]


def slowing(ticks: int, noise: np.random.Generator) -> np.ndarray:
    """Lag-1 autocorrelation rising from .2 to .99."""
    value, knocks = np.zeros(ticks), noise.normal(size=ticks)
    for tick, rho in enumerate(np.linspace(0.2, 0.99, ticks)[1:], 1):
        value[tick] = rho * value[tick - 1] + knocks[tick]
    return value


NEITHER = {
    "AR(1) .5": lambda n, noise: ar1(0.5, n, noise),
    "AR(1) .97": lambda n, noise: ar1(0.97, n, noise),
    "random walk": lambda n, noise: noise.normal(size=n).cumsum(),
    "ramp": lambda n, noise: ar1(0.5, n, noise) + np.linspace(0, 6, n),
    "spikes": lambda n, noise: ar1(0.3, n, noise) + 8 * (noise.random(n) < 0.01),
    "heavy tails": lambda n, noise: lfilter([1], [1, -0.5], noise.standard_t(3, n)),
}


@pytest.mark.parametrize(("name", "expected"), [("nile", "a level shift, not slowing down"), ("sunspots", "a cycle")])
def test_nile_is_named_a_level_shift_and_sunspots_a_cycle(tmp_path, capsys, name, expected):
    values = {"nile": NILE, "sunspots": SUNSPOTS}[name]
    first = {"nile": 1871, "sunspots": 1700}[name]
    pl.DataFrame({"time": first + np.arange(values.size), name: values}).write_csv(tmp_path / "t.csv")
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out")]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "looking back" in line]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert len(told) == 1
    assert f"looking back at all of it: {expected}" in told[0]
    assert "Looking back at the whole record, unlike everything else here: " + expected in page


def test_the_shift_of_the_nile_is_where_statsmodels_finds_it():
    shift = find_level_shift(NILE)
    assert shift is not None
    *_, place = zivot_andrews(NILE, regression="c", autolag="BIC")
    assert abs(shift.at - place) <= 1
    assert 1871 + shift.at == 1898
    assert (round(shift.before), round(shift.after)) == (1097, 853)


def test_the_period_of_the_sunspots_is_eleven_years():
    assert find_cycle(SUNSPOTS) == pytest.approx(11, abs=0.3)


@pytest.mark.parametrize("system", ["lake", "lake_control"])
@pytest.mark.parametrize("seed", range(4))
def test_the_lakes_of_the_demo_are_neither_though_one_of_them_tips(system, seed):
    values = simulate(system, seed, 1_800).values
    assert find_level_shift(values) is None
    assert find_cycle(values) is None


@pytest.mark.parametrize("name", NEITHER)
def test_of_records_that_are_neither_less_than_one_in_fifty_is_named(name):
    noise = np.random.default_rng(11)
    made = [NEITHER[name](ticks, noise) for ticks in (100, 400) for _ in range(150)]
    shifts = sum(find_level_shift(values) is not None for values in made)
    cycles = sum(find_cycle(values) is not None for values in made)
    # Measured with 1,000 each, at 100 ticks: .003 of AR(1) .97, .001 of random walks; at 400 none. Cycles .001.
    assert count_interval(max(shifts, cycles))[0] / len(made) < 0.01
    assert max(shifts, cycles) <= 0.02 * len(made)


def test_a_record_that_slows_down_is_seldom_named_a_level_shift():
    noise = np.random.default_rng(12)
    short = sum(find_level_shift(slowing(100, noise)) is not None for _ in range(200)) / 200
    longer = sum(find_level_shift(slowing(400, noise)) is not None for _ in range(200)) / 200
    # Measured with 1,000 each: .049 and .008.
    assert short <= 0.1
    assert longer <= 0.03


def test_a_shift_and_a_cycle_are_found_where_they_are():
    noise = np.random.default_rng(13)
    steps = [ar1(0.3, 400, noise) + 2.5 * (np.arange(400) >= 150) for _ in range(50)]
    places = [shift.at for values in steps if (shift := find_level_shift(values)) is not None]
    assert len(places) == 50
    assert abs(np.median(places) - 150) <= 2
    swinging = [ar1(0.5, 600, noise) + 2 * np.sin(np.arange(600) * 2 * np.pi / 20) for _ in range(50)]
    periods = [period for values in swinging if (period := find_cycle(values)) is not None]
    assert len(periods) >= 45
    assert np.abs(np.array(periods) - 20).max() < 1


def test_short_constant_and_mostly_missing_records_are_not_named():
    holes = np.where(np.arange(400) % 2 == 0, np.nan, 1.0 * np.arange(400))
    for values in (np.zeros(0), np.arange(30.0), np.ones(500), np.full(500, np.nan), holes):
        assert find_level_shift(values) is None
        assert find_cycle(values) is None


TICK = np.arange(400)
NOISE = np.random.default_rng(14).normal(size=400)
WITHOUT_NOISE = {
    "a counter": 1.0 * TICK,
    "a step": 1.0 * (TICK > 200),
    "a pulse": 1.0 * (TICK == 200),
    "constant, then noise": np.where(TICK < 200, 1.0, NOISE),
    "alternating": TICK % 2.0,
    "exponential": np.exp(TICK / 20),
}


@pytest.mark.parametrize("name", WITHOUT_NOISE)
@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1.0, 1e290])
def test_records_that_are_described_exactly_are_passed_over_in_silence(name, scale):
    assert find_level_shift(WITHOUT_NOISE[name] * scale) is None
    assert find_cycle(WITHOUT_NOISE[name] * scale) is None
    assert propose(WITHOUT_NOISE[name] * scale, 1_000_000) == propose(WITHOUT_NOISE[name], 1_000_000)


@pytest.mark.parametrize("power", [-1000, 1000])
def test_what_is_said_does_not_depend_on_the_unit_of_the_values(power):
    scaled = find_level_shift(np.ldexp(NILE, power))
    assert scaled is not None
    back = scaled._replace(before=np.ldexp(scaled.before, -power), after=np.ldexp(scaled.after, -power))
    assert back == find_level_shift(NILE)
    assert find_cycle(np.ldexp(SUNSPOTS, power)) == find_cycle(SUNSPOTS)


@pytest.mark.slow
def test_a_report_is_written_without_a_word_on_the_screen_whatever_the_values_are(tmp_path, capfd):
    columns = WITHOUT_NOISE | {"温度": NOISE, "tiny": NOISE * 1e-200, "large": NOISE * 1e154, "largest": NOISE * 3e307}
    pl.DataFrame({"time": TICK, **columns}).write_csv(tmp_path / "t.csv")
    assert (
        entry_point(
            ["backtest", str(tmp_path / "t.csv"), "--quiet", "--dialect", "none", "--out", str(tmp_path / "out")]
        )
        == 0
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('role="img"') == len(columns)
    assert "about unknown" not in page
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("steps", "is_odd"),
    [
        ([1.0] * 300, False),
        ([1.0] * 150 + [0.2] * 200, True),
        ([0.2] * 150 + [1.0] * 200, True),
        ([1.0] * 99 + [18.0], False),
    ],
)
def test_uneven_steps_of_times_that_are_numbers_are_told(steps, is_odd):
    """Depths of a core at uneven steps were judged as if each were one, without a word."""
    depths = np.cumsum(steps)
    values = np.random.default_rng(1).normal(size=depths.size)
    found = sentinel.analyse(pl.DataFrame({"depth": depths, "d18O": values}), time_column="depth")
    assert any("not regular" in line for line in found.read_as) == is_odd
