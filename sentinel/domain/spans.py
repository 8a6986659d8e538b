"""Spans of time as people write them: durations, seasons, cadences, half-lives and false-alarm budgets.

A duration and a season are whole microseconds. A cadence, a half-life and a budget are values of their own, since each
may be something else: a calendar month, a number of ticks, a rate. What is written parses back to an equal value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from sentinel.domain.spelling import PERIOD_UNITS, UNITS, print_decimal, print_duration, print_season

MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK = (UNITS[unit] for unit in ("ms", "s", "m", "h", "d", "w"))
MONTH, YEAR = (PERIOD_UNITS[unit] for unit in ("mo", "y"))

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
    """After how long a weight has halved: a duration, or a number of ticks whatever the cadence."""

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
    """How many false alarms are acceptable per series in a stretch of calendar time."""

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
