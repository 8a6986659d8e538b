"""The stability spectrogram of one series as a figure of matplotlib, to be written as a file.

Data, residual, spectrogram, oscillation, spread, evidence and states lie over one time axis. Warm colours are readings
above zero (a slow return), cold ones below; between them lies the lag-1 autocorrelation with its 95 % band. Grey is
*not ready*, hatched is *blind*; a break in the data line is *missing*.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sentinel.domain.events import AlarmEvent
from sentinel.domain.observation import Axis
from sentinel.domain.states import REASONS, STATES, State
from sentinel.pipeline.arrays import Floats
from sentinel.pipeline.history import Columns
from sentinel.pipeline.plan import PlanRule
from sentinel.text.claims import FLOOR
from sentinel.views.picture import Alarm, scales
from sentinel.views.picture import panels as parts
from sentinel.views.picture.look import LABELS, Look
from sentinel.views.picture.timeline import BLIND, TimeLine, trace

__all__ = ["Figure", "draw", "write"]

SMALLEST_LABEL = 0.0085
"""Share of the usual width that one letter of a state's name takes."""
_USUAL_LABEL = 5


def draw(
    columns: Columns, axis: Axis, thresholds: Sequence[float] | Floats, cadence_us: int,
    rules: Sequence[PlanRule] = (), alarms: Sequence[Alarm] = (),
    *, title: str = "", subtitle: str = "", value_label: str = "value", look: Look | None = None,
) -> Figure:  # fmt: skip
    """Draw one series: its decimated rows, at least one, over the time axis of its owner, with its alarms.

    `thresholds` are those of the detectors, ascending, one per column of the readings; `rules` are in force.
    """
    look = look or Look()
    title = title if look.title is None else look.title
    across, along = look.across, look.along
    with mpl.rc_context(parts.STYLE):
        figure = Figure(figsize=look.size)
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(
            7, 1, height_ratios=(1.4, 0.8, 2.6, 0.95, 0.85, 1.15, 0.26),
            left=0.085 * across, right=1 - 0.165 * across, top=1 - (0.08 if title else 0.05) * along,
            bottom=0.06 * along, hspace=0.15,
        )  # fmt: skip
        data = figure.add_subplot(grid[0])
        panels = (data, *(figure.add_subplot(grid[row], sharex=data) for row in range(1, 7)))
        _, residual, spectrum, cycle, spread, evidence, strip = panels
        line = TimeLine(columns, axis)
        edges = line.edges

        low, high, unit = scales.rescale(columns.value_low, columns.value_high)
        _draw_range(data, edges, low, high, columns)
        data.set_ylabel(value_label + unit)
        _leave_out_extremes(data, scales.find_shown(low, high, columns))
        low, high, unit = scales.rescale(columns.residual_low, columns.residual_high)
        _draw_range(residual, edges, low, high, columns)
        largest = float(np.nanmax(np.abs([low, high]), initial=3.0, where=~np.isnan([low, high])))
        residual.axhline(0, color=scales.FAINT, linewidth=0.5, zorder=0)
        residual.set_ylim(-1.08 * largest, 1.08 * largest)
        residual.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        residual.set_ylabel(f"residual\n(sd){unit}")
        mesh = parts.draw_spectrogram(spectrum, edges, columns, np.asarray(thresholds, dtype=np.float64))
        parts.draw_recovery_scale(spectrum, line.length, cadence_us)
        parts.draw_cycle(cycle, edges, columns, line.length, cadence_us)
        parts.draw_spread(spread, edges, columns)
        for part in [part for rule in rules for part in rule.channels]:
            if part.threshold is not None:
                place = cycle if part.kind == "modulus" else spectrum
                mark = scales.MARKS[part.kind, "below" if part.below else "above"]
                parts.draw_threshold(place, part.threshold, mark.colour)
        _draw_evidence(evidence, edges, columns, rules)
        letter = SMALLEST_LABEL * across * 0.75 / (1 - 0.25 * across)
        _draw_states(strip, edges, columns, letter)
        for first, last in scales.runs(columns.state == BLIND):
            for panel in panels[:6] if columns.state[first] == BLIND else ():
                panel.axvspan(
                    edges[first], edges[last],
                    facecolor="white", edgecolor="#b5b5b5", hatch="////", linewidth=0, zorder=1.5,
                )  # fmt: skip
        for middle, length in line.breaks():
            data.text(
                middle, 0.5, f"{length}, not to scale", transform=data.get_xaxis_transform(),
                rotation=90, ha="center", va="center", fontsize=7, color=scales.FAINT,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
        for alarm, cleared_us in alarms:
            cleared = float(edges[-1]) if cleared_us is None else line.place(cleared_us)
            _mark_alarm(panels, alarm, line.place(alarm.time_us), cleared)
        _draw_key(data, alarms)

        strip.set_xlim(edges[0], edges[-1])
        left = 0.085 * across + _more_room(data) / look.size[0]
        grid.update(left=left)
        for panel in panels:
            panel.set_position(grid[panels.index(panel)].get_position(figure))
        box = spectrum.get_position()
        parts.draw_colour_bar(figure, figure.add_axes((1 - 0.083 * across, box.y0, 0.012 * across, box.height)), mesh)
        for panel in panels:
            panel.tick_params(length=2.5, width=0.6, labelsize=8, labelbottom=panel is strip)
            panel.spines[["top", "right"]].set_visible(False)
        strip.set_xticks(*line.ticks())
        figure.align_ylabels(panels[:6])
        lower = 1 - (0.058 if title else 0.028) * along
        figure.text(left, 1 - 0.033 * along, title, fontsize=12.5, fontweight="bold", va="baseline")
        figure.text(left, lower, subtitle, color=scales.FAINT, va="baseline")
        look.apply(figure, dict(zip(LABELS, panels[:6], strict=False)))
    return figure


def write(figure: Figure, target: Path | io.BytesIO, file_format: str, dots_per_inch: int = 150) -> None:
    """Save as `pdf`, `png` or `svg`; the same figure gives the same bytes.

    A letter that the font lacks is a box in the picture, and no warning: series have names in every script.
    """
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(file_format, {"Software": None})
    with mpl.rc_context(parts.STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        figure.savefig(target, format=file_format, dpi=dots_per_inch, metadata=metadata, facecolor="white")


def _draw_range(panel: Axes, edges: Floats, low: Floats, high: Floats, columns: Columns) -> None:
    """Draw a line through the smallest and the largest value of each column; broken where values are missing."""
    x, y = trace(edges, low, high, columns)
    panel.plot(x, y, color=scales.SIGNAL, linewidth=0.8, solid_joinstyle="round")
    present = ~np.isnan(low)
    neighbours = np.pad(present, 1)
    alone = present & ~neighbours[:-2] & ~neighbours[2:]
    middles = (edges[:-1] + edges[1:]) / 2
    panel.plot(middles[alone], low[alone], linestyle="none", marker=".", markersize=2.5, color=scales.SIGNAL)
    panel.margins(y=0.08)


def _more_room(panel: Axes) -> float:
    """Give the inches that labels of more than five signs need beside the panel, for its name not to leave the page."""
    longest = max(map(len, panel.yaxis.get_major_formatter().format_ticks(list(panel.get_yticks()))), default=0)
    return 0.075 * max(0, longest - _USUAL_LABEL)


def _leave_out_extremes(panel: Axes, shown: scales.Shown) -> None:
    if shown.note:
        room = 0.08 * (shown.most - shown.least)
        panel.set_ylim(shown.least - room, shown.most + 3 * room)  # the note is above the data
        panel.text(
            0.005, 0.97, shown.note, transform=panel.transAxes, va="top", fontsize=7, color=scales.FAINT,
            path_effects=parts.HALO,
        )  # fmt: skip


def _draw_evidence(panel: Axes, edges: Floats, columns: Columns, rules: Sequence[PlanRule]) -> None:
    """Draw evidence as log10, the alarm line at 0, and the budgets that it is measured by."""
    panel.text(
        0.006, 0.06, scales.name_budgets(rules), transform=panel.transAxes,
        fontsize=6.5, color=scales.FAINT, path_effects=parts.HALO, zorder=3,
    )  # fmt: skip
    parts.draw_steps(panel, columns.evidence, edges, color=scales.INK, linewidth=0.9)
    known = np.where(np.isnan(columns.evidence), FLOOR, columns.evidence)
    parts.draw_steps(panel, known, edges, baseline=FLOOR, color=scales.SIGNAL, alpha=0.22, linewidth=0)
    panel.axhline(0, color=scales.ALARM, linewidth=0.9, linestyle=(0, (5, 3)))
    panel.text(1.006, 0, "alarm", transform=panel.get_yaxis_transform(), color=scales.ALARM, va="center", fontsize=7.5)
    highest = float(np.fmax.reduce(columns.evidence, initial=0.0))
    panel.set_ylim(FLOOR, max(1.2, highest + 0.6))
    panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    panel.set_ylabel("evidence\n(log10)")


def _draw_states(panel: Axes, edges: Floats, columns: Columns, letter: float) -> None:
    """Draw the states in colour and, where there is room, in words: a letter takes this share of the width."""
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    span = edges[-1] - edges[0]
    for first, last in scales.runs(columns.state.astype(np.int64) * len(REASONS) + columns.reason):
        state, left, width = STATES[columns.state[first]], edges[first], edges[last] - edges[first]
        hatch = "//////" if state is State.BLIND else None
        panel.broken_barh(
            [(left, width)], (0, 1),
            facecolor=scales.STATE_COLOURS[state], edgecolor=scales.FAINT, linewidth=0.3, hatch=hatch,
        )  # fmt: skip
        reason = REASONS[columns.reason[first]].value.replace("_", "-")
        words = (f"{state.value}: {reason}", state.value) if reason else (state.value,)
        fitting = next((word for word in words if width > letter * len(word) * span), None)
        if fitting:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8} if state is State.BLIND else None
            panel.text(left + width / 2, 0.47, fitting, ha="center", va="center", fontsize=7.5, bbox=box)


def _mark_alarm(panels: Sequence[Axes], alarm: AlarmEvent, raised: float, cleared: float) -> None:
    """Draw a line through all panels where it was raised, a shade over the evidence for as long as it was open."""
    data, spectrum, evidence = panels[0], panels[2], panels[5]
    mark = scales.MARKS[alarm.kind, alarm.side]
    for panel in panels:
        panel.axvline(raised, color=mark.colour, linewidth=0.8, path_effects=parts.HALO if panel is spectrum else None)
    evidence.axvspan(raised, cleared, facecolor=mark.colour, alpha=0.10, linewidth=0)
    if alarm.relative and alarm.kind == "lag1" and not np.isnan(alarm.threshold):
        heights = [np.arctanh(alarm.threshold)] * 2
        spectrum.plot(
            [raised, cleared],
            heights,
            color=scales.ALARM,
            linewidth=0.9,
            linestyle=(0, (2, 2)),
            path_effects=parts.HALO,
        )
    data.plot(
        [raised], [1.0], transform=data.get_xaxis_transform(),
        color=mark.colour, marker=mark.marker, markersize=5.5, clip_on=False,
    )  # fmt: skip


def _draw_key(panel: Axes, alarms: Sequence[Alarm]) -> None:
    """Name the channels of the marks above the data; nothing where no alarm is marked."""
    handles = []
    for kind in sorted({(alarm.kind, alarm.side) for alarm, _ in alarms}):
        marker, name, colour = scales.MARKS[kind]
        handles.append(Line2D([], [], ls="none", marker=marker, ms=5, color=colour, label=f"alarm on {name}"))
    if handles:
        panel.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.01), ncols=len(handles), frameon=False,
            fontsize=7.5, handletextpad=0.1, borderaxespad=0.2, columnspacing=1.2,
        )  # fmt: skip
