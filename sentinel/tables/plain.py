"""The short way from the bytes of a wide CSV table to its values, for lines that hold nothing but numbers.

Polars reads a single row, of a file that is followed, in a millisecond. Whatever is not plain (a quote, a cell that is
neither a number nor missing, other fields than the header, a time that means two moments) goes the long way through
`parsing.py`, which says what is wrong with it. Both ways give the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.observation import OBSERVATIONS
from sentinel.tables.cells import ASKED_UTC, WHITESPACE, MissingMarks, TableOptions
from sentinel.tables.columns import patterns_of
from sentinel.tables.complaints import LONGEST_NAME_BYTES
from sentinel.tables.naming import SITES, is_one_of
from sentinel.tables.reading import Head
from sentinel.tables.shapes import Shape
from sentinel.tables.times import instant

_NUMBER = b"0123456789+-.eE"
_PLAIN = _NUMBER + b":TZ \n"
"""Letters of which numbers and times are made. `float` reads no more of them than polars does."""
_ISO = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST_YEAR, _LAST_YEAR = b"0002", b"9998"
"""An offset moves a time by less than a year: between these every moment has a name."""
TIMES_KEPT = 10_000
"""Texts of times of which the moments are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class PlainRows:
    """Whole rows of a wide table."""

    names: tuple[str, ...]
    time_us: NDArray[np.int64]
    """Shape (rows,)."""
    value: NDArray[np.float64]
    """Shape (rows, names), NaN = missing."""


class Unfolding:
    """Brings wide rows to a table of observations, which has the name of the series in each row."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, ...], int] = {}
        """Place in `_names` of the first of some names that stand side by side in a table."""
        self._names = pl.Series("series", dtype=pl.String)

    def unfold(self, tables: Iterable[PlainRows]) -> pl.DataFrame:
        """Table after table, in each column after column; missing values are left out."""
        places, times, values = [], [], []
        for rows in tables:
            first = self._first.get(rows.names)
            if first is None:
                first = self._first[rows.names] = self._names.len()
                self._names.append(pl.Series("series", rows.names, pl.String))
            places.append(np.repeat(np.arange(first, first + len(rows.names)), rows.time_us.size))
            times.append(np.tile(rows.time_us, len(rows.names)))
            values.append(rows.value.T.ravel())
        place, time_us, value = np.concatenate(places), np.concatenate(times), np.concatenate(values)
        known = ~np.isnan(value)
        if not known.all():
            place, time_us, value = place[known], time_us[known], value[known]
        return pl.DataFrame(
            {"series": self._names.gather(place), "time": pl.Series(time_us).cast(OBSERVATIONS["time"]), "value": value}
        )


class PlainLayout:
    """The places of the columns in the lines of a table that can be read the short way."""

    def __init__(self, head: Head, options: TableOptions, shape: Shape, moments: Moments) -> None:
        self.names, self._moments = shape.values, moments
        self._separator, self._fields = options.separator.encode(), len(head.columns)
        self._time = head.columns.index(options.time_name)
        at = {name: place for place, name in enumerate(head.columns)}
        places = [at[name] for name in shape.values]
        side_by_side = places == [*range(places[0], places[-1] + 1)]
        self._values = itemgetter(slice(places[0], places[-1] + 1)) if side_by_side else itemgetter(*places)
        marks = MissingMarks.of(options)
        self._marks = frozenset([b"", *(mark.encode() for mark in marks.texts if mark == mark.strip())])
        self._numbers = marks.numbers
        self._comment = (options.comment or "\n").encode()
        self._plain = _PLAIN + self._separator

    @classmethod
    def of(cls, head: Head, options: TableOptions, shape: Shape, moments: Moments) -> PlainLayout | None:
        """The layout of a table, None where its options ask for more than numbers."""
        names = head.columns
        is_plain = (
            head.codec == "utf-8" and options.separator != WHITESPACE and len(options.separator.encode()) == 1
            and options.separator.encode() not in _PLAIN and options.decimal == "." and options.thousands is None
            and not options.flags and not options.by and not options.fill_down
            and shape.series is None and len(options.time_columns) == 1
            and options.layout != "months" and options.time_name in names and set(shape.values) <= set(names)
            and options.time_name not in shape.values and len(set(names)) == len(names)
            and not patterns_of(options.transform, "log") and not MissingMarks.of(options).by_column
            and len(set(shape.values)) == len(shape.values) > 0
            and not any("\N{REPLACEMENT CHARACTER}" in name for name in shape.values)
            and not any(is_one_of(name, SITES) for name in set(names) - set(shape.values))
            and all(len(name.encode()) <= LONGEST_NAME_BYTES for name in shape.values)
        )  # fmt: skip
        return cls(head, options, shape, moments) if is_plain else None

    def read(self, piece: bytes) -> PlainRows | None:
        """Read whole lines; None where one of them is not plain."""
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n")
        if b'"' in piece or b"\r" in piece or not piece.endswith(b"\n"):
            return None
        read = self._read_numbers if not piece.translate(None, self._plain) else self._read_cells
        times: list[bytes] = []
        values: list[float] = []
        for line in piece[:-1].split(b"\n"):
            cells = line.split(self._separator)
            if len(cells) != self._fields or line.startswith(self._comment):
                return None
            found = read(self._values(cells))
            if found is None:
                return None
            times.append(cells[self._time])
            values += found
        time_us = self._moments.read(times)
        if time_us is None:
            return None
        value = np.array(values).reshape(len(times), len(self.names))
        if np.isinf(value).any():
            return None
        if self._numbers:
            value[np.isin(value, self._numbers)] = np.nan
        return PlainRows(self.names, np.array(time_us, np.int64), value)

    def _read_numbers(self, cells: Sequence[bytes]) -> list[float] | None:
        """Read cells that are made of the letters of numbers."""
        try:
            return list(map(float, cells))
        except ValueError:
            return self._read_cells(cells)

    def _read_cells(self, cells: Sequence[bytes]) -> list[float] | None:
        """Read cells one by one; None where one is neither a number nor a mark of a missing value."""
        found = []
        for cell in cells:
            if cell in self._marks:
                found.append(math.nan)
            elif cell.translate(None, _NUMBER):
                return None
            else:
                try:
                    found.append(float(cell))
                except ValueError:
                    return None
        return found


class Moments:
    """Reads times that are written in one form, and keeps what it has read: many files have the same."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options
        self._known: dict[bytes, int | None] = {}

    def read(self, texts: Sequence[bytes]) -> list[int] | None:
        """Microseconds UTC of each; None where one is no time, or means two moments."""
        known = self._known
        unknown = [text for text in dict.fromkeys(texts) if text not in known]
        if len(known) + len(unknown) > TIMES_KEPT:
            known.clear()
            unknown = list(dict.fromkeys(texts))
        if unknown and self._options.time_format is None:
            known.update({text: _parse_iso(text, self._options.time_zone) for text in unknown})
            unknown = [text for text in unknown if known[text] is None]
        if unknown:
            known.update(zip(unknown, self._parse(unknown), strict=True))
        found = [known[text] for text in texts]
        return None if None in found else found  # type: ignore[return-value]

    def _parse(self, texts: Sequence[bytes]) -> Iterator[int | None]:
        """Read times of any form."""
        cells = pl.DataFrame({"text": [text.decode(errors="replace") for text in texts]})
        first, second = (
            instant(pl.col("text"), pl.String(), self._options, which).cast(pl.Int64).alias(which)
            for which in ("earliest", "latest")
        )
        for one, other in cells.select(first, second).iter_rows():
            yield one if one == other else None


def _parse_iso(text: bytes, time_zone: str) -> int | None:
    """Read the usual forms of ISO 8601; None for all others."""
    if not _ISO.fullmatch(text) or not _LEAST_YEAR <= text[:4] <= _LAST_YEAR:
        return None
    try:
        moment = datetime.fromisoformat(text.decode())
    except ValueError:
        return None
    if moment.tzinfo is None:
        if time_zone not in ("UTC", ASKED_UTC):
            return None
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
