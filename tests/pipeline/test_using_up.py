"""A state that is used up: each cohort goes as the next one comes, and nothing else is different."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sentinel.pipeline.state
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.snapshot import Snapshot
from tests.pipeline.streams import ar1, batch_of, by_series, cut, hourly, through
from tests.pipeline.test_pipeline import CUTS, MIXED, QUICK, mixed


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1_000), CUTS)
def test_a_state_that_is_used_up_leads_to_bitwise_the_same(seed: int, cuts: list[int]) -> None:
    pure, using = Pipeline(MIXED), Pipeline(MIXED)
    kept, used = pure.init(), using.init()
    for part in cut(mixed(seed), cuts):
        before, former = by_series(kept), kept
        kept, expected = pure.advance(kept, part)
        assert by_series(former) == before
        used, found = using.advance(used.to_use_up(), part)
        assert found == expected
    assert by_series(used) == by_series(kept)


def test_of_a_state_that_is_used_up_one_cohort_is_in_memory_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: during a tick the whole state was in memory twice, though readers need a quarter of it."""
    monkeypatch.setattr(sentinel.pipeline.state, "LARGEST", 1)
    pipeline, values = Pipeline(hourly(banks=QUICK)), ar1(1, 0.8, 101, 5)
    state = through(pipeline, [batch_of(values[:100])], finish=False).state
    snapshot = Snapshot(pipeline, state, taken_us=0)
    former = [weakref.ref(members.slower.queue) for members in state.cohorts]
    there: list[list[bool]] = []
    given_up = state.to_use_up()
    del state
    pipeline.advance(
        given_up, replace(batch_of(values[100:], first_tick=100), new_series=()),
        observer=lambda *_: there.append([array() is not None for array in former]),
    )  # fmt: skip
    assert there == [[at >= now for at in range(5)] for now in range(5)]
    assert [view.ticks for view in snapshot.views()] == [99] * 5, "who reads goes on reading what was"
