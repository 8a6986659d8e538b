"""What readers see of a state: each series once, the most urgent first, stale by its source's clock."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.domain.states import Reason, SeriesView, State
from sentinel.pipeline.history import History
from sentinel.pipeline.pipeline import Batch, Pipeline, PipelineState
from sentinel.pipeline.snapshot import Snapshot
from tests.pipeline.comparisons import against, stream
from tests.pipeline.streams import HOUR_US, ar1, through

CHOSEN = Settings.model_validate(
    {
        "series": [{"match": "new*"}, {"match": "*", "cadence": "1h"}],
        "alarms": [
            {"threshold": 0.1, "alpha": 0.001, "at_start": "alarm"},
            {"match": "*critical", "threshold": 0.2, "alpha": 0.0005, "at_start": "alarm", "severity": "critical"},
        ],
        "banks": {"default": {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60}},
    }
)
TICKS = 200
END_US = (TICKS - 1) * HOUR_US
NAMES = ("quiet", "stuck", "slow", "slow/critical", "fresh", "new", "older")
SOURCES = ("lake", "lake", "lake", "lake", "lake", "lake", "river")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(CHOSEN)


@pytest.fixture(scope="module")
def state(pipeline: Pipeline) -> PipelineState:
    slow = ar1(7, 0.95, TICKS)[:, 0]
    quiet = ar1(5, -0.6, TICKS)[:, 0]
    columns = {
        "quiet": quiet,
        "stuck": np.append(slow[:100], np.full(100, 1.0)),
        "slow": slow,
        "slow/critical": slow,
        "fresh": np.append(np.full(180, np.nan), slow[180:]),
        "new": np.append(np.full(190, np.nan), slow[190:]),
        "older": np.append(quiet[:150], np.full(50, np.nan)),
    }
    values = np.stack([columns[name] for name in NAMES], axis=1)
    tick, series = np.nonzero(~np.isnan(values))
    order = np.argsort([int(np.argmax(series == i)) for i in range(len(NAMES))], kind="stable")
    place = np.argsort(order)
    new = tuple((k, NAMES[i], SOURCES[i]) for k, i in enumerate(order.tolist()))
    batch = Batch(place[series], tick * HOUR_US, values[tick, series], new, source="lake")
    return through(pipeline, [batch], finish=False).state


def published(pipeline: Pipeline, state: PipelineState, **clocks: int) -> Snapshot:
    return Snapshot(pipeline, state, taken_us=END_US, watermarks=clocks)


def verdicts(snapshot: Snapshot) -> dict[str, tuple[State, Reason]]:
    return {view.name: (view.state, view.reason) for view in snapshot.views()}


def test_each_series_is_in_the_state_of_its_last_tick(pipeline: Pipeline, state: PipelineState) -> None:
    assert verdicts(published(pipeline, state)) == {
        "quiet": (State.WATCHING, Reason.NONE),
        "older": (State.WATCHING, Reason.NONE),
        "stuck": (State.BLIND, Reason.STUCK),
        "slow": (State.WARNING, Reason.NONE),
        "slow/critical": (State.CRITICAL, Reason.NONE),
        "fresh": (State.LEARNING, Reason.WARM_UP),
        "new": (State.LEARNING, Reason.CADENCE),
    }


def test_the_most_alarming_come_first_and_a_limit_cuts_the_rest(pipeline: Pipeline, state: PipelineState) -> None:
    snapshot = published(pipeline, state)
    views = list(snapshot.views())
    assert [view.name for view in views][:3] == ["slow/critical", "slow", "stuck"]
    assert {view.name for view in views[-2:]} == {"fresh", "new"}
    assert views[3].evidence >= views[4].evidence
    assert [view.name for view in snapshot.views(2)] == ["slow/critical", "slow"]
    assert list(snapshot.views(0)) == []


def test_names_are_sorted_and_an_unknown_one_is_a_key_error(pipeline: Pipeline, state: PipelineState) -> None:
    snapshot = published(pipeline, state)
    assert list(snapshot.names()) == sorted(NAMES)
    assert len(snapshot) == len(NAMES)
    assert snapshot.view("slow").name == "slow"
    with pytest.raises(KeyError):
        snapshot.view("nobody")
    assert snapshot.spectrogram("slow") is None


@pytest.mark.parametrize("clocks", [{}, {"lake": END_US + 9 * HOUR_US}, {"river": END_US}])
def test_counts_add_up_to_the_number_of_series_and_agree_with_the_views(
    pipeline: Pipeline, state: PipelineState, clocks: dict[str, int]
) -> None:
    snapshot = published(pipeline, state, **clocks)
    counts = snapshot.counts()
    assert sum(counts.values()) == len(snapshot)
    for (source, code, reason), number in counts.items():
        same = [v for v in snapshot.views() if (v.source, v.state, v.reason) == (source, code, reason)]
        assert len(same) == number


def test_the_newest_tick_of_a_source_is_that_of_its_newest_series(pipeline: Pipeline, state: PipelineState) -> None:
    snapshot = published(pipeline, state)
    expected: dict[str, int] = {}
    for view in (view for view in snapshot.views() if view.ticks):
        expected[view.source] = max(view.time_us, expected.get(view.source, view.time_us))
    assert snapshot.last_ticks_us() == expected
    assert expected["river"] < expected["lake"]


@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.sampled_from(NAMES)), clock=st.sampled_from([{}, {"lake": END_US + 9 * HOUR_US}]))
def test_a_view_is_the_same_alone_and_among_others(
    pipeline: Pipeline, state: PipelineState, names: list[str], clock: dict[str, int]
) -> None:
    snapshot = published(pipeline, state, **clock)
    assert repr(list(snapshot.views_of(names))) == repr([snapshot.view(name) for name in names])


@given(first=st.integers(0, 9), limit=st.none() | st.integers(0, 9))
def test_places_of_the_order_are_cut_out_of_it(
    pipeline: Pipeline, state: PipelineState, first: int, limit: int | None
) -> None:
    snapshot = published(pipeline, state)
    assert repr(list(snapshot.views(limit, first))) == repr(list(snapshot.views())[first:limit])


def test_a_series_is_stale_by_the_clock_of_its_own_source_only(pipeline: Pipeline, state: PipelineState) -> None:
    stale = (State.BLIND, Reason.STALE)
    assert stale not in verdicts(published(pipeline, state, lake=END_US + 3 * HOUR_US)).values()
    late = verdicts(published(pipeline, state, lake=END_US + 3 * HOUR_US + 1))
    assert {name for name, verdict in late.items() if verdict == stale} == {*NAMES} - {"older", "new"}
    # It said since when its state before had lasted: a warning of weeks ago.
    since = {
        published(pipeline, state, lake=END_US + 3 * HOUR_US + 1).view(name).since_us for name in ("slow", "quiet")
    }
    assert since == {END_US + 3 * HOUR_US}
    river = verdicts(published(pipeline, state, river=END_US))
    assert [name for name, verdict in river.items() if verdict == stale] == ["older"]
    assert river["slow"] == (State.WARNING, Reason.NONE)
    behind = verdicts(published(pipeline, state, lake=0, river=-1))
    assert stale not in behind.values()


def test_a_series_that_waits_for_its_cadence_has_no_numbers_yet(pipeline: Pipeline, state: PipelineState) -> None:
    view = published(pipeline, state, lake=END_US).view("new")
    assert (view.ticks, view.missing_ticks, view.warm_up_left, view.since_us) == (0, 0, -1, -1)
    assert view.time_us == END_US
    assert math.isnan(view.cadence_seconds)
    assert math.isnan(view.estimates.lag1)
    assert view.rules == view.readings == view.thresholds == ()


def test_a_series_whose_first_tick_is_open_has_no_time_yet(pipeline: Pipeline) -> None:
    batch = Batch(np.zeros(1, np.int64), np.array([END_US]), np.array([1.0]), ((0, "a", "lake"),))
    view = published(pipeline, pipeline.advance(pipeline.init(), batch)[0], lake=END_US).view("a")
    assert (view.state, view.reason) == (State.LEARNING, Reason.WARM_UP)
    assert (view.ticks, view.time_us, view.since_us, view.warm_up_left) == (0, -1, -1, 60)


def test_a_view_tells_what_is_known_of_a_series(pipeline: Pipeline, state: PipelineState) -> None:
    view = published(pipeline, state).view("slow")
    assert view.time_us == END_US - HOUR_US // 2
    assert (view.cadence_seconds, view.half_life_ticks, view.ticks, view.warm_up_left) == (3600.0, 20.0, TICKS - 1, 0)
    assert view.estimates.lag1_low <= view.estimates.lag1 <= view.estimates.lag1_high
    assert view.recovery_seconds == pytest.approx(-3600 / math.log(view.estimates.lag1))
    assert view.recovery_low_seconds <= view.recovery_seconds <= view.recovery_high_seconds
    assert len(view.readings) == len(view.thresholds) == 16
    (rule,) = view.rules
    assert rule.alarm_id
    assert 0 < rule.since_us <= view.time_us
    assert view.evidence == rule.evidence
    quiet = published(pipeline, state).view("quiet")
    assert (quiet.rules[0].alarm_id, quiet.rules[0].since_us) == ("", -1)
    assert quiet.estimates.lag1 < 0
    assert math.isnan(quiet.recovery_seconds)
    assert math.isnan(quiet.recovery_high_seconds)


def test_a_missing_tick_moves_only_the_number_of_missing_ticks(pipeline: Pipeline, state: PipelineState) -> None:
    before = published(pipeline, state).view("quiet")
    i = state.names.index("quiet")
    more = Batch(np.array([i]), np.array([END_US + 2 * HOUR_US]), np.array([0.5]), source="lake")
    after_state, _ = pipeline.advance(state, more)
    after_state, _ = pipeline.finish(after_state)
    after = published(pipeline, after_state).view("quiet")
    assert (after.ticks, after.missing_ticks) == (before.ticks + 3, before.missing_ticks + 1)
    assert before.ticks == TICKS - 1, "the snapshot taken before has not changed"


def test_a_snapshot_stays_what_it_was_when_the_state_moves_on(pipeline: Pipeline, state: PipelineState) -> None:
    snapshot = published(pipeline, state)
    before = repr(sorted(map(repr, snapshot.views())))
    more = Batch(np.zeros(5, np.int64), END_US + np.arange(1, 6) * HOUR_US, np.arange(5.0), source="lake")
    pipeline.finish(pipeline.advance(state, more)[0])
    assert repr(sorted(map(repr, published(pipeline, state).views()))) == before


def test_an_empty_state_is_an_empty_snapshot(pipeline: Pipeline) -> None:
    empty = Snapshot(pipeline, pipeline.init(), taken_us=0, watermarks={"lake": 5}, history=History(3))
    assert (len(empty), list(empty.names()), list(empty.views()), dict(empty.counts())) == (0, [], [], {})


def test_e_values_stand_in_the_order_of_names_and_are_those_of_the_views(
    pipeline: Pipeline, state: PipelineState
) -> None:
    snapshot = published(pipeline, state)
    views = [snapshot.view(name) for name in snapshot.names()]
    np.testing.assert_array_equal(snapshot.e_values(), [view.e_value for view in views])
    assert all(math.isnan(view.e_value) for view in views if view.state is State.LEARNING), "not ready is no number"
    assert not any(math.isnan(view.e_value) for view in views if view.state in (State.WATCHING, State.WARNING))
    e_value = {view.name: view.e_value for view in views}
    assert e_value["slow"] > 1.0 > e_value["quiet"]


def test_the_windows_of_an_e_value_begin_where_a_window_of_ticks_begins(pipeline: Pipeline) -> None:
    settings = CHOSEN.model_copy(
        update={"banks": {"default": CHOSEN.banks["default"].model_copy(update={"window_ticks": 60})}}
    )
    found = {}
    for ticks in (50, 120, 122, 200):
        values = ar1(3, 0.5, 200)[:ticks, 0]
        batch = Batch(np.zeros(ticks, np.int64), np.arange(ticks) * HOUR_US, values, ((0, "s", "lake"),), source="lake")
        outcome = through(Pipeline(settings), [batch], finish=False)
        found[ticks] = Snapshot(Pipeline(settings), outcome.state, taken_us=0).view("s")
    begins = {ticks: (view.window_us + HOUR_US // 2) // HOUR_US for ticks, view in found.items()}
    assert begins == {50: 0, 120: 0, 122: 60, 200: 120}
    assert {ticks: view.windows for ticks, view in found.items()} == {50: 1, 120: 2, 122: 2, 200: 2}


def recovery_told(view: SeriesView) -> float:
    return view.recovery_low_seconds if math.isinf(view.recovery_high_seconds) else view.recovery_seconds


def test_a_reader_finds_series_by_text_state_and_source_and_sorts_them_by_a_number(
    pipeline: Pipeline, state: PipelineState
) -> None:
    snapshot = Snapshot(pipeline, state, taken_us=END_US)
    fleet = snapshot.fleet()
    assert fleet.choose() == [view.name for view in snapshot.views()]
    assert fleet.choose(order="name") == sorted(NAMES)
    assert sorted(fleet.choose("SLOW")) == ["slow", "slow/critical"]
    for view in snapshot.views():
        assert view.name in fleet.choose(state=view.state, source=view.source)
    assert fleet.choose(source="river") == ["older"]
    assert fleet.choose(source="nowhere") == []
    for order, number in (
        ("lag1", lambda view: view.estimates.lag1),
        ("evidence", lambda view: view.evidence),
        ("recovery", recovery_told),
    ):  # fmt: skip
        found = [number(snapshot.view(name)) for name in fleet.choose(order=order)]
        known = [each for each in found if not math.isnan(each)]
        assert len(known) > 1, order
        assert found[: len(known)] == sorted(known, reverse=True), "what is not ready comes last"
    assert fleet.choose(order="oldest")[0] == "older"


def test_a_series_knows_its_counterpart_and_their_comparison_once_both_are_there() -> None:
    pipeline = Pipeline(against())
    columns = {name: ar1(seed, 0.5, 30)[:, 0] for seed, name in enumerate(("peter", "paul"))}
    both = Snapshot(pipeline, through(pipeline, [stream(columns)], finish=False).state, taken_us=0)
    assert both.counterpart("peter") == ("paul", "peter - paul")
    assert both.counterpart("paul") is None
    alone = through(pipeline, [stream({"peter": columns["peter"]})], finish=False).state
    assert Snapshot(pipeline, alone, taken_us=0).counterpart("peter") is None
