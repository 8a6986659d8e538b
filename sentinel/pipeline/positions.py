"""The position of every series on its grid: what a comparison knows of its target and of its counterpart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sentinel.pipeline.arrays import Ints
from sentinel.pipeline.cohort import Cohort, CohortState
from sentinel.pipeline.grid import NEVER


class Positions(NamedTuple):
    """The position of every series on its grid, by id: what the join knows of a target and of its counterpart.

    Zeros, -1 and `NEVER` while its cadence or its source's watermark is not known.
    """

    cohort: Ints
    row: Ints
    origin: Ints
    next_tick: Ints
    newest_us: Ints
    watermark_us: Ints
    """Of its source."""
    watermark_tick: Ints
    """First tick that is not `stale_after` behind that watermark."""
    common_watermark_tick: Ints
    """The same for the watermark common to all sources: a counterpart that has not appeared by then is missing."""
    common_watermark_us: Ints
    """Up to when all sources have told everything; the same for all series."""
    cadence_us: Ints
    months: Ints
    gap_us: Ints
    """Longest gap."""
    late: Ints
    """Ticks by which an observation may come out of order."""
    patience: Ints
    """Ticks that a target waits for it, at most."""
    silence_us: Ints
    """Time for which it may say nothing."""
    open_id: Ints
    """Observations whose ticks are still open: series and tick, shape (n,)."""
    open_tick: Ints


def find_positions(
    stages: Sequence[Cohort], cohorts: Sequence[CohortState], watermark_us: Ints, common_watermark_us: int
) -> Positions:
    """Find where each series is, given the watermark of its source and the one common to all sources (or `NEVER`)."""
    found = Positions(*(np.zeros(watermark_us.size, np.int64) for _ in Positions._fields))
    found.cohort.fill(-1)
    found.next_tick.fill(-1)
    found.newest_us.fill(NEVER)
    found.watermark_us[:], found.common_watermark_us[:] = watermark_us, common_watermark_us
    ids_open, ticks_open = [found.open_id[:0]], [found.open_tick[:0]]
    for at, (stage, members) in enumerate(zip(stages, cohorts, strict=True)):
        plan, ids, grid = stage.plan, members.series, members.grid
        ids_open.append(ids[grid.pending_row])
        ticks_open.append(stage.grid.tick_of(grid.origin_us[grid.pending_row], grid.pending_us))
        found.cohort[ids], found.row[ids] = at, np.arange(ids.size)
        found.origin[ids], found.next_tick[ids], found.newest_us[ids] = grid.origin_us, grid.next_tick, grid.newest_us
        silence = max(plan.stale_after_us, plan.lateness_us)
        for ticks, moments_us in (
            (found.watermark_tick, found.watermark_us), (found.common_watermark_tick, found.common_watermark_us),
        ):  # fmt: skip
            known_us = np.where(moments_us[ids] == NEVER, 0, moments_us[ids])
            ticks[ids] = stage.grid.tick_of(grid.origin_us, known_us - silence)
        found.cadence_us[ids], found.months[ids] = plan.cadence_us, plan.months
        found.gap_us[ids] = plan.max_gap * plan.cadence_us
        found.late[ids] = math.ceil(plan.lateness_us / plan.cadence_us) + 1
        found.patience[ids], found.silence_us[ids] = plan.patience, silence
    return found._replace(open_id=np.concatenate(ids_open), open_tick=np.concatenate(ticks_open))
