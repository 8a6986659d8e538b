"""The input of a bank: for every tick and series a pair, or a flag that there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.arrays import Flags, Floats, Ints

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Past and present values of T ticks of S series, axis order `(tick, series)`, dimensionless.

    Where `valid` is False there is no pair and `past` and `present` are not looked at: the cells hold. `reset` empties
    the cells before the tick's own pair, if any, is taken in. A valid pair is finite: no weight undoes NaN. Arrays in
    another memory order, or read-only ones, are copied: the kernels are compiled for one layout.
    """

    past: Floats
    present: Floats
    valid: Flags
    reset: Flags

    def __post_init__(self) -> None:
        shape = self.past.shape
        if len(shape) != 2:
            raise ValueError(f"pairs: past has shape {shape}; (tick, series) is needed")
        for name, kind in (("past", np.float64), ("present", np.float64), ("valid", np.bool_), ("reset", np.bool_)):
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"pairs: {name} has shape {array.shape}, past has {shape}; all must have the same")
            if array.dtype != kind:
                raise ValueError(f"pairs: {name} is {array.dtype}; {np.dtype(kind)} is needed")
            object.__setattr__(self, name, one_layout(array))
        if np.any(self.valid & ~(np.isfinite(self.past) & np.isfinite(self.present))):
            raise ValueError("pairs: a valid pair holds NaN or infinity; mark it invalid")

    @property
    def ticks(self) -> int:
        """T."""
        return int(self.past.shape[0])

    @property
    def series(self) -> int:
        """S."""
        return int(self.past.shape[1])

    def __getitem__(self, ticks: slice) -> Pairs:
        """A run of ticks, all series."""
        return Pairs(self.past[ticks], self.present[ticks], self.valid[ticks], self.reset[ticks])

    def columns(self, series: Ints) -> Pairs:
        """All ticks of the series with these positions, in this order."""
        return Pairs(self.past[:, series], self.present[:, series], self.valid[:, series], self.reset[:, series])


def one_layout(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array itself if it is writable and in C order, else a copy that is.

    A kernel that meets another layout compiles anew, which takes seconds in the middle of a watch.
    """
    return array if array.flags.c_contiguous and array.flags.writeable else array.copy(order="C")


def pairs_of(values: ArrayLike, previous: ArrayLike | None = None) -> Pairs:
    """Pairs of consecutive values `(tick, series)` that are already centred and scaled; NaN = missing.

    A pair needs two consecutive values that differ: from values alone a stuck sensor, which repeats them whatever the
    truth does, cannot be told from a coarse one.
    `previous` is the row before the first, shape `(series,)`; without it the first tick has no pair.

    Raises ValueError: the values are not numbers, or not of that shape.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"pairs_of: values of shape {values.shape}; (tick, series) is needed: one series is a column")
    before = np.full(values.shape[1], np.nan) if previous is None else np.asarray(previous, dtype=np.float64)
    if before.shape != values.shape[1:]:
        raise ValueError(f"pairs_of: previous of shape {before.shape}; {values.shape[1:]} is needed")
    past = np.vstack([before[None, :], values])[:-1]
    valid = np.isfinite(past) & np.isfinite(values) & (past != values)
    return Pairs(np.where(valid, past, 0.0), np.where(valid, values, 0.0), valid, np.zeros(values.shape, dtype=bool))
