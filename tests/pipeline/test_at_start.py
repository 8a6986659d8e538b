"""An absolute threshold means nothing at an arbitrary sampling rate: what is above it from the start is held."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel.domain.states import State
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.snapshot import Snapshot
from tests.pipeline.streams import Run, ar1, hourly, run

SERIES = 100
RULE = {"threshold": 0.8, "alpha": 1e-4}


def watched(values: NDArray[np.float64], **more: str) -> tuple[Run, list[bool], set[str]]:
    """What came out, which series are held at the end, and which have raised an alarm."""
    chosen = hourly(alarms=[RULE | more])
    found = run(values, chosen)
    snapshot = Snapshot(Pipeline(chosen), found.state, taken_us=0)
    held = [snapshot.view(f"s{i}").held for i in range(values.shape[1])]
    return found, held, {event.series for event in found.events if event.what == "raised"}


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "least"), [(0.99, 0.95), (0.95, 0.95), (0.9, 0.75)])
def test_what_is_sampled_too_fast_for_the_threshold_is_held_and_does_not_alarm(rho: float, least: float) -> None:
    values = ar1(31, rho, 3_000, SERIES)
    found, held, alarmed = watched(values)
    print(f"\nAR(1) at {rho}: {np.mean(held):.2f} held, {len(alarmed) / SERIES:.2f} alarmed")
    assert np.mean(held) >= least
    assert len(alarmed) <= SERIES * (1.05 - least)
    assert set(found.rows.state[found.rows.held]) == {list(State).index(State.WATCHING)}
    _, none, always = watched(values, at_start="alarm")
    assert len(always) == SERIES
    assert not any(none)


@pytest.mark.parametrize(
    "rest", [pytest.param(0.5, marks=pytest.mark.slow), 0.6, pytest.param(0.7, marks=pytest.mark.slow)]
)
def test_what_becomes_slow_on_the_way_alarms_as_early_as_without_the_setting(rest: float) -> None:
    values = ar1(32, np.linspace(rest, 0.97, 850), 850, SERIES)
    (found, held, alarmed), (plain, _, always) = watched(values), watched(values, at_start="alarm")
    print(f"\nfrom {rest}: {np.mean(held):.2f} held, {len(alarmed)} of {len(always)} alarmed")
    assert len(always) >= 0.5 * SERIES
    assert len(alarmed) >= 0.95 * len(always)
    mine = {event.id for event in found.events}
    assert {event.id for event in plain.events if event.series in alarmed} == mine
