"""Records too short for a verdict: what is read all the same, what a verdict would need, and one number for it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sentinel
from sentinel.analysis.short import FEWEST, LONGEST, estimate_whole
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.spans import DAY, SECOND, Cadence
from sentinel.pipeline.plan import CONDITIONER_WARM_UP, FEWEST_PAIRS, plan_for
from sentinel.text.words import first_verdict_after


def ar1(lag1: float, runs: int, ticks: int, seed: int = 1) -> np.ndarray:
    shocks = np.random.default_rng([seed, ticks, round(100 * lag1)]).standard_normal((runs, ticks + 100))
    for t in range(1, ticks + 100):
        shocks[:, t] += lag1 * shocks[:, t - 1]
    return shocks[:, 100:]


def yearly(path: Path, values: np.ndarray) -> Path:
    rows = (f"{1900 + n},{100 + 10 * value:.3f}\n" for n, value in enumerate(values))
    path.write_text("year,count\n" + "".join(rows))
    return path


@pytest.mark.parametrize("lag1", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("ticks", [25, 40, 90])
def test_the_band_of_a_whole_record_holds_the_truth_in_95_of_100_records_and_half_of_them_lie_below_it(ticks, lag1):
    found = [estimate_whole(values) for values in ar1(lag1, 1_000, ticks)]
    held = np.mean([one.low <= lag1 <= one.high for one in found])
    below = np.mean([one.lag1 < lag1 for one in found])
    assert 0.95 - 4 * 0.0069 < held < 0.95 + 4 * 0.0069
    assert 0.5 - 4 * 0.0158 < below < 0.5 + 4 * 0.0158


@pytest.mark.slow
def test_missing_values_a_trend_and_a_season_are_taken_into_account():
    pattern = np.random.default_rng(2).random(80) > 0.3
    season = 3.0 * np.sin(2 * np.pi * np.arange(80) / 12.0) + 0.2 * np.arange(80)
    records = [np.where(pattern, values + season, np.nan) for values in ar1(0.5, 500, 80)]
    found = [estimate_whole(values, (12.0,)) for values in records]
    assert 0.91 < np.mean([one.low <= 0.5 <= one.high for one in found]) < 0.99
    assert estimate_whole(records[0]).lag1 > found[0].lag1, "a season that is not named looks like slowing"


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_level_and_scale_of_a_record_change_nothing(scale):
    values = ar1(0.6, 1, 50)[0]
    assert estimate_whole(scale * (values + 5.0)) == pytest.approx(estimate_whole(values), abs=1e-6)


@pytest.mark.parametrize(
    "values",
    [np.arange(FEWEST - 1.0) % 3, np.full(50, 3.0), np.full(50, np.nan), np.zeros(0), np.arange(LONGEST + 1.0) % 7],
)
def test_of_a_record_without_enough_different_values_nothing_is_said(values):
    assert estimate_whole(values) is None


@pytest.mark.parametrize(
    "years", [12, 25, 90, 104, *(pytest.param(years, marks=pytest.mark.slow) for years in (31, 40, 60, 150))]
)
def test_a_short_record_gets_its_lag1_with_a_band_what_a_verdict_needs_and_no_alarm(tmp_path, years, capsys):
    path = yearly(tmp_path / "a.csv", ar1(0.5, 1, years)[0])
    found = sentinel.analyse(path)
    (said,) = found.sentences.values()
    assert said.startswith(
        f"not ready for a verdict: {years} values; the first one needs 190 in a row, 100 with a rule"
    )
    assert "valid ticks" not in said
    assert found.alarms.is_empty()
    assert set(found.readings["state"]) == {"learning"}
    given = re.search(r"lag-1 (is )?-?0\.\d\d \((-?0\.\d\d to 0\.\d\d|above 0?-?\d?\.\d\d)\)", said)
    assert (given is not None) == (years >= FEWEST), said
    read = found.readings.filter(pl.col("lag1").is_finite()).height
    assert read == max(0, years - 99), "the bank reads from the hundredth value on"
    assert entry_point(["backtest", str(path), "--out", str(tmp_path / "out")]) == 0
    assert f"count: {said}." in capsys.readouterr().out
    assert said.replace("'", "&#39;") in (tmp_path / "out" / "report.html").read_text()
    assert entry_point(["inspect", str(path)]) == 0
    assert "too short for a verdict, which needs 190 values in a row" in capsys.readouterr().out


def test_a_reading_of_the_whole_record_changes_no_row():
    values = ar1(0.5, 1, 120)[0]
    time = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 4, 29), "1d", eager=True)
    frame = pl.DataFrame({"time": time, "ph": values})
    short, whole = (sentinel.analyse(frame.head(n)).readings for n in (60, 120))
    assert short.equals(whole.head(60))


@pytest.mark.parametrize(
    ("asked", "counts"),
    [(None, 100), (20, 60), (59, 60), (60, 60), (61, 61), (100, 100), (150, 150), (250, 250)],
)
def test_the_warm_up_that_is_asked_for_is_the_one_that_counts_or_it_is_said(tmp_path, asked, counts, capsys):
    settings = {
        "banks": {"default": {} if asked is None else {"warm_up_ticks": asked}},
        "alarms": [{"threshold": 0.8, "at_start": "alarm", "alpha": 1e-4}],
    }
    plan = plan_for(Settings.model_validate(settings), "count", Cadence.fixed(SECOND))
    assert plan.ready_after == first_verdict_after(plan) == counts
    path = yearly(tmp_path / "a.csv", ar1(0.5, 1, 300)[0])
    found = sentinel.analyse(path, config=Settings.model_validate(settings))
    states = found.readings["state"].to_list()
    assert states.index("watching") == counts - 1
    assert found.readings["lag1"].is_finite().arg_max() == counts - 1
    bank = "" if asked is None else f"warm_up_ticks: {asked}"
    text = f"banks: {{default: {{{bank}}}}}\nalarms: [{{threshold: 0.8, alpha: 1e-4}}]\n"
    (tmp_path / "c.yaml").write_text(text)
    assert entry_point(["backtest", str(path), "--config", str(tmp_path / "c.yaml"), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"first verdict: after {counts} valid ticks" in said
    assert (f"the {asked} asked for are fewer than the 50 of the level and 10 pairs" in said) == (
        counts != (asked or 100)
    )


def test_the_least_warm_up_is_that_of_the_documentation():
    assert CONDITIONER_WARM_UP + FEWEST_PAIRS == 60
    for cadence, ready in ((SECOND, 100), (DAY, 70)):
        plan = plan_for(Settings(), "x", Cadence.fixed(cadence))
        assert (plan.ready_after, first_verdict_after(plan)) == (ready, 190)
