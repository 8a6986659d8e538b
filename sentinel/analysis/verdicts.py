"""The verdict of labelled events on the alarms: in words and tables for people, as files for programs.

`skill.csv` has one row per alarm, `alarm, series, kind, time, verdict, lead`; `skill.json` is the whole verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.analysis.budgets import PER_TICKS, RuleBudget, budget_data, budget_table
from sentinel.analysis.intervals import count_interval, share_interval
from sentinel.analysis.labels import Phase
from sentinel.analysis.readings import stamp, stamp_type
from sentinel.analysis.report import ReportSection
from sentinel.analysis.skill import JudgedEvent, Rival, Skill
from sentinel.domain.observation import INSTANT
from sentinel.domain.spans import duration_in_words, print_rounded

SKILL_FILES = ("skill.csv", "skill.json")
YEAR_SECONDS = 365.25 * 86_400
LISTED = 30
"""Events named one by one."""
FEW = 10
"""Fewer distinct events than this prove nothing about skill."""
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def describe_skill(skill: Skill, rivals: Sequence[Rival]) -> ReportSection:
    """Describe the whole verdict for page and terminal."""
    tables = [*([_event_table(skill)] if skill.events else []), _rival_table(skill, rivals)]
    if skill.quiet.ticks:
        tables.append(budget_table(skill.rules, numbered=skill.numbered, where="in quiet data"))
    return ReportSection("Against labelled events", tuple(_skill_in_words(skill)), tables, limits=tuple(_limits(skill)))


def _lead_in_words(skill: Skill, lead: float) -> str:
    return f"{lead:.4g}" if skill.numbered else duration_in_words(lead)


def _skill_in_words(skill: Skill) -> Iterator[str]:
    n, detected = len(skill.events), len(skill.leads)
    if n:
        low, high = share_interval(detected, n)
        blind = sum(event.alarm is None and event.ticks == 0 for event in skill.events)
        unseen = f" ({blind} of them without a verdict at any tick before: learning or blind)" if blind else ""
        share = f"{detected} of {n} ({low:.0%} to {high:.0%})"
        yield f"Detected before the event: {share}; {n - detected} missed{unseen}."
    if detected:
        leads = [_lead_in_words(skill, lead) for lead in np.quantile(skill.leads, QUANTILES).tolist()]
        still = sum(event.still_open for event in skill.events)
        unit = ", in units of time" if skill.numbered else ""
        yield (
            f"Lead from the first alarm to the event{unit}: median {leads[2]}, quartiles {leads[1]} and {leads[3]}, "
            f"from {leads[0]} to {leads[4]}; at {still} of {detected} the alarm was still open."
        )
    yield (
        f"Alarms: {skill.count(Phase.EXPECTED)} True (before an event), {skill.count(Phase.LATE)} Late (after it, no "
        f"warning), {skill.count(Phase.QUIET)} False (quiet data), {skill.count(Phase.OPEN)} where slowing was "
        f"expected and no event came, {skill.count(Phase.UNKNOWN)} where nothing is known."
    )
    if skill.quiet.ticks:
        yield from _quiet_in_words(skill)
    else:
        yield "Quiet data with a verdict: none. Nothing can be said about false alarms."


def _rate(skill: Skill) -> tuple[float, str]:
    """Give the rate that one false alarm makes, and per what."""
    if skill.numbered:
        return PER_TICKS / skill.quiet.ticks, f"{PER_TICKS:,} ticks"
    return YEAR_SECONDS / skill.quiet.seconds, "series-year"


def _quiet_in_words(skill: Skill) -> Iterator[str]:
    false, quiet, budget = skill.count(Phase.QUIET), skill.quiet, skill.budget
    each, per = _rate(skill)
    low, high = count_interval(false)
    span = f"{quiet.ticks:,} ticks" + ("" if skill.numbered else f", {quiet.seconds / YEAR_SECONDS:.3g} series-years")
    yield (
        f"Quiet data with a verdict: {span}. False alarms: {false}, that is {false * each:.3g} per {per} "
        f"({low * each:.3g} to {high * each:.3g}); {quiet.under_alarm / quiet.ticks:.1%} of it under alarm."
    )
    if budget == 0:
        yield "Budget: no rule could alarm in quiet data."
        return
    verdict = "exceeded" if low > budget else "kept" if high <= budget else "not contradicted, nor shown to be kept"
    yield (
        f"Budget: at most {budget:.3g} false alarms were declared there (alpha x ticks), {false} came: "
        f"{false / budget:.3g} times the budget ({low / budget:.3g} to {high / budget:.3g}): {verdict}."
    )


def _limits(skill: Skill) -> Iterator[str]:
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
    elif (moments := len({event.stretch.end_us for event in skill.events})) < FEW:  # variables of one site share theirs
        same = f" at {moments} distinct moment{'s' if moments > 1 else ''}"
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
    needed = count_interval(0)[1]
    if 0 < skill.budget < needed:
        yield (
            f"The quiet data are too short to show that the budget is kept: even without any false alarm that takes "
            f"{needed / skill.budget:,.3g} times as much."
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


def _event_table(skill: Skill) -> list[list[str]]:
    rows = [["event in", "expected from", "transition", "first alarm", "lead", "ticks with a verdict"]]
    for event in skill.events[:LISTED]:
        record, stretch = event.record, event.stretch
        alarm = "none" if event.alarm is None else record.moment(event.alarm.time_us)
        lead = "missed" if event.lead is None else _lead_in_words(skill, event.lead)
        start = record.moment(stretch.begin_us) if stretch.started else "not said"
        verdicts = f"{event.ticks:,} of {event.all_ticks:,}"
        rows.append([record.name, start, record.moment(stretch.end_us), alarm, lead, verdicts])
    if len(skill.events) > LISTED:
        rows.append([f"and {len(skill.events) - LISTED:,} more, in skill.json", *[""] * 5])
    return rows


def _rival_table(skill: Skill, rivals: Sequence[Rival]) -> list[list[str]]:
    per = _rate(skill)[1] if skill.quiet.ticks else ""
    rows = [["indicator", "detected", "median lead", "false alarms", f"per {per}" if per else "rate", "under alarm"]]
    for rival in rivals:
        detected = "not matched" if rival.detected is None else f"{rival.detected} of {len(skill.events)}"
        lead = _lead_in_words(skill, float(np.median(rival.leads))) if rival.leads else "-"
        false = "no quiet data" if rival.false is None else f"{rival.false:,}"
        rate = "-" if rival.false is None or not skill.quiet.ticks else print_rounded(rival.false * _rate(skill)[0])
        under = "-" if rival.under_alarm is None else f"{rival.under_alarm:.1%}"
        rows.append([rival.name, detected, lead, false, rate, under])
    return rows


def write_skill(skill: Skill, rivals: Sequence[Rival], rules: Sequence[RuleBudget], out: Path) -> None:
    """Write skill.csv and skill.json into a folder; `rules` are over all series and ticks."""
    alarm_verdicts(skill).write_csv(out / SKILL_FILES[0], datetime_format=INSTANT)
    text = json.dumps(skill_data(skill, rivals, rules), indent=1, allow_nan=False, ensure_ascii=False)
    (out / SKILL_FILES[1]).write_text(text + "\n", encoding="utf-8")


def skill_data(skill: Skill, rivals: Sequence[Rival], rules: Sequence[RuleBudget]) -> dict[str, object]:
    """Give the verdict as JSON-ready data; leads in seconds, on a numbered axis in the owner's units."""
    false, quiet = skill.count(Phase.QUIET), skill.quiet
    interval = [round(end, 6) for end in count_interval(false)]
    return {
        "unit_of_lead": "units" if skill.numbered else "seconds",
        "events": [_event_data(event) for event in skill.events],
        "detected": len(skill.leads),
        "detected_share_interval": list(share_interval(len(skill.leads), len(skill.events))) if skill.events else None,
        "lead_quantiles": np.quantile(skill.leads, QUANTILES).tolist() if skill.leads else None,
        "alarms": {phase.value: skill.count(phase) for phase in Phase},
        "quiet": {
            "ticks": quiet.ticks, "values": quiet.values,
            "series_years": None if skill.numbered else quiet.seconds / YEAR_SECONDS,
            "under_alarm_ticks": quiet.under_alarm, "false_alarms": false, "false_alarms_interval": interval,
            "declared_budget": skill.budget,
        },
        "rules": {
            "all": budget_data(rules, numbered=skill.numbered),
            "quiet": budget_data(skill.rules, numbered=skill.numbered),
        },
        "series": {
            "labelled": skill.labelled, "controls": skill.controls, "unlabelled": skill.unlabelled,
            "unwatched": skill.unwatched,
        },
        "rivals": [
            {
                "name": rival.name, "detected": rival.detected,
                "median_lead": float(np.median(rival.leads)) if rival.leads else None, "false_alarms": rival.false,
                "under_alarm": rival.under_alarm,
            }
            for rival in rivals
        ],
        "limits": list(_limits(skill)),
    }  # fmt: skip


def _event_data(event: JudgedEvent) -> dict[str, object]:
    record, stretch = event.record, event.stretch

    def moment(time_us: int) -> object:
        written = stamp(record.axis, time_us)
        return written if record.axis.numbered else written.isoformat()

    return {
        "series": record.name, "expected_from": moment(stretch.begin_us), "started": stretch.started,
        "transition": moment(stretch.end_us),
        "first_alarm": None if event.alarm is None else moment(event.alarm.time_us), "lead": event.lead,
        "still_open": event.still_open, "ticks": event.all_ticks, "ticks_with_verdict": event.ticks,
    }  # fmt: skip


def alarm_verdicts(skill: Skill) -> pl.DataFrame:
    """Make one row per alarm of a labelled series; the ids are those of alarms.csv."""
    rows = []
    for one in sorted(skill.alarms, key=lambda one: (one.alarm.time_us, one.record.name, one.alarm.alarm_id)):
        alarm, time = one.alarm, stamp(one.record.axis, one.alarm.time_us)
        rows.append((alarm.alarm_id, one.record.name, alarm.kind, time, one.stretch.phase.value, one.lead))
    text, when = pl.String(), stamp_type(numbered=skill.numbered)
    schema = {"alarm": text, "series": text, "kind": text, "time": when, "verdict": text, "lead": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")
