"""The panel in the middle: readings over time and threshold, with lag-1 and its band, and recovery time as a scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sentinel.pipeline.portrait import Columns
from sentinel.views.picture.steps import steps
from sentinel.views.picture.style import ALARM, HALO, INK, NOT_READY, READING_COLOURS

READING_LIMIT = 12.0
FINER = 4
THRESHOLD_TICKS = (-0.98, -0.9, -0.7, -0.4, 0.0, 0.4, 0.7, 0.9, 0.98)
RECOVERY_TICKS = (1, 3, 10, 30)
"""Recovery times that are named, in ticks."""


def spectrogram(panel: Axes, edges: NDArray[np.float64], columns: Columns, thresholds: NDArray[np.float64]) -> QuadMesh:
    """Readings over time and threshold, with the zero line and its band."""
    heights = np.arctanh(thresholds)
    fine = np.linspace(heights[0], heights[-1], (len(heights) - 1) * FINER + 1)
    borders = np.concatenate([[fine[0]], (fine[:-1] + fine[1:]) / 2, [fine[-1]]])
    panel.set_facecolor(NOT_READY)
    mesh = panel.pcolormesh(
        edges, borders, np.ma.masked_invalid(_between_detectors(columns.readings)),
        cmap=READING_COLOURS, norm=AsinhNorm(2.0, -READING_LIMIT, READING_LIMIT), rasterized=True,
    )  # fmt: skip
    bottom, top = borders[0], borders[-1]
    low = heights_of(columns.lag1_low, bottom, top)
    high = heights_of(columns.lag1_high, bottom, top)
    zero = heights_of(columns.lag1, bottom, top)
    panel.fill_between(
        edges, np.append(low, low[-1]), np.append(high, high[-1]),
        step="post", color="white", alpha=0.4, linewidth=0,
    )  # fmt: skip
    for end in (low, high):
        steps(panel, end, edges, color=INK, linewidth=0.5)
    steps(panel, zero, edges, color="white", linewidth=2.8)
    steps(panel, zero, edges, color=INK, linewidth=1.4)
    panel.set_ylim(bottom, top)
    ticks = [tick for tick in THRESHOLD_TICKS if bottom <= np.arctanh(tick) <= top]
    panel.set_yticks(np.arctanh(ticks), [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    panel.set_yticks(heights, minor=True)
    panel.tick_params(axis="y", which="minor", length=1.4, width=0.4)
    panel.set_ylabel("threshold\n(line: lag-1, 95 % band)")
    return mesh


def _between_detectors(readings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Readings on `FINER` times as many thresholds, linear in atanh, as the zero crossing is read; (fine, columns)."""
    below, above = readings.T[:-1].astype(np.float64), readings.T[1:].astype(np.float64)
    share = np.linspace(0, 1, FINER, endpoint=False)[None, :, None]
    between = below[:, None] * (1 - share) + above[:, None] * share
    return np.concatenate([between.reshape(-1, readings.shape[0]), above[-1:]])


def heights_of(correlation: NDArray[np.float64], bottom: float, top: float) -> NDArray[np.float64]:
    """Correlations on the atanh axis; an open end (-1 or 1) lies on the border."""
    with np.errstate(divide="ignore"):
        clipped: NDArray[np.float64] = np.clip(np.arctanh(np.clip(correlation, -1, 1)), bottom, top)
    return clipped


def alarm_threshold(panel: Axes, threshold: float, colour: str) -> None:
    """A dashed line where an alarm rule stands."""
    height = np.arctanh(threshold)
    panel.axhline(height, color=colour, linewidth=0.9, linestyle=(0, (5, 3)), path_effects=HALO)
    panel.plot(
        [1.0], [height], transform=panel.get_yaxis_transform(), color=colour, marker="<", markersize=5, clip_on=False
    )


def found_threshold(panel: Axes, threshold: float, begin: float, end: float) -> None:
    """A dashed line over one alarm, at the threshold that its rule had found from the series' own past."""
    height = np.arctanh(threshold)
    panel.plot([begin, end], [height, height], color=ALARM, linewidth=0.9, linestyle=(0, (2, 2)), path_effects=HALO)


def recovery_scale(panel: Axes, length: Callable[[float], str], cadence_us: float) -> None:
    """A second scale on the right: the recovery time that belongs to a lag-1 autocorrelation, in the owner's units.

    The band that is drawn is read off there as well: recovery time grows with lag-1.
    """
    bottom, top = panel.get_ylim()
    places = [(float(np.arctanh(np.exp(-1.0 / ticks))), ticks) for ticks in RECOVERY_TICKS]
    places = [(height, ticks) for height, ticks in places if bottom <= height <= top]
    scale = panel.secondary_yaxis("right")
    scale.set_yticks([height for height, _ in places], [length(ticks * cadence_us) for _, ticks in places])
    scale.tick_params(length=2.5, width=0.6, labelsize=7.5)
    scale.spines["right"].set_visible(False)
    middle = (float(np.mean([height for height, _ in places])) - bottom) / (top - bottom) if places else 0.5
    scale.set_ylabel("recovery time", fontsize=7.5, y=middle, labelpad=4)


def colour_bar(figure: Figure, place: Axes, mesh: QuadMesh) -> None:
    """What the colours are."""
    bar = figure.colorbar(mesh, cax=place, extend="both")
    ticks = (-10, -5, -2, 0, 2, 5, 10)
    bar.set_ticks(ticks, labels=[f"{tick:+d}".replace("-", "\N{MINUS SIGN}") if tick else "0" for tick in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.4)
    bar.set_label("reading (null sd)\n← faster than the threshold · slower →", fontsize=7.5)
