"""CSV of an ERDDAP server: a row of units below the names, `UTC` under the time."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, present, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    separator = "\t" if "\t" in lines[0] else ","
    names, units = split(lines[0], separator), split(lines[1], separator) if len(lines) > 1 else []
    if len(units) != len(names):
        return None
    # `UTC` is no time, so this row holds no data, even where a unit is a number: salinity is in `1e-3` or `1`.
    times = [name for name in present(names, "time*") if units[names.index(name)] == "UTC"]
    times = [name for name in times if "zone" not in name.lower()]  # of which a row of data says it too
    if not times:
        return None
    places = present(names, "latitude*", "longitude*", "altitude*", "depth")
    return {"separator": separator, "unit_rows": 1, "time_column": times[0], "exclude": places}


ERDDAP = Dialect("erddap", "CSV of an ERDDAP server", _recognise)
