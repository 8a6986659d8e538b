"""Exports of HOBOware (Onset): a title line, a row number, and the zone in the name of the time column."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split

EVENTS = (
    "Host Connected*", "Coupler*", "Stopped*", "End Of File*", "Button*", "Bad Battery*", "Good Battery*", "Started*",
    "New Bounds*",
)  # fmt: skip
"""Columns of what happened to the logger: empty, or `Logged`."""

_FIXED = {
    "-09:30": "Pacific/Marquesas", "+04:30": "Asia/Kabul", "+05:30": "Asia/Kolkata", "+05:45": "Asia/Kathmandu",
    "+06:30": "Asia/Yangon", "+09:30": "Australia/Darwin",
}  # fmt: skip
"""Zones whose offset is no whole hour and has not changed since there are loggers."""


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
        patch["time_zone"] = _zone_of(offset[1])
    return patch | {"exclude": present(names, "#", *EVENTS)}


def _zone_of(offset: str) -> str:
    """Name the zone that always has this offset; the offset itself, which is asked about, where none has a name."""
    hours, minutes = int(offset[:3]), offset[4:]
    if minutes != "00" or not -12 <= hours <= 14:
        return _FIXED.get(offset, offset)
    # The names of fixed zones count hours west of Greenwich.
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


HOBO = Dialect("hobo", "an export of HOBOware", _recognise)
