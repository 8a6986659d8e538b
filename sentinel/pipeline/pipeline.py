"""The pipeline: observations go in, ticks are closed, conditioned, scored and judged; states and events come out.

It knows no clock, file or thread, and does the same for one observation of a live series as for a million of a
record: how observations that come in order of event time (or out of it by no more than `lateness`) are cut into batches
does not matter. What comes later than that is late or not depending on the batches before it; the journal keeps them.

    roster      which series there are and where they live          sentinel/pipeline/roster.py
    cohort      grid, conditioning, bank, evidence, alarm           sentinel/pipeline/cohort.py
    paired      series beside their counterparts                     sentinel/pipeline/paired.py
    sites       several variables of one place                      sentinel/pipeline/sites.py
    results     what one call gave                                  sentinel/pipeline/results.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.pipeline import paired, pairing, sites
from sentinel.pipeline.cohort import Cohort, CohortState, Ticks
from sentinel.pipeline.grid import NEVER, Block
from sentinel.pipeline.pairing import Gathered
from sentinel.pipeline.plan import Plan
from sentinel.pipeline.results import Result, ResultBuilder
from sentinel.pipeline.roster import NOTHING, Batch, CohortKey, PipelineState, Roster
from sentinel.pipeline.scoring import Stopwatch
from sentinel.pipeline.standing import Standing, standing

__all__ = ["Batch", "CohortKey", "Observer", "Pipeline", "PipelineState", "Result"]

Ints = NDArray[np.int64]

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
        self._threads = threads
        self._took = took
        self._area = area
        self._cut_every = cut_every
        self._cohorts: dict[Plan, Cohort] = {}
        self._roster = Roster(settings, conditioning, self.cohort)

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
        return self._turn(state, batch, rows=rows, observer=observer, ended=False)

    def finish(
        self, state: PipelineState, *, rows: bool = False, observer: Observer | None = None
    ) -> tuple[PipelineState, Result]:
        """The input has ended: close what is open."""
        return self._turn(state, NOTHING, rows=rows, observer=observer, ended=True)

    def _turn(
        self, state: PipelineState, batch: Batch, *, rows: bool, observer: Observer | None, ended: bool
    ) -> tuple[PipelineState, Result]:
        """The roster, then each cohort, then the paired series, then the sites."""
        state, batch = self._roster.take(state, batch, ended=ended)
        result, closed, cohorts = ResultBuilder(state, rows), Gathered([], []), list(state.cohorts)

        def tell(at: int, members: CohortState, ticks: Ticks) -> None:
            key = state.keys[at]
            result.add_block(self.cohort(key[0]), members, ticks)
            if observer is not None:
                observer(state, key, members, ticks)

        for at, mine, told in _due(state, batch, ended):
            cohort = self.cohort(state.keys[at][0])
            cohorts[at], late, blocks = self._gridded(cohort, cohorts[at], state.row_of, mine, told, ended)
            result.add_late(late)
            for block in blocks:
                cohorts[at], ticks = cohort.step(cohorts[at], block, self._took)
                tell(at, cohorts[at], ticks)
                if len(state.pairing):
                    pairing.gather(state.pairing, closed, cohorts[at], ticks, len(state.names))
        pairs = state.pairing
        if len(pairs):
            where = self.standing(replace(state, cohorts=tuple(cohorts)))
            pairs = paired.step(
                pairs, self._stages(state), cohorts, closed, where, tell, self._took,
                ended=ended, area=self._area, cut_every=self._cut_every,
            )  # fmt: skip
        return self.with_sites(replace(state, cohorts=tuple(cohorts), pairing=pairs), result.build())

    def _gridded(
        self, cohort: Cohort, members: CohortState, row_of: Ints, mine: Batch, told: Ints | None, ended: bool
    ) -> tuple[CohortState, Ints, Iterable[Block]]:
        """A cohort whose grid took its observations; the series of those that were late, and the ticks this closes."""
        start = perf_counter()
        grid, late = cohort.grid.take(members.grid, row_of[mine.series], mine.time_us, mine.value)
        grid, blocks = cohort.grid.close(grid, told, everything=ended, area=self._area, cut_every=self._cut_every)
        self._took("grid", perf_counter() - start)
        return members._replace(grid=grid), members.series[late], blocks

    def _stages(self, state: PipelineState) -> list[Cohort]:
        return [self.cohort(plan) for plan, _ in state.keys]

    def standing(self, state: PipelineState) -> Standing:
        """Where every series stands on its grid."""
        expected = {source.name for source in self.settings.sources}
        heard = bool(expected) and expected <= set(state.sources)
        # Of those there are: a source that was taken out of the settings tells nothing more. NEVER is the least of all.
        watermarks = [
            at for name, at in zip(state.sources, state.watermarks_us.tolist(), strict=True) if name in expected
        ]
        by_all_us = min(watermarks) if heard else NEVER
        return standing(self._stages(state), state.cohorts, state.watermarks_us[state.source_of], by_all_us)

    def with_sites(self, state: PipelineState, result: Result) -> tuple[PipelineState, Result]:
        """State and result with what the alarms of the result mean for the sites; a site that is gone is forgotten."""
        chosen, pairs = self.settings.sites, state.pairing
        if not (chosen or state.sites):
            return state, result
        variables = {state.names[own]: state.names[of] for own, of in zip(pairs.own, pairs.target, strict=True)}
        before = {site.name: state.sites[site.name] for site in chosen if site.name in state.sites}
        after, told = sites.advance(chosen, before, result.events, variables)
        return replace(state, sites=after), replace(result, sites=told)


def _due(state: PipelineState, batch: Batch, ended: bool) -> Iterator[tuple[int, Batch, Ints | None]]:
    """Position of each cohort that something is said to, its part of the batch, and up to when its series are told."""
    of = state.cohort_of[batch.series]
    order = np.argsort(of, kind="stable")
    edges = np.searchsorted(of[order], np.arange(len(state.cohorts) + 1))
    for at, members in enumerate(state.cohorts):
        mine, told = order[edges[at] : edges[at + 1]], _complete_until(state, members, batch)
        if mine.size or told is not None or ended:
            yield at, batch.of(mine), told


def _complete_until(state: PipelineState, members: CohortState, batch: Batch) -> Ints | None:
    """Up to when each series of a cohort has been told by its source; None if nothing was said."""
    if batch.watermark_us is None or batch.source not in state.sources:
        return None
    of_source = state.source_of[members.series] == state.sources.index(batch.source)
    return np.where(of_source, batch.watermark_us, NEVER) if of_source.any() else None
