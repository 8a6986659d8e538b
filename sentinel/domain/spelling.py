"""The one spelling of numbers, durations and moments.

Page, terminal, metrics, files and messages ask here, so they all write the same thing in the same way.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isinf, isnan

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER_US = -1

_UNITS = (
    (365.25 * 86400, "years"),
    (86400.0, "days"),
    (3600.0, "h"),
    (60.0, "min"),
    (1.0, "s"),
    (1e-3, "ms"),
)

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


def threshold_label(threshold: float) -> str:
    """Write a threshold for a label or a caption: four decimals, no trailing zeros, never minus zero."""
    return f"{round(threshold, 4) + 0.0:g}"


def duration_in_words(seconds: float) -> str:
    """Write a duration with two to three digits: `42 s`, `3.5 h`, `12 days`; `unknown` for NaN."""
    if isnan(seconds):
        return "unknown"
    if isinf(seconds):
        return "unlimited"
    size, unit = next((entry for entry in _UNITS if abs(seconds) >= entry[0]), _UNITS[-1])
    number = f"{seconds / size:.3g}" if abs(seconds) < 100 * size else f"{seconds / size:,.0f}"
    return f"{number} {unit[:-1] if number == '1' and unit in ('years', 'days') else unit}"


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
