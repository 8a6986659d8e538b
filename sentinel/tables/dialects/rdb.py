"""RDB of the U.S. Geological Survey: comments, names, a row of formats such as `5s 15s 20d`, a code for each value."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split

STATES = ("Ice", "Eqp", "Bkw", "Ssn", "Rat", "Dis", "Mnt", "Fld", "Dry", "Zfl", "***")
"""Words in place of a value: why the gauge gave none."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if not rows or not rows[0].startswith("agency_cd\t"):
        return None
    if len(rows) < 3:
        raise UnfinishedError
    if not re.fullmatch(r"\d+[sdn](\t\d+[sdn])*", rows[1].strip()):
        return None
    names = split(rows[0], "\t")
    patch = {"separator": "\t", "unit_rows": 1, "time_column": "datetime", "missing": STATES}
    if "tz_cd" in names:
        patch |= {"time_column": ("datetime", "tz_cd"), "time_format": "%Y-%m-%d %H:%M %Z"}
    return patch | {"by": present(names, "site_no"), "exclude": present(names, "agency_cd")}


RDB = Dialect("rdb", "an RDB table of the U.S. Geological Survey", _recognise)
