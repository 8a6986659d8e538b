"""Steps the paired series: ticks that have found each other become blocks of the paired cohorts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline import pairing
from sentinel.pipeline.cohort import Cohort, CohortState, Ticks
from sentinel.pipeline.pairing import Gathered, PairingState, Waiting
from sentinel.pipeline.scoring import Stopwatch
from sentinel.pipeline.standing import Standing

Ints = NDArray[np.int64]


def step(
    pairs: PairingState, stages: Sequence[Cohort], cohorts: list[CohortState], closed: Gathered, where: Standing,
    tell: Callable[[int, CohortState, Ticks], None], took: Stopwatch, *, ended: bool, area: int, cut_every: int,
) -> PairingState:  # fmt: skip
    """Step the paired series whose targets and counterparts have moved.

    Parameters
    ----------
    stages, cohorts
        All cohorts after this call's closing; the paired ones are replaced in the list.
    closed
        The ticks that were closed.
    where
        Where every series stands after that.
    tell
        Told of each block: position of its cohort, the cohort after it, what it gave.
    """

    def ahead(pair: int, counterpart: int, first: int, beyond: int) -> list[Waiting]:
        at = int(where.cohort[counterpart])
        return _ahead(stages[at], cohorts[at], int(where.row[counterpart]), first, beyond, pair)

    pairs, handed, decided = pairing.advance(pairs, closed, where, ahead, ended=ended)
    _follow(pairs, cohorts, where, decided)
    for at, block in pairing.blocks(pairs, handed, where, area=area, cut_every=cut_every):
        cohorts[at], ticks = stages[at].step(cohorts[at], block, took)
        tell(at, cohorts[at], ticks)
    return pairs


def _follow(pairs: PairingState, cohorts: list[CohortState], where: Standing, decided: Ints) -> None:
    """Give the grids of the paired series the origins of their targets, and how far they are handed on."""
    cohort_of = where.cohort[pairs.own]
    for at in np.unique(cohort_of[cohort_of >= 0]).tolist():
        mine = np.flatnonzero(cohort_of == at)
        grid, row, target = cohorts[at].grid, where.row[pairs.own[mine]], pairs.target[mine]
        origin, next_tick, newest = (array.copy() for array in grid[:3])
        origin[row], next_tick[row], newest[row] = where.origin[target], decided[mine], where.newest_us[target]
        cohorts[at] = cohorts[at]._replace(grid=grid._replace(origin_us=origin, next_tick=next_tick, newest_us=newest))


def _ahead(stage: Cohort, members: CohortState, row: int, first: int, beyond: int, pair: int) -> list[Waiting]:
    """Ticks of one series that are still open, closed on a copy; those before `first` have been looked at before."""
    grid = members.grid
    tick = stage.grid.tick_of(grid.origin_us[row], grid.pending_us)
    here = (grid.pending_row == row) & (tick < beyond)
    if not np.any(tick[here] >= first):
        return []
    pending = {name: getattr(grid, name)[here] for name in ("pending_row", "pending_us", "pending_value")}
    _, blocks = stage.grid.close(grid._replace(**pending), everything=True)
    found = []
    for block in blocks:
        members, ticks = stage.step(members, block, lambda _stage, _seconds: None)
        found.append(pairing.entries_of(np.array([pair]), np.zeros(1, np.int64), members, ticks))
    return found
