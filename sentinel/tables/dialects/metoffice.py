"""Monthly tables of historic stations of the Met Office: names and units between blanks, `*` and `#` behind values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, is_number

_LOOKED_AT = 20
_NAMES = re.compile(r"\s+yyyy\s+mm\s+tmax\s+tmin\s")


def _recognise(lines: Sequence[str]) -> Patch | None:
    at = next((n for n, line in enumerate(lines[:_LOOKED_AT]) if _NAMES.match(f"{line} ")), None)
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


METOFFICE = Dialect("metoffice", "a monthly table of the Met Office", _recognise)
