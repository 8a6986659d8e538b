"""What labelled events say, in words and tables for page and terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from sentinel.analysis.intervals import of_count, of_share
from sentinel.analysis.matched import Rival
from sentinel.analysis.phases import Phase
from sentinel.analysis.report import Section
from sentinel.analysis.skill import Skill
from sentinel.domain.spelling import duration_in_words

YEAR_SECONDS = 365.25 * 86_400
PER_TICKS = 10_000
LISTED = 30
"""Events named one by one."""
FEW = 10
"""Fewer distinct events than this prove nothing about skill."""
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def section(skill: Skill, rivals: Sequence[Rival]) -> Section:
    """The whole verdict."""
    tables = [_rival_table(skill, rivals)]
    if skill.events:
        tables.insert(0, _event_table(skill))
    return Section("Against labelled events", tuple(_words(skill)), tables, limits=tuple(limits(skill)))


def length(skill: Skill, lead: float) -> str:
    """A lead in words: calendar time, or the owner's units."""
    return f"{lead:.4g}" if skill.numbered else duration_in_words(lead)


def _words(skill: Skill) -> Iterator[str]:
    n = len(skill.events)
    if n:
        low, high = of_share(skill.detected, n)
        missed = [event for event in skill.events if event.alarm is None]
        blind = sum(event.ticks == 0 for event in missed)
        unseen = f" ({blind} of them without a verdict at any tick before: learning or blind)" if blind else ""
        share = f"{skill.detected} of {n} ({low:.0%} to {high:.0%})"
        yield f"Detected before the event: {share}; {len(missed)} missed{unseen}."
    if skill.detected:
        leads = [length(skill, q) for q in quantiles([event.lead for event in skill.events])]
        still = sum(event.still_open for event in skill.events)
        unit = ", in units of time" if skill.numbered else ""
        yield (
            f"Lead from the first alarm to the event{unit}: median {leads[2]}, quartiles {leads[1]} and {leads[3]}, "
            f"from {leads[0]} to {leads[4]}; at {still} of {skill.detected} the alarm was still open."
        )
    yield (
        f"Alarms: {skill.count(Phase.EXPECTED)} True (before an event), {skill.count(Phase.LATE)} Late (after it, no "
        f"warning), {skill.count(Phase.QUIET)} False (quiet data), {skill.count(Phase.OPEN)} where slowing was "
        f"expected and no event came, {skill.count(Phase.UNKNOWN)} where nothing is known."
    )
    if skill.quiet.ticks:
        yield _rate_in_words(skill)
        yield _budget_in_words(skill)


def _rate(skill: Skill) -> tuple[float, str]:
    """Of one false alarm the rate that it makes, and per what."""
    if skill.numbered:
        return PER_TICKS / skill.quiet.ticks, f"{PER_TICKS:,} ticks"
    return YEAR_SECONDS / skill.quiet.seconds, "series-year"


def _rate_in_words(skill: Skill) -> str:
    false, quiet = skill.count(Phase.QUIET), skill.quiet
    each, per = _rate(skill)
    low, high = of_count(false)
    span = f"{quiet.ticks:,} ticks" + ("" if skill.numbered else f", {quiet.seconds / YEAR_SECONDS:.3g} series-years")
    return (
        f"Quiet data with a verdict: {span}. False alarms: {false}, that is {false * each:.3g} per {per} "
        f"({low * each:.3g} to {high * each:.3g}); {quiet.under_alarm / quiet.ticks:.1%} of it under alarm."
    )


def _budget_in_words(skill: Skill) -> str:
    false, budget = skill.count(Phase.QUIET), skill.quiet.budget
    if budget == 0:
        return "Budget: no rule could alarm in quiet data."
    low, high = of_count(false)
    verdict = "exceeded" if low > budget else "kept" if high <= budget else "not contradicted, nor shown to be kept"
    return (
        f"Budget: at most {budget:.3g} false alarms were declared there (alpha x ticks), {false} came: "
        f"{false / budget:.3g} times the budget ({low / budget:.3g} to {high / budget:.3g}): {verdict}."
    )


def limits(skill: Skill) -> Iterator[str]:
    """What the data at hand can and cannot say."""
    yield (
        "Intervals are exact at 95 % and take alarms and events as independent of each other. Series of one site are "
        "not: the true intervals are wider."
    )
    if not skill.controls:
        yield (
            "There is no control in the data. Who looks only at series that are known to have changed finds an "
            "indicator that rose before the change, whatever it is worth (the prosecutor's fallacy): add series, or "
            "seasons, in which nothing happened."
        )
    if not skill.quiet.ticks:
        yield "There are no quiet data with a verdict: nothing is known about false alarms."
    elif 2 * skill.quiet.ticks < skill.quiet.values:
        yield (
            f"Of {skill.quiet.values:,} values in quiet data {skill.quiet.ticks:,} had a verdict, the others came "
            "while the series was learning or blind: hardly anything is known about false alarms, anyone's."
        )
    if not skill.events:
        yield "There is no transition in the data: this says something about false alarms and nothing about detection."
    elif skill.moments < FEW:
        same = f" at {skill.moments} distinct moment{'s' if skill.moments > 1 else ''}" if skill.moments else ""
        many = "s" if len(skill.events) > 1 else ""
        yield (
            f"{len(skill.events)} labelled transition{many}{same}: that shows that the data pass through and what "
            "happened there; it proves nothing about skill."
        )
    short = sum(2 * event.ticks < event.all_ticks for event in skill.events)
    if short:
        yield (
            f"Before {short} of {len(skill.events)} events there was no verdict during most of the time in which "
            "slowing may be expected (a season that starts cold, gaps, a blind sensor): a miss there says nothing "
            "about the indicator."
        )
    needed = of_count(0)[1]
    if 0 < skill.quiet.budget < needed:
        yield (
            f"The quiet data are too short to show that the budget is kept: even without any false alarm that takes "
            f"{needed / skill.quiet.budget:,.3g} times as much."
        )
    if skill.events and not all(event.stretch.started for event in skill.events):
        yield (
            "Where a transition has no `start` all of the record before it counts as time in which slowing may be "
            "expected: no alarm there can be False, and leads are as long as they look."
        )
    yield (
        "The rivals' alarm lines were set with hindsight on the same quiet data, to give no more false alarms; "
        "sentinel's line is its declared budget, whatever the data (who chose the settings on them has hindsight, too)."
    )
    if skill.unlabelled:
        yield f"{skill.unlabelled:,} series without a label are not judged here."
    if skill.unwatched:
        yield (
            f"{skill.unwatched:,} series are watched by no alarm rule and not judged here, whatever their labels: "
            "such a series can neither find an event nor be wrong."
        )


def quantiles(leads: Sequence[float]) -> list[float]:
    """Smallest, quartiles and largest of what is not NaN."""
    return [float(q) for q in np.quantile([lead for lead in leads if not math.isnan(lead)], QUANTILES)]


def _event_table(skill: Skill) -> list[list[str]]:
    rows = [["event in", "expected from", "transition", "first alarm", "lead", "ticks with a verdict"]]
    for event in skill.events[:LISTED]:
        record, stretch = event.record, event.stretch
        rows.append(
            [
                record.name,
                record.moment(stretch.begin_us) if stretch.started else "not said",
                record.moment(stretch.end_us),
                "none" if event.alarm is None else record.moment(event.alarm.time_us),
                "missed" if event.alarm is None else length(skill, event.lead),
                f"{event.ticks:,} of {event.all_ticks:,}",
            ]
        )
    if len(skill.events) > LISTED:
        rows.append([f"and {len(skill.events) - LISTED:,} more, in skill.json", *[""] * 5])
    return rows


def _number(rate: float) -> str:
    return f"{rate:.3g}" if rate < 100 else f"{rate:,.0f}"


def _rival_table(skill: Skill, rivals: Sequence[Rival]) -> list[list[str]]:
    per = _rate(skill)[1] if skill.quiet.ticks else ""
    rows = [["indicator", "detected", "median lead", "false alarms", f"per {per}" if per else "rate", "under alarm"]]
    for rival in rivals:
        false = rival.false
        rows.append(
            [
                rival.name,
                "not matched" if rival.detected is None else f"{rival.detected} of {len(skill.events)}",
                length(skill, float(np.median(rival.leads))) if rival.leads else "-",
                "no quiet data" if false is None else f"{false:,}",
                "-" if false is None else _number(false * _rate(skill)[0]),
                "-" if math.isnan(rival.under_alarm) else f"{rival.under_alarm:.1%}",
            ]
        )
    return rows
