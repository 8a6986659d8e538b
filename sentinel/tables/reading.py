"""A file as a lazy table of its own columns, read in pieces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MORE, ROW, TableOptions
from sentinel.tables.lines import Head, csv_rows, cut, ndjson_rows, read_head

STREAM_BYTES = 1 << 20
"""Size of the pieces of a lazy table. Several are in work at once, unfolded and parsed: 4 MiB took twice the memory."""
ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson"}


def file_format(path: Path, options: TableOptions) -> str:
    """`csv`, `parquet` or `ndjson`: as the options say, or by the file's ending."""
    return ENDINGS.get(path.suffix.lower(), "csv") if options.format == "auto" else options.format


def open_table(path: Path, options: TableOptions | None = None) -> pl.LazyFrame:
    """Open a file as a lazy table: its columns, `ROW` and, for text files, `MORE`.

    Columns of text files are text; those of Parquet have their own types. Only the head of the file is read now.

    Raises
    ------
    DataError
        The file is missing, empty, not a table, or two of its columns have one name.
    """
    options = options or TableOptions()
    fmt = file_format(path, options)
    try:
        if path.is_dir():
            raise DataError(f"{path}: a folder; a CSV, Parquet or NDJSON file is needed")
        if fmt == "parquet":
            return _scan_parquet(path)
        with path.open("rb") as file:
            head = read_head(file, str(path), fmt, options, whole=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except io.UnsupportedOperation as error:
        raise DataError(f"{path}: a pipe or a device; a file is needed, which can be read more than once") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; the file must be readable") from error
    assert head is not None  # a whole file has a first line, or is refused
    return _scan_text(path, fmt, head, options)


def rows_of(piece: bytes, fmt: str, head: Head, options: TableOptions, first_row: int) -> pl.DataFrame:
    """Whole lines as a table with `ROW` and `MORE`; blank lines and comments are no rows."""
    table = ndjson_rows(piece, head) if fmt == "ndjson" else csv_rows(piece, head, options)
    return table.filter(~pl.all_horizontal(pl.all().is_null())).with_row_index(ROW, offset=first_row)


def _scan_parquet(path: Path) -> pl.LazyFrame:
    try:
        table = pl.scan_parquet(path, row_index_name=ROW)
        table.collect_schema()
    except pl.exceptions.PolarsError as error:
        first_line = (str(error).splitlines() or ["no reason given"])[0]
        raise DataError(f"{path}: not a readable Parquet file ({first_line})") from error
    return table


def _scan_text(path: Path, fmt: str, head: Head, options: TableOptions) -> pl.LazyFrame:
    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        row = 0
        with path.open("rb") as file:
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
