"""`skill.json`, the verdict as data, and `skill.csv`, one row per alarm: `alarm, series, kind, time, verdict, lead`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.analysis.intervals import of_count, of_share
from sentinel.analysis.matched import Rival
from sentinel.analysis.phases import Phase
from sentinel.analysis.readings import INSTANT
from sentinel.analysis.skill import Event, Skill
from sentinel.analysis.verdicts import YEAR_SECONDS, limits, quantiles

SKILL_FILES = ("skill.csv", "skill.json")


def write(skill: Skill, rivals: Sequence[Rival], out: Path) -> None:
    """Write both files into a folder."""
    _alarms(skill).write_csv(out / SKILL_FILES[0], datetime_format=INSTANT)
    text = json.dumps(_data(skill, rivals), indent=1, allow_nan=False, ensure_ascii=False)
    (out / SKILL_FILES[1]).write_text(text + "\n", encoding="utf-8")


def _data(skill: Skill, rivals: Sequence[Rival]) -> dict[str, object]:
    """The verdict as JSON-ready data; leads in seconds, on a numbered axis in the owner's units."""
    false, quiet = skill.count(Phase.QUIET), skill.quiet
    interval = [round(end, 6) for end in of_count(false)]
    return {
        "unit_of_lead": "units" if skill.numbered else "seconds",
        "events": [_event_data(event) for event in skill.events],
        "detected": skill.detected,
        "detected_share_interval": list(of_share(skill.detected, len(skill.events))) if skill.events else None,
        "lead_quantiles": quantiles([event.lead for event in skill.events]) if skill.detected else None,
        "alarms": {phase.value: skill.count(phase) for phase in Phase},
        "quiet": {
            "ticks": quiet.ticks, "values": quiet.values,
            "series_years": None if skill.numbered else quiet.seconds / YEAR_SECONDS,
            "under_alarm_ticks": quiet.under_alarm, "false_alarms": false, "false_alarms_interval": interval,
            "declared_budget": quiet.budget,
        },
        "series": {
            "labelled": skill.labelled, "controls": skill.controls, "unlabelled": skill.unlabelled,
            "unwatched": skill.unwatched,
        },
        "rivals": [
            {
                "name": rival.name, "detected": rival.detected,
                "median_lead": float(np.median(rival.leads)) if rival.leads else None, "false_alarms": rival.false,
                "under_alarm": None if math.isnan(rival.under_alarm) else rival.under_alarm,
            }
            for rival in rivals
        ],
        "limits": list(limits(skill)),
    }  # fmt: skip


def _event_data(event: Event) -> dict[str, object]:
    record, stretch = event.record, event.stretch

    def moment(time_us: int) -> object:
        written = record.axis.column(np.array([time_us], np.int64))[0]
        return written if record.axis.numbered else written.isoformat()

    return {
        "series": record.name,
        "expected_from": moment(stretch.begin_us),
        "started": stretch.started,
        "transition": moment(stretch.end_us),
        "first_alarm": None if event.alarm is None else moment(event.alarm.time_us),
        "lead": None if math.isnan(event.lead) else event.lead,
        "still_open": event.still_open,
        "ticks": event.all_ticks,
        "ticks_with_verdict": event.ticks,
    }


def _alarms(skill: Skill) -> pl.DataFrame:
    """One row per alarm of a labelled series; the ids are those of alarms.csv."""
    judged = sorted(skill.alarms, key=lambda one: (one.alarm.time_us, one.record.name, one.alarm.alarm_id))
    time = pl.Float64() if skill.numbered else pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "alarm": pl.Series([one.alarm.alarm_id for one in judged], dtype=pl.String),
            "series": pl.Series([one.record.name for one in judged], dtype=pl.String),
            "kind": pl.Series([one.alarm.kind for one in judged], dtype=pl.String),
            "time": pl.Series(
                [one.record.axis.column(np.array([one.alarm.time_us], np.int64))[0] for one in judged], dtype=time
            ),
            "verdict": pl.Series([one.phase.value for one in judged], dtype=pl.String),
            "lead": pl.Series([None if math.isnan(one.lead) else one.lead for one in judged], dtype=pl.Float64),
        }
    )
