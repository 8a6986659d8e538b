"""ISD-Lite of NOAA: twelve numbers a line, without names, in tenths of their units; -9999 for no value."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch

_LINE = re.compile(r"\d{4} [01]\d [0-3]\d [0-2]\d(?: [ \d-]{5}){8}")
_NAMES = (
    "year", "month", "day", "hour", "air temperature [°C/10]", "dew point [°C/10]", "sea level pressure [hPa/10]",
    "wind direction [°]", "wind speed [m/s/10]", "sky cover", "rain of 1 h [mm/10]", "rain of 6 h [mm/10]",
)  # fmt: skip


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not all(_LINE.fullmatch(line.rstrip()) for line in lines[:10] if line):
        return None
    return {"separator": "whitespace", "comment": None, "names": _NAMES, "missing": ("-9999",)}


ISDLITE = Dialect("isdlite", "a table of ISD-Lite", _recognise)
