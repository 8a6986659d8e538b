"""FLUXNET and AmeriFlux: half hours as 202101010030 in local standard time, -9999 where there is no value."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, present, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    names = split(rows[0]) if rows else []
    if "TIMESTAMP_START" not in names:
        return None
    return {
        "time_column": "TIMESTAMP_START", "time_format": "%Y%m%d%H%M", "missing": ("-9999",),
        "exclude": present(names, "TIMESTAMP_END"),
    }  # fmt: skip


GOOD = "*_QC=0"
"""0 is measured; 1 is filled well, 2 and 3 less well: a fill is no measurement."""
FLUXNET = Dialect(
    "fluxnet", "a FLUXNET or AmeriFlux table", _recognise, GOOD, "times are local standard time, all year"
)
