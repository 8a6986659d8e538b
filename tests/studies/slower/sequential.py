"""Sequential detectors that can be asked whether a series has become slower: rules of sentinel, and two packages.

Each is used as its own documents say, on what suits it best here. What a peer needs to know of the series (mean,
AR(1) coefficient, scales) is fitted to its first `FITTED` values. No peer is told that a series may also be something
else than AR(1); the two that have to be calibrated are calibrated on the very process of the first null.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.studies.trust.effort import generator
from tests.studies.trust.nulls import stationary
from tests.studies.trust.power import open_at
from tests.studies.trust.watch import hourly, watch

Floats = NDArray[np.float64]
Ticks = list[NDArray[np.int64]]

FITTED = 500
"""First values of a series; a peer may learn from them, and no alarm is counted there."""
CHANGES = 2_000
"""The tick at which lag 1 jumps, where it does."""
RHO = 0.5
PATHS = {1e-3: 400, 1e-4: 160}
"""Simulated for a calibration, by budget; each 1/alpha ticks long, as the calibration of gridcp asks."""
GRID = (-2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0)
"""Values at which the distribution of the products is compared, in units of their scale."""
SLACK = 0.2
"""Of the CUSUM, in sd: half of the smaller shift of the mean product that is to be found, as its textbooks say."""


class Alarms(NamedTuple):
    """What a method said of many series."""

    raised: Ticks
    """Tick of each alarm, by series."""
    open: NDArray[np.bool_]
    """Series already in alarm when the change comes."""


class Method(NamedTuple):
    """A detector in one use."""

    name: str
    package: str
    """Its name at the package index; empty for our own."""
    fed: str
    null: str
    budget: str
    """Where its alarm line comes from."""
    alarms: Callable[[Floats, float], Alarms]
    """Values (tick, series) and false alarms per tick -> alarms."""


def ours(rule: dict[str, Any]) -> Callable[[Floats, float], Alarms]:
    """A rule of sentinel over the whole pipeline."""

    def alarms(values: Floats, alpha: float) -> Alarms:
        watched = watch(values, hourly([{**rule, "alpha": alpha}]))
        return Alarms(watched.ticks("raised"), open_at(watched, CHANGES))

    return alarms


def fit(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Values without their mean, the values before them, and the errors of an AR(1); each (tick, series).

    The values are divided by the sd of those errors, so that these have the variance 1 that a regression with known
    noise asks for.
    """
    known = values[:FITTED]
    values = values - known.mean(axis=0)
    before = np.vstack([np.zeros((1, values.shape[1])), values[:-1]])
    slope = (values * before)[:FITTED].sum(axis=0) / (before * before)[:FITTED].sum(axis=0)
    errors = values - slope * before
    scale = errors[:FITTED].std(axis=0)
    return values / scale, before / scale, errors / scale


def products(values: Floats) -> Floats:
    """Error times the value before, of variance 1 in the fitted part: its mean rises when the series gets slower."""
    _, before, errors = fit(values)
    return errors * before / (errors * before)[:FITTED].std(axis=0)


def _pairs(values: Floats) -> Floats:
    """Response and regressor (tick, series, 2)."""
    return np.stack(fit(values)[:2], axis=2)


def _products(values: Floats) -> Floats:
    return products(values)[:, :, None]


def steady(ticks: int, paths: int) -> Floats:
    """The first null, for calibrations."""
    return stationary(RHO)(generator("peers: calibration"), (FITTED + ticks, paths))


@cache
def grid(score: str, alpha: float) -> Any:
    """A detector of gridcp whose threshold is calibrated to a mean of 1/alpha ticks until a false alarm."""
    from gridcp import GridDetector, calibrate_threshold_arl_from_samples
    from gridcp.scores import NPFOCuS, RegressionWald

    model = RegressionWald(1, enable_penalty=False) if score == "wald" else NPFOCuS(GRID)
    paths = FEATURES[score](steady(round(1 / alpha), PATHS[alpha]))[FITTED:].swapaxes(0, 1)
    return GridDetector(model, calibrate_threshold_arl_from_samples(model, paths, parallel=False))


FEATURES = {"wald": _pairs, "npfocus": _products}


def gridcp(score: str) -> Callable[[Floats, float], Alarms]:
    """Fed from tick `FITTED` on; after an alarm it begins anew."""

    def alarms(values: Floats, alpha: float) -> Alarms:
        detector, raised = grid(score, alpha), []
        for series in FEATURES[score](values).swapaxes(0, 1):
            state, found = detector.init_state(), []
            for tick in range(FITTED, len(series)):
                state, said = detector.update(state, series[tick])
                if said["alarm"]:
                    found.append(tick)
                    state = detector.init_state()
            raised.append(np.array(found, np.int64))
        return Alarms(raised, np.zeros(len(raised), np.bool_))

    return alarms


def coverage(read: Callable[[Floats], Floats], capacity: int | None) -> Callable[[Floats, float], Alarms]:
    """The e-detector of validanytime on misses of its conformal intervals; after an alarm it begins anew.

    `capacity` is the number of past values that the intervals are read from; None: as `suggest_config` says.
    """

    def alarms(values: Floats, alpha: float) -> Alarms:
        from validanytime_detectors import EngineConfig, replay_series, suggest_config
        from validanytime_detectors.monitors import compile_monitor

        raised = []
        for series in read(values).T.tolist():
            suggested = suggest_config(series[:FITTED])
            config = EngineConfig(suggested.alpha, capacity or suggested.capacity, suggested.mu_baseline, ())
            monitor = compile_monitor({"kind": "e_detector", "arl_target": 1 / alpha, "null_mean": config.alpha})
            state, found = monitor.init, []
            for tick, miss in enumerate(replay_series(series, config).miss[FITTED:], FITTED):
                state, _, alarm = monitor.step(state, float(miss))
                if alarm:
                    found.append(tick)
                    state = monitor.init
            raised.append(np.array(found, np.int64))
        return Alarms(raised, np.zeros(len(raised), np.bool_))

    return alarms


def _cusum(values: Floats, line: float) -> Ticks:
    from validanytime_detectors import cusum_events

    return [
        np.array(cusum_events(series, k=SLACK, h=line, two_sided=False, train=FITTED).events, np.int64) - 1
        for series in products(values).T.tolist()
    ]


@cache
def _cusum_line(alpha: float) -> float:
    """By halving an interval: the line at which the first null has alpha alarms a tick."""
    values = steady(10_000, PATHS[1e-4])
    low, high = 1.0, 100.0
    while high - low > 0.05:
        line = (low + high) / 2
        events = sum(found.size for found in _cusum(values, line))
        low, high = (line, high) if events > alpha * 10_000 * PATHS[1e-4] else (low, line)
    return high


def cusum(values: Floats, alpha: float) -> Alarms:
    """One-sided, restarted after an alarm by the package itself."""
    return Alarms(_cusum(values, _cusum_line(alpha)), np.zeros(values.shape[1], np.bool_))


VALID, GRIDCP = "validanytime-detectors", "gridcp"
SIMULATED = "calibrated by simulation of AR(1) .5"
AR1 = "of an AR(1) fitted to the first 500"
METHODS = {
    method.name: method
    for method in (
        Method("`slower` (default rule)", "", "raw values", "it returns as fast as in its own past",
               "alpha, calibrated in general", ours({"kind": "slower"})),
        Method("lag 1 above .7", "", "raw values", "lag 1 is at most .7", "alpha, a theorem but for the level",
               ours({"kind": "lag1", "threshold": 0.7})),
        Method("lag 1, relative", "", "raw values", "lag 1 is at most that of its baseline period, plus a margin",
               "alpha, but for 5 % of baseline periods", ours({"kind": "lag1", "threshold": "relative"})),
        Method("gridcp, RegressionWald", GRIDCP, f"value and value before, in sd of the errors {AR1}",
               "a linear regression with independent Gaussian errors of variance 1 keeps its coefficient",
               SIMULATED, gridcp("wald")),
        Method("gridcp, NPFOCuS", GRIDCP, f"error x value before, {AR1}",
               "the values are independent and keep their distribution, whatever it is", SIMULATED,
               gridcp("npfocus")),
        Method("validanytime, e-detector, as suggested", VALID, "raw values",
               "given the past, a value misses the 90 % interval of the last 64 with a probability of at most .1",
               "mean time to a false alarm, a theorem under that null", coverage(lambda values: values, None)),
        Method("validanytime, e-detector, 500 values", VALID, f"error x value before, {AR1}",
               "the same of the last 500 products", "mean time to a false alarm, a theorem under that null",
               coverage(products, 500)),
        Method("validanytime, CUSUM", VALID, f"error x value before, {AR1}",
               "independent Gaussian values keep their mean", SIMULATED, cusum),
    )
}  # fmt: skip
