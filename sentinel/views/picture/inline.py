"""The stability spectrogram of one series inside a page: the picture of `draw` as SVG, a hundred times as fast.

It shows the same panels over the same time axis. It is text, so that a page with many of them prints sharp, needs no
script and no other file; nothing of matplotlib but its choice of round numbers and dates is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from sentinel.domain.observation import Axis
from sentinel.domain.states import REASONS, STATES, State
from sentinel.pipeline.arrays import Ints
from sentinel.pipeline.history import Columns
from sentinel.pipeline.plan import PlanRule
from sentinel.views.picture import Alarm, scales
from sentinel.views.picture import inline_panels as panels
from sentinel.views.picture.svg import text, upright
from sentinel.views.picture.timeline import BLIND, TimeLine

WIDTH = 1920
"""Units, two per pixel."""
HEIGHTS = {"data": 200, "residual": 116, "spectrum": 400, "cycle": 140, "spread": 126, "evidence": 170, "strip": 40}
"""Of the scales."""
TOP, APART, FOOT = 64, 26, 70
LETTER = 0.52
"""Width of a letter in parts of its height."""
_NAMES = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_SHAPES = {"v": "M-9 -7H9L0 9Z", "^": "M-9 7H9L0 -9Z", "D": "M0 -9L9 0L0 9L-9 0Z", "s": "M-8 -8H8V8H-8Z"}
"""Marks of alarms by their name in matplotlib."""


def draw_inline(
    columns: Columns, axis: Axis, thresholds: Sequence[float], cadence_us: int, rules: Sequence[PlanRule] = (),
    alarms: Sequence[Alarm] = (), *, key: str, subtitle: str, value_label: str, words: str,
) -> str:  # fmt: skip
    """Draw one series: its decimated rows, at least one, over the time axis of its owner, with its alarms.

    `key` is a word that no other picture of the page has; `words` say what is seen to those who cannot see it.
    """
    time = TimeLine(columns, axis)
    share = (time.edges - time.edges[0]) / (time.edges[-1] - time.edges[0])
    edges = np.rint(panels.LEFT + share * (panels.RIGHT - panels.LEFT)).astype(np.int64)
    at = _arrange(columns)
    data, strip, lowest = at["data"], at["strip"], [one for name, one in at.items() if name != "strip"][-1]
    under, parts = [], [*panels.draw_value(data, edges, columns, value_label)]
    if "residual" in at:
        parts += panels.draw_residual(at["residual"], edges, columns)
    if "spectrum" in at:
        heights = np.arctanh(np.asarray(thresholds, np.float64))
        spectral = panels.Panel(*at["spectrum"], heights[0], heights[-1])
        cyclic = panels.Panel(*at["cycle"], 0.0, np.arctanh(scales.MODULUS_TOP) / scales.LOWER)
        under.append(panels.draw_readings(spectral, time, columns))
        parts += [
            *panels.draw_spectrogram(spectral, edges, time, columns, heights, cadence_us),
            *panels.draw_cycle(cyclic, edges, columns, time, cadence_us),
            *panels.draw_spread(at["spread"], edges, columns),
            *panels.draw_evidence(at["evidence"], edges, columns, rules),
            *_rule_lines(rules, spectral, cyclic),
        ]
    parts += _states(strip, edges, columns)
    for first, last in scales.runs(columns.state == BLIND):
        if columns.state[first] == BLIND:
            x, wide = edges[first], max(1, edges[last] - edges[first])
            under.append(f'<path d="M{x} {TOP}h{wide}V{lowest[1]:.0f}h-{wide}Z" fill="url(#{key}-blind)"/>')
    for middle, length in time.breaks():
        place = panels.LEFT + (middle - time.edges[0]) / (time.edges[-1] - time.edges[0]) * (panels.RIGHT - panels.LEFT)
        parts.append(upright(f"{length}, not to scale", place + 6, (data[0] + data[1]) / 2, scales.FAINT, size=17))
    parts += _time_axis(time, strip)
    parts += _alarm_marks(alarms, time, at, thresholds)
    blind = (
        f'<pattern id="{key}-blind" width="14" height="14" patternUnits="userSpaceOnUse">'
        '<path d="M0 0H14V14H0Z" fill="#fff"/><path d="M-2 16L16 -2" stroke="#b5b5b5" stroke-width="1.5"/></pattern>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {strip[1] + FOOT:.0f}" role="img" aria-labelledby="{key}-words" '
        f'font-family="{_NAMES}" font-size="20" fill="{scales.INK}">'
        f'<title id="{key}-words">{escape(words)}</title><defs>{blind}</defs>'
        f"{text(subtitle, panels.LEFT, 24, more=panels.fill(scales.FAINT))}{''.join(under)}{''.join(parts)}</svg>"
    )


def _arrange(columns: Columns) -> dict[str, tuple[float, float]]:
    """Give top and bottom of each panel that has something to show: of a series that was never ready, the data."""
    hidden: set[str] = set()
    if np.isnan(columns.estimates.lag1).all() and np.isnan(columns.evidence).all():
        hidden = {"spectrum", "cycle", "spread", "evidence"}
        if np.isnan(columns.residual_low).all():
            hidden.add("residual")
    found, top = {}, float(TOP)
    for name, height in HEIGHTS.items():
        if name not in hidden:
            found[name] = (top, top + height)
            top += height + APART
    return found


def _states(place: tuple[float, float], edges: Ints, columns: Columns) -> list[str]:
    """Draw the states in colour and, where there is room, in words."""
    parts = []
    top, high = place[0], place[1] - place[0]
    for first, last in scales.runs(columns.state.astype(np.int64) * len(REASONS) + columns.reason):
        state, x, wide = STATES[columns.state[first]], int(edges[first]), int(max(1, edges[last] - edges[first]))
        parts.append(
            f'<path d="M{x} {top}h{wide}v{high}h-{wide}Z" fill="{scales.STATE_COLOURS[state]}" '
            f'stroke="{scales.FAINT}" stroke-width=".6"/>'
        )
        reason = REASONS[columns.reason[first]].value.replace("_", "-")
        words = (f"{state.value}: {reason}", state.value) if reason else (state.value,)
        fitting = next((word for word in words if wide > 18 * LETTER * len(word) + 8), None)
        if fitting:
            halo = panels.OUTLINE if state is State.BLIND else ""
            more = f' font-size="18"{halo}'
            parts.append(text(fitting, x + wide / 2, top + high / 2 + 6, anchor="middle", more=more))
    return parts


def _rule_lines(rules: Sequence[PlanRule], spectral: panels.Panel, cyclic: panels.Panel) -> list[str]:
    """Draw a dashed line where an alarm rule has a threshold."""
    parts = []
    for part in [part for rule in rules for part in rule.channels]:
        if part.threshold is not None:
            panel = cyclic if part.kind == "modulus" else spectral
            colour = scales.MARKS[part.kind, "below" if part.below else "above"].colour
            y = float(panel.y(float(np.arctanh(part.threshold))))
            way = f"M{panels.LEFT} {y:.0f}H{panels.RIGHT}"
            parts += [
                panels.stroke(way, "#fff", 5, ' stroke-opacity=".8"'),
                panels.stroke(way, colour, 1.8, panels.DASHED),
            ]
            parts.append(f'<path d="M{panels.RIGHT} {y:.0f}l12 -7v14Z" fill="{colour}"/>')
    return parts


def _time_axis(time: TimeLine, strip: tuple[float, float]) -> list[str]:
    first, last = time.edges[0], time.edges[-1]
    parts = []
    for place, label in zip(*time.ticks(), strict=True):
        x = panels.LEFT + (place - first) / (last - first) * (panels.RIGHT - panels.LEFT)
        parts.append(panels.stroke(f"M{x:.0f} {strip[1]}v6", scales.FAINT, 1.2))
        parts += [
            text(words, x, strip[1] + 28 + 24 * row, anchor="middle") for row, words in enumerate(label.split("\n"))
        ]
    return parts


def _alarm_marks(
    alarms: Sequence[Alarm], time: TimeLine, at: Mapping[str, tuple[float, float]], thresholds: Sequence[float]
) -> list[str]:
    """Draw a line through all panels where an alarm was raised, a shade for as long as it was open, and their key."""
    first, last = time.edges[0], time.edges[-1]
    nowhere = (0.0, 0.0)
    evidence, strip = at.get("evidence", nowhere), at["strip"]
    spectral = panels.Panel(*at.get("spectrum", nowhere), *np.arctanh(np.asarray(thresholds)[[0, -1]]).tolist())

    def place(time_us: int) -> float:
        return float(panels.LEFT + (time.place(time_us) - first) / (last - first) * (panels.RIGHT - panels.LEFT))

    parts = []
    for alarm, cleared_us in alarms:
        mark = scales.MARKS[alarm.kind, alarm.side]
        raised, cleared = place(alarm.time_us), panels.RIGHT if cleared_us is None else place(cleared_us)
        parts += [
            panels.stroke(f"M{raised:.0f} {spectral.top}V{spectral.bottom}", "#fff", 5, ' stroke-opacity=".8"'),
            panels.stroke(f"M{raised:.0f} {TOP}V{strip[1]}", mark.colour, 1.6),
            f'<path d="M{raised:.0f} {evidence[0]}H{cleared:.0f}V{evidence[1]}H{raised:.0f}Z" fill="{mark.colour}" '
            'fill-opacity=".1"/>',
            f'<path transform="translate({raised:.0f} {TOP})" d="{_SHAPES[mark.marker]}" fill="{mark.colour}"/>',
        ]
        if alarm.relative and alarm.kind == "lag1" and not np.isnan(alarm.threshold):
            y = float(spectral.y(float(np.arctanh(alarm.threshold))))
            parts.append(
                panels.stroke(f"M{raised:.0f} {y:.0f}H{cleared:.0f}", scales.ALARM, 1.8, ' stroke-dasharray="4 4"')
            )
    x = float(panels.RIGHT)
    for kind in sorted({(alarm.kind, alarm.side) for alarm, _ in alarms}, reverse=True):
        mark = scales.MARKS[kind]
        name = f"alarm on {mark.name}"
        parts.append(text(name, x, 24, anchor="end", more=' font-size="18"'))
        x -= 18 * LETTER * len(name) + 16
        parts.append(f'<path transform="translate({x:.0f} 18)" d="{_SHAPES[mark.marker]}" fill="{mark.colour}"/>')
        x -= 30
    return parts
