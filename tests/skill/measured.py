"""Everything that the page says, measured: criteria on systems that slow down, alarms on all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.skill.development import OTHERS, SKIPPED, SLOWING, WHOLE, Runs, runs
from tests.skill.figures import Figure, figures, mean
from tests.skill.rivals import RIVALS, judged
from tests.skill.watched import READ, RULES, Watched, at_moments, moments, watched

Floats = NDArray[np.float64]
Table = tuple[Floats, Floats]
"""Forced and null, each (moment, run)."""

COUNT = 100
"""Runs of each system and design, and as many of its null."""
UNORIENTED = ("mean", "sd", "skewness")
"""Nobody knows beforehand which way these go: they are read the way that suits them best, system by system."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """What one rule did on one system."""

    warned: float
    """Part of the runs with an alarm before the tip."""
    left: float
    """Median part of the way left at the first alarm, of the runs that had one; NaN = none had."""
    null: int
    """Alarms on null runs."""
    null_ticks: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The whole measurement."""

    count: int
    skill: dict[str, dict[str, dict[str, dict[str, Figure]]]]
    """Design -> system -> criterion -> name of the figure -> figure."""
    alarms: dict[str, dict[str, Alarms]]
    """System -> rule -> what it did on the whole way."""

    def overall(self, design: str, criterion: str, figure: str) -> Figure:
        """The mean over the systems that slow down."""
        return mean([by_criterion[criterion][figure] for by_criterion in self.skill[design].values()])


def measure(count: int = COUNT, *, rivals: bool = True, bank: dict[str, Any] | None = None) -> Measured:
    """Simulate, watch and judge; `bank` are settings in place of the defaults."""
    skill: dict[str, dict[str, dict[str, dict[str, Figure]]]] = {design: {} for design in SKIPPED}
    alarms = {}
    for design, name in [*product(SKIPPED, SLOWING), *product([WHOLE], OTHERS)]:
        drawn = runs(name, count, design)
        seen = watched(np.concatenate(drawn[:2], axis=1), bank)
        if name in SLOWING:
            skill[design][name] = _skill(drawn, seen, rivals)
        if design == WHOLE:
            alarms[name] = {rule: _alarms(drawn, seen, rule) for rule in RULES}
    return Measured(count, skill, alarms)


def _skill(drawn: Runs, seen: Watched, rivals: bool) -> dict[str, dict[str, Figure]]:
    count = drawn.tips.size
    tables: dict[str, Table] = {
        name: (at_moments(seen.read[name][:, :count], drawn.tips), at_moments(seen.read[name][:, count:], drawn.tips))
        for name in READ
    }
    if rivals:
        tables |= _judged(drawn)
    return {name: _best_way(*table) if name in UNORIENTED else figures(*table) for name, table in tables.items()}


def _judged(drawn: Runs) -> dict[str, Table]:
    at = moments(drawn.tips)
    tables = {name: (np.empty(at.shape), np.empty(at.shape)) for name in RIVALS}
    for place, values in enumerate(drawn[:2]):
        for moment, run in np.ndindex(at.shape):
            for name, says in judged(values[: at[moment, run] + 1, run]).items():
                tables[name][place][moment, run] = says
    return tables


def _best_way(forced: Floats, null: Floats) -> dict[str, Figure]:
    ways = [figures(sign * forced, sign * null) for sign in (1, -1)]
    return max(ways, key=lambda way: way["auc early"].value + way["auc late"].value)


def _alarms(drawn: Runs, seen: Watched, rule: str) -> Alarms:
    count = drawn.tips.size
    first = seen.alarmed[rule][:count]
    warned = np.isfinite(first)
    left = np.median(1 - first[warned] / drawn.tips[warned]) if warned.any() else np.nan
    return Alarms(float(warned.mean()), float(left), int(seen.alarms[rule][count:].sum()), int(drawn.tips.sum()))
