"""CSV of an ERDDAP server: a row of units below the names, `UTC` under the time."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, is_number, present, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    names, units = split(lines[0]), split(lines[1]) if len(lines) > 1 else []
    time = present(names, "time*")
    if not time or len(units) != len(names) or units[names.index(time[0])] != "UTC" or any(map(is_number, units)):
        return None
    return {"unit_rows": 1, "time_column": time[0], "exclude": present(names, "latitude*", "longitude*", "altitude*")}


ERDDAP = Dialect("erddap", "CSV of an ERDDAP server", _recognise)
