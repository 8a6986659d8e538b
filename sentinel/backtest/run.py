"""Lets sorted observations pass through the pipeline and gathers what comes out, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.axis import Axis, CalendarAxis, NumberAxis
from sentinel.backtest.readings import Readings
from sentinel.backtest.sorting import Sorted
from sentinel.configuration import Settings
from sentinel.errors import DataError
from sentinel.events import AlarmEvent
from sentinel.picture import Portrait
from sentinel.pipeline import Batch, Pipeline, PipelineState
from sentinel.plan import Plan
from sentinel.published import Published
from sentinel.report import SeriesRecord
from sentinel.rows import Rows
from sentinel.snapshot import Reason, State

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


@dataclass(slots=True)
class _Gathering:
    """What is known so far."""

    axes: dict[int, Axis]
    kept: int | None
    records: dict[int, SeriesRecord] = field(default_factory=dict)
    events: list[AlarmEvent] = field(default_factory=list)
    portraits: dict[int, Portrait] = field(default_factory=dict)

    def take(self, rows: Rows, names: list[str]) -> None:
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
    state = pipeline.init()
    heads = observations.heads()
    calendar = CalendarAxis()
    gathering = _Gathering(
        {n: NumberAxis.of(heads[n]) if n in heads else calendar for n in range(len(observations.names))}, kept
    )
    counts = np.zeros(len(observations.names), np.int64)
    done = 0
    for table in observations.batches():
        batch = _batch(table, observations.names, gathering.axes, known=len(state.names))
        counts += np.bincount(batch.series, minlength=counts.size)
        state, result = pipeline.advance(state, batch, rows=True)
        gathering.events.extend(result.events)
        if result.rows is not None:
            gathering.take(result.rows, observations.names)
            if readings is not None:
                readings.write(result.rows, gathering.axes)
        done += table.height
        progress(done)
    state, result = pipeline.finish(state, rows=True)
    gathering.events.extend(result.events)
    if result.rows is not None:
        gathering.take(result.rows, observations.names)
    if readings is not None:
        readings.finish(result.rows, gathering.axes)
    return _outcome(gathering, pipeline, state, counts, observations.names)


def refuse_nothing(outcome: Outcome, observations: Sorted, where: str) -> None:
    """DataError unless some series has at least one tick."""
    if all(record.plan is None for record in outcome.records):
        count = observations.rows - observations.duplicates
        raise DataError(
            f"{where}: {count:,} observation{'s' if count > 1 else ''}, no series with two time stamps; "
            "at least two of one series are needed"
        )


def parts(series: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Each id in a sorted column of ids, with its slice."""
    edges = [0, *(np.flatnonzero(np.diff(series)) + 1).tolist(), series.size]
    for first, last in pairwise(edges):
        if last > first:
            yield int(series[first]), slice(first, last)


def _batch(table: pl.DataFrame, names: list[str], axes: dict[int, Axis], known: int) -> Batch:
    """Sorted observations as the pipeline takes them; series are new in the order of their ids."""
    series, time = table["id"].to_numpy(), table["time"].to_numpy()
    time_us = np.empty(series.size, np.int64)
    for number, part in parts(series):
        axis = axes[number]
        time_us[part] = axis.microseconds(time[part]) if isinstance(axis, NumberAxis) else time[part]
    newest = int(series[-1]) + 1 if series.size else known
    fresh = tuple((number, names[number], SOURCE) for number in range(known, newest))
    return Batch(series, time_us, table["value"].to_numpy(), fresh)


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
    columns = (rows.lag1, rows.lag1_low, rows.lag1_high, rows.modulus, rows.period, rows.spread)
    record.lag1, record.low, record.high, record.modulus, record.period, record.spread = (
        float(column[part][-1]) for column in columns
    )
    known = rows.evidence[part][~np.isnan(rows.evidence[part])]
    if known.size:
        record.max_evidence = float(np.fmax(record.max_evidence, known.max()))


def _outcome(
    gathering: _Gathering, pipeline: Pipeline, state: PipelineState, counts: NDArray[np.int64], names: list[str]
) -> Outcome:
    records = []
    published = Published(pipeline, state, taken_us=0)
    for number in np.flatnonzero(counts).tolist():
        record = gathering.records.get(number) or SeriesRecord(names[number], gathering.axes[number])
        record.id, record.observations = number, int(counts[number])
        if state.cohort_of[number] >= 0:
            record.plan = _plan(state, number)
            record.thresholds = tuple(pipeline.cohort(record.plan).scoring.thresholds.tolist())
            view = published.view(names[number])
            record.e_value, record.window_us = view.e_value, view.window_us
        records.append(record)
    by_name = {record.name: record for record in records}
    cleared = {event.alarm_id: event.time_us for event in gathering.events if event.what == "cleared"}
    for event in gathering.events:
        if event.what == "raised":
            by_name[event.series].alarms.append((event, cleared.get(event.alarm_id)))
    return Outcome(records, gathering.events, gathering.portraits)


def _plan(state: PipelineState, number: int) -> Plan:
    return state.keys[int(state.cohort_of[number])][0]
