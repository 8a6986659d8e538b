"""The comparisons of series with their counterparts: the ticks that wait in them, and how far their series have come.

A comparison is a series of its own, `TARGET - COUNTERPART`, derived from two others; its ticks are the target's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints, take
from sentinel.pipeline.cohort import Cohort, CohortState
from sentinel.pipeline.conditioning import Side
from sentinel.pipeline.grid import NEVER

NO_INTS: Ints = np.empty(0, np.int64)


class Waiting(NamedTuple):
    """Closed ticks, one per entry, shape (n,)."""

    comparison: Ints
    """Position of the comparison they wait in."""
    tick: Ints
    """Number of the tick in its own series."""
    kind: Codes
    value: Floats
    side: Side


def missing_ticks(entries: int) -> Waiting:
    """Make entries for ticks that do not exist."""
    whole, unknown, no, code = (np.zeros(entries, kind) for kind in (np.int64, np.float64, bool, np.int8))
    unknown += np.nan
    flags, codes = ("valid", "judged", "second_valid", "reset", "learning"), ("blind",)
    side = Side(**{name: no if name in flags else code if name in codes else unknown for name in Side._fields})
    return Waiting(whole, whole, code, unknown, side)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """All comparisons, and the ticks that wait. Series are named by their ids."""

    own: Ints = field(default_factory=lambda: NO_INTS)
    """Id of each comparison."""
    target: Ints = field(default_factory=lambda: NO_INTS)
    counterpart: Ints = field(default_factory=lambda: NO_INTS)
    """-1 until it appears."""
    counterpart_names: tuple[str, ...] = ()
    targets: Waiting = field(default_factory=lambda: missing_ticks(0))
    counterparts: Waiting = field(default_factory=lambda: missing_ticks(0))

    def __len__(self) -> int:
        """Count the comparisons."""
        return self.own.size

    def extend(self, own: Sequence[int], target: Sequence[int], names: Sequence[str], counterpart: Ints) -> Comparisons:
        """Add comparisons at the end: their ids, those of their targets, and the names of their counterparts.

        `counterpart` has the ids of the counterparts of old and new ones, -1 while one has not appeared.
        """
        return replace(
            self, own=np.append(self.own, np.array(own, np.int64)),
            target=np.append(self.target, np.array(target, np.int64)), counterpart=counterpart,
            counterpart_names=(*self.counterpart_names, *names),
        )  # fmt: skip

    def target_of(self, series: int) -> Ints:
        """By id, of so many series: the target of a comparison, any other series itself."""
        found = np.arange(series)
        found[self.own] = self.target
        return found

    def keep(self, kept: Flags, number: Ints) -> Comparisons:
        """Keep some of them, their series under new numbers (the last entry of `number` is that of none, -1)."""
        position = np.cumsum(kept) - 1
        targets, counterparts = (
            rows._replace(comparison=position[rows.comparison])
            for rows in (take(rows, kept[rows.comparison]) for rows in (self.targets, self.counterparts))
        )
        own, target, counterpart = (number[ids[kept]] for ids in (self.own, self.target, self.counterpart))
        names = tuple(name for name, stays in zip(self.counterpart_names, kept, strict=True) if stays)
        return Comparisons(own, target, counterpart, names, targets, counterparts)

    def forget_waiting(self, series: Sequence[int]) -> Comparisons:
        """Drop the ticks that wait for these series: they start afresh."""
        moved = np.isin(self.target, series) | np.isin(self.counterpart, series)
        return replace(
            self, targets=take(self.targets, ~moved[self.targets.comparison]),
            counterparts=take(self.counterparts, ~moved[self.counterparts.comparison]),
        )  # fmt: skip


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
        found.patience[ids] = plan.patience
    return found._replace(open_id=np.concatenate(ids_open), open_tick=np.concatenate(ticks_open))
