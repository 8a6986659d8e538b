"""Exports of Decagon and METER loggers (ECH2O Utility, DataTrac, ZENTRA): three lines of names, `***` for no value."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    separator = next((one for one in "\t;," if one in lines[0]), "\t")
    ports, *below = (split(line, separator) for line in lines[:3])
    if len(ports) < len(("time", "value")) or not all(re.fullmatch(r"Port \d+", one) for one in ports[1:]):
        return None
    if len(below) < len(("sensors", "units")):
        raise UnfinishedError
    if any(len(one) != len(ports) for one in below) or not re.search("time", below[1][0], re.IGNORECASE):
        return None
    names = (f"{port} {sensor} [{unit}]" for port, sensor, unit in list(zip(ports, *below, strict=True))[1:])
    return {"separator": separator, "comment": None, "skip_rows": 3, "names": ("time", *names)}


DECAGON = Dialect("decagon", "an export of a Decagon or METER logger", _recognise)
