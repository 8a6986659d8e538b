"""Times that are numbers: ages, which count backward, and days that a program may have counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions
from sentinel.tables.clocks import numbers_of
from sentinel.tables.guessing import SMALLEST_SHARE, falling_share
from sentinel.tables.refusals import DAYS
from sentinel.tables.times import instant

_PAST = r"ago|before[ _](present|(1950|2000)([ _](ad|ce))?)"
_AGE = re.compile(rf"(^|[^a-z])(age|bp|ka|kyr|ma|myr|mya|yrbp|calyrbp|y?b2k|{_PAST})([^a-z]|$)|yrbp", re.IGNORECASE)
_YEAR = re.compile(r"(^|[^a-z])(year|yr|ce|ad)([^a-z]|$)", re.IGNORECASE)
_ERA = re.compile(r"(^|[^a-z])(ce|ad)([^a-z]|$)", re.IGNORECASE)
_BEFORE = re.compile(rf"(^|[^a-z])(bp|ka|kyr|ma|myr|mya|y?b2k|{_PAST})([^a-z]|$)", re.IGNORECASE)
_BEFORE_CHRIST = re.compile(r"(^|[^a-z])bce?([^a-z]|$)", re.IGNORECASE)
"""Names of ages, and of years counted towards the present: `age_CE` of NOAA's templates is one of these."""
_YEARS = {"ka": 1e3, "kyr": 1e3, "ma": 1e6, "myr": 1e6, "mya": 1e6}
_MOST_AFTER_PRESENT = 100.0
"""Years after 1950, the present of ages, that may have been measured."""


def turn_ages(head: pl.DataFrame, options: TableOptions, where: str, unit: str) -> tuple[TableOptions, list[str]]:
    """Count ages backwards where the name or the unit of the time says so.

    DataError: numbers fall and nothing says why.
    """
    temporal = head[options.time_name].dtype.is_temporal()
    if options.time_format is not None or options.time_direction is not None or temporal:
        return options, []
    numbers = numbers_of(head, options.time_name, options)
    if numbers.len() <= head.height // 2 or numbers.is_empty():
        return options, []
    name = options.time_name
    told = f"{name} {unit}"
    is_year = _ERA.search(told) is not None and _BEFORE.search(told) is None
    # `BC/AD` and `BCE` with a minus sign are numbers of the common era.
    before_christ = _BEFORE_CHRIST.search(told) is not None and not is_year and numbers.min() >= 0  # type: ignore[operator]
    if _AGE.search(told) and not is_year and (found := _say_minus(numbers, name, told, where)):
        return options, [found]
    if (_AGE.search(told) and not is_year) or before_christ:
        places = tuple(n for n in head.columns if re.match(r"depth", n.lower()))
        excluded = tuple(dict.fromkeys((*options.exclude, *places)))
        turned = replace(options, time_direction="backward", exclude=excluded)
        return turned, [f"time {name!r}: ages; the largest is the oldest, and stands as {-float(numbers.max()):g}"]  # type: ignore[arg-type]
    falling = falling_share(numbers)
    first = ", ".join(f"{one:g}" for one in numbers.head(3))
    if falling is not None and falling >= SMALLEST_SHARE:
        if _YEAR.search(name):
            return options, [f"time {name!r} falls ({first}): taken as years, the largest is the latest"]
        raise DataError(
            f"{where}: the numbers in column {name!r} fall ({first}); say which way time goes with "
            f"--time-direction backward (ages: {numbers[0]:g} is the oldest of them), or "
            f"--time-direction forward ({numbers[0]:g} is the latest)"
        )
    if falling is not None and falling > 1.0 - SMALLEST_SHARE:
        note = f"time {name!r} goes up and down ({first}): rows are put in its order; if it is no time: --time-column"
        return options, [note]
    years = [f"time {name!r}: years of the common era, the largest is the latest"] if _AGE.search(name) else []
    return options, [*years, *_note_days(float(numbers[0]), name)]


def _say_minus(numbers: pl.Series, name: str, told: str, where: str) -> str:
    """Say it where ages have a minus sign, as models write them; empty where they have none.

    Those of the years from 1950 on have one too and fall towards the present: -70 is 2020. DataError: neither.
    """
    unit = next((years for word, years in _YEARS.items() if re.search(rf"(^|[^a-z]){word}", told.lower())), 1.0)
    low, high = float(numbers.min()) * unit, float(numbers.max()) * unit  # type: ignore[arg-type]
    most = 0.0 if re.search(r"(^|[^a-z])ago([^a-z]|$)", told.lower()) else _MOST_AFTER_PRESENT
    if low >= -most:
        return ""
    if high > most:
        raise DataError(
            f"{where}: ages from {low / unit:g} to {high / unit:g} in column {name!r} run both ways; say which "
            "with --time-direction backward (the largest is the oldest), or --time-direction forward"
        )
    return f"time {name!r}: ages with a minus sign, the largest is the latest"


def _note_days(first: float, name: str) -> Iterator[str]:
    """Say it where steps look like days that a program counts."""
    for form, low, high in DAYS:
        if low <= first < high and re.match(r"date|time", name.lower()):
            read = pl.select(instant(pl.lit(first), pl.Float64(), TableOptions(time_format=form))).item()
            yield f"time {name!r}: taken as numbers; if {first:.15g} is {read:%Y-%m-%d %H:%M}: --time-format {form}"
