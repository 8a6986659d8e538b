"""The null scenarios of the table: who makes the values, where the truth is, and the bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.studies.trust import nuisances as n
from tests.studies.trust import nulls, seasons
from tests.studies.trust.effort import Effort, generator
from tests.studies.trust.interval import PER, rate
from tests.studies.trust.nulls import SHOCKS, Maker, stationary
from tests.studies.trust.row import Row
from tests.studies.trust.watch import hourly, watch

AT, BEYOND, EPISODES = "at the truth", ".1 beyond", "episodes at the truth"
ALPHAS = (1e-3, 1e-4)
NULL = {(AT, 1e-3): 10.0, (AT, 1e-4): 1.0, (BEYOND, 1e-3): 2.0, (BEYOND, 1e-4): 0.1}
"""Bars, alarms per 10,000 ticks."""
EXCESS = NULL | {(AT, 1e-3): 15.0, (AT, 1e-4): 3.2}
"""Of processes whose lag 1 does not say all: the documented excess."""
HIGHEST = 0.97


@dataclass(frozen=True, slots=True)
class Scenario:
    """A series that does not return more slowly than `truth`."""

    name: str
    group: str
    make: Maker
    truth: float
    """Lag-1 autocorrelation."""
    bars: Mapping[tuple[str, float], float] = field(default_factory=lambda: NULL)
    series: Mapping[str, Any] = field(default_factory=dict)
    """What is declared of it in the settings."""
    late: float = 0.0
    """Sd of the observations' distance from the hour, hours."""
    rule: Mapping[str, Any] = field(default_factory=dict)
    """What the rules have beside threshold and budget."""
    length: float = 1.0
    """Length relative to the others; there are as many fewer series."""

    def rows(self, effort: Effort) -> list[Row]:
        """Alarms per 10,000 ticks at the truth and beyond, at two budgets."""
        shape, random = effort.of(self.length), generator(self.name)
        values = self.make(random, shape)
        late = np.clip(self.late * random.standard_normal(shape), -0.49, 0.49) if self.late else None
        rules = dict(self._rules())
        settings = hourly(list(rules.values()), self.series)
        watched = watch(values, settings, late=late)
        return [
            Row(
                self.name, f"{column}, alpha {alpha:g}",
                rate(watched.counts("raised", label=rule.label), values.size),
                self.bars.get((column, alpha)), budget=alpha * PER, judged=float(watched.judged.sum()) / values.size,
            )
            for (column, alpha), rule in zip(rules, settings.alarms, strict=True)
        ]  # fmt: skip

    def _rules(self) -> Iterator[tuple[tuple[str, float], dict[str, Any]]]:
        """One rule per threshold is allowed: those that differ in their budget alone are 1e-5 apart.

        `clear` at its highest ends an alarm after some ten ticks, so that nearly every tick can raise one: what the
        budget is stated for. Episodes are what a user sees, with the default.
        """
        sign = -1 if self.rule.get("side") == "below" else 1
        beyond = sign * min(sign * self.truth + 0.1, HIGHEST)
        for column, threshold in ((AT, self.truth), (BEYOND, beyond)):
            for further, alpha in enumerate(ALPHAS):
                rule = {"threshold": round(threshold + sign * 1e-5 * further, 5), "alpha": alpha, "clear": 0.1}
                yield (column, alpha), {**self.rule, **rule}
        yield (EPISODES, 1e-3), {**self.rule, "threshold": round(self.truth - sign * 1e-5, 5), "alpha": 1e-3}


def _theorem() -> Iterator[Scenario]:
    group = "AR(1), known shocks"
    for phi in (0.0, 0.3, 0.5, 0.7, 0.9):
        for kind in SHOCKS:
            yield Scenario(f"AR(1) {phi:g}, {kind}", group, stationary(phi, kind), phi)


NUISANCES: dict[str, n.Nuisance] = {
    "scale x 3 from the middle on": n.rescaled(3.0),
    "10 % missing": n.missing(0.1),
    "30 % missing": n.missing(0.3),
    "50 % missing": n.missing(0.5),
    "30 % missing in blocks": n.missing_blocks(0.3),
    "50 % missing in blocks": n.missing_blocks(0.5),
    "stuck runs of 3 to 60": n.stuck(300, 3, 60),
    "quantised to .1 sd": n.quantised(0.1),
    "quantised to .25 sd": n.quantised(0.25),
    "quantised to .5 sd": n.quantised(0.5),
    "quantised to 1 sd": n.quantised(1.0),
    "quantised to 2 sd": n.quantised(2.0),
    "1 % spikes of 8 sd": n.spikes(0.01, 8.0),
    "ramp .005 sd/tick": n.ramp(0.005),
    "ramp .02 sd/tick": n.ramp(0.02),
    "level walks .02 sd/tick": n.wandering_level(0.02),
}
SPREADS = {
    "variance 1 and 9 by turns": n.ninefold_by_turns,
    "stochastic volatility": n.stochastic_volatility,
}


def _nuisances() -> Iterator[Scenario]:
    group = "AR(1) with a nuisance"
    for phi in (0.0, 0.5, 0.9):
        for name, nuisance in NUISANCES.items():
            yield Scenario(f"AR(1) {phi:g}, {name}", group, n.on(phi, nuisance), phi)
        for name, spread in SPREADS.items():
            yield Scenario(f"AR(1) {phi:g}, {name}", group, n.of_spread(phi, spread), phi)
    for phi in (0.5, 0.9):
        yield Scenario(f"AR(1) {phi:g}, level walks .03 sd/tick", group, n.on(phi, n.wandering_level(0.03)), phi)


def _seasons() -> Iterator[Scenario]:
    group, daily = "season, declared", {"season": ["1d"]}
    cycles = {f"sine {a:g} sd": seasons.sine(a) for a in (0.0, 0.5, 1.0, 2.0, 3.0)} | {
        "sawtooth 2 sd": seasons.sawtooth(2.0), "growing 1 sd per 10,000": seasons.growing(1.0)
    }  # fmt: skip
    for phi in (0.0, 0.5, 0.9):
        for name, cycle in cycles.items():
            yield Scenario(f"AR(1) {phi:g}, {name}", group, n.on(phi, cycle), phi, series=daily)
    for period in (4, 7):
        cycle = seasons.sine(1.0, period)
        given = {"season": [f"{period}h"]}
        yield Scenario(f"AR(1) 0.5, sine 1 sd of {period} ticks", group, n.on(0.5, cycle), 0.5, series=given)


def _excess() -> Iterator[Scenario]:
    group = "not AR(1), documented excess"
    processes: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
        "ARMA(.9, -.5)": ((0.9,), (-0.5,)), "AR(2) (.6, .3)": ((0.6, 0.3), ()), "AR(2) (.5, -.3)": ((0.5, -0.3), ()),
    }  # fmt: skip
    for name, (ar, ma) in processes.items():
        yield Scenario(name, group, nulls.arma(ar, ma), nulls.arma_lag1(ar, ma), EXCESS)
    for phi in (0.5, 0.8):
        truth = nulls.log_normal_lag1(phi, 0.5)
        yield Scenario(f"log-normal, sigma .5, phi {phi:g}", group, nulls.log_normal(phi, 0.5), truth, EXCESS)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for part in (_theorem, _nuisances, _seasons, _excess) for scenario in part()
}
