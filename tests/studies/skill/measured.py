"""Everything that the page says, measured: criteria on systems that slow down, alarms on all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.studies.skill.development import ANYWHERE, OTHERS, SKIPPED, SLOWING, WHOLE, Runs, runs
from tests.studies.skill.early import Early, in_records, measure_early
from tests.studies.skill.figures import SOONER, Figure, figures, left, mean, quiet
from tests.studies.skill.rivals import RIVALS, judged
from tests.studies.skill.watched import READ, RULES, Watched, at_moments, moments, watched

Floats = NDArray[np.float64]

COUNT = 100
"""Runs of each system and design, and as many of its null."""
ANY = "any of the three"
DRIFT = "from anywhere, against nulls that drift"
UNORIENTED = ("mean", "sd", "skewness")
"""Nobody knows beforehand which way these go: they are read the way that suits them best, system by system."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """What a rule did on one system."""

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
    sooner: dict[str, float]
    """System -> way left by criticality on the whole way, asked from 10 % on."""
    alarms: dict[str, dict[str, Alarms]]
    """System -> rule -> what it did on the whole way."""
    early: dict[str, Early]
    """System -> what the default alarm does."""
    in_records: dict[int, tuple[float, float]]
    """What it does in records of a fixed number of recovery times, by how often they are sampled."""

    def overall(self, design: str, criterion: str, figure: str) -> Figure:
        """The mean over the systems that slow down."""
        return mean([by_criterion[criterion][figure] for by_criterion in self.skill[design].values()])


def measure(count: int = COUNT, *, bank: dict[str, Any] | None = None) -> Measured:
    """Simulate, watch and judge; `bank` are settings in place of the defaults."""
    skill: dict[str, dict[str, dict[str, dict[str, Figure]]]] = {design: {} for design in (*SKIPPED, DRIFT)}
    alarms, sooner = {}, {}
    for design, name in [*product(SKIPPED, SLOWING), *product([WHOLE], OTHERS)]:
        drawn = runs(name, count, design)
        seen = [watched(values, bank) for values in drawn[:3]]
        if name in SLOWING:
            forced, null, drifting = (
                at_all_moments(one, drawn.tips) | _judged(values, drawn.tips)
                for one, values in zip(seen, drawn[:3], strict=True)
            )
            skill[design][name] = skilled(forced, null)
            if design == ANYWHERE:
                skill[DRIFT][name] = skilled(forced, drifting)
        if design == WHOLE and name in SLOWING:
            pair = (quiet(at_moments(one.read[READ[0]], drawn.tips, SOONER)) for one in seen[:2])
            sooner[name] = left(*pair, SOONER)[0]
        if design == WHOLE:
            alarms[name] = {
                **{rule: _alarms(drawn, *seen[:2], [rule]) for rule in RULES},
                ANY: _alarms(drawn, *seen[:2], [*RULES]),
            }
    return Measured(count, skill, sooner, alarms, measure_early(count), in_records())


def at_all_moments(seen: Watched, tips: NDArray[np.int64]) -> dict[str, Floats]:
    """What the product read at each moment, by column."""
    return {name: at_moments(read, tips) for name, read in seen.read.items()}


def skilled(forced: dict[str, Floats], null: dict[str, Floats]) -> dict[str, dict[str, Figure]]:
    """The figures of each criterion."""
    return {name: (_best_way if name in UNORIENTED else figures)(forced[name], null[name]) for name in forced}


def _judged(values: Floats, tips: NDArray[np.int64]) -> dict[str, Floats]:
    at = moments(tips)
    criteria = {name: np.empty(at.shape) for name in RIVALS}
    for moment, run in np.ndindex(at.shape):
        for name, says in judged(values[: at[moment, run] + 1, run]).items():
            criteria[name][moment, run] = says
    return criteria


def _best_way(forced: Floats, null: Floats) -> dict[str, Figure]:
    ways = [figures(sign * forced, sign * null) for sign in (1, -1)]
    return max(ways, key=lambda way: way["auc early"].value + way["auc late"].value)


def _alarms(drawn: Runs, forced: Watched, null: Watched, rules: list[str]) -> Alarms:
    """The first alarm of any of these rules, and all of them on nulls."""
    first = np.fmin.reduce([forced.alarmed[rule] for rule in rules])
    warned = np.isfinite(first)
    left = np.median(1 - first[warned] / drawn.tips[warned]) if warned.any() else np.nan
    alarms = sum(int(null.alarms[rule].sum()) for rule in rules)
    return Alarms(float(warned.mean()), float(left), alarms, int(drawn.tips.sum()))
