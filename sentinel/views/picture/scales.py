"""Colours, scales and words that a picture has in common as a file and inside a page; nothing is drawn here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from sentinel.domain.channels import CHANNELS
from sentinel.domain.states import State
from sentinel.pipeline.arrays import Floats
from sentinel.pipeline.history import Columns
from sentinel.pipeline.plan import PlanRule
from sentinel.text.words import rule_in_words

INK, FAINT, NOT_READY = "#222222", "#767676", "#dcdcdc"
SIGNAL, ALARM, CYCLE = "#30507a", "#b2182b", "#0f766e"
MARKS = {(channel.name, side): mark for channel in CHANNELS for side, mark in channel.marks.items()}
"""By channel and side."""
STATE_COLOURS = {
    State.LEARNING: NOT_READY,
    State.WATCHING: "#b9d7cb",
    State.WARNING: "#f2b65a",
    State.CRITICAL: "#c8553d",
    State.BLIND: "#ffffff",
}
# Steps of lightness are even, hues are told apart by everybody, and red is left to alarms; as on the page.
READING_COLOURS = LinearSegmentedColormap.from_list("readings", ["#598cb6", "#9bc4e1", "#fafaf9", "#deb58a", "#b2774b"])

READING_LIMIT, NEAR = 12.0, 1.0
"""Readings of the deepest colour, and up to which colours change evenly: beyond, ever more slowly."""
FINER = 4
"""Rows of colour per distance of two detectors."""
THRESHOLD_TICKS = (-0.98, -0.9, -0.7, -0.4, 0.0, 0.4, 0.7, 0.9, 0.98)
RECOVERY_TICKS = (1, 3, 10, 30)
"""Recovery times that are named, in ticks."""
MODULUS_TICKS = (0.0, 0.8, 0.95)
MODULUS_TOP = 0.995
LOWER = 0.62
"""Share of the panel that belongs to the modulus; the rest above is the period's, so that the two never cross."""
PERIOD_TICKS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 40, 50, 70, 100, 150, 200, 300, 500, 700, 1000)
RATIO_TICKS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1e3, 1e4, 1e6, 1e9)
HIGHEST, LOWEST = np.log(2.5), np.log(0.7)
"""Changes of log variance that the axis shows at least."""
CLOSEST = 0.24
"""Ticks nearer to each other than this share of the axis are left out."""
LARGEST_EXPONENT = 100
"""Values beyond this power of ten, or below its inverse, are drawn in parts of their own."""
NAMED_RULES = 5
"""Rules whose budget is written into the evidence."""

_ALONE = 2
"""Columns in a row, at most, in which a value counts as alone; one more, and it belongs to the data."""
_FEWEST = 20
"""Columns with a value below which nothing is left out of the picture."""
_FAR = 5.0
"""The range of all values is so many times that of those which are not alone before any is left out."""
_KNOWN_SD = 8.0
"""Values whose residual is beyond this were judged as measurements, and are shown."""


def interpolate(readings: NDArray[np.float32]) -> Floats:
    """Give readings on `FINER` times as many thresholds, linear in atanh like the zero crossing; (fine, columns)."""
    below, above = readings.T[:-1].astype(np.float64), readings.T[1:].astype(np.float64)
    share = np.linspace(0, 1, FINER, endpoint=False)[None, :, None]
    between = below[:, None] * (1 - share) + above[:, None] * share
    return np.concatenate([between.reshape(-1, readings.shape[0]), above[-1:]])


def ratio_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Choose ratios of variances between two logarithms of them; give the logarithm and how it is written."""
    up, gap = np.log(RATIO_TICKS), CLOSEST * (high - low)
    above = thin_out([0.0, *(tick for tick in up if tick <= high)], gap)
    below = thin_out([0.0, *(-tick for tick in up if -tick >= low)], gap)
    ticks = [*below[:0:-1], *above]
    return [(tick, _ratio(float(np.exp(tick)))) for tick in ticks]


def _ratio(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}" if ratio < 1e5 else f"{ratio:.0e}".replace("+0", "")


def thin_out(ticks: Sequence[float], gap: float) -> list[float]:
    """Keep the first tick, and every later one that is at least `gap` away from the last that was kept."""
    kept = list(ticks[:1])
    for tick in ticks[1:]:
        if abs(tick - kept[-1]) >= gap:
            kept.append(tick)
    return [float(tick) for tick in kept]


def rescale(low: Floats, high: Floats) -> tuple[Floats, Floats, str]:
    """Put values that matplotlib could not make an axis of in a power of ten; give them and how it is written."""
    largest = float(np.fmax.reduce(np.abs([low, high]), axis=None, initial=0.0))
    exponent = max(math.floor(math.log10(largest)), -300) if largest > 0 else 0
    if abs(exponent) <= LARGEST_EXPONENT:
        return low, high, ""
    return low / 10.0**exponent, high / 10.0**exponent, f"\n(× 1e{exponent})"


def runs(codes: NDArray[np.generic]) -> list[tuple[int, int]]:
    """Give first and one-past-last index of each run of equal codes."""
    borders = np.flatnonzero(np.diff(codes.astype(np.int64))) + 1
    return list(zip([0, *borders.tolist()], [*borders.tolist(), len(codes)], strict=True))


def name_budgets(rules: Sequence[PlanRule]) -> str:
    """Name the effective alpha of every rule, those of one alpha together."""
    named: dict[float, list[str]] = {}
    for rule in rules[:NAMED_RULES]:
        named.setdefault(rule.alpha, []).append(rule_in_words(rule.kind, rule.label))
    parts = [f"alpha {alpha:.3g} per tick: {', '.join(names)}" for alpha, names in named.items()]
    more = f" and {len(rules) - NAMED_RULES} more" if len(rules) > NAMED_RULES else ""
    return "; ".join(parts) + more


class Shown(NamedTuple):
    """The least and the largest value that the axis has to hold, and a note on what lies beyond; empty = nothing."""

    least: float
    most: float
    note: str = ""


def find_shown(low: Floats, high: Floats, columns: Columns) -> Shown:
    """Find the range to show of the smallest and largest values of columns, shape (columns,), NaN = missing.

    Values are left out that stand alone, lie far beyond all others, and were no measurements to the pipeline.
    """
    known = ~np.isnan(low)
    if not known.any():
        return Shown(0.0, 1.0)
    whole = Shown(float(low[known].min()), float(high[known].max()))
    if known.sum() < _FEWEST:
        return whole
    least, most = float(_running_median(low[known]).min()), float(_running_median(high[known]).max())
    room = most - least
    if not 0.0 < _FAR * room < whole.most - whole.least:
        return whole
    beyond = known & ((low < least - room) | (high > most + room))
    judged = np.abs([columns.residual_low[beyond], columns.residual_high[beyond]])
    if np.any(judged > _KNOWN_SD):
        return whole
    low_inside, high_inside = low[known & ~beyond], high[known & ~beyond]
    least, most = min(least, float(low_inside.min())), max(most, float(high_inside.max()))
    return Shown(least, most, f"not shown: values far from all others, {whole.least:.4g} to {whole.most:.4g} in all")


def _running_median(values: Floats) -> Floats:
    """Give the median of each value and its neighbours; the newest value is repeated, so that it counts."""
    padded = np.pad(np.pad(values, (0, _ALONE), mode="edge"), (_ALONE, 0), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _ALONE + 1)
    return np.asarray(np.sort(windows, axis=1)[:, _ALONE], np.float64)
