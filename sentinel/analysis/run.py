"""Runs sorted observations through the pipeline and gathers what comes out, in bounded memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from sentinel.analysis.intake import SortedObservations
from sentinel.analysis.readings import Readings, slice_by_series
from sentinel.analysis.record import SeriesRecord, match_cleared
from sentinel.analysis.short import LONGEST, estimate_whole
from sentinel.config import Settings, or_else
from sentinel.domain.errors import DataError
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.observation import Axis, CalendarAxis, NumberAxis
from sentinel.domain.spans import DAY, Cadence
from sentinel.domain.states import REASONS, STATES, Reason, State
from sentinel.pipeline.arrays import Ints
from sentinel.pipeline.history import Portrait
from sentinel.pipeline.pipeline import Batch, Observer, Pipeline, PipelineState, Result
from sentinel.pipeline.plan import Plan, PlanRule, Plans, list_names
from sentinel.pipeline.results import Rows
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text.checks import checks_in_words
from sentinel.text.claims import held_in_words, left_out_in_words

SOURCE = "backtest"


@dataclass(slots=True)
class Findings:
    """Everything that an analysis found."""

    records: list[SeriesRecord]
    """One per series with observations, in the order of the input."""
    events: list[AlarmEvent] = field(default_factory=list)
    sites: list[SiteEvent] = field(default_factory=list)
    portraits: dict[int, Portrait] = field(default_factory=dict)
    """History for pictures by series id; of many series those with most evidence."""

    @property
    def axes(self) -> dict[str, Axis]:
        """Axes by name of the series."""
        return {record.name: record.axis for record in self.records}

    def take(self, result: Result, kept: int | None) -> None:
        """Add what the pipeline gave for one batch; past twice `kept` histories only those with most evidence stay."""
        self.events.extend(result.events)
        self.sites.extend(result.sites)
        rows = result.rows
        if rows is None:
            return
        parts = dict(slice_by_series(rows.series))
        # One that was left out once is not taken up again: its picture would lack what came before.
        wanted = self.portraits.keys() | {n for n in parts if not (self.records[n].ticks or self.records[n].gaps)}
        for number, part in parts.items():
            _extend(self.records[number], rows, part)
        if kept is not None and len(wanted) > 2 * kept:
            # The series that is still being read stays, whatever its evidence.
            current = int(rows.series[-1])
            most = {number: -np.nan_to_num(self.records[number].max_evidence, nan=-np.inf) for number in wanted}
            wanted = set(sorted(wanted, key=lambda n: (n != current, most[n], n))[:kept])
            self.portraits = {number: known for number, known in self.portraits.items() if number in wanted}
        for number in sorted(wanted & parts.keys()):
            self.portraits.setdefault(number, Portrait()).extend(rows, parts[number])


def run(
    observations: SortedObservations,
    settings: Settings,
    *,
    conditioning: bool,
    readings: Readings | None,
    kept: int | None,
    observers: Sequence[Observer] = (),
    rules: Callable[[Plan], tuple[PlanRule, ...]] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Analyse sorted observations; without `conditioning` the values are residuals already.

    Every row goes to `readings`, if there are any. At least `kept` histories for pictures are kept, those with most
    evidence; None = all. With 0 and without `readings` nothing is kept of ticks: records have their plan and alarms,
    and no counts. `observers` are called one after the other after every block of ticks. `rules` gives the rules of
    each plan in place of those in the settings.
    """
    settings = settings.divide(list_names(settings, observations.names))
    own_axes = _axes(observations, settings)
    if any(axis.numbered for axis in own_axes):
        if settings.events:
            raise DataError("events: the times of the input are numbers; declared events need dates")
        settings = settings.model_copy(update={"alarms": tuple(rule.without_calendar() for rule in settings.alarms)})
    pipeline = Pipeline(settings, conditioning=conditioning, threads=len(os.sched_getaffinity(0)))
    if rules is not None:
        pipeline.plans = _OtherRules(settings, rules)
    rows = readings is not None or kept != 0

    def observe(*block: Any) -> None:
        for observer in observers:
            observer(*block)

    # A state that knows all series, in the order of their ids.
    none = np.empty(0, np.int64)
    everyone = tuple((number, name, SOURCE) for number, name in enumerate(observations.names))
    state, _ = pipeline.advance(pipeline.init(), Batch(none, none, np.empty(0), everyone, source=SOURCE))
    # Behind each series of the state is one of the input: itself, or the target of a comparison.
    source = np.empty(len(state.names), np.int64)
    source[state.ids] = np.arange(state.ids.size)
    source[state.comparisons.own] = source[state.comparisons.target]
    axes = dict(enumerate(own_axes[number] for number in source))
    findings = Findings([SeriesRecord(name, axes[number], number) for number, name in enumerate(state.names)])
    kept = None if observations.by_time else kept
    if readings is not None:
        readings.expect(state.names, mixed=observations.by_time)
    counts = np.zeros(len(observations.names), np.int64)
    done = 0
    for table in observations.batches():
        batch = _batch(table, own_axes)
        counts += np.bincount(batch.series, minlength=counts.size)
        state, result = pipeline.advance(state, batch, rows=rows, observer=observe)
        findings.take(result, kept)
        if readings is not None and result.rows is not None:
            readings.write(result.rows, axes, partial(half_life, state))
        done += table.height
        progress(done)
    state, result = pipeline.finish(state, rows=rows, observer=observe)
    findings.take(result, kept)
    if readings is not None:
        readings.finish(result.rows, axes, partial(half_life, state))
    _complete(findings, pipeline, state, counts[source])
    if readings is not None:
        for record in findings.records:
            record.cv = readings.variation.last.get(record.id, math.nan)
    return findings


class _OtherRules(Plans):
    """The plans under some settings, with other rules."""

    def __init__(self, settings: Settings, rules: Callable[[Plan], tuple[PlanRule, ...]]) -> None:
        super().__init__(settings)
        self._rules = rules

    def find(self, target: str, name: str, cadence: Cadence, *, conditioning: bool) -> Plan:
        plan = super().find(target, name, cadence, conditioning=conditioning)
        return replace(plan, rules=self._rules(plan))


MOST_CONFLICTS = 0.2
"""Share of the values that may repeat a time with another value."""


def compares(settings: Settings) -> bool:
    """True if some series are compared with others; then all must come in order of time."""
    return any(entry.counterpart is not None for entry in settings.series)


def refuse_nothing(findings: Findings, observations: SortedObservations, where: str) -> None:
    """Raise DataError unless some series has at least one tick."""
    if all(record.plan is None for record in findings.records):
        again = f" ({observations.duplicates:,} of a time that was there already)" if observations.duplicates else ""
        rows = f"{observations.rows:,} observation{'s' if observations.rows > 1 else ''}{again}"
        raise DataError(f"{where}: {rows}, no series with two time stamps; at least two of one series are needed")


def refuse_repeats(observations: SortedObservations, where: str) -> None:
    """Raise DataError where so many rows repeat a time with another value that a column must tell them apart."""
    if observations.conflicts > MOST_CONFLICTS * observations.rows:
        raise DataError(
            f"{where}: {observations.conflicts:,} of {observations.rows:,} values stand at a time of their series that "
            "has another value already; if a column tells these rows apart, name it with --by COLUMN (by: [COLUMN]); "
            "if one holds the hour, name both with --time-column DATE --time-column HOUR"
        )


def refuse_absent_counterparts(settings: Settings, names: Sequence[str], where: str) -> None:
    """Raise DataError where none of the counterparts that an entry of the settings names is in the record.

    In a live stream one may still come, here it cannot.
    """
    known = set(names)
    pairs = [(settings.series_for(name).match, name, settings.counterpart_for(name)) for name in names]
    present = {match for match, _, counterpart in pairs if counterpart in known}
    for match, name, counterpart in pairs:
        if counterpart is not None and match not in present:
            allowed = or_else(counterpart, [other for other in names if other != name][:20], "series")
            raise DataError(f"{where}: no series {counterpart!r}, the counterpart of {name!r}; {allowed}")


def half_life(state: PipelineState, number: int) -> float:
    """Give the half-life of a series that has ticks, in ticks."""
    return state.keys[int(state.cohort_of[number])][0].half_life


def _axes(observations: SortedObservations, settings: Settings) -> list[Axis]:
    """Choose the axis of each series of the input; where times are numbers a series shares that of its counterpart."""
    heads, names = observations.heads(), observations.names
    axes: list[Axis] = [NumberAxis.of(heads[n]) if n in heads else CalendarAxis() for n in range(len(names))]
    numbers: dict[str | None, int] = {name: n for n, name in enumerate(names)}
    at = [numbers.get(settings.counterpart_for(name), n) for n, name in enumerate(names)]
    return [axes[other] if other in heads else axes[n] for n, other in enumerate(at)]


def _batch(table: pl.DataFrame, axes: Sequence[Axis]) -> Batch:
    """Convert sorted observations to what the pipeline takes."""
    series, time_us = table["id"].to_numpy(), table["time"].to_numpy()
    if time_us.dtype.kind == "f":
        # A number is put on its axis, never cast as it stands: it may be far beyond what an integer holds.
        time, time_us = time_us, np.empty(time_us.shape, np.int64)
        for number in np.unique(series).tolist():
            axis, mine = axes[number], series == number
            assert isinstance(axis, NumberAxis)
            time_us[mine] = axis.microseconds(time[mine])
    return Batch(series, time_us, table["value"].to_numpy(), source=SOURCE)


def _extend(record: SeriesRecord, rows: Rows, part: slice) -> None:
    """Bring a record up to the last of these rows."""
    state, reason = rows.state[part], rows.reason[part]
    # A gap row stands for many ticks: the number of the tick jumps there. A short gap is blind for a while, too.
    before = np.append(record.last_tick, rows.tick[part][:-1])
    blind, gap = state == STATES.index(State.BLIND), reason == REASONS.index(Reason.GAP)
    gaps = blind & gap & (rows.tick[part] - before > 1)
    if record.ticks == 0 and record.gaps == 0:
        record.first_us = int(rows.time_us[part][0])
    record.gaps += int(gaps.sum())
    record.ticks += int(state.size - gaps.sum())
    if len(record.first_values) <= LONGEST:
        record.first_values.extend(rows.value[part][~gaps][: LONGEST + 1].tolist())
    record.missing += int((np.isnan(rows.value[part]) & ~gaps).sum())
    record.last_tick = int(rows.tick[part][-1])
    record.last_us, record.end_us = int(rows.time_us[part][-1]), int(rows.end_us[part][-1])
    record.state, record.reason = STATES[state[-1]], REASONS[reason[-1]]
    record.estimates = rows.estimates.each(lambda column: float(column[part][-1]))
    record.held_ticks += int(rows.held[part].sum())
    known = rows.evidence[part][~np.isnan(rows.evidence[part])]
    if known.size:
        record.max_evidence = float(np.fmax(record.max_evidence, known.max()))


def _complete(findings: Findings, pipeline: Pipeline, state: PipelineState, counts: Ints) -> None:
    """Add to each record what only the end tells; leave out series without observations."""
    targets = dict(zip(state.comparisons.own.tolist(), state.comparisons.target.tolist(), strict=True))
    alarms: dict[str, list[tuple[AlarmEvent, int | None]]] = {}
    for event, cleared in match_cleared(findings.events):
        alarms.setdefault(event.series, []).append((event, cleared))
    published = Snapshot(pipeline, state, taken_us=0)
    findings.records = [findings.records[number] for number in np.flatnonzero(counts).tolist()]
    views = published.views_of([record.name for record in findings.records])
    for record, view in zip(findings.records, views, strict=True):
        record.observations, record.alarms = int(counts[record.id]), alarms.get(record.name, [])
        record.target = state.names[targets[record.id]] if record.id in targets else None
        if state.cohort_of[record.id] >= 0:
            record.plan = state.keys[int(state.cohort_of[record.id])][0]
            record.thresholds = tuple(pipeline.cohort(record.plan).scoring.thresholds.tolist())
            record.e_value, record.windows, record.window_us = view.e_value, view.windows, view.window_us
            if record.plan.cadence_us >= DAY:
                # The end of the first tick tells its day; a month has no fixed end.
                record.window_us += record.plan.cadence_us // (2 if record.plan.months else 1)
            record.unit = view.unit if record.target is None else ""
            record.held = held_in_words(view)
            if record.state is State.LEARNING and not record.gaps and record.target is None:
                record.whole = estimate_whole(np.array(record.first_values), record.plan.seasons)
            record.fill_values = view.fill_values
            words = left_out_in_words(view.left_out, view.values_left_out), checks_in_words(view.checks)
            record.left_out = "; ".join(filter(None, words))
