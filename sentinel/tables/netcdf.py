"""NetCDF files as tables; their library is an extra of its own and imported when such a file is read.

The C library below it must not be called by two threads at once, and the daemon's sources have a thread each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from sentinel.domain.errors import DataError, SentinelError
from sentinel.tables.cells import MORE, ROW, TableOptions
from sentinel.tables.netcdf_layout import Column, NetcdfLayout, find_layout, texts_of

CELLS = 4_000_000
"""Values that are read at once."""
_LOCK = RLock()


def scan_netcdf(path: Path, options: TableOptions) -> pl.LazyFrame:
    """Open a file as a lazy table of its columns, `ROW` and `MORE`; DataError: no NetCDF, or without real times."""
    layout = layout_of(path, options)
    kinds = {column.name: pl.String() if column.text else pl.Float64() for column in layout.columns}
    time = pl.String() if layout.time_text else pl.Float64() if layout.scale is None else pl.Datetime("us", "UTC")
    labels = {layout.labels[0]: pl.String()} if layout.labels else {}
    schema = {ROW: pl.UInt32(), layout.time: time, **labels, **kinds, MORE: pl.String()}

    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = list(schema) if with_columns is None else with_columns
        end = layout.rows if n_rows is None else min(n_rows, layout.rows)
        step = max(1_000, CELLS // max(1, len(wanted)))
        for start in range(0, end, step) if end else [0]:
            with open_netcdf(path) as dataset:
                piece = _read_rows(dataset, layout, wanted, start, min(start + step, end))
            frame = pl.DataFrame(piece, schema={name: schema[name] for name in wanted})
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(read, schema=schema)


def layout_of(path: Path, options: TableOptions) -> NetcdfLayout:
    """Find the time and the columns of a file."""
    with open_netcdf(path) as dataset:
        return find_layout(dataset, options, str(path))


@contextmanager
def open_netcdf(path: Path) -> Iterator[Any]:
    """Open a file for this thread alone; DataError where it is none, SentinelError where the library is not there."""
    try:
        import netCDF4
    except ImportError as error:
        raise SentinelError(f"{path}: a NetCDF file; to read it install sentinel-ews[netcdf] ({error})") from error
    with _LOCK:
        try:
            dataset = netCDF4.Dataset(path)
        except OSError as error:
            raise DataError(f"{path}: not a readable NetCDF file ({error.strerror or error})") from error
        try:
            yield dataset
        except (OSError, RuntimeError) as error:
            raise DataError(f"{path}: cannot be read as NetCDF ({error})") from error
        finally:
            dataset.close()


def _read_rows(dataset: Any, layout: NetcdfLayout, wanted: list[str], start: int, end: int) -> dict[str, Any]:
    columns = {column.name: column for column in layout.columns}
    blocks: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for name in wanted:
        if name == ROW:
            found[name] = np.arange(start, end, dtype=np.uint32)
        elif name == MORE:
            found[name] = [None] * (end - start)
        elif name == layout.time:
            found[name] = _read_times(dataset.variables[name], layout, start, end)
        elif layout.labels and name == layout.labels[0]:
            found[name] = layout.labels[1][start:end]
        else:
            column = columns[name]
            if column.variable not in blocks:
                variable = dataset.variables[column.variable]
                at = variable.dimensions.index(layout.dimension)
                block = variable[(*(slice(None),) * at, slice(start, end))]
                blocks[column.variable] = np.ma.masked_array(np.moveaxis(block, at, 0))
            found[name] = _cells(blocks[column.variable], column)
    return found


def _cells(block: Any, column: Column) -> pl.Series:
    if column.text:
        texts = ("".join(_letters(row)).strip() for row in block[(slice(None), *column.place)])
        return pl.Series([text or None for text in texts], dtype=pl.String)
    values = np.ma.filled(block[(slice(None), *column.place)].astype(np.float64), np.nan)
    return pl.Series(values).fill_nan(None)


def _letters(row: Any) -> Iterator[str]:
    for one in np.atleast_1d(np.ma.filled(row, b"") if isinstance(row, np.ma.MaskedArray) else row):
        yield one.decode(errors="replace") if isinstance(one, bytes) else "" if one is np.ma.masked else str(one)


def _read_times(variable: Any, layout: NetcdfLayout, start: int, end: int) -> Any:
    if layout.time_text:
        return pl.Series([text or None for text in texts_of(variable)[start:end]], dtype=pl.String)
    numbers = np.ma.filled(np.ma.masked_array(variable[start:end]).astype(np.float64), np.nan)
    return pl.Series(numbers).fill_nan(None) if layout.scale is None else layout.scale.stamps(numbers)
