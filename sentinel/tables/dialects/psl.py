"""Monthly indices of NOAA's Physical Sciences Laboratory: two years, a row for each year, then the missing mark."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, is_number

_FIELDS = 13


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not re.fullmatch(r"\s*\d{4}\s+\d{4}\s*", lines[0]):
        return None
    rows = [line.split() for line in lines[1:] if line.strip()]
    if any(len(row) == _FIELDS and not all(map(is_number, row)) for row in rows):
        return None
    # The mark stands alone in the line below the rows.
    mark = next((row[0] for row in rows if len(row) == 1 and is_number(row[0])), None)
    if mark is None:
        raise UnfinishedError
    return {"layout": "months", "separator": "whitespace", "time_column": "Year", "missing": (mark,), "comment": None}


PSL = Dialect("psl", "a monthly index of the NOAA Physical Sciences Laboratory", _recognise)
