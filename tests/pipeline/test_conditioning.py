"""The conditioner against its definition in plain Python, and what it says of sensors that cannot be judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel.domain.states import Reason
from sentinel.pipeline.conditioning import Conditioned, Conditioner
from sentinel.pipeline.grid import ABSENT, GAP, TICK, Block
from sentinel.pipeline.plan import Plan
from tests.pipeline.derivation import Reference
from tests.pipeline.streams import ar1, plan_with

REASONS = tuple(Reason)
GAP_ROW = -math.inf
"""Stands for a gap row in a list of values."""


def block(values: NDArray[np.float64], first_tick: int = 0) -> Block:
    """A table (tick, series); minus infinity = a gap row."""
    gap = np.isneginf(values)
    # An array of its own, as the pipeline hands it over: for a read-only one the kernel would be compiled again.
    tick = np.repeat(np.arange(first_tick, first_tick + len(values))[:, None], values.shape[1], axis=1)
    kind = np.where(gap, GAP, TICK).astype(np.int8)
    return Block(np.arange(values.shape[1]), kind, np.where(gap, np.nan, values), np.ascontiguousarray(tick))


DAILY = plan_with(seasons=(24.0,), season_half_lives=(120.0,))


def condition(values: NDArray[np.float64], chosen: Plan) -> Conditioned:
    conditioner = Conditioner(chosen)
    return conditioner.advance(conditioner.init(values.shape[1]), block(values))[1]


STREAM_SEEDS = st.integers(0, 2**32 - 1)


def stream(seed: int, ticks: int) -> NDArray[np.float64]:
    """AR(1) with a trend and a cycle; missing values, ties, spikes, fill values, a few gap rows."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=ticks)
    x = np.zeros(ticks)
    for t in range(1, ticks):
        x[t] = random.choice([0.0, 0.9]) * x[t - 1] + noise[t]
    x += np.arange(ticks) * 0.01 + 2.0 * np.sin(np.arange(ticks) * 2 * np.pi / 11.5)
    kind = random.random(ticks)
    x[kind < 0.02] += 30.0
    x[(kind > 0.1) & (kind < 0.13)] = -99.0
    x[kind > 0.92] = np.nan
    x[kind > 0.995] = GAP_ROW
    for t in np.flatnonzero((kind > 0.85) & (kind < 0.92)):
        x[t] = x[t - 1] if t else x[t]
    if random.random() < 0.3:
        x = np.round(x)
    return np.where(np.isneginf(x) & (np.arange(ticks) == 0), 0.0, x)


@settings(max_examples=30, deadline=None)
@given(STREAM_SEEDS, st.sampled_from([3.0, 30.0, 71.5]), st.sampled_from([(), (11.5,), (40.0,), (4.0, 24.5)]))
def test_it_is_the_recursion_of_the_derivation(seed: int, H: float, periods: tuple[float, ...]) -> None:
    values = stream(seed, 400)
    memory = tuple(5.0 * period for period in periods)
    chosen = plan_with(level_half_life=H, seasons=periods, season_half_lives=memory, stuck_after=10**6)
    found = condition(values[:, None], chosen)
    reference = Reference(H, periods)
    pairs, residuals = np.full((2, values.size), math.nan), np.full(values.size, math.nan)
    for tick, x in enumerate(values.tolist()):
        if x == GAP_ROW:
            reference = Reference(H, periods, reference.far.pass_gap())
            assert found.pairs.reset[tick, 0]
            residuals[tick] = found.residual[tick, 0]
            continue
        expected = reference.step(tick, x)
        if expected.pair is not None:
            pairs[:, tick] = expected.pair
        if expected.residual is not None:
            residuals[tick] = expected.residual
    valid = ~np.isnan(pairs[0]) | (values == GAP_ROW) & found.pairs.valid[:, 0]
    assert found.pairs.valid[:, 0].tolist() == valid.tolist()
    for got, wanted in ((found.pairs.past, pairs[0]), (found.pairs.present, pairs[1])):
        np.testing.assert_allclose(got[valid, 0], wanted[valid], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.residual[:, 0], residuals, rtol=1e-9, atol=1e-10)
    assert valid.any() or np.isneginf(values).any()


@settings(max_examples=20, deadline=None)
@given(STREAM_SEEDS, st.lists(st.integers(0, 200), max_size=4), st.booleans())
def test_cut_anywhere_it_gives_bitwise_the_same_and_leaves_the_state_alone(
    seed: int, cuts: list[int], none: bool
) -> None:
    values = np.stack([stream(seed, 200), stream(seed + 1, 200)], axis=1)
    seasons, memory = ((), ()) if none else ((12.0,), (60.0,))
    conditioner = Conditioner(
        plan_with(level_half_life=10.0, seasons=seasons, season_half_lives=memory, conditioning=not none)
    )
    whole_state, whole = conditioner.advance(conditioner.init(2), block(values))
    state, parts = conditioner.init(2), []
    edges = sorted({0, 200, *cuts})
    for first, last in pairwise(edges):
        before = [array.tobytes() for array in state]
        after, part = conditioner.advance(state, block(values[first:last], first))
        assert [array.tobytes() for array in state] == before
        state, parts = after, [*parts, part]
    assert [a.tobytes() for a in state] == [a.tobytes() for a in whole_state]
    for name in ("residual", "learning", "blind"):
        assert np.concatenate([getattr(p, name) for p in parts]).tobytes() == getattr(whole, name).tobytes()
    for name in ("past", "present", "valid", "reset"):
        joined = np.concatenate([getattr(p.pairs, name) for p in parts])
        assert joined.tobytes() == getattr(whole.pairs, name).tobytes()


def test_entries_that_are_absent_leave_everything_as_it_was() -> None:
    conditioner = Conditioner(plan_with())
    state, _ = conditioner.advance(conditioner.init(2), block(np.random.default_rng(0).normal(size=(80, 2))))
    nothing = Block(np.arange(2), np.full((5, 2), ABSENT, np.int8), np.full((5, 2), np.nan), np.full((5, 2), 79))
    after, found = conditioner.advance(state, nothing)
    assert [a.tobytes() for a in after] == [a.tobytes() for a in state]
    assert not found.pairs.valid.any()


def reasons(values: Sequence[float], **chosen: object) -> list[Reason]:
    found = condition(np.array(values, float)[:, None], plan_with(**chosen))
    return [REASONS[code] for code in found.blind[:, 0]]


NOISE = np.random.default_rng(7).normal(size=400).tolist()


def test_a_sensor_is_stuck_from_the_nth_equal_value_until_the_value_changes() -> None:
    found = reasons([*NOISE[:60], *[1.5] * 30, *NOISE[60:65]], stuck_after=20)
    assert found[59 + 19 : 59 + 21] == [Reason.NONE, Reason.STUCK]
    assert found[60 + 29] is Reason.STUCK
    assert found[60 + 30] is Reason.NONE


def test_a_value_out_of_range_is_missing_and_three_in_a_row_make_the_series_blind() -> None:
    values = [*NOISE[:100], 99.0, *NOISE[100:110], 99.0, 98.0, 97.0, 96.0, *NOISE[110:120]]
    found = condition(np.array(values)[:, None], plan_with(highest=90.0))
    assert [REASONS[code] for code in found.blind[98:104, 0]] == [Reason.NONE] * 6
    assert [REASONS[code] for code in found.blind[111:116, 0]] == [
        Reason.NONE, Reason.NONE, Reason.OUT_OF_RANGE, Reason.OUT_OF_RANGE, Reason.NONE,
    ]  # fmt: skip
    missing = [np.nan if abs(x) > 90 else x for x in values]
    expected = condition(np.array(missing)[:, None], plan_with())
    assert found.pairs.past.tobytes() == expected.pairs.past.tobytes()
    assert found.residual.tobytes() == expected.residual.tobytes()


def test_one_implausible_value_is_missing_and_a_new_level_starts_the_series_afresh() -> None:
    alone = [*NOISE[:100], 1e6, *NOISE[100:150]]
    found = condition(np.array(alone)[:, None], plan_with())
    holed = condition(np.array([np.nan if x == 1e6 else x for x in alone])[:, None], plan_with())
    assert found.residual.tobytes() == holed.residual.tobytes()
    moved = np.array([*NOISE[:100], *(np.array(NOISE[100:200]) + 1e6)])
    found = condition(moved[:, None], plan_with())
    judged = [REASONS[code] for code in found.blind[100:115, 0]]
    assert judged == [Reason.NONE] * 2 + [Reason.IMPLAUSIBLE] * 9 + [Reason.NONE] * 4
    assert found.pairs.reset[111, 0]
    assert found.learning[111:161, 0].all()
    assert not found.learning[-1, 0]
    alone_again = condition(moved[111:, None], plan_with())
    assert found.pairs.present[111:].tobytes() == alone_again.pairs.present.tobytes()


def test_how_far_a_value_may_be_from_the_level_can_be_set() -> None:
    values = [*NOISE[:100], 50.0, *NOISE[100:150]]
    holed = [math.nan if x == 50.0 else x for x in values]
    near, far = (condition(np.array(values)[:, None], plan_with(implausible=limit)) for limit in (20.0, 1e3))
    expected = condition(np.array(holed)[:, None], plan_with())
    assert near.residual.tobytes() == expected.residual.tobytes()
    assert abs(far.residual[100, 0]) > 20.0


def test_a_strong_season_is_not_implausible_once_it_is_known() -> None:
    ticks = np.arange(4_000)
    values = 1e4 * np.sin(2 * np.pi * ticks / 24) + 0.05 * np.random.default_rng(1).normal(size=4_000)
    found = condition(values[:, None], DAILY)
    assert not found.blind.any()
    assert np.std(found.residual[-500:]) == pytest.approx(1.0, abs=0.1)


def test_values_whose_square_is_not_a_number_any_more_do_not_poison_the_state() -> None:
    for first in (0, 5, 60):
        values = np.array([*NOISE[:first], 1e300, -1e300, *NOISE[first:]])
        found = condition(values[:, None], plan_with())
        assert np.isfinite(found.residual[-200:]).all()
        assert found.pairs.valid[-200:].all()


def test_a_run_of_missing_ticks_makes_the_series_blind_and_its_end_does_not_reset_it() -> None:
    values = [*NOISE[:100], *[math.nan] * 20, *NOISE[100:130]]
    found = condition(np.array(values)[:, None], plan_with(blind_after_missing=14))
    judged = [REASONS[code] for code in found.blind[:, 0]]
    assert judged[112:115] == [Reason.NONE, Reason.GAP, Reason.GAP]
    assert judged[119:121] == [Reason.GAP, Reason.NONE]
    assert not found.pairs.reset.any()
    assert not found.pairs.valid[100:121].any(), "no pair is formed across missing ticks"
    assert found.pairs.valid[121, 0]


def test_a_gap_row_empties_everything() -> None:
    values = np.array([*NOISE[:100], GAP_ROW, *NOISE[100:300]])
    found = condition(values[:, None], DAILY)
    assert (found.pairs.reset[:, 0] == (np.arange(301) == 100)).all()
    assert REASONS[found.blind[100, 0]] is Reason.GAP
    assert found.learning[100:151, 0].all()
    conditioner = Conditioner(DAILY)
    _, afresh = conditioner.advance(conditioner.init(1), block(values[101:, None], 101))
    assert found.residual[101:].tobytes() == afresh.residual.tobytes()


def test_a_series_of_few_levels_is_blind_at_the_tick() -> None:
    few = (np.random.default_rng(3).random(400) < 0.1).astype(float)
    found = condition(few[:, None], plan_with())
    assert {REASONS[code] for code in found.blind[150:, 0]} <= {Reason.TOO_COARSE, Reason.STUCK}
    assert np.mean(found.blind[150:] == REASONS.index(Reason.TOO_COARSE)) > 0.9
    assert Reason.TOO_COARSE not in {
        REASONS[code] for code in condition(few[:, None], plan_with(coarse_steps=1e9)).blind[:, 0]
    }


def test_ties_are_pairs_as_long_as_their_share_explains_so_many_in_a_row() -> None:
    """The ties of a coarse sensor were left out, which lowered lag 1; those of one that is stuck still are."""
    exact = np.random.default_rng(3).normal(size=300)
    for values, paired in ((exact, range(1)), (np.round(exact), range(2, 9))):
        held = values.copy()
        held[200:215] = held[199]
        valid = condition(held[:, None], plan_with()).pairs.valid[:, 0]
        assert valid[200:215].sum() in paired
        assert valid[215]


@given(st.integers(0, 100), st.sampled_from([0.1, 0.25, 3.0]))
def test_digits_beyond_the_resolution_change_nothing(seed: int, resolution: float) -> None:
    random = np.random.default_rng(seed)
    steps = np.round(random.normal(size=(200, 1)) / resolution * 2)
    noisy = (steps + random.uniform(-0.4, 0.4, steps.shape)) * resolution
    chosen = plan_with(resolution=resolution)
    exact, found = condition(steps * resolution, chosen), condition(noisy, chosen)
    assert found.residual.tobytes() == exact.residual.tobytes()
    assert found.blind.tobytes() == exact.blind.tobytes()


def test_no_verdict_before_the_level_is_learnt_and_two_periods_are_seen() -> None:
    values = np.random.default_rng(4).normal(size=(300, 1))
    for chosen, first in (
        (plan_with(), 50),
        (plan_with(level_half_life=80.5), 81),
        (plan_with(seasons=(60.0, 100.5), season_half_lives=(300.0, 502.5)), 201),
        (plan_with(conditioning=False), 0),
    ):
        found = condition(values, chosen)
        assert int(np.argmin(found.learning[:, 0])) == first
        assert int(np.argmax(found.pairs.valid[:, 0])) == max(1, first)


def test_without_conditioning_the_values_are_the_residuals() -> None:
    values = np.array([0.5, -1.0, np.nan, 2.0, 2.0, 0.25])[:, None]
    found = condition(values, plan_with(conditioning=False))
    assert found.residual.tobytes() == values.tobytes()
    assert found.pairs.valid[:, 0].tolist() == [False, True, False, False, False, True]
    assert found.pairs.past[[1, 5], 0].tolist() == [0.5, 2.0]
    assert found.pairs.present[[1, 5], 0].tolist() == [-1.0, 0.25]


def test_without_variance_there_is_no_verdict_and_no_pair_until_values_vary() -> None:
    values = np.array([*[3.25] * 200, *(np.array(NOISE[:120]) + 3.25)])
    found = condition(values[:, None], plan_with())
    assert not found.pairs.valid[:200].any()
    assert np.isnan(found.residual[:200]).all()
    assert found.learning[:249, 0].all(), "two hundred equal values are one value"
    assert not found.learning[250:, 0].any()
    assert found.pairs.valid[250:, 0].all()
    assert np.std(found.residual[250:]) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(
    ("rho", "step", "low"), [(0.6, 0.3, 0.58), (0.6, 1.0, 0.5), (0.95, 0.5, 0.9), (0.95, 1.0, 0.85)]
)
def test_a_coarse_resolution_keeps_the_verdict_and_lowers_lag_1_a_little(rho: float, step: float, low: float) -> None:
    exact = ar1(11, rho, 20_000)
    coarse = np.round(exact / step) * step

    def lag1(found: Conditioned) -> float:
        past, present = (array[found.pairs.valid] for array in (found.pairs.past, found.pairs.present))
        return float(past @ present / (past @ past))

    found = condition(coarse, plan_with())
    assert np.mean(found.blind[200:] != 0) < 0.005
    assert low < lag1(found) < lag1(condition(exact, plan_with())) + 0.01
