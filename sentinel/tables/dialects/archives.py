"""Tables of research networks and of the archives that keep their data."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split

_SWMP_GOOD = "<0>,<2>,<3>,<4>,<5>"
"""Passed, reserved, calculated, historical, corrected; 1 is suspect, below 0 is missing, rejected or out of range."""


def _recognise_swmp(lines: Sequence[str]) -> Patch | None:
    """Water quality of the National Estuarine Research Reserves (SWMP): a flag column `F_...` behind each value."""
    names = split(lines[0])
    if "DateTimeStamp" not in names or not present(names, "F_*"):
        return None
    return {
        "time_column": "DateTimeStamp", "time_format": "%m/%d/%Y %H:%M", "flags": (f"F_*={_SWMP_GOOD}",),
        "by": present(names, "StationCode", "Station_Code"),
        "exclude": present(names, "F_Record", "isSWMP", "Historical", "ProvisionalPlus"),
    }  # fmt: skip


_LOCAL = "times are local standard time, all year"
SWMP = Dialect("swmp", "a SWMP table of the estuarine research reserves", _recognise_swmp, local=_LOCAL)


def _recognise_fluxnet(lines: Sequence[str]) -> Patch | None:
    """FLUXNET and AmeriFlux: half hours as 202101010030 in local standard time, -9999 where there is no value."""
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    names = split(rows[0]) if rows else []
    if "TIMESTAMP_START" not in names:
        return None
    return {
        "time_column": "TIMESTAMP_START", "time_format": "%Y%m%d%H%M", "missing": ("-9999",),
        "exclude": present(names, "TIMESTAMP_END"),
    }  # fmt: skip


_FLUXNET_GOOD = "*_QC=0"
"""0 is measured; 1 is filled well, 2 and 3 less well: a fill is no measurement."""
FLUXNET = Dialect("fluxnet", "a FLUXNET or AmeriFlux table", _recognise_fluxnet, _FLUXNET_GOOD, _LOCAL)


_PANGAEA_PLACES = ("Depth*", "Latitude*", "Longitude*", "Elevation*", "Event*", "Sampl*", "Label*")
"""Columns that say where something was taken, not what was measured."""
_PANGAEA_CORES = "Event"
"""Column that names the core, or the cast. One file can have several, the second far below the first."""


def _recognise_pangaea(lines: Sequence[str]) -> Patch | None:
    """Tables of PANGAEA: a description between `/*` and `*/`, then names with units, and tabs."""
    if not lines[0].startswith("/* DATA DESCRIPTION"):
        return None
    end = next((n for n, line in enumerate(lines) if line.rstrip().endswith("*/")), None)
    if end is None or len(lines) < end + 2:
        raise UnfinishedError
    names = split(lines[end + 1], "\t")
    patch = {"skip_rows": end + 1, "separator": "\t", "comment": None}
    if time := present(names, "Date/Time*", "Age*"):
        patch["time_column"] = time[0]
    cores = present(names, _PANGAEA_CORES)
    return patch | {
        "by": cores,
        "exclude": tuple(name for name in present(names, *_PANGAEA_PLACES) if name not in cores),
    }


PANGAEA = Dialect("pangaea", "a table of PANGAEA", _recognise_pangaea)


def _recognise_paleo(lines: Sequence[str]) -> Patch | None:
    """Templates of NOAA's World Data Service for Paleoclimatology: comments that describe, then names and tabs."""
    comments = [line for line in lines if line.startswith("#")]
    if not comments or not any(re.search(r"noaa|paleoclim", line, re.IGNORECASE) for line in comments[:30]):
        return None
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if not rows:
        raise UnfinishedError
    names = split(rows[0], "\t")
    time = present(names, "age*", "year*")
    if not time:
        return None
    patch = {"separator": "\t", "time_column": time[0], "exclude": present(names, "depth*", "sampl*")}
    said = (re.match(r"#\s*missing[_ ]values?:\s*(\S+)", line, re.IGNORECASE) for line in comments)
    marks = tuple(dict.fromkeys(mark[1] for mark in said if mark))
    return patch | ({"missing": marks} if marks else {})


PALEO = Dialect("paleo", "a NOAA paleoclimatology template", _recognise_paleo)


def _recognise_erddap(lines: Sequence[str]) -> Patch | None:
    """CSV of an ERDDAP server: a row of units below the names, `UTC` under the time."""
    separator = "\t" if "\t" in lines[0] else ","
    names, units = split(lines[0], separator), split(lines[1], separator) if len(lines) > 1 else []
    if len(units) != len(names):
        return None
    # `UTC` is no time, so this row holds no data, even where a unit is a number: salinity is in `1e-3` or `1`.
    times = [name for name in present(names, "time*") if units[names.index(name)] == "UTC"]
    if not times:
        return None
    places = present(names, "latitude*", "longitude*", "altitude*", "depth")
    return {"separator": separator, "unit_rows": 1, "time_column": times[0], "exclude": places}


ERDDAP = Dialect("erddap", "CSV of an ERDDAP server", _recognise_erddap)


def _recognise_gleon(lines: Sequence[str]) -> Patch | None:
    """Lake profiles of GLEON, as LakeAnalyzer reads them (.wtr, .doobs): a column for each depth, `wtr_0.5`."""
    separator = "\t" if "\t" in lines[0] else ","
    names = split(lines[0], separator)
    profile = re.compile(r"(wtr|doobs|temp|salinity)_?\d+(\.\d+)?", re.IGNORECASE)
    if names[0].lower() not in ("datetime", "date") or not all(map(profile.fullmatch, names[1:])) or len(names) < 2:
        return None
    return {"separator": separator, "time_column": names[0]}


GLEON = Dialect("gleon", "a lake profile of GLEON", _recognise_gleon)


_ODV_TIME = "yyyy-mm-ddThh:mm:ss.sss"


def _recognise_odv(lines: Sequence[str]) -> Patch | None:
    """Spreadsheets of Ocean Data View, as SeaDataNet gives them: comments after `//`, flags behind values."""
    header = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("//")), None)
    if header is None:
        if lines[0].startswith("//"):
            raise UnfinishedError
        return None
    fields = split(lines[header], "\t")
    if _ODV_TIME not in fields or not present(fields, "Cruise"):
        return None
    # The flags have the name of their scheme, `QV:SEADATANET`: each gets that of the value before it.
    names = [f"QV:{fields[n - 1]}" if n and name.startswith("QV") else name for n, name in enumerate(fields)]
    # Of a time series this is the time; the other one is that of its first row.
    own = next(iter(present(names, "time_ISO8601*")), _ODV_TIME)
    places = present(
        names, "Cruise", "Type", "Longitude*", "Latitude*", "LOCAL_CDI_ID", "EDMO_code", "Bot. Depth*",
        *({_ODV_TIME} - {own}),
    )  # fmt: skip
    # A cast may have them in its first row only.
    above = {"fill_down": (own, *present(names, "Station"))} if own == _ODV_TIME else {}
    return above | {
        "separator": "\t", "comment": "//", "skip_rows": header + 1, "names": tuple(names), "time_column": own,
        "exclude": places,
    }  # fmt: skip


def _recognise_good_odv(lines: Sequence[str]) -> Patch | None:
    """Recognise one whose flags are all of SeaDataNet's scheme; by Ocean Data View's own 1 is unknown, and 0 good."""
    patch = _recognise_odv(lines)
    if patch is None:
        return None
    schemes = {name for name in split(lines[patch["skip_rows"] - 1], "\t") if name.startswith("QV")}
    return patch if schemes <= {"QV", "QV:SEADATANET"} else None


_ODV_WHAT = "a spreadsheet of Ocean Data View"
ODV = Dialect("odv", _ODV_WHAT, _recognise_good_odv, "QV:*=1,2")
"""1 is good, 2 is probably good."""
ODV_FLAGS = Dialect("odv", _ODV_WHAT, _recognise_odv)
"""One with flags of another scheme, whose good codes are not known."""
