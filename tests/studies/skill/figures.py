"""How well a criterion tells runs that tip from runs that do not, with intervals from resampled runs.

A criterion is a table (moment, run) of forced runs and one of nulls, larger = closer to the tip; NaN = not ready, and
then quiet. Moments are parts of the way to the tip, the same for all criteria.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOMENTS = np.round(np.arange(0.3, 1.001, 0.02), 2)
"""Parts of the way at which every criterion is asked."""
SOONER = np.round(np.arange(0.1, 1.001, 0.02), 2)
"""The same, from before some runs are long enough to be judged."""
EARLY = (MOMENTS > 0.6) & (MOMENTS <= 0.8)
LATE = MOMENTS > 0.8
FALSE = 0.05
RESAMPLES = 400
SEED = 77


class Figure(NamedTuple):
    """A number, and what it becomes when runs are drawn again."""

    value: float
    again: Floats
    """Shape (resamples,)."""

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the resamples."""
        low, high = np.quantile(self.again, [0.025, 0.975])
        return float(low), float(high)


def mean(figures: list[Figure]) -> Figure:
    """The mean over systems."""
    return Figure(float(np.mean([f.value for f in figures])), np.mean([f.again for f in figures], axis=0))


def quiet(table: Floats) -> Floats:
    """Not ready is no alarm."""
    return np.where(np.isnan(table), -np.inf, table)


def auc(forced: Floats, null: Floats) -> float:
    """Probability that a moment of a forced run is above one of a null; ties count half."""
    return float(_against(forced, null).mean())


def _against(forced: Floats, null: Floats) -> Floats:
    """Part of the pairs of moments in which each forced run is above each null, shape (forced, null)."""
    ordered = np.sort(null, axis=0)
    below = [
        (np.searchsorted(column, forced, "left") + np.searchsorted(column, forced, "right")).mean(axis=0)
        for column in ordered.T
    ]
    return np.stack(below, axis=1) / (2 * null.shape[0])


def found(forced: Floats, null: Floats) -> float:
    """Part of the forced moments above all but 5 % of the null's."""
    return float((forced > np.quantile(null, 1 - FALSE, method="higher")).mean())


def left(forced: Floats, null: Floats, at: Floats = MOMENTS) -> tuple[float, float]:
    """Median part of the way still left at the first of the moments `at` above the level that 5 % of null runs ever
    exceed, a run that is never above counting 0; and the part of runs that are above before the tip."""
    above = forced > np.quantile(null.max(axis=0), 1 - FALSE, method="higher")
    warned = above.any(axis=0)
    return float(np.median(np.where(warned, 1 - at[above.argmax(axis=0)], 0.0))), float(warned.mean())


def figures(forced: Floats, null: Floats) -> dict[str, Figure]:
    """All figures of one criterion on one system."""
    forced, null = quiet(forced), quiet(null)
    random = np.random.default_rng(SEED)
    drawn = [(random.integers(0, t.shape[1], (RESAMPLES, t.shape[1]))) for t in (forced, null)]
    gathered: dict[str, Figure] = {}
    for name, when in (("early", EARLY), ("late", LATE)):
        pairs = _against(forced[when], null[when])
        again = [pairs[np.ix_(f, n)].mean() for f, n in zip(*drawn, strict=True)]
        gathered[f"auc {name}"] = Figure(float(pairs.mean()), np.array(again))
        again = [found(forced[when][:, f], null[when][:, n]) for f, n in zip(*drawn, strict=True)]
        gathered[f"found {name}"] = Figure(found(forced[when], null[when]), np.array(again))
    now = left(forced, null)
    again = np.array([left(forced[:, f], null[:, n]) for f, n in zip(*drawn, strict=True)])
    return gathered | {"left": Figure(now[0], again[:, 0]), "warned": Figure(now[1], again[:, 1])}
