"""Lake profiles of GLEON, as LakeAnalyzer reads them (.wtr, .doobs): a column for each depth, `wtr_0.5`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    separator = "\t" if "\t" in lines[0] else ","
    names = split(lines[0], separator)
    profile = re.compile(r"(wtr|doobs|temp|salinity)_?\d+(\.\d+)?", re.IGNORECASE)
    if names[0].lower() not in ("datetime", "date") or not all(map(profile.fullmatch, names[1:])) or len(names) < 2:
        return None
    return {"separator": separator, "time_column": names[0]}


GLEON = Dialect("gleon", "a lake profile of GLEON", _recognise)
