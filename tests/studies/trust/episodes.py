"""What happens once: a cold start, a flat run, a near miss, a step of the level, an alarm's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator

from sentinel.text.claims import sentence_of
from tests.studies.trust.effort import Effort
from tests.studies.trust.interval import Figure, rate, share
from tests.studies.trust.nulls import changing, stationary
from tests.studies.trust.power import until
from tests.studies.trust.row import Measurement
from tests.studies.trust.wandering import near_miss
from tests.studies.trust.watch import HOUR_US, hourly, watch

COLD = 300
FLAT = 200
"""Ticks of the same value."""
STEP_AT = 1_000
AFTER_STEP = 300


def cold_start(phi: float, alpha: float) -> Callable[[Effort, Generator], Figure]:
    """Alarms in the first 300 ticks, a hundred sd from zero."""

    def measure(effort: Effort, random: Generator) -> Figure:
        values = stationary(phi)(random, (COLD, 25 * effort.series)) + 100.0
        rules = [{"threshold": phi, "alpha": alpha, "clear": 0.1}]
        return rate(watch(values, hourly(rules)).counts("raised"), values.size)

    return measure


def cold_start_on_a_ramp(slope: float) -> Callable[[Effort, Generator], Figure]:
    """Alarms in the first 300 ticks of a series that begins on a trend, phi .5 at .6."""

    def measure(effort: Effort, random: Generator) -> Figure:
        values = stationary(0.5)(random, (COLD, 25 * effort.series)) + slope * np.arange(COLD)[:, None]
        rules = [{"threshold": 0.6, "alpha": 1e-4, "clear": 0.1}]
        return rate(watch(values, hourly(rules)).counts("raised"), values.size)

    return measure


def stuck_flat(effort: Effort, random: Generator) -> Figure:
    """Alarms raised while the sensor repeats one value 200 times."""
    values = stationary(0.5)(random, (3 * FLAT, 10 * effort.series))
    values[FLAT : 2 * FLAT] = values[FLAT - 1]
    raised = watch(values, hourly([{"threshold": 0.5, "alpha": 1e-3, "clear": 0.1}])).ticks("raised")
    inside = np.array([((ticks >= FLAT) & (ticks < 2 * FLAT)).sum() for ticks in raised])
    return rate(inside, FLAT * values.shape[1])


def withheld(effort: Effort, random: Generator) -> Figure:
    """Share of the series without a single verdict between the 20th equal value and the first other one."""
    series = 10 * effort.series
    values = stationary(0.5)(random, (2 * FLAT, series))
    values[FLAT:] = values[FLAT - 1]
    longer = watch(values, hourly([]))
    shorter = watch(values[: FLAT + 19 - 1], hourly([]))
    return share(int((longer.judged == shorter.judged).sum()), series)


def coming_near(alpha: float, corners: tuple[float, ...]) -> Callable[[Effort, Generator], Figure]:
    """Alarms at .8 while the coefficient goes from .4 to .8 and back."""

    def measure(effort: Effort, random: Generator) -> Figure:
        values = near_miss(corners)(random, effort.shape)
        rules = [{"threshold": 0.8, "alpha": alpha, "clear": 0.1}]
        watched = watch(values, hourly(rules))
        assert all("is returning more slowly than" in sentence_of(event) for event in watched.chosen("raised"))
        return rate(watched.counts("raised"), values.size)

    return measure


def level_step(phi: float, threshold: float) -> Callable[[Effort, Generator], Figure]:
    """Share of the series with an alarm at 1e-4 within 300 ticks of a step of 3 sd."""

    def measure(effort: Effort, random: Generator) -> Figure:
        values = stationary(phi)(random, (STEP_AT + AFTER_STEP, 10 * effort.series))
        values[STEP_AT:] += 3.0
        raised = watch(values, hourly([{"threshold": threshold, "alpha": 1e-4}])).ticks("raised")
        return share(int(np.isfinite(until(raised, STEP_AT)).sum()), values.shape[1])

    return measure


def step_is_named(phi: float, threshold: float) -> Callable[[Effort, Generator], Figure]:
    """Share of those alarms that say that they are one-sided."""

    def measure(effort: Effort, random: Generator) -> Figure:
        values = stationary(phi)(random, (STEP_AT + AFTER_STEP, 10 * effort.series))
        values[STEP_AT:] += 3.0
        raised = watch(values, hourly([{"threshold": threshold, "alpha": 1e-4}])).chosen("raised")
        found = [event for event in raised if event.time_us // HOUR_US >= STEP_AT]
        return share(sum("one_sided" in event.remarks for event in found), len(found))

    return measure


def noise_is_named(effort: Effort, random: Generator) -> Figure:
    """Share of the alarms after white sensor noise ends that say that the noise may have changed.

    The series is AR(1) at .9 with as much noise again until the noise ends: lag 1 rises from .45 to .9.
    """
    values = stationary(0.9)(random, (STEP_AT + AFTER_STEP, 10 * effort.series))
    values[:STEP_AT] += random.standard_normal((STEP_AT, values.shape[1]))
    raised = watch(values, hourly([{"threshold": 0.7, "alpha": 1e-4}])).chosen("raised")
    found = [event for event in raised if event.time_us // HOUR_US >= STEP_AT]
    return share(sum("noise" in event.remarks for event in found), len(found))


def slowing_is_called_noise(effort: Effort, random: Generator) -> Figure:
    """Share of the alarms of a true slowing that carry any remark."""
    rho = np.repeat([0.5, 0.9], [STEP_AT, AFTER_STEP])
    values = changing(rho, random.standard_normal((rho.size, 10 * effort.series)))
    raised = watch(values, hourly([{"threshold": 0.7, "alpha": 1e-4}])).chosen("raised")
    return share(sum(bool(event.remarks) for event in raised), len(raised))


def false_clears(phi: float) -> Callable[[Effort, Generator], Figure]:
    """Ends of alarms at the truth, where the claim that ends them is just not true.

    At alpha .1 an alarm is raised at once and is open nearly always.
    """

    def measure(effort: Effort, random: Generator) -> Figure:
        values = stationary(phi)(random, effort.shape)
        watched = watch(values, hourly([{"threshold": phi, "alpha": 0.1, "clear": 1e-3}]))
        return rate(watched.counts("cleared"), values.size)

    return measure


def _cold() -> Iterator[Measurement]:
    for phi in (0.0, 0.5, 0.9):
        for alpha in (1e-3, 1e-4):
            yield Measurement(
                f"AR(1) {phi:g}, cold start", "once", f"alarms per 10,000 of the first 300 ticks, alpha {alpha:g}",
                alpha * 10_000, cold_start(phi, alpha), budget=alpha * 10_000,
            )  # fmt: skip


EPISODES = [
    *_cold(),
    *(
        Measurement(
            f"AR(1) 0.5, cold start on a ramp of {slope:g} sd/tick", "once",
            "alarms per 10,000 of the first 300 ticks at 0.6, alpha 0.0001", bar, cold_start_on_a_ramp(slope),
            budget=1.0,
        )
        for slope, bar in ((0.02, 1.0), (0.1, None))
    ),
    Measurement("stuck flat run", "once", "alarms per 10,000 flat ticks, alpha 0.001", 0.5, stuck_flat, budget=10.0),
    Measurement(
        "stuck flat run", "once", "share of series without a verdict from the 20th equal value on",
        0.99, withheld, at_most=False,
    ),
    *(
        Measurement(
            name, "once", f"alarms per 10,000 ticks at 0.8, alpha {alpha:g}", bar, coming_near(alpha, corners),
            budget=alpha * 10_000,
        )
        for name, corners, bars in (
            ("near miss .4 -> .8 -> .4", (0.4, 0.8, 0.4), (1.5, 0.1)),
            ("near miss that stays at .8 for a fifth", (0.4, 0.4, 0.8, 0.8, 0.4, 0.4), (10.0, 1.0)),
        )
        for alpha, bar in zip((1e-3, 1e-4), bars, strict=True)
    ),
    *(
        Measurement(
            f"level step of 3 sd, phi {phi:g}", "once", f"share with an alarm at {phi + 0.2:g}, alpha 0.0001", bar,
            level_step(phi, phi + 0.2),
        )
        for phi, bar in ((0.3, 0.58), (0.5, 0.05))
    ),
    *(
        Measurement(
            f"level step of 3 sd, phi {phi:g}", "once", "share of those alarms named one-sided", 0.9,
            step_is_named(phi, phi + 0.2), at_most=False,
        )
        for phi in (0.3, 0.5)
    ),
    Measurement("sensor noise ends", "once", "share of alarms that say so", None, noise_is_named, at_most=False),
    Measurement("rho .5 -> .9 at .7", "once", "share of alarms with a remark", None, slowing_is_called_noise),
    *(
        Measurement(
            f"clearing at rho = r = {phi:g}", "once", "false clears per 10,000 ticks, clear 0.001", 12.0,
            false_clears(phi), budget=10.0,
        )
        for phi in (0.0, 0.5, 0.9)
    ),
]  # fmt: skip
