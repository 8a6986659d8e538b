"""JSON as a table: an object a line, whose columns are the keys of the first lines, or one array of objects.

An object within an object is as many columns: `{"meta": {"time": 1}}` has the column `meta.time`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import HEAD_ROWS, MORE, ROW, TableOptions

PIECE_BYTES = 4 << 20
"""Bytes in which the names of the columns are looked for."""
_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
_NESTED = re.compile(rb'"\s*:\s*\{')
_HALF = re.compile("[\ud800-\udfff]")
"""Half a pair that stands for one character: text of UTF-8 cannot hold it."""


def read_keys(file: BinaryIO, where: str, start: int, codec: str) -> tuple[str, ...]:
    """Keys of the first objects of an ndjson file, in order of appearance."""
    file.seek(start)
    text = file.read(PIECE_BYTES).decode(codec, errors="replace")
    keys = dict.fromkeys(key for raw in text.splitlines()[:HEAD_ROWS] for key in _read_object(raw) or ())
    if not keys:
        array = "; an array of objects is read as format json (--format json)" if text.lstrip().startswith("[") else ""
        raise DataError(f"{where}: no line is a JSON object; one object per line is needed{array}")
    return _refuse_broken(keys, where)


def flat_keys(rows: Sequence[dict[str, Any]], where: str) -> tuple[str, ...]:
    """Keys of objects, in order of appearance."""
    return _refuse_broken(dict.fromkeys(key for row in rows for key in _flatten(row)), where)


def _refuse_broken(keys: dict[str, None], where: str) -> tuple[str, ...]:
    if broken := [key for key in keys if _HALF.search(key)]:
        raise DataError(f"{where}: the name {broken[0]!r} is no text; names that UTF-8 can hold are needed")
    return tuple(keys)


def read_json(file: BinaryIO, where: str, options: TableOptions) -> pl.DataFrame:
    """Read all objects, as texts, with `ROW` and `MORE`; DataError where it is no array of them and not one a line."""
    text = file.read().decode("utf-8-sig", errors="replace")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        rows = [_read_object(line) for line in text.splitlines() if line.strip()]
        if None in rows or not rows:
            raise DataError(
                f"{where}: not JSON ({error}); an array of objects, or an object a line, is read"
            ) from error
    if isinstance(rows, dict) and (inner := [key for key, value in rows.items() if _is_table(value)]):
        raise DataError(
            f"{where}: an object with the array of objects {inner[0]!r} in it; the array alone is read: write it to a "
            f"file, for instance with jq '.[{json.dumps(inner[0])}]'"
        )
    rows = [rows] if isinstance(rows, dict) else rows
    if not _is_table(rows):
        raise DataError(f'{where}: no array of objects, such as [{{"time": "2020-01-31", "ph": 7}}, ...]')
    return objects_to_table(rows, where, options)


def objects_to_table(rows: list[dict[str, Any]], where: str, options: TableOptions) -> pl.DataFrame:
    """Bring objects to a table of text columns, with `ROW` and `MORE`."""
    lines = "\n".join(map(json.dumps, rows)).encode()
    return ndjson_rows(lines, flat_keys(rows, where), "utf-8", options).with_row_index(ROW)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def ndjson_rows(piece: bytes, columns: Sequence[str], codec: str, options: TableOptions) -> pl.DataFrame:
    """Whole lines of an ndjson file as text columns, and `MORE`, which is set where a line is no JSON object."""
    schema = dict.fromkeys(columns, pl.String())
    if codec != "utf-8":
        piece = piece.decode(codec, errors="replace").encode()
    # The marks of decimals and thousands are for texts: a number of JSON must not be read with them.
    marked = options.decimal != "." or options.thousands is not None
    try:
        # Polars reads half a surrogate pair, which JSON can write and no text can hold, as another character.
        if not marked and not _ESCAPED.search(piece) and not _NESTED.search(piece):
            return pl.read_ndjson(io.BytesIO(piece), schema=schema).with_columns(pl.lit(None, pl.String).alias(MORE))
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        pass
    lines = piece.decode(errors="replace").splitlines()
    rows = [_read_row(line, columns, options) for line in lines if line.strip()]
    return pl.DataFrame(rows, schema={**schema, MORE: pl.String()}, orient="row")


def _read_row(line: str, columns: Sequence[str], options: TableOptions) -> list[str | None]:
    row = _read_object(line)
    if row is None:
        return [None] * len(columns) + [line[:80]]
    return [_write_cell(row.get(name), name, options) for name in columns] + [None]


def _read_object(line: str) -> dict[str, Any] | None:
    """Read a line as one object without objects in it; None if it is none."""
    try:
        row = json.loads(line)
        return _flatten(row) if isinstance(row, dict) else None
    except (ValueError, RecursionError):  # a line of ten thousand brackets is no row either
        return None


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, cell in row.items():
        if isinstance(cell, dict) and cell:
            for inner, value in _flatten(cell).items():
                flat.setdefault(f"{key}.{inner}", value)
        else:
            flat[key] = cell
    return flat


def _write_cell(cell: Any, name: str, options: TableOptions) -> str | None:
    """A cell of JSON as text; a number has the decimal mark of the options, unless it names a series."""
    if cell is None:
        return None
    if isinstance(cell, str):
        return _HALF.sub("\N{REPLACEMENT CHARACTER}", cell)
    is_number = isinstance(cell, float) and name not in (*options.by, options.series_column)
    return json.dumps(cell).replace(".", options.decimal) if is_number else json.dumps(cell)
