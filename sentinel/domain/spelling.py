"""The one spelling of numbers, durations and moments, for page, terminal, metrics, files and messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isinf, isnan

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER_US = -1

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
UNITS = {"us": 1, "ms": 1_000, "s": _SECOND, "m": 60 * _SECOND, "h": 3_600 * _SECOND, "d": _DAY, "w": 7 * _DAY}
"""Units of durations as they are written in files, in microseconds."""
PERIOD_UNITS = UNITS | {"mo": 8_766 * 3_600 * _SECOND // 12, "y": 8_766 * 3_600 * _SECOND}
"""Units of seasons: also the mean month, 30.4375 d, and the mean year of the Julian calendar, 365.25 d."""

_WORDS = (("years", "y"), ("days", "d"), ("h", "h"), ("min", "m"), ("s", "s"), ("ms", "ms"))
_SECONDS = {unit: size / _SECOND for unit, size in PERIOD_UNITS.items()}

_LARGE = (("trillion", 1e12), ("billion", 1e9), ("million", 1e6), ("", 1.0))
LARGEST_NUMBER = 1e15
"""From here on a number is only said to be larger."""


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


def moment_in_words(time_us: int) -> str:
    """Write a moment as `2019-08-04 13:00:05 UTC`, leaving out what is zero at its end; `never` for -1."""
    if time_us == NEVER_US:
        return "never"
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
