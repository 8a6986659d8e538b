"""A file as a lazy table of its own columns; whether a cell of text is a number is judged later.

A text file is read in pieces of whole lines, so that one larger than memory is streamed and a growing one followed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from sentinel.domain.errors import DataError
from sentinel.domain.filenames import split_rotated
from sentinel.tables import months
from sentinel.tables.cells import MORE, ROW, WHITESPACE, TableOptions, number_twins
from sentinel.tables.columns import flatten
from sentinel.tables.compressed import Inflated, open_plain
from sentinel.tables.encodings import find_codec
from sentinel.tables.ndjson import ndjson_rows, read_json, read_keys
from sentinel.tables.sheets import read_sheet
from sentinel.tables.xle import read_xle

STREAM_BYTES = 1 << 20
"""Size of the pieces of a lazy table. Several are in work at once, unfolded and parsed: 4 MiB took twice the memory."""
ENDINGS = {
    ".parquet": "parquet", ".pq": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson", ".xlsx": "xlsx", ".json": "json",
    ".nc": "netcdf", ".nc4": "netcdf", ".cdf": "netcdf", ".xle": "xle",
}  # fmt: skip
TEXT = ("csv", "ndjson")
"""Formats of lines, which a writer can add to; files of the others are replaced as a whole."""
PIECE_BYTES = 4 << 20
LONGEST_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """Facts that the beginning of a text table tells about the rest of it."""

    columns: tuple[str, ...]
    start: int
    """Byte offset of the first row."""
    codec: str
    """Encoding with a definite byte order."""
    names: bytes = b""
    """The line of names in UTF-8."""
    units: tuple[bytes, ...] = ()
    """The lines of units; where a logger starts anew it writes them again."""


def read_head(file: BinaryIO, where: str, fmt: str, options: TableOptions, *, whole: bool) -> Head | None:
    """Find the columns of a csv or ndjson file; None while its first line is not complete, DataError where none is.

    With `whole` it will not grow: its first line may lack a newline, and an empty file is refused.
    """
    file.seek(0)
    codec, start = find_codec(file.read(4), where, options)
    columns: tuple[str, ...] | None = None
    skipped = units = 0
    own: list[bytes] = []
    for begin, end, line in whole_lines(file, where, codec, start, whole=whole):
        _refuse_binary(line, where, codec)
        if columns is not None:
            units += 1
            own.append(_in_utf8(line, codec))
        elif fmt == "csv" and skipped < options.skip_rows:
            skipped += 1
        elif text := _header_text(file, line, where, codec, options.encoding):
            if fmt == "ndjson":
                return Head(read_keys(file, where, begin, codec), begin, codec)
            if options.names and not (options.comment and text.startswith(options.comment)):
                return Head(tuple(number_twins(options.names)), begin, codec)
            if not (options.comment and text.startswith(options.comment)):
                columns = _read_columns(text, where, options)
                own.append(_in_utf8(line, codec))
        if columns is not None and units == options.unit_rows:
            return Head(columns, end, codec, own[0], tuple(own[1:]))
    if whole:
        raise DataError(f"{where}: the file is empty; a header line and at least one row are needed")
    return None


def whole_lines(file: BinaryIO, where: str, codec: str, start: int, *, whole: bool) -> Iterator[tuple[int, int, bytes]]:
    """Yield the complete lines from byte `start` with their places, with `whole` an open last; DataError: binary."""
    newline, first = "\n".encode(codec), start
    file.seek(0)
    data = file.read(64 << 10)
    while True:
        end = _find_newline(data, newline, start)
        line = data[start:end]
        if end == len(data) and not line.endswith(newline):
            if start == first:
                _refuse_binary(line, where, codec)
            file.seek(len(data))
            longer = file.read(PIECE_BYTES)
            if longer and len(data) - start < LONGEST_LINE_BYTES:
                data += longer
                continue
            if longer:
                raise DataError(f"{where}: a first line of more than {LONGEST_LINE_BYTES >> 20} MiB; not a table")
            if whole and line:
                yield start, end, line
            return
        yield start, end, line
        start = end


def _in_utf8(line: bytes, codec: str) -> bytes:
    return line.decode(codec, errors="replace").encode().rstrip(b"\r\n")


def _header_text(file: BinaryIO, line: bytes, where: str, codec: str, encoding: str) -> str:
    """Decode a line of the header; empty where it is blank."""
    try:
        text = line.decode(codec).strip("\r\n")
    except UnicodeDecodeError as error:
        file.seek(0)
        _refuse_binary(file.read(64 << 10), where, codec)
        raise DataError(
            f"{where}: byte {error.object[error.start]:#04x} in the first line is not {encoding}; "
            "set encoding (--encoding NAME: often cp1252, of Japanese cp932, of Chinese gb18030)"
        ) from error
    return text if text.strip() else ""


def cut(piece: bytes, codec: str, *, quoted: bool, rows: int | None = None) -> int:
    """Length of the longest beginning of `piece` that is whole lines, at most `rows`; 0 if there is none.

    A newline inside of quotes ends no row. Where the quotes are not in pairs before any newline of the piece, one
    of them is a stray mark, and the last newline is taken: waiting for its partner could hold up the rows for ever.
    """
    raw = np.frombuffer(piece, dtype=np.uint8)
    newline = "\n".encode(codec)
    if len(newline) == 1:
        ends = np.flatnonzero(raw == ord("\n")) + 1
    else:
        width = len(newline)
        units = raw[: len(raw) // width * width].reshape(-1, width)
        ends = (np.flatnonzero((units == np.frombuffer(newline, dtype=np.uint8)).all(axis=1)) + 1) * width
    if quoted and ends.size and b'"' in piece:
        quotes = np.flatnonzero(raw == ord('"'))
        closed = ends[np.searchsorted(quotes, ends) % 2 == 0]
        ends = closed if closed.size else ends
    if not ends.size:
        return 0
    return int(ends[-1] if rows is None else ends[min(rows, ends.size) - 1])


def csv_rows(piece: bytes, head: Head, options: TableOptions) -> pl.DataFrame:
    """Whole lines of a csv file as text columns, and `MORE`; a row that is too short is filled with nulls."""
    names = [*head.columns, MORE]
    if head.codec != "utf-8":
        piece = piece.decode(head.codec, errors="replace").encode()
    for line in head.units:
        # Again, below the names: a row of names is known as such where the cells are checked.
        if line in piece and re.search(rb"[A-Za-z]", line):
            piece = re.sub(rb"(?m)^" + re.escape(line) + rb"(?=\r?$)", lambda _: head.names, piece)
    if options.separator == WHITESPACE:
        piece, options = split_blanks(piece), replace(options, separator="\t")
    elif options.comment == "#" and b"####" in piece:
        piece = _keep_too_wide(piece, re.escape(options.separator.encode()), len(head.columns))
    has_quotes = b'"' in piece
    # A header with one field more than the rows should have, so that longer rows show.
    header = options.separator.join(f"c{i}" for i in range(len(names))).encode() + b"\n"
    try:
        table = pl.read_csv(
            io.BytesIO(header + piece), infer_schema=False, separator=options.separator, comment_prefix=options.comment,
            quote_char='"' if has_quotes else None, truncate_ragged_lines=True, encoding="utf8-lossy",
        )  # fmt: skip
    except pl.exceptions.ComputeError:
        return _read_slowly(piece, names, options)
    if has_quotes and table.height != _count_rows(piece, options.comment):
        # A quoted cell holds a newline, or a stray quote has swallowed rows: the slower reader knows which.
        return _read_slowly(piece, names, options)
    table.columns = names
    return table


def _keep_too_wide(piece: bytes, separator: bytes, columns: int) -> bytes:
    """Put quotes around dates that a spreadsheet found too wide for their column, `########`: they are no comments."""
    others = rb"(?:%b[^%b\n]*){%d}" % (separator, separator, columns - 1)
    return re.sub(rb"(?m)^(#{4,})(?=%b)" % others, rb'"\1"', piece)


def split_blanks(piece: bytes) -> bytes:
    """Lines whose columns blanks and tabs keep apart, with one tab between each two."""
    piece = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", piece)
    if b'"' not in piece:
        return re.sub(rb"[ \t]+", b"\t", piece)
    # Blanks inside of quotes belong to the cell.
    return re.sub(rb'"[^"\n]*"|[ \t]+', lambda found: found[0] if found[0].startswith(b'"') else b"\t", piece)


def _refuse_binary(first: bytes, where: str, codec: str) -> None:
    if first.startswith((b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF")):
        raise DataError(f"{where}: a NetCDF file by its first bytes; name it *.nc, or set format (--format netcdf)")
    if not codec.startswith(("utf-16", "utf-32")) and b"\0" in first:
        raise DataError(f"{where}: binary data, not a table; CSV, Parquet (*.parquet) and NDJSON (*.ndjson) are read")
    if first.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise DataError(
            f"{where}: a web page (HTML or XML), not a table; CSV, Parquet and NDJSON are read; of XML the files of "
            "Solinst loggers (*.xle, or --format xle)"
        )


def _find_newline(data: bytes, newline: bytes, start: int) -> int:
    """End of the line that begins at `start`: behind its newline, or the end of the data."""
    at = data.find(newline, start)
    while at >= 0 and (at - start) % len(newline):
        at = data.find(newline, at + 1)
    return len(data) if at < 0 else at + len(newline)


def _read_columns(line: str, where: str, options: TableOptions) -> tuple[str, ...]:
    if line.strip() in ("[", "{") or line.replace(" ", "").startswith(('{"', "[{")):
        is_list = line.lstrip().startswith("[")
        inner = "" if is_list else "; to take a list out of an object: jq -c '.data[]' a.json > a.ndjson"
        raise DataError(
            f"{where}: JSON, not a CSV table; an array of objects (*.json, or --format json) and NDJSON (*.ndjson, one "
            f"object per line) are read{inner}"
        )
    if options.layout == "months" and re.fullmatch(r"\s*\d{4}\s+\d{4}\s*", line):
        return ("Year", *months.NAMES)  # the first line has the first and the last year in place of names
    if options.separator == WHITESPACE:
        line, options = split_blanks(line.encode()).decode(), replace(options, separator="\t")
    try:
        names = [name.strip() for name in next(csv.reader([line], delimiter=options.separator))]
    except csv.Error as error:
        if "\r" in line:
            raise DataError(f"{where}: lines end in a carriage return alone; LF or CR LF is needed") from error
        raise DataError(f"{where}: the header line cannot be read ({error}); column names are needed") from error
    if re.match(r"[A-Z]{2}[A-Z0-9_-]{9}\d{6}[A-Z]{4}[\s\d-]{2}", line):
        raise DataError(f"{where}: a .dly file of GHCN-Daily, of fixed widths; the CSV file of the station is read")
    if where.lower().endswith((".rwl", ".crn")):
        raise DataError(
            f"{where}: rings of trees, ten years a line; a table is read: in R write.csv(dplR::read.rwl(FILE), OUT)"
        )
    return tuple(number_twins(names))  # which is said


def _count_rows(piece: bytes, comment: str | None) -> int:
    rows = piece.count(b"\n") + (not piece.endswith(b"\n"))
    if comment is not None:
        mark = comment.encode()
        rows -= piece.count(b"\n" + mark) + piece.startswith(mark)
    return rows


def _read_slowly(piece: bytes, names: Sequence[str], options: TableOptions) -> pl.DataFrame:
    """Rows of a piece that has stray or unpaired quotes; what cannot be read is marked in `MORE`."""
    lines = piece.decode(errors="replace").split("\n")
    if options.comment:
        lines = [line for line in lines if not line.startswith(options.comment)]
    try:
        reader = csv.reader((line + "\n" for line in lines), delimiter=options.separator, strict=True)
        rows = [row for row in reader if row]
    except csv.Error:
        rows = [_read_line(line, options.separator, len(names)) for line in lines]
    filled = [[cell or None for cell in row[: len(names)]] + [None] * (len(names) - len(row)) for row in rows]
    return pl.DataFrame(filled, schema=dict.fromkeys(names, pl.String()), orient="row")


def _read_line(line: str, separator: str, width: int) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r")], delimiter=separator, strict=True), [])
    except csv.Error:
        return [""] * (width - 1) + [line[:80]]


def file_format(path: Path, options: TableOptions) -> str:
    """Name of the format of a file: as the options say, or by its ending without rotation."""
    ending = Path(split_rotated(path.name)[0]).suffix.lower()
    return ENDINGS.get(ending, "csv") if options.format == "auto" else options.format


def open_table(path: Path, options: TableOptions | None = None) -> pl.LazyFrame:
    """Open a file as a lazy table of its columns, `ROW` and, for text, of which all columns are text, `MORE`.

    Only its head is read now. DataError: the file is missing, empty or not a table.
    """
    options = options or TableOptions()
    fmt = file_format(path, options)
    if fmt in ("json", "xle"):
        with open_file(path) as file:
            return (read_json(file, str(path), options) if fmt == "json" else read_xle(file, str(path))).lazy()
    if fmt not in TEXT:
        with open_file(path) as file:  # says what is wrong with a path that cannot be read
            if isinstance(getattr(file, "raw", None), Inflated):
                raise DataError(f"{path}: a compressed {fmt} file; only text is read so: decompress it first")
        if fmt == "netcdf":
            from sentinel.tables.netcdf import scan_netcdf

            return scan_netcdf(path, options)
        return _scan_parquet(path, options) if fmt == "parquet" else read_sheet(path, options).lazy()
    with open_file(path) as file:
        head = read_head(file, str(path), fmt, options, whole=True)
    assert head is not None  # a whole file has a first line, or is refused
    return _scan_text(path, fmt, head, options)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file, compressed or not, to read its plain bytes; DataError where it is missing, a folder or a pipe."""
    try:
        if path.is_dir():
            raise DataError(f"{path}: a folder; a CSV, Parquet or NDJSON file is needed")
        with open_plain(path) as file:
            yield file
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except io.UnsupportedOperation as error:
        raise DataError(f"{path}: a pipe or a device; a file is needed, which can be read more than once") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; the file must be readable") from error


def rows_of(piece: bytes, fmt: str, head: Head, options: TableOptions, first_row: int) -> pl.DataFrame:
    """Whole lines as a table with `ROW` and `MORE`; blank lines and comments are no rows."""
    table = ndjson_rows(piece, head.columns, head.codec, options) if fmt == "ndjson" else csv_rows(piece, head, options)
    blank = table.select(pl.all_horizontal(pl.all().is_null())).to_series()
    # There is mostly none, and to filter a hundred columns takes longer than to read a row of them.
    return (table.filter(~blank) if blank.any() else table).with_row_index(ROW, offset=first_row)


def _scan_parquet(path: Path, options: TableOptions) -> pl.LazyFrame:
    try:
        table = pl.scan_parquet(path, row_index_name=ROW)
        return flatten(table, options)
    except pl.exceptions.PolarsError as error:
        first_line = (str(error).splitlines() or ["no reason given"])[0]
        raise DataError(f"{path}: not a readable Parquet file ({first_line})") from error


def _scan_text(path: Path, fmt: str, head: Head, options: TableOptions) -> pl.LazyFrame:
    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        row = 0
        with open_plain(path) as file:
            for piece in _read_pieces(file, head, quoted=fmt == "csv"):
                table = rows_of(piece, fmt, head, options, row)
                if n_rows is not None:
                    table = table.head(n_rows - row)
                row += table.height
                if predicate is not None:
                    table = table.filter(predicate)
                yield table if with_columns is None else table.select(with_columns)
                if n_rows is not None and row >= n_rows:
                    return

    schema = {ROW: pl.UInt32(), **dict.fromkeys((*head.columns, MORE), pl.String())}
    return register_io_source(read, schema=schema)


def _read_pieces(file: BinaryIO, head: Head, *, quoted: bool) -> Iterator[bytes]:
    """The file from its first row to its end, in pieces of whole lines."""
    file.seek(head.start)
    rest = b""
    while more := file.read(STREAM_BYTES):
        piece = rest + more
        length = cut(piece, head.codec, quoted=quoted)
        if length:
            yield piece[:length]
        rest = piece[length:]
    if rest:
        yield rest
