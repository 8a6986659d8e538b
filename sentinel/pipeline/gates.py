"""Declared events on the grid: which observations a closed input gate keeps out, and which ticks begin anew.

To the detectors a hold of any length is one missing tick: they neither learn nor forget, and no pair reaches across it.
What came for a tick before the hold is judged, and a tick within it that had a value before it was declared stays as it
was. `reset` and `rebase` act before the first tick whose nominal time is not before them, when its value is there; one
that is declared when that tick has been judged already acts before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sentinel.domain.gates import HOLD, RESET, GateEvent
from sentinel.domain.labels import fits
from sentinel.domain.spans import Span, join_spans
from sentinel.pipeline.arrays import Codes, Flags, Ints
from sentinel.pipeline.grid import HELD, NEVER, REBASES, RESETS, TICK, Grid, GridState
from sentinel.pipeline.state import Batch, PipelineState

MOST_EVENTS = 1_000
"""Events that are declared one by one and kept; of more those go that ended first."""


@dataclass(frozen=True, slots=True)
class SeriesGates:
    """The events of one series."""

    holds: tuple[GateEvent, ...]
    moments: tuple[tuple[int, int], ...]
    """When it begins anew: time, `RESETS` or `REBASES`."""

    def spans(self, first_us: int, beyond_us: int) -> list[Span]:
        """Give the times in which the input gate is closed, from `first_us` to before `beyond_us`, apart and in order.

        A span reaches beyond them where the hold does.
        """
        return join_spans(span for event in self.holds for span in _times_of(event, first_us, beyond_us))

    def holds_at(self, time_us: Ints) -> Flags:
        """Tell at which times the input gate is closed."""
        found = np.zeros(time_us.shape, bool)
        for event in self.holds:
            since = time_us - event.start_us
            if event.every_us:
                since = np.where((since >= 0) & (time_us - since % event.every_us < event.until_us), since, -1)
                since = np.where(since >= 0, since % event.every_us, -1)
            found |= (since >= 0) & (since < event.end_us - event.start_us)
        return found

    def lay(self, grid: Grid, origin: int, first: int, beyond: int, longest: int) -> tuple[Ints, Codes] | None:
        """Lay out the missing ticks from `first` to before `beyond`: their numbers and kinds, those of a hold as one.

        None if no hold touches them, or if more than `longest` of them are in none.
        """
        at = np.array(origin)
        ends_us = grid.middle_us(at, np.array([first, beyond]))
        held = []
        for start_us, end_us in self.spans(int(ends_us[0]), int(ends_us[1])):
            a, b = grid.first_at(at, np.array([start_us, end_us])).tolist()
            a, b = max(a, first), min(b, beyond)
            if a < b:
                held.append((a, b))
        held = join_spans(held)
        if not held or beyond - first - sum(b - a for a, b in held) > longest:
            return None
        numbers, kinds, next_ = [], [], first
        for a, b in [*held, (beyond, beyond)]:
            numbers.append(np.arange(next_, a))
            kinds.append(np.full(a - next_, TICK, np.int8))
            if a < b:
                numbers.append(np.array([b - 1]))
                kinds.append(np.array([HELD], np.int8))
            next_ = b
        return np.concatenate(numbers), np.concatenate(kinds)


def _times_of(event: GateEvent, first_us: int, beyond_us: int) -> Iterator[Span]:
    """Give each time of an event that ends after `first_us` and begins before `beyond_us`."""
    length, every = event.end_us - event.start_us, event.every_us
    k = max(0, (first_us - event.end_us) // every + 1) if every else 0
    while (start_us := event.start_us + k * every) < min(beyond_us, event.until_us if every else beyond_us):
        if start_us + length > first_us:
            yield start_us, start_us + length
        if not every:
            return
        k += 1


class Gates:
    """All events that are declared, and the series that they are for. `labels` gives the name of a source by its id."""

    def __init__(self, events: Sequence[GateEvent], labels: Mapping[str, str]) -> None:
        self.events, self._labels = tuple(events), labels
        self._found: dict[tuple[str, str], SeriesGates | None] = {}
        self._shared: dict[tuple[GateEvent, ...], SeriesGates] = {}
        """Series with the same events have the same of these: they are looked at together."""
        moments = [event.end_us for event in events if event.gate != HOLD]
        self._moments = np.sort(np.array(moments, np.int64))

    def __bool__(self) -> bool:
        """Tell if there is any event."""
        return bool(self.events)

    def of(self, name: str, source: str) -> SeriesGates | None:
        """Give the events of a series, by its name and the id of its source; None if it has none."""
        key = name, source
        if key not in self._found:
            mine = tuple(event for event in self.events if self.is_for(event, name, source))
            moments = tuple((e.end_us, RESETS if e.gate == RESET else REBASES) for e in mine if e.gate != HOLD)
            holds = tuple(event for event in mine if event.start_us < event.end_us)
            self._found[key] = self._shared.setdefault(mine, SeriesGates(holds, moments)) if mine else None
        return self._found[key]

    def is_for(self, event: GateEvent, name: str, source: str) -> bool:
        """Tell if an event is for a series."""
        ours = not event.source or event.source in (source, self._labels.get(source, source))
        return ours and fits(name, event.match)

    def may_hold(self, first_us: int, last_us: int) -> bool:
        """Tell if any series may be on hold between these moments."""
        holds = (event for event in self.events if event.start_us < event.end_us)
        return any(True for event in holds for _ in _times_of(event, first_us, last_us + 1))

    def has_moment(self, first_us: int, last_us: int) -> bool:
        """Tell if any series begins anew between these moments."""
        at = np.searchsorted(self._moments, first_us)
        return bool(at < self._moments.size and self._moments[at] <= last_us)

    def sort_out(self, state: PipelineState, batch: Batch) -> tuple[Batch, Batch]:
        """Give the observations that a closed input gate lets pass, and those that it does not."""
        held = np.zeros(batch.series.size, bool)
        if batch.series.size and self.may_hold(int(batch.time_us.min()), int(batch.time_us.max())):
            for gates, ids in self._group(state, np.unique(batch.series)):
                mine = np.isin(batch.series, ids)
                held[mine] = gates.holds_at(batch.time_us[mine])
        if not held.any():
            return batch, batch.at(np.flatnonzero(held))
        return batch.at(np.flatnonzero(~held)), batch.at(np.flatnonzero(held))

    def _group(self, state: PipelineState, series: Ints) -> Iterator[tuple[SeriesGates, list[int]]]:
        """Gather these series by their events, those that have holds."""
        found: dict[int, tuple[SeriesGates, list[int]]] = {}
        for i in series.tolist():
            gates = self.of(state.names[i], state.sources[state.source_of[i]])
            if gates is not None and gates.holds:
                found.setdefault(id(gates), (gates, []))[1].append(i)
        yield from found.values()

    def on_hold(self, state: PipelineState, now_us: Ints) -> Flags:
        """Tell by id which series are on hold at their own `now_us`; a comparison with its target."""
        found = np.zeros(len(state.names), bool)
        if found.size and self.may_hold(int(now_us.min()), int(now_us.max())):
            for gates, ids in self._group(state, np.arange(found.size)):
                found[ids] = gates.holds_at(now_us[ids])
            found[state.comparisons.own] |= found[state.comparisons.target]
        return found

    def passages(self, state: PipelineState, series: Ints) -> Passages:
        """Make the passages of the series in the rows of a cohort."""

        def of_row(row: int) -> SeriesGates | None:
            i = int(series[row])
            return self.of(state.names[i], state.sources[state.source_of[i]])

        return Passages(self, of_row)


@dataclass(frozen=True, slots=True)
class Passages:
    """Gates of a cohort's series: holds, and moments at which they begin anew."""

    gates: Gates
    of_row: Callable[[int], SeriesGates | None]

    def lay(self, grid: Grid, origin: Ints, row: Ints, tick: Ints, missing: Ints) -> dict[int, tuple[Ints, Codes]]:
        """Lay out the ticks that are missing before values, by their position, where a hold touches them."""
        found = {}
        for i in np.flatnonzero(missing > 0).tolist():
            gates = self.of_row(int(row[i]))
            if gates is not None and gates.holds:
                laid = gates.lay(grid, int(origin[row[i]]), int(tick[i] - missing[i]), int(tick[i]), grid.max_gap)
                if laid is not None:
                    found[i] = laid
        return found

    def begin_anew(self, grid: Grid, origin: Ints, row: Ints, tick: Ints, before: Ints) -> Iterator[tuple[int, int]]:
        """Give the values before which a series begins anew, by position, with `RESETS` or `REBASES`; `before` are the
        ticks before them."""
        times_us = grid.middle_us(origin[row], np.stack([before, tick]))
        if not self.gates.has_moment(int(times_us[0].min()), int(times_us[1].max())):
            return
        for i in range(row.size):
            gates = self.of_row(int(row[i]))
            for time_us, what in gates.moments if gates is not None else ():
                at = int(grid.first_at(origin[row[i]], np.array(time_us)))
                if max(0, int(before[i])) < at <= tick[i]:
                    yield i, what


def declare(gates: Gates, stages: Callable[[int], Grid], state: PipelineState, event: GateEvent) -> PipelineState:
    """Add an event, once; one that comes after its moment acts before the next tick. `gates` need not know it yet."""
    if event in state.events:
        return state
    kept = [*state.events, event]
    while len(kept) > MOST_EVENTS:
        kept.remove(min(kept, key=lambda one: one.last_us))
    state = replace(state, events=tuple(kept))
    return state if event.gate == HOLD else _act_late(gates, stages, state, event)


def _act_late(gates: Gates, stages: Callable[[int], Grid], state: PipelineState, event: GateEvent) -> PipelineState:
    cohorts = list(state.cohorts)
    for at, members in enumerate(cohorts):
        grid, own = stages(at), members.grid
        late = (own.next_tick > 0) & (grid.first_at(own.origin_us, np.array(event.end_us)) < own.next_tick)
        late &= ~np.isin(members.series, state.comparisons.own)  # they begin anew with their targets
        for row in np.flatnonzero(late).tolist():
            i = members.series[row]
            late[row] = gates.is_for(event, state.names[i], state.sources[state.source_of[i]])
        if late.any():
            what = np.int8(RESETS if event.gate == RESET else REBASES)
            due = np.where(late, np.maximum(own.due, what), own.due).astype(np.int8)
            cohorts[at] = members._replace(grid=own._replace(due=due))
    return replace(state, cohorts=tuple(cohorts))


def lift(state: PipelineState, event_id: str, time_us: int) -> PipelineState:
    """End a hold that was declared, from this moment on; one that is not known changes nothing."""
    ended = [
        event if event.id != event_id
        else event._replace(until_us=min(event.until_us, time_us)) if event.every_us
        else event._replace(end_us=max(event.start_us, min(event.end_us, time_us)))
        for event in state.events
    ]  # fmt: skip
    return replace(state, events=tuple(event for event in ended if event.gate != HOLD or event.start_us < event.end_us))


def note_held(state: PipelineState, at: int, grid: GridState, held: Batch) -> GridState:
    """Let the series of a cohort move on by the times of what was kept out: what is open before them closes."""
    mine = state.cohort_of[held.series] == at
    if not mine.any():
        return grid
    newest_us = grid.newest_us.copy()
    np.maximum.at(newest_us, state.row_of[held.series[mine]], held.time_us[mine])
    newest_us[grid.next_tick < 0] = NEVER
    return grid._replace(newest_us=newest_us)
