"""Daily records of the National River Flow Archive (U.K.): lines of three fields about the station, then the days."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    fields = [split(line) for line in lines]
    if fields[0][:2] != ["file", "timestamp"]:
        return None
    about = {tuple(row[:2]): row[2] for row in fields if len(row) > 2}
    last = next((n for n, row in enumerate(fields) if row[:2] == ["data", "last"]), None)
    if last is None:
        raise UnfinishedError
    unit = about.get(("dataType", "units"), "")
    name = about.get(("dataType", "parameter")) or about.get(("dataType", "name")) or "value"
    return {"skip_rows": last + 1, "names": ("time", f"{name} ({unit})" if unit else name, "flag")}


NRFA = Dialect("nrfa", "a record of the National River Flow Archive", _recognise)
