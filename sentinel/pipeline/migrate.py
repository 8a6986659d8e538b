"""A change of settings, applied to a state.

A series whose plan is the same, but perhaps for the time after which it is stale, goes on as if nothing had happened.
One whose rules or checks alone have changed keeps its cells; a rule that is still there, if with another budget, keeps
its evidence and its alarm. Any other change starts a series afresh, in `learning`, on its old grid where the cadence is
the same. Alarms whose rules are gone end, and so do those of comparisons that are no longer wanted; new comparisons
begin here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from math import log10

import numpy as np

from sentinel.config import Settings, SiteSettings
from sentinel.domain.events import SETTINGS, AlarmEvent, SiteEvent
from sentinel.domain.labels import comparison_name
from sentinel.domain.renaming import present_names
from sentinel.pipeline import sites
from sentinel.pipeline.alarm import CRITICAL, WARNING, WATCHING
from sentinel.pipeline.arrays import Flags, Ints
from sentinel.pipeline.cohort import CohortState, take_series
from sentinel.pipeline.pipeline import CohortKey, Pipeline, PipelineState
from sentinel.pipeline.plan import Plan, PlanRule, SeriesPlans
from sentinel.pipeline.results import Result, alarm_event
from sentinel.pipeline.state import assign, number_names

_OF_PLANS = ("series", "banks", "alarms")
"""The settings that plans are made of."""


def migrate(
    pipeline: Pipeline, state: PipelineState, former: Settings | None = None
) -> tuple[PipelineState, tuple[str, ...], tuple[AlarmEvent, ...]]:
    """Bring a state to the pipeline's settings; also name the series that start afresh, and end the alarms it has to.

    If nothing that plans are made of differs from the `former` settings, the state is returned itself.
    """
    if former is not None and all(getattr(former, part) == getattr(pipeline.settings, part) for part in _OF_PLANS):
        return state, (), ()
    before = state
    state, number, fresh = _renew_comparisons(pipeline.settings, state)
    plans = SeriesPlans(pipeline.plans, state.names, state.comparisons.target_of(len(state.names)))
    afresh: list[int] = []
    ended: list[AlarmEvent] = []
    keys: list[CohortKey] = []
    kept: list[CohortState] = []
    parts: dict[Plan, list[CohortState]] = defaultdict(list)
    for (old, at), members in zip(before.keys, before.cohorts, strict=True):
        ids = number[members.series]
        gone = np.flatnonzero(ids < 0)
        ended += end_alarms(pipeline, before, old, (), take_series(members, gone), SETTINGS)
        for plan, rows in plans.divide(ids, old.cadence, conditioning=old.conditioning):
            part = take_series(members, rows)
            if not np.array_equal(part.series, ids[rows]):
                part = part._replace(series=ids[rows])
            if plan == old and rows.size == ids.size:
                keys.append((old, at))
                kept.append(part)
                continue
            if not _has_same_verdicts(plan, old):
                rules = plan.rules if _has_same_cells(plan, old) else ()
                ended += end_alarms(pipeline, state, old, rules, part, SETTINGS)
                part = _follow_plan(pipeline, old, plan, part)
            if not _has_same_cells(plan, old):
                afresh += part.series.tolist()
            parts[plan].append(part)
    for old, own in _divide_by_plan(before, fresh):
        for plan, positions in plans.divide(own, old.cadence, conditioning=old.conditioning):
            parts[plan].append(pipeline.cohort(plan).init(own[positions]))
    if afresh:
        state = replace(state, comparisons=state.comparisons.forget_waiting(afresh))
    if parts or state is not before:
        state = assign(state.with_cohorts(keys, kept), parts)
    ended.sort(key=lambda event: (event.time_us, event.series, event.rule, event.label))
    return state, tuple(sorted(state.names[i] for i in afresh)), tuple(ended)


def _renew_comparisons(settings: Settings, state: PipelineState) -> tuple[PipelineState, Ints, list[tuple[int, int]]]:
    """Drop and add comparisons as the settings want; the cohorts stay as they were.

    Also give the new number of each series, -1 for those that are gone; and of each new comparison its number, with
    that which its target had before.
    """
    old, count = state.comparisons, len(state.names)
    compared = any(entry.counterpart is not None for entry in settings.series)
    ids = [i for i in state.ids.tolist() if i >= 0] if compared else []
    present = present_names(state.renamed)
    named = {i: name for i in ids if (name := settings.counterpart_for(state.names[i])) is not None}
    wanted = {i: present.get(name, name) for i, name in named.items()}
    kept = np.array([wanted.get(t) == r for t, r in zip(old.target.tolist(), old.counterpart_names, strict=True)], bool)
    added = sorted(wanted.keys() - set(old.target[kept].tolist()))
    if kept.all() and not added:
        return state, np.arange(count), []
    remaining = np.setdiff1d(np.arange(count), old.own[~kept])
    number = np.full(count + 1, -1, np.int64)  # the last one is for counterparts that have not appeared
    number[remaining] = np.arange(remaining.size)
    names, source_of = [state.names[i] for i in remaining.tolist()], state.source_of[remaining].tolist()
    comparisons, known = old.keep(kept, number), number_names(names)
    own = list(range(len(names), len(names) + len(added)))
    for target in added:
        names.append(comparison_name(state.names[target], wanted[target]))
        known.setdefault(names[-1], len(names) - 1)
        source_of.append(int(state.source_of[target]))
    counterparts = [wanted[target] for target in added]
    found = np.array([known.get(name, -1) for name in counterparts], np.int64)
    comparisons = comparisons.extend(
        own, number[added].tolist(), counterparts, np.append(comparisons.counterpart, found)
    )
    waiting = {int(number[i]): kept_back for i, kept_back in state.waiting.items()}
    state = replace(
        state, names=tuple(names), source_of=np.array(source_of, np.int64), waiting=waiting, ids=number[state.ids],
        comparisons=comparisons,
    )  # fmt: skip
    return state, number, list(zip(own, added, strict=True))


def _divide_by_plan(before: PipelineState, fresh: Sequence[tuple[int, int]]) -> Iterator[tuple[Plan, Ints]]:
    """Gather new comparisons by what their targets' plan was, without those whose cadence is not known."""
    found: dict[Plan, list[int]] = defaultdict(list)
    for own, target in fresh:
        at = before.cohort_of[target]
        if at >= 0:
            found[before.keys[at][0]].append(own)
    for plan, several in found.items():
        yield plan, np.array(several, np.int64)


def _has_same_verdicts(plan: Plan, old: Plan) -> bool:
    return replace(plan, stale_after_us=0) == replace(old, stale_after_us=0)


def _has_same_cells(plan: Plan, old: Plan) -> bool:
    return _has_same_verdicts(replace(plan, rules=(), checks=()), replace(old, rules=(), checks=()))


def _follow_plan(pipeline: Pipeline, old: Plan, plan: Plan, part: CohortState) -> CohortState:
    """Give series what the new plan leaves them of their state."""
    if _has_same_cells(plan, old):
        if plan.checks != old.checks:  # what was checked before stays as it was judged
            part = part._replace(checks=pipeline.cohort(plan).checks.init(part.series.size))
        return _follow_rules(pipeline, old, plan, part)
    fresh = pipeline.cohort(plan).init(part.series)
    if (plan.cadence_us, plan.months) == (old.cadence_us, old.months):
        return fresh._replace(grid=part.grid)  # observations whose tick is still open have been accepted
    grid = pipeline.cohort(plan).grid
    kept, _ = grid.take(fresh.grid, part.grid.pending_row, part.grid.pending_us, part.grid.pending_value)
    return fresh._replace(grid=kept)


def _follow_rules(pipeline: Pipeline, old: Plan, plan: Plan, part: CohortState) -> CohortState:
    """Give series other rules; a rule that is in both plans keeps its evidence and its alarm.

    Evidence is money, and does not depend on the budget: only its share of the new alarm line does.
    """
    was, now = pipeline.cohort(old).scoring, pipeline.cohort(plan).scoring
    found = [_find(rule, old.rules) for rule in plan.rules]
    kept = [(k, j) for k, j in enumerate(found) if j is not None]
    raised = np.full((part.series.size, len(plan.rules)), -1, np.int64)
    evidence = np.full(raised.shape, np.nan)
    for k, j in kept:
        raised[:, k] = part.alarm.raised[:, j]
        evidence[:, k] = part.last.evidence[:, j] + log10(plan.rules[k].alpha / old.rules[j].alpha)
    critical = np.array([rule.severity == "critical" for rule in plan.rules], bool)
    still = np.where((raised >= 0).any(axis=1), WARNING, WATCHING)
    still[(raised[:, critical] >= 0).any(axis=1)] = CRITICAL
    alarmed = np.isin(part.alarm.state, (WARNING, CRITICAL))
    state = np.where(alarmed, still, part.alarm.state).astype(np.int8)
    of_rules, slower = now.carry_over(was, part.evidence, part.slower, kept)
    return part._replace(
        evidence=of_rules, slower=slower, alarm=part.alarm._replace(raised=raised, state=state),
        last=part.last._replace(evidence=evidence),
    )  # fmt: skip


def _find(rule: PlanRule, rules: Sequence[PlanRule]) -> int | None:
    """Give the place of a rule among these, whatever its budget and its start were there; None if it is not there."""
    alike = (replace(rule, alpha=other.alpha, waits=other.waits) == other for other in rules)
    return next((j for j, same in enumerate(alike) if same), None)


def end_alarms(
    pipeline: Pipeline, state: PipelineState, old: Plan, kept: Sequence[PlanRule], part: CohortState, ended_by: str
) -> Iterator[AlarmEvent]:
    """Clear the open alarms of these series whose rules are gone, at the last tick of each, and say what ended them."""
    gone = np.array([_find(rule, kept) is None for rule in old.rules], bool)
    return (one._replace(ended_by=ended_by) for one in tell_open(pipeline, state, old, part, gone, "cleared"))


def open_alarms(pipeline: Pipeline, state: PipelineState) -> Iterator[AlarmEvent]:
    """Give the events that raised the alarms which are open."""
    for (plan, _), members in zip(state.keys, state.cohorts, strict=True):
        yield from tell_open(pipeline, state, plan, members, np.ones(len(plan.rules), bool), "raised")


def tell_open(
    pipeline: Pipeline, state: PipelineState, plan: Plan, part: CohortState, rules: Flags, what: str
) -> Iterator[AlarmEvent]:
    """Give the events that raise the open alarms of some rules, (rule,) or (series, rule), or clear them."""
    cohort, raised = pipeline.cohort(plan), part.alarm.raised
    for row, k in np.argwhere((raised >= 0) & rules).tolist():
        facts = cohort.scoring.find_facts(part.evidence, part.slower, np.array([row]), k)[0]
        tick = raised[row, k] if what == "raised" else part.last.tick[row]
        yield alarm_event(
            state, cohort, part, row, k, what, raised[row, k], tick, facts.leading, facts.label, facts.held_against
        )


def follow_sites(
    pipeline: Pipeline, state: PipelineState, former: Settings, ended: tuple[AlarmEvent, ...]
) -> tuple[PipelineState, Result]:
    """Bring sites to the pipeline's settings: one that has gone, or is another now, ends its alarm, and one that is new
    counts the alarms that are open."""
    sites_now = pipeline.settings.sites
    if sites_now == former.sites:
        return pipeline.with_sites(state, Result(ended))
    now_us = max(state.newest_us().values(), default=0)
    left, closed = sites.end_alarms([site for site in former.sites if site not in sites_now], state.sites, now_us)
    state, result = pipeline.with_sites(replace(state, sites=left), Result(ended))
    new = [site for site in sites_now if site not in former.sites]
    state, raised = count_open(pipeline, state, new)
    return state, replace(result, sites=(*closed, *result.sites, *raised))


def count_open(
    pipeline: Pipeline, state: PipelineState, chosen: Sequence[SiteSettings], among: Collection[str] | None = None
) -> tuple[PipelineState, tuple[SiteEvent, ...]]:
    """Let sites count the open alarms that they do not know yet; of these series only, if some are named."""
    alarms = [one for one in open_alarms(pipeline, state) if among is None or one.series in among]
    alarms.sort(key=lambda one: (one.time_us, one.series, one.rule, one.label))
    after, raised = sites.advance(chosen, state.sites, alarms, state.variables())
    return replace(state, sites=after), raised
