"""Pitfall 5.21: a reference that is itself disturbed, or missing."""

from __future__ import annotations

import numpy as np
import pytest

from sentinel.config import Settings
from sentinel.pipeline.pipeline import Batch, Pipeline
from tests.pipeline.streams import HOUR_US, Floats, Run, ar1, through

PAIRS, TICKS, CHANGE = 20, 1_800, 900
CALM = np.full(TICKS, 0.3)
SLOWING = np.where(np.arange(TICKS) < CHANGE, 0.3, 0.95)


def settings() -> Settings:
    entry = {"cadence": "1h", "max_gap": "60h"}
    series = [{"match": "peter/*", "reference": "paul/*"} | entry, {"match": "paul/*"} | entry]
    return Settings.model_validate(
        {"series": series, "alarms": [{"threshold": 0.45, "alpha": 1e-4, "at_start": "alarm"}]}
    )


def watched(peter: Floats, paul: Floats) -> Run:
    """Two lakes with the same variables, hour by hour; NaN = no observation."""
    values = np.hstack([peter, paul])
    tick, series = np.nonzero(~np.isnan(values))
    names = [f"{lake}/{i}" for lake in ("peter", "paul") for i in range(PAIRS)]
    new = tuple((i, name, "source") for i, name in enumerate(names))
    return through(Pipeline(settings()), [Batch(series, tick * HOUR_US, values[tick, series], new, source="source")])


def alarmed(found: Run) -> tuple[float, float]:
    """Share of the targets that alarmed by themselves, and against their references, after the change."""
    late = {event.series for event in found.events if event.what == "raised" and event.time_us > CHANGE * HOUR_US}
    pairs = {name for name in late if " - " in name}
    return sum(name.startswith("peter/") for name in late - pairs) / PAIRS, len(pairs) / PAIRS


def test_pitfall_5_21_a_reference_that_slows_lowers_the_alarm_and_never_raises_it() -> None:
    weather = 0.3 * ar1(1, 0.3, TICKS, PAIRS)
    calm, slowing = ar1(2, CALM, TICKS, PAIRS) + weather, ar1(3, SLOWING, TICKS, PAIRS) + weather
    reference = ar1(4, CALM, TICKS, PAIRS) + weather
    contaminated = 0.5 * (slowing + ar1(5, SLOWING, TICKS, PAIRS))
    alone, paired = alarmed(watched(slowing, reference))
    assert alone >= 0.95
    assert paired >= 0.9, "a target that slows beside a calm reference"
    assert alarmed(watched(slowing, slowing + 0.3 * reference))[1] <= 0.1, "what both do is no change of the target"
    assert alarmed(watched(slowing, contaminated))[1] <= paired, "a reference that slows too lowers the alarm"
    quiet, by_reference = alarmed(watched(calm, contaminated))
    assert quiet == 0.0
    assert by_reference == 0.0, "the reference alone slows: the target has done nothing"


def test_pitfall_5_21_without_its_reference_a_target_is_judged_alone_on_its_own_budget() -> None:
    reference = ar1(6, CALM, TICKS, PAIRS)
    reference[600:] = np.nan
    found = watched(ar1(7, SLOWING, TICKS, PAIRS), reference)
    alone, paired = alarmed(found)
    assert alone >= 0.95
    assert paired >= 0.9, "the reference is gone, its target is not"
    steady = watched(ar1(8, CALM, TICKS, PAIRS), reference)
    assert alarmed(steady) == pytest.approx((0.0, 0.0))
