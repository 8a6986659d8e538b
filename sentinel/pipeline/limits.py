"""The limits of the checks of a series, in ticks: a part of its plan."""

from __future__ import annotations

import math
from typing import NamedTuple

from sentinel.config import checks as settings
from sentinel.domain.flags import FAIL, SUSPECT
from sentinel.domain.spans import Cadence

_GATES = {"fail": FAIL, "suspect": SUSPECT, "none": 99}


class Limits(NamedTuple):
    """Limits in the order in which the kernel of the checks has them; infinite where there is none."""

    suspect_low: float
    suspect_high: float
    fail_low: float
    fail_high: float
    suspect_gap: float
    """Ticks from one value to the next."""
    fail_gap: float
    suspect_flat: float
    """Whole ticks."""
    fail_flat: float
    suspect_rate: float
    """Per tick."""
    fail_rate: float
    suspect_spike: float
    fail_spike: float
    tolerance: float
    gate: float
    """Least flag that is kept out."""

    @property
    def flat_line_ticks(self) -> tuple[int, ...]:
        """Lengths of flat lines that are told."""
        return tuple(int(ticks) for ticks in (self.suspect_flat, self.fail_flat) if ticks < math.inf)


def limits_of(checks: settings.CheckSettings | None, cadence: Cadence) -> Limits | tuple[()]:
    """Convert the settings of checks; empty = nothing is checked."""
    if checks is None:
        return ()
    tick, rate, flat_line = cadence.microseconds, checks.rate, checks.flat_line
    span = checks.range or settings.RangeCheck(fail=(None, None))
    per_tick = tick / rate.per if rate else 1.0
    (suspect_low, suspect_high), (fail_low, fail_high) = settings.ends_of(span.suspect), settings.ends_of(span.fail)
    suspect_gap, fail_gap = (max(1.0, level / tick) for level in _levels(checks.gap))  # neighbours have none between
    suspect_flat, fail_flat = (_whole_ticks(level / tick) for level in _levels(flat_line))
    suspect_rate, fail_rate = (level * per_tick for level in _levels(rate))
    return Limits(
        suspect_low, suspect_high, fail_low, fail_high, suspect_gap, fail_gap, suspect_flat, fail_flat, suspect_rate,
        fail_rate, *_levels(checks.spike), flat_line.tolerance if flat_line else 0.0, _GATES[checks.gate],
    )  # fmt: skip


def _levels(
    check: settings.GapCheck | settings.FlatLineCheck | settings.RateCheck | settings.SpikeCheck | None,
) -> tuple[float, float]:
    """Give the two levels of a check, infinite where there is none."""
    if check is None:
        return math.inf, math.inf
    return (
        math.inf if check.suspect is None else check.suspect,
        math.inf if check.fail is None else check.fail,
    )


def _whole_ticks(ticks: float) -> float:
    """Cut the length of a flat line to whole ticks; one too long to be told on this cadence is never reached."""
    return float(max(1, math.floor(ticks))) if ticks < settings.LONGEST_FLAT_LINE_TICKS + 1 else math.inf
