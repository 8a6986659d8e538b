"""The parts of a picture: readings with lag-1 and its band; modulus and period; spread and criticality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, NullLocator

from sentinel.pipeline.arrays import Floats
from sentinel.pipeline.history import Columns
from sentinel.views.picture import scales

HALO = (withStroke(linewidth=2.4, foreground="white", alpha=0.8),)

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": scales.FAINT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": scales.INK,
    "text.color": scales.INK,
    "xtick.color": scales.FAINT,
    "ytick.color": scales.FAINT,
    "xtick.labelcolor": scales.INK,
    "ytick.labelcolor": scales.INK,
    "hatch.linewidth": 0.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "sentinel",
}


def draw_steps(panel: Axes, values: Floats, edges: Floats, baseline: float | None = None, **look: Any) -> None:
    """Draw the values between their edges, NaN = none; filled down to the baseline if there is one.

    As `Axes.stairs`, whose search for the extent of the curve takes half of the time of building a picture.
    """
    look |= {"facecolor" if baseline is not None else "edgecolor": look.pop("color")}
    # The published type has no None; the documentation has.
    panel.add_artist(StepPatch(values, edges, baseline=baseline, fill=baseline is not None, **look))  # type: ignore[arg-type]
    known = np.append(values[~np.isnan(values)], [] if baseline is None else baseline)
    if known.size:
        panel.update_datalim([(edges[0], known.min()), (edges[-1], known.max())])
    panel.autoscale_view()


def draw_spectrogram(panel: Axes, edges: Floats, columns: Columns, thresholds: Floats) -> QuadMesh:
    """Draw readings over time and threshold, with the zero line and its band."""
    heights = np.arctanh(thresholds)
    fine = np.linspace(heights[0], heights[-1], (len(heights) - 1) * scales.FINER + 1)
    borders = np.concatenate([[fine[0]], (fine[:-1] + fine[1:]) / 2, [fine[-1]]])
    panel.set_facecolor(scales.NOT_READY)
    mesh = panel.pcolormesh(
        edges, borders, np.ma.masked_invalid(scales.interpolate(columns.readings)),
        cmap=scales.READING_COLOURS, norm=AsinhNorm(scales.NEAR, -scales.READING_LIMIT, scales.READING_LIMIT),
        rasterized=True,
    )  # fmt: skip
    bottom, top = borders[0], borders[-1]
    lines = (columns.estimates.lag1_low, columns.estimates.lag1_high, columns.estimates.lag1)
    with np.errstate(divide="ignore"):  # An open end of the band, -1 or 1, lies on the border.
        low, high, zero = (np.clip(np.arctanh(np.clip(line, -1, 1)), bottom, top) for line in lines)
    panel.fill_between(
        edges, np.append(low, low[-1]), np.append(high, high[-1]),
        step="post", color="white", alpha=0.4, linewidth=0,
    )  # fmt: skip
    for end in (low, high):
        draw_steps(panel, end, edges, color=scales.INK, linewidth=0.5)
    draw_steps(panel, zero, edges, color="white", linewidth=2.8)
    draw_steps(panel, zero, edges, color=scales.INK, linewidth=1.4)
    panel.set_ylim(bottom, top)
    ticks = [tick for tick in scales.THRESHOLD_TICKS if bottom <= np.arctanh(tick) <= top]
    panel.set_yticks(np.arctanh(ticks), [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    panel.set_yticks(heights, minor=True)
    panel.tick_params(axis="y", which="minor", length=1.4, width=0.4)
    panel.set_ylabel("threshold\n(line: lag-1, 95 % band)")
    return mesh


def draw_threshold(panel: Axes, threshold: float, colour: str) -> None:
    """Draw a dashed line where an alarm rule stands."""
    height = np.arctanh(threshold)
    panel.axhline(height, color=colour, linewidth=0.9, linestyle=(0, (5, 3)), path_effects=HALO)
    panel.plot(
        [1.0], [height], transform=panel.get_yaxis_transform(), color=colour, marker="<", markersize=5, clip_on=False
    )


def draw_recovery_scale(panel: Axes, length: Callable[[float], str], cadence_us: float) -> None:
    """Draw a second scale on the right: the recovery time that belongs to a lag-1, in the owner's units.

    The band that is drawn is read off there as well: recovery time grows with lag-1.
    """
    bottom, top = panel.get_ylim()
    places = [(float(np.arctanh(np.exp(-1.0 / ticks))), ticks) for ticks in scales.RECOVERY_TICKS]
    places = [(height, ticks) for height, ticks in places if bottom <= height <= top]
    scale = panel.secondary_yaxis("right")
    scale.set_yticks([height for height, _ in places], [length(ticks * cadence_us) for _, ticks in places])
    scale.tick_params(length=2.5, width=0.6, labelsize=7.5)
    scale.spines["right"].set_visible(False)
    middle = (float(np.mean([height for height, _ in places])) - bottom) / (top - bottom) if places else 0.5
    scale.set_ylabel("recovery time", fontsize=7.5, y=middle, labelpad=4)


def draw_colour_bar(figure: Figure, place: Axes, mesh: QuadMesh) -> None:
    """Draw the scale of colours."""
    bar = figure.colorbar(mesh, cax=place, extend="both")
    ticks = (-10, -5, -2, 0, 2, 5, 10)
    bar.set_ticks(ticks, labels=[f"{tick:+d}".replace("-", "\N{MINUS SIGN}") if tick else "0" for tick in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.4)
    bar.set_label("reading (null sd)\n← faster than the threshold · slower →", fontsize=7.5)


def draw_cycle(panel: Axes, edges: Floats, columns: Columns, length: Callable[[float], str], cadence_us: float) -> None:
    """Draw modulus on the scale of the spectrogram above 0; over it, where something oscillates, the period."""
    draw_steps(
        panel,
        np.arctanh(np.clip(columns.estimates.modulus, 0, scales.MODULUS_TOP)),
        edges,
        color=scales.SIGNAL,
        linewidth=1,
    )
    panel.set_ylim(0, np.arctanh(scales.MODULUS_TOP) / scales.LOWER)
    panel.set_yticks(np.arctanh(scales.MODULUS_TICKS), [f"{tick:g}" for tick in scales.MODULUS_TICKS])
    panel.set_ylabel("modulus", color=scales.SIGNAL)
    known = columns.estimates.period[~np.isnan(columns.estimates.period)]
    if not known.size:
        if not np.isnan(columns.estimates.modulus).all():  # Where nothing was ready, nothing is known of oscillations.
            panel.text(
                0.006, 0.78, "no oscillation", transform=panel.transAxes, color=scales.CYCLE, fontsize=7, va="center"
            )
        return
    low, high = np.log(known.min() / 1.2), np.log(known.max() * 1.2)
    right = panel.twinx()
    middles = (edges[:-1] + edges[1:]) / 2
    right.plot(
        middles, np.log(columns.estimates.period), linestyle="none", marker=".", markersize=2.5, color=scales.CYCLE
    )
    right.set_ylim(high - (high - low) / (1 - scales.LOWER), high)
    inside = [tick for tick in np.log(scales.PERIOD_TICKS) if low <= tick <= high] or [float(np.median(np.log(known)))]
    shown = scales.thin_out(inside, 0.4 * (high - low))
    right.set_yticks(shown, [length(float(np.exp(tick)) * cadence_us) for tick in shown])
    _style_right_axis(right, "period", scales.CYCLE, 1 - (1 - scales.LOWER) / 2)


def draw_spread(panel: Axes, edges: Floats, columns: Columns) -> None:
    """Draw variance over its baseline, on a logarithmic scale; criticality on the right."""
    spread = columns.estimates.spread
    draw_steps(
        panel,
        np.where(np.isnan(spread), 0.0, spread),
        edges,
        baseline=0.0,
        color=scales.SIGNAL,
        alpha=0.22,
        linewidth=0,
    )
    draw_steps(panel, spread, edges, color=scales.SIGNAL, linewidth=0.9)
    panel.axhline(0, color=scales.FAINT, linewidth=0.5, zorder=0)
    low = 1.1 * float(np.fmin.reduce(spread, initial=scales.LOWEST))
    high = 1.1 * float(np.fmax.reduce(spread, initial=scales.HIGHEST))
    panel.set_ylim(low, high)
    panel.set_yticks(*zip(*scales.ratio_ticks(low, high), strict=True))
    panel.set_ylabel("variance\n(× baseline)", color=scales.SIGNAL)
    right = panel.twinx()
    criticality = columns.estimates.criticality
    draw_steps(right, criticality, edges, color=scales.INK, linewidth=0.9)
    right.yaxis.set_major_locator(MaxNLocator(3) if not np.isnan(criticality).all() else NullLocator())
    _style_right_axis(right, "criticality", scales.INK, 0.5)


def _style_right_axis(right: Axes, name: str, colour: str, height: float) -> None:
    right.tick_params(length=2.5, width=0.6, labelsize=7.5, labelcolor=colour)
    right.spines[["top", "left", "bottom", "right"]].set_visible(False)
    right.set_ylabel(name, color=colour, fontsize=7.5, y=height)
