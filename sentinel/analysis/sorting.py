"""Sorts observations by series and time, however many there are.

Polars' own streaming sort holds all rows in memory (measured: 1.5 GB for a file of 640 MB), so this is the old way
with tapes: pieces that fit are sorted and written, then read side by side and merged. One piece, the usual case, never
touches the disk a second time. Series are numbered in the order in which they first appear in the input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.axis import STAMPS

RUN_ROWS = 1_000_000
"""Rows that are sorted in memory at once. Two million took 900 MiB, a million takes no more than the analysis after."""
BATCH_ROWS = 200_000
"""Rows handed out at once."""
SMALLEST_BLOCK = 10_000
"""Rows read at least from one run at once."""
KEY = ["id", "time"]


@dataclass(slots=True)
class Sorted:
    """Observations in order of (series, time): columns `id`, `time`, `value`; of equal keys the first is kept."""

    names: list[str] = field(default_factory=list)
    """Names of the series, by id."""
    rows: int = 0
    """Observations, duplicates included."""
    duplicates: int = 0
    """Observations of a series and time that was there already, known once `batches` is exhausted."""
    by_time: bool = False
    """In order of (time, series) instead: series that are compared wait for each other."""
    _single: pl.DataFrame | None = None
    _runs: list[Path] = field(default_factory=list)
    _heads: pl.DataFrame | None = None

    def heads(self) -> dict[int, NDArray[np.float64]]:
        """The first distinct stamps of each series, for a numbered axis."""
        if self._heads is None:
            return {}
        return {int(str(key[0])): part["time"].to_numpy() for key, part in self._heads.group_by("id")}

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All observations in order, as often as it is called; duplicates are dropped and counted."""
        last: tuple[object, ...] | None = None
        self.duplicates = 0
        for batch in self._in_order(batch_rows):
            repeated = batch.select(pl.struct(KEY) == pl.struct(KEY).shift()).to_series().fill_null(value=False)
            if last is not None and batch.select(KEY).row(0) == last:
                repeated[0] = True
            last = batch.select(KEY).row(-1)
            self.duplicates += int(repeated.sum())
            yield batch.filter(~repeated)

    def _in_order(self, batch_rows: int) -> Iterator[pl.DataFrame]:
        if self._single is not None:
            yield from self._single.iter_slices(batch_rows)
            return
        block = max(SMALLEST_BLOCK, 2 * batch_rows // max(1, len(self._runs)))
        for merged in _merge([_blocks(run, block) for run in self._runs], _order(self.by_time)):
            yield from merged.iter_slices(batch_rows)


def _order(by_time: bool) -> list[str]:
    return KEY[::-1] if by_time else KEY


def sort(
    observations: pl.LazyFrame,
    folder: Path,
    only: Collection[str] = (),
    progress: Callable[[int], None] = lambda _: None,
    run_rows: int = RUN_ROWS,
    *,
    by_time: bool = False,
) -> Sorted:
    """Sort `series, time, value` in any order.

    Parameters
    ----------
    observations
        Streamed once.
    folder
        Where pieces are kept; the caller removes it after the last batch.
    only
        Leave out all series but these, unless there are none; names of all are known all the same.
    progress
        Told how many rows have been read.
    run_rows
        Rows sorted in memory at once.
    by_time
        Sort by time first.
    """
    found = Sorted(by_time=by_time)
    unsorted = folder / "unsorted.parquet"
    observations.sink_parquet(unsorted, compression="lz4", row_group_size=250_000)
    total = int(pl.scan_parquet(unsorted).select(pl.len()).collect().item())
    numbers: dict[str, int] = {}
    for first in range(0, total, run_rows):
        piece = pl.scan_parquet(unsorted).slice(first, run_rows).collect()
        for name in piece["series"].unique(maintain_order=True):
            numbers.setdefault(name, len(numbers))
        if only:
            piece = piece.filter(pl.col("series").is_in(list(only)))
        found.rows += piece.height
        own = piece.select(
            pl.col("series").replace_strict(numbers, return_dtype=pl.Int64).alias("id"),
            pl.col("time") if piece.schema["time"].is_float() else pl.col("time").cast(pl.Int64),
            "value",
        ).sort(_order(by_time), maintain_order=True)
        if own.schema["time"].is_float():
            found._heads = _head(own if found._heads is None else pl.concat([found._heads, own.select(KEY)]).sort(KEY))
        if total <= run_rows:
            found._single = own
        elif own.height:
            found._runs.append(folder / f"run-{first}.parquet")
            own.write_parquet(found._runs[-1], compression="lz4", row_group_size=SMALLEST_BLOCK)
        progress(first + piece.height)
    unsorted.unlink()
    found.names = list(numbers)
    return found


def _head(rows: pl.DataFrame) -> pl.DataFrame:
    """The first stamps of each series in sorted rows, each once."""
    return rows.select(KEY).unique(maintain_order=True).group_by("id", maintain_order=True).head(STAMPS)


def _blocks(run: Path, rows: int) -> Iterator[pl.DataFrame]:
    """A sorted piece, block by block."""
    first = 0
    while (block := pl.scan_parquet(run).slice(first, rows).collect()).height:
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
