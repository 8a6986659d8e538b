"""An alarm against the record it came from: since when evidence gathered, both sides, and what else looks like it.

Everything rests on ticks up to the alarm only. The search for other explanations looks back over the stretch that the
alarm is about, so it is exploratory: it has no budget, and finding nothing excludes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sentinel.analysis.lookback import find_cycle, find_level_shift
from sentinel.domain.channels import Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.spans import duration_in_words, moment_in_words
from sentinel.text.explanations import Explanation, Lookalike, Side

Floats = NDArray[np.float64]

BEGUN = -2.0
"""log10 of the share of the alarm line below which evidence has not begun to gather: 1/100."""
BEFORE_HALF_LIVES = 10.0
"""Stretch before the gathering that is the other side, in half-lives of the instrument."""
FEWEST = 60
"""Values below which nothing is said of another explanation."""
QUIETER = 0.8
"""Share of its former variance below which the residual counts as quieter."""


def explain(
    end_us: NDArray[np.int64], gap: NDArray[np.bool_], value: Floats, residual: Floats, evidence: Floats,
    estimates: Estimates[Floats], half_life: float, cadence_us: int, seasons: tuple[float, ...] = (),
) -> Explanation:  # fmt: skip
    """Explain the alarm at the last of these ticks.

    Arrays of equal length, one entry a tick. `evidence` of the alarm's rule as log10 of its share of the alarm line;
    `half_life` and the declared `seasons` in ticks.
    """
    gaps = np.flatnonzero(gap)
    first = int(gaps[-1]) + 1 if gaps.size and gaps[-1] + 1 < end_us.size else 0
    calm = np.flatnonzero(~(evidence > BEGUN))
    calm = calm[(calm >= first) & (calm < end_us.size - 1)]
    begun = int(calm[-1]) if calm.size else first
    from_ = max(first, begun + 1 - round(BEFORE_HALF_LIVES * half_life))

    def side(start: int, stop: int) -> Side:
        values, residuals = value[start:stop], residual[start:stop]
        known, judged = values[~np.isnan(values)], residuals[~np.isnan(residuals)]
        return Side(
            int(end_us[start]), int(end_us[stop - 1]), stop - start, known.size,
            float(known.mean()) if known.size else np.nan, float(known.std()) if known.size else np.nan,
            float((judged**2).mean()) if judged.size else np.nan,
            Estimates(*(float(array[stop - 1]) for array in estimates)),
        )  # fmt: skip

    before = side(from_, begun + 1) if calm.size and begun + 1 > from_ else None
    since = side(begun + 1 if calm.size else first, end_us.size)
    own = value[first:]
    return Explanation(
        int(end_us[first]), int(end_us[-1]), own.size, int((~np.isnan(own)).sum()), int(gaps.size),
        int(end_us[begun]), end_us.size - 1 - begun, before, since,
        tuple(_look(value[from_:], end_us[from_:], before, since, cadence_us, seasons)),
    )  # fmt: skip


def _look(
    value: Floats, end_us: NDArray[np.int64], before: Side | None, since: Side, cadence_us: int,
    seasons: tuple[float, ...],
) -> list[Lookalike]:  # fmt: skip
    """Look for what else raises lag 1, over both sides together."""
    few = int((~np.isnan(value)).sum()) < FEWEST
    too_few = f"cannot be told: under {FEWEST} values"
    shift = None if few else find_level_shift(value)
    period = None if few else find_cycle(value)
    if period is not None and any(abs(season / period - round(season / period)) <= 0.1 for season in seasons):
        period = None  # a declared season, or a part of it
    return [
        Lookalike(
            "level shift", None if few else shift is not None,
            too_few if few else "none found" if shift is None else
            f"one describes these values best: around {shift.before:.4g} before, around {shift.after:.4g} from "
            f"{moment_in_words(int(end_us[shift.at]))} on",
        ),
        _quieter(before, since),
        Lookalike(
            "undeclared season", None if few else period is not None,
            too_few if few else "none found" if period is None else
            f"a cycle of about {period:.3g} ticks = {duration_in_words(period * cadence_us / MICROSECONDS)}",
        ),
    ]  # fmt: skip


def _quieter(before: Side | None, since: Side) -> Lookalike:
    """Hold the variance against that before: slowing by itself raises it, a quieter sensor lowers it."""
    name = "quieter sensor"
    if before is None or not (before.residual_variance > 0.0 and since.residual_variance >= 0.0):
        return Lookalike(name, None, "cannot be told: nothing lies before")
    if min(before.values, since.values) < FEWEST:
        return Lookalike(name, None, f"cannot be told: under {FEWEST} values on one side")
    ratio = since.residual_variance / before.residual_variance
    found = ratio < QUIETER
    return Lookalike(
        name, found,
        f"the residual's variance is {ratio:.2g} times that before; slowing by itself raises it"
        + (", noise that has become less lowers it and raises lag 1" if found else ""),
    )  # fmt: skip
