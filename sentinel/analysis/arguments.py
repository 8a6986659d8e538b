"""Arguments of a notebook's functions: tables and settings made of them, and errors in words of Python.

Messages elsewhere name what to write in a command line or a file. Here `--missing ND` becomes `missing='ND'`. Neither
pandas nor xarray is imported: what is handed over has brought its library along.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from sentinel.config import DEFAULT_BANK, Settings, from_mapping, load, or_else, with_events
from sentinel.domain.errors import ConfigError, SentinelError, UsageError
from sentinel.tables.options import NAMES

VALUE = "value"
"""Name of a series that has none."""
ALPHA = 1e-4
"""Budget of a threshold, in false alarms per tick, unless another one is given."""
_OPTIONS = (*NAMES, "cadence", "season", "aggregate", "resolution", "conditioning", "config", "events")
_PROSE = "on|in|is|or|and|to|of|with|for|where|gives|names"
_VALUE = r"'[^']*'|\"[^\"]*\"|[^\s;,:)]+"
_OPTION = rf"--({'|'.join(name.replace('_', '-') for name in sorted(_OPTIONS, key=len, reverse=True))})(?![a-z-])"
_GIVEN = rf"(?:[ =](?!--|(?:{_PROSE})\b)({_VALUE}))?"
_WRITTEN = re.compile(_OPTION + _GIVEN)
_RUN = re.compile(rf"{_OPTION}{_GIVEN}(?: --\1(?![a-z-]){_GIVEN})*")
"""Options of one name that follow each other."""
_ELSEWHERE = re.compile(r" \((?:" + "|".join(_OPTIONS) + r"): [^)]*\)|, or --[a-z-]+ on the command line")
"""Hints of a message at a YAML key or at another option, which a caller in Python cannot use."""


@contextmanager
def python_words() -> Iterator[None]:
    """Put the errors of the block into words of Python arguments; their kind stays."""
    try:
        yield
    except SentinelError as error:
        raise type(error)(in_python(str(error))) from error


def in_python(message: str) -> str:
    """Write the options that a message names as keyword arguments; several of one name become a list."""
    return _RUN.sub(_as_argument, _ELSEWHERE.sub("", message))


def _as_argument(run: re.Match[str]) -> str:
    values = [option[2].strip("'\"") for option in _WRITTEN.finditer(run[0]) if option[2] is not None]
    name = run[1].replace("-", "_")
    return name if not values else f"{name}={values[0]!r}" if len(values) == 1 else f"{name}={values!r}"


def settings_from(
    config: Mapping[str, Any] | Settings | Path | str | None,
    *,
    threshold: float | str | None = None,
    alpha: float | None = None,
    half_life: float | str | None = None,
    counterpart: str | Mapping[str, str] | None = None,
) -> Settings:
    """Make settings of a file or what could stand in one, and of arguments, which win.

    Raises ConfigError: the file or mapping is wrong. UsageError: an argument is.
    """
    if isinstance(config, Settings):
        settings = config
    elif isinstance(config, Mapping):
        settings = from_mapping(config)
    else:
        settings = Settings() if config is None else with_events(load(config))
    arguments = {"threshold": threshold, "alpha": alpha, "half_life": half_life, "counterpart": counterpart}
    changed = {name: value for name, value in arguments.items() if value is not None}
    if not changed:
        return settings
    written = settings.model_dump(mode="json")
    if threshold is not None:
        written["alarms"] = [{"threshold": threshold, "alpha": ALPHA if alpha is None else alpha}]
    elif alpha is not None:
        written["alarms"] = [{"kind": "slower", "alpha": alpha}]
    if half_life is not None:
        text = f"{half_life:g} ticks" if isinstance(half_life, int | float) else half_life
        for name in {DEFAULT_BANK, *written["banks"]}:
            written["banks"][name] = written["banks"].get(name, {}) | {"half_life": text}
    if counterpart is not None:
        written["series"] = _with_counterparts(counterpart, written["series"])
    try:
        return from_mapping(written)
    except ConfigError as error:
        raise UsageError(f"{', '.join(f'{n}={v!r}' for n, v in changed.items())}: {first_fault(error)}") from error


def _with_counterparts(counterpart: str | Mapping[str, str], entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put an entry for each pair before the others; a single name is the counterpart of all other series."""
    rest = next((entry for entry in entries if entry["match"] == "*"), {"match": "*"})
    if isinstance(counterpart, str):
        own = [] if any(entry["match"] == counterpart for entry in entries) else [rest | {"match": counterpart}]
        others = [entry for entry in entries if entry["match"] != "*"]
        return [*own, *others, rest | {"counterpart": counterpart}]
    pairs = {match: rest | {"match": match, "counterpart": other} for match, other in counterpart.items()}
    return [*pairs.values(), *(entry for entry in entries if entry["match"] not in pairs)]


def first_fault(error: ConfigError) -> str:
    """Give the first reason for which settings were refused, without the key, which is not what was written."""
    return str(error).splitlines()[0].partition("]: ")[2]


def refuse_unknown(options: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise UsageError for an option that no table has."""
    for name in options:
        if name not in NAMES:
            raise UsageError(f"{name}: there is no such argument; {or_else(name, [*known, *NAMES], 'arguments')}")


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
