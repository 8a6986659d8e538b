"""Declared events: chunking and restarts change nothing, no observation is lost, a hold is one missing tick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.domain.gates import FOREVER_US, GateEvent
from sentinel.domain.states import REASONS, STATES, Reason, State
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.gates import Gates, lift
from sentinel.pipeline.grid import Grid
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.pipeline.snapshot import Snapshot
from tests.laws import examples
from tests.pipeline.streams import HOUR_US, ar1, batch_of, by_series, content, cut, numbered, through

TICKS = 360
BANK = {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60, "baseline_ticks": 80}
RULES = [
    {"threshold": 0.3, "alpha": 0.01, "at_start": "alarm"}, {"kind": "slower", "alpha": 1e-3},
    {"kind": "spread", "alpha": 0.01},
]  # fmt: skip
VALUES = ar1(3, np.where(np.arange(TICKS) % 150 < 100, 0.9, -0.5), TICKS, 3)
ON_HOLD = REASONS.index(Reason.ON_HOLD)


def moment(tick: float) -> str:
    return str(np.datetime64(round(tick * HOUR_US), "us")) + "Z"


def event(gate: str, start: float, end: float | None = None, **more: Any) -> dict[str, Any]:
    ends = {} if end is None else {"end": moment(end)}
    return {"gate": gate, "start": moment(start), **ends, **more}


def chosen(*events: dict[str, Any], **entry: Any) -> Settings:
    return Settings.model_validate({
        "series": [{"cadence": "1h", "season": ["12h"]} | entry], "banks": {"default": BANK}, "alarms": RULES,
        "events": events,
    })  # fmt: skip


PAIRED = {"series": [{"match": "s0", "cadence": "1h", "counterpart": "s1"}, {"cadence": "1h"}]}


def paired(*events: dict[str, Any]) -> Settings:
    return Settings.model_validate({**PAIRED, "banks": {"default": BANK}, "alarms": RULES, "events": events})


def more(first: int, beyond: int) -> Batch:
    """The next observations of series that are known."""
    return replace(batch_of(VALUES[first:beyond], first_tick=first), new_series=())


spans = st.lists(st.tuples(st.integers(0, TICKS), st.integers(1, 90), st.sampled_from(["s0", "s1", "*", "s[01]"])),
                 max_size=3)  # fmt: skip
moments = st.lists(st.tuples(st.floats(0, TICKS), st.sampled_from(["reset", "rebase"])), max_size=3)


def declared(held: list[tuple[int, int, str]], anew: list[tuple[float, str]]) -> list[dict[str, Any]]:
    holds = [event("hold", first, first + length, match=match) for first, length, match in held]
    return holds + [event(gate, at, match="s[02]") for at, gate in anew]


@settings(max_examples=examples(8, 15))
@given(spans, moments, st.lists(st.integers(0, 3 * TICKS), max_size=12), st.integers(0, 99), st.booleans())
def test_cut_into_any_batches_and_restored_in_between_a_stream_gives_bitwise_the_same(
    held: list[tuple[int, int, str]], anew: list[tuple[float, str]], cuts: list[int], seed: int, compared: bool
) -> None:
    values = VALUES.copy()
    values[np.random.default_rng(seed).random(values.shape) < 0.2] = np.nan
    by = (paired if compared else chosen)(*declared(held, anew))
    pipeline, batch = Pipeline(by), numbered(batch_of(values))
    whole = through(pipeline, [batch])
    state, pieces = pipeline.init(), list(cut(batch, cuts))
    rows, events = [], []
    for piece in [*pieces, None]:
        state = from_arrays(Pipeline(by), *to_arrays(state))
        state, result = (
            pipeline.finish(state, rows=True) if piece is None else pipeline.advance(state, piece, rows=True)
        )
        rows.append(result.rows)
        events += result.events
    joined = type(whole.rows).join([part for part in rows if part is not None])
    assert joined is not None
    assert content(joined) == content(whole.rows)
    assert sorted(events, key=lambda e: (e.time_us, e.series, e.rule, e.label)) == whole.events
    assert by_series(state) == by_series(whole.state)


@pytest.mark.slow
@settings(max_examples=15)
@given(spans, moments, st.integers(0, 99))
def test_every_observation_is_held_or_late_or_in_a_tick(
    held: list[tuple[int, int, str]], anew: list[tuple[float, str]], seed: int
) -> None:
    values = VALUES.copy()
    values[np.random.default_rng(seed).random(values.shape) < 0.2] = np.nan
    pipeline = Pipeline(chosen(*declared(held, anew)))
    state, result = pipeline.advance(pipeline.init(), batch_of(values), rows=True)
    state, rest = pipeline.finish(state, rows=True)
    in_ticks = sum(int(np.sum(~np.isnan(part.rows.value))) for part in (result, rest) if part.rows is not None)
    kept_out = sum(result.held.values())
    assert in_ticks + kept_out == np.sum(~np.isnan(values))
    covered = np.zeros(values.shape, bool)
    for first, length, match in held:
        covered[first : first + length, slice(None) if match == "*" else [int(d) for d in match if d.isdigit()]] = True
    assert kept_out == np.sum(covered & ~np.isnan(values))


@pytest.mark.slow
@settings(max_examples=15)
@given(st.integers(1, 200), st.booleans())
def test_to_the_detectors_a_hold_of_any_length_is_one_missing_tick(length: int, data_come: bool) -> None:
    """Neither time nor data within it leave a trace: not in level, evidence, spread, baseline, nor an open alarm."""
    before, after = VALUES[:180, :1], VALUES[180:, :1]
    within = np.full((length, 1), 1e6 if data_come else np.nan)
    by = chosen(event("hold", 180, 180 + length), season=[])
    on_hold = through(Pipeline(by), [batch_of(np.concatenate((before, within, after)))])
    missing = through(Pipeline(chosen(season=[])), [batch_of(np.concatenate((before, [[np.nan]], after)))])
    one, other = by_series(on_hold.state)["s0"], by_series(missing.state)["s0"]
    clocks = ("grid/", "alarm/since", "alarm/raised", "last/tick", "conditioner/start_tick", "plan")
    assert {k: v for k, v in one.items() if not k.startswith(clocks)} == {
        k: v for k, v in other.items() if not k.startswith(clocks)
    }
    assert [(e.what, e.evidence) for e in on_hold.events] == [(e.what, e.evidence) for e in missing.events]
    assert [r for r in on_hold.rows.reason if r == ON_HOLD] == [ON_HOLD]
    ours, theirs = (run.rows.evidence[np.arange(TICKS + 1) != 180] for run in (on_hold, missing))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
@settings(max_examples=15)
@given(spans, moments, st.integers(100, TICKS - 1))
def test_rows_and_alarms_so_far_do_not_change_when_more_data_or_later_events_come(
    held: list[tuple[int, int, str]], anew: list[tuple[float, str]], known: int
) -> None:
    events = declared(held, anew)
    whole = through(Pipeline(chosen(*events)), [batch_of(VALUES)])
    before = [e for e in events if e["start"] < moment(known)]
    part = through(Pipeline(chosen(*before)), [batch_of(VALUES[:known])])
    last_us = part.rows.end_us.min()
    for column in ("value", "evidence", "state", "residual"):
        ours, theirs = (r.rows.columns()[column][r.rows.end_us <= last_us] for r in (part, whole))
        np.testing.assert_array_equal(ours, theirs)
    assert [e for e in part.events if e.time_us <= last_us] == [e for e in whole.events if e.time_us <= last_us]


def test_a_reset_begins_anew_as_a_new_series_does_and_other_series_notice_nothing() -> None:
    by = chosen(event("reset", 200, match="s0"), season=[])
    run, plain = (through(Pipeline(each), [batch_of(VALUES)]) for each in (by, chosen(season=[])))
    fresh = through(Pipeline(chosen(season=[])), [batch_of(VALUES[200:], first_tick=200)])
    for column in ("evidence", "residual", "state", "value"):
        ours, theirs = run.rows.columns()[column], fresh.rows.columns()[column]
        np.testing.assert_array_equal(
            ours[(run.rows.series == 0)][200:], theirs[fresh.rows.series == 0], err_msg=column
        )  # fmt: skip
    for other in ("s1", "s2"):
        assert by_series(run.state)[other] == by_series(plain.state)[other]


def test_a_rebase_finds_the_level_anew_and_keeps_scale_season_and_spread() -> None:
    """A new sensor reads 8 scales higher: re-based the series is judged again after a few ticks, without an alarm."""
    values = ar1(5, 0.0, TICKS) * 0.5 + 8.0 * (np.arange(TICKS) >= 200)[:, None]
    values[:, 0] += np.sin(2 * np.pi * np.arange(TICKS) / 12)
    anew = {gate: through(Pipeline(chosen(event(gate, 199.5))), [batch_of(values)]) for gate in ("reset", "rebase")}
    learnt = {gate: 200 + int(np.argmax(~np.isnan(run.rows.residual[200:]))) for gate, run in anew.items()}
    assert learnt["rebase"] <= 206
    assert learnt["reset"] >= 220
    kept = anew["rebase"].rows
    assert np.nanmax(np.abs(kept.residual[206:])) < 6.0
    assert not np.isnan(kept.estimates.spread[230])
    assert not [e for e in anew["rebase"].events if e.what == "raised" and e.time_us > 200 * HOUR_US]


@pytest.mark.parametrize("gate", ["reset", "rebase"])
def test_an_alarm_that_an_event_ends_says_so_and_never_that_it_recovered(gate: str) -> None:
    from sentinel.text.claims import body_of, sentence_of

    run = through(Pipeline(chosen(event(gate, 95, match="s0"), season=[])), [batch_of(VALUES)])
    ended = [e for e in run.events if e.what == "cleared" and e.series == "s0" and e.time_us == 95.5 * HOUR_US]
    assert ended, "an alarm is open there"
    for each in ended:
        assert body_of(each)["ended_by"] == gate
        assert "declared" in sentence_of(each)


def test_an_open_alarm_outlives_a_hold_and_the_series_says_that_it_is_on_hold() -> None:
    pipeline = Pipeline(chosen(event("hold", 95, 120, match="s0"), season=[]))
    state, _ = pipeline.advance(pipeline.init(), batch_of(VALUES[:110]))
    view, other = (Snapshot(pipeline, state, taken_us=0).view(name) for name in ("s0", "s1"))
    assert (view.state, view.reason) == (State.BLIND, Reason.ON_HOLD)
    assert any(rule.alarm_id for rule in view.rules)
    assert view.since_us == -1, "not since the alarm"
    assert view.time_us == 94.5 * HOUR_US, "the last tick before it is closed, and nothing since"
    assert other.reason is not Reason.ON_HOLD
    state, _ = pipeline.advance(state, more(110, 122))
    assert Snapshot(pipeline, state, taken_us=0).view("s0").state is State.WARNING


def test_a_series_that_was_on_hold_from_its_first_value_on_says_so_and_not_that_it_learns() -> None:
    # Found by hand: `series show` said that it was learning the cadence, of which it had not seen anything.
    pipeline = Pipeline(chosen(event("hold", 0, 120, match="s0"), cadence=None, season=[]))
    state, result = pipeline.advance(pipeline.init(), replace(batch_of(VALUES[:60]), watermark_us=60 * HOUR_US))
    assert result.held == {"source": 60}
    shown = Snapshot(pipeline, state, taken_us=0, watermarks={"source": 60 * HOUR_US})
    view = shown.view("s0")
    assert (view.state, view.reason) == (State.BLIND, Reason.ON_HOLD)
    assert shown.counts()["source", State.BLIND, Reason.ON_HOLD] == 1
    state, _ = pipeline.advance(state, more(60, 200))
    assert Snapshot(pipeline, state, taken_us=0).view("s0").ticks > 0


def test_a_hold_longer_than_the_longest_gap_is_no_gap() -> None:
    values = VALUES[:, :1].copy()
    values[150:250] = np.nan
    run = through(Pipeline(chosen(event("hold", 150, 249), max_gap="20h")), [batch_of(values)])
    assert STATES.index(State.LEARNING) not in run.rows.state[run.rows.tick > 200]
    assert REASONS.index(Reason.GAP) not in run.rows.reason
    without = through(Pipeline(chosen(max_gap="20h")), [batch_of(values)])
    assert REASONS.index(Reason.GAP) in without.rows.reason


@pytest.mark.parametrize("at", [180, 200])
def test_an_event_that_is_declared_too_late_acts_before_the_next_tick(at: int) -> None:
    pipeline = Pipeline(chosen(season=[]))
    state, _ = pipeline.advance(pipeline.init(), batch_of(VALUES[:201]))
    state = pipeline.declare(state, GateEvent("intervention", "reset", at * HOUR_US, at * HOUR_US, "s0"))
    again = pipeline.declare(state, state.events[0])
    assert again is state, "it is declared once"
    state = from_arrays(Pipeline(chosen(season=[])), *to_arrays(state))
    late = through(pipeline, [more(201, TICKS)], state=state)
    fresh = through(Pipeline(chosen(season=[])), [batch_of(VALUES[200:], first_tick=200)])
    for column in ("evidence", "residual"):
        ours, theirs = (r.rows.columns()[column][r.rows.series == 0] for r in (late, fresh))
        np.testing.assert_array_equal(ours, theirs, err_msg=column)


def test_a_hold_that_is_lifted_holds_nothing_more() -> None:
    pipeline = Pipeline(chosen())
    state, _ = pipeline.advance(pipeline.init(), batch_of(VALUES[:100]))
    state = pipeline.declare(state, GateEvent("maintenance", "hold", 100 * HOUR_US, 300 * HOUR_US))
    state, held = pipeline.advance(state, more(100, 110))
    assert held.held == {"source": 30}
    state, rest = pipeline.advance(lift(state, state.events[0].id, 110 * HOUR_US), more(110, TICKS))
    assert not rest.held


@given(st.integers(-50, 400), st.integers(1, 20), st.integers(21, 60), st.integers(0, 300), st.integers(1, 200))
def test_a_recurring_hold_covers_what_arithmetic_says(
    start: int, length: int, every: int, first: int, more: int
) -> None:
    hold = GateEvent("maintenance", "hold", start, start + length, every_us=every, until_us=300)
    gates = Gates([hold], {}).of("s", "source")
    assert gates is not None
    times = np.arange(first, first + more)
    by_hand = np.array([any(b <= t < b + length for b in range(start, 300, every)) for t in times.tolist()])
    assert np.array_equal(gates.holds_at(times), by_hand)
    covered = np.zeros(more, bool)
    for begin, end in gates.spans(first, first + more):
        covered[max(0, begin - first) : max(0, end - first)] = True
    assert np.array_equal(covered, by_hand)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**7), 10**7), st.sampled_from([1, 3, 12]), st.booleans())
def test_the_first_tick_that_is_not_before_a_moment_is_that(origin: int, at: int, size: int, calendar: bool) -> None:
    if calendar:
        grid, origin, at = Grid(1, months=size), origin % 900, at * 10**9
    else:
        grid = Grid(size)
    tick = int(grid.first_at(np.array(origin), np.array(at)))
    before, own = grid.middle_us(np.array(origin), np.array([tick - 1, tick])).tolist()
    assert before < at <= own


def test_without_an_end_nothing_overflows() -> None:
    hold = GateEvent("maintenance", "hold", 0, 10, every_us=4_000_000_000)
    assert hold.last_us == FOREVER_US
