"""Seasons that start cold: the preset `lake`, what is kept across winters, and the rule that holds spread to a line."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.domain.spans import DAY
from sentinel.domain.states import Reason, State
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.conditioning import ConditionerState
from sentinel.pipeline.kernel import LEVEL, VARIANCE
from sentinel.pipeline.pipeline import Batch, Pipeline, PipelineState
from sentinel.pipeline.results import Rows
from tests.pipeline.comparisons import PAIR, column, everything, pieces, rows_of, states_of
from tests.pipeline.streams import HOUR_US, ar1, batch_of, by_series, through

SEASON, YEAR = 110, 365
LINE = math.log(2.72)


def lakes(seed: int, years: int = 2, *, blooms_from: int | None = None) -> dict[str, NDArray[np.float64]]:
    """Two lakes, (year, day), with 7 % of the values missing; from that day of the last year on one of them blooms."""
    random = np.random.default_rng(seed)
    both = np.stack([ar1(seed + i, 0.5, years * SEASON)[:, 0].reshape(years, SEASON) for i in (0, 1)])
    if blooms_from is not None:
        both[0, -1, blooms_from:] *= 5.0
    both += 20.0 + 10.0 * np.arange(years)[:, None]
    both[random.random(both.shape) < 0.07] = np.nan
    return {"peter": both[0], "paul": both[1]}


def daily(columns: dict[str, NDArray[np.float64]]) -> Batch:
    entries = [
        ((year * YEAR + day) * DAY, name, float(x))
        for name, values in columns.items() for (year, day), x in np.ndenumerate(values) if not np.isnan(x)
    ]  # fmt: skip
    entries.sort(key=lambda entry: entry[0])
    names = list(dict.fromkeys(name for _, name, _ in entries))
    return Batch(
        np.array([names.index(name) for _, name, _ in entries]), np.array([t for t, _, _ in entries], np.int64),
        np.array([x for _, _, x in entries]), tuple((i, name, "source") for i, name in enumerate(names)),
        source="source",
    )  # fmt: skip


def chosen(across_gaps: str = "keep", **entry: object) -> Settings:
    both = {"cadence": "1d", "max_gap": "40d", "across_gaps": across_gaps, "bank": "lake", **entry}
    return Settings.model_validate({
        "series": [{"match": "peter", "counterpart": "paul", **both}, {"match": "paul", **both}],
        "banks": {"lake": {"preset": "lake"}},
        "alarms": [{"kind": "rise"}, {"kind": "spread", "alpha": 0.05}, {"threshold": 0.3, "alpha": 0.05}],
        "sites": [{"name": "lake", "match": "peter*", "k": 1, "kind": "rise"}],
    })  # fmt: skip


def restarted(pipeline: Pipeline, state: PipelineState) -> PipelineState:
    arrays, header = to_arrays(state)
    return from_arrays(pipeline, {k: np.array(a) for k, a in arrays.items()}, json.loads(json.dumps(header)))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1_000), st.lists(st.integers(0, 10_000), max_size=4), st.sampled_from(["keep", "restart"]))
def test_the_cutting_of_seasons_into_batches_changes_nothing_bitwise(seed, cuts, across_gaps):
    batch = daily(lakes(seed, blooms_from=40))
    whole = through(Pipeline(chosen(across_gaps)), [batch])
    assert everything(through(Pipeline(chosen(across_gaps)), pieces(batch, cuts))) == everything(whole)


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1_000), st.integers(0, 10_000))
def test_a_restart_in_any_season_changes_nothing_bitwise(seed, middle):
    parts = list(pieces(daily(lakes(seed, blooms_from=40)), [middle]))
    pipeline, again = Pipeline(chosen()), Pipeline(chosen())
    state, first = pipeline.advance(pipeline.init(), parts[0], rows=True)
    second = through(again, parts[1:], state=restarted(again, state))
    whole = through(Pipeline(chosen()), parts)
    joined = Rows.join([part for part in (first.rows, second.rows) if part is not None])
    assert joined is not None
    assert everything(second._replace(rows=joined, events=whole.events)) == everything(whole)
    assert sorted(map(repr, [*first.events, *second.events])) == sorted(map(repr, whole.events))


def test_the_order_in_which_lakes_are_named_changes_nothing():
    columns = lakes(1, blooms_from=40)
    straight = through(Pipeline(chosen()), [daily(columns)])
    turned = through(Pipeline(chosen()), [daily(dict(reversed(columns.items())))])
    assert by_series(turned.state) == by_series(straight.state)
    assert turned.events == straight.events


def conditioner_of(outcome, name: str) -> tuple[ConditionerState, int]:
    series = outcome.state.names.index(name)
    for members in outcome.state.cohorts:
        if series in members.series and isinstance(members.conditioner, ConditionerState):
            return members.conditioner, int(np.flatnonzero(members.series == series)[0])
    raise AssertionError(name)


@pytest.mark.parametrize("across_gaps", ["keep", "restart"])
def test_after_a_winter_the_level_is_found_anew_and_the_scale_is_the_old_one(across_gaps):
    columns = lakes(2, years=2)
    columns = {name: np.nan_to_num(values, nan=21.0) for name, values in columns.items()}
    columns["peter"][1, 1:] = np.nan  # one value of the second season
    outcome = through(Pipeline(chosen(across_gaps)), [daily(columns)])
    before = through(Pipeline(chosen(across_gaps)), [daily({name: v[:1] for name, v in columns.items()})])
    (now, row), (then, at) = conditioner_of(outcome, "peter"), conditioner_of(before, "peter")
    assert now.numbers[row, LEVEL] == columns["peter"][1, 0]
    assert now.numbers[row, VARIANCE] == (then.numbers[at, VARIANCE] if across_gaps == "keep" else 0.0)
    assert then.numbers[at, VARIANCE] > 0.0
    assert now.kept[row] == (then.counts[at, 0] if across_gaps == "keep" else 0)


def test_the_spread_is_judged_from_the_15th_value_of_a_season_and_lag_1_from_the_30th():
    columns = {name: np.where(np.isnan(v), 21.3 + np.arange(SEASON) % 7, v) for name, v in lakes(3).items()}
    outcome = through(Pipeline(chosen()), [daily(columns)])
    for name in ("peter", PAIR):
        spread, lag1 = column(outcome, name, "spread"), column(outcome, name, "lag1")
        assert rows_of(outcome, name).sum() == 2 * SEASON + 1, "a row for the winter"
        for first in (0, SEASON + 1):
            season = slice(first, first + SEASON)
            assert np.flatnonzero(~np.isnan(spread[season]))[0] == 14
            assert (np.flatnonzero(~np.isnan(lag1[season]))[0] == 29) == (name == "peter")
            assert states_of(outcome, name)[first + 13] == (State.LEARNING, Reason.WARM_UP)
            assert states_of(outcome, name)[first + 14][0] is not State.LEARNING


def test_where_only_lag_1_is_asked_for_it_is_in_warm_up_until_the_30th_value():
    columns = {name: np.where(np.isnan(v), 21.3 + np.arange(SEASON) % 7, v) for name, v in lakes(3, 1).items()}
    settings = chosen().model_copy(update={"alarms": chosen().alarms[2:], "sites": ()})
    outcome = through(Pipeline(settings), [daily(columns)])
    assert states_of(outcome, "peter")[28] == (State.LEARNING, Reason.WARM_UP)
    assert states_of(outcome, "peter")[29][0] is not State.LEARNING


def test_past_seasons_are_a_part_of_the_baseline_of_the_next_where_they_are_kept():
    loud = lakes(4)
    loud["peter"][1, :16] = 30.0 + 4.0 * (loud["peter"][1, :16] - 30.0)
    spread = {
        how: column(through(Pipeline(chosen(how)), [daily(loud)]), "peter", "spread") for how in ("keep", "restart")
    }
    first, second = slice(0, SEASON), slice(SEASON + 20, None)
    assert np.array_equal(spread["keep"][first], spread["restart"][first], equal_nan=True)
    assert np.nanmean(spread["keep"][second]) > np.nanmean(spread["restart"][second]) + 1.0, "a loud May is no baseline"


def test_a_bloom_is_not_remembered_as_the_past():
    columns = lakes(5, years=3)
    columns["peter"][1, 40:] = 30.0 + 8.0 * (columns["peter"][1, 40:] - 30.0)
    quiet = through(Pipeline(chosen()), [daily(lakes(5, years=3))])
    bloomed = through(Pipeline(chosen()), [daily(columns)])
    third = slice(2 * (SEASON + 1) + 20, None)
    shift = column(bloomed, "peter", "spread")[third] - column(quiet, "peter", "spread")[third]
    assert abs(np.nanmean(shift)) < 0.7


def test_the_alarm_is_open_exactly_while_the_spread_is_above_the_line_and_ends_with_the_season():
    outcome = through(Pipeline(chosen()), [daily(lakes(6, years=3, blooms_from=40))])
    for name in ("peter", PAIR):
        mine = rows_of(outcome, name)
        spread, ends = column(outcome, name, "spread"), outcome.rows.end_us[mine]
        opened, expected = np.zeros(len(ends), bool), np.zeros(len(ends), bool)
        for event in outcome.events:
            if event.series == name and event.rule == "rise":
                opened[ends >= event.time_us] = event.what == "raised"
        held = False
        for at, number in enumerate(spread):
            blind = outcome.rows.state[mine][at] == list(State).index(State.BLIND)
            held = (held and blind) if np.isnan(number) else number > LINE
            expected[at] = held and outcome.rows.reason[mine][at] != list(Reason).index(Reason.GAP)
        assert np.array_equal(opened, expected)
        assert opened.any()


def test_a_bloom_is_seen_beside_a_quiet_lake():
    outcome = through(Pipeline(chosen()), [daily(lakes(7, blooms_from=40))])
    raised = [e for e in outcome.events if e.series == PAIR and e.rule == "rise" and e.what == "raised"]
    (alarm, *_) = [e for e in raised if e.time_us > (YEAR + 40) * DAY]
    assert alarm.time_us < (YEAR + 60) * DAY
    assert alarm.estimates.spread > LINE
    assert alarm.threshold == 2.72


@pytest.mark.parametrize("place", [2, 8, 12, 18])
def test_a_fill_value_in_a_cold_start_does_not_hide_the_rise_of_a_season(place: int):
    # Bug: the first values were the baseline of the spread before they were known to hold no fill value.
    random = np.random.default_rng(1)
    season = np.concatenate([10.0 + random.normal(size=60), 10.0 + 3.0 * random.normal(size=40)])
    season[place] = -999.0
    values = np.concatenate([season, np.full(60, np.nan), season])[:, None]
    given_settings = Settings.model_validate({
        "series": [{"cadence": "1d", "max_gap": "40d", "across_gaps": "keep", "bank": "lake"}],
        "banks": {"lake": {"preset": "lake"}}, "alarms": [{"kind": "rise"}],
    })  # fmt: skip
    outcome = through(Pipeline(given_settings), [batch_of(values, cadence_us=24 * HOUR_US)])
    raised = [event.time_us // (24 * HOUR_US) for event in outcome.events if event.what == "raised"]
    assert any(60 < day <= 85 for day in raised)
    assert any(220 < day <= 245 for day in raised)
