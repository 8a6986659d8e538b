"""Times of NetCDF files: numbers since a reference, as the CF conventions write them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.domain.errors import DataError

CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
"""Calendars whose days are real ones; the first two are one, with the Julian calendar before 1582."""
_UNITS_US = {
    r"d|days?": 86_400_000_000, r"h|hrs?|hours?": 3_600_000_000, r"mins?|minutes?": 60_000_000,
    r"s|secs?|seconds?": 1_000_000, r"ms|msecs?|millisecs?|milliseconds?": 1_000, r"us|microsecs?|microseconds?": 1,
    r"ns|nanosecs?|nanoseconds?": 1e-3,
}  # fmt: skip
_MONTHS = {r"months?|mon": 1, r"years?|yrs?|a|common_years?": 12}
_WRITTEN = re.compile(r"\s*(\w+)\s+since\s+(.+?)\s*", re.IGNORECASE)
_DATE = re.compile(r"(-?\d{1,5}-\d{1,2}-\d{1,2}([T ]\s*\d{1,2}(:\d{1,2}(:\d{1,2}(\.\d*)?)?)?)?)\s*(\S*)")
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")
_STAMP = pl.Datetime("us", "UTC")


class CfTime(NamedTuple):
    """The scale of a time variable: `unit` microseconds, or `months` calendar months, since the reference."""

    unit: float
    months: int
    reference: int
    """Microseconds from 1970, UTC."""

    def stamps(self, numbers: NDArray[np.float64]) -> pl.Series:
        """Give numbers as instants; null where there is no number, or none of a time that fits."""
        known = np.isfinite(numbers) & (np.abs(numbers) < 1e18 / max(self.unit, 1.0))
        if self.months:
            return self._months(numbers, known)
        # Days and hours with fractions carry no microseconds, only the error of their last binary digit.
        step = 1_000 if self.unit > 1_000_000 else 1
        shift = np.round(np.where(known, numbers, 0.0) * (self.unit / step)).astype(np.int64) * step
        return _series(np.where(np.abs(shift) < 1 << 62, shift + self.reference, np.iinfo(np.int64).max), known)

    def _months(self, numbers: NDArray[np.float64], known: NDArray[np.bool_]) -> pl.Series:
        """Months since a date: whole numbers are the same moment of another month, fractions a share of the month."""
        known = known & (np.abs(numbers) * self.months < 120_000)
        months = np.where(known, numbers, 0.0) * self.months
        whole = np.floor(months)
        first = pl.Series([self.reference]).cast(pl.Datetime("us"))[0]
        frame = pl.DataFrame({"whole": whole.astype(np.int64), "part": months - whole}).with_columns(
            low=pl.lit(first).dt.offset_by(pl.col("whole").cast(pl.String) + "mo"),
            high=pl.lit(first).dt.offset_by((pl.col("whole") + 1).cast(pl.String) + "mo"),
        )
        low, high = (frame[name].cast(pl.Int64).to_numpy() for name in ("low", "high"))
        return _series(low + np.round(frame["part"].to_numpy() * (high - low)).astype(np.int64), known)


def _series(stamps: NDArray[np.int64], known: NDArray[np.bool_]) -> pl.Series:
    return pl.DataFrame({"t": stamps, "k": known}).select(pl.when("k").then("t").cast(_STAMP)).to_series()


def parse_cf_time(variable: Any, where: str) -> CfTime | None:
    """Read the units of a time variable; None where they are no time since a reference, DataError where not known."""
    import cftime

    written, name = str(getattr(variable, "units", "")), variable.name
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    calendar = str(getattr(variable, "calendar", "standard")).lower()
    if calendar not in CALENDARS:
        raise DataError(
            f"{where}: time {name!r} is in calendar {calendar!r}, that of a model, which has no real dates; "
            f"{', '.join(CALENDARS)} are read; rewrite it with real dates (such as cdo setcalendar,standard), or "
            "name another time with --time-column"
        )
    unit = next((us for names, us in _UNITS_US.items() if re.fullmatch(names, found[1].lower())), 0)
    months = next((n for names, n in _MONTHS.items() if re.fullmatch(names, found[1].lower())), 0)
    try:
        date, east_us = _split_offset(found[2])
        first = cftime.num2date(0, f"seconds since {date}", calendar)
        reference = int(cftime.date2num(first, "microseconds since 1970-01-01", calendar)) - east_us
    except (ValueError, OverflowError, TypeError) as error:
        raise DataError(f"{where}: time {name!r}: units {written!r} name no date ({error})") from error
    if not unit and not months:
        raise DataError(
            f"{where}: time {name!r}: units {written!r}; years, months, days, hours, minutes, seconds and their parts "
            "since a date are read"
        )
    return CfTime(unit, months, reference)


def _split_offset(text: str) -> tuple[str, int]:
    """Take the offset from UTC, microseconds, off a date; ValueError where it is none: cftime would pass over it."""
    found = _DATE.fullmatch(text)
    zone = found[6] if found else ""
    offset = _OFFSET.fullmatch(zone)
    if found is None or not (offset or zone.upper() in ("", "Z", "UTC", "GMT")):
        raise ValueError("a date, a time of day and an offset such as +02:00 are allowed")
    minutes = 60 * int(offset[2]) + int(offset[3] or 0) if offset else 0
    return found[1], (-1 if offset and offset[1] == "-" else 1) * minutes * 60_000_000
