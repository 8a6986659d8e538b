"""A snapshot: what readers see of a pipeline's state, series by series, as a fleet and site by site.

A series whose source, by the source's own clock, has had nothing newer for longer than `stale_after` is blind (stale),
whatever its last tick said; a comparison whose counterpart is behind says so, and is blind once as much waits for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np

from sentinel.config import identity
from sentinel.domain.gates import GateEvent
from sentinel.domain.labels import fits
from sentinel.domain.renaming import first_names, present_names
from sentinel.domain.spans import DAY
from sentinel.domain.states import REASONS, STATES, Reason, SeriesView, SiteView, Spectrogram, State
from sentinel.pipeline import fills
from sentinel.pipeline.alarm import BLIND, CRITICAL, LEARNING, WARNING, WATCHING
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.cohort import CohortState, far_values, reasons
from sentinel.pipeline.fleet import Fleet
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.history import History, Sketch
from sentinel.pipeline.join import NO_INTS, count_waiting
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.plan import Plan
from sentinel.pipeline.results import strongest
from sentinel.pipeline.sites import view_sites
from sentinel.pipeline.viewing import Known, count_checks, count_left_out, recovery_seconds, tick_ends_us, view_rows

STALE = REASONS.index(Reason.STALE)
BEHIND = REASONS.index(Reason.COUNTERPART_BEHIND)
ON_HOLD = REASONS.index(Reason.ON_HOLD)
_URGENCY = np.argsort([CRITICAL, WARNING, BLIND, WATCHING, LEARNING])
"""By state: its place among these."""


class Snapshot:
    """An immutable picture of a pipeline's state, for exposition, pages, terminal and reports.

    `watermarks` are those of the sources, each by its own clock, microseconds.
    """

    def __init__(
        self, pipeline: Pipeline, state: PipelineState, *, taken_us: int,
        watermarks: Mapping[str, int] | None = None, history: History | None = None,
    ) -> None:  # fmt: skip
        self.taken_us = taken_us
        self._pipeline, self._state, self._history = pipeline, state.for_readers(), history
        self._watermarks = dict(watermarks or {})

    def __len__(self) -> int:
        """Number of series."""
        return len(self._state.names)

    def names(self) -> Sequence[str]:
        """Names of all series, sorted."""
        return [self._state.names[i] for i in self._sorted.tolist()]

    def retired(self) -> Sequence[str]:
        """Give the names of the series that were retired; nothing else here knows them."""
        return sorted(name for _, name, _ in self._state.retired)

    def former_names(self, name: str) -> Sequence[str]:
        """Give the names that a series had before it got its present one, the first one first."""
        return next((names[:-1] for names in self._state.renamed if names[-1] == name), ())

    def present_name(self, name: str) -> str:
        """Give the present name of a series by an earlier one; of any other its own."""
        return present_names(self._state.renamed).get(name, name)

    def view(self, name: str) -> SeriesView:
        """Give one series; KeyError if there is none of that name."""
        return self.views_of([name])[0]

    def views_of(self, names: Sequence[str]) -> Sequence[SeriesView]:
        """Give these series, in this order; KeyError if there is none of a name."""
        return self._views(list(map(self._ids.__getitem__, names)))

    def views(self, limit: int | None = None, first: int = 0) -> Sequence[SeriesView]:
        """Give series, the most alarming first (critical, warning, blind, watching, learning; then evidence).

        Those of the places from `first` on, before `limit`.
        """
        return self._views(self._order[first:limit])

    def with_open_alarm(self) -> Sequence[SeriesView]:
        """Give the series with an open alarm, whatever their state, in the order of `views`."""
        is_open = np.zeros(len(self), bool)
        for members in self._state.cohorts:
            is_open[members.series] = (members.alarm.raised >= 0).any(axis=1)
        return self._views(self._order[is_open[self._order]])

    def e_values(self) -> Floats:
        """The e-value of every series in the order of `names()`; NaN = not ready."""
        found = np.full(len(self), np.nan)
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            known = (members.alarm.state != LEARNING) & bool(plan.rules)
            e_value, _ = self._pipeline.cohort(plan).scoring.e_values(members.evidence, members.slower)
            found[members.series[known]] = e_value[known].mean(axis=1)
        return found[self._sorted]

    def counts(self) -> Mapping[tuple[str, State, Reason], int]:
        """Number of series by source, state and reason."""
        shape = len(self._sources), len(STATES), len(REASONS)
        numbers = np.bincount(np.ravel_multi_index((self._state.source_of, *self._codes), shape))
        kinds = np.flatnonzero(numbers)
        return {
            (self._sources[source], STATES[code], REASONS[why]): n
            for source, code, why, n in np.stack([*np.unravel_index(kinds, shape), numbers[kinds]]).T.tolist()
        }

    def false_alarms_a_day(self) -> Mapping[str, float]:
        """Most false alarms a day, by severity, that the budgets of all series allow together, on average."""
        budgets: dict[str, float] = {}
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            for rule in plan.rules:
                per_day = rule.alpha * DAY / plan.cadence_us * members.series.size
                budgets[rule.severity] = budgets.get(rule.severity, 0.0) + per_day
        return budgets

    def left_out_counts(self) -> Mapping[str, int]:
        """Number of values taken as missing since they are no measurements, by source."""
        return count_left_out(self._state.cohorts, self._state.source_of, self._sources)

    def check_counts(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """Number of values that were suspect, and that failed, by source and check; those without any are left out."""
        return count_checks(self._state.cohorts, self._state.source_of, self._sources)

    def last_ticks_us(self) -> Mapping[str, int]:
        """Give the end of the newest closed tick of each source that has one, in microseconds."""
        state, newest = self._state, np.full(len(self._sources), NEVER, np.int64)
        for (plan, _), members in zip(state.keys, state.cohorts, strict=True):
            rows = np.flatnonzero(members.last.ticks)
            ends_us = tick_ends_us(self._pipeline.cohort(plan), members, rows, members.last.tick[rows])
            np.maximum.at(newest, state.source_of[members.series[rows]], ends_us)
        return {name: us for name, us in zip(self._sources, newest.tolist(), strict=True) if us != NEVER}

    def with_fill_values(self, but: Collection[str] = ()) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Give the series that have fill values, and these; without the series `but`."""
        for members in self._state.cohorts:
            far = far_values(members)
            for row in np.flatnonzero(fills.has_fill_values(far)).tolist():
                name = self._state.names[members.series[row]]
                if name not in but:
                    yield name, fills.fill_values(far[row])

    def held_counts(self) -> Mapping[str, int]:
        """Number of series of which a rule is held, by source; they are counted by their states too."""
        held, state = np.zeros(len(self), bool), self._state
        for (plan, _), members in zip(state.keys, state.cohorts, strict=True):
            held[members.series] = self._pipeline.cohort(plan).scoring.held(members.evidence).any(axis=1)
        return self._count(held)

    def without_rule_counts(self) -> Mapping[str, int]:
        """Number of series that no alarm rule fits, by source; they are counted by their states too."""
        return self._count(self._unfitted[0])

    def without_rule(self) -> Sequence[str]:
        """Names of the series that no alarm rule fits; the same list until a series or a rule is new."""
        return self._unfitted[1]

    @property
    def _unfitted(self) -> tuple[Ints, Sequence[str]]:
        return _without_rule(self._state.names, tuple(rule.match for rule in self._pipeline.settings.alarms))

    def _count(self, which: Flags | Ints) -> Mapping[str, int]:
        numbers = np.bincount(self._state.source_of[which], minlength=len(self._sources)).tolist()
        return dict(zip(self._sources, numbers, strict=True))

    def sites(self) -> Sequence[SiteView]:
        """All sites in the order of the settings."""
        chosen, state, (codes, _) = self._pipeline.settings.sites, self._state, self._codes
        variable = state.comparisons.target_of(len(self))
        return list(view_sites(chosen, state.sites, state.names, variable, codes, self._watched))

    def _watched(self, kind: str) -> tuple[Flags, Flags]:
        """Tell by id if a rule can raise an alarm of this kind, or of `any`, and if all of these rules are held.

        A rule may while the cadence is learnt.
        """
        found, held = np.ones(len(self), bool), np.zeros(len(self), bool)
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            able = np.array([kind in ("any", *(part.kind for part in rule.channels)) for rule in plan.rules], bool)
            found[members.series] = able.any()
            held[members.series] = self._pipeline.cohort(plan).scoring.held(members.evidence)[:, able].all(axis=1)
        return found, held & found

    def fleet(self) -> Fleet:
        """Give all series as columns, to choose and sort rows of a table by."""
        empty = np.full(len(self), np.nan)
        evidence, lag1, recovery, time_us = empty, empty.copy(), empty.copy(), np.full(len(self), NEVER)
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            center, low, high = recovery_seconds(members.estimates[:3], plan.cadence_us)
            evidence[members.series] = strongest(members.last.evidence)
            lag1[members.series] = members.estimates.lag1
            recovery[members.series] = np.where(np.isinf(high), low, center)
            time_us[members.series] = members.grid.newest_us
        return Fleet(
            self._state.names, self._sources, self._state.source_of, *self._codes, self._order, evidence, lag1,
            recovery, time_us,
        )  # fmt: skip

    def counterpart(self, name: str) -> tuple[str, str] | None:
        """Give the name of a series' counterpart and that of their comparison; None where it has none by now."""
        return self._counterparts.get(name)

    @cached_property
    def _counterparts(self) -> Mapping[str, tuple[str, str]]:
        names, both = self._state.names, self._state.comparisons
        found = zip(both.own.tolist(), both.target.tolist(), both.counterpart.tolist(), strict=True)
        return {names[target]: (names[other], names[own]) for own, target, other in found if other >= 0}

    def pictures(self, name: str) -> Sequence[Spectrogram]:
        """Give its history for pictures: whole, then of its last ticks, ever finer; none where none is kept."""
        return self._history.pictures(name) if self._history else ()

    def spectrogram(self, name: str) -> Spectrogram | None:
        """Give its whole history for pictures; None where none is kept."""
        return next(iter(self.pictures(name)), None)

    def sketches(self, names: Sequence[str], points: int) -> Mapping[str, Sketch]:
        """Give the histories of those of these series that have one, in at most so many points each."""
        return self._history.sketches(names, points) if self._history else {}

    @cached_property
    def _sources(self) -> list[str]:
        """Names of the sources as the settings have them now; of one that has gone its id."""
        names = {identity(source): source.name for source in self._pipeline.settings.sources}
        taken = set(names.values())
        return [names.get(one, f"{one} (gone)" if one in taken else one) for one in self._state.sources]

    @cached_property
    def _waiting(self) -> Ints:
        """Number of ticks of each comparison, by id, that wait for its counterpart; 0 of any other series."""
        comparisons, found = self._state.comparisons, np.zeros(len(self), np.int64)
        if len(comparisons):
            found[comparisons.own] = count_waiting(comparisons, self._pipeline.positions(self._state))
        return found

    def _judge(self, plan: Plan, members: CohortState) -> tuple[Codes, Codes]:
        """State and reason of the series of a cohort, now: silence since their last ticks counts too."""
        state, reason = members.alarm.state, reasons(members)
        waits, stale = self._waiting[members.series], self._stale(members, plan.stale_after_us)
        behind = waits > plan.blind_after_missing
        blind = behind & (waits * plan.cadence_us > plan.stale_after_us)
        reason = np.where(stale, STALE, reason)
        reason = np.where(blind | (behind & ~stale & (state != LEARNING) & (state != BLIND)), BEHIND, reason)
        held = self._on_hold[members.series]
        reason = np.where(held, ON_HOLD, reason)
        return np.where(stale | blind | held, BLIND, state).astype(np.int8), reason.astype(np.int8)

    @cached_property
    def _on_hold(self) -> Flags:
        """Series that are on hold now, by id: by the clock of their source or the newest that came of them."""
        gates, state = self._pipeline.gates(self._state), self._state
        if not gates:
            return np.zeros(len(self), bool)
        now_us = self._clock[state.source_of]
        for members in state.cohorts:
            now_us[members.series] = np.maximum(now_us[members.series], members.grid.newest_us)
        return gates.on_hold(state, now_us)

    @property
    def _clock(self) -> Ints:
        """Watermark of each source."""
        return np.array([self._watermarks.get(source, NEVER) for source in self._state.sources], np.int64)

    def is_on_hold(self, name: str) -> bool:
        """Tell if a series is on hold now; one that is not known is not."""
        return name in self._ids and bool(self._on_hold[self._ids[name]])

    def declared(self, name: str) -> Sequence[GateEvent]:
        """Give the events that are declared for a series, the latest first; of a comparison none."""
        state = self._state
        source = state.sources[state.source_of[self._ids[name]]]
        gates = self._pipeline.gates(state)
        mine = [event for event in gates.events if gates.is_for(event, name, source)]
        return sorted(mine, key=lambda event: -event.start_us)

    def _stale(self, members: CohortState, stale_after_us: int) -> Flags:
        now = self._clock[self._state.source_of[members.series]]
        newest = members.grid.newest_us
        behind: Flags = (now != NEVER) & (newest != NEVER) & (now > newest)
        return behind & (now - np.where(behind, newest, 0) > stale_after_us)

    @cached_property
    def _codes(self) -> tuple[Ints, Ints]:
        """State and reason of every series, by id."""
        state = np.full(len(self), LEARNING, np.int64)
        reason = np.full(len(self), REASONS.index(Reason.CADENCE), np.int64)
        state[self._on_hold], reason[self._on_hold] = BLIND, ON_HOLD
        for (plan, _), members in zip(self._state.keys, self._state.cohorts, strict=True):
            state[members.series], reason[members.series] = self._judge(plan, members)
        return state, reason

    @property
    def _sorted(self) -> Ints:
        """Ids of all series, by name."""
        return _by_name(self._state.names)[0]

    @property
    def _ids(self) -> Mapping[str, int]:
        return _by_name(self._state.names)[1]

    @cached_property
    def _order(self) -> Ints:
        """Ids of all series, the most alarming first."""
        evidence = np.full(len(self), -np.inf)  # of the rule that has most; likewise while none is ready
        for members in self._state.cohorts:
            evidence[members.series] = np.fmax(strongest(members.last.evidence), -np.inf)
        return np.lexsort((-evidence, _URGENCY[self._codes[0]]))

    def _views(self, ids: Sequence[int] | Ints) -> list[SeriesView]:
        """Make the views of series, in the order of their ids here; those of one cohort together."""
        wanted = np.asarray(ids, np.int64)
        cohort_of = self._state.cohort_of[wanted]
        found: dict[int, SeriesView] = {}
        for at in np.unique(cohort_of).tolist():
            several = wanted[cohort_of == at]
            given = several.tolist()
            if at < 0:
                found.update(zip(given, map(self._view_waiting, given), strict=True))
                continue
            views = view_rows(
                self._pipeline.cohort(self._state.keys[at][0]), self._state.cohorts[at], self._state.row_of[several],
                list(map(self._known, given)),
            )  # fmt: skip
            found.update(zip(given, views, strict=True))
        return [found[i] for i in wanted.tolist()]

    def _known(self, i: int) -> Known:
        name = self._state.names[i]
        source = self._sources[self._state.source_of[i]]
        code, why = (codes[i] for codes in self._codes)
        first = first_names(self._state.renamed).get(name, name)
        return Known(name, source, self._pipeline.settings.series_for(name), STATES[code], REASONS[why], first)

    def _view_waiting(self, i: int) -> SeriesView:
        """Make the view of a series whose cadence is not known yet."""
        times_us, _ = self._state.waiting.get(i, (NO_INTS, None))
        newest_us = int(times_us.max()) if times_us.size else -1
        name, source, entry, state, why, _ = self._known(i)
        return SeriesView(name, source, state, why, time_us=newest_us, unit=entry.unit)


@lru_cache(maxsize=2)
def _by_name(names: tuple[str, ...]) -> tuple[Ints, dict[str, int]]:
    """Ids in the order of their names, and the id of each name; the same for every snapshot until a series is new."""
    return np.array(sorted(range(len(names)), key=names.__getitem__), np.int64), {n: i for i, n in enumerate(names)}


@lru_cache(maxsize=2)
def _without_rule(names: tuple[str, ...], matches: tuple[str, ...]) -> tuple[Ints, Sequence[str]]:
    """Ids and names of the series that none of the rules fits, which have these `matches`."""
    ids = [] if "*" in matches else [i for i, n in enumerate(names) if not any(fits(n, match) for match in matches)]
    return np.array(ids, np.int64), [names[i] for i in ids]
