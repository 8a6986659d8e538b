"""The ticks of single series, read back from the readings that were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.analysis.record import SeriesRecord
from sentinel.domain.axis import NumberAxis

TOGETHER = 64
"""Series that are read in one pass over the readings."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of one series, in order; a gap that began the series anew is one of them."""

    end_us: NDArray[np.int64]
    value: NDArray[np.float64]
    """NaN = missing."""
    state: NDArray[np.str_]
    cadence_us: int

    def pieces(self) -> Iterator[slice]:
        """The pieces without a gap."""
        broken = np.flatnonzero(np.diff(self.end_us) > 1.5 * self.cadence_us) + 1
        yield from (slice(first, last) for first, last in pairwise([0, *broken.tolist(), self.end_us.size]))


def read_ticks(readings: pl.LazyFrame, records: Sequence[SeriesRecord]) -> Iterator[tuple[SeriesRecord, Ticks]]:
    """The ticks of each of these series; those without a tick are left out.

    Parameters
    ----------
    readings
        The columns of readings.parquet.
    """
    known = [record for record in records if record.plan is not None]
    for first in range(0, len(known), TOGETHER):
        some = known[first : first + TOGETHER]
        names = [record.name for record in some]
        table = readings.filter(pl.col("series").is_in(names)).select("series", "time", "value", "state").collect()
        parts = table.partition_by("series", as_dict=True, maintain_order=True)
        for record in some:
            if (part := parts.get((record.name,))) is not None:
                yield record, _ticks(record, part)


def _ticks(record: SeriesRecord, part: pl.DataFrame) -> Ticks:
    assert record.plan is not None
    axis, cadence_us = record.axis, record.plan.cadence_us
    time = part["time"]
    middle = axis.microseconds(time.to_numpy()) if isinstance(axis, NumberAxis) else time.cast(pl.Int64).to_numpy()
    return Ticks(middle + cadence_us // 2, part["value"].to_numpy(), part["state"].to_numpy(), cadence_us)
