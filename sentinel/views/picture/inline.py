"""The stability spectrogram of one series inside a page: the picture of `draw` as SVG, a hundred times as fast.

It shows the same panels over the same time axis. It is text, so that a page with many of them prints sharp, needs no
script and no other file; nothing of matplotlib but its choice of round numbers and dates is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sentinel.domain.observation import Axis
from sentinel.domain.states import REASONS, STATES, State
from sentinel.pipeline.history import Columns
from sentinel.pipeline.plan import PlanRule
from sentinel.text.claims import FLOOR
from sentinel.views.picture import Alarm, name_budgets, panels, rescale, runs
from sentinel.views.picture.svg import Floats, Ints, band, image, line, steps, text, upright
from sentinel.views.picture.timeline import BLIND, TimeLine

WIDTH, LEFT, RIGHT = 1920, 170, 1640
"""Units, two per pixel: all, and the sides of the panels."""
HEIGHTS = (200, 116, 400, 140, 126, 170, 40)
"""Of data, residual, spectrogram, modulus, spread, evidence and states."""
TOP, APART, FOOT = 64, 26, 70
HEIGHT = TOP + sum(HEIGHTS) + APART * (len(HEIGHTS) - 1) + FOOT
COLOURS = 255
"""Of readings; one more is *not ready*."""
WIDEST = RIGHT - LEFT
"""Most columns of the image of readings: one per unit."""
LETTER = 0.52
"""Width of a letter in parts of its height."""
_NAMES = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_OUTLINE = ' paint-order="stroke" stroke="#fff" stroke-width="6" stroke-linejoin="round"'
_DASHED = ' stroke-dasharray="10 6"'
_SHAPES = {
    "v": "M-9 -7H9L0 9Z", "^": "M-9 7H9L0 -9Z", "D": "M0 -9L9 0L0 9L-9 0Z", "s": "M-8 -8H8V8H-8Z",
}  # fmt: skip
"""Marks of alarms by their name in matplotlib."""


class Panel(NamedTuple):
    """A part of the picture: top and bottom in units, and the numbers that lie there."""

    top: float
    bottom: float
    low: float
    high: float

    def y(self, values: Floats | float) -> Floats:
        """Give the heights of numbers; what lies beyond the panel is at its border."""
        share = (np.clip(values, self.low, self.high) - self.low) / ((self.high - self.low) or 1.0)
        return np.asarray(self.bottom - share * (self.bottom - self.top), np.float64)

    @property
    def middle(self) -> float:
        """Its height."""
        return (self.top + self.bottom) / 2


def draw_inline(
    columns: Columns, axis: Axis, thresholds: Sequence[float], cadence_us: int, rules: Sequence[PlanRule] = (),
    alarms: Sequence[Alarm] = (), *, key: str, subtitle: str, value_label: str, words: str,
) -> str:  # fmt: skip
    """Draw one series: its decimated rows, at least one, over the time axis of its owner, with its alarms.

    `key` is a word that no other picture of the page has; `words` say what is seen to those who cannot see it.
    """
    time = TimeLine(columns, axis)
    share = (time.edges - time.edges[0]) / (time.edges[-1] - time.edges[0])
    edges = np.rint(LEFT + share * (RIGHT - LEFT)).astype(np.int64)
    tops = np.cumsum([TOP, *(height + APART for height in HEIGHTS[:-1])])
    data, residual, spectrum, cycle, spread, evidence, strip = zip(tops, tops + np.array(HEIGHTS), strict=True)
    heights = np.arctanh(np.asarray(thresholds, np.float64))
    spectral = Panel(*spectrum, heights[0], heights[-1])
    cyclic = Panel(*cycle, 0.0, np.arctanh(panels.MODULUS_TOP) / panels.LOWER)
    parts = [
        *_value_panel(data, edges, columns.value_low, columns.value_high, value_label),
        *_residual_panel(residual, edges, columns),
        *_spectrogram(spectral, edges, time, columns, heights, cadence_us),
        *_cycle_panel(cyclic, edges, columns, time, cadence_us),
        *_spread_panel(spread, edges, columns),
        *_evidence_panel(evidence, edges, columns, rules),
        *_states(strip, edges, columns),
        *_rule_lines(rules, spectral, cyclic),
    ]
    for first, last in runs(columns.state == BLIND):
        if columns.state[first] == BLIND:
            x, wide = edges[first], max(1, edges[last] - edges[first])
            parts.append(f'<path d="M{x} {TOP}h{wide}V{evidence[1]}h-{wide}Z" fill="url(#{key}-blind)"/>')
    for middle, length in time.breaks():
        place = LEFT + (middle - time.edges[0]) / (time.edges[-1] - time.edges[0]) * (RIGHT - LEFT)
        parts.append(upright(f"{length}, not to scale", place + 6, (data[0] + residual[1]) / 2, panels.FAINT, size=17))
    parts += _time_axis(time, strip)
    parts += _alarm_marks(alarms, time, evidence, spectral, strip)
    blind = (
        f'<pattern id="{key}-blind" width="14" height="14" patternUnits="userSpaceOnUse">'
        '<path d="M0 0H14V14H0Z" fill="#fff"/><path d="M-2 16L16 -2" stroke="#b5b5b5" stroke-width="1.5"/></pattern>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{key}-words" font-family="{_NAMES}" '
        f'font-size="20" fill="{panels.INK}"><title id="{key}-words">{escape(words)}</title><defs>{blind}</defs>'
        f"{text(subtitle, LEFT, 24, more=_fill(panels.FAINT))}{''.join(parts)}</svg>"
    )


def _fill(colour: str) -> str:
    return f' fill="{colour}"'


def _path(way: str, colour: str, width: float, more: str = "") -> str:
    return f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="{width:g}"{more}/>' if way else ""


def _area(way: str, colour: str, opacity: float) -> str:
    return f'<path d="{way}" fill="{colour}" fill-opacity="{opacity:g}"/>' if way else ""


def _frame(panel: Panel, ticks: Sequence[tuple[float, str]], label: str, colour: str = panels.INK) -> str:
    """Draw the left and lower border, ticks and name of a panel."""
    places = [(float(panel.y(tick)), words) for tick, words in ticks if panel.low <= tick <= panel.high]
    marks = "".join(f"M{LEFT} {y:.0f}h-6" for y, _ in places)
    names = "".join(text(words, LEFT - 12, y + 7, anchor="end") for y, words in places)
    border = f"M{LEFT} {panel.top}V{panel.bottom}H{RIGHT}{marks}"
    return _path(border, panels.FAINT, 1.2) + names + upright(label, 46, panel.middle, colour)


def _right(panel: Panel, ticks: Sequence[tuple[float, str]], label: str, colour: str, middle: float) -> str:
    """Draw ticks and name of a second scale on the right."""
    places = [(float(panel.y(tick)), words) for tick, words in ticks if panel.low <= tick <= panel.high]
    marks = _path("".join(f"M{RIGHT} {y:.0f}h6" for y, _ in places), colour, 1.2)
    names = "".join(text(words, RIGHT + 12, y + 6, more=f'{_fill(colour)} font-size="18"') for y, words in places)
    return marks + names + upright(label, RIGHT + 122, middle, colour, size=18)


def _round_ticks(low: float, high: float, number: int, *, whole: bool = False) -> list[tuple[float, str]]:
    ticks = np.asarray(MaxNLocator(number, integer=whole).tick_values(low, high), np.float64) + 0.0  # never minus zero
    return [(tick, f"{tick:.8g}".replace("-", "\N{MINUS SIGN}")) for tick in ticks.tolist()]


def _range_path(edges: Ints, low: Floats, high: Floats, panel: Panel) -> str:
    """Give the path through the smallest and the largest value of each column."""
    middles = (edges[:-1] + edges[1:]) // 2
    both = panel.y(np.column_stack([low, high]).ravel())
    return line(np.repeat(middles, 2), np.where(np.repeat(np.isnan(low), 2), np.nan, both))


def _value_panel(place: tuple[float, float], edges: Ints, low: Floats, high: Floats, label: str) -> list[str]:
    low, high, unit = rescale(low, high)
    least, most = float(np.fmin.reduce(low, initial=np.inf)), float(np.fmax.reduce(high, initial=-np.inf))
    if least > most:  # not a single value
        least, most = 0.0, 1.0
    room = 0.08 * (most - least) or 0.5 * abs(most) or 0.5
    panel = Panel(*place, least - room, most + room)
    ticks = _round_ticks(panel.low, panel.high, 4)
    return [
        _frame(panel, ticks, label + unit),
        _path(_range_path(edges, low, high, panel), panels.SIGNAL, 1.8, ' stroke-linejoin="round"'),
    ]


def _residual_panel(place: tuple[float, float], edges: Ints, columns: Columns) -> list[str]:
    low, high, unit = rescale(columns.residual_low, columns.residual_high)
    largest = 1.08 * float(np.nanmax(np.abs([low, high]), initial=3.0, where=~np.isnan([low, high])))
    panel = Panel(*place, -largest, largest)
    return [
        _path(f"M{LEFT} {panel.middle:.0f}H{RIGHT}", "#d5d5d5", 1.2),
        _frame(panel, _round_ticks(-largest, largest, 4), f"residual\n(sd){unit}"),
        _path(_range_path(edges, low, high, panel), panels.SIGNAL, 1.6, ' stroke-linejoin="round"'),
    ]


def _spectrogram(
    panel: Panel, edges: Ints, time: TimeLine, columns: Columns, heights: Floats, cadence_us: int
) -> list[str]:
    readings = panels.interpolate(columns.readings)
    uniform = np.ptp(np.diff(time.edges)) < 1e-6 * np.diff(time.edges).max()
    if len(columns) > WIDEST or not uniform:
        middles = time.edges[0] + (np.arange(WIDEST) + 0.5) / WIDEST * (time.edges[-1] - time.edges[0])
        at = np.clip(np.searchsorted(time.edges, middles, side="right") - 1, 0, len(columns) - 1)
        readings = readings[:, at]
    estimates = columns.estimates
    with np.errstate(divide="ignore"):  # An open end of the band, -1 or 1, lies on the border.
        low, high, zero = (
            panel.y(np.arctanh(np.clip(one, -1, 1)))
            for one in (estimates.lag1_low, estimates.lag1_high, estimates.lag1)
        )
    way = steps(edges, zero)
    ticks = [(np.arctanh(tick), f"{tick:g}".replace("-", "\N{MINUS SIGN}")) for tick in panels.THRESHOLD_TICKS]
    recovery = [(np.arctanh(np.exp(-1.0 / n)), time.length(n * cadence_us)) for n in panels.RECOVERY_TICKS]
    named = [float(panel.y(place)) for place, _ in recovery if panel.low <= place <= panel.high]
    small = "".join(f"M{LEFT} {float(panel.y(height)):.0f}h-4" for height in heights)
    return [
        f'<image x="{LEFT}" y="{panel.top}" width="{RIGHT - LEFT}" height="{panel.bottom - panel.top}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="{image(_codes(readings), _palette())}"/>',
        _area(band(edges, low, high), "#fff", 0.4),
        _path(steps(edges, low) + steps(edges, high), panels.INK, 1.1),
        _path(way, "#fff", 5.6), _path(way, panels.INK, 2.8),
        _frame(panel, ticks, "threshold\n(line: lag-1, 95 % band)"), _path(small, panels.FAINT, 0.8),
        _right(panel, recovery, "recovery time", panels.INK, float(np.mean(named)) if named else panel.middle),
        _colour_bar(panel),
    ]  # fmt: skip


@cache
def _palette() -> NDArray[np.uint8]:
    """Give the colours of readings from cold to warm, behind that of *not ready*."""
    colours = panels.READING_COLOURS(np.linspace(0, 1, COLOURS))[:, :3]
    grey = [[int(panels.NOT_READY[at : at + 2], 16) for at in (1, 3, 5)]]
    return np.concatenate([grey, np.rint(colours * 255)]).astype(np.uint8)


def _codes(readings: Floats) -> NDArray[np.uint8]:
    """Give the colours of readings, the largest threshold above."""
    limit = panels.READING_LIMIT
    share = np.arcsinh(np.clip(readings, -limit, limit) / 2) / np.arcsinh(limit / 2)
    places = np.where(np.isnan(share), 0, np.rint((np.nan_to_num(share) + 1) / 2 * (COLOURS - 1)) + 1)
    return places.astype(np.uint8)[::-1]


@cache
def _bar_image() -> str:
    return image(np.arange(COLOURS, 0, -1, dtype=np.uint8)[:, None], _palette())


def _colour_bar(panel: Panel) -> str:
    """Draw the scale of colours."""
    limit = np.arcsinh(panels.READING_LIMIT / 2)
    scale = Panel(panel.top, panel.bottom, -limit, limit)
    names = "".join(
        text((f"{tick:+d}" if tick else "0").replace("-", "\N{MINUS SIGN}"), 1826, y + 6, more=' font-size="18"')
        for tick in (-10, -5, -2, 0, 2, 5, 10)
        for y in [float(scale.y(np.arcsinh(tick / 2)))]
    )
    box = f'x="1796" y="{panel.top}" width="22" height="{panel.bottom - panel.top}"'
    return f'<image {box} preserveAspectRatio="none" href="{_bar_image()}"/>{names}' + upright(
        "reading (null sd)\n← faster than the threshold · slower →", 1908, panel.middle, panels.INK, size=18
    )


def _cycle_panel(panel: Panel, edges: Ints, columns: Columns, time: TimeLine, cadence_us: int) -> list[str]:
    modulus, period = columns.estimates.modulus, columns.estimates.period
    ticks = [(float(np.arctanh(tick)), f"{tick:g}") for tick in panels.MODULUS_TICKS]
    top = panels.MODULUS_TOP
    parts = [
        _frame(panel, ticks, "modulus", panels.SIGNAL),
        _path(steps(edges, panel.y(np.arctanh(np.clip(modulus, 0, top)))), panels.SIGNAL, 2),
    ]
    known = period[~np.isnan(period)]
    if not known.size:
        if not np.isnan(modulus).all():  # Where nothing was ready, nothing is known of oscillations.
            parts.append(
                text("no oscillation", LEFT + 10, panel.top + 28, more=f'{_fill(panels.CYCLE)} font-size="17"')
            )
        return parts
    low, high = float(np.log(known.min() / 1.2)), float(np.log(known.max() * 1.2))
    upper = Panel(panel.top, panel.top + (1 - panels.LOWER) * (panel.bottom - panel.top), low, high)
    inside = [tick for tick in np.log(panels.PERIOD_TICKS) if low <= tick <= high] or [float(np.median(np.log(known)))]
    shown = [(tick, time.length(np.exp(tick) * cadence_us)) for tick in panels.thin_out(inside, 0.4 * (high - low))]
    places, at = (edges[:-1] + edges[1:]) // 2, ~np.isnan(period)
    dots = zip(places[at].tolist(), np.rint(upper.y(np.log(known))).astype(np.int64).tolist(), strict=True)
    way = "".join(f"M{x} {y}h0" for x, y in dict.fromkeys(dots))
    parts.append(_path(way, panels.CYCLE, 5, ' stroke-linecap="round"'))
    return [*parts, _right(upper, shown, "period", panels.CYCLE, upper.middle)]


def _spread_panel(place: tuple[float, float], edges: Ints, columns: Columns) -> list[str]:
    spread, criticality = columns.estimates.spread, columns.estimates.criticality
    low = 1.1 * float(np.fmin.reduce(spread, initial=panels.LOWEST))
    high = 1.1 * float(np.fmax.reduce(spread, initial=panels.HIGHEST))
    panel = Panel(*place, low, high)
    zero, heights = float(panel.y(0.0)), panel.y(spread)
    parts = [
        _area(steps(edges, heights, zero), panels.SIGNAL, 0.22),
        _path(f"M{LEFT} {zero:.0f}H{RIGHT}", "#d5d5d5", 1.2),
        _frame(panel, panels.ratio_ticks(low, high), "variance\n(× baseline)", panels.SIGNAL),
        _path(steps(edges, heights), panels.SIGNAL, 1.8),
    ]
    known = criticality[np.isfinite(criticality)]
    if known.size:
        room = 0.08 * float(np.ptp(known)) or 0.5
        other = Panel(*place, float(known.min()) - room, float(known.max()) + room)
        parts.append(_path(steps(edges, other.y(criticality)), panels.INK, 1.8))
        ticks = _round_ticks(other.low, other.high, 3)
        parts.append(_right(other, ticks, "criticality", panels.INK, panel.middle))
    return parts


def _evidence_panel(place: tuple[float, float], edges: Ints, columns: Columns, rules: Sequence[PlanRule]) -> list[str]:
    highest = max(1.2, float(np.fmax.reduce(columns.evidence, initial=0.0)) + 0.6)
    panel = Panel(*place, FLOOR, highest)
    heights, alarm = panel.y(columns.evidence), float(panel.y(0.0))
    return [
        _area(steps(edges, heights, panel.bottom), panels.SIGNAL, 0.22),
        _frame(panel, _round_ticks(FLOOR, highest, 5, whole=True), "evidence\n(log10)"),
        _path(steps(edges, heights), panels.INK, 1.8),
        _path(f"M{LEFT} {alarm:.0f}H{RIGHT}", panels.ALARM, 1.8, _DASHED),
        text("alarm", RIGHT + 12, alarm + 6, more=f'{_fill(panels.ALARM)} font-size="18"'),
        text(name_budgets(rules), LEFT + 10, panel.bottom - 10, more=f'{_fill(panels.FAINT)} font-size="16"{_OUTLINE}'),
    ]


def _states(place: tuple[float, float], edges: Ints, columns: Columns) -> list[str]:
    """Draw the states in colour and, where there is room, in words."""
    parts = []
    top, high = place[0], place[1] - place[0]
    for first, last in runs(columns.state.astype(np.int64) * len(REASONS) + columns.reason):
        state, x, wide = STATES[columns.state[first]], int(edges[first]), int(max(1, edges[last] - edges[first]))
        parts.append(
            f'<path d="M{x} {top}h{wide}v{high}h-{wide}Z" fill="{panels.STATE_COLOURS[state]}" '
            f'stroke="{panels.FAINT}" stroke-width=".6"/>'
        )
        reason = REASONS[columns.reason[first]].value.replace("_", "-")
        words = (f"{state.value}: {reason}", state.value) if reason else (state.value,)
        fitting = next((word for word in words if wide > 18 * LETTER * len(word) + 8), None)
        if fitting:
            halo = _OUTLINE if state is State.BLIND else ""
            more = f' font-size="18"{halo}'
            parts.append(text(fitting, x + wide / 2, top + high / 2 + 6, anchor="middle", more=more))
    return parts


def _rule_lines(rules: Sequence[PlanRule], spectral: Panel, cyclic: Panel) -> list[str]:
    """Draw a dashed line where an alarm rule has a threshold."""
    parts = []
    for part in [part for rule in rules for part in rule.channels]:
        if part.threshold is not None:
            panel = cyclic if part.kind == "modulus" else spectral
            colour = panels.MARKS[part.kind, "below" if part.below else "above"].colour
            y = float(panel.y(float(np.arctanh(part.threshold))))
            way = f"M{LEFT} {y:.0f}H{RIGHT}"
            parts += [_path(way, "#fff", 5, ' stroke-opacity=".8"'), _path(way, colour, 1.8, _DASHED)]
            parts.append(f'<path d="M{RIGHT} {y:.0f}l12 -7v14Z" fill="{colour}"/>')
    return parts


def _time_axis(time: TimeLine, strip: tuple[float, float]) -> list[str]:
    first, last = time.edges[0], time.edges[-1]
    parts = []
    for place, label in zip(*time.ticks(), strict=True):
        x = LEFT + (place - first) / (last - first) * (RIGHT - LEFT)
        parts.append(_path(f"M{x:.0f} {strip[1]}v6", panels.FAINT, 1.2))
        parts += [
            text(words, x, strip[1] + 28 + 24 * row, anchor="middle") for row, words in enumerate(label.split("\n"))
        ]
    return parts


def _alarm_marks(
    alarms: Sequence[Alarm], time: TimeLine, evidence: tuple[float, float], spectral: Panel, strip: tuple[float, float]
) -> list[str]:
    """Draw a line through all panels where an alarm was raised, a shade for as long as it was open, and their key."""
    first, last = time.edges[0], time.edges[-1]

    def place(time_us: int) -> float:
        return float(LEFT + (time.place(time_us) - first) / (last - first) * (RIGHT - LEFT))

    parts = []
    for alarm, cleared_us in alarms:
        mark = panels.MARKS[alarm.kind, alarm.side]
        raised, cleared = place(alarm.time_us), RIGHT if cleared_us is None else place(cleared_us)
        parts += [
            _path(f"M{raised:.0f} {spectral.top}V{spectral.bottom}", "#fff", 5, ' stroke-opacity=".8"'),
            _path(f"M{raised:.0f} {TOP}V{strip[1]}", mark.colour, 1.6),
            f'<path d="M{raised:.0f} {evidence[0]}H{cleared:.0f}V{evidence[1]}H{raised:.0f}Z" fill="{mark.colour}" '
            'fill-opacity=".1"/>',
            f'<path transform="translate({raised:.0f} {TOP})" d="{_SHAPES[mark.marker]}" fill="{mark.colour}"/>',
        ]
        if alarm.relative and alarm.kind == "lag1" and not np.isnan(alarm.threshold):
            y = float(spectral.y(float(np.arctanh(alarm.threshold))))
            parts.append(_path(f"M{raised:.0f} {y:.0f}H{cleared:.0f}", panels.ALARM, 1.8, ' stroke-dasharray="4 4"'))
    x = float(RIGHT)
    for kind in sorted({(alarm.kind, alarm.side) for alarm, _ in alarms}, reverse=True):
        mark = panels.MARKS[kind]
        name = f"alarm on {mark.name}"
        parts.append(text(name, x, 24, anchor="end", more=' font-size="18"'))
        x -= 18 * LETTER * len(name) + 16
        parts.append(f'<path transform="translate({x:.0f} 18)" d="{_SHAPES[mark.marker]}" fill="{mark.colour}"/>')
        x -= 30
    return parts
