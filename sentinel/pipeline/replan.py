"""A change of settings, applied to a state that is there already.

A series whose plan is the same goes on as if nothing had happened, and so it does if only the time after which it
counts as stale has changed. One whose rules alone have changed keeps its cells; a rule that is still there keeps its
evidence and its alarm. Any other change of plan starts a series afresh, in `learning`, on its old grid where the
cadence is the same. Alarms whose rules are gone end. A series that has a counterpart now is paired from here on; a
paired series whose counterpart is no longer wanted is gone, and its alarms end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spans import Cadence
from sentinel.pipeline.alarm import CRITICAL, WARNING, WATCHING, alarm_event
from sentinel.pipeline.cohort import LARGEST, CohortState
from sentinel.pipeline.pipeline import CohortKey, Pipeline, PipelineState
from sentinel.pipeline.plan import Plan, PlanRule, paired_name, plan_of

Ints = NDArray[np.int64]
T = TypeVar("T", bound=tuple[NDArray[np.generic], ...])


def migrate(pipeline: Pipeline, state: PipelineState) -> tuple[PipelineState, tuple[str, ...], tuple[AlarmEvent, ...]]:
    """The state under the pipeline's present settings, the series that start afresh, and the alarms this ends."""
    anew: list[str] = []
    ended: list[AlarmEvent] = []
    placed: dict[Plan, list[CohortState]] = {}
    before, (state, number, fresh) = state, _repaired(pipeline.settings, state)
    changed = state is not before
    target_of = dict(zip(state.pairing.own.tolist(), state.pairing.target.tolist(), strict=True))
    for (old, _), members in zip(state.keys, state.cohorts, strict=True):
        for row, i in enumerate(number[members.series].tolist()):
            part = _one(members, row)
            if i < 0:
                was = int(members.series[row])
                source = before.sources[before.source_of[was]]
                ended.extend(_ended(pipeline, old, (), part, before.names[was], source))
                continue
            name, target = state.names[i], state.names[target_of.get(i, i)]
            cadence = pipeline.settings.series_for(target).cadence or Cadence(old.cadence_us, old.months)
            plan = plan_of(pipeline.settings, target, name, cadence, conditioning=old.conditioning)
            part = part._replace(series=np.array([i], np.int64))
            if plan != old:
                changed = True
                if not _same_judgement(plan, old):
                    kept = plan.rules if _same_cells(plan, old) else ()
                    ended.extend(_ended(pipeline, old, kept, part, name, state.sources[state.source_of[i]]))
                    part = _restarted(pipeline, old, plan, part)
                if not _same_cells(plan, old):
                    anew.append(name)
            placed.setdefault(plan, []).append(part)
    for own, target_id in fresh:
        beside = _plan_beside(placed, target_id)
        if beside is not None:
            cadence, target, name = Cadence(beside.cadence_us, beside.months), state.names[target_id], state.names[own]
            paired = plan_of(pipeline.settings, target, name, cadence, conditioning=beside.conditioning)
            placed.setdefault(paired, []).append(pipeline.cohort(paired).init(np.array([own], np.int64)))
    if anew:
        state = replace(state, pairing=state.pairing.without_waiting({state.names.index(name) for name in anew}))
    ended.sort(key=lambda event: (event.time_us, event.series, event.rule, event.label))
    return (_assign(state, placed) if changed else state), tuple(sorted(anew)), tuple(ended)


def _plan_beside(placed: dict[Plan, list[CohortState]], series: int) -> Plan | None:
    """The new plan of a series; None while its cadence is not known."""
    return next((plan for plan, parts in placed.items() if any(part.series[0] == series for part in parts)), None)


def _repaired(settings: Settings, state: PipelineState) -> tuple[PipelineState, Ints, list[tuple[int, int]]]:
    """The state with the paired series that the settings want, cohorts as they were; the new number of each series, -1
    for those that are gone; and the paired series that are new, each with its target."""
    pairs, count = state.pairing, len(state.names)
    wanted = {i: name for i in state.ids.tolist() if (name := settings.counterpart_for(state.names[i])) is not None}
    kept = np.array([wanted.get(int(t)) == r for t, r in zip(pairs.target, pairs.counterpart_names, strict=True)], bool)
    had = set(pairs.target[kept].tolist())
    if kept.all() and len(had) == len(wanted):
        return state, np.arange(count), []
    remaining = np.setdiff1d(np.arange(count), pairs.own[~kept])
    number = np.full(count + 1, -1, np.int64)  # the last one is for counterparts that have not appeared
    number[remaining] = np.arange(remaining.size)
    names, source_of = [state.names[i] for i in remaining], state.source_of[remaining].tolist()
    pairs, fresh = pairs.renumbered(number, kept), []
    for target, counterpart in wanted.items():
        if target not in had:
            fresh.append((len(names), int(number[target])))
            pairs = pairs.with_pair(len(names), int(number[target]), counterpart, names)
            names.append(paired_name(state.names[target], counterpart))
            source_of.append(int(state.source_of[target]))
    unknown = np.full(len(names), -1, np.int64)
    return (
        replace(
            state, names=tuple(names), source_of=np.array(source_of, np.int64), cohort_of=unknown, row_of=unknown,
            waiting={int(number[i]): kept_back for i, kept_back in state.waiting.items()}, ids=number[state.ids],
            pairing=pairs,
        ), number, fresh,
    )  # fmt: skip


def _same_judgement(plan: Plan, old: Plan) -> bool:
    return replace(plan, stale_after_us=0) == replace(old, stale_after_us=0)


def _same_cells(plan: Plan, old: Plan) -> bool:
    return _same_judgement(replace(plan, rules=()), replace(old, rules=()))


def _restarted(pipeline: Pipeline, old: Plan, plan: Plan, part: CohortState) -> CohortState:
    """One series with what the new plan leaves of it."""
    fresh = pipeline.cohort(plan).init(part.series)
    if _same_cells(plan, old):
        return _with_rules(pipeline, old, plan, part, fresh)
    if (plan.cadence_us, plan.months) == (old.cadence_us, old.months):
        return fresh._replace(grid=part.grid)  # observations whose tick is still open have been accepted
    grid = pipeline.cohort(plan).grid
    kept, _ = grid.take(fresh.grid, part.grid.pending_row, part.grid.pending_us, part.grid.pending_value)
    return fresh._replace(grid=kept)


def _with_rules(pipeline: Pipeline, old: Plan, plan: Plan, part: CohortState, fresh: CohortState) -> CohortState:
    """One series whose rules alone have changed: a rule that is in both plans keeps its evidence and its alarm."""
    was, now = pipeline.cohort(old).scoring.evidence, pipeline.cohort(plan).scoring.evidence
    kept = [(k, old.rules.index(rule)) for k, rule in enumerate(plan.rules) if rule in old.rules]
    evidence = now.carried(fresh.evidence, was, part.evidence, kept)
    raised, shown = fresh.alarm.raised, fresh.last.evidence
    for k, j in kept:
        raised[:, k], shown[:, k] = part.alarm.raised[:, j], part.last.evidence[:, j]
    alarm = part.alarm._replace(raised=raised)
    if alarm.state[0] in (WARNING, CRITICAL):
        still = [rule.severity for rule, tick in zip(plan.rules, raised[0], strict=True) if tick >= 0]
        state = CRITICAL if "critical" in still else WARNING if still else WATCHING
        alarm = alarm._replace(state=np.array([state], np.int8))
    return part._replace(evidence=evidence, alarm=alarm, last=part.last._replace(evidence=shown))


def _ended(
    pipeline: Pipeline, old: Plan, kept: Sequence[PlanRule], part: CohortState, name: str, source: str
) -> Iterator[AlarmEvent]:
    """The open alarms of one series whose rules are gone, as cleared at its last tick."""
    grid, origin = pipeline.cohort(old).grid, part.grid.origin_us
    (end_us,) = grid.start_us(origin, part.last.tick + 1).tolist()
    evidence = pipeline.cohort(old).scoring.evidence
    for k, (rule, raised) in enumerate(zip(old.rules, part.alarm.raised[0], strict=True)):
        if raised < 0 or rule in kept:
            continue
        (raised_us,) = grid.start_us(origin, raised[None] + 1).tolist()
        leading, first = int(part.evidence.leading[0, k]), evidence.first_channel(k)
        yield alarm_event(
            rule, "cleared", series=name, source=source, raised_us=raised_us, time_us=end_us,
            cadence_us=old.cadence_us, leading=leading - first, remarks=int(part.evidence.label[0, k]),
            threshold=float(part.evidence.threshold[0, leading]),
        )  # fmt: skip


def _assign(state: PipelineState, placed: dict[Plan, list[CohortState]]) -> PipelineState:
    """The same series in cohorts by their new plans."""
    keys: list[CohortKey] = []
    cohorts: list[CohortState] = []
    cohort_of, row_of = state.cohort_of.copy(), state.row_of.copy()
    for plan, parts in placed.items():
        for number, first in enumerate(range(0, len(parts), LARGEST)):
            members = _together(parts[first : first + LARGEST])
            cohort_of[members.series], row_of[members.series] = len(keys), np.arange(members.series.size)
            keys.append((plan, number))
            cohorts.append(members)
    return replace(state, keys=tuple(keys), cohorts=tuple(cohorts), cohort_of=cohort_of, row_of=row_of)


def _one(members: CohortState, row: int) -> CohortState:
    """One series of a cohort as a cohort of its own, its open observations included."""

    def mine(table: T) -> T:
        return type(table)(*(array[[row]] for array in table))

    open_here = members.grid.pending_row == row
    grid = members.grid._replace(
        origin_us=members.grid.origin_us[[row]], next_tick=members.grid.next_tick[[row]],
        newest_us=members.grid.newest_us[[row]], pending_row=np.zeros(int(open_here.sum()), np.int64),
        pending_us=members.grid.pending_us[open_here], pending_value=members.grid.pending_value[open_here],
    )  # fmt: skip
    return CohortState(members.series[[row]], grid, *(mine(getattr(members, part)) for part in CohortState._fields[2:]))


def _stacked(tables: Sequence[T]) -> T:
    return type(tables[0])(*(np.concatenate(arrays) for arrays in zip(*tables, strict=True)))


def _together(parts: Sequence[CohortState]) -> CohortState:
    """Cohorts of one series each as one cohort."""
    pending = [np.full(part.grid.pending_us.size, row, np.int64) for row, part in enumerate(parts)]
    return CohortState(
        np.concatenate([part.series for part in parts]),
        _stacked([part.grid for part in parts])._replace(pending_row=np.concatenate(pending)),
        *(_stacked([getattr(part, name) for part in parts]) for name in CohortState._fields[2:]),
    )
