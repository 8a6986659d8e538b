"""Spans of time, numbers and moments, each with its one spelling for page, terminal, metrics, files and messages.

A duration and a season are whole microseconds. A cadence, a half-life and a budget are values of their own, since each
may be something else: a calendar month, a number of ticks, a rate. What is written parses back to an equal value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isinf, isnan
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"""Start and end."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER_US = -1

MILLISECOND, SECOND, MINUTE, HOUR, DAY = 1_000, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
MONTH, YEAR = 8_766 * HOUR // 12, 8_766 * HOUR
UNITS = {"us": 1, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
"""Units of durations as they are written in files, in microseconds."""
PERIOD_UNITS = UNITS | {"mo": MONTH, "y": YEAR}
"""Units of seasons: also the mean month, 30.4375 d, and the mean year of the Julian calendar, 365.25 d."""

_WORDS = (("years", "y"), ("days", "d"), ("h", "h"), ("min", "m"), ("s", "s"), ("ms", "ms"))
_SECONDS = {unit: size / SECOND for unit, size in PERIOD_UNITS.items()}

_LARGE = (("trillion", 1e12), ("billion", 1e9), ("million", 1e6), ("", 1.0))
LARGEST_NUMBER = 1e15
"""From here on a number is only said to be larger."""

_LONGEST = 1_000 * YEAR

_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
DURATION_PATTERN = rf"^{_NUMBER}(us|ms|s|m|h|d|w)$"
PERIOD_PATTERN = rf"^{_NUMBER}(us|ms|s|m|h|d|w|mo|y)$"
CADENCE_PATTERN = rf"^({_NUMBER}(us|ms|s|m|h|d|w)|[1-9][0-9]*(mo|y))$"
HALF_LIFE_PATTERN = rf"^{_NUMBER}(us|ms|s|m|h|d|w| ticks)$"
BUDGET_PATTERN = rf"^{_NUMBER} per {_NUMBER}(us|ms|s|m|h|d|w|mo|y)$"

DURATION_FORM = "a duration is a number and a unit, such as 30s, 5m, 12h, 7d or 4w"
PERIOD_FORM = "a season is a number and a unit, such as 12h, 1d, 1mo (30.4375 d) or 1y (365.25 d)"
CADENCE_FORM = "a cadence is a number and a unit, such as 10s, 15m, 1h or 1d, or calendar months and years: 1mo, 1y"
HALF_LIFE_FORM = "a half-life is a duration such as 12h or 70d, or a number of ticks such as 70 ticks"
BUDGET_FORM = "a budget of false alarms is written as 1 per 10y (per series)"


def number_in_words(number: float) -> str:
    """Write a number of at least 0 without an exponent: `0.02`, `3.4`, `340`, `3,400`, `1.2 million`."""
    if 0.0 < number < 0.001:
        return "below 0.001"
    if number < 9.95:
        return f"{number:.2g}"
    rounded = float(f"{number:.3g}")
    if rounded >= LARGEST_NUMBER:
        return "above 1,000 trillion"
    name, size = next(entry for entry in _LARGE if rounded >= entry[1])
    return f"{rounded / size:.3g} {name}" if name else f"{rounded:,.0f}"


def print_rounded(number: float) -> str:
    """Write a number with three digits, or with all before the point: `0.25`, `3.14`, `3,142`."""
    return f"{number:.3g}" if abs(number) < 100 else f"{number:,.0f}"


def print_decimal(number: float) -> str:
    """Write a number without an exponent and with every digit, so that it reads back as the same one."""
    return f"{Decimal(repr(number)).normalize():f}"


def threshold_label(threshold: float) -> str:
    """Write a threshold for a label or a caption: four decimals, no trailing zeros, never minus zero."""
    return f"{round(threshold, 4) + 0.0:g}"


def duration_in_words(seconds: float) -> str:
    """Write a duration with two to three digits: `42 s`, `3.5 h`, `12 days`; `unknown` for NaN."""
    if isnan(seconds):
        return "unknown"
    if isinf(seconds):
        return "unlimited"
    word, unit = next((entry for entry in _WORDS if abs(seconds) >= _SECONDS[entry[1]]), _WORDS[-1])
    number = print_rounded(seconds / _SECONDS[unit])
    return f"{number} {word[:-1] if number == '1' and word in ('years', 'days') else word}"


def span_in_words(seconds: float, digits: int = 3) -> str:
    """Write a span in the largest unit of which there are two, with that many digits: `3 d`, `60 m`, `114,000 y`."""
    unit = next((unit for unit in ("y", "d", "h", "m") if seconds >= 2 * _SECONDS[unit]), "s")
    number = float(f"{seconds / _SECONDS[unit]:.{digits}g}")
    return f"{number:g} {unit}" if number < 1_000 else f"{number:,.0f} {unit}"


def moment_in_words(time_us: int, cadence_us: float = 0.0) -> str:
    """Write a moment as `2019-08-04 13:00:05 UTC`, leaving out what is zero at its end; `never` for -1.

    The end of a tick of a day or more is written as the day of its stamp, which lies in its middle.
    """
    if time_us == NEVER_US:
        return "never"
    if cadence_us >= DAY:
        time_us = (time_us - round(cadence_us / 2)) // DAY * DAY
    try:
        moment = EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return f"{time_us} µs"
    if (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment.second == 0 else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def moment_iso(time_us: int) -> str | None:
    """Write a moment in ISO 8601 for machines; None for -1 and for what no calendar holds."""
    if time_us == NEVER_US:
        return None
    try:
        return (EPOCH + timedelta(microseconds=time_us)).isoformat()
    except OverflowError:
        return None


def print_season(microseconds: int) -> str:
    """Write microseconds in years or months where they divide, else like a duration: `1y`, `24h`."""
    return print_duration(microseconds, PERIOD_UNITS)


def print_duration(microseconds: int, units: Mapping[str, int] = UNITS) -> str:
    """Write microseconds in the largest unit that divides them, weeks left out: `90m`, `7d`, `1500ms`, `0s`."""
    if microseconds == 0:
        return "0s"
    unit = max((unit for unit in units if unit != "w" and microseconds % units[unit] == 0), key=units.__getitem__)
    return f"{microseconds // units[unit]}{unit}"


def print_size(size: int) -> str:
    """Write bytes in the largest unit that divides them: `2GiB`, `1500B`."""
    for unit, scale in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size % scale == 0 and size >= scale:
            return f"{size // scale}{unit}"
    return f"{size}B"


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Put spans that touch together; in order, and none touches the next."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _parse(text: str, units: dict[str, int], form: str) -> int:
    """Read a number and a unit as whole microseconds; ValueError with `form` where it is not that."""
    match = re.fullmatch(rf"({_NUMBER})([a-z]+)", text)
    if match is None or match[2] not in units:
        raise ValueError(form)
    span = Fraction(match[1]) * units[match[2]]
    if span.denominator != 1:
        raise ValueError(f"{form}, in whole microseconds")
    if span > _LONGEST:
        raise ValueError(f"{form}, at most 1000 years")
    return int(span)


def parse_duration(text: str) -> int:
    """Read ``12h`` as microseconds; ValueError says how durations are written."""
    return _parse(text, UNITS, DURATION_FORM)


def parse_season(text: str) -> int:
    """Read a duration, or ``1mo`` (30.4375 d) or ``1y`` (365.25 d); ValueError says the form."""
    return _parse(text, PERIOD_UNITS, PERIOD_FORM)


@dataclass(frozen=True, slots=True)
class Cadence:
    """Nominal spacing of a series' grid, made by `fixed`, `calendar` or `parse`: microseconds, or calendar months."""

    microseconds: int
    """Length of a tick; for calendar cadences the mean length."""
    months: int = 0
    """Calendar months per tick; 0 for fixed cadences."""

    @classmethod
    def fixed(cls, microseconds: int) -> Cadence:
        """Make a cadence of that many microseconds; ValueError unless positive."""
        if microseconds <= 0:
            raise ValueError("a cadence is longer than 0s")
        return cls(int(microseconds))

    @classmethod
    def calendar(cls, months: int) -> Cadence:
        """Make a cadence of that many calendar months; ValueError unless positive."""
        if months <= 0:
            raise ValueError("a calendar cadence is at least 1mo")
        return cls(months * MONTH, months)

    @classmethod
    def parse(cls, text: str) -> Cadence:
        """Read ``15m``, ``1d``, ``1mo``, ``1y``; ValueError says how cadences are written."""
        match = re.fullmatch(r"([1-9][0-9]{0,4})(mo|y)", text)
        if match is not None:
            return cls.calendar(int(match[1]) * (12 if match[2] == "y" else 1))
        return cls.fixed(_parse(text, UNITS, CADENCE_FORM))

    @property
    def seconds(self) -> float:
        """Length of a tick in seconds; the mean length for calendar cadences."""
        return self.microseconds / SECOND

    def __str__(self) -> str:
        if not self.months:
            return print_duration(self.microseconds)
        return f"{self.months // 12}y" if self.months % 12 == 0 else f"{self.months}mo"


@dataclass(frozen=True, slots=True)
class HalfLife:
    """Time in which a weight halves: a duration, or a number of ticks whatever the cadence."""

    microseconds: int = 0
    """The duration; 0 where it is given in ticks."""
    fixed_ticks: float = 0.0
    """The number of ticks; 0 where it is given as a duration."""

    @classmethod
    def parse(cls, text: str) -> HalfLife:
        """Read ``70d`` or ``70 ticks``; ValueError says how half-lives are written."""
        match = re.fullmatch(rf"({_NUMBER}) ?ticks?", text)
        half_life = cls(0, float(match[1])) if match else cls(_parse(text, UNITS, HALF_LIFE_FORM))
        if not half_life.microseconds and not half_life.fixed_ticks:
            raise ValueError("a half-life is longer than 0")
        return half_life

    def ticks(self, cadence: Cadence) -> float:
        """Half-life in ticks of that cadence (calendar cadences by their mean length)."""
        return self.fixed_ticks or self.microseconds / cadence.microseconds

    def __str__(self) -> str:
        return f"{print_decimal(self.fixed_ticks)} ticks" if self.fixed_ticks else print_duration(self.microseconds)


@dataclass(frozen=True, slots=True)
class Budget:
    """Number of false alarms that are acceptable per series in a stretch of calendar time."""

    alarms: float
    period_us: int
    """Microseconds; months and years by their mean length."""

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``1 per 10y``; ValueError says how budgets are written."""
        match = re.fullmatch(rf"({_NUMBER}) per ({_NUMBER}[a-z]+)", text)
        if match is None:
            raise ValueError(BUDGET_FORM)
        budget = cls(float(match[1]), _parse(match[2], PERIOD_UNITS, BUDGET_FORM))
        if budget.alarms <= 0 or budget.period_us <= 0:
            raise ValueError(f"{BUDGET_FORM}, both numbers greater than 0")
        return budget

    def alpha_per_tick(self, cadence: Cadence) -> float:
        """False alarms per tick of that cadence."""
        return self.alarms * cadence.microseconds / self.period_us

    def __str__(self) -> str:
        return f"{print_decimal(self.alarms)} per {print_season(self.period_us)}"
