"""Checks of values: chunking and restarts change nothing, the past alone decides, and a check does as ioos-qc does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.domain.flags import CHECKS, FAIL, GOOD, MISSING, SUSPECT, UNKNOWN, CheckCount
from sentinel.domain.spans import HOUR, Cadence
from sentinel.domain.states import REASONS, Reason
from sentinel.pipeline.checks import Checked, Checks, CheckState, counts_by_check
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.grid import GAP, HELD, RESETS, TICK, Block
from sentinel.pipeline.limits import limits_of
from sentinel.pipeline.migrate import migrate
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.plan import plan_for
from sentinel.pipeline.snapshot import Snapshot
from tests.laws import examples
from tests.pipeline.streams import (
    Floats,
    ar1,
    batch_of,
    by_series,
    content,
    cut,
    hourly,
    numbered,
    plan_with,
    run,
    through,
)

SECONDS = 3600.0
ALL = {
    "range": {"suspect": [-2.5, 2.5], "fail": [-4, 4]},
    "gap": {"suspect": "1h", "fail": "3h"},
    "flat_line": {"suspect": "3h", "fail": "5h", "tolerance": 0.3},
    "rate": {"suspect": 2, "fail": 3, "per": "1h"},
    "spike": {"suspect": 1.5, "fail": 2.5},
}
QUICK = {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60}


def checks_of(**checks: Any) -> Checks:
    chosen = hourly(checks=checks).series[0].checks
    return Checks(plan_with(checks=limits_of(chosen, Cadence.fixed(HOUR))))


def block_of(values: Floats, first_tick: int = 0, kinds: dict[int, int] | None = None) -> Block:
    """A table (tick, series) as one block; `kinds` of some ticks, TICK else."""
    kind = np.full(values.shape, TICK, np.int8)
    for tick, what in (kinds or {}).items():
        kind[tick] = what
    tick = np.broadcast_to(np.arange(len(values))[:, None] + first_tick, values.shape)
    return Block(np.arange(values.shape[1]), kind, values, tick.copy())


def check(values: Any, kinds: dict[int, int] | None = None, **checks: Any) -> tuple[CheckState, Block, Checked]:
    """Check one series."""
    stage, table = checks_of(**checks), np.asarray(values, np.float64)[:, None]
    state, block, found = stage.advance(stage.init(1), block_of(table, kinds=kinds))
    assert found is not None
    return state, block, found


def flags(values: Any, **checks: Any) -> Any:
    return check(values, **checks)[2].flag[:, 0]


def rough(seed: int, ticks: int = 240, series: int = 3) -> Floats:
    """Series with all that a check can find: spikes, flats, jumps of the level, holes, values out of range."""
    random, values = np.random.default_rng(seed), ar1(seed, 0.8, ticks, series)
    for column in values.T:
        for start in random.integers(10, ticks - 20, 3).tolist():
            column[start : start + random.integers(3, 9)] = column[start]
        column[random.random(ticks) < 0.03] += random.choice([-6, -3, 3, 6])
        column[random.random(ticks) < 0.08] = np.nan
        column[random.integers(60, ticks) :] += 2.0
        first = int(random.integers(20, ticks - 40))
        column[first : first + random.integers(2, 25)] = np.nan
    return values


def checked_settings(**more: Any) -> Settings:
    return hourly(checks=ALL | more, banks={"default": QUICK}, max_gap="80h", blind_after_missing_ticks=3, alarms=[
        {"threshold": 0.3, "alpha": 0.05, "at_start": "alarm"}, {"kind": "slower", "alpha": 1e-2},
    ])  # fmt: skip


@given(st.integers(0, 50), st.lists(st.integers(0, 700), max_size=6), st.sampled_from(["fail", "suspect", "none"]))
@settings(max_examples=examples(10, 20), deadline=None)
def test_how_a_stream_is_cut_or_interrupted_changes_no_flag_and_no_number(
    seed: int, edges: list[int], gate: str
) -> None:
    pipeline = Pipeline(checked_settings(gate=gate))
    batch = numbered(batch_of(rough(seed)))
    whole, pieces = through(pipeline, [batch]), through(pipeline, cut(batch, edges))
    assert content(pieces.rows) == content(whole.rows)
    assert pieces.events == whole.events
    assert by_series(pieces.state) == by_series(whole.state)
    first, second = cut(batch, [300])
    half = through(pipeline, [first], finish=False)
    restored = from_arrays(pipeline, *to_arrays(half.state))
    rest = through(Pipeline(checked_settings(gate=gate)), [second], state=restored)
    assert by_series(rest.state) == by_series(whole.state)


@given(st.integers(0, 50), st.integers(1, 239))
@settings(max_examples=20, deadline=None)
def test_what_comes_later_changes_no_flag(seed: int, known: int) -> None:
    stage, values = checks_of(**ALL), rough(seed)
    whole, part = (stage.advance(stage.init(3), block_of(some))[2] for some in (values, values[:known]))
    assert whole is not None
    assert part is not None
    assert all(np.array_equal(a[:known], b) for a, b in zip(whole, part, strict=True))


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_a_series_is_checked_as_it_is_alone(seed: int) -> None:
    stage, values = checks_of(**ALL), rough(seed)
    together, _, found = stage.advance(stage.init(3), block_of(values))
    for s in range(3):
        alone, _, own = stage.advance(stage.init(1), block_of(values[:, [s]]))
        assert found is not None
        assert own is not None
        assert all(np.array_equal(a[:, s], b[:, 0]) for a, b in zip(found, own, strict=True))
        assert all(np.array_equal(a[s], b[0]) for a, b in zip(together, alone, strict=True))


@pytest.mark.slow
@given(st.integers(0, 50), st.sampled_from([("fail", FAIL), ("suspect", SUSPECT), ("none", 99)]))
@settings(max_examples=20, deadline=None)
def test_a_value_that_is_kept_out_is_as_missing_as_one_that_never_came(seed: int, gate: tuple[str, int]) -> None:
    values = rough(seed)
    values[0] = 0.0
    outcome = run(values, checked_settings(gate=gate[0]))
    stage = checks_of(**ALL)
    _, _, found = stage.advance(stage.init(3), block_of(values))
    assert found is not None
    holed = np.where((found.flag >= gate[1]) & (found.flag != MISSING), np.nan, values)
    expected = run(holed, checked_settings(gate="none"))
    assert [event.id for event in outcome.events] == [event.id for event in expected.events]
    # Ticks end with the last value that came, whether or not it is kept out.
    keys = [one.rows.series * 1_000 + one.rows.tick for one in (outcome, expected)]
    shown = np.isin(keys[0], keys[1])
    for name in ("tick", "value", "residual", "state", "evidence", "readings"):
        ours, theirs = (getattr(one.rows, name) for one in (outcome, expected))
        assert np.array_equal(ours[shown], theirs, equal_nan=True), name


@given(st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_every_value_counts_once_and_is_never_dropped(seed: int) -> None:
    stage, values = checks_of(**ALL), rough(seed)
    state, block, found = stage.advance(stage.init(3), block_of(values))
    assert found is not None
    assert np.array_equal(found.flag == MISSING, np.isnan(values))
    for s in range(3):
        counts = {one.check: one for one in counts_by_check(state, s)}
        for k, name in enumerate(CHECKS):
            own = found.flag[:, s][found.check[:, s] == k]
            assert counts.get(name, CheckCount(name, 0, 0)) == (name, (own == SUSPECT).sum(), (own == FAIL).sum())
    assert np.array_equal(np.isnan(block.value), np.isnan(values) | (found.flag == FAIL))


# As ioos-qc does. It sees whole records, so it is given the values that a check looks at, with their own times.


@pytest.fixture(scope="module")
def qartod() -> Any:
    return pytest.importorskip("ioos_qc.qartod")


def bad(found: Any) -> Any:
    """Flags 3 and 4; ioos-qc calls a value that it cannot judge good in some of its tests and unknown in others."""
    return np.where(np.isin(found, (SUSPECT, FAIL)), found, GOOD)


RECORDS = st.integers(0, 10_000).map(lambda seed: rough(seed, 120, 1)[:, 0])


@given(RECORDS, st.floats(0.5, 3), st.floats(3.5, 6))
@settings(max_examples=25, deadline=None)
def test_range_does_as_ioos_qc(qartod: Any, values: Floats, near: float, far: float) -> None:
    ours = flags(values, range={"suspect": [-near, near], "fail": [-far, far]})
    assert np.array_equal(ours, qartod.gross_range_test(values, (-far, far), (-near, near)))


@given(RECORDS, st.floats(0.1, 2), st.floats(2.5, 6))
@settings(max_examples=25, deadline=None)
def test_rate_does_as_ioos_qc_between_the_values_that_there_are(
    qartod: Any, values: Floats, near: float, far: float
) -> None:
    there = ~np.isnan(values)
    seconds = np.arange(values.size)[there] * SECONDS
    expected = qartod.rate_of_change_test(values[there], seconds, near / SECONDS, far / SECONDS)
    ours = flags(values, rate={"suspect": near, "fail": far, "per": "1h"})
    assert np.array_equal(bad(ours[there]), bad(expected))
    assert ours[there][0] == UNKNOWN, "there is nothing before the first value"


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 8), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=40, deadline=None)
def test_flat_line_does_as_ioos_qc(qartod: Any, seed: int, first: int, more: int, tolerance: float) -> None:
    values = np.nan_to_num(np.round(rough(seed, 120, 1)[:, 0], 1))
    hours = np.arange(values.size) * SECONDS
    # Its tolerance is the least distance that is not flat; ours the largest that is.
    beyond = np.nextafter(tolerance, 1e9)
    spans = int(first * SECONDS), int((first + more) * SECONDS)
    expected = qartod.flat_line_test(values, hours, *spans, tolerance=beyond)
    ours = flags(values, flat_line={"suspect": f"{first}h", "fail": f"{first + more}h", "tolerance": tolerance})
    assert np.array_equal(bad(ours), bad(expected))


def flat_since(values: Floats, tolerance: float) -> list[int]:
    """For how many ticks each value and those before it have lain within the tolerance of each other."""
    found = []
    for t, x in enumerate(values):
        start, low, high = t, x, x
        for i in np.flatnonzero(~np.isnan(values[:t]))[::-1].tolist():
            low, high = min(low, values[i]), max(high, values[i])
            if high - low > tolerance:
                break
            start = i
        found.append(t - start)
    return found


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.4, 1.5]), st.floats(0.0, 0.5))
@settings(max_examples=examples(20, 40), deadline=None)
def test_a_flat_line_is_as_long_as_looking_at_all_values_before_says(
    seed: int, ticks: int, tolerance: float, missing: float
) -> None:
    """Of slow ramps and walks with holes, far longer than what is kept of them."""
    random = np.random.default_rng(seed)
    values = np.round(np.cumsum(random.choice([-0.1, 0.0, 0.0, 0.1], 300)), 1)
    values[random.random(300) < missing] = np.nan
    ours = flags(values, flat_line={"suspect": f"{ticks}h", "tolerance": tolerance})
    there = ~np.isnan(values)
    assert np.array_equal(ours[there] == SUSPECT, np.array(flat_since(values, tolerance))[there] >= ticks)


@given(st.integers(0, 10_000), st.floats(1.0, 2.0))
@settings(max_examples=40, deadline=None)
def test_spike_by_the_past_alone_finds_the_lone_spikes_that_ioos_qc_finds_with_both_neighbours(
    qartod: Any, seed: int, limit: float
) -> None:
    random = np.random.default_rng(seed)
    values = random.uniform(-0.1, 0.1, 200)
    at = 4 + np.flatnonzero(random.random(38) < 0.5) * 5
    values[at] += random.choice([-1, 1], at.size) * random.uniform(limit + 0.3, 2.0 * limit - 0.6, at.size)
    expected = bad(qartod.spike_test(values, limit, 1e9))
    assert np.array_equal(np.flatnonzero(expected == SUSPECT), at)
    assert np.array_equal(bad(flags(values, spike={"suspect": limit})), expected)


@given(RECORDS)
@settings(max_examples=25, deadline=None)
def test_the_flag_of_a_value_is_the_aggregate_of_ioos_qc(qartod: Any, values: Floats) -> None:
    values[np.abs(values) > 4] = np.nan  # a value that fails range is no value to the others
    parts = [flags(values, **{name: ALL[name]}) for name in CHECKS]
    assert np.array_equal(flags(values, **ALL), qartod.qartod_compare(parts))


# What each check means where ioos-qc has none, or looks ahead.


def test_a_gap_makes_the_first_value_after_it_suspect_and_a_longer_one_fails_it() -> None:
    nan = np.nan
    values = [1.0, 2.0, nan, 3.0, nan, nan, nan, 4.0, 5.0]
    found = flags(values, gap={"suspect": "1h", "fail": "3h"})
    assert found.tolist() == [UNKNOWN, GOOD, MISSING, SUSPECT, MISSING, MISSING, MISSING, FAIL, GOOD]


def test_a_hold_is_no_gap_and_after_a_reset_nothing_is_known_of_the_sensor_before() -> None:
    values = [0.0, np.nan, 9.0, 9.0, 0.0]
    _, _, found = check(values, {1: HELD, 4: RESETS}, gap={"fail": "1h"}, rate={"fail": 1, "per": "1h"})
    assert found.flag[:, 0].tolist() == [UNKNOWN, MISSING, GOOD, GOOD, UNKNOWN]


def test_after_a_gap_row_the_gap_is_told_and_nothing_else_is_compared() -> None:
    values = [0.0, np.nan, 9.0]
    _, _, found = check(values, {1: GAP}, gap={"fail": "90m"}, spike={"fail": 1})
    assert found.flag[:, 0].tolist() == [UNKNOWN, MISSING, FAIL]
    assert CHECKS[found.check[2, 0]] == "gap"


def test_a_step_of_the_level_is_a_spike_for_two_values_and_then_the_level() -> None:
    assert flags([0.0] * 5 + [9.0] * 5, spike={"fail": 5}).tolist() == [UNKNOWN] * 3 + [GOOD] * 2 + [FAIL] * 2 + (
        [GOOD] * 3
    )


def test_a_value_out_of_range_makes_no_neighbour_fail() -> None:
    found = flags([0.0, 0.1, -999.0, 0.2, 0.3], range={"fail": [-5, 5]}, rate={"fail": 1, "per": "1h"})
    assert found.tolist() == [GOOD, GOOD, FAIL, GOOD, GOOD]


def test_three_values_that_are_kept_out_make_the_series_blind_and_say_why() -> None:
    values = ar1(0, 0.5, 200)
    values[100:105] = 50.0
    outcome = run(values, hourly(checks={"range": {"fail": [-20, 20]}}, banks={"default": QUICK}))
    reasons = [REASONS[code] for code in outcome.rows.reason[99:107]]
    assert [reason is Reason.FAILED_CHECK for reason in reasons] == [False] * 3 + [True] * 3 + [False] * 2
    assert outcome.rows.residual[100:105].tobytes() == np.full(5, np.nan).tobytes()
    usual = run(values, hourly(checks={"range": {"fail": [-20, 20]}, "gate": "none"}, banks={"default": QUICK}))
    assert Reason.FAILED_CHECK not in {REASONS[code] for code in usual.rows.reason}


def test_series_that_get_checks_keep_what_they_have_learnt() -> None:
    before, after = (hourly(banks={"default": QUICK}, **more) for more in ({}, {"checks": ALL}))
    values = ar1(0, 0.5, 200)
    state = through(Pipeline(before), [batch_of(values)]).state
    moved = migrate(Pipeline(after), state)[0]
    assert moved.cohorts[0].bank.pairs.tolist() == state.cohorts[0].bank.pairs.tolist()
    rest = through(
        Pipeline(after), [replace(batch_of(np.full((1, 1), 99.0), first_tick=200), new_series=())], state=moved
    )
    assert counts_by_check(rest.state.cohorts[0].checks, 0) == (CheckCount("range", 0, 1),)


def test_limits_are_in_ticks_of_the_series() -> None:
    chosen = Settings.model_validate({"series": [{"checks": ALL}]})
    hour, half = (plan_for(chosen, "s", Cadence.fixed(us)).checks for us in (HOUR, HOUR // 2))
    assert hour
    assert half
    assert (half.fail_gap, half.fail_flat, half.fail_rate) == (6.0, 10.0, 1.5)
    assert (hour.fail_gap, hour.fail_flat, hour.fail_rate) == (3.0, 5.0, 3.0)


def test_a_view_names_the_checks_that_cannot_act_on_the_cadence_that_was_found() -> None:
    vain = {"flat_line": {"suspect": "30m", "fail": "6h"}, "gap": {"fail": "1d"}}
    for checks, unable in ((vain, 1), (ALL, 0)):
        pipeline = Pipeline(Settings.model_validate({"series": [{"match": "*", "checks": checks}]}))
        state = through(pipeline, [numbered(batch_of(rough(1)))], finish=False).state
        (view, *_) = Snapshot(pipeline, state, taken_us=0, watermarks={}).views()
        assert len(view.checks_unable) == unable
        assert all("flat_line suspect: 30m" in why for why in view.checks_unable)
