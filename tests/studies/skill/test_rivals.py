"""The rivals are the real ones, and the figures are what they are called."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.stats import kendalltau, mannwhitneyu

from tests.studies.skill.development import BEYOND, LONGEST, SHORTEST, runs
from tests.studies.skill.figures import EARLY, LATE, MOMENTS, auc, figures
from tests.studies.skill.rivals import judged, trend
from tests.studies.skill.watched import moments

EWSTOOLS = """
import sys, json, numpy, ewstools
answers = []
for record in json.load(sys.stdin):
    series = ewstools.TimeSeries(numpy.array(record))
    series.detrend(method="Gaussian", bandwidth=0.2)
    series.compute_var(rolling_window=0.25)
    series.compute_auto(rolling_window=0.25, lag=1)
    series.compute_ktau()
    answers.append([series.ktau["ac1"], series.ktau["variance"]])
print(json.dumps(answers))
"""


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("ewstools"), reason="the peer: pip install '.[bench]'")
def test_the_two_taus_are_those_of_ewstools():
    drawn = runs("pitchfork", 6)
    records = [drawn.forced[: int(share * tip), i] for i, tip in enumerate(drawn.tips) for share in (0.5, 1)]
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EWSTOOLS], input=json.dumps([r.tolist() for r in records]),
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    ours = [[says["AC1-Kendall"], says["variance-Kendall"]] for says in map(judged, records)]
    assert ours == pytest.approx(np.array(json.loads(told.stdout)), abs=1e-9)


def test_the_last_moment_is_the_last_tick_before_the_tip():
    tips = np.array([400, 1_499])
    assert moments(tips)[-1].tolist() == [399, 1_498]
    assert moments(tips)[0].tolist() == [119, 448]


def test_auc_is_that_of_mann_and_whitney(generator):
    forced, null = generator.integers(0, 9, (10, 7)) + 1.0, generator.integers(0, 9, (10, 5)) + 0.0
    wanted = mannwhitneyu(forced.ravel(), null.ravel()).statistic / (forced.size * null.size)
    assert auc(forced, null) == pytest.approx(wanted)


@pytest.mark.slow
def test_constants_know_nothing(generator):
    for constant in (np.inf, -np.inf, np.nan):
        flat = np.full((MOMENTS.size, 20), constant)
        told = figures(flat, flat)
        assert told["auc early"].value == told["auc late"].value == 0.5
        assert told["found early"].value == told["left"].value == told["warned"].value == 0


@pytest.mark.slow
def test_chance_is_half_and_its_interval_says_so(generator):
    told = figures(*generator.normal(size=(2, MOMENTS.size, 200)))
    for name, chance in (("auc early", 0.5), ("auc late", 0.5), ("found early", 0.05), ("found late", 0.05)):
        low, high = told[name].interval
        assert low <= chance <= high
        assert high - low < 0.1


def test_a_perfect_criterion_leaves_what_it_leaves():
    forced = np.where(MOMENTS >= 0.7, 1.0, 0.0)[:, None] * np.ones(30)
    told = figures(forced, np.zeros((MOMENTS.size, 30)))
    assert told["left"].value == pytest.approx(0.3)
    assert told["warned"].value == told["auc late"].value == told["found late"].value == 1


def test_there_are_ten_moments_early_and_ten_late():
    assert EARLY.sum() == LATE.sum() == 10


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("pitchfork", marks=pytest.mark.slow),
        "noise_induced",
        pytest.param("rate_induced", marks=pytest.mark.slow),
        "near_miss",
    ],
)
def test_development_runs_end_before_the_tip_and_their_nulls_with_them(name):
    drawn = runs(name, 8)
    assert drawn.tips.min() >= SHORTEST
    assert drawn.tips.max() <= BEYOND * LONGEST
    for values in drawn[:3]:
        assert (np.isfinite(values).sum(axis=0) == drawn.tips).all()


@pytest.mark.slow
def test_a_null_that_drifts_moves_as_far_as_the_system_does():
    drawn = runs("fold", 8)
    for run, tip in enumerate(drawn.tips):
        moved = (drawn.drifting - drawn.null)[:tip, run]
        assert moved[0] == 0
        assert (np.diff(moved[1:]) < 0).all()
        drift = drawn.forced[: tip // 2, run].mean() - drawn.forced[:40, run].mean()
        assert moved[: tip // 2].mean() == pytest.approx(drift, abs=0.02)


def test_the_trend_is_the_tau_of_kendall(generator):
    indicator = generator.normal(size=300).cumsum().round(1)
    assert trend(indicator) == kendalltau(np.arange(300), indicator).statistic
