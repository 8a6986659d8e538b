"""Many series under one budget, restarts in between, and the ranking of a fleet by the e-values of a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust.effort import Effort, generator
from tests.studies.trust.interval import Figure, rate
from tests.studies.trust.nulls import changing, stationary
from tests.studies.trust.row import Measurement
from tests.studies.trust.watch import hourly, watch

Floats = NDArray[np.float64]

ALPHA = 1e-3
TICKS = 2_000
FLEET, SLOW = 50, 10
WINDOW = 1_000
LEVELS = (0.05, 0.2)


def family(size: int, *, restarts: bool = False) -> Callable[[Effort, Generator], Figure]:
    """Alarms of a family of series that share one budget, per 10,000 ticks of the family."""

    def measure(effort: Effort, random: Generator) -> Figure:
        families = max(2, 10 * effort.series // max(size, 10))
        values = stationary(0.5)(random, (TICKS, families * size))
        rules = [{"threshold": 0.5, "alpha": ALPHA, "shared_by": size, "clear": 0.1}]
        raised = watch(values, hourly(rules), restarts=restarts).counts("raised")
        return rate(raised.reshape(families, size).sum(axis=1), families * TICKS)

    return measure


def benjamini_hochberg(e_values: Floats, level: float) -> NDArray[np.bool_]:
    """e-BH (Wang and Ramdas 2022): report the k largest, k the last for which the k-th is at least n / (k level)."""
    order = np.argsort(-e_values, kind="stable")
    enough = np.flatnonzero(e_values[order] >= e_values.size / (level * np.arange(1, e_values.size + 1)))
    chosen = np.zeros(e_values.size, bool)
    chosen[order[: enough[-1] + 1 if enough.size else 0]] = True
    return chosen


@cache
def fleets(effort: Effort) -> tuple[Floats, NDArray[np.bool_]]:
    """E-values of the present window of fleets, a fifth of which slow down in it; and which do."""
    count, random = max(4, effort.series // 4), generator("fleets")
    slow = np.tile(np.arange(FLEET) < SLOW, count)
    shape = 2 * WINDOW, count * FLEET
    rho = np.where(np.arange(shape[0]) < WINDOW, 0.5, 0.9)
    values = stationary(0.5)(random, shape)
    values[:, slow] = changing(rho, random.standard_normal((shape[0], int(slow.sum()))))
    # The last tick of the window is closed by the end of the input; the next window has not begun.
    published = watch(values, hourly([{"threshold": 0.5, "alpha": 1e-4}], window_ticks=WINDOW)).published
    e_values = np.array([published.view(str(i)).e_value for i in range(shape[1])])
    return e_values.reshape(count, FLEET), slow.reshape(count, FLEET)


def false_discoveries(level: float) -> Callable[[Effort, Generator], Figure]:
    """Mean share of false ones among the reported series, over fleets."""

    def measure(effort: Effort, _: Generator) -> Figure:
        shares = []
        for e_values, slow in zip(*fleets(effort), strict=True):
            chosen = benjamini_hochberg(e_values, level)
            shares.append((chosen & ~slow).sum() / max(1, chosen.sum()))
        return _mean(np.array(shares))

    return measure


def found(level: float) -> Callable[[Effort, Generator], Figure]:
    """Mean share of the slow series that are reported."""

    def measure(effort: Effort, _: Generator) -> Figure:
        pairs = zip(*fleets(effort), strict=True)
        return _mean(np.array([benjamini_hochberg(e, level)[slow].mean() for e, slow in pairs]))

    return measure


def null_e_value(effort: Effort, _: Generator) -> Figure:
    """Mean e-value of the series at the null: at most 1 makes it an e-value."""
    e_values, slow = fleets(effort)
    return _mean(e_values[~slow])


def _mean(values: Floats) -> Figure:
    """Mean with a bootstrap interval (2,000 draws of a fixed seed)."""
    draws = np.random.default_rng(0).choice(values, (2_000, values.size)).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Figure(float(values.mean()), float(low), float(high), f"{values.size:,}")


def _families() -> Iterator[Measurement]:
    group = "many series under one budget"
    for size in (1, 10, 100):
        for restarts in (False, True):
            words = ", restarted after every batch" if restarts else ""
            yield Measurement(
                f"{size} series share alpha 0.001{words}", group, "alarms per 10,000 ticks of all together",
                ALPHA * 10_000, family(size, restarts=restarts), budget=ALPHA * 10_000,
            )  # fmt: skip
    name = f"{FLEET} series, {SLOW} slow down, e-BH over a window of {WINDOW:,}"
    for level in LEVELS:
        yield Measurement(
            name, group, f"false discovery rate at level {level:g}", level, false_discoveries(level), budget=level
        )
        yield Measurement(name, group, f"share of the slow ones reported at level {level:g}", None, found(level))
    yield Measurement(name, group, "mean e-value of the others", 1.0, null_e_value)


FLEETS = [*_families()]
