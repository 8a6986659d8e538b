"""Tables of surveys and weather services."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, is_number, present, split

_RDB_STATES = ("Ice", "Eqp", "Bkw", "Ssn", "Rat", "Dis", "Mnt", "Fld", "Dry", "Zfl", "***")
"""Words in place of a value: why the gauge gave none."""


def _recognise_rdb(lines: Sequence[str]) -> Patch | None:
    """RDB of the U.S. Geological Survey: comments, names, a row of formats, `5s 15s 20d`, a code for each value."""
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if not rows or not rows[0].startswith("agency_cd\t"):
        return None
    if len(rows) < 3:
        raise UnfinishedError
    if not re.fullmatch(r"\d+[sdn](\t\d+[sdn])*", rows[1].strip()):
        return None
    names = split(rows[0], "\t")
    patch = {"separator": "\t", "unit_rows": 1, "time_column": "datetime", "missing": _RDB_STATES}
    if "tz_cd" in names:
        patch |= {"time_column": ("datetime", "tz_cd"), "time_format": "%Y-%m-%d %H:%M %Z"}
    return patch | {"by": present(names, "site_no"), "exclude": present(names, "agency_cd")}


RDB = Dialect("rdb", "an RDB table of the U.S. Geological Survey", _recognise_rdb)


_NDBC_NINES = {
    "WDIR": "999", "WD": "999", "WSPD": "99", "GST": "99", "WVHT": "99", "DPD": "99", "APD": "99", "MWD": "999",
    "PRES": "9999", "BAR": "9999", "ATMP": "999", "WTMP": "999", "DEWP": "999", "VIS": "99", "TIDE": "99",
}  # fmt: skip
"""The number that means no value, by column."""
_NDBC_YEARS = ("#YY", "YY", "YYYY", "#YYYY")


def _recognise_ndbc(lines: Sequence[str]) -> Patch | None:
    """Tables of the U.S. National Data Buoy Center: blanks, the date in columns, nines where there is no value."""
    names = lines[0].split()
    if names[0] not in _NDBC_YEARS or names[1:4] != ["MM", "DD", "hh"]:
        return None
    units = len(lines) > 1 and lines[1].startswith("#")
    first = next((line.split() for line in lines[1 + units :] if line.strip()), None)
    if first is None:
        raise UnfinishedError
    time = (*names[:4], *(("mm",) if "mm" in names else ()))
    year = "%y" if len(first[0]) == 2 else "%Y"
    marks = ("MM", *(f"{name}={_NDBC_NINES[name]}" for name in present(names, *_NDBC_NINES) if name in _NDBC_NINES))
    return {
        "separator": "whitespace", "comment": None, "unit_rows": int(units), "time_column": time,
        "time_format": f"{year} %m %d %H" + " %M" * ("mm" in names), "missing": marks,
    }  # fmt: skip


NDBC = Dialect("ndbc", "a table of the National Data Buoy Center", _recognise_ndbc)


_PSL_FIELDS = 13


def _recognise_psl(lines: Sequence[str]) -> Patch | None:
    """Monthly indices of NOAA's Physical Sciences Laboratory: two years, a row for each year, then the missing mark."""
    if not re.fullmatch(r"\s*\d{4}\s+\d{4}\s*", lines[0]):
        return None
    rows = [line.split() for line in lines[1:] if line.strip()]
    if any(len(row) == _PSL_FIELDS and not all(map(is_number, row)) for row in rows):
        return None
    # The mark stands alone in the line below the rows.
    mark = next((row[0] for row in rows if len(row) == 1 and is_number(row[0])), None)
    if mark is None:
        raise UnfinishedError
    return {"layout": "months", "separator": "whitespace", "time_column": "Year", "missing": (mark,), "comment": None}


PSL = Dialect("psl", "a monthly index of the NOAA Physical Sciences Laboratory", _recognise_psl)


def _recognise_dwd(lines: Sequence[str]) -> Patch | None:
    """Station tables of the German weather service (produkt_*.txt): semicolons, padded cells, -999 for no value."""
    names = split(lines[0], ";")
    if names[0] != "STATIONS_ID" or len(names) < 3 or not names[1].startswith("MESS_DATUM"):
        return None
    return {
        "separator": ";", "time_column": names[1], "by": ("STATIONS_ID",), "missing": ("-999",),
        # QN_* say how a whole paragraph of values was checked.
        "exclude": present(names, "MESS_DATUM_ENDE", "QN*", "eor"),
    }  # fmt: skip


DWD = Dialect("dwd", "a station table of the German weather service", _recognise_dwd)


_METOFFICE_LOOKED_AT = 20
_METOFFICE_NAMES = re.compile(r"\s+yyyy\s+mm\s+tmax\s+tmin\s")


def _recognise_metoffice(lines: Sequence[str]) -> Patch | None:
    """Monthly tables of stations of the Met Office: names and units between blanks, `*` and `#` behind values."""
    at = next((n for n, line in enumerate(lines[:_METOFFICE_LOOKED_AT]) if _METOFFICE_NAMES.match(f"{line} ")), None)
    if at is None:
        return None
    if len(lines) < at + 2:
        raise UnfinishedError
    year, month, *values = lines[at].split()
    units = lines[at + 1].split()
    if any(map(is_number, units)):  # another table of these names, with its first row
        return None
    named = [f"{name} [{unit}]" for name, unit in zip(values, units, strict=False)]
    return {
        "separator": "whitespace", "comment": None, "skip_rows": at + 2, "names": (year, month, *named, "note"),
        "missing": ("---",), "trailing": ("*", "#"),  # estimated; by another sensor
    }  # fmt: skip


METOFFICE = Dialect("metoffice", "a monthly table of the Met Office", _recognise_metoffice)


_ISDLITE_LINE = re.compile(r"\d{4} [01]\d [0-3]\d [0-2]\d(?: [ \d-]{5}){8}")
_ISDLITE_NAMES = (
    "year", "month", "day", "hour", "air temperature [°C/10]", "dew point [°C/10]", "sea level pressure [hPa/10]",
    "wind direction [°]", "wind speed [m/s/10]", "sky cover", "rain of 1 h [mm/10]", "rain of 6 h [mm/10]",
)  # fmt: skip


def _recognise_isdlite(lines: Sequence[str]) -> Patch | None:
    """ISD-Lite of NOAA: twelve numbers a line, without names, in tenths of their units; -9999 for no value."""
    if not all(_ISDLITE_LINE.fullmatch(line.rstrip()) for line in lines[:10] if line):
        return None
    return {"separator": "whitespace", "comment": None, "names": _ISDLITE_NAMES, "missing": ("-9999",)}


ISDLITE = Dialect("isdlite", "a table of ISD-Lite", _recognise_isdlite)


def _recognise_bodc(lines: Sequence[str]) -> Patch | None:
    """Tide gauge records of the British Oceanographic Data Centre: text, two lines of names, numbered cycles."""
    if not re.match(r"Port: ", lines[0]):
        return None
    at = next((n for n, line in enumerate(lines) if not re.match(r"[\w ]+:(\s|$)|\s*$", line)), None)
    if at is None:
        raise UnfinishedError
    if not re.match(r"\s*Cycle\s+Date\s+Time\s", lines[at]):
        return None
    return {
        "separator": "whitespace", "comment": None, "skip_rows": at + 2, "names": tuple(lines[at].split()),
        "time_column": ("Date", "Time"), "exclude": ("Cycle",), "missing": ("-99", "-99.0000N"),
        "trailing": ("M", "T"),  # improbable, interpolated
    }  # fmt: skip


BODC = Dialect("bodc", "a tide gauge record of the British Oceanographic Data Centre", _recognise_bodc)
