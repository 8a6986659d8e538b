"""The numbers that are estimated of a series at every tick, in one tuple that every room carries unchanged."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Estimates(NamedTuple, Generic[T]):
    """What is estimated at a tick: numbers of one series, or arrays of one shape for many. NaN = not ready."""

    lag1: T
    """Lag-1 autocorrelation, in [-1, 1]."""
    lag1_low: T
    lag1_high: T
    """Its 95 % band; -1 or 1 where the band is open."""
    modulus: T
    """What a small knock is multiplied by at each tick, of the slower of the two roots."""
    period: T
    """In ticks; NaN where nothing oscillates, or more slowly than the level follows."""
    spread: T
    """Log of the variance ratio to the first ticks; 0 = unchanged."""
    criticality: T
    """atanh(modulus) + spread: larger = closer to critical."""
    skewness: T
    """Of the residual; 0 = symmetric, below 0 the long tail points down."""

    def each(self, change: Callable[[T], U]) -> Estimates[U]:
        """Apply a function to every estimate."""
        return Estimates(*map(change, self))


UNKNOWN = Estimates(*[nan] * len(Estimates._fields))
"""The estimates of a series that is not ready; all share one NaN, so that the tuple equals itself."""
