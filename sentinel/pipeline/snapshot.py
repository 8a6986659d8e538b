"""A snapshot: what readers see of a pipeline's state, series by series and site by site.

The state's arrays are replaced, never written to, so a snapshot is a set of references and costs nothing to take;
views are made when somebody looks. A series whose source, by the source's own clock, has had nothing newer for longer
than `stale_after` is blind (stale), whatever its last tick said; a paired series whose counterpart is behind says so,
and is blind once as much waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

import numpy as np

from detectors.spectrum import recovery_band
from sentinel.config import SiteSettings
from sentinel.domain.channels import UNKNOWN
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.events import alarm_id, remark_names
from sentinel.domain.states import REASONS, STATES, Reason, State
from sentinel.domain.views import RuleView, SeriesView, SiteView, Spectrogram
from sentinel.pipeline.alarm import BLIND, CRITICAL, LEARNING, WARNING, WATCHING
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.cohort import CohortState, reasons, tie_share
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.history import History
from sentinel.pipeline.join import count_waiting
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.plan import Plan, PlanRule
from sentinel.pipeline.sites import SiteState, SiteStates

STALE = REASONS.index(Reason.STALE)
BEHIND = REASONS.index(Reason.COUNTERPART_BEHIND)
_URGENCY = {CRITICAL: 0, WARNING: 1, BLIND: 2, WATCHING: 3, LEARNING: 4}


class Snapshot:
    """An immutable picture of a pipeline's state, for exposition, pages, terminal and reports.

    Parameters
    ----------
    watermarks
        Up to when each source has told everything, by its own clock, microseconds.
    """

    def __init__(
        self, pipeline: Pipeline, state: PipelineState, *, taken_us: int,
        watermarks: Mapping[str, int] | None = None, history: History | None = None,
    ) -> None:  # fmt: skip
        self.taken_us = taken_us
        self._pipeline = pipeline
        self._state = state
        self._watermarks = dict(watermarks or {})
        self._history = history
        self._order: list[int] | None = None
        self._ids: dict[str, int] | None = None

    def __len__(self) -> int:
        """Number of series."""
        return len(self._state.names)

    def names(self) -> Sequence[str]:
        """Names of all series, sorted."""
        return sorted(self._state.names)

    def view(self, name: str) -> SeriesView:
        """Give one series; KeyError if there is none of that name."""
        if self._ids is None:
            self._ids = {name: i for i, name in enumerate(self._state.names)}
        return self._view(self._ids[name])

    def views(self, limit: int | None = None) -> Iterator[SeriesView]:
        """Give all series, the most alarming first (critical, warning, blind, watching, learning; then evidence)."""
        if self._order is None:
            state, _ = self._codes
            urgency = np.array([_URGENCY[code] for code in range(len(STATES))])[state]
            self._order = np.lexsort((np.arange(len(self)), -self._evidence(), urgency)).tolist()
        for i in self._order[:limit]:
            yield self._view(i)

    def e_values(self) -> Floats:
        """The e-value of every series in the order of `names()`; NaN = not ready."""
        found = np.full(len(self), np.nan)
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            known = (members.alarm.state != LEARNING) & bool(plan.rules)
            found[members.series[known]] = members.evidence.e_value[known].mean(axis=1)
        return found[sorted(range(len(self)), key=self._state.names.__getitem__)]

    def counts(self) -> Mapping[tuple[str, State, Reason], int]:
        """Number of series by source, state and reason."""
        state, reason = self._codes
        keys, numbers = np.unique(np.stack([self._state.source_of, state, reason]), axis=1, return_counts=True)
        return {
            (self._state.sources[source], STATES[code], REASONS[why]): int(n)
            for (source, code, why), n in zip(keys.T.tolist(), numbers, strict=True)
        }

    def sites(self) -> Sequence[SiteView]:
        """All sites in the order of the settings."""
        variable = np.arange(len(self))
        variable[self._state.comparisons.own] = self._state.comparisons.target
        codes, _ = self._codes
        chosen, state = self._pipeline.settings.sites, self._state
        return list(site_views(chosen, state.sites, state.names, variable, codes, self._watched))

    def _watched(self, kind: str) -> Flags:
        """Tell by id if a rule can raise an alarm of this kind, or of `any`; it may while the cadence is learnt."""
        found = np.ones(len(self), bool)
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            kinds = {part.kind for rule in plan.rules for part in rule.channels}
            found[members.series] = kind in kinds or (kind == "any" and bool(kinds))
        return found

    def spectrogram(self, name: str) -> Spectrogram | None:
        """Give its history for pictures; None where none is kept."""
        return self._history.spectrogram(name) if self._history else None

    @cached_property
    def _waiting(self) -> Ints:
        """Of every series, by id: ticks that wait for its counterpart, if it is a paired one."""
        comparisons, found = self._state.comparisons, np.zeros(len(self), np.int64)
        if len(comparisons):
            found[comparisons.own] = count_waiting(comparisons, self._pipeline.positions(self._state))
        return found

    def _verdicts(self, plan: Plan, members: CohortState) -> tuple[Codes, Codes]:
        """State and reason of the series of a cohort, by what has been told since their last ticks too."""
        state, reason = members.alarm.state, reasons(members)
        waits, stale = self._waiting[members.series], self._stale(members, plan.stale_after_us)
        behind = waits > plan.blind_after_missing
        blind = behind & (waits * plan.cadence_us > plan.stale_after_us)
        reason = np.where(stale, STALE, reason)
        reason = np.where(blind | (behind & ~stale & (state != LEARNING) & (state != BLIND)), BEHIND, reason)
        return np.where(stale | blind, BLIND, state).astype(np.int8), reason.astype(np.int8)

    def _stale(self, members: CohortState, stale_after_us: int) -> Flags:
        sources = self._state.sources
        clock = np.array([self._watermarks.get(source, NEVER) for source in sources], np.int64)
        now = clock[self._state.source_of[members.series]]
        newest = members.grid.newest_us
        told: Flags = (now != NEVER) & (newest != NEVER) & (now > newest)
        return told & (now - np.where(told, newest, 0) > stale_after_us)

    @cached_property
    def _codes(self) -> tuple[Ints, Ints]:
        """State and reason of every series, by id."""
        state = np.full(len(self), LEARNING, np.int64)
        reason = np.full(len(self), REASONS.index(Reason.CADENCE), np.int64)
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            state[members.series], reason[members.series] = self._verdicts(plan, members)
        return state, reason

    def _evidence(self) -> Floats:
        """Largest evidence of every series, by id; minus infinity while not ready."""
        found = np.full(len(self), -np.inf)
        for members in self._state.cohorts:
            if members.last.evidence.shape[1]:
                found[members.series] = np.fmax(np.fmax.reduce(members.last.evidence, axis=1), -np.inf)
        return found

    def _view(self, i: int) -> SeriesView:
        name, source = self._state.names[i], self._state.sources[self._state.source_of[i]]
        if self._state.cohort_of[i] < 0:
            times_us, _ = self._state.waiting.get(i, (np.empty(0, np.int64), None))
            return _unassigned_view(name, source, times_us)
        plan, _ = self._state.keys[self._state.cohort_of[i]]
        members = self._state.cohorts[self._state.cohort_of[i]]
        cohort, row = self._pipeline.cohort(plan), int(self._state.row_of[i])
        last, alarm, origin = members.last, members.alarm, members.grid.origin_us[row]

        def end_us(tick: int) -> int:
            return int(cohort.grid.start_us(origin, np.array(tick + 1))) if tick >= 0 else -1

        code, why = (int(codes[i]) for codes in self._codes)
        seconds = plan.cadence_us / MICROSECONDS
        band = recovery_band(*(array[row] for array in members.estimates[:3]))
        recovery = [float(x) * seconds for x in band]
        evidence = members.evidence
        left = cohort.scoring.evidence.baseline_pairs - int(evidence.remembered[row])

        def rule_view(k: int, rule: PlanRule) -> RuleView:
            since = end_us(int(alarm.raised[row, k]))
            first = cohort.scoring.evidence.first_channel(k)
            of = rule.channels[0]
            waits = any(part.relative or part.kind == "spread" for part in rule.channels)
            written = of.ratio if of.kind == "spread" else of.threshold
            return RuleView(
                kind=rule.kind, label=rule.label, side="below" if of.below else "above", relative=of.relative,
                threshold=float(evidence.threshold[row, first]) if written is None else written,
                baseline_left=left if waits else 0,
                baseline_disagrees=waits and bool(evidence.disagrees[row]), alpha=rule.alpha,
                severity=rule.severity, evidence=float(last.evidence[row, k]),
                alarm_id=alarm_id(name, rule.kind, rule.label, since) if since >= 0 else "", since_us=since,
                remarks=remark_names(int(evidence.label[row, k])) if since >= 0 else (),
            )  # fmt: skip

        rules = tuple(rule_view(k, rule) for k, rule in enumerate(plan.rules))
        known = bool(np.any(~np.isnan(last.evidence[row])))
        pairs = int(members.bank.pairs[row])
        return SeriesView(
            name=name, source=source, state=STATES[code], reason=REASONS[why], since_us=end_us(int(alarm.since[row])),
            cadence_seconds=seconds, half_life_ticks=plan.half_life, ticks=int(last.ticks[row]),
            missing_ticks=int(last.missing[row]),
            warm_up_left=cohort.points_left(members, row) + max(0, plan.warm_up_pairs - pairs),
            time_us=end_us(int(last.tick[row])), value=float(last.value[row]), residual=float(last.residual[row]),
            estimates=members.estimates.each(lambda array: float(array[row])), recovery_seconds=recovery[0],
            recovery_low_seconds=recovery[1], recovery_high_seconds=recovery[2],
            evidence=float(np.fmax.reduce(last.evidence[row], initial=-np.inf)) if known else math.nan,
            e_value=float(evidence.e_value[row].mean()) if plan.rules and alarm.state[row] != LEARNING else math.nan,
            window_ticks=plan.window, windows=min(int(evidence.window[row]) + 1, 2),
            window_us=int(cohort.grid.start_us(origin, np.array(max(0, int(evidence.window[row]) - 1) * plan.window)))
            if last.tick[row] >= 0 else -1,
            tie_share=tie_share(members, row),
            thresholds=tuple(float(r) for r in cohort.scoring.thresholds),
            readings=tuple(float(z) for z in last.readings[row]), rules=rules,
        )  # fmt: skip


def _unassigned_view(name: str, source: str, times_us: Ints) -> SeriesView:
    """Make the view of a series whose cadence is still being learnt."""
    nan = math.nan
    return SeriesView(
        name=name, source=source, state=State.LEARNING, reason=Reason.CADENCE, since_us=-1, cadence_seconds=nan,
        half_life_ticks=nan, ticks=0, missing_ticks=0, warm_up_left=-1,
        time_us=int(times_us.max()) if times_us.size else -1, value=nan, residual=nan, estimates=UNKNOWN,
        recovery_seconds=nan, recovery_low_seconds=nan, recovery_high_seconds=nan, evidence=nan, e_value=nan,
        window_ticks=0, windows=0, window_us=-1, tie_share=nan, thresholds=(), readings=(), rules=(),
    )  # fmt: skip


def site_views(
    sites: Sequence[SiteSettings], states: SiteStates, names: tuple[str, ...], variable: Ints,
    codes: Ints, watched: Callable[[str], Flags],
) -> Iterator[SiteView]:  # fmt: skip
    """Make the views of the sites, in the order of the settings.

    Parameters
    ----------
    names
        Of all series, by id.
    variable
        By id: the series that a paired series compares; of any other series itself.
    codes
        By id: the state, as in `alarm.STATES`.
    watched
        Given the kind of alarms that count, by id: whether a rule can raise one.
    """
    members = _members(names, tuple(site.match for site in sites))
    for site, matching in zip(sites, members, strict=True):
        ids = matching[watched(site.kind)[matching]]
        yield _site_view(site, states.get(site.name, SiteState()), names, ids, variable[ids], codes[ids])


@lru_cache(maxsize=2)
def _members(names: tuple[str, ...], matches: tuple[str, ...]) -> tuple[Ints, ...]:
    """Find the ids of the series of each site; names seldom change, and a page asks every few seconds."""
    return tuple(
        np.array([i for i, name in enumerate(names) if fnmatchcase(name, match)], np.int64) for match in matches
    )


def _site_view(
    site: SiteSettings, state: SiteState, names: tuple[str, ...], ids: Ints,
    variables: Ints, codes: Ints,
) -> SiteView:  # fmt: skip
    id_of = {names[i]: at for at, i in enumerate(ids.tolist())}
    alarmed = sorted({held.series for held in state.alarms.values()} & id_of.keys())
    fresh = {held.series for held in state.alarms.values() if not held.spent} & id_of.keys()
    # What has an open alarm that has not counted yet can still make the site alarm, blind or not.
    able = set(variables[(codes != BLIND) & (codes != LEARNING)].tolist()) | {int(variables[id_of[n]]) for n in fresh}
    blind = set(variables[codes == BLIND].tolist()) - able
    return SiteView(
        name=site.name, match=site.match, k=site.k, kind=site.kind, since_us=state.raised_us,
        alarmed=tuple(alarmed), alarmed_count=len({int(variables[id_of[name]]) for name in alarmed}),
        series_count=len(set(variables.tolist())), able_count=len(able), blind_count=len(blind),
    )  # fmt: skip
