"""Tables of a notebook as one kind of table: polars, pandas, xarray, an array, or columns by name.

Neither pandas nor xarray is imported here: what is handed over has brought its library along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

VALUE = "value"
"""Name of a series that has none."""


class Table(NamedTuple):
    """A table, and the columns that tell its series apart because the data themselves say so."""

    frame: pl.DataFrame
    by: tuple[str, ...] = ()


def to_table(data: Any, time: str) -> Table:
    """Convert anything that is a table, or one series, to a table whose times are in the column `time`.

    Raises TypeError, ValueError: it is none; the message says what to do.
    """
    library = type(data).__module__.partition(".")[0]
    if library == "xarray":
        return _from_xarray(data, time)
    if library == "pandas":
        return _from_pandas(data, time)
    if isinstance(data, pl.LazyFrame):
        return Table(data.collect())
    if isinstance(data, pl.Series):
        return Table(_counted(data, time))
    if isinstance(data, np.ndarray) and data.ndim == 1:
        return Table(_counted(pl.Series(VALUE, data), time))
    if isinstance(data, list | tuple) and data and isinstance(data[0], int | float):
        return Table(_counted(pl.Series(VALUE, data, strict=False), time))
    try:
        return Table(pl.DataFrame(data))
    except TypeError:
        raise TypeError(f"a {type(data).__name__} came") from None


def _counted(values: pl.Series, time: str) -> pl.DataFrame:
    """Give values without times the times 0, 1, 2 and so on."""
    return pl.DataFrame({time: np.arange(len(values)), values.name or VALUE: values})


def _from_xarray(data: Any, time: str) -> Table:
    """Convert a Dataset or DataArray: dimensions become columns, all but the time tell series apart."""
    if not hasattr(data, "data_vars"):
        data = data.to_dataset(name=data.name or VALUE)
    dimensions = [str(name) for name in data.sizes]
    data = data.reset_coords(drop=True)  # Coordinates that are no dimension would count as series.
    dated = [name for name in dimensions if name in data.coords and data[name].dtype.kind == "M"]
    if time not in dimensions and len(dated) != 1:
        came = ", ".join(dimensions) or "none"
        raise ValueError(f"no dimension {time!r} (there are {came}); name the one that is the time")
    own = time if time in dimensions else dated[0]
    return Table(_from_pandas(data.to_dataframe(), own).frame.rename({own: time}), _others(dimensions, own))


def _others(names: Sequence[str], time: str) -> tuple[str, ...]:
    return tuple(name for name in names if name != time)


def _from_pandas(data: Any, time: str) -> Table:
    """Convert a pandas table or series column by column, which needs no other library."""
    if not hasattr(data, "columns"):
        data = data.to_frame(VALUE if data.name is None else str(data.name))
        if data.index.nlevels == 1 and not _is_time(data.index.dtype):
            if data.index.dtype.kind not in "iuf":
                raise TypeError("the index of a pandas Series is its time: dates, periods or numbers are needed")
            data = data.rename_axis(time).reset_index()
    names = [str(name) for name in data.columns]
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{count} columns are named {name!r}; a name may stand once")
    by: tuple[str, ...] = ()
    columns = {}
    if data.index.nlevels > 1:
        levels = [str(name) for name in data.index.names]
        if time not in levels:
            raise ValueError(f"no level {time!r} of the index (there are {', '.join(levels)}); one must be the time")
        columns = {name: data.index.get_level_values(at).to_series() for at, name in enumerate(levels)}
        by = _others(levels, time)
    elif time not in names and _is_time(data.index.dtype):
        columns = {time: data.index.to_series()}
    columns |= {name: data.iloc[:, at] for at, name in enumerate(names)}
    return Table(pl.DataFrame({name: _column(column) for name, column in columns.items()}), by)


def _is_time(dtype: Any) -> bool:
    return dtype.kind == "M" or str(dtype).startswith("period")


def _column(column: Any) -> pl.Series:
    """Convert a pandas column; time stamps with a zone become instants in UTC, periods their beginning."""
    if str(column.dtype).startswith("period"):
        column = column.dt.to_timestamp()
    if column.dtype.kind != "M":
        return pl.Series(list(column), strict=False)
    utc = column.dt.tz_convert("UTC") if column.dt.tz is not None else column
    return pl.Series(utc.to_numpy(dtype="datetime64[us]"))
