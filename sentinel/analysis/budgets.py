"""Alarms and their budget: for each rule the ticks at which it could alarm, the alarms it raised, and how many may be.

A budget allows alpha false alarms per watching tick (`pipeline/watching.py`), so that time in alarm, in which nothing
can be raised, does not make a rate look small.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sentinel.analysis.intervals import count_interval
from sentinel.analysis.report import ReportSection
from sentinel.domain.spans import YEAR, print_rounded
from sentinel.pipeline.arrays import Codes, Ints
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT
from sentinel.pipeline.pipeline import CohortKey, PipelineState
from sentinel.pipeline.plan import Plan
from sentinel.pipeline.watching import IN_ALARM, WATCHING, code_ticks
from sentinel.text.words import rule_and_severity

PER_TICKS = 10_000


class RuleTicks(NamedTuple):
    """Counts of watching ticks and of ticks in alarm of some series, one number a rule each."""

    watching: Ints
    in_alarm: Ints
    alarms: Ints


class Watch:
    """Counts for each rule of a run what its ticks were. An observer of the pipeline.

    `kept` are the series of which each tick is kept as well, in `codes`.
    """

    def __init__(self, kept: Collection[str] = ()) -> None:
        self.counts: dict[Plan, RuleTicks] = {}
        self._kept = kept
        self._codes: dict[str, list[Codes]] = {}

    def __call__(self, state: PipelineState, key: CohortKey, members: CohortState, stepped: SteppedBlock) -> None:
        """Count the ticks of a block."""
        plan, series = key[0], members.series[stepped.block.rows]
        codes, raised = code_ticks(stepped), stepped.scored.evidence.raised
        found = (codes == WATCHING, codes == IN_ALARM, raised)
        before = self.counts.get(plan)
        new = RuleTicks(*(flags.sum(axis=(0, 1)) for flags in found))
        self.counts[plan] = new if before is None else RuleTicks(*map(np.add, before, new))
        if self._kept:
            for column, number in enumerate(series.tolist()):
                if (name := state.names[number]) in self._kept:
                    here = stepped.block.kind[:, column] != ABSENT
                    self._codes.setdefault(name, []).append(codes[here, column])

    @property
    def codes(self) -> dict[str, Codes]:
        """Codes of the ticks of the series that are kept, as `code_ticks` gives them, (tick, rule)."""
        return {name: np.concatenate(parts) for name, parts in self._codes.items()}


class RuleBudget(NamedTuple):
    """One rule over all its series."""

    rule: str
    """Kind; `label` is its name within the kind."""
    label: str
    severity: str
    watching: int
    """Ticks at which it could alarm."""
    in_alarm: int
    alarms: int
    allowed: float
    """False alarms that its budget allows there: alpha times the watching ticks, added up over all cadences."""
    years: float
    """Watching ticks as years of all series together; of no meaning where time is a number."""

    @property
    def in_alarm_share(self) -> float | None:
        """Share of the judged ticks that are in alarm; None if none was judged."""
        judged = self.watching + self.in_alarm
        return self.in_alarm / judged if judged else None

    def rate(self, count: float, *, numbered: bool) -> float | None:
        """Give so many alarms per watching year and series, or per 10,000 ticks; None if no tick was watching."""
        span = self.watching / PER_TICKS if numbered else self.years
        return count / span if self.watching else None


def list_budgets(counts: Iterable[tuple[Plan, RuleTicks]]) -> list[RuleBudget]:
    """Add up what was counted by plan for each rule, in the order of the rules."""
    rules: dict[tuple[str, str, str], list[float]] = {}
    for plan, ticks in counts:
        for rule, watching, in_alarm, alarms in zip(plan.rules, *(each.tolist() for each in ticks), strict=True):
            years = watching * plan.cadence_us / YEAR
            new = (watching, in_alarm, alarms, rule.alpha * watching, years)
            before = rules.setdefault((rule.kind, rule.label, rule.severity), [0, 0, 0, 0.0, 0.0])
            before[:] = [a + b for a, b in zip(before, new, strict=True)]
    return [
        RuleBudget(*rule, int(watching), int(in_alarm), int(alarms), allowed, years)
        for rule, (watching, in_alarm, alarms, allowed, years) in rules.items()
    ]


def describe_budgets(rules: Sequence[RuleBudget], *, numbered: bool) -> ReportSection:
    """Describe the alarms of each rule beside its budget, for page and terminal."""
    title = "Alarms and their budget"
    if not any(rule.watching for rule in rules):
        return ReportSection(
            title, ["No rule had a verdict at any tick: nothing can be said of alarms and budget."], looks_back=False
        )
    words = (
        "A rule can alarm at a tick that it judges while it has no alarm open: alarms and budget are counted over "
        "those ticks, time in alarm over all that it judges. The interval in brackets is exact at 95 % and takes "
        "alarms as independent of each other. An alarm beyond the budget need not be false: which data are quiet only "
        "labelled events say (--events)."
    )
    return ReportSection(title, [words], [budget_table(rules, numbered=numbered)], looks_back=False)


def budget_table(rules: Sequence[RuleBudget], *, numbered: bool, where: str = "") -> list[list[str]]:
    """Make a table with a row for each rule; `where` says of which data it is, if not of all."""
    per = f"per {PER_TICKS:,} ticks" if numbered else "a year and series"
    first = f"rule {where}" if where else "rule"
    head = [first, "could alarm for", "alarms", per, "budget", "alarms / budget", "in alarm"]
    return [head, *(list(_row(rule, numbered=numbered)) for rule in rules)]


def _row(rule: RuleBudget, *, numbered: bool) -> Iterator[str]:
    yield rule_and_severity(rule.rule, rule.label, rule.severity)
    if not rule.watching:
        yield from ("no tick", *["-"] * 5)
        return
    yield f"{rule.watching:,} ticks" + ("" if numbered else f", {print_rounded(rule.years)} years")
    yield f"{rule.alarms:,}"
    for count in (rule.alarms, rule.allowed):
        yield print_rounded(rule.rate(count, numbered=numbered) or 0.0)
    low, high = (end / rule.allowed for end in count_interval(rule.alarms))
    yield f"{print_rounded(rule.alarms / rule.allowed)} ({print_rounded(low)} to {print_rounded(high)})"
    yield f"{rule.in_alarm_share or 0.0:.1%}"


def budget_data(rules: Sequence[RuleBudget], *, numbered: bool) -> list[dict[str, object]]:
    """Give the alarms and the budget of each rule as JSON-ready data; what does not exist is None."""
    return [
        {
            "kind": rule.rule, "label": rule.label, "severity": rule.severity, "watching_ticks": rule.watching,
            "in_alarm_ticks": rule.in_alarm, "alarms": rule.alarms, "budget": rule.allowed,
            "in_alarm_share": rule.in_alarm_share,
            "watching_years": None if numbered else rule.years,
            "alarms_per_year": None if numbered else rule.rate(rule.alarms, numbered=False),
            "budget_per_year": None if numbered else rule.rate(rule.allowed, numbered=False),
        }
        for rule in rules
    ]  # fmt: skip
