"""Writes `readings.parquet` and `alarms.csv`: every row of every series in order, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.domain.axis import Axis
from sentinel.domain.estimates import Estimates
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.states import State
from sentinel.pipeline.results import Rows

RECOVERY = ("recovery", "recovery_low", "recovery_high")
COLUMNS = ("series", "time", "value", "residual", "state", *Estimates._fields, "evidence", *RECOVERY)
ORDER = ["id", "tick"]
INSTANT = "%Y-%m-%dT%H:%M:%S%.fZ"
"""How every CSV file that is written has its times, for `datetime_format` of polars."""
STATE_WORDS = np.array([state.value for state in State])


class Readings:
    """A table of rows that is written as it grows.

    Parameters
    ----------
    folder
        Where parts are kept until `collect`; removed by the caller.
    names
        Names of the series by id.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = np.array(names, dtype=object)
        self._parts: list[tuple[int, Path]] = []
        self._mixed = False

    def expect(self, names: Sequence[str], *, mixed: bool) -> None:
        """Other names by id; and whether parts hold series in any order."""
        self._names = np.array(names, dtype=object)
        self._mixed = mixed

    def write(self, rows: Rows, axes: Mapping[int, Axis]) -> None:
        """Append rows; series never go back to a smaller id, unless they are mixed."""
        path = self._folder / f"part-{len(self._parts):06}.parquet"
        self._table(rows, axes).write_parquet(path, compression="lz4")
        self._parts.append((int(rows.series[0]), path))

    def finish(self, rows: Rows | None, axes: Mapping[int, Axis]) -> None:
        """Put the rows that were closed by the end of the input where they belong: after the last of their series; and
        all of them in order, if they are mixed."""
        if rows is not None and (not self._parts or self._mixed):
            self.write(rows, axes)
            rows = None
        if self._mixed and self._parts:
            whole = self._folder / "sorted.parquet"
            pl.concat([pl.scan_parquet(path) for _, path in self._parts]).sort(ORDER).sink_parquet(whole)
            self._parts, self._mixed = [(0, whole)], False
        if rows is None:
            return
        late = self._table(rows, axes)
        # A series ends in the last part that begins with it or with one before it.
        of_part = np.searchsorted([first for first, _ in self._parts], late["id"].to_numpy(), side="right") - 1
        for part in np.unique(of_part).tolist():
            _, path = self._parts[max(part, 0)]
            own = late.filter(pl.Series(of_part == part))
            pl.concat([pl.read_parquet(path), own]).sort(ORDER).write_parquet(path, compression="lz4")

    def lazy(self) -> pl.LazyFrame:
        """All rows in order, with the columns of the contract."""
        return pl.concat([pl.scan_parquet(path) for _, path in self._parts]).select(COLUMNS)

    def _table(self, rows: Rows, axes: Mapping[int, Axis]) -> pl.DataFrame:
        edges = [0, *(np.flatnonzero(np.diff(rows.series)) + 1).tolist(), rows.series.size]
        times = [axes[int(rows.series[first])].column(rows.time_us[first:last]) for first, last in pairwise(edges)]
        cadence = rows.cadence_us.astype(np.float64)
        tick = np.concatenate(
            [axes[int(rows.series[first])].spans(cadence[first:last]) for first, last in pairwise(edges)]
        )
        return pl.DataFrame(
            {
                "id": rows.series,
                "tick": rows.tick,
                "series": pl.Series(self._names[rows.series], dtype=pl.String),
                "time": pl.concat(times),
                "value": rows.value,
                "residual": rows.residual,
                "state": pl.Series(STATE_WORDS[rows.state]),
                **rows.estimates._replace(period=rows.estimates.period * tick)._asdict(),
                "evidence": rows.evidence,
                **{name: ticks * tick for name, ticks in zip(RECOVERY, rows.recovery, strict=True)},
            }
        )


def alarm_table(events: Sequence[AlarmEvent], axes: Mapping[str, Axis]) -> pl.DataFrame:
    """Alarms in the order in which they were raised; `cleared` is null while open.

    Parameters
    ----------
    events
        What the pipeline reported.
    axes
        Axis of each series by name; they are all calendars or all numbered.
    """
    cleared = {event.alarm_id: event.time_us for event in events if event.what == "cleared"}
    raised = [event for event in events if event.what == "raised"]
    numbered = any(axis.numbered for axis in axes.values())
    time = pl.Float64() if numbered else pl.Datetime("us", "UTC")

    def instant(series: str, time_us: int | None) -> object:
        return None if time_us is None else axes[series].column(np.array([time_us], np.int64))[0]

    return pl.DataFrame(
        {
            "alarm": pl.Series([e.alarm_id for e in raised], dtype=pl.String),
            "series": pl.Series([e.series for e in raised], dtype=pl.String),
            "kind": pl.Series([e.kind for e in raised], dtype=pl.String),
            "time": pl.Series([instant(e.series, e.time_us) for e in raised], dtype=time),
            "evidence": pl.Series([e.evidence for e in raised], dtype=pl.Float64),
            "cleared": pl.Series([instant(e.series, cleared.get(e.alarm_id)) for e in raised], dtype=time),
        }
    ).sort("time", "series", "alarm")


def site_table(events: Sequence[SiteEvent], axis: Axis) -> pl.DataFrame:
    """Alarms of sites, like those of series; `members` are the series that had an alarm, with '; ' between."""
    cleared = {event.alarm_id: event.time_us for event in events if event.what == "cleared"}
    raised = [event for event in events if event.what == "raised"]
    time = pl.Float64() if axis.numbered else pl.Datetime("us", "UTC")

    def instant(time_us: int | None) -> object:
        return None if time_us is None else axis.column(np.array([time_us], np.int64))[0]

    return pl.DataFrame(
        {
            "alarm": pl.Series([e.alarm_id for e in raised], dtype=pl.String),
            "site": pl.Series([e.series for e in raised], dtype=pl.String),
            "time": pl.Series([instant(e.time_us) for e in raised], dtype=time),
            "cleared": pl.Series([instant(cleared.get(e.alarm_id)) for e in raised], dtype=time),
            "members": pl.Series(["; ".join(e.members) for e in raised], dtype=pl.String),
        }
    )
