"""Watching ticks and ticks in alarm: what alarms are counted against."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel.domain.states import STATES, State
from sentinel.pipeline.pipeline import Batch, Pipeline, Result
from sentinel.pipeline.results import Rows
from tests.laws import examples
from tests.pipeline.streams import ar1, batch_of, cut, hourly

QUICK = {"default": {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60}}
VALUES = ar1(3, np.where(np.arange(700) % 350 < 175, 0.1, 0.95), 700, 4)
VALUES[:, 3] = ar1(5, 0.95, 700)[:, 0]
VALUES[400:420, 1] = np.nan
RULE = {"threshold": 0.5, "alpha": 0.01}
JUDGED = [STATES.index(state) for state in (State.WATCHING, State.WARNING, State.CRITICAL)]


def results(pipeline: Pipeline, batches: list[Batch]) -> list[Result]:
    state, found = pipeline.init(), []
    for batch in batches:
        state, result = pipeline.advance(state, batch, rows=True)
        found.append(result)
    return [*found, pipeline.finish(state, rows=True)[1]]


def total(found: list[Result]) -> dict[tuple[str, str], tuple[int, int]]:
    watching, in_alarm = Counter(), Counter()
    for result in found:
        for rule, (one, other) in result.alarm_ticks.items():
            watching[rule] += one
            in_alarm[rule] += other
    return {rule: (watching[rule], in_alarm[rule]) for rule in watching}


def facts(rows: Rows) -> tuple[NDArray[Any], ...]:
    """Series, end, whether held, and whether there is a value and a verdict; by row."""
    return rows.series, rows.end_us, rows.held, np.isin(rows.state, JUDGED) & ~np.isnan(rows.value)


@pytest.mark.slow
@settings(max_examples=examples(30, 100))
@given(st.lists(st.integers(0, 2_800), max_size=6).map(sorted))
def test_every_judged_tick_is_watched_in_alarm_or_held_whatever_the_batches(cuts: list[int]) -> None:
    pipeline = Pipeline(hourly(alarms=[RULE], banks=QUICK))
    found = results(pipeline, list(cut(batch_of(VALUES), cuts)))
    ((watching, in_alarm),) = total(found).values()
    rows = [result.rows for result in found if result.rows is not None]
    name, end_us, held, judged = (np.concatenate(parts) for parts in zip(*map(facts, rows), strict=True))
    assert (held & judged).sum() > 300, "the last series is slow from the start"
    assert watching + in_alarm == (judged & ~held).sum()
    ended = {event.alarm_id: event.time_us for result in found for event in result.events if event.what == "cleared"}
    alarmed = np.zeros(judged.size, bool)
    for event in (event for result in found for event in result.events if event.what == "raised"):
        until = ended.get(event.alarm_id, np.inf)
        alarmed |= (name == int(event.series[1:])) & (end_us > event.time_us) & (end_us <= until)
    assert alarmed.any()
    assert in_alarm == (alarmed & judged).sum()


def test_each_rule_is_counted_for_itself_and_comparisons_count_too() -> None:
    rules = [RULE | {"at_start": "alarm"}, {"kind": "slower", "alpha": 1e-3}]
    alone, compared = (
        total(results(Pipeline(hourly(alarms=rules, banks=QUICK, **more)), [batch_of(VALUES)]))
        for more in ({}, {"match": "s0", "counterpart": "s2"})
    )
    assert set(alone) == set(compared) == {("lag1", "0.5"), ("slower", "warning")}
    assert alone["lag1", "0.5"][1] > alone["slower", "warning"][1] > 0
    assert all(sum(compared[rule]) > sum(alone[rule]) for rule in alone)
