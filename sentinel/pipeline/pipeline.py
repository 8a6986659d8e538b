"""The pipeline: observations go in, ticks are closed, conditioned, scored and judged; states and events come out.

It knows no clock, file or thread, and does the same for one observation of a live series as for a million of a record:
how observations that come in order of event time (or out of it by no more than `lateness`) are cut into batches does
not matter. What comes later than that is late or not depending on the batches before it; the journal keeps them. A
series whose cadence is not configured waits, its observations with it, until its first time stamps tell the cadence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

import numpy as np

from sentinel.config import Settings, identity
from sentinel.domain.gates import GateEvent
from sentinel.domain.renaming import first_names
from sentinel.pipeline import join, sites
from sentinel.pipeline.arrays import Flags, Floats, Ints
from sentinel.pipeline.cohort import Cohort, CohortState, SteppedBlock
from sentinel.pipeline.gates import Gates, Passages, declare, note_held
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.plan import Plan, Plans, learn_cadence
from sentinel.pipeline.positions import Positions, find_positions
from sentinel.pipeline.results import Result, ResultBuilder
from sentinel.pipeline.scoring import Stopwatch
from sentinel.pipeline.state import NOTHING, Batch, CohortKey, PipelineState, assign, note_watermark, recall, register

__all__ = ["Batch", "CohortKey", "Observer", "Pipeline", "PipelineState", "Result"]

Observer = Callable[[PipelineState, CohortKey, CohortState, SteppedBlock], None]
"""Called after every block, for history and digests."""


class Pipeline:
    """All stages, composed.

    Series are matched against the settings. Without `conditioning` all values are residuals already. `threads` share
    the series of a block, which has about `area` ticks times series (what fits the second-level cache is fastest) and
    ends after every tick whose number is a multiple of `cut_every` (an observer then sees the state there). `took` is
    called with the name of a stage and the seconds it took.
    """

    def __init__(
        self, settings: Settings, *, conditioning: bool = True, threads: int = 1,
        took: Stopwatch = lambda _stage, _seconds: None, area: int = 1 << 15,
        cut_every: int = 0,
    ) -> None:  # fmt: skip
        self.settings = settings
        self._conditioning, self._threads, self._took = conditioning, threads, took
        self._area, self._cut_every = area, cut_every
        self._cohorts: dict[Plan, Cohort] = {}
        self.plans = Plans(settings)
        self._events = tuple(event.to_event() for event in settings.events)
        self._gates: tuple[tuple[GateEvent, ...], Gates] | None = None
        self._counterparts = [entry for entry in settings.series if entry.counterpart is not None]
        self._found_counterparts: tuple[tuple[str, ...], Flags] = (), np.zeros(0, bool)

    def cohort(self, plan: Plan) -> Cohort:
        """Return the stages for a plan."""
        if plan not in self._cohorts:
            self._cohorts[plan] = Cohort(plan, threads=self._threads)
        return self._cohorts[plan]

    def init(self) -> PipelineState:
        """Make the state of a pipeline that has seen nothing."""
        return PipelineState()

    def advance(
        self, state: PipelineState, batch: Batch = NOTHING, *, rows: bool = False, observer: Observer | None = None,
        ended: bool = False,
    ) -> tuple[PipelineState, Result]:  # fmt: skip
        """Take in a batch: register new series, run each cohort, then the comparisons, then the sites.

        Once the input has `ended` everything open is closed. The state is not modified, unless it is one `to_use_up`.
        """
        state = recall(self.settings, note_watermark(register(self.settings, state, batch), batch), batch)
        batch = replace(batch, series=state.ids[batch.series])
        if state.retired:
            batch = batch.at(np.flatnonzero(batch.series >= 0))
        gates, held = self.gates(state), NOTHING
        if gates:
            batch, held = gates.sort_out(state, batch)
        state, batch = self._release(state, batch, ended=ended)
        result, closed = ResultBuilder(state, rows), join.Closed([], [], [])
        cohorts = state.cohorts if isinstance(state.cohorts, list) else list(state.cohorts)
        result.add_held(held.series)

        def passages(members: CohortState) -> Passages | None:
            return gates.passages(state, members.series) if gates else None

        def observe(at: int, members: CohortState, stepped: SteppedBlock) -> None:
            key = state.keys[at]
            result.add_block(self.cohort(key[0]), members, stepped)
            if observer is not None:
                observer(state, key, members, stepped)

        early = self._may_be_counterparts(state)
        for at, mine, watermark_us in _divide_by_cohort(state, batch, held, ended):
            cohort = self.cohort(state.keys[at][0])
            start = perf_counter()
            grid, late = cohort.grid.take(cohorts[at].grid, state.row_of[mine.series], mine.time_us, mine.value)
            grid = note_held(state, at, grid, held)
            grid, blocks = cohort.grid.close(
                grid, watermark_us, everything=ended, area=self._area, cut_every=self._cut_every,
                passages=passages(cohorts[at]),
            )  # fmt: skip
            self._took("grid", perf_counter() - start)
            cohorts[at] = cohorts[at]._replace(grid=grid)
            result.add_late(cohorts[at].series[late])
            for block in blocks:
                cohorts[at], stepped = cohort.step(cohorts[at], block, self._took)
                observe(at, cohorts[at], stepped)
                if len(state.comparisons) or early is not None:
                    closed.add(state.comparisons, cohort.plan, cohorts[at], stepped, len(state.names), early)
        comparisons = state.comparisons
        if len(comparisons) or early is not None or comparisons.early.tick.size:
            where = self.positions(replace(state, cohorts=tuple(cohorts)))
            comparisons = join.keep_early(comparisons, closed, where, may_come=early is not None)
            comparisons = join.step(
                comparisons, self._stages(state), cohorts, closed, where, observe, self._took,
                ended=ended, area=self._area, cut_every=self._cut_every, passages=passages,
            )  # fmt: skip
        return self.with_sites(replace(state, cohorts=tuple(cohorts), comparisons=comparisons), result.build())

    def _release(self, state: PipelineState, batch: Batch, *, ended: bool) -> tuple[PipelineState, Batch]:
        """Keep back observations of series of unknown cadence; assign a series once its cadence is known, and let what
        was kept back join the batch."""
        kept_back = state.cohort_of[batch.series] < 0
        if not kept_back.any() and not (ended and state.waiting):
            return state, batch
        waiting = dict(state.waiting)
        due = []
        for i, mine in _divide_by_series(batch.series, np.flatnonzero(kept_back)):
            due.append(i)
            times, values = waiting[i]
            waiting[i] = np.concatenate([times, batch.time_us[mine]]), np.concatenate([values, batch.value[mine]])
        own_of = dict(zip(state.comparisons.target.tolist(), state.comparisons.own.tolist(), strict=True))
        released: list[tuple[int, Ints, Floats]] = []
        ids: dict[Plan, list[int]] = defaultdict(list)
        for i in list(waiting) if ended else due:
            cadence = self.settings.series_for(state.names[i]).cadence
            if cadence is None:
                cadence = learn_cadence(waiting[i][0], ended=ended)
            if cadence is not None:
                target = state.names[i]
                for each in (i, own_of[i]) if i in own_of else (i,):
                    plan = self.plans.find(target, state.names[each], cadence, conditioning=self._conditioning)
                    ids[plan].append(each)
                released.append((i, *waiting.pop(i)))
        parts = {plan: [self.cohort(plan).init(np.array(mine, np.int64))] for plan, mine in ids.items()}
        return assign(replace(state, waiting=waiting), parts), replace(
            batch,
            series=np.concatenate([batch.series[~kept_back], *(np.full(t.size, i) for i, t, _ in released)]),
            time_us=np.concatenate([batch.time_us[~kept_back], *(t for _, t, _ in released)]),
            value=np.concatenate([batch.value[~kept_back], *(v for _, _, v in released)]),
        )

    def _stages(self, state: PipelineState) -> list[Cohort]:
        return [self.cohort(plan) for plan, _ in state.keys]

    def finish(
        self, state: PipelineState, *, rows: bool = False, observer: Observer | None = None
    ) -> tuple[PipelineState, Result]:
        """The input has ended: close what is open."""
        return self.advance(state, rows=rows, observer=observer, ended=True)

    def gates(self, state: PipelineState) -> Gates:
        """Give the events of the settings and those that were declared one by one."""
        found = self._gates  # looked at once: readers of snapshots ask for other events in their own threads
        if found is None or found[0] is not state.events:
            labels = {identity(source): source.name for source in self.settings.sources}
            found = self._gates = state.events, Gates((*self._events, *state.events), labels)
        return found[1]

    def declare(self, state: PipelineState, event: GateEvent) -> PipelineState:
        """Let an event that was declared hold from here on."""
        return declare(self.gates(state), lambda at: self.cohort(state.keys[at][0]).grid, state, event)

    def positions(self, state: PipelineState) -> Positions:
        """Find where every series is on its grid."""
        watermark_us = state.watermarks_us[state.source_of]
        return find_positions(self._stages(state), state.cohorts, watermark_us, self._common_watermark_us(state))

    def _common_watermark_us(self, state: PipelineState) -> int:
        """Give the time up to which all sources have told everything; `NEVER` until each has."""
        expected = {identity(source) for source in self.settings.sources}
        all_known = bool(expected) and expected <= set(state.sources)
        # A source that was taken out of the settings tells nothing more. NEVER is the least of all.
        watermarks_us = dict(zip(state.sources, state.watermarks_us.tolist(), strict=True))
        return min(watermarks_us[name] for name in expected) if all_known else NEVER

    def _may_be_counterparts(self, state: PipelineState) -> Flags | None:
        """Tell which series, by id, may be counterparts of others that have not appeared.

        None where there are no counterparts, and once each source has told what it had: what appears then is new.
        """
        wanted = self._counterparts
        if not wanted or self._common_watermark_us(state) != NEVER:
            return None
        names, found = self._found_counterparts
        if names is not state.names:
            first = first_names(state.renamed)
            found = np.array(
                [
                    any(entry.may_have_counterpart(each) for entry in wanted for each in {name, first.get(name, name)})
                    for name in state.names
                ],
                bool,
            )
            self._found_counterparts = state.names, found
        return found if found.any() else None

    def with_sites(self, state: PipelineState, result: Result) -> tuple[PipelineState, Result]:
        """Let the alarms of the result move the sites; a site that is no longer in the settings is forgotten."""
        chosen = self.settings.sites
        if not (chosen or state.sites):
            return state, result
        before = {site.name: state.sites[site.name] for site in chosen if site.name in state.sites}
        after, moved = sites.advance(chosen, before, result.events, state.variables())
        return replace(state, sites=after), replace(result, sites=moved)


def _divide_by_cohort(
    state: PipelineState, batch: Batch, held: Batch, ended: bool
) -> Iterator[tuple[int, Batch, Ints | None]]:
    """Give each cohort that the batch concerns by position, its part of the batch, and the watermarks of its series.

    What was held concerns it too.
    """
    moved = set(state.cohort_of[held.series].tolist())
    of = state.cohort_of[batch.series]
    order = np.argsort(of, kind="stable")
    edges = np.searchsorted(of[order], np.arange(len(state.cohorts) + 1))
    heard_us = np.full(len(state.sources), NEVER)
    for name, us in batch.heard:
        if us is not None and name in state.sources:
            heard_us[state.sources.index(name)] = us
    for at, members in enumerate(state.cohorts):
        mine, own_us = order[edges[at] : edges[at + 1]], heard_us[state.source_of[members.series]]
        watermark_us = own_us if (own_us != NEVER).any() else None
        if mine.size or watermark_us is not None or ended or at in moved:
            yield at, batch.at(mine), watermark_us


def _divide_by_series(series: Ints, positions: Ints) -> Iterator[tuple[int, Ints]]:
    """Give each series among these positions of a batch, with its positions in order."""
    order = positions[np.argsort(series[positions], kind="stable")]
    edges = np.flatnonzero(np.diff(series[order])) + 1
    for mine in np.split(order, edges) if order.size else ():
        yield int(series[mine[0]]), mine
