"""The tables of an analysis: readings, written part by part and read back series by series, and alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.analysis.record import SeriesRecord, match_cleared
from sentinel.analysis.variation import Variation
from sentinel.domain.channels import Estimates
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.flags import CHECKS
from sentinel.domain.observation import Axis, NumberAxis
from sentinel.domain.states import State
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.results import Rows

RECOVERY = ("recovery", "recovery_low", "recovery_high")
COLUMNS = (
    "series", "time", "value", "residual", "state", *Estimates._fields, "evidence", *RECOVERY, "cv", "flag", "check",
)  # fmt: skip
ORDER = ["id", "tick"]
TOGETHER = 64
"""Series that are read back in one pass."""
STATE_WORDS = pl.Series([state.value for state in State])
CHECK_WORDS = pl.Series(["", *CHECKS])


IN_MEMORY = 500_000
"""Rows of readings, some 80 MB, beyond which their parts go to the disk."""


class Readings:
    """The table of all readings, in parts; those of a long one are in a folder that the caller removes.

    Names are by id.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = pl.Series(dtype=pl.String)
        self._parts: list[tuple[int, pl.DataFrame | Path]] = []
        self._rows = 0
        self._mixed = False
        self.variation = Variation()
        """The coefficient of variation of each series, up to the last row written."""

    def expect(self, names: Sequence[str], *, mixed: bool) -> None:
        """Set the names by id, and whether parts hold series in any order."""
        self._names = pl.Series(names, dtype=pl.String)
        self._mixed = mixed

    def write(self, rows: Rows, axes: Mapping[int, Axis], half_life: Callable[[int], float]) -> None:
        """Append rows; series never go back to a smaller id, unless they are mixed.

        `half_life` gives that of a series by its id, in ticks.
        """
        table = self._table(rows, axes, half_life)
        self._parts.append((int(rows.series[0]), table))
        self._rows += table.height
        if self._rows > IN_MEMORY:
            self._parts = [(first, self._keep(n, part)) for n, (first, part) in enumerate(self._parts)]

    def _keep(self, number: int, part: pl.DataFrame | Path) -> Path:
        """Put a part on the disk, if it is not there."""
        if isinstance(part, Path):
            return part
        path = self._folder / f"part-{number:06}.parquet"
        part.write_parquet(path, compression="lz4")
        return path

    def finish(self, rows: Rows | None, axes: Mapping[int, Axis], half_life: Callable[[int], float]) -> None:
        """Add the rows that the end of the input closed, each after the last of its series; sort all if mixed."""
        if rows is not None and (not self._parts or self._mixed):
            self.write(rows, axes, half_life)
            rows = None
        if self._mixed and self._parts:
            whole = self._folder / "sorted.parquet"
            pl.concat([_scan(part) for _, part in self._parts]).sort(ORDER).sink_parquet(whole)
            self._parts, self._mixed = [(0, whole)], False
        if rows is None:
            return
        late = self._table(rows, axes, half_life)
        # A series ends in the last part that begins with it or with one before it.
        of_part = np.searchsorted([first for first, _ in self._parts], late["id"].to_numpy(), side="right") - 1
        of_part = np.maximum(of_part, 0)
        for number in np.unique(of_part).tolist():
            first, part = self._parts[number]
            table = pl.concat([_scan(part).collect(), late.filter(pl.Series(of_part == number))]).sort(ORDER)
            self._parts[number] = first, table if isinstance(part, pl.DataFrame) else self._keep(number, table)

    def lazy(self) -> pl.LazyFrame:
        """Scan all rows in order, with the columns of readings.parquet."""
        return pl.concat([_scan(part) for _, part in self._parts]).select(COLUMNS)

    def _table(self, rows: Rows, axes: Mapping[int, Axis], half_life: Callable[[int], float]) -> pl.DataFrame:
        parts = list(slice_by_series(rows.series))
        ready = ~np.isnan(rows.estimates.lag1)
        cv = self.variation.extend(rows.series, rows.tick, rows.value, half_life, ready)
        times = [axes[number].column(rows.time_us[part]) for number, part in parts]
        cadence = rows.cadence_us.astype(np.float64)
        tick = np.concatenate([axes[number].spans(cadence[part]) for number, part in parts])
        return pl.DataFrame(
            {
                "id": rows.series,
                "tick": rows.tick,
                "series": self._names.gather(rows.series),
                "time": pl.concat(times),
                "value": rows.value,
                "residual": rows.residual,
                "state": STATE_WORDS.gather(rows.state),
                **rows.estimates._replace(period=rows.estimates.period * tick)._asdict(),
                "evidence": rows.evidence,
                **{name: ticks * tick for name, ticks in zip(RECOVERY, rows.recovery, strict=True)},
                "cv": cv,
                "flag": rows.flag,
                "check": CHECK_WORDS.gather(rows.check + 1),
            }
        )


def _scan(part: pl.DataFrame | Path) -> pl.LazyFrame:
    return pl.scan_parquet(part) if isinstance(part, Path) else part.lazy()


def slice_by_series(series: Ints) -> Iterator[tuple[int, slice]]:
    """Yield each id of a sorted column of ids with its slice."""
    edges = [0, *(np.flatnonzero(np.diff(series)) + 1).tolist(), series.size]
    for first, last in pairwise(edges):
        if last > first:
            yield int(series[first]), slice(first, last)


def stamp(axis: Axis, time_us: int | None) -> Any:
    """Convert a moment to what tables hold: an instant in UTC, or the owner's number; None stays None."""
    return None if time_us is None else axis.column(np.array([time_us], np.int64))[0]


def stamp_type(*, numbered: bool) -> pl.DataType:
    """Give the type of a column of moments."""
    return pl.Float64() if numbered else pl.Datetime("us", "UTC")


def microseconds(axis: Axis, times: pl.Series) -> Ints:
    """Convert times of a table back to microseconds on the axis."""
    return axis.microseconds(times.to_numpy()) if isinstance(axis, NumberAxis) else times.cast(pl.Int64).to_numpy()


def alarm_table(events: Sequence[AlarmEvent], axes: Mapping[str, Axis]) -> pl.DataFrame:
    """Make the table of alarms in the order in which they were raised; `cleared` is null while open.

    `axes` are by name of the series, all calendars or all numbered.
    """
    rows = []
    for event, cleared in match_cleared(events):
        begin, end = (stamp(axes[event.series], time_us) for time_us in (event.time_us, cleared))
        rows.append((event.alarm_id, event.series, event.kind, begin, event.evidence, end))
    time = stamp_type(numbered=any(axis.numbered for axis in axes.values()))
    text, number = pl.String(), pl.Float64()
    schema = {"alarm": text, "series": text, "kind": text, "time": time, "evidence": number, "cleared": time}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("time", "series", "alarm")


def site_table(events: Sequence[SiteEvent], axis: Axis) -> pl.DataFrame:
    """Make the table of sites' alarms; `members` are the series that had an alarm, with '; ' between."""
    rows = [
        (event.alarm_id, event.series, stamp(axis, event.time_us), stamp(axis, cleared), "; ".join(event.members))
        for event, cleared in match_cleared(events)
    ]
    text, time = pl.String(), stamp_type(numbered=axis.numbered)
    schema = {"alarm": text, "site": text, "time": time, "cleared": time, "members": text}
    return pl.DataFrame(rows, schema=schema, orient="row")


class SeriesTicks(NamedTuple):
    """The ticks of one series, in order; a gap that began the series anew is one of them."""

    end_us: Ints
    value: Floats
    """NaN = missing."""
    states: pl.Series
    cadence_us: int

    @property
    def state(self) -> NDArray[np.str_]:
        """The state at each tick; made when it is asked for, as most look at the values alone."""
        return self.states.to_numpy()

    @property
    def time_us(self) -> Ints:
        """The middle of each tick, as readings.parquet has it."""
        return self.end_us - self.cadence_us // 2

    def pieces(self) -> Iterator[slice]:
        """Yield the pieces without a gap."""
        broken = np.flatnonzero(np.diff(self.end_us) > 1.5 * self.cadence_us) + 1
        yield from (slice(first, last) for first, last in pairwise([0, *broken.tolist(), self.end_us.size]))


def read_ticks(readings: pl.LazyFrame, records: Sequence[SeriesRecord]) -> Iterator[tuple[SeriesRecord, SeriesTicks]]:
    """Read the ticks of each of these series back from readings.parquet; those without a tick are left out."""
    for first in range(0, len(records), TOGETHER):
        some = records[first : first + TOGETHER]
        own = readings.filter(pl.col("series").is_in([record.name for record in some]))
        table = own.select("series", "time", "value", "state").collect()
        parts = table.partition_by("series", as_dict=True, maintain_order=True)
        for record in some:
            if record.plan is not None and (part := parts.get((record.name,))) is not None:
                cadence_us = record.plan.cadence_us
                end_us = microseconds(record.axis, part["time"]) + cadence_us // 2
                yield record, SeriesTicks(end_us, part["value"].to_numpy(), part["state"], cadence_us)
