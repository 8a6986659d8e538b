"""How soon a real slowing is seen: after a jump of the coefficient, along a ramp, before a fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust import nuisances as n
from tests.studies.trust.effort import Effort
from tests.studies.trust.interval import Figure, median
from tests.studies.trust.nulls import changing
from tests.studies.trust.row import Measurement
from tests.studies.trust.watch import Watched, hourly, watch

Floats = NDArray[np.float64]

QUIET = 1_000
"""Ticks before anything changes."""
AFTER = 1_500


def until(ticks: list[NDArray[np.int64]], start: int) -> Floats:
    """Ticks from `start` to the first event at or after it, by series; inf where there is none."""
    later = [found[found >= start] for found in ticks]
    return np.array([found[0] - start + 1.0 if found.size else np.inf for found in later])


def open_at(watched: Watched, start: int) -> NDArray[np.bool_]:
    """Series with an open alarm when tick `start` begins."""
    pairs = zip(watched.ticks("raised"), watched.ticks("cleared"), strict=True)
    return np.array([(up < start).sum() > (down < start).sum() for up, down in pairs])


def delay(
    before: float, after: float, threshold: float, nuisance: n.Nuisance | None = None, *, unit_variance: bool = False
) -> Callable[[Effort, Generator], Figure]:
    """Median delay of an alarm at 1e-4 after the coefficient jumps; a series in alarm before it is left out."""

    def measure(effort: Effort, random: Generator) -> Figure:
        rho = np.repeat([before, after], [QUIET, AFTER])
        values = changing(rho, random.standard_normal((rho.size, 4 * effort.series)), unit_variance=unit_variance)
        watched = watch(nuisance(values, random) if nuisance else values, hourly([lag1(threshold)]))
        return median(until(watched.ticks("raised"), QUIET)[~open_at(watched, QUIET)])

    return measure


def clearing(effort: Effort, random: Generator) -> Figure:
    """Median delay of the end of an alarm after the return to health."""
    rho = np.repeat([0.9, 0.5], [QUIET, AFTER])
    watched = watch(changing(rho, random.standard_normal((rho.size, 4 * effort.series))), hourly([lag1(0.7)]))
    return median(until(watched.ticks("cleared"), QUIET)[open_at(watched, QUIET)])


def ramp_lead(threshold: float) -> Callable[[Effort, Generator], Figure]:
    """Median time left when an alarm at 1e-4 comes while the coefficient climbs from .4 to .97 in 1,500 ticks."""

    def measure(effort: Effort, random: Generator) -> Figure:
        rho = np.concatenate([np.full(QUIET, 0.4), np.linspace(0.4, 0.97, 1_500)])
        watched = watch(changing(rho, random.standard_normal((rho.size, 4 * effort.series))), hourly([lag1(threshold)]))
        return median(1_500 - until(watched.ticks("raised"), QUIET)[~open_at(watched, QUIET)])

    return measure


def lag1(threshold: float) -> dict[str, float]:
    """A rule at the default budget."""
    return {"threshold": threshold, "alpha": 1e-4}


def _delays() -> Iterator[Measurement]:
    group = "power: median delay at 1e-4, ticks"
    for before, after, threshold, bar in (
        (0.5, 0.7, 0.5, 190), (0.5, 0.85, 0.7, 230), (0.5, 0.95, 0.7, 90), (0.5, 0.95, 0.85, 255)
    ):  # fmt: skip
        name = f"rho {before:g} -> {after:g} at {threshold:g}"
        yield Measurement(name, group, "delay", bar, delay(before, after, threshold))
        measure = delay(before, after, threshold, unit_variance=True)
        yield Measurement(f"{name}, variance as before", group, "delay", None, measure)
    for words, nuisance, bar in (("1 % spikes", n.spikes(0.01, 8.0), 320), ("30 % missing", n.missing(0.3), 420)):
        yield Measurement(f"rho 0.5 -> 0.85 at 0.7, {words}", group, "delay", bar, delay(0.5, 0.85, 0.7, nuisance))
    yield Measurement("rho 0.9 -> 0.5 at 0.7", group, "delay of the end of the alarm", 200, clearing)


def _leads() -> Iterator[Measurement]:
    for threshold, bar in ((0.6, 430), (0.7, 220)):
        name = f"ramp rho 0.4 -> 0.97 in 1,500 ticks, at {threshold:g}"
        yield Measurement(name, "power: median lead at 1e-4, ticks", "lead", bar, ramp_lead(threshold), at_most=False)


POWER = [*_delays(), *_leads()]
