"""TOA5 of Campbell Scientific's loggers: station, names, units and processing in four lines, then a row counter."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    first = split(lines[0])
    is_whole = first[0] == "TOA5"
    if not is_whole and not ("TIMESTAMP" in first and len(lines) > 1 and split(lines[1])[0] == "TS"):
        return None
    # The line of the station comes again, with the names, where a program was started anew.
    station = lines[0][: lines[0].index("TOA5")] + "TOA5" + '"' * lines[0].startswith('"') if is_whole else None
    return {"unit_rows": 2, "time_column": "TIMESTAMP", "exclude": ("RECORD",), "comment": station}


TOA5 = Dialect("toa5", "a Campbell logger's TOA5 table", _recognise)
