"""Files to observations: what was read, what was left out, and one clear line where nothing can be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.tables import Axis, TableOptions, open_table, parse

UNUSABLE = {
    Rejection.MISSING: "missing",
    Rejection.NOT_A_NUMBER: "not a number",
    Rejection.NOT_FINITE: "infinite",
    Rejection.BAD_TIME: "without a time",
    Rejection.MALFORMED_ROW: "in malformed rows",
    Rejection.NO_SERIES: "without a series",
}


@dataclass(frozen=True, slots=True)
class Intake:
    """What the input holds."""

    observations: pl.LazyFrame
    """series, time, value in any order; time is an instant, or a number on a numbered axis."""
    numbered: bool
    left_out: dict[str, int]
    """Values that were left out, by reason in words."""
    complaints: tuple[str, ...]
    left_columns: tuple[str, ...]
    """Columns of wide tables that hold text and are no series."""


def read_files(paths: Sequence[Path], options: TableOptions) -> Intake:
    """Open and judge files; together they are one table.

    Raises
    ------
    DataError
        Missing, empty, not a table, no time column, text in numbers, or files of different time axes.
    """
    return _joined([(str(path), open_table(path, options)) for path in paths], options)


def read_frame(frame: pl.DataFrame, options: TableOptions) -> Intake:
    """Judge a table that is in memory."""
    return _joined([("frame", frame.lazy())], options)


def _joined(tables: Sequence[tuple[str, pl.LazyFrame]], options: TableOptions) -> Intake:
    rejected: Counter[str] = Counter()
    complaints: list[str] = []
    parts: list[pl.LazyFrame] = []
    left_columns: dict[str, None] = {}
    axis: Axis | None = None
    for where, table in tables:
        parsed = parse(table, options, where, strict=True, axis=axis)
        _refuse_unreadable(where, parsed.rejected)
        axis = parsed.axis
        rejected.update(parsed.rejected)
        complaints.extend(parsed.complaints)
        left_columns.update(dict.fromkeys(parsed.shape.left_out))
        parts.append(parsed.observations)
    left_out = {UNUSABLE.get(reason, reason): count for reason, count in rejected.most_common()}
    return Intake(pl.concat(parts), axis == "number", left_out, tuple(complaints[:10]), tuple(left_columns))


def _refuse_unreadable(where: str, rejected: Mapping[str, int]) -> None:
    """DataError if anything but missing and infinite values was left out.

    Reading strictly finds the first ten faults; behind many infinite values others can stay unseen.
    """
    for reason, count in rejected.items():
        if reason not in (Rejection.MISSING, Rejection.NOT_FINITE):
            raise DataError(f"{where}: {count:,} values are {UNUSABLE[reason]}; only numbers and times are allowed")


def nothing_usable(where: str, left_out: dict[str, int]) -> DataError:
    """The one line for an input without a single usable value."""
    counts = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "no values"
    return DataError(f"{where}: no usable value ({counts}); a column of numbers is needed")
