"""Units of the columns of a table, as names and rows of units write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from sentinel.tables.cells import TableOptions, matches, number_twins
from sentinel.tables.columns import patterns_of
from sentinel.tables.dialects.base import split
from sentinel.tables.encodings import find_codec
from sentinel.tables.reading import file_format, open_file, read_head, whole_lines
from sentinel.tables.sheets import first_texts

_IN_NAME = re.compile(r"[\[(]([^\])\d][^\])]*)[\])](?:\s*\(\d+\))?\s*$")
_SERIAL = re.compile(r",\s*([^,()]+?)\s*\((?:[^()]*\b)?S/N:[^()]*\)\s*$")
"""`DO conc, mg/L (LGR S/N: 20412, SEN S/N: 20412)`: what HOBOware writes in brackets is which instrument it was."""
_LAST_UNIT = re.compile(r"[ ,_](?:[munpkµ]?(?:g|mol|eq|m|L|l|S|J|W)|cm|ft)[23]?/[^/]*$")
"""A unit without brackets at the end of a name, whose stroke tells no sites apart."""
_WIDTH = re.compile(r"\d+[sdn]")
"""`14n`: the row below the names of an RDB table gives widths, not units."""


def with_unit(name: str, unit: str) -> str:
    """Write a name with its unit, unless it says it already."""
    return f"{name} [{unit}]" if unit and unit not in name else name


def column_of(series: str) -> str:
    """Give the name of a series without what tells sites apart: of `peter/DO, mg/L` it is `DO, mg/L`."""
    own = re.split(r"[\[(]", series, maxsplit=1)[0]
    unit = _LAST_UNIT.search(own)
    return series[own.rfind("/", 0, unit.start() if unit else len(own)) + 1 :]


def unit_of(units: Mapping[str, str], series: str) -> str:
    """Give the unit of a series by its name or, behind what tells sites apart, by that of its column."""
    parts = series.split("/")
    names = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((units[name] for name in names if name in units), "")


def find_units(path: Path, options: TableOptions, columns: Sequence[str]) -> dict[str, str]:
    """Give the unit of each column that has one, as it becomes a series: of a logarithm `log mg/L`."""
    logs = patterns_of(options.transform, "log")
    return {
        name: f"log {unit}" if any(matches(name, one) for one in logs) else unit
        for name, unit in _read_units(path, options, columns).items()
    }


def _read_units(path: Path, options: TableOptions, columns: Sequence[str]) -> dict[str, str]:
    """Read units from attributes, from the first row of units, or from the brackets at the end of a name."""
    units = {name: found[1] for name in columns if (found := _SERIAL.search(name) or _IN_NAME.search(name))}
    units = {name: unit for name, unit in units.items() if "S/N:" not in unit}
    if file_format(path, options) == "netcdf":
        from sentinel.tables.netcdf import units_of

        return {**units, **units_of(path, options)}
    fmt = file_format(path, options)
    if not options.unit_rows or fmt not in ("csv", "xlsx"):
        return units
    bare = {name: unit.strip("()[]# ") for name, unit in (_of_sheet if fmt == "xlsx" else _of_text)(path, options)}
    if all(map(_WIDTH.fullmatch, bare.values())):
        return units
    return units | {
        name: unit
        for name, unit in bare.items()
        if re.search(r"[^\W\d_]|[%‰°]", unit) and unit.lower() not in ("none", "n/a", "na")
    }


def _of_sheet(path: Path, options: TableOptions) -> list[tuple[str, str]]:
    names, *rows = first_texts(path, options, 1 + options.unit_rows)
    return list(zip(number_twins(names), rows[-1], strict=True)) if rows else []


def _of_text(path: Path, options: TableOptions) -> list[tuple[str, str]]:
    with open_file(path) as file:
        head = read_head(file, str(path), "csv", options, whole=True)
        assert head is not None  # a whole file has a header, or is refused
        file.seek(0)
        codec, start = find_codec(file.read(4), str(path), options)
        every = whole_lines(file, str(path), codec, start, whole=True)
        lines = [line for _, _, line in takewhile(lambda one: one[1] <= head.start, every)]
    first = lines[-options.unit_rows].decode(codec, errors="replace").strip("\r\n")
    # By the header itself: the columns given may lack those without a name.
    return list(zip(head.columns, split(first, options.separator), strict=False))
