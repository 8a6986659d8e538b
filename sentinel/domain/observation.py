"""The words that sources, engine and journal share: an observation, and a frame of them.

An *observation* is a series, an event time and a value. A *frame* is a table of them with the cursor that says how far
the source has been read; both are committed in one transaction, so none is lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import polars as pl

Cursor: TypeAlias = Mapping[str, object]
"""How far a source has been read: a JSON object that only the source itself understands."""

OBSERVATIONS = pl.Schema([("series", pl.String()), ("time", pl.Datetime("us", "UTC")), ("value", pl.Float64())])
"""Columns of a frame. No nulls, no NaN, no infinities: a source leaves such values out and counts them as rejected."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What one fetch of a source gave."""

    source: str
    observations: pl.DataFrame
    """Columns and types of `OBSERVATIONS`, in any order of time."""
    cursor: Cursor
    """To be handed to the next fetch, once this frame is committed."""
    watermark_us: int | None = None
    """The source has told everything it knows up to this moment *of its own clock* (event time, microseconds);
    None while it has more to tell right away (`more`)."""
    more: bool = False
    """Ask again at once: the source cut its answer."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """What was left out, counted by reason (the values of `Rejection`)."""
    complaints: tuple[str, ...] = ()
    """One line each, at most 10, on what was rejected first: where, what came, what is allowed."""

    def without(self, series: Collection[str], reason: str) -> Frame:
        """The same without the observations of these series, which are counted as rejected for `reason`."""
        kept = self.observations.filter(~pl.col("series").is_in(series))
        left_out = self.observations.height - kept.height
        rejected = {**self.rejected, reason: self.rejected.get(reason, 0) + left_out}
        return replace(self, observations=kept, rejected=rejected)


class Rejection:
    """Why a source left an observation out; the closed set of `reason` labels."""

    MISSING = "missing"
    NOT_A_NUMBER = "not_a_number"
    NOT_FINITE = "not_finite"
    BAD_TIME = "bad_time"
    FUTURE = "future"
    MALFORMED_ROW = "malformed_row"
    NO_SERIES = "no_series"
    FOREIGN = "foreign_series"
    ALL = (MISSING, NOT_A_NUMBER, NOT_FINITE, BAD_TIME, FUTURE, MALFORMED_ROW, NO_SERIES, FOREIGN)


def empty_observations() -> pl.DataFrame:
    """A frame's table without rows."""
    return pl.DataFrame(schema=OBSERVATIONS)
