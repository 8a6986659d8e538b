"""The words that sources, engine and journal share: an observation, a frame of them, and the axis of their times.

An *observation* is a series, an event time and a value. A *frame* is a table of them with the cursor that says how far
the source has been read; both are committed in one transaction, so none is lost or counted twice.

Inside the program every time is whole microseconds. A `time` column of numbers (years, steps, depths of a core) is put
on that scale so that one typical step of the series is one second; what is written has its own numbers again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.spans import duration_in_words, print_rounded

Cursor: TypeAlias = Mapping[str, object]
"""The place up to which a source has been read: a JSON object that only the source itself understands."""

OBSERVATIONS = pl.Schema([("series", pl.String()), ("time", pl.Datetime("us", "UTC")), ("value", pl.Float64())])
"""Columns of a frame. No nulls, no NaN, no infinities: a source leaves such values out and counts them as rejected."""

INSTANT = "%Y-%m-%dT%H:%M:%S%.fZ"
"""The form of times in every CSV file that is written, for `datetime_format` of polars."""

_FEW = 1_000
"""Rows up to which a list is faster than a query of polars, which takes half a millisecond."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The result of one fetch of a source."""

    source: str
    observations: pl.DataFrame
    """Columns and types of `OBSERVATIONS`, in any order of time."""
    cursor: Cursor
    """The cursor for the next fetch, once this frame is committed."""
    watermark_us: int | None = None
    """The source has told everything it knows up to this moment *of its own clock* (event time, microseconds);
    None while it has more to tell right away (`more`)."""
    more: bool = False
    """Ask again at once: the source cut its answer."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Counts of what was left out, by reason (the values of `Rejection`)."""
    repeated: int = 0
    """Messages that came before and were left out for that; counted as duplicates."""
    marked: Mapping[str, int] = field(default_factory=dict)
    """Counts of observations that were taken without the mark behind their number, by mark."""
    complaints: tuple[str, ...] = ()
    """One line each, at most 10, on what was rejected first: where, what came, what is allowed."""

    columns: tuple[str, ...] | None = None
    """Series that the columns of its tables promise, whether or not they have had a number; None = unknown."""
    counting: tuple[str, ...] = ()
    """Columns that have only risen so far, as counters do: they are no series, or not yet."""

    def names(self) -> list[str]:
        """Names of its series, each once, in the order in which they come first."""
        column = self.observations["series"]
        if column.len() < _FEW:
            return list(dict.fromkeys(column.to_list()))
        return column.unique(maintain_order=True).to_list()

    def renamed(self, names: Mapping[str, str]) -> Frame:
        """The same with other names for those series that are in `names`."""
        if not names or self.observations.schema != OBSERVATIONS:
            return self
        columns = None if self.columns is None else tuple(names.get(name, name) for name in self.columns)
        if any(name in names for name in self.names()):
            table = self.observations.with_columns(pl.col("series").replace(dict(names)))
            return replace(self, observations=table, columns=columns)
        return self if columns == self.columns else replace(self, columns=columns)

    def without(self, series: Collection[str], reason: str) -> Frame:
        """The same without the observations of these series, which are counted as rejected for `reason`."""
        kept = self.observations.filter(~pl.col("series").is_in(series))
        left_out = self.observations.height - kept.height
        rejected = {**self.rejected, reason: self.rejected.get(reason, 0) + left_out}
        return replace(self, observations=kept, rejected=rejected)


class Rejection:
    """Reasons why a source left an observation out; the closed set of `reason` labels."""

    MISSING = "missing"
    FLAGGED = "flagged"
    NOT_A_NUMBER = "not_a_number"
    NOT_FINITE = "not_finite"
    BAD_TIME = "bad_time"
    FUTURE = "future"
    MALFORMED_ROW = "malformed_row"
    NO_SERIES = "no_series"
    FOREIGN = "foreign_series"
    UNREADABLE = "unreadable"
    """A file, or a piece of one, that its reader cannot read; counted as one."""
    LOST = "lost_file"
    """A file that was gone before it had been read to its end; counted as one."""
    TOO_OLD = "too_old"
    """A correction of a value from before all that can be computed anew."""
    ALL = (
        MISSING, FLAGGED, NOT_A_NUMBER, NOT_FINITE, BAD_TIME, FUTURE, MALFORMED_ROW, NO_SERIES, FOREIGN, UNREADABLE,
        LOST, TOO_OLD,
    )  # fmt: skip


STEP_US = MICROSECONDS
"""Length of one typical step of a numbered axis, inside the program."""

STAMPS = 50
"""Number of stamps at the start of a series from which its step is taken; later ones never change it."""

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

    def in_words(self, span_us: float) -> str:
        """Write a span: `15 min`."""
        return duration_in_words(span_us / MICROSECONDS)

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
        usual = distances[np.abs(distances - median) <= 0.1 * median]
        # Of an even number of distances the median lies between two, and may be far from both.
        return cls(float(head[0]), float(usual.mean() if usual.size else median))

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

    def in_words(self, span_us: float) -> str:
        """Write a span: `57 units of time`, or in steps where these are one unit long."""
        number = print_rounded(span_us / STEP_US * self.step)
        return f"{number} step{'' if number == '1' else 's'}" if self.step == 1 else f"{number} units of time"

    def moment_in_words(self, time_us: int) -> str:
        """Write a time as one of the owner's numbers, to a hundredth of a step or better."""
        return _say_number(self, time_us)

    def positions(self, time_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Times as they are drawn: the owner's numbers."""
        return self.numbers(time_us)


@lru_cache(maxsize=4096)  # the series of a table share their moments, mostly
def _say_number(axis: NumberAxis, time_us: int) -> str:
    number = round(float(axis.numbers(np.array([time_us]))[0]), max(0, 2 - math.floor(math.log10(axis.step))))
    return f"{number + 0.0:.10g}"


Axis: TypeAlias = CalendarAxis | NumberAxis
