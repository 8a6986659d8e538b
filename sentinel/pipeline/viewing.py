"""The views of series of one cohort, made column by column: many cost little more than their objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import Any, NamedTuple

import numpy as np

from detectors.spectrum import recovery_band
from sentinel.config import SeriesSettings
from sentinel.domain.channels import Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.events import alarm_id, remark_names
from sentinel.domain.flags import CHECKS
from sentinel.domain.spans import NEVER_US
from sentinel.domain.states import Reason, RuleView, SeriesView, State
from sentinel.pipeline import fills
from sentinel.pipeline.alarm import LEARNING
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.checks import counts_by_check, totals
from sentinel.pipeline.cohort import Cohort, CohortState, far_values, tie_share
from sentinel.pipeline.plan import Plan
from sentinel.pipeline.results import strongest


class Known(NamedTuple):
    """Facts of a series beside the state of its cohort."""

    name: str
    source: str
    settings: SeriesSettings
    state: State
    """Now: silence since its last tick counts too."""
    reason: Reason
    first_name: str
    """The one that its alarms are told by, whatever it is called now."""


def view_rows(cohort: Cohort, members: CohortState, rows: Ints, known: Sequence[Known]) -> Iterator[SeriesView]:
    """Make the views of the series in these rows of a cohort; `known` has one entry for each."""
    plan, last = cohort.plan, members.last
    tick = last.tick[rows]
    end_us = tick_ends_us(cohort, members, rows, tick)
    estimates = [array[rows] for array in members.estimates]
    recovery = [band.tolist() for band in recovery_seconds(estimates[:3], plan.cadence_us)]
    warm_up_left = cohort.points_left(members, rows) + np.maximum(0, plan.warm_up_pairs - members.bank.pairs[rows])
    far = far_values(members)[rows]
    fill_values = {i: fills.fill_values(far[i]) for i in np.flatnonzero(fills.has_fill_values(far)).tolist()}
    values_out = {i: fills.values_left_out(far[i]) for i in np.flatnonzero(far[:, fills.LEFT_OUT]).tolist()}
    e_value, windows, window_us = _windows(cohort, members, rows, tick)
    columns: dict[str, Sequence[Any]] = {
        "since_us": _since_us(cohort, members, rows, known, end_us).tolist(),
        "ticks": last.ticks[rows].tolist(), "missing_ticks": last.missing[rows].tolist(),
        "warm_up_left": warm_up_left.tolist(), "time_us": end_us.tolist(),
        "value": last.value[rows].tolist(), "residual": last.residual[rows].tolist(),
        "estimates": list(map(Estimates, *(array.tolist() for array in estimates))),
        "recovery_seconds": recovery[0], "recovery_low_seconds": recovery[1], "recovery_high_seconds": recovery[2],
        "evidence": strongest(last.evidence[rows]).tolist(),
        "e_value": e_value, "windows": windows, "window_us": window_us,
        "tie_share": tie_share(members, rows).tolist(), "left_out": far[:, fills.LEFT_OUT].astype(np.int64).tolist(),
        "readings": list(map(tuple, last.readings[rows].tolist())),
        "rules": _view_rules(cohort, members, rows, [one.first_name for one in known]),
    }  # fmt: skip
    thresholds = tuple(cohort.scoring.thresholds.tolist())
    for i, one in enumerate(known):
        yield SeriesView(
            one.name, one.source, one.state, one.reason, unit=one.settings.unit,
            cadence_seconds=plan.cadence_us / MICROSECONDS, half_life_ticks=plan.half_life, window_ticks=plan.window,
            fill_values=fill_values.get(i, ()), values_left_out=values_out.get(i, ()),
            checks=counts_by_check(members.checks, int(rows[i])), checks_unable=_find_unable(one.settings, plan),
            thresholds=thresholds, **{name: column[i] for name, column in columns.items()},
        )  # fmt: skip


def _find_unable(settings: SeriesSettings, plan: Plan) -> tuple[str, ...]:
    """Say which checks cannot act as they are meant on the cadence that was found."""
    faults = settings.checks.faults_at(plan.cadence) if plan.checks and settings.checks else ()
    return tuple(f"{' '.join(map(str, fault.path))}: {fault.message}" for fault in faults)


def count_left_out(cohorts: Sequence[CohortState], source_of: Ints, sources: Sequence[str]) -> dict[str, int]:
    """Count the values taken as missing since they are no measurements, by source."""
    found = np.zeros(len(sources), np.int64)
    for members in cohorts:
        np.add.at(found, source_of[members.series], far_values(members)[:, fills.LEFT_OUT].astype(np.int64))
    return dict(zip(sources, found.tolist(), strict=True))


def count_checks(
    cohorts: Sequence[CohortState], source_of: Ints, sources: Sequence[str]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Count the values that checks called suspect, and those that they failed, by source and check."""
    found = np.zeros((len(sources), len(CHECKS), 2), np.int64)
    for members in cohorts:
        if members.checks.counts.any():
            np.add.at(found, source_of[members.series], np.stack(totals(members.checks), axis=2))
    return {
        (sources[i], CHECKS[k]): (int(found[i, k, 0]), int(found[i, k, 1]))
        for i, k in np.argwhere(found.any(axis=2)).tolist()
    }


def recovery_seconds(lag1: Sequence[Floats], cadence_us: int) -> tuple[Floats, Floats, Floats]:
    """Give recovery times with the ends of their bands, by lag-1 with its band; inf where the upper end is open."""
    center, low, high = (band * (cadence_us / MICROSECONDS) for band in recovery_band(*lag1))
    return center, low, high


def tick_ends_us(cohort: Cohort, members: CohortState, rows: Ints, tick: Ints) -> Ints:
    """Give the ends of these ticks, microseconds; -1 where there is none."""
    return np.where(tick >= 0, cohort.grid.start_us(members.grid.origin_us[rows], tick + 1), -1)


def _since_us(cohort: Cohort, members: CohortState, rows: Ints, known: Sequence[Known], end_us: Ints) -> Ints:
    """Say since when each series is in its state; stale or behind: since nothing newer has come; on hold: never."""
    since_us = tick_ends_us(cohort, members, rows, members.alarm.since[rows])
    blind = np.array([one.state is State.BLIND for one in known], bool)
    stale, behind, on_hold = (
        blind & np.array([one.reason is why for one in known], bool)
        for why in (Reason.STALE, Reason.COUNTERPART_BEHIND, Reason.ON_HOLD)
    )
    newest_us = np.where(stale, members.grid.newest_us[rows], end_us)
    return np.where(on_hold, NEVER_US, np.where(stale | behind, newest_us + cohort.plan.stale_after_us, since_us))


def _windows(cohort: Cohort, members: CohortState, rows: Ints, tick: Ints) -> tuple[list[Any], list[Any], list[Any]]:
    """Give the e-values, the number of windows they rest on, and when the first of these began."""
    e_value, window = cohort.scoring.e_values(members.evidence, members.slower)
    known = (members.alarm.state[rows] != LEARNING) & bool(cohort.plan.rules)
    first = np.maximum(0, window[rows] - 1) * cohort.plan.window
    began_us = np.where(tick >= 0, cohort.grid.start_us(members.grid.origin_us[rows], first), -1)
    values = np.where(known, e_value[rows].mean(axis=1), nan)
    return values.tolist(), np.minimum(window[rows] + 1, 2).tolist(), began_us.tolist()


def _view_rules(
    cohort: Cohort, members: CohortState, rows: Ints, names: Sequence[str]
) -> Sequence[tuple[RuleView, ...]]:
    """Make the views of all rules, in the order of the plan, for each series."""
    several = []
    for k, rule in enumerate(cohort.plan.rules):
        first = rule.channels[0]
        side = "below" if first.below else "above"
        since = tick_ends_us(cohort, members, rows, members.alarm.raised[rows, k])
        found = zip(
            names, cohort.scoring.find_facts(members.evidence, members.slower, rows, k),
            members.last.evidence[rows, k].tolist(), since.tolist(), strict=True,
        )  # fmt: skip
        several.append([
            RuleView(
                kind=rule.kind, label=rule.label, side=side, relative=first.relative,
                threshold=facts.threshold if first.line is None else first.line, baseline_left=facts.baseline_left,
                baseline_disagrees=facts.disagrees, alpha=rule.alpha, severity=rule.severity, evidence=evidence,
                alarm_id=alarm_id(name, rule.kind, rule.label, since_us) if since_us >= 0 else "", since_us=since_us,
                remarks=remark_names(facts.label) if since_us >= 0 else (), held=facts.held,
            )
            for name, facts, evidence, since_us in found
        ])  # fmt: skip
    return list(zip(*several, strict=True)) if several else [()] * len(names)
