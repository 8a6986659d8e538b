"""A file that is one JSON array of objects, or an object a line, as a table; it is replaced as a whole."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import ROW, TableOptions
from sentinel.tables.ndjson import flat_keys, ndjson_rows


def read_json(file: BinaryIO, where: str, options: TableOptions) -> pl.DataFrame:
    """Read all objects, with `ROW` and `MORE`; all columns are text, as those of NDJSON are.

    Raises DataError: it is no JSON, or neither an array of objects nor an object a line.
    """
    text = file.read().decode("utf-8-sig", errors="replace")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        rows = [_object_of(line) for line in text.splitlines() if line.strip()]
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


def _object_of(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
