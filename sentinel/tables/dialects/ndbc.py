"""Tables of the U.S. National Data Buoy Center: runs of blanks, the date in columns, nines where there is no value."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present

NINES = {
    "WDIR": "999", "WD": "999", "WSPD": "99", "GST": "99", "WVHT": "99", "DPD": "99", "APD": "99", "MWD": "999",
    "PRES": "9999", "BAR": "9999", "ATMP": "999", "WTMP": "999", "DEWP": "999", "VIS": "99", "TIDE": "99",
    "GDR": "999", "GTIME": "9999",
}  # fmt: skip
"""The number that means no value, by column."""
_YEARS = ("#YY", "YY", "YYYY", "#YYYY")


def _recognise(lines: Sequence[str]) -> Patch | None:
    names = lines[0].split()
    if names[0] not in _YEARS or names[1:4] != ["MM", "DD", "hh"]:
        return None
    units = len(lines) > 1 and lines[1].startswith("#")
    first = next((line.split() for line in lines[1 + units :] if line.strip()), None)
    if first is None:
        raise UnfinishedError
    time = (*names[:4], *(("mm",) if "mm" in names else ()))
    year = "%y" if len(first[0]) == 2 else "%Y"
    marks = ("MM", *(f"{name}={NINES[name]}" for name in present(names, *NINES) if name in NINES))
    return {
        "separator": "whitespace", "comment": None, "unit_rows": int(units), "time_column": time,
        "time_format": f"{year} %m %d %H" + " %M" * ("mm" in names), "missing": marks,
    }  # fmt: skip


NDBC = Dialect("ndbc", "a table of the National Data Buoy Center", _recognise)
