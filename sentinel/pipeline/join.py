"""Comparisons: closed ticks of a series and of its counterpart wait for each other and become ticks of a third series.

A comparison is named `TARGET - COUNTERPART`; its ticks are the target's. One is handed on, with the counterpart's tick
that covers its middle, as soon as that one is *decided*: closed, or known to be missing because the counterpart has
closed a later one, or because the watermark of its source is `stale_after` past it (of one that has not appeared: the
watermarks of all sources). So neither how a stream is cut nor how two sources take turns matters. The counterpart's
open tick is looked at without closing it: its next observation may be a long way off. A tick that came late itself, by
more than `stale_after`, is of a backlog, and that of the counterpart may not be read yet: it is missing once the
watermark of its source is `stale_after` past the one at which the target's tick came.

A counterpart that is more than `patience` ticks behind its target is given up: all that waits is handed on without it,
and so is what follows, a few ticks later (what came in order of time has been seen by then), until it has caught up.
Ticks of a backlog do not count there, nor those after them, until the watermark of their own source is `stale_after`
past the one at which they came: two backlogs of any length find each other in either order. Of all comparisons no more
than `MOST_SHELTERED` ticks wait so. All this is counted in ticks and watermarks, never by the time it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sentinel.pipeline import waiting
from sentinel.pipeline.arrays import Flags, Ints, concat, take
from sentinel.pipeline.cohort import Cohort, CohortState, SteppedBlock
from sentinel.pipeline.conditioning import ComparisonBlock, Side
from sentinel.pipeline.grid import ABSENT, NEVER, lay_out
from sentinel.pipeline.plan import Plan
from sentinel.pipeline.positions import Positions
from sentinel.pipeline.scoring import Stopwatch
from sentinel.pipeline.waiting import UNTOLD, Waiting, missing_ticks

if TYPE_CHECKING:
    from sentinel.pipeline.gates import Passages

_TICK_BITS = 42
_OFFSET = 1 << (_TICK_BITS - 1)
NO_INTS: Ints = np.empty(0, np.int64)


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
    early: Waiting = field(default_factory=lambda: missing_ticks(0))
    """Ticks of series that may be the counterpart of one that has not appeared; in the place of a comparison stands
    the id of the series. They are due when the watermark of their own source says so."""

    def __len__(self) -> int:
        """Count the comparisons."""
        return self.own.size

    def extend(self, own: Sequence[int], target: Sequence[int], names: Sequence[str], counterpart: Ints) -> Comparisons:
        """Add comparisons at the end: their ids, those of their targets, and the names of their counterparts.

        `counterpart` has the ids of the counterparts of old and new ones, -1 while one has not appeared.
        """
        came = [
            mine._replace(comparison=np.full(mine.tick.size, at), due_us=np.full(mine.tick.size, UNTOLD))
            for at, series in enumerate(counterpart[len(self) :].tolist() if self.early.tick.size else (), len(self))
            if (mine := take(self.early, self.early.comparison == series)).tick.size
        ]
        return replace(
            self, own=np.append(self.own, np.array(own, np.int64)),
            target=np.append(self.target, np.array(target, np.int64)), counterpart=counterpart,
            counterpart_names=(*self.counterpart_names, *names), counterparts=concat([self.counterparts, *came]),
        )  # fmt: skip

    def target_of(self, series: int) -> Ints:
        """Map each of so many series, by id, to the target of a comparison; any other series to itself."""
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
        early = self.early._replace(comparison=number[self.early.comparison])
        early = take(early, early.comparison >= 0)
        return Comparisons(own, target, counterpart, names, targets, counterparts, early)

    def forget_waiting(self, series: Sequence[int]) -> Comparisons:
        """Drop the ticks that wait for these series: they start afresh."""
        moved = np.isin(self.target, series) | np.isin(self.counterpart, series)
        return replace(
            self, targets=take(self.targets, ~moved[self.targets.comparison]),
            counterparts=take(self.counterparts, ~moved[self.counterparts.comparison]),
            early=take(self.early, ~np.isin(self.early.comparison, series)),
        )  # fmt: skip


class Closed(NamedTuple):
    """Ticks that were closed in one call and belong to a comparison."""

    targets: list[Waiting]
    counterparts: list[Waiting]
    early: list[Waiting]

    def add(
        self, state: Comparisons, plan: Plan, members: CohortState, stepped: SteppedBlock, series: int,
        may_be_counterparts: Flags | None,
    ) -> None:  # fmt: skip
        """Add those of a block; `members` is the cohort after it, `series` the number of all series.

        Those of series that `may_be_counterparts` of further ones, by id, are also kept for these.
        """
        ids = members.series[stepped.block.rows]
        if may_be_counterparts is not None:
            columns = np.flatnonzero(may_be_counterparts[ids])
            self.early.append(_make_entries(ids[columns], columns, plan, members, stepped))
        column = np.full(series + 1, -1, np.int64)  # the last one is for counterparts that have not appeared
        column[ids] = np.arange(ids.size)
        for found, whose in ((self.targets, state.target), (self.counterparts, state.counterpart)):
            (at,) = np.nonzero(column[whose] >= 0)
            if at.size:
                found.append(_make_entries(at, column[whose[at]], plan, members, stepped))


def step(
    state: Comparisons, stages: Sequence[Cohort], cohorts: list[CohortState], closed: Closed, where: Positions,
    observe: Callable[[int, CohortState, SteppedBlock], None], took: Stopwatch, *, ended: bool, area: int,
    cut_every: int, passages: Callable[[CohortState], Passages | None] = lambda _: None,
) -> Comparisons:  # fmt: skip
    """Let closed ticks wait, hand on those whose time has come, and step the cohorts of the comparisons in the list.

    `observe` is called after each block: position of its cohort, the cohort after it, what it gave. `passages` give
    the declared events of a cohort.
    """

    def look_ahead(comparison: int, first: int, beyond: int) -> list[Waiting]:
        """Give the open ticks of the counterpart from `first` to before `beyond`, as if they were closed."""
        counterpart = state.counterpart[comparison]
        at = int(where.cohort[counterpart])
        row = int(where.row[counterpart])
        return _close_ahead(stages[at], cohorts[at], row, first, beyond, comparison, passages(cohorts[at]))

    after, due, decided = _advance(state, closed, where, look_ahead, ended=ended)
    _move_grids(state, cohorts, where, decided)
    for at, block in _make_blocks(state, due, where, area, cut_every):
        cohorts[at], stepped = stages[at].step(cohorts[at], block, took)
        observe(at, cohorts[at], stepped)
    return after


def keep_early(state: Comparisons, closed: Closed, where: Positions, *, may_come: bool) -> Comparisons:
    """Keep the ticks of series that may be counterparts for those that may still come.

    Once the source of one has told what it had, its ticks wait no longer than a backlog waits for another.
    """
    early = concat([state.early, *closed.early]) if may_come else missing_ticks(0)
    R = early.comparison
    told = where.watermark_us[R]
    due_us = np.where((early.due_us == UNTOLD) & (told != NEVER), told + where.silence_us[R], early.due_us)
    early = early._replace(due_us=due_us)
    kept = (told == NEVER) | (told < due_us)
    if not waiting.has_room(early, state.targets, state.counterparts):
        kept &= early.tick >= (where.next_tick - where.patience)[R]
    return replace(state, early=take(early, kept))


def count_waiting(state: Comparisons, where: Positions) -> Ints:
    """Count the closed ticks of each target that wait for the counterpart; 0 once it is given up."""
    ticks = where.next_tick[state.target] - np.maximum(where.next_tick[state.own], 0)
    sheltered = waiting.find_sheltered(state.targets, state.target, where)
    return np.where(_find_reach(state, where, sheltered).given_up, 0, ticks)


_Due = tuple[Waiting, Waiting]
"""Ticks of targets whose time has come, in order of (comparison, tick), and for each the tick of its counterpart."""


def _advance(
    state: Comparisons, fresh: Closed, where: Positions, look_ahead: Callable[[int, int, int], list[Waiting]], *,
    ended: bool,
) -> tuple[Comparisons, _Due, Ints]:  # fmt: skip
    """Decide which ticks are due; also give for each comparison the first tick of its target that still waits."""
    targets = waiting.note_told(concat([state.targets, *fresh.targets]), state.target, where)
    counterparts = waiting.note_told(concat([state.counterparts, *fresh.counterparts]), state.counterpart, where)
    sheltered, other = (
        waiting.find_sheltered(entries, series, where)
        if waiting.has_room(targets, counterparts, state.early) else np.full(len(state), UNTOLD)
        for entries, series in ((targets, state.target), (counterparts, state.counterpart))
    )  # fmt: skip
    reach = _find_reach(state, where, sheltered, _find_held(state, targets, where))
    there, shift = reach.there, reach.shift
    decided = where.next_tick[state.target] if ended else reach.decided
    first = np.maximum(reach.closed, np.maximum(where.next_tick[state.own], 0))
    ahead = [
        entries
        for at in np.flatnonzero(there & (decided > first)).tolist()
        for entries in look_ahead(at, int(first[at] + shift[at]), int(decided[at] + shift[at]))
    ]
    counterparts = concat([counterparts, *ahead])
    is_due = targets.tick < decided[targets.comparison]
    due = _match(take(targets, is_due), take(counterparts, there[counterparts.comparison]), shift)
    of = counterparts.comparison
    waits = counterparts.tick - shift[of] >= np.where(there, decided, -_OFFSET)[of]
    recent = counterparts.tick >= np.minimum(where.next_tick[state.counterpart] - reach.patience, other)[of]
    waits &= recent | _is_awaited(state, counterparts, where, shift)
    return replace(state, targets=take(targets, ~is_due), counterparts=take(counterparts, waits)), due, decided


class _Reach(NamedTuple):
    """Position of each comparison, in ticks of its target."""

    there: Flags
    """Target and counterpart have begun, on the same cadence."""
    shift: Ints
    """Number to add for that of the counterpart's tick."""
    closed: Ints
    """First tick that the counterpart has not closed."""
    patience: Ints
    """Ticks that one waits for the other, at most."""
    given_up: Flags
    """The counterpart is further behind than that."""
    decided: Ints
    """First tick that waits."""


def _find_held(state: Comparisons, targets: Waiting, where: Positions) -> Ints:
    """Find for each comparison its first tick of which the watermark of the counterpart's source says nothing yet."""
    R = state.counterpart[targets.comparison]
    return waiting.find_first(len(state), targets, (R >= 0) & (targets.due_us > where.watermark_us[R]))


def _find_reach(state: Comparisons, where: Positions, sheltered: Ints, held: Ints | None = None) -> _Reach:
    """Find how far each has come, by the ticks that are closed and the watermarks of the sources.

    Ticks of the target from `sheltered` on do not count against its patience; from `held` on the watermarks say
    nothing.
    """
    T, R = state.target, state.counterpart
    begun = (R >= 0) & (where.next_tick[T] >= 0) & (where.next_tick[R] >= 0)
    alike = (where.cadence_us[T] == where.cadence_us[R]) & (where.months[T] == where.months[R])
    there = begun & alike
    shift = np.where(there, _find_shift(where, T, R), 0)
    # A counterpart that has not begun is awaited from the first tick on; one on another cadence is as good as missing.
    closed = np.where(there, where.next_tick[R] - shift, np.where(begun, -_OFFSET, 0))
    # A watermark far ahead of the target says nothing: both may be records from the past, of which one is read first.
    absent = R < 0
    watermark, newest = np.where(absent, where.common_watermark_us[T], where.watermark_us[R]), where.newest_us[T]
    speaks = (there | (absent & (where.next_tick[T] >= 0))) & (watermark != NEVER)
    speaks &= np.where(speaks, watermark, 0) - np.where(speaks, newest, 0) <= where.gap_us[T]
    heard = np.where(
        speaks, np.where(absent, where.common_watermark_tick[T], where.watermark_tick[R] - shift), -_OFFSET
    )
    heard = heard if held is None else np.minimum(heard, held)
    # A target whose cadence is not known yet has no patience of its own.
    patience = where.patience[np.where(there | ((R >= 0) & (where.cohort[T] < 0)), R, T)]
    given_up = np.minimum(where.next_tick[T], sheltered) - closed > patience
    seen = where.next_tick[T] - where.late[T] - np.where(there, where.late[R], 0)
    decided = np.maximum(np.maximum(closed, heard), np.maximum(where.next_tick[state.own], 0))
    decided = np.minimum(np.where(given_up, np.maximum(decided, seen), decided), where.next_tick[T])
    return _Reach(there, shift, closed, patience, given_up, decided)


def _find_shift(where: Positions, target: Ints, counterpart: Ints) -> Ints:
    """Number of the counterpart's tick that covers the middle of the target's tick 0; for all others it is the same."""
    months, cadence = where.months[target], np.maximum(where.cadence_us[target], 1)
    apart = where.origin[target] - where.origin[counterpart]
    return np.where(months > 0, apart // np.maximum(months, 1), (apart + cadence // 2) // cadence)


def _is_awaited(state: Comparisons, counterparts: Waiting, where: Positions, shift: Ints) -> Flags:
    """Tell which of these ticks an open tick of the target waits for: it may be long until its next value closes it."""
    comparison_of = np.full(where.cohort.size, -1, np.int64)
    comparison_of[state.target] = np.arange(len(state))
    open_in = comparison_of[where.open_id]
    wanted = _key(open_in[open_in >= 0], where.open_tick[open_in >= 0])
    return np.isin(_key(counterparts.comparison, counterparts.tick - shift[counterparts.comparison]), wanted)


def _match(targets: Waiting, counterparts: Waiting, shift: Ints) -> _Due:
    """Find for each tick that of its counterpart; the first of several, a missing one if there is none."""
    targets = take(targets, np.argsort(_key(targets.comparison, targets.tick), kind="stable"))
    keys = _key(counterparts.comparison, counterparts.tick - shift[counterparts.comparison])
    order = np.argsort(keys, kind="stable")
    wanted = _key(targets.comparison, targets.tick)
    at = np.searchsorted(keys[order], wanted)
    order = np.append(order, keys.size)
    found = np.append(keys, -1)[order[at]] == wanted
    return targets, take(concat([counterparts, missing_ticks(1)]), np.where(found, order[at], keys.size))


def _key(comparison: Ints, tick: Ints) -> Ints:
    return (comparison << _TICK_BITS) + tick + _OFFSET


def _make_entries(comparisons: Ints, columns: Ints, plan: Plan, members: CohortState, stepped: SteppedBlock) -> Waiting:
    """Make entries of these comparisons from the ticks in these columns of a block."""
    block, conditioned = stepped.block, stepped.conditioned
    kind = block.kind[:, columns].T
    valued = (kind != ABSENT) & ~np.isnan(block.value[:, columns].T)
    last, rows = members.last, block.rows[columns]
    # The number of each value, counted back from how many there have been by the end of the block.
    later = valued[:, ::-1].cumsum(axis=1)[:, ::-1] - valued
    nth = (last.ticks - last.missing)[rows][:, None] - later
    p, t = np.nonzero(kind != ABSENT)
    at = (t, columns[p])
    # A side is judged, whatever its conditioner says, after as many values as its cadence may have taken to be learnt.
    learning, blind = conditioned.learning[at], conditioned.blind[at]
    pair, second = conditioned.pairs, stepped.scored.basis.second
    return Waiting(
        comparisons[p], block.tick[at], block.kind[at], block.value[at],
        Side(
            pair.past[at], pair.present[at], conditioned.residual[at], pair.valid[at],
            valued[p, t] & ~learning & (blind == 0) & (nth[p, t] > plan.judged_after), conditioned.before[at],
            conditioned.scale[at], stepped.scored.estimates.spread[at], second.past[at], second.present[at],
            second.valid[at], pair.reset[at], learning, blind,
        ),
        np.full(p.size, UNTOLD),
    )  # fmt: skip


def _make_blocks(
    state: Comparisons, due: _Due, where: Positions, area: int, cut_every: int
) -> Iterator[tuple[int, ComparisonBlock]]:
    """Lay out what is due as blocks, each with the position of its cohort."""
    cohort = where.cohort[state.own][due[0].comparison]
    for at in np.unique(cohort).tolist():
        mine, other = (take(entries, cohort == at) for entries in due)
        start = np.flatnonzero(np.append(True, np.diff(mine.comparison) != 0))
        for series, place, within in lay_out(start, mine.tick, area, cut_every):
            row = where.row[state.own[mine.comparison[start[series]]]]
            kind = np.where(within, mine.kind[place], ABSENT).astype(np.int8)
            target, counterpart = take(mine, place), take(other, place)
            value = np.where(within, target.value, np.nan)
            yield at, ComparisonBlock(row, kind, value, target.tick, target.side, counterpart.side)


def _move_grids(state: Comparisons, cohorts: list[CohortState], where: Positions, decided: Ints) -> None:
    """Give the grids of the comparisons the origins of their targets, and how far they have come."""
    cohort_of = where.cohort[state.own]
    for at in np.unique(cohort_of[cohort_of >= 0]).tolist():
        mine = np.flatnonzero(cohort_of == at)
        grid, row, target = cohorts[at].grid, where.row[state.own[mine]], state.target[mine]
        origin, next_tick, newest = (array.copy() for array in grid[:3])
        origin[row], next_tick[row], newest[row] = where.origin[target], decided[mine], where.newest_us[target]
        cohorts[at] = cohorts[at]._replace(grid=grid._replace(origin_us=origin, next_tick=next_tick, newest_us=newest))


def _close_ahead(
    stage: Cohort, members: CohortState, row: int, first: int, beyond: int, comparison: int, passages: Passages | None
) -> list[Waiting]:
    """Close open ticks of one series on a copy; those before `first` have been looked at before."""
    grid = members.grid
    tick = stage.grid.tick_of(grid.origin_us[row], grid.pending_us)
    here = (grid.pending_row == row) & (tick < beyond)
    if not np.any(tick[here] >= first):
        return []
    pending = {name: getattr(grid, name)[here] for name in ("pending_row", "pending_us", "pending_value")}
    _, blocks = stage.grid.close(grid._replace(**pending), everything=True, passages=passages)
    found = []
    for block in blocks:
        members, stepped = stage.step(members, block, lambda _stage, _seconds: None)
        found.append(_make_entries(np.array([comparison]), np.zeros(1, np.int64), stage.plan, members, stepped))
    return found
