"""The cadence grid: observations at their own times become ticks, one value each, in order.

Tick k of a series covers `[origin + k cadence, origin + (k + 1) cadence)`; origin is the first observation minus half a
cadence, so that a regular stamp lies in the middle of its tick. A calendar cadence (months, years) counts months.

A tick *closes* when its series has moved past its end by `lateness`, or when the watermark of its source has. What
comes for a closed tick is late: counted, not used. More than `max_gap` missing ticks in a row are one gap row, which
resets everything downstream. Silence alone makes no ticks: the next observation shows how many are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints, concat

if TYPE_CHECKING:
    from sentinel.pipeline.gates import Passages

ABSENT, TICK, GAP, HELD, REBASES, RESETS = range(6)
"""Kinds of an entry of a block: nothing at all (the series has no tick here), a tick, a gap row, all ticks of a hold as
one, a tick before which level and evidence begin anew, a tick before which everything does."""

_SHORTEST_BLOCK = 16


@dataclass(frozen=True, slots=True)
class Block:
    """Closed ticks of S series, axis order `(tick, series)`; series with fewer ticks are ABSENT at the end."""

    rows: Ints
    """Which rows of the state the columns are, shape (series,)."""
    kind: Codes
    value: Floats
    """NaN = missing."""
    tick: Ints
    """Number of the tick since the series' origin."""

    def with_values(self, value: Floats) -> Self:
        """The same ticks with these values."""
        return replace(self, value=value)


class GridState(NamedTuple):
    """The position of each series of a cohort, and the observations whose ticks are still open."""

    origin_us: Ints
    """Start of tick 0 (fixed cadence, microseconds) or its month (calendar cadence); shape (series,)."""
    next_tick: Ints
    """First tick not closed yet; -1 before the first observation."""
    newest_us: Ints
    """Newest event time seen; the smallest integer before the first."""
    pending_row: Ints
    """Open observations, sorted by (series, time): row of the series, shape (n,); likewise time and value."""
    pending_us: Ints
    pending_value: Floats
    due: Codes
    """Declared too late for the tick it was for: `RESETS` or `REBASES` before the next one; 0 = nothing; (series,)."""
    skipped: Ints
    """Ticks of holds so far that the detectors do not count; (series,)."""


NEVER = np.iinfo(np.int64).min


def take_series(state: GridState, rows: Ints) -> GridState:
    """Copy the grids of these rows, with the observations that are open there."""
    position = np.full(state.origin_us.size, -1, np.int64)
    position[rows] = np.arange(rows.size)
    place = position[state.pending_row]
    order = np.flatnonzero(place >= 0)
    order = order[np.argsort(place[order], kind="stable")]
    return GridState(
        state.origin_us[rows], state.next_tick[rows], state.newest_us[rows], place[order], state.pending_us[order],
        state.pending_value[order], state.due[rows], state.skipped[rows],
    )  # fmt: skip


def concat_series(states: Sequence[GridState]) -> GridState:
    """Put grids one behind the other."""
    before = np.cumsum([0, *(state.origin_us.size for state in states)])
    rows = [state.pending_row + first for state, first in zip(states, before.tolist(), strict=False)]
    return concat(states)._replace(pending_row=np.concatenate(rows))


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of series that share a cadence."""

    cadence_us: int
    """Length of a tick; the mean length for a calendar cadence."""
    months: int = 0
    """Months per tick; 0 for a fixed cadence."""
    lateness_us: int = 0
    """Time that a tick stays open after its end."""
    mean: bool = False
    """Several observations in a tick: their mean instead of the last."""
    max_gap: int = 140
    """Most missing ticks in a row before a gap row takes their place."""

    def init(self, series: int) -> GridState:
        """Make the state of series of which nothing was seen."""
        none = np.empty(0, np.int64)
        return GridState(
            np.zeros(series, np.int64), np.full(series, -1, np.int64), np.full(series, NEVER, np.int64),
            none, none, np.empty(0), np.zeros(series, np.int8), np.zeros(series, np.int64),
        )  # fmt: skip

    def _position(self, time_us: Ints) -> Ints:
        """Return the time itself or, for a calendar cadence, its month since 1970-01."""
        if self.months == 0:
            return time_us
        return time_us.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)

    def tick_of(self, origin: Ints, time_us: Ints) -> Ints:
        """Return the number of the tick that covers each time."""
        return (self._position(time_us) - origin) // (self.months or self.cadence_us)

    def start_us(self, origin: Ints, tick: Ints) -> Ints:
        """Return the start of a tick (the end of the one before), microseconds."""
        if self.months == 0:
            return origin + tick * self.cadence_us
        return (origin + tick * self.months).astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)

    def middle_us(self, origin: Ints, tick: Ints) -> Ints:
        """Return the nominal time of a tick: its middle, where a regular stamp lies, or the first of its month."""
        return self.start_us(origin, tick) + (0 if self.months else self.cadence_us // 2)

    def first_at(self, origin: Ints, time_us: Ints) -> Ints:
        """Return the first tick whose nominal time is not before each time."""
        if self.months:
            month = self._position(time_us)
            later = month.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64) < time_us
            return -((origin - month - later) // self.months)
        return -((origin + self.cadence_us // 2 - time_us) // self.cadence_us)

    def take(self, state: GridState, row: Ints, time_us: Ints, value: Floats) -> tuple[GridState, Ints]:
        """Sort observations to those that wait; also give the rows (with repetitions) of those that are late."""
        if row.size == 0:
            return state, row
        origin, next_tick, newest = (array.copy() for array in state[:3])
        fresh = next_tick[row] < 0
        if fresh.any():
            first_time = np.full(origin.shape, np.iinfo(np.int64).max)
            np.minimum.at(first_time, row[fresh], time_us[fresh])
            new = first_time != np.iinfo(np.int64).max
            half = 0 if self.months else self.cadence_us // 2
            origin[new] = self._position(first_time[new]) - half
            next_tick[new] = 0
        late = self.tick_of(origin[row], time_us) < next_tick[row]
        np.maximum.at(newest, row, time_us)
        if late.any() or state.pending_row.size:
            kept = ~late
            late_rows, row = row[late], np.concatenate([state.pending_row, row[kept]])
            time_us = np.concatenate([state.pending_us, time_us[kept]])
            value = np.concatenate([state.pending_value, value[kept]])
        else:
            late_rows = row[:0]
        step = np.diff(row)
        if not np.all((step > 0) | ((step == 0) & (np.diff(time_us) >= 0))):
            order = np.lexsort((time_us, row))
            row, time_us, value = row[order], time_us[order], value[order]
        return GridState(origin, next_tick, newest, row, time_us, value, *state[6:]), late_rows

    def close(
        self, state: GridState, watermark_us: Ints | None = None, *, everything: bool = False, area: int = 1 << 15,
        cut_every: int = 0, passages: Passages | None = None,
    ) -> tuple[GridState, list[Block]]:  # fmt: skip
        """Close the ticks that are due and cut them into blocks of about `area` ticks times series.

        `watermark_us`, of the source of each series or `NEVER`, closes ticks that hold observations, and only of series
        not far behind it (a replayed record is not silent). With `everything` the input has ended. A block ends after
        every tick whose number is a multiple of `cut_every`, if that is not 0. `passages` know the declared events.
        """
        if state.pending_row.size == 0:
            return state, []
        tick = self.tick_of(state.origin_us[state.pending_row], state.pending_us)
        due = self._find_due(state, watermark_us)
        closing = np.ones(tick.shape, bool) if everything else tick < due[state.pending_row]
        if not closing.any():
            return state, []
        taken = slice(None) if closing.all() else closing
        row, tick, value = self._aggregate(state.pending_row[taken], tick[taken], state.pending_value[taken])
        blocks = self._cut(row, tick, value, state, area, cut_every, passages)
        next_tick, later = state.next_tick.copy(), state.due
        if later.any():
            later = later.copy()
            later[row] = 0
        last = np.append(row[1:] != row[:-1], True)
        next_tick[row[last]] = tick[last] + 1
        stays = slice(0, 0) if closing.all() else ~closing
        return state._replace(
            next_tick=next_tick, pending_row=state.pending_row[stays], pending_us=state.pending_us[stays],
            pending_value=state.pending_value[stays], due=later,
        ), blocks  # fmt: skip

    def _find_due(self, state: GridState, watermark_us: Ints | None) -> Ints:
        """Find the first tick of each series that is not due yet."""
        newest_us = np.where(state.newest_us == NEVER, 0, state.newest_us)
        if watermark_us is not None:
            counts = (watermark_us != NEVER) & (state.newest_us != NEVER)
            counts &= watermark_us - state.newest_us <= self.max_gap * self.cadence_us
            newest_us = np.where(counts, np.maximum(newest_us, np.where(counts, watermark_us, 0)), newest_us)
        return self.tick_of(state.origin_us, newest_us - self.lateness_us)

    def _aggregate(self, row: Ints, tick: Ints, value: Floats) -> tuple[Ints, Ints, Floats]:
        """Give one value per series and tick: the last by event time, or the mean."""
        last = np.append((row[1:] != row[:-1]) | (tick[1:] != tick[:-1]), True)
        if last.all():
            return row, tick, value
        if not self.mean:
            return row[last], tick[last], value[last]
        ends = np.flatnonzero(last)
        starts = np.append(0, ends[:-1] + 1)
        return row[last], tick[last], np.add.reduceat(value, starts) / (ends - starts + 1)

    def _cut(
        self, row: Ints, tick: Ints, value: Floats, state: GridState, area: int, cut_every: int,
        passages: Passages | None,
    ) -> list[Block]:  # fmt: skip
        """Lay values, sorted by (series, tick), out as blocks, with the missing ticks and gap rows before each."""
        first = np.append(True, row[1:] != row[:-1])
        before = np.where(first, state.next_tick[row] - 1, np.append(0, tick[:-1]))
        missing = tick - before - 1
        laid = passages.lay(self, state.origin_us, row, tick, missing) if passages is not None else {}
        gap = missing > self.max_gap
        entries = np.where(gap, 1, missing) + 1  # of each value: what comes before it, and itself
        for i, (numbers, _) in laid.items():
            gap[i], entries[i] = False, numbers.size + 1
        end = np.cumsum(entries)
        of = np.repeat(np.arange(row.size), entries)  # the value that each entry leads up to
        ahead = end[of] - 1 - np.arange(of.size)  # how many entries before that value
        start = (end - entries)[first]
        kind = np.where(gap[of] & (ahead == 1), GAP, TICK).astype(np.int8)
        filled = np.where(ahead == 0, value[of], np.nan)
        number = tick[of] - ahead
        for i, (numbers, kinds) in laid.items():
            number[end[i] - entries[i] : end[i] - 1], kind[end[i] - entries[i] : end[i] - 1] = numbers, kinds
        if state.due.any():
            late = first & (state.due[row] != 0)
            kind[end[late] - 1] = state.due[row[late]]
        for i, what in passages.begin_anew(self, state.origin_us, row, tick, before) if passages is not None else ():
            kind[end[i] - 1] = max(kind[end[i] - 1], what)
        return [
            Block(row[first][of_series], np.where(within, kind[at], ABSENT).astype(np.int8),
                  np.where(within, filled[at], np.nan), number[at])
            for of_series, at, within in lay_out(start, number, area, cut_every)
        ]  # fmt: skip


def lay_out(start: Ints, number: Ints, area: int, cut_every: int) -> Iterator[tuple[Ints, Ints, Flags]]:
    """Cut a column of ticks, series after series, into blocks of about `area` ticks times series.

    `start` is where in the column each series begins, `number` that of each tick. Each block is the series of its
    columns, the place of each entry (tick, series), and whether there is one: series with fewer ticks end earlier.
    """
    length = np.diff(np.append(start, number.size))
    series = np.repeat(np.arange(length.size), length)
    position = np.arange(number.size) - start[series]
    if cut_every:
        after = np.append(0, np.cumsum(number % cut_every == 0)[:-1])  # a cut comes after such a tick
        part = after - after[start][series]
    else:
        part = position // max(_SHORTEST_BLOCK, area // length.size)
    begin = np.flatnonzero(np.append(True, (np.diff(series) != 0) | (np.diff(part) != 0)))
    size = np.diff(np.append(begin, number.size))
    order = np.argsort(part[begin], kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(part[begin][order])) + 1):
        steps = np.arange(size[group].max())[:, None]
        yield series[begin[group]], begin[group] + np.minimum(steps, size[group] - 1), steps < size[group]
