"""The alarms of the default rule and its usual alternatives, which judge the blocks of the analysis once more.

All of them have the budget of the default warning, so that they differ in what they claim and in nothing else. The
record is conditioned and read as it was, cadence, season and half-lives are the configured ones; nothing of this
reaches `readings.parquet` or `alarms.csv`. The table is for choosing a rule *before* more data come: whoever chooses
the rule that fits a record best, and then quotes its figures on the same record, has hindsight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sentinel.analysis.budgets import PER_TICKS, RuleBudget, Watch, list_budgets
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.report import ReportSection
from sentinel.analysis.surrogates import NULLS
from sentinel.analysis.trend import FEWEST, INDICATORS, SURROGATES, Deviations, Trend, find_trends
from sentinel.config import RELATIVE, AlarmSettings, Settings
from sentinel.domain.spans import print_rounded
from sentinel.pipeline import arrays
from sentinel.pipeline.arrays import Floats
from sentinel.pipeline.cohort import Cohort, CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT, Grid
from sentinel.pipeline.pipeline import CohortKey, PipelineState
from sentinel.pipeline.plan import Plan, PlanRule
from sentinel.pipeline.scoring import Judgement, take_rules
from sentinel.text.words import rule_in_words

TITLE = "What each rule would have said"
LARGEST = 100_000
"""Ticks of all series together up to which other rules are tried: their blocks are kept until then."""
THRESHOLDS = (RELATIVE, 0.6, 0.8)
SMALL = 0.05
"""A p-value below it is counted."""
NAMED = 10
"""Series whose trends are named one by one, those with the smallest p-values."""
AGAINST_ALL = 20
"""Series whose trends are held against every null hypothesis in a report; the others, against the first."""
FIRST_NULL = (next(iter(NULLS)),)


class Blocks:
    """Keeps the blocks of a run while they are few, so that other rules can judge the same ticks. An observer."""

    def __init__(self) -> None:
        self.ticks = 0
        self._state = PipelineState()
        self._members: dict[CohortKey, CohortState] = {}
        self._blocks: list[tuple[CohortKey, SteppedBlock]] = []

    def __call__(self, state: PipelineState, key: CohortKey, members: CohortState, stepped: SteppedBlock) -> None:
        """Take in a block."""
        self.ticks += int((stepped.block.kind != ABSENT).sum())
        if self.ticks > LARGEST:
            self._members, self._blocks = {}, []
            return
        # Series only ever come behind those that a cohort has.
        self._state, self._members[key] = state, members
        self._blocks.append((key, stepped))

    def judge(
        self, rules: Callable[[Plan], tuple[PlanRule, ...]]
    ) -> Iterator[tuple[Grid, PipelineState, CohortKey, CohortState, SteppedBlock]]:
        """Give the blocks as they would be with other rules, none of kind rise or on spread, for their evidence.

        Of a rule that judged them already nothing is computed again.
        """
        known: dict[CohortKey, tuple[Cohort, Judgement]] = {}
        for key, stepped in self._blocks:
            members, rows, others = self._members[key], stepped.block.rows, rules(key[0])
            new = tuple(rule for rule in others if rule not in key[0].rules)
            if key not in known:
                cohort = Cohort(replace(key[0], rules=new))
                known[key] = cohort, cohort.scoring.begin(members.series.size)
            cohort, whole = known[key]
            before = arrays.take(whole, rows)
            none_open = np.zeros((rows.size, len(new)), np.bool_)
            after, found, _ = cohort.scoring.judge(
                before, stepped.conditioned, stepped.scored.basis, stepped.block.kind, none_open
            )
            known[key] = cohort, arrays.put(whole, rows, before, after)
            both = (*key[0].rules, *new)
            order = np.array([both.index(rule) for rule in others], np.intp)
            evidence = take_rules([stepped.scored.evidence, found], order)
            judged = stepped._replace(scored=stepped.scored._replace(evidence=evidence))
            yield cohort.grid, self._state, (replace(key[0], rules=others), key[1]), members, judged


class Raised(NamedTuple):
    """An alarm that a rule would have raised."""

    time_us: int
    series: str


class Alternatives(NamedTuple):
    """The alarms of the default rule and its alternatives on one record."""

    rules: list[RuleBudget]
    alarms: dict[tuple[str, str], list[Raised]]
    """Alarms of each rule by kind and label, in order of time."""
    trends: dict[str, dict[str, Trend]]
    """By series; without those that are too short."""
    values: int
    """Ticks with a value, of all series together."""


def try_rules(records: Sequence[SeriesRecord], blocks: Blocks) -> Alternatives | None:
    """Let every alternative judge the blocks that gave these records; None if they were too many."""
    if blocks.ticks > LARGEST:
        return None
    numbered = records[0].axis.numbered
    watch, deviations = Watch(), Deviations()
    alarms: dict[tuple[str, str], list[Raised]] = {}
    judged = blocks.judge(lambda plan: list_rules(plan, numbered=numbered))
    for grid, state, key, members, stepped in judged:
        watch(state, key, members, stepped)
        deviations(state, key, members, stepped)
        for t, s, k in np.argwhere(stepped.scored.evidence.raised).tolist():
            row = stepped.block.rows[s]
            end_us = grid.start_us(members.grid.origin_us[row], stepped.block.tick[t, s] + 1)
            raised = Raised(int(end_us), state.names[members.series[row]])
            rule = key[0].rules[k]
            alarms.setdefault((rule.kind, rule.label), []).append(raised)
    trends = find_all_trends(deviations.by_series, AGAINST_ALL)
    values = sum(record.ticks - record.missing for record in records)
    in_order = {rule: sorted(raised) for rule, raised in alarms.items()}
    return Alternatives(list_budgets(watch.counts.items()), in_order, trends, values)


def list_rules(plan: Plan, *, numbered: bool) -> tuple[PlanRule, ...]:
    """List the default warning and its alternatives for a plan, all with the budget of the default warning."""
    default = Settings().alarms[0]
    alpha = (default.without_calendar() if numbered else default).alpha_per_tick(plan.cadence)
    others = (
        AlarmSettings(threshold=threshold, alpha=alpha, at_start=None if threshold == RELATIVE else "alarm")
        for threshold in THRESHOLDS
    )
    return (
        PlanRule.of(default.model_copy(update={"false_alarms": None, "alpha": alpha}), plan.cadence),
        *(PlanRule.of(rule, plan.cadence) for rule in others),
    )


def describe_alternatives(tried: Alternatives, records: Sequence[SeriesRecord]) -> ReportSection:
    """Describe what each rule would have said, for page and terminal."""
    trends = [list(_trend_table(tried.trends))] if tried.trends else []
    on_trends = _trends_in_words(tried.trends)
    if not any(rule.watching + rule.in_alarm for rule in tried.rules):
        words = "Neither the default warning nor another rule has a verdict at any tick of this record."
        return ReportSection(TITLE, [words, *on_trends], trends)
    numbered, learnt = records[0].axis.numbered, {r.plan.baseline_pairs for r in records if r.plan is not None}
    past = f" (its first {min(learnt):,} pairs)" if len(learnt) == 1 else ""
    of_name = {record.name: record for record in records}
    per = f"alarms per {PER_TICKS:,} ticks" if numbered else "alarms a year and series"
    table = [["rule", "series in alarm", per, "first alarm", "time in alarm", "values judged"]]
    for rule in tried.rules:
        name = rule_in_words(rule.rule, rule.label) + (past if rule.label == RELATIVE else "")
        alarms = tried.alarms.get((rule.rule, rule.label), [])
        table.append([name, *_rule_row(rule, alarms, tried.values, of_name, numbered=numbered)])
    words = (
        "The default warning and other rules on the same record, each with the budget of the default warning; what was "
        "configured is not changed. Rates are counted where a rule could alarm. A threshold that is a number alarms "
        "here from the first verdict on (at_start: alarm); without that setting the rule would be held there."
    )
    limit = (
        "Who takes the rule that fits this record best has chosen it with hindsight: its figures here are no promise "
        "for other records."
    )
    return ReportSection(TITLE, [words, *on_trends], [table, *trends], limits=(limit,))


def _trends_in_words(trends: Mapping[str, Mapping[str, Trend]]) -> Iterator[str]:
    if not trends:
        yield f"Kendall's tau is not given: no series has {FEWEST} deviations from its level."
        return
    yield (
        "Kendall's tau: does it rise over windows of half the record? A p-value is the share of records without a "
        f"trend, of {SURROGATES} (a fixed seed), whose tau is as large; each tests a null hypothesis of its own. "
        f"{' '.join(f'{name}: {words}.' for name, words in NULLS.items())} That is exploratory: one look at "
        f"the whole record, in which about 1 of 20 series without a trend has p < {SMALL:g}. It has no "
        "false-alarm budget over time."
    )


def find_all_trends(deviations: Mapping[str, Floats], against_all: float = math.inf) -> dict[str, dict[str, Trend]]:
    """Find the trends of every series that is long enough; beyond so many series against the first null hypothesis."""
    found: dict[str, dict[str, Trend]] = {}
    for name, own in deviations.items():
        if trend := find_trends(own, FIRST_NULL if len(found) >= against_all else tuple(NULLS)):
            found[name] = trend
    return found


def _rule_row(
    rule: RuleBudget, alarms: Sequence[Raised], values: int, of_name: Mapping[str, SeriesRecord], *, numbered: bool
) -> Iterator[str]:
    rate = rule.rate(rule.alarms, numbered=numbered)
    if rate is None:
        yield from ("no verdict", "-", "-", "-", "0%")
        return
    yield f"{len({event.series for event in alarms})} of {len(of_name)}"
    yield f"{print_rounded(rate)}, budget {print_rounded(rule.rate(rule.allowed, numbered=numbered) or 0.0)}"
    first = min(alarms, default=None)
    yield "none" if first is None else f"{of_name[first.series].moment(first.time_us)}, {first.series}"
    yield f"{rule.in_alarm_share or 0.0:.1%}"
    yield f"{(rule.watching + rule.in_alarm) / values:.0%}"


def _trend_table(trends: Mapping[str, Mapping[str, Trend]]) -> Iterator[list[str]]:
    """Give a row for each indicator of all series together, and of those with the smallest p-values."""
    yield ["Kendall's tau (exploratory)", "tau", *(f"p, {null}" for null in NULLS)]
    for indicator in INDICATORS:
        row = []
        for null in NULLS:
            p = np.array([own[indicator].p[null] for own in trends.values() if null in own[indicator].p])
            row.append(f"< {SMALL:g} in {(p < SMALL).sum()} of {p.size}" if p.size else "-")
        yield [f"{indicator}, {len(trends):,} series", "-", *row]
    smallest = sorted(
        (min(trend.p.values(), default=1.0), name) for name, own in trends.items() for trend in own.values()
    )
    for name in list(dict.fromkeys(name for _, name in smallest))[:NAMED]:
        for indicator, trend in trends[name].items():
            numbers = (f"{trend.p[null]:.2f}" if null in trend.p else "-" for null in NULLS)
            yield [f"{indicator}, {name}", f"{trend.tau:.2f}", *numbers]
