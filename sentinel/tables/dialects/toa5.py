"""TOA5 of Campbell Scientific's loggers: station, names, units and processing in four lines, then a row counter."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    first = split(lines[0])
    skip = 1 if first[0] == "TOA5" else 0
    if not skip and not ("TIMESTAMP" in first and len(lines) > 1 and split(lines[1])[0] == "TS"):
        return None
    return {"skip_rows": skip, "unit_rows": 2, "time_column": "TIMESTAMP", "exclude": ("RECORD",), "comment": None}


TOA5 = Dialect("toa5", "a Campbell logger's TOA5 table", _recognise)
