"""The comparisons of series with their counterparts, and the ticks that wait for each other in them.

A comparison is a series of its own, `TARGET - COUNTERPART`, derived from two others; its ticks are the target's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline.arrays import take
from sentinel.pipeline.conditioning import Side

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]

_NO_INTS: Ints = np.empty(0, np.int64)


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

    own: Ints = field(default_factory=lambda: _NO_INTS)
    """Id of each comparison."""
    target: Ints = field(default_factory=lambda: _NO_INTS)
    counterpart: Ints = field(default_factory=lambda: _NO_INTS)
    """-1 until it appears."""
    counterpart_names: tuple[str, ...] = ()
    targets: Waiting = field(default_factory=lambda: missing_ticks(0))
    counterparts: Waiting = field(default_factory=lambda: missing_ticks(0))

    def __len__(self) -> int:
        """Count the comparisons."""
        return self.own.size

    def extend(self, own: Sequence[int], target: Sequence[int], names: Sequence[str], counterpart: Ints) -> Comparisons:
        """Add comparisons at the end.

        Parameters
        ----------
        own, target, names
            Of the new ones: id, id of the target, name of the counterpart.
        counterpart
            Of the old and the new ones: id, or -1 while it has not appeared.
        """
        return replace(
            self, own=np.append(self.own, np.array(own, np.int64)),
            target=np.append(self.target, np.array(target, np.int64)), counterpart=counterpart,
            counterpart_names=(*self.counterpart_names, *names),
        )  # fmt: skip

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
