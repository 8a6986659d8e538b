"""The pipeline: observations go in, ticks are closed, conditioned, scored and judged; states and events come out.

It knows no clock, file or thread, and does the same for one observation of a live series as for a million of a
record: how observations that come in order of event time (or out of it by no more than `lateness`) are cut into batches
does not matter. What comes later than that is late or not depending on the batches before it; the journal keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from sentinel import paired, pairing, sites
from sentinel.cadence import ABSENT, GAP, NEVER
from sentinel.cohort import LARGEST, Cohort, CohortState, Ticks
from sentinel.configuration import Cadence, Settings
from sentinel.events import AlarmEvent
from sentinel.pairing import Gathered, PairingState
from sentinel.plan import Plan, learn_cadence, paired_name, plan_of
from sentinel.rows import Rows
from sentinel.scoring import Stopwatch
from sentinel.standing import Standing, standing

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CohortKey = tuple[Plan, int]
"""A plan, and the number of the cohort among those that share it."""

_NO_INTS: Ints = np.empty(0, np.int64)
_NO_FLOATS: Floats = np.empty(0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Observations to take in: in the engine what one commit of the journal read back."""

    series: Ints
    """Ids: 0, 1, 2, ... in order of first appearance."""
    time_us: Ints
    value: Floats
    new_series: tuple[tuple[int, str, str], ...] = ()
    """(id, name, source) of the series that appear for the first time."""
    complete_until_us: int | None = None
    """The source has told everything up to here, by its own clock."""
    source: str = ""
    """Whose clock `complete_until_us` is."""


@dataclass(frozen=True, slots=True)
class PipelineState:
    """Everything needed to continue. Series are numbered in order of first appearance, a paired series behind its
    target."""

    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Names of the sources."""
    told_us: Ints = field(default_factory=lambda: _NO_INTS)
    """Up to when each source has told everything, as its last batch said; `NEVER` where that one left more to come."""
    source_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Position in `sources` of each series."""
    cohort_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Position in `cohorts` of each series; -1 while its cadence is not known."""
    row_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Row of each series in its cohort."""
    keys: tuple[CohortKey, ...] = ()
    cohorts: tuple[CohortState, ...] = ()
    waiting: Mapping[int, tuple[Ints, Floats]] = field(default_factory=dict)
    """Times and values of the series whose cadence is not known yet, by id."""
    ids: Ints = field(default_factory=lambda: _NO_INTS)
    """The number here of each series of the journal."""
    pairing: PairingState = field(default_factory=PairingState)
    sites: sites.SiteStates = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What one call gave."""

    events: tuple[AlarmEvent, ...] = ()
    late: dict[str, int] = field(default_factory=dict)
    """Late observations by source."""
    ticks: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Closed ticks, missing ticks and gaps by source."""
    rows: Rows | None = None
    sites: tuple[sites.SiteEvent, ...] = ()
    """Alarms of sites, raised and cleared."""


Observer = Callable[[PipelineState, CohortKey, CohortState, Ticks], None]
"""Sees every block after it was taken in: history, digests."""


class Pipeline:
    """All stages, composed.

    Parameters
    ----------
    settings
        What series are matched against.
    conditioning
        False takes all values as residuals already.
    threads
        Threads that share the series of a block.
    took
        Told the name of a stage and the seconds it took.
    area
        Ticks times series of a block, about; what fits the second-level cache is fastest.
    cut_every
        End a block after every tick whose number is a multiple of this (an observer then sees the state there).
    """

    def __init__(
        self, settings: Settings, *, conditioning: bool = True, threads: int = 1,
        took: Stopwatch = lambda _stage, _seconds: None, area: int = 1 << 15,
        cut_every: int = 0,
    ) -> None:  # fmt: skip
        self.settings = settings
        self._conditioning = conditioning
        self._threads = threads
        self._took = took
        self._area = area
        self._cut_every = cut_every
        self._cohorts: dict[Plan, Cohort] = {}

    def cohort(self, plan: Plan) -> Cohort:
        """The stages for a plan."""
        if plan not in self._cohorts:
            self._cohorts[plan] = Cohort(plan, threads=self._threads)
        return self._cohorts[plan]

    def init(self) -> PipelineState:
        """Nothing seen yet."""
        return PipelineState()

    def advance(
        self, state: PipelineState, batch: Batch, *, rows: bool = False, observer: Observer | None = None
    ) -> tuple[PipelineState, Result]:
        """Take in a batch: place what is new, let the grids take it, close what is due, step the cohorts."""
        state = self._registered(state, batch)
        batch = replace(batch, series=state.ids[batch.series])
        state = _told(state, batch)
        state, batch = self._placed(state, batch, ended=False)
        return self._stepped(state, batch, rows=rows, observer=observer, ended=False)

    def finish(
        self, state: PipelineState, *, rows: bool = False, observer: Observer | None = None
    ) -> tuple[PipelineState, Result]:
        """The input has ended: close what is open."""
        state, batch = self._placed(state, Batch(_NO_INTS, _NO_INTS, _NO_FLOATS), ended=True)
        return self._stepped(state, batch, rows=rows, observer=observer, ended=True)

    def _registered(self, state: PipelineState, batch: Batch) -> PipelineState:
        """The state with the batch's new series, waiting for their cadence; those with a reference are paired, too."""
        if not batch.new_series:
            return state
        names, sources, source_of = list(state.names), list(state.sources), state.source_of.tolist()
        ids, waiting, pairs = state.ids.tolist(), dict(state.waiting), state.pairing
        for _, name, source in batch.new_series:
            if source not in sources:
                sources.append(source)
            pairs = pairs.appeared(name, len(names))
            ids.append(len(names))
            waiting[len(names)] = (_NO_INTS, _NO_FLOATS)
            names.append(name)
            source_of.append(sources.index(source))
            reference = self.settings.reference_for(name)
            if reference is not None:
                pairs = pairs.with_pair(len(names), len(names) - 1, reference, names)
                names.append(paired_name(name, reference))
                source_of.append(sources.index(source))
        unknown = np.full(len(names) - len(state.names), -1, np.int64)
        return replace(
            state, names=tuple(names), sources=tuple(sources), source_of=np.array(source_of, np.int64),
            told_us=np.append(state.told_us, np.full(len(sources) - len(state.sources), NEVER)),
            cohort_of=np.append(state.cohort_of, unknown), row_of=np.append(state.row_of, unknown), waiting=waiting,
            ids=np.array(ids, np.int64), pairing=pairs,
        )  # fmt: skip

    def _placed(self, state: PipelineState, batch: Batch, *, ended: bool) -> tuple[PipelineState, Batch]:
        """Keep back what belongs to series of unknown cadence; a series whose cadence becomes known gets its place
        in a cohort, and what was kept back joins the batch."""
        kept_back = state.cohort_of[batch.series] < 0
        if not kept_back.any() and not (ended and state.waiting):
            return state, batch
        waiting = dict(state.waiting)
        due = []
        for i, mine in _by_series(batch.series, np.flatnonzero(kept_back)):
            due.append(i)
            times, values = waiting[i]
            waiting[i] = np.concatenate([times, batch.time_us[mine]]), np.concatenate([values, batch.value[mine]])
        released: list[tuple[int, Ints, Floats]] = []
        placed: list[tuple[int, Plan]] = []
        for i in list(waiting) if ended else due:
            times, _ = waiting[i]
            cadence = self.settings.series_for(state.names[i]).cadence
            if cadence is None:
                cadence = learn_cadence(times, ended=ended)
            if cadence is not None:
                placed.extend(self._plans(state, i, cadence))
                released.append((i, *waiting.pop(i)))
        state = self._housed(replace(state, waiting=waiting), placed)
        return state, replace(
            batch,
            series=np.concatenate([batch.series[~kept_back], *(np.full(t.size, i) for i, t, _ in released)]),
            time_us=np.concatenate([batch.time_us[~kept_back], *(t for _, t, _ in released)]),
            value=np.concatenate([batch.value[~kept_back], *(v for _, _, v in released)]),
        )

    def _plans(self, state: PipelineState, i: int, cadence: Cadence) -> Iterator[tuple[int, Plan]]:
        """The plan of a series, and that of the paired series it is the target of."""
        name = state.names[i]
        for each in (i, *state.pairing.own[state.pairing.target == i].tolist()):
            yield each, plan_of(self.settings, name, state.names[each], cadence, conditioning=self._conditioning)

    def _housed(self, state: PipelineState, placed: list[tuple[int, Plan]]) -> PipelineState:
        """Give series their rows in the cohorts of their plans."""
        if not placed:
            return state
        keys, cohorts = list(state.keys), list(state.cohorts)
        cohort_of, row_of = state.cohort_of.copy(), state.row_of.copy()
        fresh: dict[CohortKey, list[int]] = {}
        sizes = {key: members.series.size for key, members in zip(keys, cohorts, strict=True)}
        for i, plan in placed:
            number = 0
            while sizes.get((plan, number), 0) >= LARGEST:
                number += 1
            key = (plan, number)
            if key not in keys:
                keys.append(key)
                cohorts.append(self.cohort(plan).init(_NO_INTS))
            cohort_of[i], row_of[i] = keys.index(key), sizes.get(key, 0)
            sizes[key] = sizes.get(key, 0) + 1
            fresh.setdefault(key, []).append(i)
        for key, ids in fresh.items():
            at = keys.index(key)
            cohorts[at] = self.cohort(key[0]).grow(cohorts[at], np.array(ids, np.int64))
        return replace(state, keys=tuple(keys), cohorts=tuple(cohorts), cohort_of=cohort_of, row_of=row_of)

    def _stepped(
        self, state: PipelineState, batch: Batch, *, rows: bool, observer: Observer | None, ended: bool
    ) -> tuple[PipelineState, Result]:
        cohorts = list(state.cohorts)
        of = state.cohort_of[batch.series]
        order = np.argsort(of, kind="stable")
        edges = np.searchsorted(of[order], np.arange(len(cohorts) + 1))
        report = _Report(state, rows)
        closed = Gathered([], [])

        def tell(key: CohortKey, members: CohortState, ticks: Ticks) -> None:
            report.block(self.cohort(key[0]), members, ticks)
            if observer is not None:
                observer(state, key, members, ticks)

        for at, (key, members) in enumerate(zip(state.keys, state.cohorts, strict=True)):
            mine = order[edges[at] : edges[at + 1]]
            told = _complete_until(state, members, batch)
            if not mine.size and told is None and not ended:
                continue
            start = perf_counter()
            cohort = self.cohort(key[0])
            row = state.row_of[batch.series[mine]]
            grid, late = cohort.grid.take(members.grid, row, batch.time_us[mine], batch.value[mine])
            report.late(members.series[late])
            grid, blocks = cohort.grid.close(grid, told, everything=ended, area=self._area, cut_every=self._cut_every)
            members = members._replace(grid=grid)
            self._took("grid", perf_counter() - start)
            for block in blocks:
                members, ticks = cohort.step(members, block, self._took)
                tell(key, members, ticks)
                if len(state.pairing):
                    pairing.gather(state.pairing, closed, members, ticks, len(state.names))
            cohorts[at] = members
        pairs = state.pairing
        if len(pairs):
            stages = [self.cohort(plan) for plan, _ in state.keys]
            pairs = paired.step(
                pairs, stages, cohorts, closed, self.standing(replace(state, cohorts=tuple(cohorts))),
                lambda at, *found: tell(state.keys[at], *found), self._took,
                ended=ended, area=self._area, cut_every=self._cut_every,
            )  # fmt: skip
        return self.with_sites(replace(state, cohorts=tuple(cohorts), pairing=pairs), report.result())

    def standing(self, state: PipelineState) -> Standing:
        """Where every series stands on its grid."""
        stages = [self.cohort(plan) for plan, _ in state.keys]
        expected = {source.name for source in self.settings.sources}
        heard = bool(expected) and expected <= set(state.sources)
        # Of those there are: a source that was taken out of the settings tells nothing more. NEVER is the least of all.
        clocks = [at for name, at in zip(state.sources, state.told_us.tolist(), strict=True) if name in expected]
        by_all_us = min(clocks) if heard else NEVER
        return standing(stages, state.cohorts, state.told_us[state.source_of], by_all_us)

    def with_sites(self, state: PipelineState, result: Result) -> tuple[PipelineState, Result]:
        """State and result with what the alarms of the result mean for the sites; a site that is gone is forgotten."""
        chosen, pairs = self.settings.sites, state.pairing
        if not (chosen or state.sites):
            return state, result
        variables = {state.names[own]: state.names[of] for own, of in zip(pairs.own, pairs.target, strict=True)}
        before = {site.name: state.sites[site.name] for site in chosen if site.name in state.sites}
        after, told = sites.advance(chosen, before, result.events, variables)
        return replace(state, sites=after), replace(result, sites=told)


def _by_series(series: Ints, positions: Ints) -> Iterator[tuple[int, Ints]]:
    """Each series among these positions of a batch, with its positions in order."""
    if positions.size == 0:
        return
    order = positions[np.argsort(series[positions], kind="stable")]
    edges = np.flatnonzero(np.diff(series[order])) + 1
    for mine in np.split(order, edges):
        yield int(series[mine[0]]), mine


def _told(state: PipelineState, batch: Batch) -> PipelineState:
    """The state with the clock of the batch's source."""
    if batch.source not in state.sources:
        return state
    told_us = state.told_us.copy()
    # While a source has more to come its clock says nothing: what it said last may be over, and is not yet renewed.
    told_us[state.sources.index(batch.source)] = NEVER if batch.complete_until_us is None else batch.complete_until_us
    return replace(state, told_us=told_us)


def _complete_until(state: PipelineState, members: CohortState, batch: Batch) -> Ints | None:
    """Up to when each series of a cohort has been told by its source; None if nothing was said."""
    if batch.complete_until_us is None or batch.source not in state.sources:
        return None
    of_source = state.source_of[members.series] == state.sources.index(batch.source)
    return np.where(of_source, batch.complete_until_us, NEVER) if of_source.any() else None


class _Report:
    """Gathers what one call gave."""

    def __init__(self, state: PipelineState, rows: bool) -> None:
        self._state = state
        self._rows: list[Rows] | None = [] if rows else None
        self._events: list[AlarmEvent] = []
        self._late = np.zeros(len(state.sources), np.int64)
        self._ticks = np.zeros((len(state.sources), 3), np.int64)

    def late(self, series: Ints) -> None:
        np.add.at(self._late, self._state.source_of[series], 1)

    def block(self, cohort: Cohort, members: CohortState, ticks: Ticks) -> None:
        self._events.extend(_events(self._state, cohort, members, ticks))
        if self._rows is not None:
            self._rows.append(Rows.of(cohort.grid, members, ticks))
        if cohort.plan.paired:  # its ticks are those of its target, which are counted
            return
        block = ticks.block
        closed = block.kind != ABSENT
        counts = [closed, closed & np.isnan(block.value), block.kind == GAP]
        source = self._state.source_of[members.series[block.rows]]
        np.add.at(self._ticks, source, np.stack([flags.sum(axis=0) for flags in counts], axis=1))

    def result(self) -> Result:
        rows = Rows.joined(self._rows) if self._rows is not None else None
        events = sorted(
            self._events, key=lambda event: (event.time_us, event.series, event.rule, event.label, event.what)
        )
        names = self._state.sources
        late = {names[i]: int(n) for i, n in enumerate(self._late) if n}
        return Result(tuple(events), late, {names[i]: (int(a), int(b), int(c)) for i, (a, b, c) in
                                            enumerate(self._ticks) if a}, rows)  # fmt: skip


def _events(state: PipelineState, cohort: Cohort, members: CohortState, ticks: Ticks) -> Iterator[AlarmEvent]:
    found, block = ticks.scored.evidence, ticks.block
    for what, flags in (("raised", found.raised), ("cleared", found.cleared)):
        for t, s, k in np.argwhere(flags) if flags.any() else ():
            rule, row = cohort.plan.rules[k], block.rows[s]
            series = members.series[row]
            name, origin = state.names[series], members.grid.origin_us[row]
            raised_us = int(cohort.grid.start_us(origin, ticks.states.episode[t, s, k] + 1))
            scored = ticks.scored
            yield AlarmEvent.of(
                rule, what, series=name, source=state.sources[state.source_of[series]], raised_us=raised_us,
                time_us=int(cohort.grid.start_us(origin, block.tick[t, s] + 1)), cadence_us=cohort.plan.cadence_us,
                leading=int(found.leading[t, s, k]) - cohort.scoring.evidence.first_channel(int(k)),
                remarks=int(found.label[t, s, k]), threshold=float(found.threshold[t, s, k]),
                evidence=float(found.evidence[t, s, k]), lag1=float(scored.lag1[t, s]),
                lag1_low=float(scored.low[t, s]), lag1_high=float(scored.high[t, s]),
                modulus=float(scored.modulus[t, s]), period=float(scored.period[t, s]),
                spread=float(scored.spread[t, s]),
            )  # fmt: skip
