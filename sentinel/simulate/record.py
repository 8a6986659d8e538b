"""What a simulated system is, what a run of it gives, and when it went over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.clock import MICROSECONDS

DAY_US = 86_400 * MICROSECONDS
EPOCH_2020_US = 1_577_836_800 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Simulated:
    """A record of a system."""

    times_us: NDArray[np.int64]
    """Shape (ticks,)."""
    values: NDArray[np.float64]
    """Shape (ticks,); NaN = missing."""
    tip_us: int | None
    """When the system lost its state for good; None if it did not."""
    cadence: str
    """As it is written in settings."""


def _never(_values: NDArray[np.float64]) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class System:
    """Something that can be simulated, or a recorded series played like one."""

    values: Callable[[int], Iterator[float]]
    """Seed -> values, one per tick, the same for the same seed whatever number of them is taken; NaN = missing."""
    cadence: str
    length: int | None = None
    """Number of ticks; None = endless."""
    stamps: Callable[[], NDArray[np.int64]] | None = None
    """Recorded time stamps in microseconds; None = one per cadence from any start."""
    tip: Callable[[NDArray[np.float64]], int | None] = _never
    """Values from the first tick on -> index of the tick at which the state was lost; None = not yet."""


def tip_tick(values: NDArray[np.float64], tipped_above: float) -> int | None:
    """Index of the first value from which on all are beyond `tipped_above`; None if the last is not."""
    below = np.flatnonzero(~(values > tipped_above))
    first = 0 if not below.size else int(below[-1]) + 1
    return first if first < values.size else None
