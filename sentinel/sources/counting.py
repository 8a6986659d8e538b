"""Columns of a wide table that only count are left out, by the rule that `inspect` goes by.

It is decided once for each column of a source, whatever becomes of its files: by the rows that are there when it is
first read, at most `HEAD_ROWS`. A column that has fewer than `FEWEST` values by then is judged until that many tell;
the default rule gives no verdict before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sentinel.tables.cells import COLUMN, HEAD_ROWS, TableOptions, matches
from sentinel.tables.columns import patterns_of
from sentinel.tables.counters import FEWEST, falls_often, is_counter, say_counter


@dataclass(slots=True)
class Counters:
    """What is known of the columns of a source; each is of one of three kinds."""

    judged: set[str]
    """Measurements."""
    counting: set[str]
    open: dict[str, list[float]]
    """Values so far of the columns that do not tell yet."""

    def to_json(self) -> dict[str, object]:
        """Write what the cursor keeps; measurements are the columns that are neither."""
        written = {"counting": sorted(self.counting), "open": self.open}
        return {key: value for key, value in written.items() if value}

    @classmethod
    def of_json(cls, written: Mapping[str, Any], columns: Iterable[str]) -> Counters:
        """Read what was written, of a source that had these columns."""
        counting, undecided = set(written.get("counting", ())), dict(written.get("open", {}))
        return cls(set(columns) - counting - undecided.keys(), counting, undecided)


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

        Parameters
        ----------
        kept: the rows of one piece, with `COLUMN`, in the order of the file.
        columns: the columns of values of the table.
        counters: what is known of them; brought up to date.
        """
        said: list[str] = []
        if not counters.judged.issuperset(columns):
            for name in columns:
                if name not in counters.judged and name not in counters.counting:
                    said += self._decide(name, kept, counters)
        left_out = [name for name in counters.counting if not self.is_asked_for(name)]
        return kept.filter(~pl.col(COLUMN).is_in(left_out)) if left_out else kept, said

    def _decide(self, name: str, kept: pl.DataFrame, counters: Counters) -> list[str]:
        before = counters.open.pop(name, [])
        values = np.append(np.array(before, np.float64), kept.filter(pl.col(COLUMN) == name)["value"].to_numpy())
        values = values[np.isfinite(values)]
        if self.is_asked_for(name) or falls_often(values):
            counters.judged.add(name)
        elif values.size < FEWEST:
            counters.open[name] = values.tolist()
        elif is_counter(values[:HEAD_ROWS]):
            counters.counting.add(name)
            return [say_counter(name) + (f"; its first {len(before):,} values were" if before else "")]
        else:
            counters.judged.add(name)
        return []
