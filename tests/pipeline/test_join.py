"""Comparisons: target less counterpart, tick by tick; how a stream is cut or interrupted changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import sentinel
from sentinel.analysis.intake import sort
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.observation import Frame
from sentinel.domain.states import State
from sentinel.pipeline import waiting
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.migrate import migrate
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.results import Rows
from tests.fixtures import events_of
from tests.pipeline.comparisons import (
    ALARMS,
    EVERY,
    PAIR,
    PATIENCE,
    QUICK,
    WAIT,
    against,
    column,
    everything,
    holed,
    lakes,
    pieces,
    rows_of,
    states_of,
    stream,
)
from tests.pipeline.streams import ar1, by_series, through
from tests.runtime.rig import CHOSEN, VALUES, Rig, frame

LEARNT = {"cadence": None}


@pytest.mark.parametrize("changes", [{}, {"lateness": "3h"}, LEARNT], ids=["plain", "late", "learnt"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1_000), cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_cut_anywhere_a_stream_in_order_of_time_gives_bitwise_the_same(
    changes: dict[str, Any], seed: int, cuts: list[int]
) -> None:
    batch, chosen = holed(seed), against(alarms=EVERY, **changes)
    whole = through(Pipeline(chosen), [batch])
    assert everything(through(Pipeline(chosen), pieces(batch, cuts))) == everything(whole)
    assert rows_of(whole, PAIR).sum() == rows_of(whole, "peter").sum()


@pytest.mark.parametrize(
    ("seed", "conditioning"),
    [(0, True), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((0, False), (1, True), (1, False)))],
)
def test_one_observation_at_a_time_gives_bitwise_the_same(seed: int, conditioning: bool) -> None:
    batch, chosen = holed(seed), against(alarms=EVERY, **(LEARNT if seed % 2 else {}))
    single = through(Pipeline(chosen, conditioning=conditioning), pieces(batch, range(batch.series.size)))
    whole = through(Pipeline(chosen, conditioning=conditioning), [batch])
    assert everything(single) == everything(whole)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1_000), middle=st.integers(0, 10_000))
def test_a_restart_anywhere_changes_nothing_bitwise(seed: int, middle: int) -> None:
    batch, chosen = holed(seed), against(alarms=EVERY, sites=[{"name": "lake", "k": 1}])
    parts = list(pieces(batch, [middle]))
    pipeline = Pipeline(chosen)
    state, first = pipeline.advance(pipeline.init(), parts[0], rows=True)
    again = Pipeline(chosen)
    second = through(again, parts[1:], state=restarted(again, state))
    whole = through(Pipeline(chosen), parts)
    joined = Rows.join([part for part in (first.rows, second.rows) if part is not None])
    assert joined is not None
    assert everything(second._replace(rows=joined, events=whole.events)) == everything(whole)
    assert sorted(map(repr, [*first.events, *second.events])) == sorted(map(repr, whole.events))


def restarted(pipeline: Pipeline, state: PipelineState) -> PipelineState:
    arrays, header = to_arrays(state)
    return from_arrays(pipeline, {k: np.array(a) for k, a in arrays.items()}, json.loads(json.dumps(header)))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1_000), known=st.integers(100, 400))
def test_rows_so_far_do_not_change_when_more_data_come(seed: int, known: int) -> None:
    batch, chosen = holed(seed), against()
    (first, *_) = pieces(batch, [known])
    some, whole = (through(Pipeline(chosen), [part]) for part in (first, batch))
    if PAIR not in some.state.names:
        return
    mine, all_of_it = rows_of(some, PAIR), rows_of(whole, PAIR)
    # The tick that the end of the input closes may be one that the longer input goes on to fill.
    count = int(mine.sum()) - 1
    for name in set(whole.rows.columns()) - {"series"}:
        assert (
            whole.rows.columns()[name][all_of_it][:count].tobytes() == some.rows.columns()[name][mine][:count].tobytes()
        )
    so_far = {repr(e) for e in some.events if e.series == PAIR and e.time_us < some.rows.end_us[mine][-1]}
    assert so_far <= set(map(repr, whole.events))


def test_the_residual_is_the_difference_of_both_residuals_by_its_own_running_scale() -> None:
    outcome = through(Pipeline(against()), [stream(lakes(1, 400))])
    d = column(outcome, "peter", "residual") - column(outcome, "paul", "residual")
    known = np.flatnonzero(~np.isnan(d))
    gain, variance, expected = 1 - 2 ** (-1 / 20), 0.0, np.full(d.size, np.nan)
    for n, t in enumerate(known):
        if n >= 20:
            expected[t] = d[t] / np.sqrt(variance)
        square = d[t] ** 2 if n < 20 else min(d[t] ** 2, 9 * variance)
        variance += max(gain, 1 / (n + 1)) * (square - variance)
    assert column(outcome, PAIR, "residual") == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert column(outcome, PAIR, "value").tobytes() == column(outcome, "peter", "value").tobytes()
    assert column(outcome, PAIR, "time_us").tobytes() == column(outcome, "peter", "time_us").tobytes()


def test_weather_that_both_lakes_share_is_not_in_the_difference() -> None:
    found = lakes(2, 3_000)
    outcome = through(Pipeline(against()), [stream(found)])
    alone, together = (np.nanmean(column(outcome, name, "lag1")[500:]) for name in ("peter", PAIR))
    assert together == pytest.approx(0.5, abs=0.06)
    assert alone > together + 0.03


def test_a_counterpart_that_is_gone_for_longer_than_patience_leaves_the_target_alone_and_comes_back() -> None:
    found = lakes(3, 600)
    found["paul"][300:330] = np.nan
    outcome = through(Pipeline(against()), [stream(found)])
    residual, own = column(outcome, PAIR, "residual"), column(outcome, "peter", "residual")
    short = slice(300, 300 + PATIENCE)
    assert np.isnan(residual[short]).all(), "no difference without the counterpart"
    gone = slice(300 + PATIENCE, 330)
    assert residual[gone].tobytes() == own[gone].tobytes()
    assert np.isnan(residual[330:350]).all(), "its scale is learnt anew"
    assert np.isfinite(residual[350:]).all()


def test_a_counterpart_that_never_comes_leaves_the_target_alone_from_the_start() -> None:
    outcome = through(Pipeline(against()), [stream({"peter": lakes(4, 300)["peter"]})])
    residual, own = (column(outcome, name, "residual") for name in (PAIR, "peter"))
    learnt = int(np.flatnonzero(~np.isnan(own))[0])
    assert residual[learnt + PATIENCE + 1 :].tobytes() == own[learnt + PATIENCE + 1 :].tobytes()
    assert column(outcome, PAIR, "lag1")[-1] == pytest.approx(column(outcome, "peter", "lag1")[-1], abs=0.01)
    assert states_of(outcome, PAIR)[-1][0] in (State.WATCHING, State.WARNING)


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1_000), cuts=st.lists(st.integers(0, 10_000), max_size=3))
def test_a_comparison_without_its_counterpart_reads_as_its_target_does_whatever_comparison_is_beside_it(
    seed: int, cuts: list[int]
) -> None:
    entry = {"cadence": "1h", "max_gap": "40h"}
    chosen = Settings.model_validate(
        {
            "series": [
                {"match": "peter", "reference": "paul"} | entry,
                {"match": "mary", "reference": "nobody"} | entry,
                entry,
            ],
            "banks": {"default": QUICK}, "alarms": EVERY,
        }
    )  # fmt: skip
    columns = lakes(seed, 400) | {"mary": ar1(seed + 2_000, 0.5, 400)[:, 0]}
    outcome = through(Pipeline(chosen), pieces(stream(columns), cuts))
    # The own half of the evidence is left out: the target was judged from its start, the pair from its patience on.
    for name, apart in (("residual", 0.0), ("lag1", 0.01), ("lag1_low", 0.02), ("lag1_high", 0.02)):
        pair, own = (column(outcome, series, name)[300:] for series in ("mary - nobody", "mary"))
        assert np.isfinite(own).all()
        assert pair == pytest.approx(own, abs=apart), name
    apart_from_it = through(Pipeline(chosen), [stream({"mary": columns["mary"]})])
    for name in set(outcome.rows.columns()) - {"series"}:
        mine, alone = (column(run, "mary - nobody", name) for run in (outcome, apart_from_it))
        assert mine.tobytes() == alone.tobytes(), name


def test_a_counterpart_on_another_cadence_is_as_good_as_missing() -> None:
    found = lakes(5, 400)
    found["paul"][1::2] = np.nan
    settings = Settings.model_validate(
        {"series": [{"match": "peter", "reference": "paul"}], "banks": {"default": QUICK}, "alarms": ALARMS}
    )
    outcome = through(Pipeline(settings), [stream(found)])
    own = column(outcome, "peter", "residual")
    assert column(outcome, PAIR, "residual")[120:].tobytes() == own[120:].tobytes()


def test_stamps_that_are_half_a_tick_apart_are_compared() -> None:
    found = lakes(6, 300)
    outcome = through(Pipeline(against()), [stream(found, {"paul": 29 * 60_000_000})])
    exact = through(Pipeline(against()), [stream(found)])
    assert column(outcome, PAIR, "residual").tobytes() == column(exact, PAIR, "residual").tobytes()


def test_one_counterpart_serves_many_and_appears_last() -> None:
    found = lakes(7, 300)
    columns = {"a": found["peter"], "b": found["peter"] * 3, "paul": found["paul"]}
    columns["paul"][:100] = np.nan
    settings = Settings.model_validate(
        {
            "series": [{"match": "[ab]", "reference": "paul", "cadence": "1h"}, {"cadence": "1h"}],
            "banks": {"default": QUICK}, "alarms": [],
        }
    )  # fmt: skip
    outcome = through(Pipeline(settings), [stream(columns)])
    assert outcome.state.names == ("a", "a - paul", "b", "b - paul", "paul")
    one, other = (column(outcome, f"{name} - paul", "residual") for name in "ab")
    assert one[-50:] == pytest.approx(other[-50:])
    assert outcome.state.comparisons.counterpart.tolist() == [4, 4]


def test_what_waits_is_bounded_however_long_one_of_them_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lakes(8, 3_000)
    monkeypatch.setattr(waiting, "MOST_SHELTERED", WAIT)  # their source tells no watermark
    for silent in ("peter", "paul"):
        columns = {name: values.copy() for name, values in found.items()}
        columns[silent][200:] = np.nan
        pipeline = Pipeline(against())
        state, _ = pipeline.advance(pipeline.init(), stream(columns))
        assert state.comparisons.targets.tick.size <= WAIT
        assert state.comparisons.counterparts.tick.size <= WAIT + 1, (
            "one more is that of a target's tick that is still open"
        )


def test_ticks_of_comparisons_are_not_counted_twice() -> None:
    pipeline = Pipeline(against())
    _, result = pipeline.advance(pipeline.init(), stream(lakes(9, 100)))
    assert result.ticks == {"source": (198, 0, 0)}


def replanned_to(state: PipelineState, chosen: Settings) -> tuple[Pipeline, PipelineState, tuple[str, ...], list[str]]:
    pipeline = Pipeline(chosen)
    state, anew, ended = migrate(pipeline, state)
    return pipeline, state, anew, [event.series for event in ended]


@pytest.mark.parametrize("middle", [4, 90, 400])
def test_a_counterpart_that_is_taken_away_and_given_back(middle: int) -> None:
    batch = stream(lakes(10, 400, 0.9))
    first, second = pieces(batch, [middle])
    entries = [{"match": name, "cadence": "1h", "max_gap": "40h"} for name in ("peter", "paul")]
    plain = Settings.model_validate({"series": entries, "banks": {"default": QUICK}, "alarms": ALARMS})
    whole = through(Pipeline(plain), [batch])
    state = Pipeline(against()).advance(Pipeline(against()).init(), first)[0]
    pipeline, state, anew, _ = replanned_to(state, plain)
    assert (state.names, anew, len(state.comparisons)) == (("peter", "paul"), (), 0)
    assert by_series(through(pipeline, [second], state=state).state) == by_series(whole.state)
    pipeline, state, anew, _ = replanned_to(state, against())
    assert (state.names, anew) == (("peter", "paul", PAIR), ())
    later = through(pipeline, [second], state=state)
    assert {name: by_series(later.state)[name] for name in ("peter", "paul")} == by_series(whole.state)
    assert rows_of(later, PAIR).sum() == rows_of(later, "peter").sum()
    again = replanned_to(state, against())[1]
    assert again is state


def test_an_open_alarm_of_a_comparison_ends_with_it() -> None:
    pipeline = Pipeline(against())
    state, result = pipeline.advance(pipeline.init(), stream(lakes(11, 300, 0.95)))
    still = {event.series for event in result.events if event.what == "raised"}
    assert PAIR in still
    entries = [{"match": name, "cadence": "1h", "max_gap": "40h"} for name in ("peter", "paul")]
    plain = Settings.model_validate({"series": entries, "banks": {"default": QUICK}, "alarms": ALARMS})
    assert replanned_to(state, plain)[3] == [PAIR]


@pytest.mark.slow
def test_the_backtest_gives_what_the_daemon_would_and_sorted(tmp_path: Path) -> None:
    found = lakes(12, 500, np.where(np.arange(500) > 250, 0.95, 0.3))
    found["paul"][200:260] = np.nan
    outcome = through(Pipeline(against()), [stream(found)])
    start = datetime(1970, 1, 1, tzinfo=UTC)
    table = pl.DataFrame({"time": [start + timedelta(hours=t) for t in range(500)], **found}).fill_nan(None)
    config = against(sites=[{"name": "lake", "k": 1}])
    analysis = sentinel.analyse(table, config=config)
    assert analysis.readings["series"].unique(maintain_order=True).to_list() == list(outcome.state.names)
    for name in outcome.state.names:
        mine = analysis.readings.filter(series=name)
        assert mine["time"].is_sorted()
        for field in ("residual", "lag1", "evidence"):
            assert mine[field].to_numpy().tobytes() == column(outcome, name, field).tobytes(), (name, field)
    assert analysis.sites["site"].to_list()[0] == "lake"
    assert "peter" in analysis.sites["members"][0]
    numbered = sentinel.analyse(table.with_columns(time=pl.int_range(500) + 7), config=with_second_cadence(config))
    in_seconds = ["time", "period", "recovery", "recovery_low", "recovery_high"]
    assert_frame_equal(numbered.readings.drop(in_seconds), analysis.readings.drop(in_seconds))
    shuffled = sort(table.unpivot(index="time", variable_name="series").drop_nulls().lazy(), tmp_path, by_time=True,
                    run_rows=97)  # fmt: skip
    assert pl.concat(shuffled.batches(50))["time"].is_sorted()


def with_second_cadence(config: Settings) -> Settings:
    """On a numbered axis one step is a second."""
    text = config.model_dump_json().replace('"1h"', '"1s"').replace('"40h"', '"40s"')
    return Settings.model_validate_json(text)


@pytest.mark.slow
def test_the_daemon_restarts_with_pairs_half_done_and_its_journal_replays_them(tmp_path: Path) -> None:
    chosen = CHOSEN | {"series": [{"match": "s0", "cadence": "1h", "reference": "s1"}, {"cadence": "1h"}]}
    values = VALUES.copy()
    values[200:230, 1] = np.nan

    def part(first: int, last: int) -> Frame:
        whole = frame(first, last, values)
        return replace(whole, observations=whole.observations.filter(pl.col("value").is_not_nan()))

    straight, broken = Rig(tmp_path / "a", chosen), Rig(tmp_path / "b", chosen)
    edges = [0, 90, 201, 215, 216, 400]
    for first, last in pairwise(edges):
        straight.feed(part(first, last))
    for first, last in pairwise(edges):
        broken.feed(part(first, last))
        if first != 201:
            broken.engine.checkpoint()
        broken.journal.close()
        broken = Rig(tmp_path / "b", chosen)
    assert broken.state == straight.state
    assert broken.record == straight.record
    assert {event["series"] for event in events_of(straight.journal)} >= {"s0", "s0 - s1"}
    assert entry_point(["replay", "--state", str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    # Bug: its times were written "...T12:00:00.000000+0000", those of `backtest` "...T12:00:00Z".
    assert pl.read_csv(tmp_path / "out" / "alarms.csv")["time"].str.contains(r"^\d{4}-\d\d-\d\dT\d\d:30:00Z$").all()
    replayed = pl.read_parquet(tmp_path / "out" / "readings.parquet")
    expected = through(Pipeline(Settings.model_validate(chosen)), [stream({f"s{i}": values[:, i] for i in range(3)})])
    mine = replayed.filter(series="s0 - s1")["residual"].to_numpy()
    assert mine.tobytes() == column(expected, "s0 - s1", "residual")[: mine.size].tobytes()
    assert mine.size > 380
