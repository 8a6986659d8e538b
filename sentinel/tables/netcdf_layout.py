"""Columns of a NetCDF file: each variable along its time, once for every place of its other dimensions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions, matches
from sentinel.tables.cf_time import CfTime, parse_cf_time
from sentinel.tables.shapes import list_names

MOST_SERIES = 1_000
"""Series of one file that are read unasked; a map has millions."""
FLAG_ENDINGS = ("_QC", "_qc", "_flag", "_FLAG", "_flags", "_quality", "_status", "_qc_agg", "_qartod")
COUNTED = "sample_dimension"
"""Attribute of the number of rows that each station has."""
_TIME = re.compile(r"(.*[ _])?(time|times|date|datetime|juld|year|age)([ _].*)?", re.IGNORECASE)
_PLACE_UNITS = re.compile(r"degrees?_?(north|east|N|E)")
_HEIGHTS = re.compile(r"(depth|pres|pressure|altitude|height|z|lev|level)s?", re.IGNORECASE)
_NAMES = re.compile(r".*(station|site|platform|mooring|name|buoy|id).*", re.IGNORECASE)
_AGES = r"(^|[^a-z])(bp|b2k|before present|ago)([^a-z]|$)"
_GOOD = re.compile(r"(good|pass)(ed)?([ _](data|value|quality))?")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a variable at one place of its dimensions other than time."""

    name: str
    variable: str
    place: tuple[int, ...]
    """Indices of the other dimensions, in their order."""
    unit: str
    text: bool


@dataclass(frozen=True, slots=True)
class NetcdfLayout:
    """The table that a file holds."""

    time: str
    scale: CfTime | None
    """None = the time is written as texts, or as numbers that count steps or years."""
    dimension: str
    rows: int
    columns: tuple[Column, ...]
    time_text: bool
    labels: tuple[str, tuple[str, ...]] | None
    """Name of the column that says of which station each row is, and its text for each row."""
    exclude: tuple[str, ...]
    """Columns that say where, or how good, not what."""
    ages: str
    """Unit of times that are ages; empty where they are none."""
    good: str
    """Flag columns and their codes that mean good, as the file says."""
    said: tuple[str, ...]


def find_layout(dataset: Any, options: TableOptions, where: str) -> NetcdfLayout:
    """Find time and columns of an open file; DataError where it has no time, or more places than can be series."""
    time = _find_time(dataset, options, where)
    if len(_own_dimensions(time)) != 1:
        dims = ", ".join(f"{name}={dataset.dimensions[name].size}" for name in _own_dimensions(time)) or "one value"
        raise DataError(
            f"{where}: time {time.name!r} is not one row of times ({dims}); each record needs a time of its own: join "
            "files with one time each (ncrcat), or take one station out (ncks -d)"
        )
    dimension = time.dimensions[0]
    along = [v for v in dataset.variables.values() if dimension in _own_dimensions(v) and v.name != time.name]
    bounds = {str(getattr(v, name)) for v in dataset.variables.values() for name in ("bounds", "climatology")
              if hasattr(v, name)}  # fmt: skip
    along = [v for v in along if v.name not in bounds]
    labels = _find_stations(dataset, dimension)
    index = labels[0] if labels else None
    measured = [v for v in along if v.name != index]
    _refuse_moving_levels(dataset, measured, dimension, options, where)
    columns = tuple(_columns_of(dataset, measured, dimension, options, where))
    places = [v.name for v in measured if _is_place(v)]
    flags = [v for v in measured if _is_flag(v)]
    found = [c for c in columns if c.variable in places]
    good = next((f"*{_ending(v)}={codes}" for v in flags if _ending(v) and (codes := _good_codes(v))), "")
    taken = {time.name, *bounds, *(v.name for v in along)}
    aside = [name for name in dataset.variables if name not in taken]
    text = _is_text(time)
    units = str(getattr(time, "units", ""))
    ages = f"{units} BP" if re.search(_AGES, units.lower()) else ""
    return NetcdfLayout(
        time.name, None if text else parse_cf_time(time, where), dimension, int(dataset.dimensions[dimension].size),
        columns, text, labels, tuple(c.name for c in found), ages, good,
        (*_say(time, dimension, measured, aside, text), *_say_groups(dataset)),
    )  # fmt: skip


def _find_time(dataset: Any, options: TableOptions, where: str) -> Any:
    every = dict(dataset.variables)
    if options.time_column != TableOptions().time_column:
        name = options.time_name
        if name not in every:
            raise DataError(
                f"{where}: no variable {name!r}; variables are {list_names(every)}; say it with --time-column"
            )
        return every[name]
    since = [v for v in every.values() if re.search(r"\w\s+since\s", str(getattr(v, "units", "")))]
    found = sorted(since, key=_rank)
    if not found:
        named = [v for v in every.values() if _TIME.fullmatch(v.name) and v.dimensions]
        found = sorted(named, key=lambda v: (v.dimensions != (v.name,), not _is_text(v)))
    if found:
        return found[0]
    groups = "".join(f"; {said}" for said in _say_groups(dataset))
    raise DataError(
        f"{where}: no variable is a time (units such as 'days since 2000-01-01'); variables are "
        f"{list_names(every) or 'none'}; say which with --time-column{groups}"
    )


def _say_groups(dataset: Any) -> Iterator[str]:
    if dataset.groups:
        yield f"its groups {list_names(dataset.groups)} are not read: take one out (ncks -g)"


def _rank(variable: Any) -> tuple[bool, ...]:
    """Order times: along one dimension, then a coordinate, then by name and attributes."""
    name, axis = variable.name.lower(), str(getattr(variable, "axis", ""))
    standard = str(getattr(variable, "standard_name", ""))
    return (
        len(variable.dimensions) != 1, variable.dimensions != (variable.name,), axis != "T",
        name not in ("time", "juld"), standard != "time",
    )  # fmt: skip


def _own_dimensions(variable: Any) -> tuple[str, ...]:
    """Dimensions without that of the letters of a text."""
    dims: tuple[str, ...] = variable.dimensions
    return dims[:-1] if variable.dtype != str and variable.dtype.kind == "S" and dims else dims


def _columns_of(
    dataset: Any, variables: Sequence[Any], dimension: str, options: TableOptions, where: str
) -> Iterator[Column]:
    """Yield the columns that the options leave; DataError where there are too many."""
    names = {v.name: v for v in variables}
    labels: dict[str, list[str]] = {}
    count = 0
    for v in variables:
        others = [name for name in _own_dimensions(v) if name != dimension]
        sizes = [dataset.dimensions[name].size for name in others]
        for name in others:
            labels.setdefault(name, _labels_of(dataset, name, dimension))
        # A flag is named as the column that it judges: `TEMP@10_QC` of `TEMP@10`.
        ending = _ending(v)
        stem = v.name.removesuffix(ending) if ending and v.name.removesuffix(ending) in names else v.name
        for place in product(*map(range, sizes)):
            name = _name(stem, [(labels[d][i], d) for d, i in zip(others, place, strict=True) if len(labels[d]) > 1])
            name += v.name.removeprefix(stem)
            if not _is_wanted(name, v, options):
                continue
            yield Column(name, v.name, place, str(getattr(v, "units", "")), _is_text(v))
            count += not _is_flag(v)
            if count > MOST_SERIES:
                first = " x ".join(f"{d} {size}" for d, size in zip(others, sizes, strict=True))
                raise DataError(
                    f"{where}: {v.name} is along {dimension} at {prod(sizes):,} places ({first}), each a series; "
                    f"at most {MOST_SERIES:,} are read; name those that you want, such as --columns {shlex.quote(name)}"
                )


def _is_wanted(name: str, variable: Any, options: TableOptions) -> bool:
    if options.columns is not None and not _is_flag(variable):
        return name in options.columns or name in options.by
    return not any(matches(name, one) and "*" in one for one in options.exclude)


def _name(variable: str, places: Iterable[tuple[str, str]]) -> str:
    """Name a series by what is measured and where: `north/temp@2.5`, texts in front and numbers behind."""
    front, behind = "", []
    for label, _ in places:
        if re.fullmatch(r"[-+\d.e]+", label):
            behind.append(label)
        else:
            front += f"{label}/"
    return front + variable + (f"@{','.join(behind)}" if behind else "")


def _labels_of(dataset: Any, dimension: str, time: str) -> list[str]:
    """Give texts for the places of a dimension: names of stations, its coordinate, heights, or numbers from 0."""
    size = dataset.dimensions[dimension].size
    own = [v for v in dataset.variables.values() if _own_dimensions(v) == (dimension,) and dimension != time]
    order = (
        lambda v: hasattr(v, "cf_role"),
        lambda v: _is_text(v) and _NAMES.fullmatch(v.name),
        lambda v: v.name == dimension,
        lambda v: str(getattr(v, "axis", "")) == "Z" or _HEIGHTS.fullmatch(v.name),
    )
    for fits in order:
        for v in own:
            if fits(v) and len(set(texts := texts_of(v))) == size and all(texts):
                return texts
    return list(map(str, range(size)))


def texts_of(variable: Any) -> list[str]:
    """Give the values of a variable as texts without blanks around them."""
    values = variable[:]
    if _is_text(variable):
        import netCDF4

        if variable.dtype != str and variable.dtype.kind == "S" and np.ndim(values) == len(variable.dimensions):
            values = netCDF4.chartostring(np.ma.filled(values, b"\0"))
        return [str(one).strip().strip("\0") for one in np.atleast_1d(values)]
    return [f"{float(one):.6g}" if one is not np.ma.masked else "" for one in values]


def _is_text(variable: Any) -> bool:
    return variable.dtype == str or variable.dtype.kind in "SUO"


def _find_stations(dataset: Any, dimension: str) -> tuple[str, tuple[str, ...]] | None:
    """Tell of which station each row is, where the rows of several stand one after the other (ragged arrays)."""
    for v in dataset.variables.values():
        counted, instance = getattr(v, COUNTED, None), getattr(v, "instance_dimension", None)
        if counted == dimension and len(v.dimensions) == 1:
            names = _labels_of(dataset, v.dimensions[0], dimension)
            return v.name, tuple(name for name, n in zip(names, v[:], strict=True) for _ in range(int(n)))
        if instance is not None and v.dimensions == (dimension,):
            names = _labels_of(dataset, str(instance), dimension)
            return v.name, tuple(names[int(n)] for n in v[:])
    return None


def _refuse_moving_levels(
    dataset: Any, variables: Sequence[Any], dimension: str, options: TableOptions, where: str
) -> None:
    """Raise DataError where each time has depths of its own: a level is then no place."""
    if options.columns is not None:
        return
    for v in variables:
        others = [name for name in _own_dimensions(v) if name != dimension]
        numbered = [name for name in others if dataset.dimensions[name].size > 1 and name not in dataset.variables]
        if numbered and (str(getattr(v, "axis", "")) == "Z" or _HEIGHTS.fullmatch(v.name)):
            raise DataError(
                f"{where}: {v.name!r} is another one at each time, so the places of {numbered[0]!r} are no series; "
                f"bring the profiles to fixed depths first, or name places by number, such as --columns {v.name}@0"
            )


def _is_place(variable: Any) -> bool:
    axis, units = str(getattr(variable, "axis", "")), str(getattr(variable, "units", ""))
    standard = str(getattr(variable, "standard_name", ""))
    return axis in ("X", "Y", "Z") or bool(_PLACE_UNITS.fullmatch(units)) or standard in ("latitude", "longitude")


def _is_flag(variable: Any) -> bool:
    return any(hasattr(variable, name) for name in ("flag_values", "flag_masks", "flag_meanings"))


def _ending(variable: Any) -> str:
    return next((end for end in FLAG_ENDINGS if variable.name.endswith(end)), "")


def _good_codes(variable: Any) -> str:
    """Codes whose meaning is plainly good; probably good ones are the reader's to judge."""
    codes = np.atleast_1d(getattr(variable, "flag_values", []))
    meanings = str(getattr(variable, "flag_meanings", "")).split()
    pairs = zip(codes, meanings, strict=False)
    return ",".join(str(code) for code, meaning in pairs if _GOOD.fullmatch(meaning.lower()))


def _say(time: Any, dimension: str, variables: Sequence[Any], aside: Sequence[str], text: bool) -> Iterator[str]:
    units = getattr(time, "units", "")
    months = not text and re.match(r"\s*(mon|year|yr)", str(units), re.IGNORECASE) and "since" in str(units)
    yield f"time: variable {time.name!r} ({units or 'no units'})" + ("; calendar months and years" if months else "")
    named = [f"{v.name} ({v.long_name})" for v in variables if getattr(v, "long_name", "") and not _is_flag(v)]
    if named:
        yield f"variables: {list_names(named)}"
    if aside:
        yield f"not along {dimension}, no series: {list_names(aside)}"
    marks = [f"{v.name} {name} {_short(getattr(v, name))}" for v in variables for name in
             ("_FillValue", "missing_value", "valid_range", "valid_min", "valid_max") if hasattr(v, name)]  # fmt: skip
    if marks:
        yield f"no value by attributes of the file: {list_names(marks)}"
    for v in variables:
        if meanings := str(getattr(v, "flag_meanings", "")).split():
            codes = v.flag_values if hasattr(v, "flag_values") else getattr(v, "flag_masks", [])
            pairs = [f"{c} {m}" for c, m in zip(np.atleast_1d(codes), meanings, strict=False)]
            yield f"flags {v.name}: {', '.join(pairs)}"


def _short(value: Any) -> str:
    return " to ".join(f"{one:g}" if isinstance(one, float | np.floating) else str(one) for one in np.atleast_1d(value))
