"""The door of every table: the options that read a file, from its first lines; what they are is always said.

A kind of file (`dialects/`) says how lines become columns; then the columns say which hold the time and in what form.
Options that are given win; one at its default counts as not given. Nothing is decided from more than 1,000 rows, form
and decimal mark by the first that decides: a growing file is read the same way however much is there at first.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables import ages, guessing, noticing, reading, refusals
from sentinel.tables.cells import HEAD_ROWS, MORE, ROW, STATES, WHITESPACE, TableOptions, matches
from sentinel.tables.columns import join_time, note_durations
from sentinel.tables.complaints import REJECTED
from sentinel.tables.counters import leave_out_counters
from sentinel.tables.decimals import find_decimal, note_points
from sentinel.tables.dialects import DIALECTS, PLAIN, UnfinishedError, find_dialect, find_separator
from sentinel.tables.dialects.base import split
from sentinel.tables.dialects.plain import is_units, stack_names
from sentinel.tables.encodings import find_codec, note_central, tell_encoding
from sentinel.tables.long_tables import find_labels, find_long
from sentinel.tables.options import command_line
from sentinel.tables.parsing import check_cells
from sentinel.tables.reading import TEXT, cut, file_format, open_file, open_table
from sentinel.tables.shapes import Shape, find_shape, list_columns, refuse_wildcards
from sentinel.tables.sheets import count_titles, filled_sheets, first_texts
from sentinel.tables.units import find_unit_cells

SAMPLE_BYTES = 1 << 20
MARKS = (
    "NULL", "None", "none", "NAN", "na", "n/a", "#N/A", "#NA", "#VALUE!", "ND", "nd", "n.d.",
    "-", "--", "---", "\u2013", "\u2014", "***", ".", "?",
    *STATES,
)  # fmt: skip
"""Texts that mean no value in the files of many programs; they count as missing, and are named where they occur."""
_DEFAULT = TableOptions()
_WIDE = 16
"""Characters of a line of columns of fixed widths at least."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Layout of a file, recognised from its head."""

    dialect: str
    options: TableOptions
    """All that was recognised, with `dialect: none`."""
    said: tuple[str, ...]
    """Lines on what was recognised and what is left out; none of a table that is read as it stands."""
    shown: TableOptions
    """The same to be written down: without usual marks of a missing value that did not occur."""
    labels: tuple[str, ...] = ()
    """Columns that say of which site, place or unit a row is, and may be of several below the first rows."""


def recognise(path: Path, options: TableOptions, *, counters: bool = True) -> Recognised:
    """Find the options that read a file, which will not grow; without `counters` none is left out because it counts.

    DataError: it is no table, or there are two ways to read it; the message has both and the option.
    """
    if options.dialect == "none":
        return Recognised("none", options, (), options)
    fmt = file_format(path, options)
    if fmt in TEXT:
        with open_file(path) as file:
            found = recognise_text(file, str(path), fmt, options, whole=True)
        assert found is not None  # a whole file is never too short to tell
        return found
    if fmt == "netcdf":
        return _recognise_netcdf(path, options, counters=counters)
    if fmt == "xlsx":
        return _recognise_sheet(path, options, counters=counters)
    head = open_table(path, options).head(HEAD_ROWS).collect()
    what = "a file of a Solinst logger" if fmt == "xle" else ""
    found = recognise_frame(head, str(path), options, what=what, counters=counters)
    spans = note_durations(pl.read_parquet_schema(path), options) if fmt == "parquet" else []
    return replace(found, said=(*found.said, *spans))


def _recognise_sheet(path: Path, options: TableOptions, *, counters: bool) -> Recognised:
    """Find the options that read a sheet of a spreadsheet; where it is no table, the error names the other sheets."""
    with open_file(path):  # says what is wrong with a path that cannot be read
        first, *others = [options.sheet] if options.sheet else filled_sheets(path) or [""]
    listed = ", ".join(map(repr, others))
    try:
        filled = fill(options, {"skip_rows": count_titles(path, options.sheet)})
        below = first_texts(path, filled, 3)[1:]
        if not filled.names and not filled.unit_rows and (stacked := stack_names(first_texts(path, filled, 3))):
            filled = replace(filled, skip_rows=filled.skip_rows + stacked[0], names=stacked[1])
        elif not filled.names and len(below) > 1 and is_units(below[0]) and not is_units(below[1]):
            filled = fill(filled, {"unit_rows": 1})
        head = open_table(path, filled).head(HEAD_ROWS).collect()
        found = recognise_frame(head, str(path), filled, given=options, counters=counters)
        find_shape(join_time(head.lazy(), found.options).collect(), found.options, str(path))
    except DataError as error:
        if not others:
            raise
        raise DataError(f"{error}; this is of sheet {first!r}, there are also {listed}: --sheet NAME") from error
    note = (f"sheet {first!r} is read, not {listed}: --sheet NAME takes another",) if others else ()
    return replace(found, said=(*found.said, *note))


def _recognise_netcdf(path: Path, options: TableOptions, *, counters: bool) -> Recognised:
    """Find the options that read a NetCDF file, most of which the file says itself."""
    from sentinel.tables.netcdf import layout_of

    with open_file(path):  # says what is wrong with a path that cannot be read
        layout = layout_of(path, options)
    patch: dict[str, Any] = {"time_column": layout.time, "exclude": layout.exclude}
    patch |= {"by": (layout.labels[0],)} if layout.labels else {}
    filled = fill(options, patch)
    head = open_table(path, filled).head(HEAD_ROWS).collect()
    found = recognise_frame(
        head, str(path), filled, given=options, what="a NetCDF file", good=layout.good, counters=counters,
        units={layout.time: layout.ages},
    )  # fmt: skip
    return replace(found, dialect="netcdf", said=(*found.said[:1], *layout.said, *found.said[1:]))


def recognise_text(file: BinaryIO, where: str, fmt: str, options: TableOptions, *, whole: bool) -> Recognised | None:
    """Find the options that read an open csv or ndjson file; None while it has too few lines to tell."""
    if options.dialect == "none":
        return Recognised("none", options, (), options)
    name, what, good, filled = "plain", "", "", options
    lines: list[str] = []
    if fmt == "csv":
        filled, lines = _read_lines(file, where, options, whole=whole)
        if lines and re.match(r'"TOB\d",', lines[0]):
            raise DataError(
                f"{where}: a binary table of a Campbell logger ({lines[0][1:5]}); a TOA5 table is read, which "
                "CardConvert of LoggerNet writes of it"
            )
        try:
            named = bool(options.names) and options.dialect == "auto"
            found = (
                (PLAIN, find_separator(lines, len(options.names))) if named else find_dialect(lines, options.dialect)
            )
        except UnfinishedError:
            if not whole:
                return None
            found = None
        if found is None and lines and options.dialect != "auto":
            kind = next(one.what for one in DIALECTS if one.name == options.dialect)
            raise DataError(f"{where}: is not {kind}; --dialect auto tells what it is, none takes the options alone")
        if found is not None and found[0].name != "plain":
            name, what, good = found[0].name, found[0].what, found[0].good
        filled = fill(filled, found[1]) if found is not None else filled
        noticing.refuse_nameless_zone(filled.time_zone, where)
    head = reading.read_head(file, where, fmt, filled, whole=whole)
    if head is None:
        return None
    file.seek(head.start)
    piece = file.read(SAMPLE_BYTES)
    length = cut(piece, head.codec, quoted=fmt == "csv", rows=HEAD_ROWS)
    rows = reading.rows_of(piece[: length or (len(piece) if whole else 0)], fmt, head, filled, 0)
    if rows.is_empty() and not whole:
        return None
    try:
        below = lines[filled.skip_rows + 1 : filled.skip_rows + 1 + filled.unit_rows][:1]
        units = dict(zip(head.columns, split(below[0], filled.separator), strict=False)) if below else {}
        in_rows = recognise_frame(
            rows, where, filled, given=options, what=what, good=good, growing=not whole, units=units
        )
    except UnfinishedError:
        return None
    # Blanks separate columns; but where a name is a number, the first line is a row.
    headless = any(re.fullmatch(r"[\d.-]+( \(\d+\))?", one) for one in rows.columns)
    cut_up = in_rows.options.separator == WHITESPACE and not headless
    if not cut_up and not set(in_rows.options.time_columns) & set(rows.columns):
        _refuse_fixed_widths(lines, where)
    local = found[0].local if fmt == "csv" and found is not None else ""
    zone = [f"{local}: --time-zone, such as Etc/GMT+5, five hours west of Greenwich; read as UTC"] if local else []
    zone += noticing.note_zone(lines[: in_rows.options.skip_rows], in_rows.options)
    told = in_rows.options.time_zone != _DEFAULT.time_zone
    return replace(in_rows, dialect=name, said=in_rows.said if told else (*in_rows.said, *zone))


def _refuse_fixed_widths(lines: Sequence[str], where: str) -> None:
    """Raise DataError where all lines are equally long and nothing separates columns, of which none is the time."""
    long = {len(line) for line in lines if line}
    if len(long) == 1 and max(long) >= _WIDE and len(lines) > 1 and not re.search("[,;\t|]", "".join(lines)):
        raise DataError(
            f"{where}: all lines are {max(long)} characters long and nothing separates their columns; columns of fixed "
            "widths are not read: write them with separators first, for instance with pandas.read_fwf or read.fwf of R"
        )


def recognise_frame(
    head: pl.DataFrame, where: str, options: TableOptions, *, given: TableOptions | None = None, what: str = "",
    good: str = "", growing: bool = False, counters: bool = True, units: Mapping[str, str] | None = None,
) -> Recognised:  # fmt: skip
    """Find the options that read a table of which these are the first rows; DataError as `recognise`.

    `options` are those that are known by now, `given` those that were asked for, `what` is the kind of file and `good`
    its flags with the codes that mean good, `units` what stands below the names.
    UnfinishedError: a growing table has too few rows.
    """
    given = given or options
    if options.dialect == "none":
        return Recognised("none", options, (), options)
    names = list_columns(head, options, where)
    refuse_wildcards(names, where)
    marks = tuple(mark for mark in options.missing if mark not in given.missing)
    options = replace(options, dialect="none", missing=tuple(dict.fromkeys((*options.missing, *MARKS))))
    if options.time_column == _DEFAULT.time_column:
        options = replace(options, time_column=guessing.find_time(head, names, options, growing=growing))
    refusals.refuse_short_header(head, names, options, where, growing=growing)
    options, notes = noticing.turn_months(names, options)
    unit = " ".join((units or {}).get(name, "") for name in options.time_columns).strip()
    if not unit and set(options.time_columns) <= set(names):
        unit = noticing.zone_behind_range(head[options.time_columns[-1]])
    options, zone = noticing.take_zone(options, where, unit)
    if not options.names:
        guessing.refuse_headerless(head, names, options, where)
    noticing.refuse_clock_alone(head, names, options, where)
    if not set(options.time_columns) <= set(names):
        refusals.refuse_unread_times(head, [name for name in names if guessing.is_named_time(name)], options, where)
    notes += [*noticing.note_twins(names), *note_central(names, options)]
    if set(options.time_columns) <= set(names) and not head.is_empty():
        notes += [*zone, *noticing.note_unnamed(head, options)]
        refusals.refuse_weeks(head, names, options, where, growing=growing)
        refusals.refuse_second_times(head, names, options, where, growing=growing)
        head = join_time(head.lazy(), options).collect()
        names = names if options.layout != "months" else [name for name in head.columns if name not in (ROW, MORE)]
        options = fill(options, find_long(head, names, options, where, growing=growing))
        options = find_unit_cells(head, names, options, where)
        options = fill(options, guessing.find_form(head, options, where, growing=growing))
        options = fill(options, find_decimal(head, options, where))
        notes += note_points(head, options)
        options, direction = ages.turn_ages(head, options, where, unit)
        refusals.refuse_dates_as_steps(head, options, where)
        if given.time_format is None:
            refusals.refuse_rounded_times(head, options.time_name, options, where)
        options, flags = guessing.find_flags(names, head, options, good)
        options, places = noticing.leave_out_places(head, names, options)
        options, rising = leave_out_counters(head, options, where) if counters and not growing else (options, [])
        notes += [*guessing.note_clocks(head, names, options), *noticing.note_times(head, options)]
        notes += [*noticing.note_limits(head, options), *direction, *flags, *places, *rising]
    if options.columns is not None:
        # A column that is asked for is not left out because of what it is.
        kept = tuple(one for one in options.exclude if not any(matches(name, one) for name in options.columns))
        options = replace(options, exclude=kept)
    shown = replace(options, missing=(*given.missing, *marks, *_seen(head, MARKS, options)))
    written = command_line(replace(shown, dialect=given.dialect), given)
    lines = [f"read as {what or 'a table'}{': ' * bool(written)}{written}"] if written or what else []
    labels = find_labels(head, options, given)
    return Recognised("plain", options, (*lines, *notes), shown if written else given, labels)


def find_marks_again(
    head: pl.DataFrame, shape: Shape, options: TableOptions, given: TableOptions, read: int, where: str
) -> TableOptions:
    """Find the decimal mark of a table of which the first `read` rows, which held none, have been read.

    DataError: what was read of them would be another number.
    """
    own = replace(options, decimal=given.decimal, thousands=given.thousands)
    found = replace(options, **find_decimal(head, own, where))
    before = head.lazy().filter(pl.col(ROW) < read)
    kept, columns = pl.col(REJECTED).is_null(), ["series", "time", "value"]
    was, now = (check_cells(before, one, "time", shape).filter(kept).select(columns) for one in (options, found))
    if found != options and was.join(now, on=columns, how="anti").collect().height:
        raise DataError(
            f"{where}: row {read + 1} tells that numbers are written as by {command_line(found, options)}, and rows "
            "before it, which have been read, would be other numbers so; say it, and read the file as a new source (id)"
        )
    return found


def fill(options: TableOptions, patch: Mapping[str, Any]) -> TableOptions:
    """Put recognised options in place of those that are at their default; marks and exclusions are added."""
    changed: dict[str, Any] = {}
    for name, value in patch.items():
        own = getattr(options, name)
        if name in ("missing", "exclude"):
            changed[name] = tuple(dict.fromkeys((*own, *value)))
        elif own == getattr(_DEFAULT, name):
            changed[name] = value
    return replace(options, **changed)


def write_down(options: TableOptions, given: TableOptions) -> str:
    """Write as JSON what was recognised beyond the options given; `read_back` makes options of it again."""
    patch = {}
    for field in fields(TableOptions):
        value, own = getattr(options, field.name), getattr(given, field.name)
        if field.name == "missing":
            value = tuple(mark for mark in value if mark not in (*own, *MARKS))
            own = ()
        elif field.name == "exclude":
            value, own = tuple(name for name in value if name not in own), ()
        if value != own and field.name != "dialect":
            patch[field.name] = value
    return json.dumps(patch)


def read_back(written: str, given: TableOptions) -> TableOptions:
    """Fill the options given with what was recognised once, whatever the file has become since."""
    if given.dialect == "none":
        return given
    patch = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(written).items()}
    filled = replace(fill(given, patch), dialect="none")
    return replace(filled, missing=tuple(dict.fromkeys((*filled.missing, *MARKS))))


def _read_lines(file: BinaryIO, where: str, options: TableOptions, *, whole: bool) -> tuple[TableOptions, list[str]]:
    """The first lines of a file as texts, and the options with the encoding that they have."""
    file.seek(0)
    first = file.read(4)
    if options.encoding == _DEFAULT.encoding and first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        options = replace(options, encoding="utf-16")
    codec, start = find_codec(first, where, options)
    raw: list[bytes] = []
    size = 0
    for _, _, line in reading.whole_lines(file, where, codec, start, whole=whole):
        raw.append(line)
        size += len(line)
        if len(raw) >= HEAD_ROWS or size >= SAMPLE_BYTES:
            break
    data = b"".join(raw)
    if options.encoding == _DEFAULT.encoding and codec == "utf-8":
        try:
            data.decode(codec)
        except UnicodeDecodeError:
            codec = tell_encoding(data, where)
            options = replace(options, encoding=codec)
    return options, [line.rstrip("\r") for line in data.decode(codec, errors="replace").removesuffix("\n").split("\n")]


def _seen(head: pl.DataFrame, marks: Iterable[str], options: TableOptions) -> list[str]:
    """Those of the marks that stand among the values of the first rows."""
    texts = [name for name in head.columns if head[name].dtype == pl.String and name not in options.time_columns]
    if not texts or head.is_empty():
        return []
    wanted = list(marks)
    cells = pl.concat([head[name] for name in texts]).str.strip_chars()
    there = set(cells.filter(cells.is_in(wanted)).unique())
    return [mark for mark in wanted if mark in there]
