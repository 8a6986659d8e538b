"""Draws one series: data, residual, stability spectrogram, evidence and states over one time axis.

Warm colours are readings above zero: the series returns more slowly than that threshold allows. Cold colours are the
opposite. The line where the colour changes is the lag-1 autocorrelation, drawn with its 95 % band. Grey is *not ready*,
hatched is *blind*; a break in the data line is *missing*.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import AsinhNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sentinel.axis import Axis
from sentinel.picture.portrait import Columns
from sentinel.picture.timeline import TimeLine
from sentinel.snapshot import Reason, State

STATES = tuple(State)
REASONS = tuple(Reason)
BLIND = STATES.index(State.BLIND)

INK, FAINT, NOT_READY = "#222222", "#767676", "#dcdcdc"
SIGNAL, ALARM = "#30507a", "#b2182b"
STATE_COLOURS = {
    State.LEARNING: NOT_READY,
    State.WATCHING: "#b9d7cb",
    State.WARNING: "#f2b65a",
    State.CRITICAL: "#c8553d",
    State.BLIND: "#ffffff",
}
HALO = (withStroke(linewidth=2.4, foreground="white", alpha=0.8),)
READING_LIMIT = 12.0
# The ends of the map are nearly black and would hide the lines.
READING_COLOURS = LinearSegmentedColormap.from_list("readings", mpl.colormaps["RdBu_r"](np.linspace(0.06, 0.94, 256)))
FINER = 4
THRESHOLD_TICKS = (-0.98, -0.9, -0.7, -0.4, 0.0, 0.4, 0.7, 0.9, 0.98)
EVIDENCE_FLOOR = -6.0
SMALLEST_LABEL = 0.0085
"""Share of the width that one letter of a state's name takes."""

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "sentinel",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it is marked: `cleared_us` is None while it is open."""

    raised_us: int
    cleared_us: int | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written around the panels."""

    title: str
    subtitle: str = ""
    value_label: str = "value"
    time_label: str = ""


def draw(
    columns: Columns,
    axis: Axis,
    thresholds: Sequence[float] | NDArray[np.float64],
    caption: Caption,
    alarm_thresholds: Sequence[float] = (),
    alarms: Sequence[Alarm] = (),
) -> Figure:
    """Draw one series.

    Parameters
    ----------
    columns
        The series' decimated rows, at least one.
    axis
        What its time is to its owner.
    thresholds
        The detectors' thresholds, ascending, one per column of the readings.
    caption
        Words around the panels.
    alarm_thresholds
        Thresholds on which an alarm rule stands.
    alarms
        What was raised and cleared.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 7.4))
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(
            5, 2, height_ratios=(1.5, 0.9, 2.7, 1.25, 0.26), width_ratios=(1, 0.016),
            left=0.085, right=0.925, top=0.905 if caption.title else 0.94, bottom=0.07, hspace=0.13, wspace=0.025,
        )  # fmt: skip
        data = figure.add_subplot(grid[0, 0])
        residual, spectrogram, evidence, strip = (figure.add_subplot(grid[row, 0], sharex=data) for row in range(1, 5))
        panels = (data, residual, spectrogram, evidence, strip)
        line = TimeLine(columns, axis)
        edges = line.edges
        middles = (edges[:-1] + edges[1:]) / 2

        _envelope(data, middles, columns.value_low, columns.value_high)
        data.set_ylabel(caption.value_label)
        _envelope(residual, middles, columns.residual_low, columns.residual_high)
        _symmetric(residual, columns.residual_low, columns.residual_high)
        residual.set_ylabel("residual (sd)")
        mesh = _spectrogram(spectrogram, edges, columns, np.asarray(thresholds, dtype=np.float64))
        for threshold in alarm_thresholds:
            _alarm_threshold(spectrogram, threshold)
        _evidence(evidence, edges, columns)
        _strip(strip, edges, columns)
        for panel in panels[:4]:
            _blind_spans(panel, edges, columns)
        for middle, length in line.breaks():
            data.text(
                middle, 0.5, f"{length}, not to scale", transform=data.get_xaxis_transform(),
                rotation=90, ha="center", va="center", fontsize=7, color=FAINT,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
        for alarm in alarms:
            cleared = line.right if alarm.cleared_us is None else line.place(alarm.cleared_us)
            _mark_alarm(panels, line.place(alarm.raised_us), cleared)

        _colour_bar(figure, figure.add_subplot(grid[2, 1]), mesh)
        for panel in panels:
            panel.tick_params(length=2.5, width=0.6, labelsize=8, labelbottom=panel is strip)
            panel.spines[["top", "right"]].set_visible(False)
        strip.set_xlim(edges[0], edges[-1])
        strip.set_xticks(*line.ticks())
        strip.set_xlabel(caption.time_label)
        figure.align_ylabels(panels[:4])
        figure.text(0.085, 0.955, caption.title, fontsize=12.5, fontweight="bold", va="baseline")
        figure.text(0.085, 0.925 if caption.title else 0.96, caption.subtitle, color=FAINT, va="baseline")
    return figure


def write(figure: Figure, target: Path | io.BytesIO, file_format: str, dots_per_inch: int = 150) -> None:
    """Save as `png` or `svg`; the same figure gives the same bytes."""
    metadata = {"Date": None} if file_format == "svg" else {"Software": None}
    with mpl.rc_context(STYLE):
        figure.savefig(target, format=file_format, dpi=dots_per_inch, metadata=metadata, facecolor="white")


def _envelope(panel: Axes, middles: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """A line through the smallest and the largest value of each column; broken where values are missing."""
    line = np.column_stack([low, high]).ravel()
    panel.plot(np.repeat(middles, 2), line, color=SIGNAL, linewidth=0.8, solid_joinstyle="round")
    present = ~np.isnan(low)
    neighbours = np.pad(present, 1)
    alone = present & ~neighbours[:-2] & ~neighbours[2:]
    panel.plot(middles[alone], low[alone], linestyle="none", marker=".", markersize=2.5, color=SIGNAL)
    panel.margins(y=0.08)


def _symmetric(panel: Axes, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """A zero line in the middle; the largest residual fits."""
    largest = float(np.nanmax(np.abs([low, high]), initial=3.0, where=~np.isnan([low, high])))
    panel.axhline(0, color=FAINT, linewidth=0.5, zorder=0)
    panel.set_ylim(-1.08 * largest, 1.08 * largest)
    panel.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))


def _spectrogram(
    panel: Axes, edges: NDArray[np.float64], columns: Columns, thresholds: NDArray[np.float64]
) -> QuadMesh:
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
    low = _heights(columns.lag1_low, bottom, top)
    high = _heights(columns.lag1_high, bottom, top)
    zero = _heights(columns.lag1, bottom, top)
    panel.fill_between(
        edges, np.append(low, low[-1]), np.append(high, high[-1]),
        step="post", color="white", alpha=0.4, linewidth=0,
    )  # fmt: skip
    for end in (low, high):
        panel.stairs(end, edges, baseline=None, color=INK, linewidth=0.5)
    panel.stairs(zero, edges, baseline=None, color="white", linewidth=2.8)
    panel.stairs(zero, edges, baseline=None, color=INK, linewidth=1.4)
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


def _heights(correlation: NDArray[np.float64], bottom: float, top: float) -> NDArray[np.float64]:
    """Correlations on the atanh axis; an open end (-1 or 1) lies on the border."""
    with np.errstate(divide="ignore"):
        clipped: NDArray[np.float64] = np.clip(np.arctanh(np.clip(correlation, -1, 1)), bottom, top)
    return clipped


def _alarm_threshold(panel: Axes, threshold: float) -> None:
    height = np.arctanh(threshold)
    panel.axhline(height, color=ALARM, linewidth=0.9, linestyle=(0, (5, 3)), path_effects=HALO)
    panel.plot(
        [1.0], [height], transform=panel.get_yaxis_transform(), color=ALARM, marker="<", markersize=5, clip_on=False
    )


def _colour_bar(figure: Figure, place: Axes, mesh: QuadMesh) -> None:
    bar = figure.colorbar(mesh, cax=place, extend="both")
    ticks = (-10, -5, -2, 0, 2, 5, 10)
    bar.set_ticks(ticks, labels=[f"{tick:+d}".replace("-", "\N{MINUS SIGN}") if tick else "0" for tick in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.4)
    bar.set_label("reading (null sd)\n← faster than the threshold · slower →", fontsize=7.5)


def _evidence(panel: Axes, edges: NDArray[np.float64], columns: Columns) -> None:
    """Evidence as log10, the alarm line at 0."""
    panel.stairs(columns.evidence, edges, baseline=None, color=INK, linewidth=0.9)
    panel.stairs(
        np.where(np.isnan(columns.evidence), EVIDENCE_FLOOR, columns.evidence), edges,
        baseline=EVIDENCE_FLOOR, fill=True, color=SIGNAL, alpha=0.22, linewidth=0,
    )  # fmt: skip
    panel.axhline(0, color=ALARM, linewidth=0.9, linestyle=(0, (5, 3)))
    panel.text(1.006, 0, "alarm", transform=panel.get_yaxis_transform(), color=ALARM, va="center", fontsize=7.5)
    highest = float(np.fmax.reduce(columns.evidence, initial=0.0))
    panel.set_ylim(EVIDENCE_FLOOR, max(1.2, highest + 0.6))
    panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    panel.set_ylabel("evidence\n(log10)")


def _strip(panel: Axes, edges: NDArray[np.float64], columns: Columns) -> None:
    """The states in colour and, where there is room, in words."""
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    span = edges[-1] - edges[0]
    for first, last in _runs(columns.state.astype(np.int64) * len(REASONS) + columns.reason):
        state, left, width = STATES[columns.state[first]], edges[first], edges[last] - edges[first]
        hatch = "//////" if state is State.BLIND else None
        panel.broken_barh(
            [(left, width)], (0, 1), facecolor=STATE_COLOURS[state], edgecolor=FAINT, linewidth=0.3, hatch=hatch
        )
        reason = REASONS[columns.reason[first]].value.replace("_", "-")
        words = (f"{state.value}: {reason}", state.value) if reason else (state.value,)
        fitting = next((word for word in words if width > SMALLEST_LABEL * len(word) * span), None)
        if fitting:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8} if state is State.BLIND else None
            panel.text(left + width / 2, 0.47, fitting, ha="center", va="center", fontsize=7.5, bbox=box)


def _blind_spans(panel: Axes, edges: NDArray[np.float64], columns: Columns) -> None:
    for first, last in _runs(columns.state == BLIND):
        if columns.state[first] == BLIND:
            panel.axvspan(
                edges[first], edges[last], facecolor="white", edgecolor="#b5b5b5", hatch="////", linewidth=0, zorder=1.5
            )


def _runs(codes: NDArray[np.generic]) -> list[tuple[int, int]]:
    """First and one-past-last index of each run of equal codes."""
    borders = np.flatnonzero(np.diff(codes.astype(np.int64))) + 1
    return list(zip([0, *borders.tolist()], [*borders.tolist(), len(codes)], strict=True))


def _mark_alarm(panels: Sequence[Axes], raised: float, cleared: float) -> None:
    """A line through all panels where it was raised, a shade over the evidence for as long as it was open."""
    for panel in panels:
        panel.axvline(raised, color=ALARM, linewidth=0.8, path_effects=HALO if panel is panels[2] else None)
    panels[3].axvspan(raised, cleared, facecolor=ALARM, alpha=0.10, linewidth=0)
    panels[0].plot(
        [raised], [1.0], transform=panels[0].get_xaxis_transform(),
        color=ALARM, marker="v", markersize=6, clip_on=False,
    )  # fmt: skip
