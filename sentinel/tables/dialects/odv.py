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
    # The flags have the name of their scheme, `QV:SEADATANET`: each gets that of the value before it.
    names = [f"QV:{fields[n - 1]}" if n and name.startswith("QV") else name for n, name in enumerate(fields)]
    # Of a time series this is the time; the other one is that of its first row.
    own = next(iter(present(names, "time_ISO8601*")), _TIME)
    places = present(
        names, "Cruise", "Type", "Longitude*", "Latitude*", "LOCAL_CDI_ID", "EDMO_code", "Bot. Depth*",
        *({_TIME} - {own}),
    )  # fmt: skip
    # A cast may have them in its first row only.
    above = {"fill_down": (own, *present(names, "Station"))} if own == _TIME else {}
    return above | {
        "separator": "\t", "comment": "//", "skip_rows": header + 1, "names": tuple(names), "time_column": own,
        "exclude": places,
    }  # fmt: skip


def _recognise_good(lines: Sequence[str]) -> Patch | None:
    """Recognise one whose flags are all of SeaDataNet's scheme; by Ocean Data View's own 1 is unknown, and 0 good."""
    patch = _recognise(lines)
    if patch is None:
        return None
    schemes = {name for name in split(lines[patch["skip_rows"] - 1], "\t") if name.startswith("QV")}
    return patch if schemes <= {"QV", "QV:SEADATANET"} else None


_WHAT = "a spreadsheet of Ocean Data View"
ODV = Dialect("odv", _WHAT, _recognise_good, "QV:*=1,2")
"""1 is good, 2 is probably good."""
ODV_FLAGS = Dialect("odv", _WHAT, _recognise)
"""One with flags of another scheme, whose good codes are not known."""
