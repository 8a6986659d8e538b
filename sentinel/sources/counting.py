"""Columns of a wide table that only count are left out, by the rule that `inspect` goes by.

It is decided for each column of a source by its first `HEAD_ROWS` values, whatever becomes of its files. A column that
has fewer than `FEWEST` of them is judged; the default rule gives no verdict before. From then on one that has only
risen so far is held back, and the daemon forgets its series: a sensor, too, may rise for some hours. Once it falls as
no counter does it is judged, and all that was held back is given, in order, to a new series; at the last of those
values a column that counts is left out for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sentinel.domain.observation import Rejection
from sentinel.tables.cells import COLUMN, HEAD_ROWS, TableOptions, matches
from sentinel.tables.columns import is_named, patterns_of
from sentinel.tables.counters import FEWEST, falls_often, is_counter, say_counter, take_steps


@dataclass(slots=True)
class Counters:
    """State of the columns of a source; each is judged, counts, or is open."""

    judged: set[str]
    """Measurements."""
    counting: set[str]
    open: dict[str, list[float]]
    """Values so far of the columns that do not tell yet."""
    held: dict[str, list[tuple[str, int]]]
    """Series and time of those of them, the last ones, that are held back as they have only risen so far."""

    @property
    def left_out(self) -> set[str]:
        """Columns that count, or that have only risen so far."""
        return self.counting | self.held.keys()

    def to_json(self) -> dict[str, object]:
        """Write what the cursor keeps; measurements are the columns that are neither."""
        held = {name: [list(row) for row in rows] for name, rows in self.held.items()}
        written = {"counting": sorted(self.counting), "open": self.open, "held": held}
        return {key: value for key, value in written.items() if value}

    @classmethod
    def of_json(cls, written: Mapping[str, Any], columns: Iterable[str]) -> Counters:
        """Read what was written, of a source that had these columns."""
        counting, undecided = set(written.get("counting", ())), dict(written.get("open", {}))
        held = {name: [(series, int(us)) for series, us in rows] for name, rows in written.get("held", {}).items()}
        return cls(set(columns) - counting - undecided.keys(), counting, undecided, held)


class CounterWatch:
    """Leaves out the columns that count, but for those of which somebody has said how they are to be judged."""

    def __init__(self, options: TableOptions) -> None:
        self._all = options.columns is not None
        told = patterns_of(options.transform, "difference")
        self._told = [*told, *(one.rpartition("/")[2] for one in told)]

    def is_asked_for(self, name: str) -> bool:
        """True of a column that is judged even if it counts."""
        return self._all or any(matches(name, one) for one in self._told)

    def take(self, kept: pl.DataFrame, columns: Iterable[str], counters: Counters) -> tuple[pl.DataFrame, list[str]]:
        """Give the rows of columns that do not count; also which were found to count, a line each.

        `kept` are the rows of one piece, with `COLUMN`, in the order of the file, `columns` the columns of values of
        the table. What is known of them, `counters`, is brought up to date.
        """
        said: list[str] = []
        given = [kept]
        if not counters.judged.issuperset(columns):
            # One pass over the rows: a first read may have thousands of columns.
            finite = kept.filter(pl.col("value").is_finite())
            values = dict(finite.group_by(COLUMN, maintain_order=True).agg("value").iter_rows())
            for name in columns:
                if name not in counters.judged and name not in counters.counting:
                    said += self._decide(name, values.get(name, []), finite, counters, given)
        left_out = [name for name in counters.left_out if not self.is_asked_for(name)]
        given[0] = kept.filter(~pl.col(COLUMN).is_in(left_out)) if left_out else kept
        return pl.concat([*given[1:], given[0]]) if len(given) > 1 else given[0], said

    def _decide(
        self, name: str, new: list[float], rows: pl.DataFrame, counters: Counters, given: list[pl.DataFrame]
    ) -> Iterator[str]:  # fmt: skip
        """Decide on a column of which these values of `rows` are new, as far as they tell.

        What was held back is added to `given`.
        """
        before, held = counters.open.pop(name, []), counters.held.pop(name, None)
        values = np.array([*before, *new], np.float64)
        if values.size < FEWEST and not (self.is_asked_for(name) or falls_often(values)):
            counters.open[name] = values.tolist()
            return
        if self.is_asked_for(name) or falls_often(values) or not is_counter(values[:HEAD_ROWS]):
            counters.judged.add(name)
            if held:
                given.append(_rows_of(name, held, before[-len(held) :], rows))
                yield f"{name!r} falls as no counter does: it is judged, with {len(held):,} values that were held back"
            return
        if held is None:
            yield say_counter(name) + (f"; its first {len(before):,} values were" if before else "")
        if values.size >= HEAD_ROWS:
            counters.counting.add(name)
            return
        counters.open[name] = values.tolist()
        own = rows.filter(pl.col(COLUMN) == name)
        times = own["time"].dt.epoch("us").to_list()
        counters.held[name] = [*(held or ()), *zip(own["series"].to_list(), times, strict=True)]


def _rows_of(name: str, held: Sequence[tuple[str, int]], values: Sequence[float], like: pl.DataFrame) -> pl.DataFrame:
    """Make rows as they are in `like` of what was held back of a column."""
    series, times = zip(*held, strict=True)
    made = pl.DataFrame(
        {"series": series, "time": pl.Series(times).cast(pl.Datetime("us")), "value": values, COLUMN: name}
    )
    return made.select(pl.col(column).cast(kind) for column, kind in like.schema.items())


def count_steps(
    table: pl.DataFrame, patterns: list[str], counted: dict[str, tuple[int, float]], rejected: Counter[str]
) -> pl.DataFrame:
    """Put the steps of counters in place of their values; `counted` keeps the last time and value of each.

    A value that is not later than the one before has no step. It is left out, as the first of a series is.
    """
    # With `by` the column is what stands behind the last slash.
    plain = pl.col("series").str.replace(r'(?s)\{.*"\}$', "")  # labels are not part of a name
    names = (plain, plain.str.split("/").list.last())
    is_counter = pl.any_horizontal(is_named(name, patterns) for name in names)
    us = pl.col("time").dt.epoch("us")
    since = {name: mark[0] for name, mark in counted.items()}
    known = pl.col("series").replace_strict(since, default=None, return_dtype=pl.Int64) if since else pl.lit(None)
    before = pl.max_horizontal(us.shift().over("series"), known)
    later = table.filter(~is_counter | before.is_null() | (us > before))
    values = {name: mark[1] for name, mark in counted.items()}
    steps, _ = take_steps(later, "series", is_counter, values)
    last = later.filter(is_counter).group_by("series").agg(us.max())
    counted.update({name: (at, values[name]) for name, at in last.iter_rows()})
    if left_out := table.height - steps.height:
        rejected[Rejection.MISSING] += left_out
    return steps
