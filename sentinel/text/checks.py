"""Checks of values in words: what they have found, and what they hold a value against."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from sentinel.domain.flags import FAIL, SUSPECT, CheckCount
from sentinel.domain.spans import Cadence
from sentinel.pipeline.limits import Limits
from sentinel.text.words import span

_GATES = {FAIL: "those that fail are missing", SUSPECT: "suspect ones and those that fail are missing"}


def checks_in_words(counts: Sequence[CheckCount]) -> str:
    """Say how many values failed a check and how many are suspect: `3 values failed a check: 2 spike, 1 range`."""
    parts = []
    for found, words in (
        ([(one.check, one.failed) for one in counts], "failed a check"),
        ([(one.check, one.suspect) for one in counts], "suspect"),
    ):
        total = sum(number for _, number in found)
        if total:
            named = ", ".join(f"{number:,} {check.replace('_', ' ')}" for check, number in found if number)
            parts.append(f"{total:,} value{'s' if total > 1 else ''} {words}: {named}")
    return "; ".join(parts)


def limits_in_words(limits: Limits, cadence: Cadence) -> str:
    """Say from where on each check calls a value suspect or fails it, and what becomes of such values."""

    def time(ticks: float) -> str:
        return f"{span(ticks, cadence)} = {ticks:g} ticks" if isfinite(ticks) else ""

    def number(value: float) -> str:
        return f"{value:.4g}" if isfinite(value) else ""

    spans = limits[:2], limits[2:4]
    checks = {
        "range outside": [f"{low:g} to {high:g}" if isfinite(low) or isfinite(high) else "" for low, high in spans],
        "gap longer than": [time(ticks) for ticks in limits[4:6]],
        f"flat within {limits.tolerance:g} for": [time(ticks) for ticks in limits[6:8]],
        "change per tick beyond": [number(value) for value in limits[8:10]],
        "spike beyond": [number(value) for value in limits[10:12]],
    }
    said = [
        f"{check} {text} {grade}"
        for check, levels in checks.items()
        for text, grade in zip(levels, ("is suspect", "fails"), strict=True)
        if text
    ]
    return f"checks: {', '.join(said)}; {_GATES.get(int(limits.gate), 'they are only counted')}"
