"""The time axis of a table: a calendar, or a number that counts steps.

Inside the program every time is whole microseconds. A `time` column of numbers (years, steps, depths of a core) is put
on that scale so that one typical step of the series is one second; what is written has its own numbers again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.clock import MICROSECONDS

STEP_US = MICROSECONDS
"""Length of one typical step of a numbered axis, inside the program."""

STAMPS = 50
"""From how many stamps at the start of a series its step is taken; later ones never change it."""

_DAY_US = 86_400 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class CalendarAxis:
    """Microseconds since 1970-01-01 UTC, as everywhere inside."""

    numbered: bool = False

    def column(self, time_us: NDArray[np.int64]) -> pl.Series:
        """Times as the tables that are written hold them: instants in UTC."""
        return pl.Series("time", time_us, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))

    def spans(self, spans_us: NDArray[np.float64]) -> NDArray[np.float64]:
        """Spans in the owner's unit: seconds."""
        return spans_us / MICROSECONDS

    def positions(self, time_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Times as matplotlib counts them: days since 1970-01-01."""
        return np.asarray(time_us / _DAY_US, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class NumberAxis:
    """A numbered time column: `origin` is the first stamp of the series, `step` the typical distance of two."""

    origin: float
    step: float
    numbered: bool = True

    @classmethod
    def of(cls, stamps: NDArray[np.float64]) -> NumberAxis:
        """The axis of a series that starts with the sorted `stamps`, at least one."""
        head = np.asarray(stamps, dtype=np.float64)[:STAMPS]
        distances = np.diff(head)
        distances = distances[distances > 0]
        if distances.size == 0:
            return cls(float(head[0]), 1.0)
        # The mean of the usual distances: the median alone would carry the rounding of stamps such as 1950.0833.
        median = np.median(distances)
        return cls(float(head[0]), float(distances[np.abs(distances - median) <= 0.1 * median].mean()))

    def microseconds(self, stamps: NDArray[np.float64]) -> NDArray[np.int64]:
        """Stamps on the scale used inside; a distance that no scale holds is clipped to the largest one."""
        steps = np.clip((stamps - self.origin) / self.step, -9e12, 9e12)
        return np.rint(steps * STEP_US).astype(np.int64)

    def numbers(self, time_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Back to the owner's numbers, without the dust that dividing and multiplying leaves."""
        exact = self.origin + np.asarray(time_us) / STEP_US * self.step
        return np.asarray(np.round(exact, 6 - math.floor(math.log10(self.step))), dtype=np.float64)

    def column(self, time_us: NDArray[np.int64]) -> pl.Series:
        """Times as the tables that are written hold them: the owner's numbers."""
        return pl.Series("time", self.numbers(time_us), dtype=pl.Float64)

    def spans(self, spans_us: NDArray[np.float64]) -> NDArray[np.float64]:
        """Spans in the owner's unit."""
        return spans_us / STEP_US * self.step

    def positions(self, time_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Times as they are drawn: the owner's numbers."""
        return self.numbers(time_us)


Axis: TypeAlias = CalendarAxis | NumberAxis
