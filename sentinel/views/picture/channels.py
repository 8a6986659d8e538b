"""The two low panels: what oscillates (modulus and period), and how wide it is (spread), with criticality."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from sentinel.pipeline.portrait import Columns
from sentinel.views.picture.steps import steps
from sentinel.views.picture.style import CYCLE, FAINT, INK, SIGNAL

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


def cycle_panel(
    panel: Axes, edges: NDArray[np.float64], columns: Columns, length: Callable[[float], str], cadence_us: float
) -> None:
    """Modulus on the scale of the spectrogram above 0; over it, where something oscillates, the period."""
    steps(panel, np.arctanh(np.clip(columns.modulus, 0, MODULUS_TOP)), edges, color=SIGNAL, linewidth=1)
    panel.set_ylim(0, np.arctanh(MODULUS_TOP) / LOWER)
    panel.set_yticks(np.arctanh(MODULUS_TICKS), [f"{tick:g}" for tick in MODULUS_TICKS])
    panel.set_ylabel("modulus", color=SIGNAL)
    known = columns.period[~np.isnan(columns.period)]
    if not known.size:
        if not np.isnan(columns.modulus).all():  # Where nothing was ready, nothing is known of oscillations.
            panel.text(0.006, 0.78, "no oscillation", transform=panel.transAxes, color=CYCLE, fontsize=7, va="center")
        return
    low, high = np.log(known.min() / 1.2), np.log(known.max() * 1.2)
    right = panel.twinx()
    middles = (edges[:-1] + edges[1:]) / 2
    right.plot(middles, np.log(columns.period), linestyle="none", marker=".", markersize=2.5, color=CYCLE)
    right.set_ylim(high - (high - low) / (1 - LOWER), high)
    inside = [tick for tick in np.log(PERIOD_TICKS) if low <= tick <= high] or [float(np.median(np.log(known)))]
    shown = _apart(inside, 0.4 * (high - low))
    right.set_yticks(shown, [length(float(np.exp(tick)) * cadence_us) for tick in shown])
    _dress(right, "period", CYCLE, 1 - (1 - LOWER) / 2)


def spread_panel(panel: Axes, edges: NDArray[np.float64], columns: Columns) -> None:
    """Variance over its baseline, on a logarithmic scale; criticality on the right."""
    spread = columns.spread
    steps(panel, np.where(np.isnan(spread), 0.0, spread), edges, baseline=0.0, color=SIGNAL, alpha=0.22, linewidth=0)
    steps(panel, spread, edges, color=SIGNAL, linewidth=0.9)
    panel.axhline(0, color=FAINT, linewidth=0.5, zorder=0)
    low = 1.1 * float(np.fmin.reduce(spread, initial=LOWEST))
    high = 1.1 * float(np.fmax.reduce(spread, initial=HIGHEST))
    panel.set_ylim(low, high)
    up, gap = np.log(RATIO_TICKS), CLOSEST * (high - low)
    above = _apart([0.0, *(tick for tick in up if tick <= high)], gap)
    below = _apart([0.0, *(-tick for tick in up if -tick >= low)], gap)
    ticks = [*below[:0:-1], *above]
    panel.set_yticks(ticks, [f"{np.exp(tick):.2g}" if tick < 7 else f"{np.exp(tick):.0e}" for tick in ticks])
    panel.set_ylabel("variance\n(× baseline)", color=SIGNAL)
    right = panel.twinx()
    steps(right, columns.criticality, edges, color=INK, linewidth=0.9)
    right.yaxis.set_major_locator(MaxNLocator(3) if not np.isnan(columns.criticality).all() else NullLocator())
    _dress(right, "criticality", INK, 0.5)


def _apart(ticks: Sequence[float], gap: float) -> list[float]:
    """The first tick, and every later one that is at least `gap` away from the last that was kept."""
    kept = list(ticks[:1])
    for tick in ticks[1:]:
        if abs(tick - kept[-1]) >= gap:
            kept.append(tick)
    return [float(tick) for tick in kept]


def _dress(right: Axes, name: str, colour: str, height: float) -> None:
    right.tick_params(length=2.5, width=0.6, labelsize=7.5, labelcolor=colour)
    right.spines[["top", "left", "bottom", "right"]].set_visible(False)
    right.set_ylabel(name, color=colour, fontsize=7.5, y=height)
