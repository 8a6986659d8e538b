"""Units of the columns of a table: as names, rows of units and attributes write them, and behind the numbers of cells.

A unit in the cells, `80,1 %` or `12.3 mg/L`, is taken off where all numbers of a table have the same one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions, matches, number_twins
from sentinel.tables.columns import patterns_of
from sentinel.tables.decimals import texts_of
from sentinel.tables.dialects.base import split
from sentinel.tables.long_tables import may_name, tell_apart
from sentinel.tables.reading import file_format, open_file, read_head
from sentinel.tables.shapes import find_texts
from sentinel.tables.sheets import first_texts

_IN_NAME = re.compile(r"[\[(]([^\])\d][^\])]*)[\])](?:\s*\(\d+\))?\s*$")
_SERIAL = re.compile(r",\s*([^,()]+?)\s*\((?:[^()]*\b)?S/N:[^()]*\)\s*$")
"""`DO conc, mg/L (LGR S/N: 20412, SEN S/N: 20412)`: what HOBOware writes in brackets is which instrument it was."""
_LAST_UNIT = re.compile(r"[ ,_](?:[munpkµ]?(?:g|mol|eq|m|L|l|S|J|W)|cm|ft)[23]?/[^/]*$")
"""A unit without brackets at the end of a name, whose stroke tells no sites apart."""
_WIDTH = re.compile(r"\d+[sdn]")
"""`14n`: the row below the names of an RDB table gives widths, not units."""
_SHOWN = 6
_BASES = (
    "mm|cm|km|µm|um|ft|mg|µg|ug|kg|ng|ml|mL|ms|min|hPa|kPa|MPa|Pa|bar|mbar|dbar|psi|mmHg|inHg|cmH2O|atm|mV|mA|kW|MW|Hz|"
    "kHz|mS|µS|uS|PSU|psu|ppt|ppm|ppb|NTU|FNU|FTU|RFU|lx|lux|mol|mmol|µmol|umol|nmol|cfs|kn|kts|mph|deg|dB|dBm|m3|m³|rpm"
)
_NUMBER = r"[-+\u2212\u2013<>]?\s*\d[\d.,'\u00a0\u202f]*(?:[eE][+-]?\d+)?\s*"
_ENDING = re.compile(rf"{_NUMBER}(|[^\d\s].*)")
_UNIT = re.compile(
    rf"%(?:\s?[A-Za-z]{{1,3}})?|‰|[°º](?:\s?[CFK])?|(?:{_BASES}|[mgVWlL](?=\s?/))[23²³]?"
    rf"(?:\s?/\s?[A-Za-zµ]{{1,5}}[23²³]?){{0,2}}"
)
"""A unit. Single letters are none: they may be flags."""
_MAY_HAVE_ONE = r"\d\s*[%‰°ºµA-Za-z]"


def is_unit(text: str) -> bool:
    """True for what is a unit behind a number, rather than a flag."""
    return _UNIT.fullmatch(text) is not None


def find_unit_cells(head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str) -> TableOptions:
    """Take the unit behind all numbers of a table as a mark that does not change them, wherever it stands.

    DataError: there are several units, numbers without one among them, or columns that may name series.
    """
    known = {"", *options.trailing}
    endings = {label: found for label, cells in _columns(head, names, options) if (found := _endings(cells, options))}
    units = list(dict.fromkeys(one for found in endings.values() for one in found if one))
    new = [unit for unit in units if unit not in known]
    if not new:
        return options
    _refuse_labels(head, names, list(endings), new, options, where)
    for label, found in endings.items():
        ends = [one for one in found if one]
        if len(ends) > 1 and not known.issuperset(found):
            shown = ", ".join(map(repr, ends[:_SHOWN]))
            raise DataError(
                f"{where}: the numbers of {label!r} end in {shown}; where these are units, convert them to one; where "
                "they change nothing, name each: --trailing MARK"
            )
        if len(found) > len(ends) and not known.issuperset(found):
            raise DataError(
                f"{where}: of the numbers of {label!r} some end in {ends[0]!r}, some in nothing; if all have that "
                f"unit: {_write([ends[0]])}"
            )
    if len({*units, *filter(is_unit, options.trailing)}) > 1:
        shown = ", ".join(f"{found[0]!r} of {label!r}" for label, found in list(endings.items())[:_SHOWN])
        raise DataError(
            f"{where}: numbers end in several units, {shown}; if each has that one in all its rows, {_write(new)} "
            "takes them off wherever they stand; else convert them to one"
        )
    return replace(options, trailing=(*options.trailing, *new))


def _write(units: Sequence[str]) -> str:
    return " ".join(f"--trailing {shlex.quote(unit)}" for unit in units)


def _refuse_labels(
    head: pl.DataFrame, names: Sequence[str], marked: Sequence[str], units: Sequence[str], options: TableOptions,
    where: str,
) -> None:  # fmt: skip
    """Raise DataError where times repeat and one of the marked columns may name series: `10 mg/L` of a treatment."""
    time = options.time_name
    rows = head.filter(pl.col(time) != time) if head[time].dtype == pl.String else head.drop_nulls(time)
    if _is_long(names, options) or not rows.select(time, *options.by).is_duplicated().any():
        return
    labels = [name for name in marked if may_name(rows, name)]
    others = [name for name in names if name not in (*options.time_columns, time, *options.by, *marked)]
    texts = find_texts(rows, others, options)
    told = () if options.by else tell_apart(rows, time, [*texts, *labels], [n for n in others if n not in texts])
    if not labels or (told and not set(told) & set(labels)):
        return  # nothing to ask, or other columns tell the rows apart, which is asked later
    label = next((name for name in told if name in labels), labels[0])
    raise DataError(
        f"{where}: times repeat, and column {label!r} holds {texts_of(rows[label], options)[0]!r} and the like; if it "
        f"names series: --by {shlex.quote(label)}; if it was measured: {_write(units)}"
    )


def _is_long(names: Sequence[str], options: TableOptions) -> bool:
    return options.layout != "wide" and {options.series_column, options.value_column} <= set(names)


def _columns(head: pl.DataFrame, names: Sequence[str], options: TableOptions) -> Iterator[tuple[str, pl.Series]]:
    """The cells that may have units, of each column or, in a long table, of each series."""
    long = _is_long(names, options)
    taken = {*options.time_columns, options.time_name, *options.by}
    own = dict(zip(head.columns, head.get_columns(), strict=True))  # a column looked up by name costs their number
    texts = [
        name
        for name in ([options.value_column] if long else names)
        if name not in taken
        and own[name].dtype == pl.String
        and (options.columns is None or any(matches(name, one) for one in options.columns))
        and not any(matches(name, one) for one in options.exclude)
    ]
    # In one pass over all columns: most tables have no such cell.
    cells = pl.DataFrame([own[name].alias(str(n)) for n, name in enumerate(texts)])
    marked = cells.select(pl.all().str.contains(_MAY_HAVE_ONE).any()).row(0) if texts else ()
    for name in (name for name, found in zip(texts, marked, strict=True) if found):
        if not long:
            yield name, head[name]
            continue
        key = (*options.by, options.series_column)
        for labels, part in head.partition_by(key, as_dict=True, maintain_order=True).items():
            yield "/".join(map(str, labels)), part[name]


def _endings(cells: pl.Series, options: TableOptions) -> list[str]:
    """Give what stands behind the numbers of a column, of which one has a unit; nothing of any other column."""
    texts = texts_of(cells, options)
    found = [ending[1] for text in texts if (ending := _ENDING.fullmatch(text))]
    endings = list(dict.fromkeys(found))
    return endings if 2 * len(found) >= texts.len() and any(map(is_unit, endings)) else []


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
        from sentinel.tables.netcdf import layout_of

        return units | {one.name: one.unit for one in layout_of(path, options).columns if one.unit}
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
    # By the header itself: the columns given may lack those without a name.
    return list(zip(head.columns, split(head.units[0].decode(), options.separator), strict=False)) if head.units else []
