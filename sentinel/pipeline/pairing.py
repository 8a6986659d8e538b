"""Pairing: closed ticks of a series and of its counterpart wait here for each other.

A *paired series* is derived from two others, `TARGET - COUNTERPART`; its ticks are the target's. A tick of the target
is handed on, with the counterpart's tick that covers its middle, as soon as that one is *decided*: closed, or known to
be missing. It is known to be missing when the counterpart has closed a later one, or when the watermark of the
counterpart's source is `stale_after` past it, as a series would be called stale then (of one that has not appeared: the
watermarks of all sources). What the counterpart's tick holds depends only on observations up to it, so neither how a
stream is cut nor how two sources take turns matters. What is still open there is looked at ahead of time, without
closing it: its next observation may be a long way off.

A counterpart that is more than `patience` ticks behind its target is given up: all that waits is handed on without it,
and so is what follows, a few ticks later (what came in order of time has been seen by then), until it has caught up. So
no more than `patience` ticks of a target ever wait, and no more of a counterpart whose target lags behind. All this is
counted in ticks of the two series and by the clocks that their sources tell, never by the time at which it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline.cohort import CohortState, Ticks
from sentinel.pipeline.conditioning import FIRST, Half, PairedBlock
from sentinel.pipeline.grid import ABSENT, NEVER, laid_out
from sentinel.pipeline.standing import Standing

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
    half: Half


def _missing(entries: int) -> Waiting:
    """Ticks that are not there."""
    whole, unknown, no, code = (np.zeros(entries, kind) for kind in (np.int64, np.float64, bool, np.int8))
    unknown += np.nan
    flags, codes = ("valid", "judged", "second_valid", "reset", "learning"), ("blind",)
    half = Half(**{name: no if name in flags else code if name in codes else unknown for name in Half._fields})
    return Waiting(whole, whole, code, unknown, half)


@dataclass(frozen=True, slots=True)
class PairingState:
    """The paired series, and the ticks that wait. Series are named by their ids."""

    own: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """Id of each paired series."""
    target: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    counterpart: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """-1 until it appears."""
    counterpart_names: tuple[str, ...] = ()
    targets: Waiting = field(default_factory=lambda: _missing(0))
    counterparts: Waiting = field(default_factory=lambda: _missing(0))

    def __len__(self) -> int:
        """Number of paired series."""
        return self.own.size

    def with_pair(self, own: int, target: int, counterpart: str, names: Sequence[str]) -> PairingState:
        """One paired series more; `names` are those of all series so far."""
        return replace(
            self, own=np.append(self.own, own), target=np.append(self.target, target),
            counterpart=np.append(self.counterpart, names.index(counterpart) if counterpart in names else -1),
            counterpart_names=(*self.counterpart_names, counterpart),
        )  # fmt: skip

    def appeared(self, name: str, number: int) -> PairingState:
        """The same once the series `name` is there, which may be a counterpart."""
        if name not in self.counterpart_names:
            return self
        mine = np.array([counterpart == name for counterpart in self.counterpart_names])
        return replace(self, counterpart=np.where(mine, number, self.counterpart))

    def renumbered(self, number: Ints, kept: Flags) -> PairingState:
        """These pairs only, their series under new numbers."""
        position = np.cumsum(kept) - 1
        targets, counterparts = (
            rows._replace(pair=position[rows.pair])
            for rows in (_of(rows, kept[rows.pair]) for rows in (self.targets, self.counterparts))
        )
        own, target, counterpart = (number[ids[kept]] for ids in (self.own, self.target, self.counterpart))
        names = tuple(name for name, stays in zip(self.counterpart_names, kept, strict=True) if stays)
        return PairingState(own, target, counterpart, names, targets, counterparts)

    def without_waiting(self, series: Collection[int]) -> PairingState:
        """Nothing waits for these series any longer: they start afresh."""
        moved = np.isin(self.target, list(series)) | np.isin(self.counterpart, list(series))
        return replace(
            self, targets=_of(self.targets, ~moved[self.targets.pair]),
            counterparts=_of(self.counterparts, ~moved[self.counterparts.pair]),
        )  # fmt: skip


class Gathered(NamedTuple):
    """Ticks that were closed in one call."""

    targets: list[Waiting]
    counterparts: list[Waiting]


def gather(state: PairingState, into: Gathered, members: CohortState, ticks: Ticks, series: int) -> None:
    """Add the ticks of a block that belong to a pair; `members` is the cohort after the block."""
    ids = members.series[ticks.block.rows]
    column = np.full(series + 1, -1, np.int64)  # the last one is for counterparts that have not appeared
    column[ids] = np.arange(ids.size)
    for found, whose in ((into.targets, state.target), (into.counterparts, state.counterpart)):
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
        pairs[p], block.tick[at], block.kind[at], block.value[at],
        Half(
            pair.past[at], pair.present[at], conditioned.residual[at], pair.valid[at],
            valued[p, t] & ~learning & (blind == 0) & (nth[p, t] > FIRST), conditioned.before[at],
            conditioned.scale[at], ticks.scored.estimates.spread[at],
            second.past[at], second.present[at], second.valid[at], pair.reset[at], learning, blind,
        ),
    )  # fmt: skip


class Handed(NamedTuple):
    """Ticks of targets, in order of (pair, tick), each with the tick of its counterpart."""

    targets: Waiting
    counterparts: Waiting


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
        Given a pair, the id of its counterpart, the first tick and the first one too far: those ticks of it that are
        still open, as if they were closed.
    ended
        The input has ended: nothing waits any longer.

    Returns
    -------
    The new state, what is handed on, and for each pair the first tick of its target that still waits.
    """
    targets = _joined([state.targets, *fresh.targets])
    counterparts = _joined([state.counterparts, *fresh.counterparts])
    R, reach = state.counterpart, _reach(state, where)
    there, shift = reach.there, reach.shift
    decided = where.next_tick[state.target] if ended else reach.decided
    before = np.maximum(where.next_tick[state.own], 0)
    first = np.maximum(reach.closed, before)
    looked = [
        entries
        for p in np.flatnonzero(there & (decided > first)).tolist()
        for entries in ahead(p, int(R[p]), int(first[p] + shift[p]), int(decided[p] + shift[p]))
    ]
    counterparts = _joined([counterparts, *looked])
    due = targets.tick < decided[targets.pair]
    handed = _matched(_of(targets, due), _of(counterparts, there[counterparts.pair]), shift)
    still = counterparts.tick - shift[counterparts.pair] >= np.where(there, decided, -_OFFSET)[counterparts.pair]
    kept = counterparts.tick >= (where.next_tick[R] - reach.patience)[counterparts.pair]
    still &= kept | _awaited(state, counterparts, where, shift)
    return replace(state, targets=_of(targets, ~due), counterparts=_of(counterparts, still)), handed, decided


class _Reach(NamedTuple):
    """How far each pair has come, in ticks of its target."""

    there: Flags
    """Target and counterpart have begun, on the same cadence."""
    shift: Ints
    """What to add for the number of the counterpart's tick."""
    closed: Ints
    """First tick that the counterpart has not closed."""
    patience: Ints
    """Ticks that one waits for the other, at most."""
    given_up: Flags
    """The counterpart is further behind than that."""
    decided: Ints
    """First tick that waits."""


def _reach(state: PairingState, where: Standing) -> _Reach:
    """How far, by what has been closed and told so far."""
    T, R = state.target, state.counterpart
    begun = (R >= 0) & (where.next_tick[T] >= 0) & (where.next_tick[R] >= 0)
    alike = (where.cadence_us[T] == where.cadence_us[R]) & (where.months[T] == where.months[R])
    there = begun & alike
    shift = np.where(there, _shift(where, T, R), 0)
    # A counterpart that has not begun is awaited from the first tick on; one on another cadence is as good as missing.
    closed = np.where(there, where.next_tick[R] - shift, np.where(begun, -_OFFSET, 0))
    # A clock far ahead of the target says nothing: both may be records from the past, of which one is read first.
    absent = R < 0
    clock, newest = np.where(absent, where.common_watermark_us[T], where.watermark_us[R]), where.newest_us[T]
    speaks = (there | (absent & (where.next_tick[T] >= 0))) & (clock != NEVER)
    speaks &= np.where(speaks, clock, 0) - np.where(speaks, newest, 0) <= where.gap_us[T]
    told = np.where(speaks, np.where(absent, where.common_watermark_tick[T], where.watermark_tick[R] - shift), -_OFFSET)
    patience = where.patience[np.where(there, R, T)]
    given_up = where.next_tick[T] - closed > patience
    seen = where.next_tick[T] - where.late[T] - np.where(there, where.late[R], 0)
    decided = np.maximum(np.maximum(closed, told), np.maximum(where.next_tick[state.own], 0))
    decided = np.minimum(np.where(given_up, np.maximum(decided, seen), decided), where.next_tick[T])
    return _Reach(there, shift, closed, patience, given_up, decided)


def waiting(state: PairingState, where: Standing) -> Ints:
    """Closed ticks of each pair's target that wait for the counterpart; 0 once it is given up."""
    ticks = where.next_tick[state.target] - np.maximum(where.next_tick[state.own], 0)
    return np.where(_reach(state, where).given_up, 0, ticks)


def _awaited(state: PairingState, counterparts: Waiting, where: Standing, shift: Ints) -> Flags:
    """Whether the target has a value of that tick, which is still open: it may be long until its next one closes it."""
    pair_of = np.full(where.cohort.size, -1, np.int64)
    pair_of[state.target] = np.arange(len(state))
    pair = pair_of[where.open_id]
    wanted = _key(pair[pair >= 0], where.open_tick[pair >= 0])
    return np.isin(_key(counterparts.pair, counterparts.tick - shift[counterparts.pair]), wanted)


def _shift(where: Standing, target: Ints, counterpart: Ints) -> Ints:
    """Number of the counterpart's tick that covers the middle of the target's tick 0; for all others it is the same."""
    months, cadence = where.months[target], np.maximum(where.cadence_us[target], 1)
    apart = where.origin[target] - where.origin[counterpart]
    return np.where(months > 0, apart // np.maximum(months, 1), (apart + cadence // 2) // cadence)


def _matched(targets: Waiting, counterparts: Waiting, shift: Ints) -> Handed:
    """Each tick with that of its counterpart; the first of several, a missing one if there is none."""
    targets = _of(targets, np.argsort(_key(targets.pair, targets.tick), kind="stable"))
    keys = _key(counterparts.pair, counterparts.tick - shift[counterparts.pair])
    order = np.argsort(keys, kind="stable")
    wanted = _key(targets.pair, targets.tick)
    at = np.searchsorted(keys[order], wanted)
    order = np.append(order, keys.size)
    found = np.append(keys, -1)[order[at]] == wanted
    return Handed(targets, _of(_joined([counterparts, _missing(1)]), np.where(found, order[at], keys.size)))


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
            target, counterpart = _of(mine, place), _of(other, place)
            value = np.where(within, target.value, np.nan)
            yield at, PairedBlock(row, kind, value, target.tick, target.half, counterpart.half)


def _joined(parts: Sequence[Waiting]) -> Waiting:
    if len(parts) == 1:
        return parts[0]
    pair, tick, kind, value, halves = zip(*parts, strict=True)
    half = Half(*(np.concatenate(columns) for columns in zip(*halves, strict=True)))
    return Waiting(np.concatenate(pair), np.concatenate(tick), np.concatenate(kind), np.concatenate(value), half)


def _of(entries: Waiting, which: Ints | Flags) -> Waiting:
    pair, tick, kind, value, half = entries
    return Waiting(pair[which], tick[which], kind[which], value[which], _half(half, which))


def _half(half: T, which: Ints | Flags) -> T:
    return type(half)(*(column[which] for column in half))
