"""Skewness: what it is zero for, what it is of a known distribution, and the laws of every stage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.pairs import Pairs
from detectors.skewness import Skewness


def pairs_of(present: np.ndarray, seed: int | None = None) -> Pairs:
    random = np.random.default_rng(seed)
    gaps = random.random(present.shape) < (0.0 if seed is None else 0.2)
    resets = random.random(present.shape) < (0.0 if seed is None else 0.01)
    return Pairs(np.zeros(present.shape), np.where(gaps, np.nan, present), ~gaps, resets)


@given(st.integers(0, 2**32), st.lists(st.integers(0, 200), max_size=5).map(sorted))
def test_cut_anywhere_it_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    skewness, pairs = Skewness(30.0), pairs_of(np.random.default_rng(seed).standard_normal((200, 3)), seed)
    state, whole = skewness.advance(skewness.init(3), pairs)
    part, pieces = skewness.init(3), []
    for start, stop in zip([0, *cuts], [*cuts, 200], strict=True):
        part, piece = skewness.advance(part, pairs[start:stop])
        pieces.append(piece)
    assert [a.tobytes() for a in part] == [a.tobytes() for a in state]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


def test_it_is_the_weighted_third_moment_over_that_of_the_variance() -> None:
    values = np.random.default_rng(1).exponential(size=(400, 1))
    _, found = Skewness(50.0).advance(Skewness(50.0).init(1), pairs_of(values))
    weights = 0.5 ** (np.arange(400)[::-1, None] / 50.0)
    apart = values - np.average(values, weights=weights)
    expected = np.average(apart**3, weights=weights) / np.average(apart**2, weights=weights) ** 1.5
    assert found[-1, 0] == pytest.approx(expected, rel=1e-9)
    assert np.isnan(found[:2]).all()


def test_it_is_near_0_for_what_is_symmetric_within_its_standard_error_and_has_the_sign_of_the_long_tail() -> None:
    random = np.random.default_rng(2)
    shapes = np.stack([random.standard_normal((4_000, 200)), random.exponential(size=(4_000, 200))])
    normal, lopsided = (Skewness(200.0).advance(Skewness(200.0).init(200), pairs_of(x))[1][-1] for x in shapes)
    assert normal.std() == pytest.approx(np.sqrt(6 / (2.9 * 200)), rel=0.2)
    assert abs(normal.mean()) < 3 * normal.std() / np.sqrt(200)
    assert 1.5 < lopsided.mean() < 2.0, "2 for an exponential, from below"
    _, mirrored = Skewness(200.0).advance(Skewness(200.0).init(200), pairs_of(-shapes[1]))
    np.testing.assert_array_equal(mirrored[-1], -lopsided)


def test_a_constant_has_none_and_a_reset_begins_anew() -> None:
    pairs = pairs_of(np.full((50, 1), 0.1))
    assert np.isnan(Skewness(20.0).advance(Skewness(20.0).init(1), pairs)[1]).all()
    values = pairs_of(np.random.default_rng(3).standard_normal((60, 1)))
    values.reset[40] = True
    _, found = Skewness(20.0).advance(Skewness(20.0).init(1), values)
    _, alone = Skewness(20.0).advance(Skewness(20.0).init(1), values[40:])
    assert found[40:].tobytes() == alone.tobytes()


def test_pairs_of_other_series_than_the_state_are_refused() -> None:
    with pytest.raises(ValueError, match=r"skewness: pairs of shape .*; \(tick, 3\) is needed"):
        Skewness(20.0).advance(Skewness(20.0).init(3), pairs_of(np.zeros((4, 2))))
