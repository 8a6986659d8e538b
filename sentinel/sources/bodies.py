"""Observations as JSON, JSON lines or CSV: objects or rows with `series`, `time` and `value`.

`time` is ISO 8601 (UTC where it carries no offset) or a number in the declared unit. CSV may also be wide: `time` and a
column per series. A row that cannot be read is counted, and the others are taken.
"""

from __future__ import annotations

import csv
import io
import json

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.sources.rows import Rows, microseconds_of

FORM = '{"series": "lake/ph", "time": "2026-01-01T00:00:00Z", "value": 8.1}'


def read_json(text: str, rows: Rows, unit: str) -> None:
    """Read a list of objects, one object, or `{"observations": [...]}`; DataError where it is none of these."""
    try:
        found = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{where}no JSON; a list of objects such as {FORM} is needed") from None
    if isinstance(found, dict):
        found = found.get("observations", [found])
    if not isinstance(found, list):
        raise DataError(f"JSON without a list; a list of objects such as {FORM} is needed")
    for number, each in enumerate(found, 1):
        _take(each, rows, unit, number)


def read_ndjson(text: str, rows: Rows, unit: str) -> None:
    """Read one object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                each = json.loads(line)
            except (ValueError, RecursionError):
                each = None
            _take(each, rows, unit, number)


def _take(each: object, rows: Rows, unit: str, number: int) -> None:
    if not isinstance(each, dict):
        rows.leave_out(Rejection.MALFORMED_ROW, number, f"no object; one such as {FORM} is needed")
        return
    time = each.get("time")
    rows.add(each.get("series"), microseconds_of(time, _unit(time, unit)), each.get("value"), number, time)


def _unit(time: object, unit: str) -> str | None:
    """Say whether a time is a number: only then it has a unit."""
    is_number = not isinstance(time, str) or time.strip().lstrip("+-").replace(".", "", 1).isdigit()
    return unit if is_number else None


def read_csv(text: str, rows: Rows, unit: str) -> None:
    """Read a table with a header, long (`series,time,value`) or wide; DataError where there is no column `time`."""
    table = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(table, [])]
        if header and ("time" not in header or len(set(header)) < len(header) or len(header) < 2):
            raise DataError(
                f"line 1: columns {ascii(header)[:80]}; series, time and value, or time and a column per series, are "
                "needed, each name once"
            )
        is_long = {"series", "value"} <= set(header)
        at = header.index("time") if header else 0
        for cells in table:
            number = table.line_num
            if not any(cells):
                continue
            if len(cells) != len(header):
                rows.leave_out(Rejection.MALFORMED_ROW, number, f"{len(cells)} cells, the header has {len(header)}")
                continue
            time_us = microseconds_of(cells[at], _unit(cells[at], unit))
            if is_long:
                rows.add(cells[header.index("series")], time_us, cells[header.index("value")], number, cells[at])
                continue
            for name, cell in zip(header, cells, strict=True):
                if name != "time":
                    rows.add(name, time_us, cell, number, cells[at])
    except csv.Error as error:
        raise DataError(f"line {table.line_num}: no CSV: {error}; separate cells by commas") from None
