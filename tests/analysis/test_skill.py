"""What alarms were worth: True, False and Late, lead, exposure, budget, and the rivals beside."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.analysis.intervals import count_interval, share_interval
from sentinel.analysis.labels import Phase, make_timelines
from sentinel.analysis.skill import compare, compute_indicators, measure
from sentinel.analysis.verdicts import describe_skill
from tests.analysis.labelling import LENGTH, codes, label, record, ticks

DAY_SECONDS = 86_400


def judged(records, labels, own=None):
    lines = make_timelines(labels, records)
    held = {r.name: (own or {}).get(r.name) or ticks() for r in records if r.name in lines}
    skill = measure(records, lines, held, {name: codes(each) for name, each in held.items()})
    return skill, compare(skill, records, lines, held)


def words(records, labels, own=None) -> str:
    made = describe_skill(*judged(records, labels, own))
    return "\n".join([*made.words, *made.limits])


def test_only_an_alarm_before_the_event_and_after_the_start_is_a_warning():
    alarms = ((10.5, 12.5), (40.5, 41.5), (44.5, None), (50.5, None), (80.5, None))
    labels = [label("start", 30), label("transition", 50), label("end", 70)]
    skill, _ = judged([record(alarms=alarms)], labels)
    assert [judged.stretch.phase.value for judged in skill.alarms] == [
        "false alarm",
        "true alarm",
        "true alarm",
        "late alarm",
        "false alarm",
    ]
    (event,) = skill.events
    assert event.alarm is not None
    assert event.alarm.time_us == skill.alarms[1].alarm.time_us, "the lead is that of the first warning"
    assert event.lead == 9.5 * DAY_SECONDS
    assert event.still_open


def test_an_alarm_at_the_moment_of_the_event_is_late_and_one_at_the_start_is_in_time():
    skill, _ = judged([record(alarms=((30, None), (50, None)))], [label("start", 30), label("transition", 50)])
    assert [judged.stretch.phase for judged in skill.alarms] == [Phase.EXPECTED, Phase.LATE]


def test_an_alarm_at_the_moment_of_the_event_alone_does_not_detect_it():
    skill, _ = judged([record(alarms=((50, None),))], [label("start", 30), label("transition", 50)])
    assert (len(skill.leads), skill.events[0].alarm) == (0, None)


def test_a_warning_that_was_cleared_before_the_event_detects_it_and_is_not_still_open():
    skill, _ = judged([record(alarms=((40.5, 45.5),))], [label("start", 30), label("transition", 50)])
    assert (len(skill.leads), skill.events[0].still_open) == (1, False)


def test_an_alarm_from_quiet_time_that_is_still_open_is_false_and_does_not_detect_the_event():
    skill, _ = judged([record(alarms=((20.5, None),))], [label("start", 30), label("transition", 50)])
    assert skill.count(Phase.QUIET) == 1
    assert skill.leads == ()


def test_exposure_counts_ticks_with_a_verdict_and_the_budget_those_at_which_a_rule_could_alarm():
    states = [("learning", 40), ("watching", 20), ("warning", 10), ("blind", 5), ("watching", 25)]
    own = ticks()._replace(states=pl.Series([state for state, number in states for _ in range(number)]))
    skill, _ = judged([record(alarms=((60.5, 70.5),))], [label("control")], {"x": own})
    assert skill.quiet.ticks == 55, "of 60 that are not learning 5 are blind"
    assert skill.quiet.under_alarm == 10
    assert skill.quiet.seconds == 55 * DAY_SECONDS
    assert skill.budget == pytest.approx(45 * 1e-3)


def test_realised_stands_against_declared_budget_with_an_exact_interval():
    told = words([record(alarms=((60.5, 70.5), (80.5, 85.5)))], [label("control")])
    low, high = count_interval(2)
    assert "at most 0.1 false alarms were declared there" in told
    assert f"2 came: 20 times the budget ({low / 0.1:.3g} to {high / 0.1:.3g}): exceeded" in told
    assert "that is 7.3 per series-year" in told


@given(st.integers(0, 40), st.integers(1, 40))
def test_intervals_are_exact(count, more):
    from scipy.stats import binom, poisson

    low, high = count_interval(count)
    assert poisson.cdf(count, high) == pytest.approx(0.025, rel=1e-6)
    assert low == 0 if count == 0 else poisson.sf(count - 1, low) == pytest.approx(0.025, rel=1e-6)
    low, high = share_interval(count, count + more)
    assert binom.cdf(count, count + more, high) == pytest.approx(0.025, rel=1e-6)
    assert low == 0 if count == 0 else binom.sf(count - 1, count + more, low) == pytest.approx(0.025, rel=1e-6)


def test_without_a_control_it_is_said_and_without_quiet_data_no_rival_is_matched():
    skill, rivals = judged([record()], [label("transition", 50)])
    told = words([record()], [label("transition", 50)])
    assert skill.quiet.ticks == 0
    assert "prosecutor's fallacy" in told
    assert "There are no quiet data with a verdict" in told
    assert "no alarm there can be False" in told
    assert {rival.name for rival in rivals if rival.detected is None} == {
        "lag-1, Kendall", "variance, Kendall", "mean", "standard deviation", "skewness",
    }  # fmt: skip


def test_with_a_control_the_fallacy_is_not_named_and_with_no_transition_that_is():
    told = words([record()], [label("control")])
    assert "prosecutor" not in told
    assert "says something about false alarms and nothing about detection" in told


def test_several_variables_of_one_event_are_one_moment_and_prove_nothing():
    records = [record(name) for name in ("a", "b", "c")]
    labels = [made for name in ("a", "b") for made in (label("start", 30, name), label("transition", 50, name))]
    told = words(records, [*labels, label("control", series="c")])
    assert "2 labelled transitions at 1 distinct moment" in told
    assert "it proves nothing about skill" in told


def test_a_miss_without_a_verdict_is_told_apart_from_a_miss():
    labels = [label("start", 30), label("transition", 50)]
    assert "1 missed (1 of them without a verdict" in words([record()], labels, {"x": ticks("learning")})
    assert "1 missed." in words([record()], labels)


def test_series_without_a_label_are_not_judged():
    skill, _ = judged([record("x", ((60.5, None),)), record("y", ((60.5, None),))], [label("control")])
    assert (skill.count(Phase.QUIET), skill.unlabelled) == (1, 1)


def test_a_rival_gives_no_more_false_alarms_than_were_realised_and_finds_what_it_can():
    noise = np.random.default_rng(5)
    quiet, loaded = noise.normal(size=LENGTH), noise.normal(size=LENGTH)
    loaded[60:] += 20
    labels = [label("start", 50), label("transition", 90), label("control", series="c")]
    own = {"x": ticks(value=loaded), "c": ticks(value=quiet)}
    _, rivals = judged([record("x"), record("c")], labels, own)
    rows = {rival.name: rival for rival in rivals}
    assert [rows[name].false for name in rows if name != "always"] == [0] * 7
    assert rows["mean"].detected == 1
    assert 20 * DAY_SECONDS < rows["mean"].leads[0] <= 30 * DAY_SECONDS
    assert (rows["always"].detected, rows["always"].under_alarm) == (1, 1.0)
    assert (rows["never"].detected, rows["never"].false) == (0, 0)
    # One false alarm more gives every rival at least as much room.
    _, freer = judged([record("x"), record("c", ((70.5, 72.5),))], labels, own)
    assert all(rival.false <= 1 for rival in freer if rival.name != "always")
    assert all((rival.detected or 0) >= (rows[rival.name].detected or 0) for rival in freer)


def test_a_rival_that_rises_after_the_event_has_not_detected_it():
    noise = np.random.default_rng(5)
    quiet, loaded = noise.normal(size=LENGTH), noise.normal(size=LENGTH)
    quiet[60:] += 3  # so that the line is far above noise
    loaded[80:] += 40
    labels = [label("start", 50), label("transition", 75), label("control", series="c")]
    own = {"x": ticks(value=loaded), "c": ticks(value=quiet)}
    _, rivals = judged([record("x"), record("c")], labels, own)
    assert {rival.name: rival.detected for rival in rivals}["mean"] == 0


def test_the_rivals_know_only_the_past():
    values = np.random.default_rng(6).normal(size=200).cumsum()
    values[50:60] = math.nan
    whole = compute_indicators(values, 20)
    for name, level in compute_indicators(values[:120], 20).items():
        np.testing.assert_array_equal(level, whole[name][:120])
