"""A claim that has held from the first verdict on is a state: held, and no alarm before it was seen to be false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.evidence import Evidence, EvidenceBlock, EvidenceChannel, EvidenceState, Rule, above, stream_of
from detectors.pairs import Pairs

Floats = NDArray[np.float64]
SERIES = 100
ALARM = above(0.8, 1e-4)
STATE = replace(ALARM, waits=True)
BOTH = (STATE, ALARM)


def ar1(seed: int, rho: Floats) -> Floats:
    """AR(1) of unit variance whose coefficient changes, shape (tick, series)."""
    shocks = np.random.default_rng(seed).standard_normal((rho.size, SERIES))
    values = shocks.copy()
    for t in range(1, rho.size):
        values[t] = rho[t] * values[t - 1] + np.sqrt(1.0 - rho[t] ** 2) * shocks[t]
    return values


def pairs_of(values: Floats, *resets: int) -> Pairs:
    everywhere = np.ones((len(values) - 1, values.shape[1]), bool)
    reset = np.zeros_like(everywhere)
    reset[list(resets)] = True
    return Pairs(values[:-1], values[1:], everywhere, reset)


def run(pairs: Pairs, rules: tuple[Rule, ...] = BOTH) -> tuple[EvidenceState, EvidenceBlock]:
    evidence = Evidence(rules)
    return evidence.advance(evidence.init(pairs.series), stream_of(pairs, rules=len(rules)))


def test_what_is_slow_from_the_start_is_held_and_an_alarm_only_where_that_is_asked_for() -> None:
    _, block = run(pairs_of(ar1(1, np.full(2_000, 0.97))))
    held, raised = block.held.any(axis=0), block.raised.any(axis=0)
    assert held[:, 0].mean() >= 0.97
    assert raised[:, 0].mean() <= 0.03
    assert raised[:, 1].all()
    assert not block.held[:, :, 1].any()
    first = block.held & ~np.roll(block.held, 1, axis=0)
    assert np.all(block.evidence[first] >= 0.0), "it is at the line all the same"


@pytest.mark.parametrize("rest", [0.2, 0.6])
def test_what_becomes_slow_is_an_alarm_at_the_same_tick_as_without_the_setting(rest: float) -> None:
    _, block = run(pairs_of(ar1(2, np.repeat([rest, 0.95], [600, 600]))))
    assert not block.held.any()
    assert block.raised[:, :, 0].any(axis=0).mean() >= 0.95
    for array in block._replace(leading=np.zeros_like(block.leading)):
        assert array[:, :, 0].tobytes() == array[:, :, 1].tobytes()


def test_a_held_claim_ends_as_an_alarm_does_and_is_an_alarm_the_next_time() -> None:
    _, block = run(pairs_of(ar1(3, np.repeat([0.97, 0.3, 0.97], [1_000, 600, 1_000]))))
    held, raised = block.held[:, :, 0], block.raised[:, :, 0]
    assert held[900].mean() >= 0.95
    assert not held[1_600].any()
    assert raised[:1_000].sum() <= 2
    assert raised[1_600:].any(axis=0).mean() >= 0.95
    assert not block.cleared[:1_600, :, 0][~raised[:1_600].any(axis=0)[None].repeat(1_600, 0)].any(), "no alarm ended"


def test_after_a_reset_what_was_held_is_held_again_and_what_could_alarm_still_can() -> None:
    slow, turned = ar1(4, np.full(2_000, 0.97)), ar1(5, np.repeat([0.3, 0.97], [1_000, 1_000]))
    _, first = run(pairs_of(slow, 1_000))
    assert not first.held[1_000].any()
    assert first.held[-1, :, 0].mean() >= 0.95
    _, second = run(pairs_of(turned, 1_000))
    assert not second.held.any()
    assert second.raised[1_000:, :, 0].any(axis=0).all()


@pytest.mark.slow
def test_alarms_are_as_rare_as_without_the_setting_at_the_null() -> None:
    rules = (above(0.5, 1e-3, 0.99), replace(above(0.5, 1e-3, 0.99), waits=True))
    _, block = run(pairs_of(ar1(6, np.full(10_000, 0.5))), rules)
    assert block.raised[:, :, 1].sum() <= 1.1 * block.raised[:, :, 0].sum()
    assert block.raised[:, :, 1].mean() <= 1e-3


def test_a_held_series_does_not_stand_out_in_the_fleet() -> None:
    state, block = run(pairs_of(ar1(7, np.full(3_500, 0.97))), (STATE,))
    alarm, _ = run(pairs_of(ar1(7, np.full(3_500, 0.97))), (ALARM,))
    held = block.held[-1, :, 0]
    assert held.mean() >= 0.9
    assert np.all(state.e_value[held, 1] == 0.0)
    assert np.median(alarm.e_value[:, 1]) > 1.0


def test_with_other_settings_a_rule_goes_on_as_it_began_and_a_held_claim_that_is_asked_for_is_an_alarm() -> None:
    values = ar1(8, np.full(1_500, 0.97))
    was, now = Evidence((STATE,)), Evidence((ALARM,))
    state, block = was.advance(was.init(SERIES), stream_of(pairs_of(values[:1_000])))
    held = block.held[-1, :, 0]
    assert held.mean() >= 0.9
    _, asked = now.advance(now.carry_over(was, state, [(0, 0)]), stream_of(pairs_of(values[1_000:])))
    assert np.array_equal(asked.raised[0, :, 0] & held, held)
    state, block = now.advance(now.init(SERIES), stream_of(pairs_of(values[:1_000])))
    back, after = was.advance(was.carry_over(now, state, [(0, 0)]), stream_of(pairs_of(values[1_000:])))
    assert after.open[0, block.open[-1, :, 0], 0].all(), "an alarm stays open"
    assert not after.held.any()
    assert not back.early.any()


def test_lanes_without_an_entry_for_the_value_before_are_refused() -> None:
    """Bug: one entry for two lanes let the kernel read beyond the array."""
    pairs = pairs_of(ar1(9, np.full(10, 0.5)))
    one = stream_of(pairs)
    two = one._replace(**{name: np.repeat(getattr(one, name), 2, axis=0) for name in ("past", "present", "valid")})
    evidence = Evidence((Rule((EvidenceChannel(0.5, lane=1),), 1e-4),))
    with pytest.raises(ValueError, match=r"beside \[0\] for 2 lanes"):
        evidence.advance(evidence.init(SERIES), two)
    with pytest.raises(ValueError, match=r"beside \[0, 1\] for 2 lanes and 1 rows"):
        evidence.advance(evidence.init(SERIES), two._replace(beside=np.array([0, 1])))


@pytest.mark.parametrize("season", [60, 150, 250])
def test_a_quiet_season_is_remembered_across_the_gap_that_ends_it(season: int) -> None:
    # Bug: each gap made the rule wait anew, so that records of short seasons could never alarm.
    seasons, random = 3, np.random.default_rng(3)
    rho = np.where(np.arange(seasons * season) < season, 0.3, 0.97)
    pairs = pairs_of(ar1(11, rho), *(season * number for number in range(1, seasons)))
    rules = tuple(replace(above(0.6, 1e-3), waits=waits) for waits in (True, False))
    _, block = run(pairs, rules)
    waits, alarms = block.raised.any(axis=0).sum(axis=0)
    assert waits >= 0.8 * alarms > 0
    slow = pairs_of(ar1(int(random.integers(100)), np.full(seasons * season, 0.97)), season, 2 * season)
    _, block = run(slow, rules)
    assert block.raised[:, :, 0].any(axis=0).mean() <= 0.2
