"""Channels and rules: sides, baseline periods, weights, minima, remarks, windows; and that all of it may be cut."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.baseline import crossing
from detectors.checks import stream
from detectors.evidence import (
    CEILING,
    LABEL_NOISE,
    LABEL_ONE_SIDED,
    Evidence,
    EvidenceBlock,
    EvidenceChannel,
    EvidenceState,
    Rule,
    Stream,
    above,
    stream_of,
)
from detectors.pairs import Pairs, pairs_of

RULES = (
    above(0.3, 1e-2, 0.1),
    Rule((EvidenceChannel(-0.3, below=True),), 1e-2, 0.1),
    Rule((EvidenceChannel(relative=True, delta=0.05),), 1e-2, 0.1),
    Rule((EvidenceChannel(ratio=1.2),), 1e-2, 0.1),
    Rule(
        (EvidenceChannel(0.1, weight=2.0), EvidenceChannel(-0.5, below=True, lane=1), EvidenceChannel(ratio=1.5)),
        1e-2,
        0.1,
        (0.1, 0.5),
    ),
    Rule((EvidenceChannel(0.0), EvidenceChannel(0.0, lane=1)), 1e-2, 0.1, minimum=True),
    Rule((EvidenceChannel(0.0),), 1e-1, 0.1, waits=True),
    Rule((EvidenceChannel(-0.2), EvidenceChannel(-0.2, lane=1)), 1e-1, 0.1, minimum=True, waits=True),
)


def fed(pairs: Pairs, other: Pairs, rules: int, seed: int) -> Stream:
    """Two lanes with everything that stands beside them."""
    random = np.random.default_rng(seed)
    shape = pairs.past.shape
    return Stream(
        *(np.stack([getattr(pairs, name), getattr(other, name)]) for name in ("past", "present", "valid")),
        pairs.reset, random.random((*shape, rules)) < 0.95,
        np.where(random.random(shape) < 0.9, random.standard_normal(shape), np.nan)[None], np.array([0, -1]),
        random.uniform(0.5, 2.0, shape), random.standard_normal(shape),
        np.arange(shape[0])[:, None] + np.zeros(shape, np.int64),
    )  # fmt: skip


def cut(given_: Stream, first: int, last: int) -> Stream:
    """A run of ticks."""
    return each(given_, lambda array: array[first:last])


def each(given_: Stream, part: Callable[[np.ndarray], np.ndarray]) -> Stream:
    """A part of what every lane and every row holds, (tick, series)."""
    many = ("past", "present", "valid", "before")
    parts = {name: np.stack([part(one) for one in getattr(given_, name)]) for name in many}
    rest = {name: part(getattr(given_, name)) for name in Stream._fields if name not in (*many, "beside")}
    return Stream(**parts, **rest, beside=given_.beside)


def plain(values: np.ndarray, rules: int, *, tick: int = 0) -> Stream:
    """One lane of values at a known level, with the value before."""
    pairs = pairs_of(values)
    shape = values.shape
    before = np.vstack([np.full((2, shape[1]), np.nan), values[:-2]])
    return Stream(
        pairs.past[None], pairs.present[None], pairs.valid[None], pairs.reset, np.ones((*shape, rules), bool),
        before[None], np.zeros(1, np.int64), np.ones(shape), np.zeros(shape),
        tick + np.arange(shape[0])[:, None] + np.zeros(shape, np.int64),
    )  # fmt: skip


def run(rules: tuple[Rule, ...], values: np.ndarray, mean: float = 100.0) -> tuple[EvidenceState, EvidenceBlock]:
    evidence = Evidence(rules, mean_half_life=mean)
    return evidence.advance(evidence.init(values.shape[1]), plain(values, len(rules)))


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 300), max_size=6).map(sorted))
def test_with_every_kind_of_rule_a_block_cut_anywhere_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    evidence = Evidence(RULES, baseline=60, window=50)
    given_ = fed(stream(300, 3, seed), stream(300, 3, seed + 1), len(RULES), seed)
    state, whole = evidence.advance(evidence.init(3), given_)
    part, blocks = evidence.init(3), []
    for first, last in pairwise([0, *cuts, 300]):
        part, block = evidence.advance(part, cut(given_, first, last))
        blocks.append(block)
    assert [a.tobytes() for a in part] == [a.tobytes() for a in state]
    for expected, pieces in zip(whole, zip(*blocks, strict=True), strict=True):
        assert np.concatenate(pieces).tobytes() == expected.tobytes()


def test_the_order_of_series_and_threads_change_nothing() -> None:
    given_ = fed(stream(400, 211, 1), stream(400, 211, 2), len(RULES), 3)
    order = np.random.default_rng(4).permutation(211)
    state, block = Evidence(RULES, baseline=60).advance(Evidence(RULES, baseline=60).init(211), given_)
    shuffled = each(given_, lambda array: array[:, order])
    other = Evidence(RULES, baseline=60, threads=3)
    after, same = other.advance(other.init(211), shuffled)
    assert all(np.array_equal(a[order], b, equal_nan=True) for a, b in zip(state, after, strict=True))
    assert all(np.array_equal(a[:, order], b, equal_nan=True) for a, b in zip(block, same, strict=True))


def test_below_a_threshold_is_above_its_mirror_image(simulate) -> None:
    values = simulate(0.7, "Student-3", 2_000, 20, seed=11)
    flipped = values * np.where(np.arange(2_000) % 2, -1.0, 1.0)[:, None]  # lag 1 changes its sign, nothing else does
    _, one = run((above(0.5, 1e-3),), values, mean=0)
    _, other = run((Rule((EvidenceChannel(-0.5, below=True),), 1e-3),), flipped, mean=0)
    assert one.raised.any()
    np.testing.assert_allclose(one.evidence, other.evidence, atol=1e-9)
    assert np.array_equal(one.raised, other.raised)


def test_a_weighted_rule_reads_the_weighted_mean_and_a_minimum_the_smaller(simulate) -> None:
    values = simulate(0.4, "Gaussian", 300, 5, seed=12)
    parts = (EvidenceChannel(0.3), EvidenceChannel(0.6))
    one, other = (run((Rule((part,), 1e-9),), values)[1].evidence for part in parts)
    mean = run((Rule((EvidenceChannel(0.3, weight=3.0), EvidenceChannel(0.6)), 1e-9),), values)[1].evidence
    least = run((Rule(parts, 1e-9, minimum=True),), values)[1].evidence
    floor = np.log10(np.maximum(0.75 * 10.0**one + 0.25 * 10.0**other, 1e-6))
    assert np.all(one[50:] > -6.0 - 1e-9)
    np.testing.assert_allclose(np.maximum(mean, -5.9), np.maximum(floor, -5.9), atol=0.1)
    np.testing.assert_allclose(least, np.minimum(one, other), atol=1e-12)


def test_a_relative_threshold_stands_above_the_reference_and_bounds_it_from_above(simulate) -> None:
    values = simulate(0.5, "Gaussian", 1_300, 200, seed=13)
    state, block = run((Rule((EvidenceChannel(relative=True),), 1e-3),), values)
    assert np.isnan(block.evidence[:1000]).all(), "not ready before the reference is full"
    assert np.isfinite(block.evidence[1001:]).all()
    pairs = np.stack([values[:1000], values[1:1001], np.ones((1000, 200))], axis=2)
    for s in range(200):
        zc = crossing(np.ascontiguousarray(pairs[:, s]), 1.0, 1.5, 1.5)
        assert state.threshold[s, 0] >= min(zc + 0.1, 0.98) - 1e-12
    missed = (state.threshold[:, 0] < 0.5).mean()
    print(f"\nthreshold {state.threshold.mean():.3f} ± {state.threshold.std():.3f}, below the truth in {missed:.1%}")
    assert missed <= 0.05


def test_a_reference_whose_halves_differ_is_flagged(simulate) -> None:
    same = simulate(0.5, "Gaussian", 1_001, 100, seed=14)
    other = np.vstack([simulate(0.2, "Gaussian", 500, 100, seed=15), simulate(0.7, "Gaussian", 501, 100, seed=16)])
    rule = (Rule((EvidenceChannel(relative=True),), 1e-3),)
    assert run(rule, same)[0].disagrees.mean() <= 0.05
    assert run(rule, other)[0].disagrees.mean() >= 0.9


def test_spread_sees_larger_shocks_and_not_slowing(simulate) -> None:
    rule = (Rule((EvidenceChannel(ratio=1.5),), 1e-3),)
    quiet = simulate(0.5, "Gaussian", 1_000, 50, seed=17)
    wide = np.vstack([quiet, 3.0 * simulate(0.5, "Gaussian", 300, 50, seed=18)])
    slow = np.vstack([quiet, simulate(0.95, "Gaussian", 2_000, 50, seed=19)])
    assert run(rule, wide)[1].raised[1000:].any(axis=0).mean() >= 0.95
    assert run(rule, slow)[1].raised[1000:].sum() <= 2, "100,000 ticks at a budget of 100"


def test_only_lanes_of_first_order_are_marked(simulate) -> None:
    steps = simulate(0.3, "Gaussian", 1_500, 100, seed=20)
    steps[1_000:] += 4.0
    one = plain(steps, 1)
    twice = {name: np.concatenate([getattr(one, name)] * 2) for name in ("past", "present", "valid")}
    shares = []
    for beside in (0, -1):
        evidence = Evidence((Rule((EvidenceChannel(0.5, lane=1),), 1e-4),))
        given_ = one._replace(**twice, beside=np.array([0, beside]))
        _, block = evidence.advance(evidence.init(100), given_)
        shares.append((block.label[block.raised] & LABEL_ONE_SIDED > 0).mean())
    assert shares[0] >= 0.9
    assert shares[1] == 0.0


def test_a_step_is_marked_one_sided_and_noise_that_reaches_one_tick_as_noise(simulate) -> None:
    steps = simulate(0.3, "Gaussian", 1_500, 100, seed=20)
    steps[1_000:] += 4.0
    _, block = run((above(0.5, 1e-4),), steps)
    marked = block.label[block.raised]
    assert len(marked) > 50
    assert (marked & LABEL_ONE_SIDED > 0).mean() >= 0.9
    noise = np.random.default_rng(21).standard_normal((2_001, 100))
    _, block = run((above(0.35, 1e-4),), (noise[1:] + noise[:-1]) / np.sqrt(2.0))  # lag 1 is one half, lag 2 is none
    marked = block.label[block.raised]
    assert len(marked) > 50
    assert (marked & LABEL_NOISE > 0).mean() >= 0.9
    _, block = run((above(0.7, 1e-4),), simulate(0.9, "Gaussian", 2_000, 100, seed=22))
    assert (block.label[block.raised] & LABEL_NOISE > 0).mean() <= 0.2


@pytest.mark.slow
def test_the_mean_e_value_of_a_window_is_at_most_one_at_the_null(simulate) -> None:
    values = simulate(0.5, "Gaussian", 2_000, 2_000, seed=23)
    evidence = Evidence((above(0.5, 1e-3),), window=500, mean_half_life=0)
    state, _ = evidence.advance(evidence.init(2_000), plain(values, 1))
    before, now = state.e_value.T
    error = before.std(ddof=1) / np.sqrt(before.size)
    print(f"\ne-value of a full window {before.mean():.3f} ± {error:.3f}")
    assert before.mean() <= 1.0 + 3.0 * error
    assert before.mean() >= 0.5, "so far below that the test shows nothing"
    assert state.window.tolist() == [3] * 2_000
    assert np.all(now >= 0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rule((), 1e-3), "rule: no channels or no bets"),
        (lambda: Rule((EvidenceChannel(0.5),), 1e-3, bets=(1.0,)), "rule: bets"),
        (lambda: EvidenceChannel(ratio=0.5), "rule: ratio 0.5; a variance ratio of at least 1 is needed"),
        (lambda: EvidenceChannel(), "rule: threshold nan"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_weighted_alarm_ends_only_when_every_claim_is_refuted(simulate) -> None:
    # Slow throughout, and never wide: the reversed gambler on the spread alone must not end the alarm on lag 1.
    values = simulate(0.9, "Gaussian", 4_000, 30, seed=24)
    parts = (EvidenceChannel(0.6), EvidenceChannel(ratio=2.0, weight=3.0))
    _, block = run((Rule(parts, 1e-3),), values)
    assert block.raised.any(axis=0).all()
    assert not block.cleared.any()
    _, block = run((Rule(parts, 1e-3),), np.vstack([values, simulate(0.2, "Gaussian", 1_000, 30, seed=25)]))
    assert block.cleared[4_000:].any(axis=0).all()


def test_a_rule_that_is_changed_when_the_reference_is_full_finds_its_threshold_there(simulate) -> None:
    values = simulate(0.5, "Gaussian", 1_200, 10, seed=26)
    was = Evidence((Rule((EvidenceChannel(relative=True),), 1e-3), above(0.9, 1e-3)))
    state, _ = was.advance(was.init(10), plain(values, 2))
    now = Evidence((Rule((EvidenceChannel(relative=True, delta=0.3),), 1e-5), above(0.9, 1e-3)))
    carried = now.carry_over(was, state, [(1, 1)])
    assert np.all(carried.threshold[:, 0] >= state.threshold[:, 0])
    _, block = now.advance(carried, plain(values, 2, tick=1_200))
    assert np.isfinite(block.evidence).all()


def test_a_rule_is_kept_beside_one_with_more_bets(simulate) -> None:
    values = simulate(0.5, "Gaussian", 300, 10, seed=27)
    was, now = (
        Evidence((above(0.4, 1e-3),)),
        Evidence((Rule((EvidenceChannel(0.6),), 1e-3, bets=(0.1, 0.2, 0.3, 0.4)), above(0.4, 1e-3))),
    )
    state, _ = was.advance(was.init(10), plain(values, 1))
    carried = now.carry_over(was, state, [(1, 0)])
    _, block = now.advance(carried, plain(values, 2, tick=300))
    _, alone = was.advance(state, plain(values, 1, tick=300))
    assert np.array_equal(block.evidence[:, :, 1], alone.evidence[:, :, 0])


def test_ticks_without_a_pair_leave_the_wealth_at_its_bound_as_it_is_bitwise(simulate) -> None:
    # Wealth at the bound was scaled again at every tick, also where nothing was staked: 28 of 200 series changed in
    # their last bit, so what a block's padding looked like changed the evidence of a comparison.
    evidence = Evidence((Rule((EvidenceChannel(0.2), EvidenceChannel(0.9)), 1e-3, minimum=True),))
    state, _ = evidence.advance(evidence.init(200), stream_of(pairs_of(simulate(0.95, "Gaussian", 400, 200, seed=5))))
    assert (state.wealth[:, 0].sum(axis=1) >= 0.99 * CEILING / 1e-3).any(), "some stand at the bound"
    nothing, none = np.zeros((50, 200)), np.zeros((50, 200), bool)
    after, _ = evidence.advance(state, stream_of(Pairs(nothing, nothing, none, none)))
    assert [array.tobytes() for array in after] == [array.tobytes() for array in state]


def test_under_a_minimum_no_claim_grows_without_bound_on_its_own(simulate) -> None:
    slow, quiet = (simulate(rho, "Gaussian", 20_000, 3, seed=28) for rho in (0.9, 0.0))
    lanes = [pairs_of(slow), pairs_of(quiet)]
    given_ = plain(slow, 1)._replace(
        **{name: np.stack([getattr(lane, name) for lane in lanes]) for name in ("past", "present", "valid")},
        beside=np.array([0, -1]),
    )
    evidence = Evidence((Rule((EvidenceChannel(0.5), EvidenceChannel(0.5, lane=1)), 1e-3, minimum=True),))
    state, block = evidence.advance(evidence.init(3), given_)
    assert not block.raised.any()
    assert np.isfinite(state.wealth).all()
