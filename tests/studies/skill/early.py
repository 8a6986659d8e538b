"""How early the default alarm comes on systems whose tip is known, also when they are sampled faster."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import sentinel.simulate.models as models
from tests.studies.skill import development
from tests.studies.skill.development import SHORTEST, SKIPPED, SLOWING, runs
from tests.studies.trust.interval import PER, Figure, rate
from tests.studies.trust.nulls import changing, stationary
from tests.studies.trust.watch import hourly, watch

Floats = NDArray[np.float64]

TIERS = {"warning": 1e-3, "critical": 1e-4}
FASTER = (1, 8, 32)
FASTER_RUNS = 50
SAMPLED = ("fold", "transcritical", "pitchfork", "hopf")
"""Systems in continuous time."""
RECORD, RECORD_RUNS, RECORD_BUDGET = 1_400, 100, 0.05
"""Recovery times that a record lasts, number of records, and false alarms that are budgeted for one."""
RECORD_FASTER = (1, 4, 16, 64)
_FINEST = 32
"""Inner steps of an original tick where systems are sampled faster."""


class Warned(NamedTuple):
    """How early the runs of a system are warned."""

    warned: float
    """Part of the runs with an alarm before the tip."""
    left: float
    """Median part of the way left at the first alarm, over all runs; 0 for a run without one."""


class Early(NamedTuple):
    """What the default alarm does on one system."""

    by: dict[tuple[str, float], Warned]
    """By design and alpha."""
    null: dict[float, Figure]
    """Alarms in parts of the budget on nulls of the whole way, by alpha, and their interval."""
    drifting: dict[str, float]
    """Part of the nulls that drift with an alarm at the smallest alpha, by design."""
    faster: dict[int, Warned]
    """At the smallest alpha per original tick, by how many times as often the system is sampled; empty for a map."""


def measure_early(count: int) -> dict[str, Early]:
    """Run and watch all systems that slow down."""
    return {system: _measure(system, count) for system in SLOWING}


def _measure(system: str, count: int) -> Early:
    by: dict[tuple[str, float], Warned] = {}
    null: dict[float, Figure] = {}
    drifting: dict[str, float] = {}
    rules = [{"kind": "slower", "alpha": alpha, "severity": tier} for tier, alpha in TIERS.items()]
    for design in SKIPPED:
        drawn = runs(system, count, design)
        forced, held, moved = (watch(values, hourly(rules)) for values in drawn[:3])
        for tier, alpha in TIERS.items():
            first = [ticks[0] - 1 if ticks.size else np.inf for ticks in forced.ticks("raised", severity=tier)]
            by[design, alpha] = warned(np.array(first), drawn.tips)
            if not SKIPPED[design]:
                null[alpha] = rate(held.counts("raised", severity=tier), PER * alpha * float(drawn.tips.sum()))
        drifting[design] = float(np.mean(moved.counts("raised", severity=tier) > 0))
    faster = {factor: _sampled(system, factor) for factor in FASTER} if system in SAMPLED else {}
    return Early(by, null, drifting, faster)


def warned(first: Floats, tips: NDArray[np.int64]) -> Warned:
    """From the tick of each run's first alarm, infinite without one."""
    before = first < tips
    return Warned(float(before.mean()), float(np.median(np.where(before, 1.0 - first / tips, 0.0))))


def _sampled(system: str, factor: int) -> Warned:
    """Run a system the whole way and read it `factor` times a tick."""
    model = replace(models.MODELS[system], inner=_FINEST // factor)
    random = np.random.default_rng([development.SEED, factor, [*models.MODELS].index(system)])
    ticks = np.round(np.exp(random.uniform(np.log(SHORTEST), np.log(development.LONGEST), FASTER_RUNS)))
    noise = model.noise * development.NOISE_FACTOR ** random.uniform(-1, 1, FASTER_RUNS)
    with _inner_steps_of(1.0 / _FINEST):
        total = round(development.BEYOND * development.LONGEST) * factor
        values, lost = models.run(model, random, total, ticks=ticks * factor, noise=noise)
    tips = np.where(lost.any(axis=0), lost.argmax(axis=0), 0)
    values[np.arange(total)[:, None] >= tips] = np.nan
    found = watch(values, hourly([{"kind": "slower", "alpha": TIERS["critical"] / factor}])).ticks("raised")
    return warned(np.array([at[0] - 1 if at.size else np.inf for at in found]), tips)


def in_records() -> dict[int, tuple[float, float]]:
    """Part of the records with an alarm whose return rate is halved in the middle, and of those where it is not.

    AR(1) of lag 1 of .5, and sampled so many times as often.
    """
    found = {}
    for factor in RECORD_FASTER:
        recovery = factor / math.log(2.0)
        ticks = round(RECORD * recovery)
        rho = np.exp(-np.where(np.arange(ticks) < ticks // 2, 1.0, 0.5) / recovery)
        random = np.random.default_rng([development.SEED, factor])
        made = (
            changing(rho, random.standard_normal((ticks, RECORD_RUNS))),
            stationary(float(rho[0]))(random, (ticks, RECORD_RUNS)),
        )
        rules = hourly([{"kind": "slower", "alpha": RECORD_BUDGET / ticks}])
        slowed, steady = (float(np.mean(watch(values, rules).counts("raised") > 0)) for values in made)
        found[factor] = slowed, steady
    return found


@contextmanager
def _inner_steps_of(length: float) -> Iterator[None]:
    """Let the systems take inner steps of so many ticks."""
    kept = models._DT, models._SQRT_DT
    models._DT, models._SQRT_DT = length, length**0.5
    try:
        yield
    finally:
        models._DT, models._SQRT_DT = kept
