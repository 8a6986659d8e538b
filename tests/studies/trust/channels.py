"""The other claims: slower than its own past, falling towards -1, an undying oscillation, larger fluctuations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust import nulls
from tests.studies.trust.effort import Effort
from tests.studies.trust.interval import Figure, median, rate, share
from tests.studies.trust.nulls import SHOCKS, Maker, Shape, ar1, changing, stationary
from tests.studies.trust.power import QUIET, open_at, until
from tests.studies.trust.row import Measurement
from tests.studies.trust.scenarios import AT, BEYOND, NULL, Scenario
from tests.studies.trust.watch import hourly, watch

Floats = NDArray[np.float64]
Measure = Callable[[Effort, Generator], Figure]

REFERENCE = 1_200
"""Ticks in which a reference of 1,000 valid pairs is certainly full."""
AFTER = 1_500


def alarms(make: Maker, rule: Mapping[str, Any], start: int = 0) -> Measure:
    """Alarms per 10,000 ticks from `start` on; they end at once, so that nearly every tick can raise one."""

    def measure(effort: Effort, random: Generator) -> Figure:
        shape = effort.ticks + start, effort.series
        watched = watch(make(random, shape), hourly([{"clear": 0.1, **rule}]))
        return rate(watched.counts("raised"), effort.ticks * effort.series)

    return measure


def delay(make: Callable[[Generator, int], Floats], rule: Mapping[str, Any], start: int) -> Measure:
    """Median delay of the alarm after `start`; a series in alarm before it is left out."""

    def measure(effort: Effort, random: Generator) -> Figure:
        watched = watch(make(random, 4 * effort.series), hourly([rule]))
        return median(until(watched.ticks("raised"), start)[~open_at(watched, start)])

    return measure


def jump(before: float, after: float, quiet: int = QUIET) -> Callable[[Generator, int], Floats]:
    """Maker of AR(1) whose coefficient jumps."""
    rho = np.repeat([before, after], [quiet, AFTER])
    return lambda random, series: changing(rho, random.standard_normal((rho.size, series)))


def oscillation(modulus: float, omega: float) -> Maker:
    """Maker of AR(2) with a pair of complex roots."""
    return nulls.arma((2.0 * modulus * math.cos(omega), -modulus * modulus))


def dying_slower(random: Generator, series: int) -> Floats:
    """AR(2) of angle 1.2 whose modulus jumps from .5 to .95."""
    shocks = random.standard_normal((QUIET + AFTER, series))
    values = np.zeros_like(shocks)
    for t in range(2, values.shape[0]):
        m = 0.5 if t < QUIET else 0.95
        values[t] = 2.0 * m * math.cos(1.2) * values[t - 1] - m * m * values[t - 2] + shocks[t]
    return values


def larger(ratio: float, kind: str, at: int = REFERENCE) -> Maker:
    """Maker of AR(1) at .5 whose shocks' variance is `ratio` times as large from `at` on."""

    def make(random: Generator, shape: Shape) -> Floats:
        spread = np.where(np.arange(shape[0]) < at, 1.0, math.sqrt(ratio))[:, None]
        return ar1(0.5, spread * SHOCKS[kind](random, shape))

    return make


def slower_after_reference(random: Generator, shape: Shape) -> Floats:
    """AR(1) at .5 over the reference, at .95 after it, under constant noise."""
    rho = np.where(np.arange(shape[0]) < REFERENCE, 0.5, 0.95)
    return changing(rho, random.standard_normal(shape))


def bound_misses(phi: float) -> Measure:
    """Share of the references whose upper bound is below the truth; `delta: 0` shows the bound itself."""

    def measure(effort: Effort, random: Generator) -> Figure:
        values = stationary(phi)(random, (REFERENCE, 10 * effort.series))
        views = watch(values, hourly([{"threshold": "relative", "delta": 0.0, "alpha": 1e-4}])).published.views()
        thresholds = np.array([view.rules[0].threshold for view in views])
        assert not np.isnan(thresholds).any()
        return share(int((thresholds < phi).sum()), thresholds.size)

    return measure


def _relative() -> Iterator[Measurement]:
    group = "slower than its own past (threshold: relative)"
    for phi in (0.0, 0.5, 0.8, 0.9):
        for alpha, bar in ((1e-3, 1.5), (1e-4, 0.1)):
            rule = {"threshold": "relative", "alpha": alpha}
            yield Measurement(
                f"AR(1) {phi:g}", group, f"alarms per 10,000 ticks, alpha {alpha:g}", bar,
                alarms(stationary(phi), rule, REFERENCE), budget=alpha * 10_000,
            )  # fmt: skip
        yield Measurement(f"AR(1) {phi:g}", group, "share of references below the truth", 0.05, bound_misses(phi))
    rule = {"threshold": "relative", "alpha": 1e-4}
    for after in (0.7, 0.85, 0.95):
        measure = delay(jump(0.5, after, REFERENCE), rule, REFERENCE)
        yield Measurement(f"rho 0.5 -> {after:g}", group, "median delay at 1e-4, ticks", None, measure)


def _spread() -> Iterator[Measurement]:
    group = "larger fluctuations (spread, ratio 1.5)"
    for kind in ("Gaussian", "Student-3"):
        yield Measurement(
            f"{kind}, variance as in the reference", group, "alarms per 10,000 ticks, alpha 0.001", 0.1,
            alarms(larger(1.0, kind), {"kind": "spread", "alpha": 1e-3}, REFERENCE), budget=10.0,
        )  # fmt: skip
        for alpha in (1e-3, 1e-4):
            yield Measurement(
                f"{kind}, variance exactly 1.5 times", group, f"alarms per 10,000 ticks, alpha {alpha:g}", alpha * 1e4,
                alarms(larger(1.5, kind), {"kind": "spread", "alpha": alpha}, REFERENCE), budget=alpha * 10_000,
            )  # fmt: skip
    yield Measurement(
        "rho 0.5 -> 0.95, constant noise", group, "alarms per 10,000 ticks, alpha 0.001", 0.5,
        alarms(slower_after_reference, {"kind": "spread", "alpha": 1e-3}, REFERENCE), budget=10.0,
    )  # fmt: skip
    rise = larger(9.0, "Gaussian")
    yield Measurement(
        "spread 3 times", group, "median delay at 1e-3, ticks", 110,
        delay(lambda random, series: rise(random, (REFERENCE + AFTER, series)), {"kind": "spread", "alpha": 1e-3},
              REFERENCE),
    )  # fmt: skip


def _below() -> Iterator[Scenario | Measurement]:
    group = "falling towards -1 (side: below)"
    for phi in (0.0, -0.3, -0.5, -0.7, -0.9):
        for kind in ("Gaussian", "Student-3", "exponential"):
            yield Scenario(f"below, AR(1) {phi:g}, {kind}", group, stationary(phi, kind), phi, rule={"side": "below"})
    for before, after, threshold in ((0.0, -0.5, -0.3), (-0.5, -0.85, -0.7), (-0.5, -0.95, -0.7)):
        rule = {"threshold": threshold, "side": "below", "alpha": 1e-4}
        name = f"rho {before:g} -> {after:g} at {threshold:g}"
        measure = delay(jump(before, after), rule, QUIET)
        yield Measurement(name, f"{group}: power", "median delay at 1e-4, ticks", None, measure)


def _modulus() -> Iterator[Scenario | Measurement]:
    group = "an oscillation that dies out ever more slowly (modulus)"
    lower = {(column, alpha): bar for alpha, bar in ((1e-3, 2.0), (1e-4, 0.1)) for column in (AT, BEYOND)}
    for name, make, threshold, bars in (
        ("AR(1) 0.5 under modulus .7", stationary(0.5), 0.7, lower),
        ("AR(1) 0.9 under modulus .8", stationary(0.9), 0.8, lower),
        ("AR(2) of modulus .8, angle 1.2, under .9", oscillation(0.8, 1.2), 0.9, lower),
        ("AR(2) of modulus .7, angle 1.2", oscillation(0.7, 1.2), 0.7, NULL),
        ("AR(2) of modulus .7, angle 2.5", oscillation(0.7, 2.5), 0.7, NULL),
        ("AR(2) of modulus .9, angle 1.2", oscillation(0.9, 1.2), 0.9, NULL),
        ("AR(2) of modulus .9, angle .5", oscillation(0.9, 0.5), 0.9, NULL),
    ):
        yield Scenario(name, group, make, threshold, bars, rule={"kind": "modulus"})
    rule = {"kind": "modulus", "threshold": 0.8, "alpha": 1e-4}
    yield Measurement(
        "modulus .5 -> .95, angle 1.2, at 0.8", f"{group}: power", "median delay at 1e-4, ticks", None,
        delay(dying_slower, rule, QUIET),
    )  # fmt: skip


def _weighted() -> Iterator[Measurement]:
    group = "several channels as one claim (weighted)"
    channels = [{"kind": "lag1", "threshold": 0.5}, {"kind": "modulus", "threshold": 0.7}, {"kind": "spread"}]
    for kind in ("Gaussian", "Student-3"):
        for alpha in (1e-3, 1e-4):
            yield Measurement(
                f"AR(1) 0.5, {kind}: lag1 at 0.5, modulus at .7, spread", group,
                f"alarms per 10,000 ticks, alpha {alpha:g}", alpha * 1e4,
                alarms(stationary(0.5, kind), {"kind": "weighted", "channels": channels, "alpha": alpha}),
                budget=alpha * 10_000,
            )  # fmt: skip


CHANNELS = [*_relative(), *_spread(), *_below(), *_modulus(), *_weighted()]
