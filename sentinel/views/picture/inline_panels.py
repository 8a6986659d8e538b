"""The panels of a picture inside a page: each draws one kind of number over the time axis, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.history import Columns
from sentinel.pipeline.plan import PlanRule
from sentinel.text.claims import FLOOR
from sentinel.views.picture import scales
from sentinel.views.picture.svg import band, image, line, steps, text, upright
from sentinel.views.picture.timeline import TimeLine, trace

LEFT, RIGHT = 170, 1640
"""The sides of the panels, in units, two per pixel."""
COLOURS = 255
"""Of readings; one more is *not ready*."""
WIDEST = RIGHT - LEFT
"""Most columns of the image of readings: one per unit."""
OUTLINE = ' paint-order="stroke" stroke="#fff" stroke-width="6" stroke-linejoin="round"'
DASHED = ' stroke-dasharray="10 6"'


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


def fill(colour: str) -> str:
    """Give the attribute that fills with a colour."""
    return f' fill="{colour}"'


def stroke(way: str, colour: str, width: float, more: str = "") -> str:
    """Draw a path as a line; nothing of an empty one."""
    return f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="{width:g}"{more}/>' if way else ""


def area(way: str, colour: str, opacity: float) -> str:
    """Draw a closed path as an area; nothing of an empty one."""
    return f'<path d="{way}" fill="{colour}" fill-opacity="{opacity:g}"/>' if way else ""


def _frame(panel: Panel, ticks: Sequence[tuple[float, str]], label: str, colour: str = scales.INK) -> str:
    """Draw the left and lower border, ticks and name of a panel."""
    places = [(float(panel.y(tick)), words) for tick, words in ticks if panel.low <= tick <= panel.high]
    marks = "".join(f"M{LEFT} {y:.0f}h-6" for y, _ in places)
    names = "".join(text(words, LEFT - 12, y + 7, anchor="end") for y, words in places)
    border = f"M{LEFT} {panel.top}V{panel.bottom}H{RIGHT}{marks}"
    return stroke(border, scales.FAINT, 1.2) + names + upright(label, 46, panel.middle, colour)


def _right(panel: Panel, ticks: Sequence[tuple[float, str]], label: str, colour: str, middle: float) -> str:
    """Draw ticks and name of a second scale on the right."""
    places = [(float(panel.y(tick)), words) for tick, words in ticks if panel.low <= tick <= panel.high]
    marks = stroke("".join(f"M{RIGHT} {y:.0f}h6" for y, _ in places), colour, 1.2)
    names = "".join(text(words, RIGHT + 12, y + 6, more=f'{fill(colour)} font-size="18"') for y, words in places)
    return marks + names + upright(label, RIGHT + 122, middle, colour, size=18)


def _round_ticks(low: float, high: float, number: int, *, whole: bool = False) -> list[tuple[float, str]]:
    ticks = np.asarray(MaxNLocator(number, integer=whole).tick_values(low, high), np.float64) + 0.0  # never minus zero
    return [(tick, f"{tick:.8g}".replace("-", "\N{MINUS SIGN}")) for tick in ticks.tolist()]


def _range_path(edges: Ints, low: Floats, high: Floats, columns: Columns, panel: Panel) -> str:
    """Give the path through the smallest and the largest value of each column."""
    x, y = trace(edges, low, high, columns)
    return line(x, panel.y(y))


def draw_value(place: tuple[float, float], edges: Ints, columns: Columns, label: str) -> list[str]:
    """Draw the data, broken where values are missing."""
    low, high, unit = scales.rescale(columns.value_low, columns.value_high)
    least, most, note = scales.find_shown(low, high, columns)
    room = 0.08 * (most - least) or 0.5 * abs(most) or 0.5
    panel = Panel(*place, least - room, most + (3 * room if note else room))
    ticks = _round_ticks(panel.low, panel.high, 4)
    return [
        _frame(panel, ticks, label + unit),
        stroke(_range_path(edges, low, high, columns, panel), scales.SIGNAL, 1.8, ' stroke-linejoin="round"'),
        text(note, LEFT + 8, panel.top + 18, more=f'{fill(scales.FAINT)} font-size="16"{OUTLINE}') if note else "",
    ]


def draw_residual(place: tuple[float, float], edges: Ints, columns: Columns) -> list[str]:
    """Draw the residual around 0."""
    low, high, unit = scales.rescale(columns.residual_low, columns.residual_high)
    largest = 1.08 * float(np.nanmax(np.abs([low, high]), initial=3.0, where=~np.isnan([low, high])))
    panel = Panel(*place, -largest, largest)
    return [
        stroke(f"M{LEFT} {panel.middle:.0f}H{RIGHT}", "#d5d5d5", 1.2),
        _frame(panel, _round_ticks(-largest, largest, 4), f"residual\n(sd){unit}"),
        stroke(_range_path(edges, low, high, columns, panel), scales.SIGNAL, 1.6, ' stroke-linejoin="round"'),
    ]


def draw_readings(panel: Panel, time: TimeLine, columns: Columns) -> str:
    """Draw the readings as an image."""
    readings = scales.interpolate(columns.readings)
    uniform = np.ptp(np.diff(time.edges)) < 1e-6 * np.diff(time.edges).max()
    if len(columns) > WIDEST or not uniform:
        middles = time.edges[0] + (np.arange(WIDEST) + 0.5) / WIDEST * (time.edges[-1] - time.edges[0])
        at = np.clip(np.searchsorted(time.edges, middles, side="right") - 1, 0, len(columns) - 1)
        readings = readings[:, at]
    return (
        f'<image x="{LEFT}" y="{panel.top:.0f}" width="{RIGHT - LEFT}" height="{panel.bottom - panel.top:.0f}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="{image(_codes(readings), _palette())}"/>'
    )


def draw_spectrogram(
    panel: Panel, edges: Ints, time: TimeLine, columns: Columns, heights: Floats, cadence_us: int
) -> list[str]:
    """Draw lag 1 with its band over the readings, and both scales."""
    estimates = columns.estimates
    with np.errstate(divide="ignore"):  # An open end of the band, -1 or 1, lies on the border.
        low, high, zero = (
            panel.y(np.arctanh(np.clip(one, -1, 1)))
            for one in (estimates.lag1_low, estimates.lag1_high, estimates.lag1)
        )
    way = steps(edges, zero)
    ticks = [(np.arctanh(tick), f"{tick:g}".replace("-", "\N{MINUS SIGN}")) for tick in scales.THRESHOLD_TICKS]
    recovery = [(np.arctanh(np.exp(-1.0 / n)), time.length(n * cadence_us)) for n in scales.RECOVERY_TICKS]
    named = [float(panel.y(place)) for place, _ in recovery if panel.low <= place <= panel.high]
    small = "".join(f"M{LEFT} {float(panel.y(height)):.0f}h-4" for height in heights)
    return [
        area(band(edges, low, high), "#fff", 0.4),
        stroke(steps(edges, low) + steps(edges, high), scales.INK, 1.1),
        stroke(way, "#fff", 5.6), stroke(way, scales.INK, 2.8),
        _frame(panel, ticks, "threshold\n(line: lag-1, 95 % band)"), stroke(small, scales.FAINT, 0.8),
        _right(panel, recovery, "recovery time", scales.INK, float(np.mean(named)) if named else panel.middle),
        _colour_bar(panel),
    ]  # fmt: skip


@cache
def _palette() -> NDArray[np.uint8]:
    """Give the colours of readings from cold to warm, behind that of *not ready*."""
    colours = scales.READING_COLOURS(np.linspace(0, 1, COLOURS))[:, :3]
    grey = [[int(scales.NOT_READY[at : at + 2], 16) for at in (1, 3, 5)]]
    return np.concatenate([grey, np.rint(colours * 255)]).astype(np.uint8)


def _codes(readings: Floats) -> NDArray[np.uint8]:
    """Give the colours of readings, the largest threshold above."""
    limit = scales.READING_LIMIT
    share = np.arcsinh(np.clip(readings, -limit, limit) / scales.NEAR) / np.arcsinh(limit / scales.NEAR)
    places = np.where(np.isnan(share), 0, np.rint((np.nan_to_num(share) + 1) / 2 * (COLOURS - 1)) + 1)
    return places.astype(np.uint8)[::-1]


@cache
def _bar_image() -> str:
    return image(np.arange(COLOURS, 0, -1, dtype=np.uint8)[:, None], _palette())


def _colour_bar(panel: Panel) -> str:
    limit = np.arcsinh(scales.READING_LIMIT / scales.NEAR)
    scale = Panel(panel.top, panel.bottom, -limit, limit)
    names = "".join(
        text((f"{tick:+d}" if tick else "0").replace("-", "\N{MINUS SIGN}"), 1826, y + 6, more=' font-size="18"')
        for tick in (-10, -5, -2, 0, 2, 5, 10)
        for y in [float(scale.y(np.arcsinh(tick / scales.NEAR)))]
    )
    box = f'x="1796" y="{panel.top}" width="22" height="{panel.bottom - panel.top}"'
    return f'<image {box} preserveAspectRatio="none" href="{_bar_image()}"/>{names}' + upright(
        "reading (null sd)\n← faster than the threshold · slower →", 1908, panel.middle, scales.INK, size=18
    )


def draw_cycle(panel: Panel, edges: Ints, columns: Columns, time: TimeLine, cadence_us: int) -> list[str]:
    """Draw modulus on the scale of the spectrogram above 0; over it, where something oscillates, the period."""
    modulus, period = columns.estimates.modulus, columns.estimates.period
    ticks = [(float(np.arctanh(tick)), f"{tick:g}") for tick in scales.MODULUS_TICKS]
    top = scales.MODULUS_TOP
    parts = [
        _frame(panel, ticks, "modulus", scales.SIGNAL),
        stroke(steps(edges, panel.y(np.arctanh(np.clip(modulus, 0, top)))), scales.SIGNAL, 2),
    ]
    known = period[~np.isnan(period)]
    if not known.size:
        if not np.isnan(modulus).all():  # Where nothing was ready, nothing is known of oscillations.
            parts.append(text("no oscillation", LEFT + 10, panel.top + 28, more=f'{fill(scales.CYCLE)} font-size="17"'))
        return parts
    low, high = float(np.log(known.min() / 1.2)), float(np.log(known.max() * 1.2))
    upper = Panel(panel.top, panel.top + (1 - scales.LOWER) * (panel.bottom - panel.top), low, high)
    inside = [tick for tick in np.log(scales.PERIOD_TICKS) if low <= tick <= high] or [float(np.median(np.log(known)))]
    shown = [(tick, time.length(np.exp(tick) * cadence_us)) for tick in scales.thin_out(inside, 0.4 * (high - low))]
    places, at = (edges[:-1] + edges[1:]) // 2, ~np.isnan(period)
    dots = zip(places[at].tolist(), np.rint(upper.y(np.log(known))).astype(np.int64).tolist(), strict=True)
    way = "".join(f"M{x} {y}h0" for x, y in dict.fromkeys(dots))
    parts.append(stroke(way, scales.CYCLE, 5, ' stroke-linecap="round"'))
    return [*parts, _right(upper, shown, "period", scales.CYCLE, upper.middle)]


def draw_spread(place: tuple[float, float], edges: Ints, columns: Columns) -> list[str]:
    """Draw variance over its baseline, on a logarithmic scale; criticality on the right."""
    spread, criticality = columns.estimates.spread, columns.estimates.criticality
    low = 1.1 * float(np.fmin.reduce(spread, initial=scales.LOWEST))
    high = 1.1 * float(np.fmax.reduce(spread, initial=scales.HIGHEST))
    panel = Panel(*place, low, high)
    zero, heights = float(panel.y(0.0)), panel.y(spread)
    parts = [
        area(steps(edges, heights, zero), scales.SIGNAL, 0.22),
        stroke(f"M{LEFT} {zero:.0f}H{RIGHT}", "#d5d5d5", 1.2),
        _frame(panel, scales.ratio_ticks(low, high), "variance\n(× baseline)", scales.SIGNAL),
        stroke(steps(edges, heights), scales.SIGNAL, 1.8),
    ]
    known = criticality[np.isfinite(criticality)]
    if known.size:
        room = 0.08 * float(np.ptp(known)) or 0.5
        other = Panel(*place, float(known.min()) - room, float(known.max()) + room)
        parts.append(stroke(steps(edges, other.y(criticality)), scales.INK, 1.8))
        ticks = _round_ticks(other.low, other.high, 3)
        parts.append(_right(other, ticks, "criticality", scales.INK, panel.middle))
    return parts


def draw_evidence(place: tuple[float, float], edges: Ints, columns: Columns, rules: Sequence[PlanRule]) -> list[str]:
    """Draw evidence as log10, the alarm line at 0, and the budgets that it is measured by."""
    highest = max(1.2, float(np.fmax.reduce(columns.evidence, initial=0.0)) + 0.6)
    panel = Panel(*place, FLOOR, highest)
    heights, alarm = panel.y(columns.evidence), float(panel.y(0.0))
    return [
        area(steps(edges, heights, panel.bottom), scales.SIGNAL, 0.22),
        _frame(panel, _round_ticks(FLOOR, highest, 5, whole=True), "evidence\n(log10)"),
        stroke(steps(edges, heights), scales.INK, 1.8),
        stroke(f"M{LEFT} {alarm:.0f}H{RIGHT}", scales.ALARM, 1.8, DASHED),
        text("alarm", RIGHT + 12, alarm + 6, more=f'{fill(scales.ALARM)} font-size="18"'),
        text(
            scales.name_budgets(rules),
            LEFT + 10,
            panel.bottom - 10,
            more=f'{fill(scales.FAINT)} font-size="16"{OUTLINE}',
        ),
    ]
