"""May's harvested population, driven over its fold: dx = x (1 - x) - b x^2 / (.01 + x^2) and noise.

A tick is one unit of time, in Euler steps of .01; the harvest b rises from .15 to .27 in 1,500 ticks, and the
population has collapsed when x is below .35.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust.effort import Effort, generator
from tests.studies.trust.interval import Figure, median, rate, share
from tests.studies.trust.power import lag1, until
from tests.studies.trust.row import Measurement
from tests.studies.trust.watch import hourly, watch

Floats = NDArray[np.float64]
TICKS = 1_500
STEPS, DT, NOISE, START, COLLAPSED = 100, 0.01, 0.01, 0.82, 0.35
GROUP = "power: the fold of a harvested population, at 0.6 and 1e-4"


def population(random: Generator, harvest: Floats, series: int) -> Floats:
    """Shape (tick, series); `harvest` has one value per tick."""
    x = np.full(series, START)
    values = np.empty((harvest.size, series))
    for t, b in enumerate(harvest.tolist()):
        knocks = (NOISE * np.sqrt(DT)) * random.standard_normal((STEPS, series))
        for knock in knocks:
            square = x * x
            x = np.abs(x + (x * (1.0 - x) - b * square / (0.01 + square)) * DT + knock)
        values[t] = x
    return values


@cache
def leads(effort: Effort) -> Floats:
    """Ticks from the alarm to the collapse, by series; -inf without one; series that do not collapse are left out."""
    values = population(generator("fold"), np.linspace(0.15, 0.27, TICKS), 2 * effort.series)
    below = values < COLLAPSED
    end = np.where(below.any(axis=0), below.argmax(axis=0), TICKS)
    raised = until(watch(values, hourly([lag1(0.6)])).ticks("raised"), 0)
    return np.where(raised <= end, end - raised, -np.inf)[end < TICKS]


def warned(effort: Effort, _: Generator) -> Figure:
    """Share of the collapses before which an alarm came."""
    found = leads(effort)
    return share(int((found >= 0).sum()), found.size)


def lead(effort: Effort, _: Generator) -> Figure:
    """Median over all collapses."""
    return median(leads(effort))


def null(effort: Effort, random: Generator) -> Figure:
    """Alarms while the harvest stays at .15."""
    values = population(random, np.full(TICKS, 0.15), 4 * effort.series)
    return rate(watch(values, hourly([lag1(0.6)])).counts("raised"), values.size)


MAY = [
    Measurement("fold", GROUP, "share warned before the collapse", 0.97, warned, at_most=False),
    Measurement("fold", GROUP, "median lead, ticks", 250, lead, at_most=False),
    Measurement("harvest stays at .15", GROUP, "alarms per 10,000 ticks", 0.2, null, budget=1.0),
]
