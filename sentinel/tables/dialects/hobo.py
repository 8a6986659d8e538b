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
    offset = re.search(r"GMT([+-])(\d{2}):00", time[0])
    if offset:
        # The names of fixed zones count hours west of Greenwich.
        sign, hours = "-" if offset[1] == "+" else "+", int(offset[2])
        patch["time_zone"] = f"Etc/GMT{sign}{hours}" if hours else "UTC"
    return patch | {"exclude": present(names, "#", *EVENTS)}


HOBO = Dialect("hobo", "an export of HOBOware", _recognise)
