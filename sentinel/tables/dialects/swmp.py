"""Water quality of the National Estuarine Research Reserves (SWMP): a flag column `F_...` behind each value."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, present, split

GOOD = "<0>,<2>,<3>,<4>,<5>"
"""Passed, reserved, calculated, historical, corrected; 1 is suspect, below 0 is missing, rejected or out of range."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    names = split(lines[0])
    if "DateTimeStamp" not in names or not present(names, "F_*"):
        return None
    return {
        "time_column": "DateTimeStamp", "time_format": "%m/%d/%Y %H:%M", "flags": (f"F_*={GOOD}",),
        "by": present(names, "StationCode", "Station_Code"),
        "exclude": present(names, "F_Record", "isSWMP", "Historical", "ProvisionalPlus"),
    }  # fmt: skip


SWMP = Dialect(
    "swmp", "a SWMP table of the estuarine research reserves", _recognise,
    local="times are local standard time, all year",
)  # fmt: skip
