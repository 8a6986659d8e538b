"""Measurement files of LabVIEW (.lvm): two headers, then `X_Value`, mostly seconds since the date in the second one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.cells import ROW
from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, split

_HEADERS = 2
_ABSOLUTE = 1e9
"""Seconds from 1904, which is another way to count them."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not lines[0].startswith("LabVIEW Measurement"):
        return None
    ends = [n for n, line in enumerate(lines) if line.startswith("***End_of_Header***")][:_HEADERS]
    if len(ends) < _HEADERS or len(lines) < ends[1] + 3:
        raise UnfinishedError
    separator = "\t" if "\t" in lines[1] else ","
    head = {row[0]: row[1] for line in lines[: ends[1]] if len(row := split(line, separator)) > 1}
    names, first = split(lines[ends[1] + 1], separator), split(lines[ends[1] + 2], separator)
    clock = re.match(r"\d\d:\d\d:\d\d(?:[.,]\d{1,6})?", head.get("Time", ""))
    date = re.fullmatch(r"(\d{4})[/-](\d\d)[/-](\d\d)", head.get("Date", ""))
    decimal = "," if head.get("Decimal_Separator") == "," else "."
    patch = {
        "separator": separator, "decimal": decimal, "comment": None, "skip_rows": ends[1] + 1,
        "exclude": ("Comment", "X_Value*"),
    }  # fmt: skip
    if names[:1] != ["X_Value"] or date is None or clock is None:
        return patch
    start = f"{'-'.join(date.groups())}T{clock[0].replace(',', '.')}"
    try:
        step, first_x = (float((text or "0").replace(",", ".")) for text in (head.get("Delta_X"), first[0]))
    except ValueError:
        return patch
    if not first[0]:  # the rows are at equal steps
        length = f"{step:.9f}".rstrip("0").rstrip(".")
        return patch | {"time_column": ROW, "time_format": f"{length} seconds since {start}"}
    since = "1904-01-01" if first_x > _ABSOLUTE else start
    return patch | {"time_column": "X_Value", "time_format": f"seconds since {since}"}


LVM = Dialect("lvm", "a measurement file of LabVIEW", _recognise)
