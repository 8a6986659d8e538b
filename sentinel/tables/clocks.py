"""Times of day beside a date: written with colons, as digits such as 1345, or as an hour and its minutes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

import polars as pl

from sentinel.tables.cells import MissingMarks, TableOptions, number
from sentinel.tables.decimals import ENOUGH_ROWS, texts_of
from sentinel.tables.dialects import UnfinishedError
from sentinel.tables.forms import common_forms, is_clock

_HOURS = r"hour|hh|(hour|hr)[ _]?end(ing)?|(delivery|settlement|opr)[ _]?(hour|hr)|stunde|heure"
"""Names of hours that a date beside them lacks; `hr` alone may be a rate or a humidity."""
_MINUTES = ("minute", "min", "mn")
"""Names of minutes beside an hour; `mm`, which may be rain or a month, only beside `hh`."""
_HOUR_ROWS = 60
"""Rows of an hour that has a row a minute."""
_DIGITS = (
    r"((sampl\w+|obs\w*|meas\w*|rec\w*|local|utc|gmt|start|end)[ _])?"
    r"(time|hhmm|hour_?min(ute)?s?|zeit|uhrzeit|hora|heure)"
    r"([ _]?[(\[]?(hh:?mm|utc|gmt|local|lst|lt|mez|cet|[ecmp][sd]?t)[)\]]?)?"
)
"""Names of times of day that may be written as digits: 1345, and 15 for a quarter past midnight. Others, such as
`Integration_time (ms)` or `Time to peak`, are lengths of time."""


def with_hour(
    head: pl.DataFrame, name: str, names: Sequence[str], options: TableOptions, *, growing: bool
) -> str | tuple[str, ...]:
    """Add the columns of hours and minutes to one of dates, of which each comes more than once."""
    hour = next(filter(is_hour, names), None)
    if hour is None or has_clock(head[name]) or not is_whole(head, hour, 24, options):
        return name
    texts = texts_of(head[name], options)
    if any(re.search(r"%[HI]|^[a-z]", form) for form in common_forms(texts)) or texts.str.contains(r"[T ]\d\d").any():
        return name  # it has its hour, or is a number of seconds
    by = [one for one in options.by if one in names]
    once = texts.n_unique() == texts.len()
    if once or (by and not head.select(name, *by).drop_nulls().is_duplicated().any()):
        if growing and head.height < ENOUGH_ROWS:
            raise UnfinishedError
        if texts.len() > 1:
            return name  # one row a day of each series: the hour is a value, such as that of the highest temperature
    known = (*_MINUTES, "mm") if hour.lower() == "hh" else _MINUTES
    minute = next((one for one in names if one.lower() in known and is_whole(head, one, 59, options)), None)
    return (name, hour) if minute is None else (name, hour, minute)


def is_hour(name: str) -> bool:
    """True for a name that columns of hours have."""
    return re.fullmatch(_HOURS, name.lower()) is not None


def is_whole(head: pl.DataFrame, name: str, most: int, options: TableOptions) -> bool:
    """True for a column of whole numbers from 0 to `most`."""
    numbers = numbers_of(head, name, options)
    return not numbers.is_empty() and bool((numbers.is_between(0, most) & (numbers.round() == numbers)).all())


def numbers_of(head: pl.DataFrame, name: str, options: TableOptions) -> pl.Series:
    """The cells of a column that are numbers."""
    return head.select(number(pl.col(name), head[name].dtype, options)).to_series().drop_nulls()


def rises_by_one(numbers: pl.Series) -> bool:
    """True for numbers of rows."""
    return numbers.len() > 0 and bool((numbers.diff().drop_nulls() == 1).all())


def has_clock(cells: pl.Series) -> bool:
    """True for times that have a time of day already; spreadsheets write a date as midnight."""
    if isinstance(cells.dtype, pl.Datetime):
        # Counted by hand: no part of a stamp outside of the calendar can be asked for.
        a_day = 86_400 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[cells.dtype.time_unit]
        return cells.dtype.time_zone is not None or bool((cells.to_physical() % a_day != 0).any())
    return cells.dtype == pl.String and bool(cells.head(100).str.contains(r"\d:\d\d").any())


def is_of_clock(cells: pl.Series, options: TableOptions) -> bool:
    """True for a column of times of day without a date."""
    if cells.dtype != pl.String:
        return cells.dtype == pl.Time
    # Cell by cell: the first one tells for nearly every column, and an expression for each costs more than all of them.
    marks = MissingMarks.of(options).texts
    texts = (cell.strip() for cell in cells.head(100).to_list() if cell is not None)
    told = [is_clock(text) for text in islice((text for text in texts if text not in marks), 20)]
    return bool(told) and all(told)


def is_of_digits(head: pl.DataFrame, name: str, options: TableOptions, *, growing: bool = False) -> bool:
    """True for a column named as a time of day whose whole numbers are hours and minutes, such as 1345.

    UnfinishedError: the first rows of a growing file are of the first hour of a day, which may be any numbers.
    """
    if not re.fullmatch(_DIGITS, name.lower()):
        return False
    numbers = numbers_of(head, name, options)
    fits = numbers.is_between(0, 2400) & (numbers % 100 < 60) & (numbers.round() == numbers)
    if numbers.is_empty() or not fits.all():
        return False
    if growing and head.height <= _HOUR_ROWS and numbers.max() < 100:  # type: ignore[operator]
        raise UnfinishedError
    if growing and numbers.n_unique() == 1 and head.height < ENOUGH_ROWS:
        raise UnfinishedError  # a second number tells a clock
    return numbers.n_unique() > 1 and bool((numbers >= 100).any())
