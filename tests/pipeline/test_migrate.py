"""A change of settings, applied to a state."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sentinel.pipeline.state
from sentinel.config import Settings
from sentinel.pipeline.cohort import take_series
from sentinel.pipeline.migrate import migrate
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.text.claims import body_of, sentence_of
from tests.laws import examples
from tests.pipeline.streams import HOUR_US, ar1, batch_of, by_series, hourly, numbered, through

QUICK = {"default": {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60}}
ALARMS = [{"threshold": 0.3, "alpha": 0.05, "at_start": "alarm"}]
BASE = {"banks": QUICK, "alarms": ALARMS}


def seen(chosen: Settings, ticks: int = 150, series: int = 3) -> PipelineState:
    pipeline = Pipeline(chosen)
    return through(pipeline, [batch_of(ar1(2, 0.9, ticks, series))], finish=False).state


def split(found: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """The parts of one series' state."""
    parts: dict[str, dict[str, bytes]] = defaultdict(dict)
    for name, data in found.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = data
    return parts


def test_the_same_plan_is_untouched() -> None:
    state = seen(hourly(**BASE))
    after, anew, ended = migrate(Pipeline(hourly(**BASE, web={"max_series": 5})), state)
    assert after is state
    assert (anew, ended) == ((), ())
    elsewhere = hourly(**BASE, web={"max_series": 5})
    assert migrate(Pipeline(elsewhere), state, hourly(**BASE)) == (state, (), ())


def test_another_patience_with_silence_touches_nothing_else() -> None:
    state = seen(hourly(**BASE))
    assert (state.cohorts[0].alarm.raised >= 0).any()
    after, anew, ended = migrate(Pipeline(hourly(**BASE, stale_after="9h")), state)
    assert (anew, ended) == ((), ())
    assert after.keys[0][0].stale_after_us == 9 * HOUR_US
    for name, found in by_series(after).items():
        before = by_series(state)[name]
        assert {k for k in found if found[k] != before[k]} == {"plan"}


def test_other_rules_keep_the_cells_and_a_rule_that_stays_keeps_its_evidence_and_its_alarm() -> None:
    state = seen(hourly(**BASE))
    pipeline = Pipeline(hourly(banks=QUICK, alarms=[*ALARMS, {"threshold": 0.6, "alpha": 0.01, "at_start": "alarm"}]))
    after, anew, ended = migrate(pipeline, state)
    assert anew == ()
    assert ended == ()
    for name, found in by_series(after).items():
        parts, before = split(found), split(by_series(state)[name])
        for part in ("grid", "conditioner", "bank"):
            assert parts[part] == before[part]
        rules = len(ALARMS)
        wealth, had = (np.frombuffer(p["evidence"]["wealth"]) for p in (parts, before))
        assert wealth[: had.size].tobytes() == had.tobytes()
        assert set(wealth[had.size :]) == {0.0}
        raised, open_before = (np.frombuffer(p["alarm"]["raised"], np.int64) for p in (parts, before))
        assert raised.tolist() == [*open_before.tolist(), -1]
        assert len(open_before) == rules
        assert parts["alarm"]["state"] == before["alarm"]["state"]
        del parts["last"]["evidence"], before["last"]["evidence"]
        assert parts["last"] == before["last"]
    through(pipeline, [batch_of(ar1(3, 0.5, 50, 3), first_tick=150)], state=after)


@pytest.mark.parametrize(
    "changes", [{"banks": {"default": {"half_life": "30 ticks"}}}, {"range": [-9, 9]}, {"aggregate": "mean"}]
)
def test_any_other_plan_starts_afresh_and_loses_no_open_observation(changes: dict[str, object]) -> None:
    state = seen(hourly(**BASE))
    pipeline = Pipeline(hourly(**(BASE | changes)))  # type: ignore[arg-type]
    after, anew, _ = migrate(pipeline, state)
    assert anew == ("s0", "s1", "s2")
    outcome = through(pipeline, [batch_of(ar1(3, 0.5, 50, 3), first_tick=150)], state=after)
    mine = outcome.rows.series == 0
    assert outcome.rows.tick[mine].tolist() == list(range(149, 200)), "the tick that was open, and no other number"
    afresh = through(pipeline, [batch_of(np.vstack([ar1(2, 0.9, 150, 3)[149:], ar1(3, 0.5, 50, 3)]))])
    assert outcome.rows.readings.tobytes() == afresh.rows.readings.tobytes()


def test_another_cadence_lays_a_new_grid_and_loses_no_open_observation() -> None:
    state = seen(hourly(**BASE))
    pipeline = Pipeline(Settings.model_validate({"series": [{"cadence": "2h"}], **BASE}))
    after, anew, _ = migrate(pipeline, state)
    assert len(anew) == 3
    assert after.cohorts[0].grid.pending_us.tolist() == [149 * HOUR_US] * 3
    outcome = through(pipeline, [batch_of(ar1(3, 0.5, 51, 3), first_tick=150)], state=after)
    assert outcome.late == 0
    assert outcome.rows.time_us[outcome.rows.series == 0].tolist() == [(149 + 2 * k) * HOUR_US for k in range(27)]


def test_only_the_series_whose_settings_change_start_afresh() -> None:
    state = seen(hourly(**BASE))
    entries = [{"match": "s1", "cadence": "1h", "max_gap": "9h"}, {"cadence": "1h"}]
    chosen = Settings.model_validate({"series": entries, **BASE})
    after, anew, _ = migrate(Pipeline(chosen), state)
    assert anew == ("s1",)
    before, found = by_series(state), by_series(after)
    assert (found["s0"], found["s2"]) == (before["s0"], before["s2"])
    back, anew, _ = migrate(Pipeline(hourly(**BASE)), after)
    assert anew == ("s1",)
    assert len(back.keys) == 1
    assert by_series(back)["s0"] == before["s0"]


def test_a_learnt_cadence_stays_and_waiting_series_wait_on() -> None:
    chosen = Settings.model_validate(BASE)
    values = ar1(2, 0.9, 80, 2)
    values[:50, 1] = np.nan
    state = through(Pipeline(chosen), [numbered(batch_of(values))], finish=False).state
    assert list(state.waiting) == [1]
    after, anew, _ = migrate(Pipeline(Settings.model_validate({"alarms": ALARMS})), state)
    assert anew == ("s0",)
    assert after.keys[0][0].cadence_us == HOUR_US
    assert list(after.waiting) == [1]


def test_alarms_that_were_open_end_with_the_evidence_they_stood_on() -> None:
    pipeline = Pipeline(hourly(**BASE))
    run = through(pipeline, [batch_of(ar1(2, 0.9, 150, 3))], finish=False)
    raised = {event.alarm_id for event in run.events if event.what == "raised"}
    cleared = {event.alarm_id for event in run.events if event.what == "cleared"}
    _, _, ended = migrate(Pipeline(hourly(banks=QUICK)), run.state)
    assert raised - cleared
    assert {event.alarm_id for event in ended} == raised - cleared
    assert {event.what for event in ended} == {"cleared"}
    assert {event.time_us for event in ended} == {149 * HOUR_US - HOUR_US // 2}
    assert "change of settings" in sentence_of(ended[0])
    json.dumps(body_of(ended[0]), allow_nan=False)


def test_series_that_come_together_fill_cohorts_up_to_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel.pipeline.state, "LARGEST", 2)
    state = seen(hourly(**BASE), series=5)
    pipeline = Pipeline(hourly(**BASE, stale_after="9h"))
    after, _, _ = migrate(pipeline, state)
    assert [members.series.tolist() for members in after.cohorts] == [[0, 1], [2, 3], [4]]
    assert [number for _, number in after.keys] == [0, 1, 2]
    more = batch_of(ar1(3, 0.5, 50, 5), first_tick=150)
    pipeline.advance(after, more)


CHANGES: list[dict[str, Any]] = [
    {"alarms": [*ALARMS, {"threshold": 0.6, "alpha": 0.01, "at_start": "alarm"}]},
    {
        "alarms": [
            {"threshold": "relative", "alpha": 0.01},
            {"match": "s[12]", "threshold": 0.3, "alpha": 0.05, "at_start": "alarm"},
        ]
    },
    {"alarms": [{"kind": "spread", "alpha": 0.01, "severity": "critical"}, *ALARMS]},
    {"series": [{"match": "s1", "cadence": "2h"}, {"cadence": "1h"}]},
    {"series": [{"match": "s[03]", "cadence": "1h", "max_gap": "9h"}, {"match": "s2", "cadence": "1h"}]},
    {"series": [{"match": "s[0-2]", "stale_after": "9h"}, {"cadence": "1h"}]},
    {"banks": QUICK | {"other": {"half_life": "30 ticks"}}, "series": [{"match": "s?", "bank": "other"}]},
]


def alone(state: PipelineState, name: str) -> PipelineState:
    """The state of one series without all others."""
    i = state.names.index(name)
    members = state.cohorts[at] if (at := int(state.cohort_of[i])) >= 0 else None
    single = replace(
        state, names=(name,), source_of=state.source_of[[i]], ids=np.array([0]),
        waiting={0: state.waiting[i]} if i in state.waiting else {},
    )  # fmt: skip
    if members is None:
        return single.with_cohorts((), ())
    part = take_series(members, state.row_of[[i]])._replace(series=np.array([0]))
    return single.with_cohorts([state.keys[at]], [part])


@pytest.mark.slow
@settings(max_examples=examples(6, 12), deadline=None)
@given(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3), st.sampled_from([2, 3, 100]))
def test_migrating_cohorts_gives_each_series_what_it_would_get_alone(
    changes: list[dict[str, Any]], largest: int
) -> None:
    state = seen(hourly(**BASE), series=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentinel.pipeline.state, "LARGEST", largest)
        for change in changes:
            chosen = Settings.model_validate({"series": [{"cadence": "1h"}], **BASE, **change})
            apart = [migrate(Pipeline(chosen), alone(state, name)) for name in state.names]
            state, anew, ended = migrate(Pipeline(chosen), state)
            expected = {name: found for single, _, _ in apart for name, found in by_series(single).items()}
            assert by_series(state) == expected
            assert anew == tuple(sorted(name for _, names, _ in apart for name in names))
            assert sorted(map(repr, ended)) == sorted(repr(event) for _, _, events in apart for event in events)
            assert all(members.series.size <= largest for members in state.cohorts)
            assert len(set(state.keys)) == len(state.keys)
            more = batch_of(ar1(4, 0.9, 20, 5), first_tick=150)
            state, _ = Pipeline(chosen).advance(state, replace(more, new_series=()))


def test_a_cohort_whose_plan_stays_keeps_its_arrays() -> None:
    state = seen(Settings.model_validate({"series": [{"match": "s0", "cadence": "2h"}, {"cadence": "1h"}], **BASE}))
    (at,) = (at for at, (plan, _) in enumerate(state.keys) if plan.cadence_us == HOUR_US)
    chosen = {"series": [{"match": "s0", "cadence": "2h", "stale_after": "1d"}, {"cadence": "1h"}], **BASE}
    after, _, _ = migrate(Pipeline(Settings.model_validate(chosen)), state)
    (now,) = (at for at, (plan, _) in enumerate(after.keys) if plan.cadence_us == HOUR_US)
    assert after.cohorts[now] is state.cohorts[at]


@given(
    st.sampled_from([{"threshold": 0.3, "at_start": "alarm"}, {"kind": "slower"}]), st.sampled_from([1e-4, 1e-2, 0.05])
)
@settings(max_examples=6, deadline=None)
def test_another_budget_keeps_the_evidence_and_an_open_alarm(rule: dict[str, Any], alpha: float) -> None:
    # Evidence is money: only the line that it is held against depends on the budget.
    state = seen(hourly(banks=QUICK, alarms=[rule | {"alpha": 0.05}]), 400)
    after, anew, ended = migrate(Pipeline(hourly(banks=QUICK, alarms=[rule | {"alpha": alpha}])), state)
    assert (anew, ended) == ((), ())
    (members,), (before,) = after.cohorts, state.cohorts
    np.testing.assert_array_equal(members.alarm.raised, before.alarm.raised)
    np.testing.assert_array_equal(members.alarm.state, before.alarm.state)
    np.testing.assert_array_equal(members.evidence.wealth, before.evidence.wealth)
    np.testing.assert_array_equal(members.slower.wealth, before.slower.wealth)
    np.testing.assert_allclose(members.last.evidence - before.last.evidence, np.log10(alpha / 0.05), atol=1e-12)


def test_what_a_rule_does_at_the_start_changes_for_new_series_only_unless_an_alarm_is_asked_for() -> None:
    state = {"threshold": 0.3, "alpha": 0.05}
    alarmed, held = seen(hourly(**BASE), 400), seen(hourly(banks=QUICK, alarms=[state]), 400)
    assert (alarmed.cohorts[0].alarm.raised >= 0).all()
    assert held.cohorts[0].evidence.held.all()
    later, anew, ended = migrate(Pipeline(hourly(banks=QUICK, alarms=[state])), alarmed)
    assert (anew, ended) == ((), ())
    assert np.array_equal(later.cohorts[0].alarm.raised, alarmed.cohorts[0].alarm.raised)
    assert not later.cohorts[0].evidence.waits.any()
    assert later.keys[0][0].rules[0].waits
    asking = Pipeline(hourly(**BASE))
    after, anew, ended = migrate(asking, held)
    assert (anew, ended) == ((), ())
    _, found = asking.advance(after, batch_of(ar1(2, 0.9, 403, 3)[400:], first_tick=400))
    assert {(event.what, event.series) for event in found.events} == {("raised", f"s{i}") for i in range(3)}
