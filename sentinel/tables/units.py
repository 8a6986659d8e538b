"""Units of the columns of a table, as names and rows of units write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from sentinel.tables.cells import TableOptions
from sentinel.tables.dialects.base import split
from sentinel.tables.reading import file_format, find_codec, open_file, read_head, whole_lines

_IN_NAME = re.compile(r"[\[(]([^\])\d][^\])]*)[\])]\s*$")


def find_units(path: Path, options: TableOptions, columns: Sequence[str]) -> dict[str, str]:
    """Give the unit of each column that has one: from the first row of units, or the brackets at the end of a name."""
    units = {name: found[1] for name in columns if (found := _IN_NAME.search(name))}
    if file_format(path, options) == "netcdf":
        from sentinel.tables.netcdf import units_of

        return {**units, **units_of(path, options)}
    if not options.unit_rows or file_format(path, options) != "csv":
        return units
    with open_file(path) as file:
        head = read_head(file, str(path), "csv", options, whole=True)
        assert head is not None  # a whole file has a header, or is refused
        file.seek(0)
        codec, start = find_codec(file.read(4), str(path), options)
        every = whole_lines(file, str(path), codec, start, whole=True)
        lines = [line for _, _, line in takewhile(lambda one: one[1] <= head.start, every)]
    first = lines[-options.unit_rows].decode(codec, errors="replace").strip("\r\n")
    written = zip(columns, split(first, options.separator), strict=False)
    return units | {name: unit for name, unit in written if unit}
