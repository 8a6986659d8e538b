"""Lets sorted observations pass through the pipeline and gathers what comes out, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.analysis.readings import Readings
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.sorting import Sorted
from sentinel.config import Settings
from sentinel.domain.axis import Axis, CalendarAxis, NumberAxis
from sentinel.domain.errors import DataError
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.states import Reason, State
from sentinel.pipeline.pipeline import Batch, Pipeline, PipelineState
from sentinel.pipeline.plan import Plan, paired_name
from sentinel.pipeline.portrait import Portrait
from sentinel.pipeline.published import Published
from sentinel.pipeline.results import Rows

STATES, REASONS = tuple(State), tuple(Reason)
GAP = (STATES.index(State.BLIND), REASONS.index(Reason.GAP))
SOURCE = "backtest"


@dataclass(slots=True)
class Outcome:
    """What an analysis found."""

    records: list[SeriesRecord]
    """One per series, in the order of the input."""
    events: list[AlarmEvent]
    portraits: dict[int, Portrait]
    """Pictures' worth of history by series id; of many series those with most evidence."""
    sites: list[SiteEvent] = field(default_factory=list)


@dataclass(slots=True)
class _Gathering:
    """What is known so far."""

    axes: dict[int, Axis]
    kept: int | None
    records: dict[int, SeriesRecord] = field(default_factory=dict)
    events: list[AlarmEvent] = field(default_factory=list)
    portraits: dict[int, Portrait] = field(default_factory=dict)
    sites: list[SiteEvent] = field(default_factory=list)

    def take(self, rows: Rows, names: Sequence[str]) -> None:
        """Add closed ticks of any series."""
        for number, part in parts(rows.series):
            record = self.records.setdefault(number, SeriesRecord(names[number], self.axes[number]))
            _extend(record, rows, part)
            self.portraits.setdefault(number, Portrait()).extend(rows, part)
        self._forget(int(rows.series[-1]))

    def _forget(self, current: int) -> None:
        """Keep the histories with most evidence, and that of the series that is still being read."""
        if self.kept is None or len(self.portraits) <= 2 * self.kept:
            return
        ranked = sorted(self.portraits, key=lambda n: (n != current, -self.portraits[n].max_evidence, n))
        self.portraits = {number: self.portraits[number] for number in sorted(ranked[: self.kept])}


def run(
    observations: Sorted,
    settings: Settings,
    *,
    conditioning: bool,
    readings: Readings | None,
    kept: int | None,
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Analyse sorted observations.

    Parameters
    ----------
    observations
        What to analyse.
    settings
        Series, banks and alarms.
    conditioning
        False takes the values as residuals already.
    readings
        Where every row is written; None = nowhere.
    kept
        Keep at least this many histories for pictures, those with most evidence; None = all.
    progress
        Told how many observations have been taken in.
    """
    pipeline = Pipeline(settings, conditioning=conditioning, threads=len(os.sched_getaffinity(0)))
    state = _registered(pipeline, observations.names)
    own_axes = _axes(observations, settings)
    source = _observed(state)
    gathering = _Gathering({i: own_axes[n] for i, n in enumerate(source)}, None if observations.by_time else kept)
    if readings is not None:
        readings.expect(state.names, mixed=observations.by_time)
    counts = np.zeros(len(observations.names), np.int64)
    done = 0
    for table in observations.batches():
        batch = _batch(table, own_axes)
        counts += np.bincount(batch.series, minlength=counts.size)
        state, result = pipeline.advance(state, batch, rows=True)
        gathering.events.extend(result.events)
        gathering.sites.extend(result.sites)
        if result.rows is not None:
            gathering.take(result.rows, state.names)
            if readings is not None:
                readings.write(result.rows, gathering.axes)
        done += table.height
        progress(done)
    state, result = pipeline.finish(state, rows=True)
    gathering.events.extend(result.events)
    gathering.sites.extend(result.sites)
    if result.rows is not None:
        gathering.take(result.rows, state.names)
    if readings is not None:
        readings.finish(result.rows, gathering.axes)
    return _outcome(gathering, pipeline, state, counts[source])


def compares(settings: Settings) -> bool:
    """Whether some series are judged against others: then all come in order of time."""
    return any(entry.counterpart is not None for entry in settings.series)


def known_names(settings: Settings, names: Sequence[str]) -> list[str]:
    """The series of an input, and the paired ones that are derived from them."""
    pairs = ((name, settings.counterpart_for(name)) for name in names)
    return [*names, *(paired_name(name, counterpart) for name, counterpart in pairs if counterpart is not None)]


def refuse_nothing(outcome: Outcome, observations: Sorted, where: str) -> None:
    """DataError unless some series has at least one tick."""
    if all(record.plan is None for record in outcome.records):
        again = f" ({observations.duplicates:,} of a time that was there already)" if observations.duplicates else ""
        raise DataError(
            f"{where}: {observations.rows:,} observation{'s' if observations.rows > 1 else ''}{again}, "
            "no series with two time stamps; "
            "at least two of one series are needed"
        )


def parts(series: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Each id in a sorted column of ids, with its slice."""
    edges = [0, *(np.flatnonzero(np.diff(series)) + 1).tolist(), series.size]
    for first, last in pairwise(edges):
        if last > first:
            yield int(series[first]), slice(first, last)


def _registered(pipeline: Pipeline, names: Sequence[str]) -> PipelineState:
    """A state that knows all series, in the order of their ids."""
    none = np.empty(0, np.int64)
    everyone = tuple((number, name, SOURCE) for number, name in enumerate(names))
    state, _ = pipeline.advance(pipeline.init(), Batch(none, none, np.empty(0), everyone, source=SOURCE))
    return state


def _axes(observations: Sorted, settings: Settings) -> list[Axis]:
    """The axis of each series of the input; on a numbered one a series shares that of its counterpart."""
    heads = observations.heads()
    axes: list[Axis] = [
        NumberAxis.of(heads[n]) if n in heads else CalendarAxis() for n in range(len(observations.names))
    ]
    numbers = {name: n for n, name in enumerate(observations.names)}
    counterparts = (settings.counterpart_for(name) for name in observations.names)
    at = [numbers.get(counterpart, n) if counterpart else n for n, counterpart in enumerate(counterparts)]
    return [axes[other] if other in heads else axes[n] for n, other in enumerate(at)]


def _observed(state: PipelineState) -> NDArray[np.int64]:
    """The series of the input behind each series of the state: itself, or the target of a paired one."""
    source = np.empty(len(state.names), np.int64)
    source[state.ids] = np.arange(state.ids.size)
    source[state.pairing.own] = source[state.pairing.target]
    return source


def _batch(table: pl.DataFrame, axes: Sequence[Axis]) -> Batch:
    """Sorted observations as the pipeline takes them."""
    series, time = table["id"].to_numpy(), table["time"].to_numpy()
    # A number is put on its axis, never cast as it stands: it may be far beyond what an integer holds.
    time_us = np.empty(time.shape, np.int64) if time.dtype.kind == "f" else time.astype(np.int64)
    for number in np.unique(series).tolist() if time.dtype.kind == "f" else ():
        axis, mine = axes[number], series == number
        assert isinstance(axis, NumberAxis)
        time_us[mine] = axis.microseconds(time[mine])
    return Batch(series, time_us, table["value"].to_numpy(), source=SOURCE)


def _extend(record: SeriesRecord, rows: Rows, part: slice) -> None:
    """Bring a record up to the last of these rows."""
    state, reason = rows.state[part], rows.reason[part]
    # A gap row stands for many ticks: the number of the tick jumps there. A short gap is blind for a while, too.
    before = np.append(record.last_tick, rows.tick[part][:-1])
    gaps = (state == GAP[0]) & (reason == GAP[1]) & (rows.tick[part] - before > 1)
    if record.ticks == 0 and record.gaps == 0:
        record.first_us = int(rows.time_us[part][0])
    record.gaps += int(gaps.sum())
    record.ticks += int(state.size - gaps.sum())
    record.missing += int((np.isnan(rows.value[part]) & ~gaps).sum())
    record.last_tick = int(rows.tick[part][-1])
    record.last_us, record.end_us = int(rows.time_us[part][-1]), int(rows.end_us[part][-1])
    record.state, record.reason = STATES[state[-1]], REASONS[reason[-1]]
    record.estimates = rows.estimates.each(lambda column: float(column[part][-1]))
    known = rows.evidence[part][~np.isnan(rows.evidence[part])]
    if known.size:
        record.max_evidence = float(np.fmax(record.max_evidence, known.max()))


def _outcome(gathering: _Gathering, pipeline: Pipeline, state: PipelineState, counts: NDArray[np.int64]) -> Outcome:
    records = []
    published = Published(pipeline, state, taken_us=0)
    for number in np.flatnonzero(counts).tolist():
        record = gathering.records.get(number) or SeriesRecord(state.names[number], gathering.axes[number])
        record.id, record.observations = number, int(counts[number])
        if state.cohort_of[number] >= 0:
            record.plan = _plan(state, number)
            record.thresholds = tuple(pipeline.cohort(record.plan).scoring.thresholds.tolist())
            view = published.view(state.names[number])
            record.e_value, record.windows, record.window_us = view.e_value, view.windows, view.window_us
        records.append(record)
    by_name = {record.name: record for record in records}
    for own, target in zip(state.pairing.own.tolist(), state.pairing.target.tolist(), strict=True):
        if state.names[own] in by_name:
            by_name[state.names[own]].target = state.names[target]
    cleared = {event.alarm_id: event.time_us for event in gathering.events if event.what == "cleared"}
    for event in gathering.events:
        if event.what == "raised":
            by_name[event.series].alarms.append((event, cleared.get(event.alarm_id)))
    return Outcome(records, gathering.events, gathering.portraits, gathering.sites)


def _plan(state: PipelineState, number: int) -> Plan:
    return state.keys[int(state.cohort_of[number])][0]
