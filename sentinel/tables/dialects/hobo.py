"""Exports of HOBOware (Onset): a title line, a row number, and the zone in the name of the time column."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split
from sentinel.tables.times import zone_of

EVENTS = (
    "Host Connected*", "Coupler*", "Stopped*", "End Of File*", "Button*", "Bad Battery*", "Good Battery*", "Started*",
    "New Bounds*",
)  # fmt: skip
"""Columns of what happened to the logger: empty, or `Logged`."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    titled = lines[0].lstrip('"').startswith("Plot Title")
    if titled and len(lines) < 2:
        raise UnfinishedError
    separator = "\t" if "\t" in lines[titled] else ";" if ";" in lines[titled] else ","
    names = split(lines[titled], separator)
    time = present(names, "Date Time*")
    if not time or not (titled or "#" in names):
        return None
    patch = {"skip_rows": int(titled), "time_column": time[0], "comment": None, "separator": separator}
    if offset := re.search(r"GMT([+-]\d{2}:\d{2})", time[0]):
        patch["time_zone"] = zone_of(offset[1])
    return patch | {"exclude": present(names, "#", *EVENTS)}


HOBO = Dialect("hobo", "an export of HOBOware", _recognise)
