"""Reads files that are replaced as a whole: Parquet, spreadsheets, NetCDF."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.sources.opening import Plain
from sentinel.sources.pieces import Rows
from sentinel.sources.positions import Position, TableLayout
from sentinel.tables import TableOptions, find_shape, open_table
from sentinel.tables.cells import HEAD_ROWS
from sentinel.tables.columns import join_time
from sentinel.tables.long_tables import refuse_changes
from sentinel.tables.parsing import check_cells, find_axis, second_rows
from sentinel.tables.recognising import recognise, write_down
from sentinel.tables.sheets import forget_sheets


class WholeReader:
    """Reads Parquet files and spreadsheets, which are replaced as a whole."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options

    def read(self, path: Path, plain: Plain, fmt: str, position: Position, left: int) -> Rows | None:
        """Read at most `left` observations; None where nothing has been added."""
        if plain.compressed:
            raise DataError(f"{path}: a compressed {fmt} file; only text is read so: decompress it first")
        row = position.rows
        if fmt == "parquet" and row >= open_table(path, self._options).select(pl.len()).collect().item():
            return None
        try:
            return self._read(path, plain, position, left)
        finally:
            forget_sheets()

    def _read(self, path: Path, plain: Plain, position: Position, left: int) -> Rows | None:
        row = position.rows
        found = recognise(path, self._options, counters=False)
        options = found.options
        table = join_time(open_table(path, options), options)
        height = table.select(pl.len()).collect().item()
        if row >= height:
            return None
        head = table.head(HEAD_ROWS).collect()
        shape = find_shape(head, options, str(path))
        find_axis(head, options, shape, str(path), "time")
        if position.layout is None:
            refuse_changes(head.lazy(), found.labels, options, str(path))
        rows = max(1, left // len(shape.values))
        second = second_rows(table, head, options, shape)
        checked = check_cells(table.slice(row, rows), options, "time", shape, second).collect()
        said = () if position.layout is not None else found.said
        layout = TableLayout(write_down(options, self._options), shape.series, shape.values, shape.left_out)
        moved = replace(position.go_on(plain, plain.size, min(height, row + rows)), layout=layout)
        more = row + rows < height
        return Rows(checked, moved if more else moved.finish(plain), more, options, said)
