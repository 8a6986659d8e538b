"""The alarms of the default rule and its usual alternatives, for which the same record is run once more.

All of them have the budget of the default warning, so that they differ in what they claim and in nothing else. The
record is conditioned as it was, cadence, season and half-lives are the configured ones; nothing of this pass reaches
`readings.parquet` or `alarms.csv`. The table is for choosing a rule *before* more data come: whoever chooses the rule
that fits a record best, and then quotes its figures on the same record, has hindsight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sentinel.analysis.budgets import PER_TICKS, RuleBudget, Watch, list_budgets
from sentinel.analysis.intake import SortedObservations
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.report import ReportSection
from sentinel.analysis.run import run
from sentinel.analysis.trend import INDICATORS, SURROGATES, Deviations, Trend, find_trends
from sentinel.config import RELATIVE, AlarmSettings, Settings
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spans import print_rounded
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.pipeline import CohortKey, PipelineState
from sentinel.pipeline.plan import Plan, PlanRule
from sentinel.text.words import rule_in_words

LARGEST = 100_000
"""Ticks of all series together up to which the other rules are run."""
THRESHOLDS = (RELATIVE, 0.6, 0.8)
SMALL = 0.05
"""A p-value below it is counted."""
NAMED = 3
"""Trends that are named one by one."""


class Alternatives(NamedTuple):
    """The alarms of the default rule and its alternatives on one record."""

    rules: list[RuleBudget]
    alarms: dict[tuple[str, str], list[AlarmEvent]]
    """Alarms of each rule by kind and label, in order of time."""
    trends: dict[str, dict[str, Trend]]
    """By series; without those that are too short."""
    values: int
    """Ticks with a value, of all series together."""


def try_rules(
    records: Sequence[SeriesRecord], settings: Settings, observations: SortedObservations, *, conditioning: bool
) -> Alternatives | None:
    """Run every alternative over the observations to which `records` belong; None if they are too many."""
    if sum(record.ticks for record in records) > LARGEST:
        return None
    numbered = records[0].axis.numbered
    watch, deviations = Watch(), Deviations()

    def observe(state: PipelineState, key: CohortKey, members: CohortState, stepped: SteppedBlock) -> None:
        watch(state, key, members, stepped)
        deviations(state, key, members, stepped)

    found = run(
        observations, settings, conditioning=conditioning, readings=None, kept=0, observer=observe,
        rules=lambda plan: list_rules(plan, numbered=numbered),
    )  # fmt: skip
    alarms: dict[tuple[str, str], list[AlarmEvent]] = {}
    for event in found.events:
        if event.what == "raised":
            alarms.setdefault((event.rule, event.label), []).append(event)
    trends = {name: trend for name, own in deviations.by_series.items() if (trend := find_trends(own))}
    values = sum(record.ticks - record.missing for record in records)
    return Alternatives(list_budgets(watch.counts.items()), alarms, trends, values)


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
    numbered, learnt = records[0].axis.numbered, {r.plan.baseline_pairs for r in records if r.plan is not None}
    past = f" (its first {min(learnt):,} pairs)" if len(learnt) == 1 else ""
    of_name = {record.name: record for record in records}
    per = f"alarms per {PER_TICKS:,} ticks" if numbered else "alarms a year and series"
    table = [["rule", "series in alarm", per, "first alarm", "time in alarm", "values judged"]]
    table += [
        [
            _name(rule, past),
            *_rule_row(rule, tried.alarms.get((rule.rule, rule.label), []), tried.values, of_name, numbered=numbered),
        ]
        for rule in tried.rules
    ]
    table += [_trend_row(name, tried.trends) for name in INDICATORS]
    words = [
        "The default warning and other rules on the same record, each with the budget of the default warning; what was "
        "configured is not changed. Rates are counted where a rule could alarm. A threshold that is a number alarms "
        "here from the first verdict on (at_start: alarm); without that setting the rule would be held there.",
        f"Kendall: does it rise over windows of half the record? The p-value is against {SURROGATES} records without a "
        "trend (an AR process fitted to each series). That is exploratory: one look at the whole record, in which "
        f"about 1 of 20 series without a trend has p < {SMALL:g}. It has no false-alarm budget over time.",
    ]
    named = sorted(
        (trend.p, name, what, trend.tau) for name, own in tried.trends.items() for what, trend in own.items()
    )
    if small := [f"{name}, {what}: tau {tau:.2f}, p {p:.2g}" for p, name, what, tau in named if p < SMALL]:
        words.append(f"Smallest p-values: {'; '.join(small[:NAMED])}.")
    limit = (
        "Who takes the rule that fits this record best has chosen it with hindsight: its figures here are no promise "
        "for other records."
    )
    return ReportSection("What each rule would have said", words, [table], limits=(limit,))


def _name(rule: RuleBudget, past: str) -> str:
    return rule_in_words(rule.rule, rule.label) + (past if rule.label == RELATIVE else "")


def _rule_row(
    rule: RuleBudget, alarms: Sequence[AlarmEvent], values: int, of_name: Mapping[str, SeriesRecord], *, numbered: bool
) -> Iterator[str]:
    rate = rule.rate(rule.alarms, numbered=numbered)
    if rate is None:
        yield from ("no verdict", "-", "-", "-", "0%")
        return
    yield f"{len({event.series for event in alarms})} of {len(of_name)}"
    yield f"{print_rounded(rate)}, budget {print_rounded(rule.rate(rule.allowed, numbered=numbered) or 0.0)}"
    first = min(alarms, key=lambda event: (event.time_us, event.series), default=None)
    yield "none" if first is None else f"{of_name[first.series].moment(first.time_us)}, {first.series}"
    yield f"{rule.in_alarm_share or 0.0:.1%}"
    yield f"{(rule.watching + rule.in_alarm) / values:.0%}"


def _trend_row(indicator: str, trends: Mapping[str, Mapping[str, Trend]]) -> list[str]:
    name = f"Kendall tau of {indicator} (exploratory)"
    if not trends:
        return [name, "too few values", "-", "-", "-", "-"]
    p = np.array([own[indicator].p for own in trends.values()])
    return [name, f"p < {SMALL:g} in {(p < SMALL).sum()} of {p.size}", "no budget over time", "-", "-", "-"]
