"""Scenarios beyond the recipe: attempts to break the budget, alone and together.

Those that the theorem or the calibration ought to cover have its bars. Those that change how the *observed* series
returns (a sum of a fast and a slow part, an undeclared cycle, a drifting sensor) have none: the figure is documented.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust import nuisances as n
from tests.studies.trust import nulls, seasons, wandering
from tests.studies.trust.nulls import Shape, ar1
from tests.studies.trust.scenarios import Scenario

Floats = NDArray[np.float64]

OURS = "further nulls, same bars"
OPEN = "outside the claim, documented"
DAILY = {"season": ["1d"]}
NO_BAR: Mapping[tuple[str, float], float] = {}

TOGETHER = n.all_of(seasons.daylight(1.5), n.ramp(0.002), n.spikes(0.005, 8.0), n.missing(0.05), n.missing_blocks(0.1))
"""What a real station brings at once; its resolution is added last."""


def autoregressive_counts(random: Generator, shape: Shape) -> Floats:
    """INAR(1): of every individual each tick leaves half, and new ones come; mean 20, lag 1 is .5."""
    now = random.poisson(20.0, shape[1])
    values = np.empty(shape)
    for t in range(shape[0]):
        now = random.binomial(now, 0.5) + random.poisson(10.0, shape[1])
        values[t] = now
    return values


def threshold_process(random: Generator, shape: Shape) -> Floats:
    """Returns at .2 from above and at .5 from below: nowhere more slowly than .5."""
    shocks = random.standard_normal(shape)
    values = np.empty(shape)
    now = shocks[0]
    for t in range(shape[0]):
        now = values[t] = np.where(now > 0, 0.2, 0.5) * now + shocks[t]
    return values


def random_coefficient(random: Generator, shape: Shape) -> Floats:
    """The coefficient of each tick is drawn anew between .1 and .9: .5 given the past, spread that depends on it."""
    shocks, rho = random.standard_normal(shape), random.uniform(0.1, 0.9, shape)
    values = np.empty(shape)
    now = shocks[0]
    for t in range(shape[0]):
        now = values[t] = rho[t] * now + shocks[t]
    return values


def cauchy(random: Generator, shape: Shape) -> Floats:
    """Shocks without a variance."""
    return ar1(0.5, random.standard_cauchy(shape))


def skewed_daily_volatility(random: Generator, shape: Shape) -> Floats:
    """Exponential shocks, three times as large by day."""
    return n.of_spread(0.5, n.daily_volatility, skewed=True)(random, shape)


def skewed_log_volatility(random: Generator, shape: Shape) -> Floats:
    """Exponential shocks of stochastic volatility."""
    return n.of_spread(0.5, n.stochastic_volatility, skewed=True)(random, shape)


def _bounded() -> Iterator[Scenario]:
    def at(truth: float, name: str, make: nulls.Maker, **more: object) -> Scenario:
        return Scenario(name, OURS, make, truth, **more)  # type: ignore[arg-type]

    yield at(0.5, "Cauchy shocks", cauchy)
    yield at(0.5, "GARCH(1,1) shocks", n.garch)
    yield at(0.5, "skewed shocks, daily volatility", skewed_daily_volatility)
    yield at(0.5, "skewed shocks, stochastic volatility", skewed_log_volatility)
    yield at(0.5, "coefficient drawn anew from .1 to .9", random_coefficient)
    yield at(0.5, "threshold process .2 and .5", threshold_process)
    yield at(0.5, "coefficient swings 0 to .5 in 500 ticks", wandering.up_and_down(0.0, 0.5, 500))
    yield at(0.5, "coefficient swings 0 to .5 in 5,000 ticks", wandering.up_and_down(0.0, 0.5, 5_000))
    yield at(0.5, "counts of mean 20", autoregressive_counts)
    yield at(0.5, "10 times as long", nulls.stationary(0.5), length=10.0)
    yield at(0.9, "0.9, 10 times as long", nulls.stationary(0.9), length=10.0)
    yield at(0.5, "stamps off by .15 h", nulls.stationary(0.5), late=0.15)
    for name, phi, nuisance in (
        ("40 % exact zeros", 0.5, n.zeros(0.4)),
        ("saturated at 1 sd", 0.5, n.saturated(1.0)),
        ("saturated at 2 sd", 0.9, n.saturated(2.0)),
        ("half lost above 1 sd", 0.5, n.lost_when_high(1.0, 0.5)),
        ("half lost above 1 sd", 0.9, n.lost_when_high(1.0, 0.5)),
        ("quantised to .25 sd, 30 % missing", 0.5, n.all_of(n.quantised(0.25), n.missing(0.3))),
        ("ramp .02 sd/tick from the middle on", 0.5, n.ramp_from_middle(0.02)),
        ("5 % spikes of 20 sd", 0.5, n.spikes(0.05, 20.0)),
    ):
        yield at(phi, f"{phi:g}, {name}", n.on(phi, nuisance))
    for phi in (0.3, 0.5, 0.8):
        nuisance = n.all_of(TOGETHER, n.quantised(0.05))
        for kind in ("Gaussian", "exponential"):
            yield at(phi, f"{phi:g}, a station's troubles together, {kind}", n.on(phi, nuisance, kind), series=DAILY)
    for phi in (0.0, 0.5):
        yield at(phi, f"{phi:g}, daylight 2 sd", n.on(phi, seasons.daylight(2.0)), series=DAILY)
        yield at(phi, f"{phi:g}, week 1 sd", n.on(phi, seasons.sine(1.0, 168.0)), series={"season": ["7d"]})
    for phi in (0.0, 0.5, 0.9):
        cloudy = n.on(phi, seasons.cloudy(1.0))
        yield at(seasons.cloudy_lag1(phi, 1.0), f"{phi:g}, clouds: each day .5 to 1.5 sd", cloudy, series=DAILY)
    yield at(
        0.5, "0.5, day and week, 1 sd each", n.on(0.5, n.all_of(seasons.sine(1.0), seasons.sine(1.0, 168.0))),
        series={"season": ["1d", "7d"]},
    )  # fmt: skip


def _open() -> Iterator[Scenario]:
    for name, phi, nuisance, series in (
        ("undeclared daily sine .25 sd", 0.5, seasons.sine(0.25), {}),
        ("undeclared daily sine .5 sd", 0.5, seasons.sine(0.5), {}),
        ("undeclared daily sine 1 sd", 0.5, seasons.sine(1.0), {}),
        ("declared day of 24.1 h, 1 sd", 0.5, seasons.sine(1.0, 24.1), DAILY),
        ("season growing 5 sd per 10,000", 0.5, seasons.growing(5.0), DAILY),
        ("season growing 20 sd per 10,000", 0.5, seasons.growing(20.0), DAILY),
        ("week 3 sd in 24 bins", 0.5, seasons.sine(3.0, 168.0), {"season": ["7d"]}),
        ("clouds: each day .5 to 1.5 sd, as if they were none", 0.5, seasons.cloudy(1.0), DAILY),
        ("first 60 ticks 50 sd higher", 0.5, n.begins_elsewhere(60, 50.0), {}),
        ("level walks .1 sd/tick", 0.5, n.wandering_level(0.1), {}),
        ("level jumps 2 sd, about every 200", 0.5, n.telegraph(2.0, 200.0), {}),
        ("drift .002 put right every 500", 0.5, n.level_resets(0.002, 500), {}),
        ("drift .01 put right every 300", 0.5, n.level_resets(0.01, 300), {}),
        ("ramp .1 sd/tick", 0.5, n.ramp(0.1), {}),
        ("ramp .1 sd/tick from the middle on", 0.5, n.ramp_from_middle(0.1), {}),
        ("week 1 sd, ramp .05 sd/tick", 0.5, n.all_of(seasons.sine(1.0, 168.0), n.ramp(0.05)), {"season": ["7d"]}),
    ):
        yield Scenario(f"{phi:g}, {name}", OPEN, n.on(phi, nuisance), phi, NO_BAR, series)
    truth = seasons.cloudy_lag1(0.5, 3.0)
    yield Scenario("0.5, clouds: each day 1.5 to 4.5 sd", OPEN, n.on(0.5, seasons.cloudy(3.0)), truth, NO_BAR, DAILY)
    for name, (ar, ma) in {
        "ARMA(.95, -.7)": ((0.95,), (-0.7,)), "AR(2) (1.2, -.5)": ((1.2, -0.5), ()), "MA(1) (1)": ((), (1.0,)),
    }.items():  # fmt: skip
        yield Scenario(name, OPEN, nulls.arma(ar, ma), nulls.arma_lag1(ar, ma), NO_BAR)
    yield Scenario(
        "log-normal, sigma 1, phi 0.8", OPEN, nulls.log_normal(0.8, 1.0), nulls.log_normal_lag1(0.8, 1.0), NO_BAR
    )


ATTACKS = {scenario.name: scenario for part in (_bounded, _open) for scenario in part()}
