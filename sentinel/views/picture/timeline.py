"""The time axis of a picture, in what time is to the owner of the series.

It is true to scale, except that a gap that takes more than its share is narrowed to it. The first tick after such a gap
names the year again, so that nobody takes the axis for continuous.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, num2date
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.observation import Axis
from sentinel.domain.spans import duration_in_words, moment_in_words, print_rounded
from sentinel.domain.states import REASONS, STATES, Reason, State
from sentinel.pipeline.arrays import Floats
from sentinel.pipeline.history import Columns

BLIND, GAP = STATES.index(State.BLIND), REASONS.index(Reason.GAP)
DAY_SECONDS = 86_400
EPOCH = date(1970, 1, 1).toordinal()
WIDEST_GAP, ALL_GAPS = 0.12, 0.5
"""Most that one gap takes, and all together, in parts of what all ticks take."""
TIME_TICKS = 9
FIRST_DAY, LAST_DAY = date.min.toordinal() - EPOCH + 400, date.max.toordinal() - EPOCH - 400
"""Days since 1970 between which ticks can be dates, with a year to spare on both sides."""
CLOSEST_TIMES = 0.07
"""Ticks nearer to each other than this share of the axis are left out."""


def trace(edges: NDArray[Any], low: Floats, high: Floats, columns: Columns) -> tuple[NDArray[Any], Floats]:
    """Give places and heights of the line through the smallest and the largest value of each column.

    NaN breaks it: where values are missing, and behind a gap. A column that is mostly gap may have values, too; they
    are drawn where it begins.
    """
    gap = (columns.state == BLIND) & (columns.reason == GAP)
    x = np.repeat(np.where(gap, edges[:-1], (edges[:-1] + edges[1:]) / 2), 2).astype(edges.dtype)
    y = np.column_stack([low, high]).ravel()
    behind = 2 * np.flatnonzero(gap) + 2
    return np.insert(x, behind, np.append(edges, edges[-1:])[behind // 2]), np.insert(y, behind, np.nan)


class TimeLine:
    """The time axis of at least one column, in what time is to the owner of the series."""

    def __init__(self, columns: Columns, axis: Axis) -> None:
        self._axis = axis
        self._real = axis.positions(np.append(columns.start_us, columns.end_us[-1:]))
        # Years that no calendar of Python holds are drawn as numbers of days.
        self._dated = not axis.numbered and self._real[0] > FIRST_DAY and self._real[-1] < LAST_DAY
        widths = np.diff(self._real)
        gap = (columns.state == BLIND) & (columns.reason == GAP)
        share = min(WIDEST_GAP, ALL_GAPS / max(1, int(gap.sum())))
        widest = share * widths[~gap].sum() if not gap.all() else np.inf
        self._narrowed = gap & (widths > widest)
        self.edges = self._real[0] + np.append(0.0, np.cumsum(np.where(self._narrowed, widest, widths)))
        """Borders of the columns as drawn, shape (columns + 1,)."""

    def place(self, time_us: int) -> float:
        """Give the place at which a moment is drawn."""
        return float(np.interp(self._axis.positions(np.asarray([time_us]))[0], self._real, self.edges))

    def breaks(self) -> list[tuple[float, str]]:
        """Give middle and true length of each narrowed gap."""
        found = []
        for at in np.flatnonzero(self._narrowed).tolist():
            length = float(self._real[at + 1] - self._real[at])
            words = f"{length:.4g}" if self._axis.numbered else duration_in_words(length * DAY_SECONDS)
            found.append((float(self.edges[at] + self.edges[at + 1]) / 2, words))
        return found

    def length(self, span_us: float) -> str:
        """Write a span in the owner's units."""
        span = float(self._axis.spans(np.asarray([span_us]))[0])
        return print_rounded(span) if self._axis.numbered else duration_in_words(span)

    def ticks(self) -> tuple[list[float], list[str]]:
        """Give places and labels of the ticks; none inside a narrowed gap."""
        stretches = self._stretches()
        shown = float(self._real[0]), float(self._real[0] + self.edges[-1] - self.edges[0])
        real, labels = (_dates if self._dated else _numbers)(shown, stretches)
        of_stretch = np.searchsorted([first for first, _ in stretches], real, side="right")
        places = np.interp(real, self._real, self.edges)
        chosen: list[int] = []
        for at in range(real.size):
            if not chosen or places[at] - places[chosen[-1]] >= CLOSEST_TIMES * (self.edges[-1] - self.edges[0]):
                chosen.append(at)
        texts = []
        for before, at in zip([-1, *chosen], chosen, strict=False):
            anew = before < 0 or of_stretch[at] != of_stretch[before]
            context = self._context(real, at) if anew else ""
            texts.append(f"{labels[at]}\n{context}" if context not in ("", labels[at]) else labels[at])
        return [float(places[at]) for at in chosen], texts

    def _stretches(self) -> tuple[tuple[float, float], ...]:
        """Give first and last moment of each part of the axis that is true to scale."""
        cuts = np.flatnonzero(self._narrowed)
        firsts, lasts = np.append(0, cuts + 1), np.append(cuts, self._narrowed.size)
        return tuple((float(self._real[a]), float(self._real[b])) for a, b in zip(firsts, lasts, strict=True) if b > a)

    def _context(self, real: Floats, at: int) -> str:
        """Give what a label leaves out: the year of a month, the date of an hour; empty where it says all."""
        spacing = float(np.min(np.diff(real), initial=365.0))
        if not self._dated or spacing >= 300:
            return ""
        day = moment_in_words(round(float(real[at]) * DAY_SECONDS) * MICROSECONDS).partition(" ")[0]
        return day.rsplit("-", 2 if spacing >= 27 else 1 if spacing >= 1 else 0)[0]


@lru_cache(maxsize=64)  # The series of a report share their axis, mostly.
def _dates(shown: tuple[float, float], stretches: tuple[tuple[float, float], ...]) -> tuple[Floats, list[str]]:
    """Choose dates at distances that suit an axis of the length `shown`, within the stretches."""
    automatic = AutoDateLocator(minticks=4, maxticks=TIME_TICKS)  # type: ignore[no-untyped-call]
    locator = automatic.get_locator(*num2date(shown))  # type: ignore[no-untyped-call]
    parts = [np.asarray(locator.tick_values(*num2date(part)), np.float64) for part in stretches]  # type: ignore[no-untyped-call]
    real = np.concatenate(
        [ticks[(ticks >= first) & (ticks <= last)] for ticks, (first, last) in zip(parts, stretches, strict=True)]
    )
    return real, ConciseDateFormatter(automatic).format_ticks(real) if real.size else []  # type: ignore[no-untyped-call]


def _numbers(shown: tuple[float, float], stretches: tuple[tuple[float, float], ...]) -> tuple[Floats, list[str]]:
    """Choose round numbers at distances that suit an axis of the length `shown`, within the stretches."""
    step = float(np.diff(MaxNLocator(TIME_TICKS).tick_values(*shown))[0])
    real = np.concatenate(
        [np.arange(np.ceil(first / step), np.floor(last / step) + 1) * step for first, last in stretches]
    )
    real += 0.0  # The ceiling of a half below nothing is -0.0, which would be written with its sign.
    return real, [f"{number:.10g}".replace("-", "\N{MINUS SIGN}") for number in real]
