"""The default alarm, "slower than it was": what does not slow down, and where the budget is known to fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

import tests.studies.skill.development as development
from tests.studies.trust import odd, seasons
from tests.studies.trust.effort import FULL, Effort, generator
from tests.studies.trust.interval import PER, rate, share
from tests.studies.trust.nuisances import on
from tests.studies.trust.nulls import Maker, Shape, arma, changing, stationary
from tests.studies.trust.row import Measurement, Row
from tests.studies.trust.scenarios import SCENARIOS
from tests.studies.trust.wandering import up_and_down
from tests.studies.trust.watch import Watched, hourly, watch

Floats = NDArray[np.float64]

TIERS = {"warning": 1e-3, "critical": 1e-4}
SMALLEST = 1e-5
STEP_EVERY = 500
NULL_GROUP = "slower than it was (the default alarm): what does not slow down"
SMALL_GROUP = f"slower than it was, alpha {SMALLEST:g}, on ten times as many ticks"
FAIL_GROUP = "slower than it was: where its budget fails"
DRIFT_GROUP = "slower than it was: systems that do not tip"


@dataclass(frozen=True, slots=True)
class SlowerScenario:
    """A series that is as fast at its end as at its beginning."""

    name: str
    group: str
    make: Maker
    series: Mapping[str, Any] = field(default_factory=dict)
    """What is declared of it in the settings."""
    most: float = 1.0
    """Bar, in parts of the budget."""

    def rows(self, effort: Effort) -> list[Row]:
        """Alarms per 10,000 ticks at which one could be raised, for two tiers."""
        # One onset of a ramp a record: what it spends depends on how long the record is.
        shape = effort.ticks if self.group == NULL_GROUP else FULL.ticks, effort.series
        watched = self._watch(shape, [{"kind": "slower", "alpha": a, "severity": tier} for tier, a in TIERS.items()])
        return [self._row(watched, tier, alpha) for tier, alpha in TIERS.items()]

    def _watch(self, shape: Shape, rules: list[dict[str, Any]]) -> Watched:
        values = np.asarray(self.make(generator(f"slower, {self.name}, {shape[0]}"), shape))
        return watch(values, hourly(rules, self.series))

    def _row(self, watched: Watched, tier: str, alpha: float) -> Row:
        budget, able = alpha * PER, watched.watching[:, [*TIERS].index(tier)].sum()
        return Row(
            self.name, f"alpha {alpha:g}", rate(watched.counts("raised", severity=tier), max(1.0, float(able))),
            self.most * budget, budget=budget, judged=float(able) / np.prod(watched.shape),
        )  # fmt: skip


class SmallBudget(SlowerScenario):
    """The same at the smallest budget that is measured, on longer series."""

    def rows(self, effort: Effort) -> list[Row]:
        """Alarms per 10,000 ticks at which one could be raised."""
        watched = self._watch((10 * effort.ticks, effort.series // 5), [{"kind": "slower", "alpha": SMALLEST}])
        return [self._row(watched, "warning", SMALLEST)]


def with_steps(size: float) -> Maker:
    """AR(1) .5 of unit variance whose level steps by so many sd, either way, every 500 ticks on average."""

    def make(random: Generator, shape: Shape) -> Floats:
        values = stationary(0.5)(random, shape)
        jumps = (random.random(shape) < 1.0 / STEP_EVERY) * random.choice([-1.0, 1.0], shape) * size
        return values / values.std() + np.cumsum(jumps, axis=0)

    return make


def ramp_from_the_middle(random: Generator, shape: Shape) -> Floats:
    """A trend of .05 sd a tick that begins in the middle."""
    values = stationary(0.5)(random, shape)
    return values / values.std() + 0.05 * np.maximum(0, np.arange(shape[0])[:, None] - shape[0] // 2)


def noise_on_slow(random: Generator, shape: Shape) -> Floats:
    """AR(1) .998 and as much white noise."""
    values = stationary(0.998)(random, shape)
    return values / values.std() + random.standard_normal(shape)


def noise_ramp(random: Generator, shape: Shape) -> Floats:
    """Shocks that become three times as large."""
    return stationary(0.5)(random, shape) * np.linspace(1.0, 3.0, shape[0])[:, None]


def walk(random: Generator, shape: Shape) -> Floats:
    """A random walk."""
    return random.standard_normal(shape).cumsum(axis=0)


def quieter_sensor(random: Generator, shape: Shape) -> Floats:
    """AR(1) .9 under as much white noise, which is gone from the middle on."""
    noise = random.standard_normal(shape) * (np.arange(shape[0])[:, None] < shape[0] // 2)
    return stationary(0.9)(random, shape) + noise


def from_below(random: Generator, shape: Shape) -> Floats:
    """AR(1) at -.6, from the middle on at .3."""
    return changing(np.repeat([-0.6, 0.3], [shape[0] // 2, shape[0] - shape[0] // 2]), random.standard_normal(shape))


def coarse(rho: float, step: float) -> Maker:
    """AR(1) that is rounded to so many standard deviations."""

    def make(random: Generator, shape: Shape) -> Floats:
        values = stationary(rho)(random, shape)
        return np.round(values / values.std() / step) * step

    return make


def rare_counts(random: Generator, shape: Shape) -> Floats:
    """Counts of which three in four are 0."""
    return random.poisson(0.3, shape).astype(np.float64)


def rare_events(random: Generator, shape: Shape) -> Floats:
    """Zeros, and one value in ten that is exponential, as of rain."""
    return np.where(random.random(shape) < 0.1, random.exponential(1.0, shape), 0.0)


def _nulls(kind: type[SlowerScenario], group: str) -> Iterator[SlowerScenario]:
    for name, scenario in SCENARIOS.items():
        if scenario.late == 0.0 and name not in FAILING:
            yield kind(name, group, scenario.make, dict(scenario.series))
    more: dict[str, Maker] = {
        "AR(1) .99": stationary(0.99), "AR(1) .998": stationary(0.998),
        "noise and AR(1) .998": noise_on_slow, "noise x 3, slowly": noise_ramp, "random walk": walk,
        "AR(1) .97, quantised to .5 sd": coarse(0.97, 0.5), "AR(1) .97, quantised to 1 sd": coarse(0.97, 1.0),
        "AR(1) .97, quantised to 2 sd": coarse(0.97, 2.0), "AR(1) .99, quantised to 1 sd": coarse(0.99, 1.0),
        "counts, three in four are 0": rare_counts, "zeros, one in ten a rain": rare_events,
        **odd.NULLS,
    }  # fmt: skip
    for name, maker in more.items():
        yield kind(name, group, maker)
    for phi in (0.0, 0.5, 0.9):
        cloudy = on(phi, seasons.cloudy(1.0))
        yield kind(f"AR(1) {phi:g}, clouds: each day .5 to 1.5 sd", group, cloudy, {"season": ["1d"]})


FAILING: dict[str, tuple[Maker, float]] = {
    "steps of 2 sd": (with_steps(2.0), 1.6),
    "steps of 3 sd": (with_steps(3.0), 1.6),
    "steps of 5 sd": (with_steps(5.0), 2.5),
    "steps of 8 sd": (with_steps(8.0), 2.5),
    "ramp .05 sd/tick from the middle on": (ramp_from_the_middle, 1.6),
    "AR(2) (.5, -.3)": (arma((0.5, -0.3)), 1.6),
    "an oscillation at rest, AR(2) of modulus .95": (arma((2 * 0.95 * np.cos(0.5), -0.9025)), 2.0),
    "lag 1 from -.6 to .3 in the middle": (from_below, 5.0),
    "a sensor that becomes quieter": (quieter_sensor, 10.0),
    "lag 1 that swings between 0 and .5": (up_and_down(0.0, 0.5, 2_000), 10.0),
    **odd.EXCESS,
}
"""Failure modes, and the most, in parts of a budget, that they may spend."""


def drifting(system: str, design: str) -> Measurement:
    """Share of runs with an alarm at 1e-4 where the state at rest drifts and nothing tips."""

    def measure(effort: Effort, _: Generator) -> Any:
        runs = development.runs(system, effort.series // 2, design)
        watched = watch(runs.drifting, hourly([{"kind": "slower", "alpha": 1e-4}]))
        return share(int((watched.counts("raised") > 0).sum()), runs.tips.size)

    return Measurement(
        f"{system}, drifting null, {design}", DRIFT_GROUP, "share of runs with an alarm, alpha 0.0001", None, measure
    )


SLOWER = [
    *_nulls(SlowerScenario, NULL_GROUP),
    *_nulls(SmallBudget, SMALL_GROUP),
    *(SlowerScenario(name, FAIL_GROUP, maker, most=most) for name, (maker, most) in FAILING.items()),
    SlowerScenario(
        "AR(1) 0.5, clouds: each day 1.5 to 4.5 sd", FAIL_GROUP, on(0.5, seasons.cloudy(3.0)), {"season": ["1d"]}, 1.6
    ),
    *(drifting(s, d) for s in development.SLOWING for d in (development.WHOLE, development.ANYWHERE)),
]
