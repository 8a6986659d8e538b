"""Pairing: closed ticks of a series and of its reference wait here for each other.

A *paired series* is derived from two others, `TARGET - REFERENCE`; its ticks are the target's. A tick of the target is
handed on, with the reference's tick that covers its middle, as soon as that one is closed. What the reference's tick
holds depends only on observations up to it, so it does not matter how a stream is cut. If the reference has not closed
it `wait` ticks later, it is taken as it stands: what is still open there is looked at ahead of time, without closing it
(its next observation may be a long way off), and a reference that said nothing is missing. In the same way ticks of the
reference wait for a target that lags behind, no longer than `wait` ticks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sentinel.cadence import ABSENT, NEVER, laid_out
from sentinel.cohort import Cohort, CohortState, Ticks
from sentinel.conditioning import FIRST, Half, PairedBlock

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]
T = TypeVar("T", bound=tuple[NDArray[np.generic], ...])

_TICK_BITS = 42
_OFFSET = 1 << (_TICK_BITS - 1)


class Waiting(NamedTuple):
    """Closed ticks, one per entry, shape (n,)."""

    pair: Ints
    """Position of the pair they wait in."""
    tick: Ints
    """Number of the tick in its own series."""
    kind: Codes
    value: Floats
    past: Floats
    present: Floats
    residual: Floats
    valid: Flags
    judged: Flags
    """There is a value, and it may be judged: neither blind nor learning."""
    before: Floats
    scale: Floats
    spread: Floats
    second_past: Floats
    second_present: Floats
    second_valid: Flags
    reset: Flags
    learning: Flags
    blind: Codes


def _missing(entries: int) -> Waiting:
    """Ticks that are not there."""
    whole, no, code, unknown = (np.zeros(entries, kind) for kind in (np.int64, bool, np.int8, np.float64))
    unknown += np.nan
    columns = {
        name: whole if name in ("pair", "tick") else code if name in ("kind", "blind") else
        no if name in ("valid", "judged", "second_valid", "reset", "learning") else unknown
        for name in Waiting._fields
    }  # fmt: skip
    return Waiting(**columns)


@dataclass(frozen=True, slots=True)
class PairingState:
    """The paired series, and the ticks that wait. Series are named by their ids."""

    own: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """Id of each paired series."""
    target: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    reference: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """-1 until it appears."""
    reference_names: tuple[str, ...] = ()
    targets: Waiting = field(default_factory=lambda: _missing(0))
    references: Waiting = field(default_factory=lambda: _missing(0))

    def __len__(self) -> int:
        """Number of paired series."""
        return self.own.size

    def with_pair(self, own: int, target: int, reference: str, names: Sequence[str]) -> PairingState:
        """One paired series more; `names` are those of all series so far."""
        return replace(
            self, own=np.append(self.own, own), target=np.append(self.target, target),
            reference=np.append(self.reference, names.index(reference) if reference in names else -1),
            reference_names=(*self.reference_names, reference),
        )  # fmt: skip

    def appeared(self, name: str, number: int) -> PairingState:
        """The same once the series `name` is there, which may be a reference."""
        if name not in self.reference_names:
            return self
        mine = np.array([reference == name for reference in self.reference_names])
        return replace(self, reference=np.where(mine, number, self.reference))

    def renumbered(self, number: Ints, kept: Flags) -> PairingState:
        """These pairs only, their series under new numbers."""
        position = np.cumsum(kept) - 1
        targets, references = (
            rows._replace(pair=position[rows.pair])
            for rows in (_of(rows, kept[rows.pair]) for rows in (self.targets, self.references))
        )
        own, target, reference = (number[ids[kept]] for ids in (self.own, self.target, self.reference))
        names = tuple(name for name, stays in zip(self.reference_names, kept, strict=True) if stays)
        return PairingState(own, target, reference, names, targets, references)

    def without_waiting(self, series: Collection[int]) -> PairingState:
        """Nothing waits for these series any longer: they start afresh."""
        moved = np.isin(self.target, list(series)) | np.isin(self.reference, list(series))
        return replace(
            self, targets=_of(self.targets, ~moved[self.targets.pair]),
            references=_of(self.references, ~moved[self.references.pair]),
        )  # fmt: skip


class Standing(NamedTuple):
    """Where every series stands, by id; zeros and -1 while its cadence is not known."""

    cohort: Ints
    row: Ints
    origin: Ints
    next_tick: Ints
    newest_us: Ints
    cadence_us: Ints
    months: Ints
    wait: Ints
    """Ticks that a tick of it waits at least before it is handed on, or given up."""
    open_id: Ints
    """Observations whose ticks are still open: series and tick, shape (n,)."""
    open_tick: Ints


def standing(stages: Sequence[Cohort], cohorts: Sequence[CohortState], series: int) -> Standing:
    """Where each of so many series stands."""
    found = Standing(*(np.zeros(series, np.int64) for _ in Standing._fields))
    found.cohort.fill(-1)
    found.next_tick.fill(-1)
    found.newest_us.fill(NEVER)
    ids_open, ticks_open = [found.open_id[:0]], [found.open_tick[:0]]
    for at, (stage, members) in enumerate(zip(stages, cohorts, strict=True)):
        plan = stage.plan
        ids, grid = members.series, members.grid
        ids_open.append(ids[grid.pending_row])
        ticks_open.append(stage.grid.tick_of(grid.origin_us[grid.pending_row], grid.pending_us))
        wait = plan.blind_after_missing + math.ceil(plan.lateness_us / plan.cadence_us) + 2
        found.cohort[ids], found.row[ids] = at, np.arange(ids.size)
        found.origin[ids], found.next_tick[ids], found.newest_us[ids] = grid.origin_us, grid.next_tick, grid.newest_us
        found.cadence_us[ids], found.months[ids], found.wait[ids] = plan.cadence_us, plan.months, wait
    return found._replace(open_id=np.concatenate(ids_open), open_tick=np.concatenate(ticks_open))


class Gathered(NamedTuple):
    """Ticks that were closed in one call."""

    targets: list[Waiting]
    references: list[Waiting]


def gather(state: PairingState, into: Gathered, members: CohortState, ticks: Ticks, series: int) -> None:
    """Add the ticks of a block that belong to a pair; `members` is the cohort after the block."""
    ids = members.series[ticks.block.rows]
    column = np.full(series + 1, -1, np.int64)  # the last one is for references that have not appeared
    column[ids] = np.arange(ids.size)
    for found, whose in ((into.targets, state.target), (into.references, state.reference)):
        (pairs,) = np.nonzero(column[whose] >= 0)
        if pairs.size:
            found.append(entries_of(pairs, column[whose[pairs]], members, ticks))


def entries_of(pairs: Ints, columns: Ints, members: CohortState, ticks: Ticks) -> Waiting:
    """The ticks of these columns of a block, as entries of these pairs."""
    block, conditioned = ticks.block, ticks.conditioned
    kind = block.kind[:, columns].T
    valued = (kind != ABSENT) & ~np.isnan(block.value[:, columns].T)
    last, rows = members.last, block.rows[columns]
    # The number of each value, counted back from how many there have been by the end of the block.
    later = valued[:, ::-1].cumsum(axis=1)[:, ::-1] - valued
    nth = (last.ticks - last.missing)[rows][:, None] - later
    p, t = np.nonzero(kind != ABSENT)
    at = (t, columns[p])
    learning, blind = conditioned.learning[at], conditioned.blind[at]
    pair, second = conditioned.pairs, ticks.scored.second
    return Waiting(
        pairs[p], block.tick[at], block.kind[at], block.value[at], pair.past[at], pair.present[at],
        conditioned.residual[at], pair.valid[at], valued[p, t] & ~learning & (blind == 0) & (nth[p, t] > FIRST),
        conditioned.before[at], conditioned.scale[at], ticks.scored.spread[at], second.past[at], second.present[at],
        second.valid[at], pair.reset[at], learning, blind,
    )  # fmt: skip


class Handed(NamedTuple):
    """Ticks of targets, in order of (pair, tick), each with the tick of its reference."""

    targets: Waiting
    references: Waiting


def advance(
    state: PairingState,
    fresh: Gathered,
    where: Standing,
    ahead: Callable[[int, int, int, int], list[Waiting]],
    *,
    ended: bool,
) -> tuple[PairingState, Handed, Ints]:
    """Let ticks wait, and hand on those whose time has come.

    Parameters
    ----------
    fresh
        What was closed in this call.
    where
        After this call's closing.
    ahead
        Given a pair, the id of its reference, the first tick and the first one too far: those ticks of it that are
        still open, as if they were closed.
    ended
        The input has ended: nothing waits any longer.

    Returns
    -------
    The new state, what is handed on, and for each pair the first tick of its target that still waits.
    """
    targets = _joined([state.targets, *fresh.targets])
    references = _joined([state.references, *fresh.references])
    R = state.reference
    next_t, next_r = where.next_tick[state.target], where.next_tick[R]
    there = (next_t >= 0) & (R >= 0) & (next_r >= 0)
    for same in (where.cadence_us, where.months):
        there &= same[state.target] == same[R]
    shift = np.where(there, _shift(where, state.target, R), 0)
    wait = where.wait[state.target] + np.where(there, where.wait[R], 0)
    known = np.where(there, next_r - shift, -_OFFSET)
    decided = next_t if ended else np.minimum(np.maximum(known, next_t - wait), next_t)
    before = np.maximum(where.next_tick[state.own], 0)
    first = np.maximum(known, before)
    looked = [
        entries
        for p in np.flatnonzero(there & (decided > first)).tolist()
        for entries in ahead(p, int(R[p]), int(first[p] + shift[p]), int(decided[p] + shift[p]))
    ]
    references = _joined([references, *looked])
    due = targets.tick < decided[targets.pair]
    handed = _matched(_of(targets, due), _of(references, there[references.pair]), shift)
    still = references.tick - shift[references.pair] >= np.where(there, decided, -_OFFSET)[references.pair]
    still &= (references.tick >= (next_r - wait)[references.pair]) | _awaited(state, references, where, shift)
    return replace(state, targets=_of(targets, ~due), references=_of(references, still)), handed, decided


def _awaited(state: PairingState, references: Waiting, where: Standing, shift: Ints) -> Flags:
    """Whether the target has a value of that tick, which is still open: it may be long until its next one closes it."""
    pair_of = np.full(where.cohort.size, -1, np.int64)
    pair_of[state.target] = np.arange(len(state))
    pair = pair_of[where.open_id]
    wanted = _key(pair[pair >= 0], where.open_tick[pair >= 0])
    return np.isin(_key(references.pair, references.tick - shift[references.pair]), wanted)


def _shift(where: Standing, target: Ints, reference: Ints) -> Ints:
    """Number of the reference's tick that covers the middle of the target's tick 0; for all others it is the same."""
    months, cadence = where.months[target], np.maximum(where.cadence_us[target], 1)
    apart = where.origin[target] - where.origin[reference]
    return np.where(months > 0, apart // np.maximum(months, 1), (apart + cadence // 2) // cadence)


def _matched(targets: Waiting, references: Waiting, shift: Ints) -> Handed:
    """Each tick with that of its reference; the first of several, a missing one if there is none."""
    targets = _of(targets, np.argsort(_key(targets.pair, targets.tick), kind="stable"))
    keys = _key(references.pair, references.tick - shift[references.pair])
    order = np.argsort(keys, kind="stable")
    wanted = _key(targets.pair, targets.tick)
    at = np.searchsorted(keys[order], wanted)
    order = np.append(order, keys.size)
    found = np.append(keys, -1)[order[at]] == wanted
    return Handed(targets, _of(_joined([references, _missing(1)]), np.where(found, order[at], keys.size)))


def _key(pair: Ints, tick: Ints) -> Ints:
    return (pair << _TICK_BITS) + tick + _OFFSET


def blocks(
    state: PairingState, handed: Handed, where: Standing, *, area: int, cut_every: int
) -> Iterator[tuple[int, PairedBlock]]:
    """What was handed on as blocks, each with the position of its cohort."""
    cohort = where.cohort[state.own][handed.targets.pair]
    for at in np.unique(cohort).tolist():
        mine, other = (_of(entries, cohort == at) for entries in handed)
        start = np.flatnonzero(np.append(True, np.diff(mine.pair) != 0))
        for series, place, within in laid_out(start, mine.tick, area, cut_every):
            row = where.row[state.own[mine.pair[start[series]]]]
            kind = np.where(within, mine.kind[place], ABSENT).astype(np.int8)
            target, reference = _of(mine, place), _of(other, place)
            yield at, PairedBlock(
                row, kind, np.where(within, target.value, np.nan), target.tick, _half(target), _half(reference),
                target.reset, target.learning, target.blind,
            )  # fmt: skip


def _half(entries: Waiting) -> Half:
    return Half(*(getattr(entries, name) for name in Half._fields))


def _joined(parts: Sequence[T]) -> T:
    return parts[0] if len(parts) == 1 else type(parts[0])(*(np.concatenate(c) for c in zip(*parts, strict=True)))


def _of(entries: T, which: Ints | Flags) -> T:
    return type(entries)(*(column[which] for column in entries))
