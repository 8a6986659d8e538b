"""Spreadsheets of Ocean Data View, as SeaDataNet and EMODnet give them: comments after `//`, flags behind values."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split

_TIME = "yyyy-mm-ddThh:mm:ss.sss"


def _recognise(lines: Sequence[str]) -> Patch | None:
    header = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("//")), None)
    if header is None:
        if lines[0].startswith("//"):
            raise UnfinishedError
        return None
    fields = split(lines[header], "\t")
    if _TIME not in fields or not present(fields, "Cruise"):
        return None
    # The flags have one name, `QV:SEADATANET`: each gets that of the value before it.
    names = [f"QV:{fields[n - 1]}" if n and name.startswith("QV") else name for n, name in enumerate(fields)]
    places = present(
        names, "Cruise", "Station", "Type", "Longitude*", "Latitude*", "LOCAL_CDI_ID", "EDMO_code", "Bot. Depth*"
    )
    return {
        "separator": "\t", "comment": "//", "skip_rows": header + 1, "names": tuple(names), "time_column": _TIME,
        "exclude": places,
    }  # fmt: skip


ODV = Dialect("odv", "a spreadsheet of Ocean Data View", _recognise, "QV:*=1,2")
"""1 is good, 2 is probably good."""
