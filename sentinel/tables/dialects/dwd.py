"""Station tables of the German weather service (produkt_*.txt): semicolons, padded cells, -999 for no value."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, present, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    names = split(lines[0], ";")
    if names[0] != "STATIONS_ID" or len(names) < 3 or not names[1].startswith("MESS_DATUM"):
        return None
    return {
        "separator": ";", "time_column": names[1], "by": ("STATIONS_ID",), "missing": ("-999",),
        # QN_* say how a whole paragraph of values was checked.
        "exclude": present(names, "MESS_DATUM_ENDE", "QN*", "eor"),
    }  # fmt: skip


DWD = Dialect("dwd", "a station table of the German weather service", _recognise)
