"""Observations that come one by one, checked and collected to a frame: what cannot be used is counted and told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from math import isfinite, isinf, isnan
from typing import TypeGuard

import polars as pl

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.observation import OBSERVATIONS, Cursor, Frame, Rejection

COMPLAINTS = 10
LONGEST_NAME = 1_000
FUTURE_US = 24 * 3_600 * MICROSECONDS
"""Event times further ahead of the clock than this are refused: a wrong clock must not close years of ticks."""
MISSING = frozenset(("", "na", "n/a", "nan", "null", "none"))
"""Texts that mean: no value."""
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no name may have: they break lines or steer the terminal that lists names, or are half a one."""
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
_EPOCH, _US = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_UNITS = {"s": 10**6, "seconds": 10**6, "ms": 10**3, "milliseconds": 10**3, "us": 1, "microseconds": 1}
_NANOSECONDS = ("ns", "nanoseconds")
_DAYS = {"excel": 25_569.0, "julian": 2_440_587.5}
_ALLOWED = {
    Rejection.NOT_A_NUMBER: "a number is needed",
    Rejection.NOT_FINITE: "a finite number is needed",
    Rejection.BAD_TIME: "a time of the years 1 to 9999 is needed, in ISO 8601 or as a number in the declared unit; "
    "where clocks change, local times mean two moments or none: write them with an offset (SQL: timestamptz)",
    Rejection.FUTURE: "a time not more than a day ahead is needed; look at the clock of the sender",
    Rejection.NO_SERIES: f"the name of a series is needed: 1 to {LONGEST_NAME:,} characters, no control characters",
    Rejection.FOREIGN: "labels of another series have this name already; name more labels in series_name",
    Rejection.MALFORMED_ROW: "see docs/sources.md for the form",
}


def number_of(value: object) -> float | str:
    """Read a value as a number; else the reason why it is none."""
    if value is None:
        return Rejection.MISSING
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in MISSING:
            return Rejection.MISSING
        if "_" in text or not text.isascii():
            return Rejection.NOT_A_NUMBER
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return Rejection.NOT_A_NUMBER
    try:
        number = float(value)
    except OverflowError:
        return Rejection.NOT_FINITE
    except ValueError:
        return Rejection.NOT_A_NUMBER
    return Rejection.MISSING if isnan(number) else Rejection.NOT_FINITE if isinf(number) else number


def microseconds_of(value: object, unit: str | None = None, zone: tzinfo = UTC) -> int | None:
    """Read an instant: ISO 8601, a date or a moment, which is in `zone` where it says none; a number needs a `unit`.

    None where it is no time, or one that clocks which change in `zone` show twice or never.
    """
    try:
        if isinstance(value, str):
            value = value.strip()
            if unit is None:
                value = date.fromisoformat(value) if len(value) <= 10 else datetime.fromisoformat(value)
            else:
                value = float(value) if not value.lstrip("+-").isdigit() else int(value)
        if isinstance(value, date):
            moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=zone)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
                if zone is not UTC and moment.utcoffset() != moment.replace(fold=1).utcoffset():
                    return None
            return (moment - _EPOCH) // _US
        if unit is None or isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return None
        if unit in _NANOSECONDS:
            return int(value // 1000)
        if unit in _DAYS:  # a fraction of a day is rounded to whole seconds
            return round((float(value) - _DAYS[unit]) * 86_400) * MICROSECONDS
        return round(value * _UNITS[unit])
    except (ValueError, OverflowError, ArithmeticError):
        return None


class Rows:
    """Collects what one message or answer says; `place` counts its lines, rows or points in complaints.

    `labelled` adds labels to the key of a series.
    """

    def __init__(
        self, now_us: int, place: str = "line", prefix: str = "", labelled: Callable[[str], str] | None = None
    ) -> None:  # fmt: skip
        self._latest_us, self._place, self._prefix, self._labelled = now_us + FUTURE_US, place, prefix, labelled
        self._series: list[str] = []
        self._time_us: list[int] = []
        self._value: list[float] = []
        self.rejected: Counter[str] = Counter()
        self.complaints: list[str] = []

    def __len__(self) -> int:
        """Observations taken so far."""
        return len(self._value)

    @property
    def newest_us(self) -> int | None:
        """Newest event time that was taken."""
        return max(self._time_us, default=None)

    def add(self, series: object, time_us: int | None, value: object, place: int, came: object = None) -> None:
        """Take an observation, or count why it cannot be used; complaints repeat `came`, its time as it was written."""
        number = value if type(value) is float and isfinite(value) else number_of(value)
        if isinstance(number, str):
            self.leave_out(number, place, f"value {_shown(value)}")
        elif not _is_name(series):
            self.leave_out(Rejection.NO_SERIES, place, f"series {_shown(series)}")
        elif time_us is None or not _FIRST_US <= time_us <= _LAST_US:
            self.leave_out(Rejection.BAD_TIME, place, "its time" if came is None else f"time {_shown(came)}")
        elif time_us > self._latest_us:
            self.leave_out(Rejection.FUTURE, place, f"time {_EPOCH + time_us * _US:%Y-%m-%dT%H:%M:%SZ}")
        else:
            key = self._prefix + series
            self._series.append(self._labelled(key) if self._labelled else key)
            self._time_us.append(time_us)
            self._value.append(number)

    def leave_out(self, reason: str, place: int, came: str) -> None:
        """Count something that is no observation; a missing value is none and nobody's fault."""
        self.rejected[reason] += 1
        if reason != Rejection.MISSING:
            self.remark(f"{self._place} {place}: {came}; {_ALLOWED[reason]}")

    def remark(self, line: str) -> None:
        """Say something, as long as not much has been said."""
        if len(self.complaints) < COMPLAINTS:
            self.complaints.append(line)

    def frame(self, source: str, cursor: Cursor, watermark_us: int | None) -> Frame:
        """Make the frame, in order of time; without a watermark there is more to come."""
        time = pl.Series("time", self._time_us, dtype=pl.Int64).cast(OBSERVATIONS["time"])
        columns = {"series": pl.Series(self._series, dtype=pl.String), "time": time}
        table = pl.DataFrame({**columns, "value": pl.Series(self._value, dtype=pl.Float64)})
        return Frame(
            source, table.sort("time", maintain_order=True), cursor, watermark_us=watermark_us,
            more=watermark_us is None, rejected=dict(self.rejected), complaints=tuple(self.complaints),
        )  # fmt: skip


def _is_name(series: object) -> TypeGuard[str]:
    if not isinstance(series, str) or not 0 < len(series) <= LONGEST_NAME:
        return False
    return series.isprintable() or _UNFIT.search(series) is None


def _shown(value: object) -> str:
    return ascii(value)[:60]


def flat_numbers(value: object, path: str = "") -> Mapping[str, object]:
    """Give the numbers of a JSON value by their places: `{"air": {"temp": 3}}` has `air.temp`."""
    found: dict[str, object] = {}
    waiting = [(path, value)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, Mapping | list):
            inner = one.items() if isinstance(one, Mapping) else enumerate(one)
            waiting += reversed([(f"{path}.{key}" if path else str(key), each) for key, each in inner])
        elif isinstance(one, int | float) and not isinstance(one, bool):
            found[path] = one
    return found


def leave_out_future(
    rows: pl.DataFrame, now_us: int, where: str, time_zone: str, rejected: dict[str, int], complaints: list[str]
) -> pl.DataFrame:
    """Leave out observations that are further ahead than is allowed, count them and say it of the first."""
    is_ahead = pl.col("time").dt.epoch("us") > now_us + FUTURE_US
    ahead = rows.filter(is_ahead)
    if ahead.is_empty():
        return rows
    rejected[Rejection.FUTURE] = rejected.get(Rejection.FUTURE, 0) + ahead.height
    series, time, now = ahead["series"][0], ahead["time"][0].isoformat(), _EPOCH + now_us * _US
    complaints.append(
        f"{where}, series {series}: time {time} is in the future (it is {now:%Y-%m-%d %H:%M:%S} UTC); "
        f"at most 24h ahead is allowed; is time_zone {time_zone} right?"
    )
    return rows.filter(~is_ahead)


def rename(table: pl.DataFrame, key: Callable[[str], str]) -> pl.DataFrame:
    """Give the series of a table their keys."""
    keys = {name: key(name) for name in table["series"].unique().to_list()}
    return table.with_columns(pl.col("series").replace_strict(keys, return_dtype=pl.String)) if keys else table
