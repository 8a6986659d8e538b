"""Tables: named tuples of arrays, nested ones too, whose first axis is the row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Table = TypeVar("Table", bound=tuple[Any, ...])
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]
Arrays = dict[str, NDArray[Any]]


def take(table: Table, rows: Ints | Flags) -> Table:
    """Copy these rows, by position or by flag; a table of all its rows in order is itself."""
    positions: Ints = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64, copy=False)
    return table if are_all(positions, row_count(table)) else _take(table, positions)


def copy(table: Table) -> Table:
    """Copy all rows, so that they may be written to."""
    return _like(table, [copy(column) if isinstance(column, tuple) else column.copy() for column in table])


def put(table: Table, rows: Ints, taken: Table, part: Table) -> Table:
    """Replace these rows by `part`. `taken` is what `take` gave: what is still the same array there is not copied."""
    if are_all(rows, row_count(table)):
        return part
    columns = list(table)
    for at, (was, now) in enumerate(zip(taken, part, strict=True)):
        if isinstance(was, tuple):
            columns[at] = put(columns[at], rows, was, now)
        elif now is not was:
            columns[at] = columns[at].copy()
            columns[at][rows] = now
    return _like(table, columns)


def without(table: Table, *names: str) -> Table:
    """The same table but for these columns, in whose places is None."""
    found: Table = table._replace(**dict.fromkeys(names))  # type: ignore[attr-defined]
    return found


def concat(tables: Sequence[Table]) -> Table:
    """Put tables with the same columns one behind the other; one alone is itself."""
    if len(tables) == 1:
        return tables[0]
    return _like(tables[0], [
        concat(columns) if isinstance(columns[0], tuple) else np.concatenate(columns)
        for columns in zip(*tables, strict=True)
    ])  # fmt: skip


def flatten(table: tuple[Any, ...], prefix: str = "") -> Arrays:
    """Name each array of a table by the fields that lead to it: `last/tick`."""
    found: Arrays = {}
    for name, column in zip(_fields(table), table, strict=True):
        found |= flatten(column, f"{prefix}{name}/") if isinstance(column, tuple) else {f"{prefix}{name}": column}
    return found


def unflatten(pattern: Table, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Table:
    """Build a table like `pattern` from arrays named as `flatten` names them; KeyError if one is missing."""
    return _like(pattern, [
        unflatten(column, arrays, f"{prefix}{name}/") if isinstance(column, tuple) else arrays[f"{prefix}{name}"]
        for name, column in zip(_fields(pattern), pattern, strict=True)
    ])  # fmt: skip


def row_count(table: tuple[Any, ...]) -> int:
    """Count the rows of a table."""
    first = table[0]
    return row_count(first) if isinstance(first, tuple) else int(first.shape[0])


def are_all(rows: Ints, count: int) -> bool:
    """Tell if these are all of `count` rows in order."""
    return rows.size == count and np.array_equal(rows, np.arange(count))


def _take(table: Table, rows: Ints) -> Table:
    return _like(table, [_take(column, rows) if isinstance(column, tuple) else column[rows] for column in table])


def write(file: IO[bytes], arrays: Arrays, header: Mapping[str, Any]) -> None:
    """Write arrays by name, and what JSON can hold of them."""
    np.savez(file, _header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def read(file: IO[bytes]) -> tuple[Arrays, dict[str, Any]]:
    """Read what `write` wrote; of damaged bytes comes some error, of whatever kind, and never another number."""
    with np.load(file, allow_pickle=False) as kept:
        if damaged := kept.zip.testzip():
            raise ValueError(f"{damaged} is damaged")
        arrays = dict(kept)
    return arrays, json.loads(arrays.pop("_header").tobytes())


def _fields(table: tuple[Any, ...]) -> tuple[str, ...]:
    return cast("tuple[str, ...]", table._fields)  # type: ignore[attr-defined]


def _like(table: Table, columns: Sequence[Any]) -> Table:
    """Build a table of the same type."""
    return type(table)(*columns)
