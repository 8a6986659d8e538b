"""Reads tables and sorts their observations by series and time, however many there are.

Polars' own streaming sort holds all rows in memory (measured: 1.5 GB for a file of 640 MB). So pieces that fit are
sorted and written to disk, then read side by side and merged. A single piece, the usual case, stays in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import polars as pl

from sentinel.analysis.typed import read_typed
from sentinel.domain.observation import STAMPS, Rejection
from sentinel.domain.printing import some_of
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.tables import Axis, Parsed, TableOptions, open_table, parse
from sentinel.tables.cells import HEAD_ROWS, matches
from sentinel.tables.columns import flatten, note_durations, patterns_of
from sentinel.tables.counters import take_steps
from sentinel.tables.fills import FillSearch
from sentinel.tables.long_tables import refuse_changes, refuse_sites
from sentinel.tables.naming import SITES, is_one_of
from sentinel.tables.recognising import Recognised, recognise, recognise_frame
from sentinel.tables.repeated import find_twice, say_twice
from sentinel.tables.units import find_units

UNUSABLE = {
    Rejection.MISSING: "missing",
    Rejection.FLAGGED: "flagged as bad",
    Rejection.NOT_A_NUMBER: "not a number",
    Rejection.NOT_FINITE: "infinite",
    Rejection.BAD_TIME: "without a time",
    Rejection.MALFORMED_ROW: "in malformed rows",
    Rejection.NO_SERIES: "without a series",
}
RUN_ROWS = 1_000_000
"""Rows that are sorted in memory at once. Two million took 900 MiB, a million takes no more than the analysis after."""
BATCH_ROWS = 200_000
"""Rows handed out at once."""
MARKS_NAMED = 12
CONFLICTS_KEPT = 10_000
TIMED_SERIES = 200
"""Series whose times are looked at for how regular they are."""
SMALLEST_BLOCK = 10_000
"""Rows read at least from one run at once."""
KEY = ["id", "time"]
FILE = "file"


class Intake(NamedTuple):
    """The content of a table, unsorted."""

    observations: pl.LazyFrame
    """series, time, value in any order, and the number of the file; time is an instant, or a number on an axis."""
    numbered: bool
    left_out: dict[str, int]
    """Values that were left out, by reason in words."""
    complaints: list[str]
    left_columns: list[str]
    """Columns of wide tables that hold text and are no series."""
    read_as: Sequence[str] = ()
    """Lines on how the tables are read, where something was recognised, renamed or left out."""
    differences: Sequence[str] = ()
    """Patterns of the series of which the steps are judged."""
    expected: Sequence[str] = ()
    """Series that the columns of wide tables promise, whether or not they have a number."""
    time_zone: str = "UTC"
    """Of the times without an offset."""
    units: Mapping[str, str] = {}
    """Units of the columns of wide tables, where headers, rows of units or attributes tell them."""


@dataclass(slots=True)
class SortedObservations:
    """Observations in order of series and time: columns `id`, `time`, `value`; of equal keys the first is kept."""

    names: list[str] = field(default_factory=list)
    """Names of the series by id, in the order in which they first appear in the input."""
    rows: int = 0
    """Observations, duplicates included."""
    duplicates: int = 0
    """Observations of a series and time that was there already, known once `batches` is exhausted."""
    conflicts: int = 0
    """Those of them whose value is another one."""
    conflict_times: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.Datetime("us", "UTC")))
    """Their times, at most `CONFLICTS_KEPT`; none where times are numbers."""
    by_time: bool = False
    """True if they are in order of time and series instead: series that are compared wait for each other."""
    remarks: list[str] = field(default_factory=list)
    """Numbers among the values that look like marks of a missing value."""
    resets: int = 0
    """Falls of counters, whose step is unknown; known once `batches` is exhausted."""
    first_times: dict[int, Ints] = field(default_factory=dict)
    """Times of the first series by id, as many as were sorted at once."""
    _counters: list[int] = field(default_factory=list)
    _pieces: list[pl.LazyFrame] = field(default_factory=list)
    _heads: pl.DataFrame | None = None

    def heads(self) -> dict[int, Floats]:
        """Give the first distinct stamps of each series by id; empty where times are instants."""
        if self._heads is None:
            return {}
        return {int(str(key[0])): part["time"].to_numpy() for key, part in self._heads.group_by("id")}

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """Yield all observations in order; duplicates are dropped and counted. It may be called again."""
        last: tuple[object, ...] | None = None
        self.duplicates = self.conflicts = self.resets = 0
        self.conflict_times = self.conflict_times.clear()
        before: dict[int, float] = {}
        for batch in self._in_order(batch_rows):
            repeated = batch.select(pl.struct(KEY) == pl.struct(KEY).shift()).to_series().fill_null(value=False)
            if last is not None and batch.select(KEY).row(0) == last:
                repeated[0] = True
            last = batch.select(KEY).row(-1)
            self.duplicates += int(repeated.sum())
            other = batch.select(pl.col("value").ne_missing(pl.col("value").shift())).to_series()
            conflicts = batch.filter(repeated & other)["time"]
            self.conflicts += conflicts.len()
            if conflicts.dtype == pl.Int64 and self.conflict_times.len() < CONFLICTS_KEPT:
                self.conflict_times.append(conflicts.head(CONFLICTS_KEPT).cast(self.conflict_times.dtype))
            kept = batch.filter(~repeated)
            if self._counters:
                kept, resets = take_steps(kept, "id", pl.col("id").is_in(self._counters), before)
                self.resets += resets
            yield kept

    def say_duplicates(self) -> str:
        """Say how many duplicates there were, and how many of them contradict what is kept."""
        other = f" ({self.conflicts:,} with another value than the one before, which counts)" if self.conflicts else ""
        return f"{self.duplicates:,} duplicate{'s' if self.duplicates > 1 else ''}{other}"

    def say_repeated_hour(self, time_zone: str) -> Iterator[str]:
        """Say it where the duplicates are those of the hour that repeats when clocks are put back."""
        found, zones = find_twice(self.conflict_times, time_zone)
        if 2 * found.len() >= self.conflict_times.len() > 0:
            yield say_twice(found, zones)

    def _in_order(self, batch_rows: int) -> Iterator[pl.DataFrame]:
        block = max(SMALLEST_BLOCK, 2 * batch_rows // max(1, len(self._pieces)))
        for merged in _merge([_blocks(piece, block) for piece in self._pieces], KEY[::-1] if self.by_time else KEY):
            yield from merged.iter_slices(batch_rows)


def read_files(paths: Sequence[Path], options: TableOptions) -> Intake:
    """Read files that together are one table.

    Raises DataError: missing, empty, not a table, no time column, text in numbers, or files of different time axes.
    """
    found = [recognise(path, options) for path in paths]
    tables = [(str(path), open_table(path, one.options), one) for path, one in zip(paths, found, strict=True)]
    units: dict[str, str] = {}
    for path, (_, table, one) in zip(paths, tables, strict=True):
        units |= find_units(path, one.options, table.collect_schema().names())
    return read_tables(tables, paths)._replace(units=units)


def read_frame(table: pl.LazyFrame, options: TableOptions) -> Intake:
    """Read a table that is no file; DataError as `read_files`."""
    spans = note_durations(table.collect_schema(), options)
    table = flatten(table, options)
    found = recognise_frame(table.head(HEAD_ROWS).collect(), "frame", options)
    found = replace(found, said=(*found.said, *spans))
    return read_tables([("frame", table, found)])


def read_tables(tables: Sequence[tuple[str, pl.LazyFrame, Recognised]], paths: Sequence[Path] = ()) -> Intake:
    """Read tables, each with a name for messages and how it is read, that together are one table.

    `paths` are the files that they are of, if they are of files.
    """
    rejected: Counter[str] = Counter()
    parsed_all: list[Parsed] = []
    axis: Axis | None = None
    read_as: dict[str, None] = {}
    sites: dict[tuple[str, str], list[str]] = {}
    for (where, table, found), path in zip_longest(tables, paths):
        quick = read_typed(path, found.options, axis) if path is not None else None
        parsed = quick or parse(table, found.options, where, strict=True, axis=axis)
        for name, site in refuse_changes(table, found.labels, found.options, where).items():
            for series in parsed.shape.values if is_one_of(name, SITES) else ():
                sites.setdefault((name, series), []).append(site)
        prefix = f"{where}: " if len(tables) > 1 else ""
        read_as |= dict.fromkeys(prefix + line for line in (*found.said, *say_marks(parsed), *parsed.late))
        axis = parsed.axis
        rejected.update(parsed.rejected)
        parsed_all.append(parsed)
    for (name, _), some in sites.items():
        refuse_sites(name, some, tables[0][0])
    complaints = [complaint for parsed in parsed_all for complaint in parsed.complaints][:10]
    columns = dict.fromkeys(column for parsed in parsed_all for column in parsed.shape.left_out)
    left_out = {UNUSABLE.get(reason, reason): count for reason, count in rejected.most_common()}
    observations = pl.concat([one.observations.with_columns(pl.lit(n).alias(FILE)) for n, one in enumerate(parsed_all)])
    wide = [parsed.shape for parsed in parsed_all if parsed.shape.series is None and not parsed.shape.by]
    expected = dict.fromkeys(name for shape in wide for name in shape.values)
    steps = patterns_of(tables[0][2].options.transform, "difference")
    return Intake(
        observations, axis == "number", left_out, complaints, list(columns), list(read_as), steps, list(expected),
        tables[0][2].options.time_zone,
    )  # fmt: skip


def say_marks(parsed: Parsed) -> Iterator[str]:
    """Say what was taken as a missing value besides empty cells and the usual texts, and off the end of numbers."""
    told = [f"{mark} x{count:,}" for mark, count in parsed.marks.items() if mark not in TableOptions().missing]
    if told:
        yield f"taken as missing: {some_of(told, MARKS_NAMED)}"
    if parsed.trailing:
        yield f"taken off behind numbers: {', '.join(f'{mark} x{count:,}' for mark, count in parsed.trailing.items())}"


def sort(
    observations: pl.LazyFrame,
    folder: Path,
    only: Collection[str] = (),
    progress: Callable[[int], None] = lambda _: None,
    run_rows: int = RUN_ROWS,
    *,
    by_time: bool = False,
    differences: Sequence[str] = (),
) -> SortedObservations:
    """Sort observations, with columns `series, time, value`, by series and time.

    Pieces are kept in a folder that the caller removes after the last batch. With `only`, other series are left out,
    but their names are known all the same. Of series that fit one of `differences` the steps are given out.
    """
    found = SortedObservations(by_time=by_time)
    unsorted = folder / "unsorted.parquet"
    observations.sink_parquet(unsorted, compression="lz4", row_group_size=250_000)
    total = int(pl.scan_parquet(unsorted).select(pl.len()).collect().item())
    numbers: dict[str, int] = {}
    falls: list[str] = []
    search = FillSearch()
    for first in range(0, total, run_rows):
        piece = pl.scan_parquet(unsorted).slice(first, run_rows).collect()
        for name in piece["series"].unique(maintain_order=True):
            numbers.setdefault(name, len(numbers))
        if only:
            piece = piece.filter(pl.col("series").is_in(list(only)))
        search.look_at(piece)
        if first == 0:
            falls = _say_falls(piece)
        found.rows += piece.height
        own = piece.select(
            pl.col("series").replace_strict(numbers, return_dtype=pl.Int64).alias("id"),
            pl.col("time") if piece.schema["time"].is_float() else pl.col("time").cast(pl.Int64),
            "value",
        ).sort(KEY[::-1] if by_time else KEY, maintain_order=True)
        if first == 0:
            some = own.filter(pl.col("id") < TIMED_SERIES).partition_by("id", as_dict=True)
            found.first_times = {int(str(key[0])): part["time"].to_numpy() for key, part in some.items()}
        if own.schema["time"].is_float():
            # The first distinct stamps of each series.
            known = own if found._heads is None else pl.concat([found._heads, own.select(KEY)]).sort(KEY)
            stamps = known.select(KEY).unique(maintain_order=True)
            found._heads = stamps.group_by("id", maintain_order=True).head(STAMPS)
        if total > run_rows:
            path = folder / f"run-{first}.parquet"
            own.write_parquet(path, compression="lz4", row_group_size=SMALLEST_BLOCK)
            found._pieces.append(pl.scan_parquet(path))
        else:
            found._pieces.append(own.lazy())
        progress(first + piece.height)
    unsorted.unlink()
    found.names, found.remarks = list(numbers), [*search.say(), *falls]
    found._counters = [
        number for name, number in numbers.items()
        if any(matches(name, one) or matches(name.rpartition("/")[2], one) for one in differences)
    ]  # fmt: skip
    return found


def _say_falls(piece: pl.DataFrame) -> list[str]:
    """Say where times of the first series go back in a file, unless in most rows, as those of a list in reverse do."""
    if piece.is_empty() or piece.schema["time"].is_float():
        return []
    before = pl.col("time").shift().over(FILE) if FILE in piece.columns else pl.col("time").shift()
    rows = piece.filter(pl.col("series") == piece["series"][0]).select("time", before=before)
    back = rows.filter(pl.col("time") < pl.col("before"))
    if not 0 < back.height < rows.height / 2:
        return []
    times = "once" if back.height == 1 else f"{back.height:,} times"
    return [
        f"times go back {times}, first from {back['before'][0]:%Y-%m-%d %H:%M} to {back['time'][0]:%Y-%m-%d %H:%M}; "
        "rows are put in order of time; where a clock was set wrong, put it right or leave those rows out"
    ]


def _blocks(piece: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    first = 0
    while (block := piece.slice(first, rows).collect()).height:
        yield block
        first += rows


def _merge(runs: list[Iterator[pl.DataFrame]], key: list[str]) -> Iterator[pl.DataFrame]:
    """Merge sorted pieces; of equal keys those of the earlier piece come first."""
    held = {at: block for at, run in enumerate(runs) if (block := next(run, None)) is not None}
    first, last = ({at: block.select(key).row(end) for at, block in held.items()} for end in (0, -1))
    while held:
        # Nothing still unread can come before the smallest of the last keys at hand.
        border = min(last.values())
        major, minor = (pl.col(name) for name in key)
        mask = (major < border[0]) | ((major == border[0]) & (minor <= border[1]))
        due = []
        for at in sorted(at for at in held if first[at] <= border):
            block = held.pop(at)
            ready = int(block.select(mask).to_series().sum())
            due.append(block.head(ready))
            rest = block.slice(ready) if ready < block.height else next(runs[at], None)
            del first[at], last[at]
            if rest is not None:
                held[at] = rest
                first[at], last[at] = rest.select(key).row(0), rest.select(key).row(-1)
        yield pl.concat(due).sort(key, maintain_order=True)
