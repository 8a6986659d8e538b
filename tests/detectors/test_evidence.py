"""The e-detector as a mechanism: blocks, gaps, readiness, episodes, the scale of evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.checks import stream
from detectors.evidence import CEILING, Evidence, EvidenceBlock, EvidenceChannel, EvidenceState, Rule, above, stream_of
from detectors.pairs import Pairs

RULES = [above(0.0, 0.05, 0.2), above(0.5, 1e-2, 0.1), above(0.9, 1e-3)]
CUTS = st.lists(st.integers(0, 200), max_size=8).map(sorted)


def flags(pairs: Pairs, value: bool = True) -> np.ndarray:
    return np.full(pairs.valid.shape, value)


def run(evidence: Evidence, pairs: Pairs, ready: np.ndarray | None = None) -> tuple[EvidenceState, EvidenceBlock]:
    return evidence.advance(evidence.init(pairs.series), stream_of(pairs, ready, len(evidence.rules)))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), CUTS)
def test_a_block_cut_anywhere_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    evidence, pairs = Evidence(RULES), stream(200, 4, seed)
    ready = np.random.default_rng(seed).random(pairs.valid.shape) < 0.95
    state, whole = run(evidence, pairs, ready)
    part, blocks = evidence.init(4), []
    for start, stop in zip([0, *cuts], [*cuts, 200], strict=True):
        part, block = evidence.advance(part, stream_of(pairs[start:stop], ready[start:stop], len(RULES)))
        blocks.append(block)
    assert [a.tobytes() for a in part] == [a.tobytes() for a in state]
    for expected, pieces in zip(whole, zip(*blocks, strict=True), strict=True):
        assert np.concatenate(pieces).tobytes() == expected.tobytes()


def test_threads_and_the_order_of_series_change_nothing() -> None:
    pairs, order = stream(500, 301, 1), np.random.default_rng(1).permutation(301)
    state, block = run(Evidence(RULES), pairs)
    for evidence, chosen in ((Evidence(RULES, threads=3), np.arange(301)), (Evidence(RULES), order)):
        other, same = run(evidence, pairs.columns(chosen))
        assert all(np.array_equal(a[chosen], b) for a, b in zip(state, other, strict=True))
        assert all(np.array_equal(a[:, chosen], b) for a, b in zip(block, same, strict=True))


def test_the_state_given_is_not_changed() -> None:
    evidence, pairs = Evidence(RULES), stream(100, 3, 2)
    state, _ = run(evidence, pairs)
    copies = [a.copy() for a in state]
    evidence.advance(state, stream_of(pairs, rules=len(RULES)))
    assert all(np.array_equal(a, b) for a, b in zip(state, copies, strict=True))


def test_ticks_without_a_pair_leave_everything_as_it_is() -> None:
    evidence, pairs = Evidence(RULES), stream(100, 3, 3)
    state, block = run(evidence, pairs)
    none = np.zeros((50, 3), dtype=bool)
    gap = Pairs(np.full((50, 3), np.nan), np.full((50, 3), np.nan), none, none)
    after, held = evidence.advance(state, stream_of(gap, rules=len(RULES)))
    assert [a.tobytes() for a in after] == [a.tobytes() for a in state]
    assert not held.raised.any()
    assert not held.cleared.any()
    assert np.array_equal(held.open, np.repeat(block.open[-1:], 50, axis=0))
    quiet = ~block.open[-1]
    assert np.array_equal(held.evidence[0][quiet], block.evidence[-1][quiet])


def test_while_not_ready_there_is_no_evidence_and_none_is_gathered() -> None:
    evidence, pairs = Evidence(RULES), stream(100, 3, 4)
    state, block = run(evidence, pairs, flags(pairs, False))
    assert np.isnan(block.evidence).all()
    assert not block.raised.any()
    assert not state.wealth.any()
    assert state.mean.any(), "the running mean learns before that"


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32))
def test_evidence_is_a_logarithm_with_a_floor_that_is_at_least_0_when_an_alarm_is_raised(seed: int) -> None:
    _, block = run(Evidence(RULES), stream(300, 3, seed))
    assert block.evidence.min() >= -6.0
    assert block.evidence.max() <= np.log10(CEILING) + 1e-9
    was_open = np.concatenate([np.zeros_like(block.open[:1]), block.open[:-1]])
    assert np.all(block.evidence[block.raised] >= 0.0)
    assert np.all(block.evidence[~block.open & ~block.cleared] < 0.0)
    assert not (block.raised & was_open & ~block.cleared).any(), "raised while open"
    assert not (block.cleared & ~was_open).any(), "cleared while not open"


def test_evidence_is_the_wealth_of_the_formula() -> None:
    pairs = stream(60, 1, 5)
    _, block = run(
        Evidence([above(0.3, 1e-4)], mean_half_life=0), Pairs(pairs.past, pairs.present, pairs.valid, ~flags(pairs))
    )
    wealth = np.zeros(3)
    for t in range(60):
        if pairs.valid[t, 0]:
            p, c = pairs.past[t, 0], pairs.present[t, 0]
            increment = np.tanh(0.75 * p) * np.tanh(1.5 * (c - 0.3 * p))
            wealth = (wealth + 1 / 3) * (1 + np.array([0.1, 0.3, 0.8]) * increment)
        assert block.evidence[t, 0, 0] == pytest.approx(np.log10(max(1e-4 * wealth.sum(), 1e-6)), abs=1e-9)


def episode(simulate, pairs_at_known_level, rhos: list[float]) -> Pairs:
    return pairs_at_known_level(
        np.vstack([simulate(rho, "Gaussian", 1_000, 1, seed=80 + k) for k, rho in enumerate(rhos)])
    )


def test_an_episode_is_one_alarm_from_raised_to_cleared_and_another_may_follow(simulate, pairs_at_known_level) -> None:
    pairs = episode(simulate, pairs_at_known_level, [0.95, 0.0, 0.95])
    _, block = run(Evidence([above(0.5, 1e-4)]), pairs)
    raised, cleared = np.flatnonzero(block.raised), np.flatnonzero(block.cleared)
    assert len(raised) == 2
    assert len(cleared) == 1
    assert 0 < raised[0] < 200
    assert 1_000 < cleared[0] < 1_200
    assert 2_000 < raised[1] < 2_200
    assert block.open[raised[0] : cleared[0]].all()
    assert not block.open[cleared[0] : raised[1]].any()


def test_a_reset_closes_the_alarm_and_empties_the_evidence(simulate, pairs_at_known_level) -> None:
    pairs = episode(simulate, pairs_at_known_level, [0.95])
    reset = np.zeros_like(pairs.reset)
    reset[500] = True
    _, block = run(Evidence([above(0.5, 1e-4)]), Pairs(pairs.past, pairs.present, pairs.valid, reset))
    assert block.open[499].all()
    assert block.cleared[500].all()
    assert not block.open[500].any()
    assert block.evidence[500].max() < -3.0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.6, 0.9]))
def test_without_recentring_a_lower_threshold_alarms_first(seed: int, rho: float) -> None:
    random = np.random.default_rng(seed)
    past = random.standard_t(3, (300, 1))
    present = rho * past + random.standard_t(3, (300, 1))
    present[100:] += 0.3 * past[100:]
    valid = np.ones(past.shape, dtype=bool)
    rules = [above(r, 1e-2) for r in (-0.5, 0.0, 0.4, 0.7, 0.9)]
    _, block = run(Evidence(rules, mean_half_life=0), Pairs(past, present, valid, ~valid))
    first = np.where(block.raised[:, 0].any(axis=0), block.raised[:, 0].argmax(axis=0), 300)
    assert np.all(np.diff(first) >= 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 1e-3), "rule: threshold 1.0; a number between -1 and 1 is needed"),
        ((0.5, 0.0), "rule: alpha 0.0; a number between 0 and 1 is needed"),
        ((0.5, 1e-3, 1.0), "rule: clear 1.0; a number between 0 and 1 is needed"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        above(*arguments)


def test_without_rules_there_is_no_evidence() -> None:
    _, block = run(Evidence([]), stream(10, 2, 6))
    assert block.evidence.shape == (10, 2, 0)


def test_a_stream_of_other_series_other_rules_or_too_few_lanes_is_refused() -> None:
    evidence, pairs = Evidence(RULES), stream(10, 2, 7)
    two_lanes = Evidence([Rule((EvidenceChannel(0.5, lane=1),), 1e-3)])
    for one, series, rules in ((evidence, 3, 3), (evidence, 2, 2), (two_lanes, 2, 1)):
        with pytest.raises(ValueError, match=r"evidence: \(tick, series, rule\) .* in at least . is needed"):
            one.advance(one.init(series), stream_of(pairs, rules=rules))
