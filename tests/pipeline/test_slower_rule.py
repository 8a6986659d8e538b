"""The rule "slower than it was" in the pipeline: learning, restart, comparisons, gaps, and a change of rules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sentinel.config import Settings
from sentinel.domain.spans import HOUR, Cadence
from sentinel.domain.states import REASONS, STATES, Reason, State
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.migrate import migrate
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.plan import plan_for, plan_of
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text.words import first_verdict_after
from tests.pipeline.streams import Floats, Run, ar1, batch_of, by_series, cut, hourly, run, through

LOOSE = [
    {"kind": "slower", "alpha": 1e-2},
    {"kind": "slower", "alpha": 1e-3, "severity": "critical"},
]
SLOWING = np.concatenate([np.full(600, 0.2), np.linspace(0.2, 0.97, 800)])


def states(outcome: Run) -> list[tuple[State, Reason]]:
    return [(STATES[s], REASONS[r]) for s, r in zip(outcome.rows.state, outcome.rows.reason, strict=True)]


def slowing(seed: int, series: int = 1) -> Floats:
    return ar1(seed, SLOWING, SLOWING.size, series)


def test_a_series_learns_its_own_past_before_the_default_rules_say_anything() -> None:
    outcome = run(ar1(4, 0.6, 400), hourly())
    judged = states(outcome)
    assert judged[:99] == [(State.LEARNING, Reason.WARM_UP)] * 99
    ready = [state for state, _ in judged].index(State.WATCHING)
    assert judged[99:ready] == [(State.LEARNING, Reason.BASELINE)] * (ready - 99)
    assert ready + 1 == 190, "50 points for the level, 80 pairs of the baseline, 60 that wait"
    assert ready + 1 == first_verdict_after(plan_for(hourly(), "s0", Cadence.fixed(HOUR)))
    evidence = outcome.rows.evidence
    assert np.isnan(evidence[:ready]).all()
    assert np.isfinite(evidence[ready:]).all()


def test_slowing_is_a_warning_first_and_critical_later_each_in_its_own_right() -> None:
    outcome = run(slowing(3, 12), hourly(alarms=LOOSE))
    first: dict[tuple[str, str], int] = {}
    for event in outcome.events:
        if event.what == "raised":
            first.setdefault((event.series, event.severity), event.time_us)
            assert (event.kind, event.rule, event.label) == ("slower", "slower", event.severity)
            assert event.side in ("above", "below", "swinging")
            assert -1.0 < event.threshold < 1.0
            assert event.evidence >= 0.0
    warned = {series for series, severity in first if severity == "warning"}
    assert len(warned) == 12
    critical = [series for series, severity in first if severity == "critical"]
    assert len(critical) >= 11
    assert all(first[series, "warning"] <= first[series, "critical"] for series in critical)
    alone = run(slowing(3, 12), hourly(alarms=LOOSE[1:]))
    assert [e.id for e in alone.events] == [e.id for e in outcome.events if e.severity == "critical"]


@pytest.mark.parametrize("middle", [150, 700, 1_111])
def test_a_restart_and_other_batches_change_nothing_bitwise(middle: int) -> None:
    values = slowing(5, 3)
    values[300:460, 1] = np.nan
    values[800:1_000, 2] = np.nan
    pipeline, batch = Pipeline(hourly(alarms=LOOSE)), batch_of(values)
    whole = through(pipeline, [batch])
    first, second = cut(batch, [middle * 3])
    halfway = through(pipeline, [first], finish=False)
    arrays, header = to_arrays(halfway.state)
    state = from_arrays(Pipeline(hourly(alarms=LOOSE)), arrays, header)
    state, taken = pipeline.advance(state, second, rows=True)
    state, ended = pipeline.finish(state, rows=True)
    assert [*halfway.events, *taken.events, *ended.events] == whole.events
    assert by_series(state) == by_series(whole.state)


def test_an_open_alarm_outlives_a_gap_that_is_shorter_than_its_baseline() -> None:
    values = slowing(7, 10)
    outcome = run(values, hourly(alarms=LOOSE[:1]))
    assert outcome.events
    tail = np.vstack([values, np.full((200, 10), np.nan), ar1(8, 0.2, 1, 10)])
    after = run(tail, hourly(alarms=LOOSE[:1]))
    assert [e for e in after.events if e.time_us <= outcome.events[-1].time_us] == outcome.events
    ended = [e for e in after.events if e.what == "cleared" and math.isnan(e.evidence)]
    assert ended == [], "a gap of 200 ticks ends nothing"


def test_an_open_alarm_is_told_while_its_series_learns_again_after_a_gap() -> None:
    """Only warnings, critical and blind series were looked through, and `/metrics` dropped such an alarm."""
    values = slowing(7, 10)
    tail = np.vstack([values, np.full((200, 10), np.nan), ar1(8, 0.2, 5, 10)])
    pipeline = Pipeline(hourly(alarms=LOOSE[:1]))
    found = Snapshot(pipeline, through(pipeline, [batch_of(tail)], finish=False).state, taken_us=0)
    told = [view.name for view in found.with_open_alarm()]
    assert told == [view.name for view in found.views() if any(rule.alarm_id for rule in view.rules)]
    assert State.LEARNING in {found.view(name).state for name in told}


def test_a_comparison_alarms_only_if_the_target_is_slower_than_it_was_beside_its_counterpart_too() -> None:
    series = [{"match": "s0", "counterpart": "s1", "cadence": "1h"}, {"cadence": "1h"}]
    settings = Settings.model_validate({"series": series, "alarms": LOOSE})
    alone, both = slowing(9, 2), slowing(9, 2)
    alone[:, 1] = ar1(10, 0.2, SLOWING.size)[:, 0]
    both[:, 1] = both[:, 0] + 0.2 * ar1(11, 0.0, SLOWING.size)[:, 0]  # the same weather
    raised = [
        {e.series for e in run(values, settings).events if e.what == "raised" and e.severity == "critical"}
        for values in (alone, both)
    ]
    assert "s0 - s1" in raised[0]
    assert raised[1] >= {"s0", "s1"}
    assert "s0 - s1" not in raised[1]


def test_a_rule_that_stays_keeps_its_evidence_and_its_alarm_when_others_come_and_go() -> None:
    values = slowing(12, 6)
    old = Pipeline(hourly(alarms=LOOSE))
    before = through(old, [batch_of(values[:1_200])], finish=False)
    changed = [LOOSE[1], {"threshold": 0.9, "alpha": 1e-5}]
    new = Pipeline(hourly(alarms=changed))
    state, afresh, ended = migrate(new, before.state)
    assert afresh == ()
    assert {event.label for event in ended} <= {"warning"}
    state, taken = new.advance(state, batch_of(values[1_200:], first_tick=1_200))
    _, last = new.finish(state)
    straight = run(values, hourly(alarms=LOOSE[1:]))
    later = [e.id for e in straight.events if e.time_us > before.state.cohorts[0].last.tick.max() * 3_600_000_000]
    assert [e.id for e in [*taken.events, *last.events] if e.rule == "slower"] == [
        e.id for e in straight.events if e.id in later and e.id not in {b.id for b in before.events}
    ]  # fmt: skip


def test_a_budget_of_calendar_time_never_comes_to_more_than_its_tier_allows() -> None:
    daily = {"series": [{"cadence": "1d"}]}
    pipeline = Pipeline(Settings.model_validate(daily))
    state, _ = pipeline.advance(pipeline.init(), batch_of(ar1(1, 0.5, 60), cadence_us=86_400_000_000))
    assert [rule.alpha for rule in state.keys[0][0].rules] == [1e-3, 1e-4]


@pytest.mark.parametrize("season", [[], ["24h"], ["60h"]])
@pytest.mark.parametrize(
    "alarms", [None, [{"threshold": 0.8, "alpha": 1e-3}], [{"threshold": "relative", "alpha": 1e-3}]]
)
def test_the_first_verdict_comes_when_every_message_says(
    season: list[str], alarms: list[dict[str, object]] | None
) -> None:
    entry = {"cadence": "1h", "season": season}
    chosen = Settings.model_validate({
        "series": [{"match": "s0", "counterpart": "s1", **entry}, {"match": "*", **entry}],
        "banks": {"default": {"baseline_ticks": 300}}, **({"alarms": alarms} if alarms else {}),
    })  # fmt: skip
    outcome = run(ar1(4, 0.6, 900, 2), chosen)
    for number, name in enumerate(outcome.state.names):
        plan = plan_of(chosen, "s1" if name == "s1" else "s0", name, Cadence.fixed(HOUR))
        evidence = outcome.rows.evidence[outcome.rows.series == number]
        assert int(np.flatnonzero(np.isfinite(evidence))[0]) + 1 == first_verdict_after(plan), name
