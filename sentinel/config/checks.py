"""Settings of the checks of values: range, gap, flat line, rate of change, spike, each with two levels as in QARTOD."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sentinel.config.values import Fault, Part, PositiveDuration
from sentinel.domain.flags import CHECKS
from sentinel.domain.spans import Cadence, print_duration

LONGEST_FLAT_LINE_TICKS = 10_000
"""A flat line is told by its values, which are kept for as long."""

Span: TypeAlias = tuple[float | None, float | None]
Distance: TypeAlias = Annotated[float, Field(gt=0)]


def ends_of(span: Span | None) -> tuple[float, float]:
    """Give the ends of a span, infinite where it has none."""
    low, high = span or (None, None)
    return -math.inf if low is None else low, math.inf if high is None else high


class _Levels(Part):
    """A check with a level from which on a value is suspect and one from which on it fails; either may be missing."""

    def _conflicts(self) -> Iterator[Fault]:
        suspect, fail = getattr(self, "suspect", None), getattr(self, "fail", None)
        if suspect is None and fail is None:
            yield Fault((), "neither suspect nor fail; at least one is needed; set it, or take the check out")
        elif suspect is not None and fail is not None and not isinstance(suspect, tuple) and suspect >= fail:
            shown = [print_duration(us) if isinstance(us, int) else f"{us:g}" for us in (suspect, fail)]
            yield Fault(("suspect",), f"{shown[0]}; less than fail, {shown[1]}, is allowed")


class RangeCheck(_Levels):
    """Values outside a span; gross range test of QARTOD."""

    suspect: Span | None = None
    """Lowest and highest value that is not suspect, either may be null; within fail."""
    fail: Span | None = None
    """Lowest and highest value that the sensor can mean, either may be null. What is outside is nothing to the other
    checks either."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        for key, span in (("suspect", self.suspect), ("fail", self.fail)):
            low, high = ends_of(span)
            if low >= high:
                yield Fault((key,), f"[{low:g}, {high:g}]; the lowest value comes first and is below the highest")
        (low, high), (lowest, highest) = ends_of(self.suspect), ends_of(self.fail)
        if self.suspect is not None and (low < lowest or high > highest):
            message = f"[{low:g}, {high:g}]; a span within that of fail, [{lowest:g}, {highest:g}], is allowed"
            yield Fault(("suspect",), message)


class GapCheck(_Levels):
    """The first value after a long time without one; gap test of QARTOD, told when the next value comes."""

    suspect: PositiveDuration | None = None
    """After longer than this without a value the next one is suspect."""
    fail: PositiveDuration | None = None
    """After longer than this it fails."""


class FlatLineCheck(_Levels):
    """Values that hardly move for long; flat line test of QARTOD."""

    suspect: PositiveDuration | None = None
    """A value is suspect if all for this long before it, and itself, lie within tolerance of each other."""
    fail: PositiveDuration | None = None
    """Likewise it fails."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """Largest distance between two values of a flat line; 0 = they are equal."""


class RateCheck(_Levels):
    """Values that change too fast since the last one; rate of change test of QARTOD."""

    suspect: Distance | None = None
    """A value that has changed by more than this in `per`, since the last one, is suspect."""
    fail: Distance | None = None
    """One that has changed by more than this fails."""
    per: PositiveDuration
    """Time in which a change is measured, such as 1h: suspect 2 and per 1h are 2 an hour."""


class SpikeCheck(_Levels):
    """Values far from the three before them; spike test of QARTOD, by the past only."""

    suspect: Distance | None = None
    """A value farther than this from the median of the three before it is suspect."""
    fail: Distance | None = None
    """One farther than this fails."""


class CheckSettings(Part):
    """Checks of each value against limits and against the values before it; a value is good, suspect, or fails."""

    gate: Literal["fail", "suspect", "none"] = "fail"
    """Which values are missing to the detectors: fail = those that fail, suspect = suspect ones too, none = none, they
    are only counted. Three in a row make the series blind. The journal keeps each value as it came."""
    range: RangeCheck | None = None
    """Span of possible values."""
    gap: GapCheck | None = None
    """Time without a value, after which the next one is not trusted."""
    flat_line: FlatLineCheck | None = None
    """Time for which values may hardly move."""
    rate: RateCheck | None = None
    """Change in a time."""
    spike: SpikeCheck | None = None
    """Distance from the values just before."""

    def _conflicts(self) -> Iterator[Fault]:
        if all(getattr(self, name) is None for name in CHECKS):
            yield Fault((), f"no check; at least one of {', '.join(CHECKS)} is needed")

    def faults_at(self, cadence: Cadence) -> Iterator[Fault]:
        """Find durations that cannot be told on that cadence."""
        tick, shown = cadence.microseconds, str(cadence)
        for name, check, most in (
            ("gap", self.gap, None),
            ("flat_line", self.flat_line, LONGEST_FLAT_LINE_TICKS),
        ):
            for level in ("suspect", "fail"):
                duration = getattr(check, level, None)
                if duration is not None and duration < tick:
                    message = f"{print_duration(duration)} is shorter than a tick; at least {shown} is needed"
                    yield Fault((name, level), message)
                elif duration is not None and most is not None and duration // tick > most:
                    message = f"{print_duration(duration)} is more than {most:,} ticks of cadence {shown}"
                    yield Fault((name, level), f"{message}; at most {most:,} are allowed")
