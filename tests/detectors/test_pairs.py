"""A pair needs two consecutive values that differ."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.pairs import Pairs, pairs_of

NAN = np.nan


def test_no_pair_is_formed_across_a_gap_or_at_a_tie_or_at_the_start() -> None:
    pairs = pairs_of(np.array([[1.0], [2.0], [NAN], [3.0], [3.0], [4.0]]))
    assert pairs.valid[:, 0].tolist() == [False, True, False, False, False, True]
    assert pairs.past[:, 0].tolist() == [0.0, 1.0, 0.0, 0.0, 0.0, 3.0]
    assert pairs.present[:, 0].tolist() == [0.0, 2.0, 0.0, 0.0, 0.0, 4.0]


def test_values_in_two_blocks_give_the_pairs_of_one() -> None:
    values = np.random.default_rng(0).standard_normal((20, 3))
    values[[3, 9, 10], 1] = NAN
    whole, first, second = pairs_of(values), pairs_of(values[:10]), pairs_of(values[10:], previous=values[9])
    for name in ("past", "present", "valid", "reset"):
        both = np.vstack([getattr(first, name), getattr(second, name)])
        assert np.array_equal(getattr(whole, name), both)


def test_infinite_values_form_no_pair() -> None:
    assert not pairs_of(np.array([[1.0], [np.inf], [2.0], [-np.inf]])).valid.any()


def test_series_are_picked_in_the_order_asked_for() -> None:
    pairs = pairs_of(np.random.default_rng(1).standard_normal((4, 5)))
    picked = pairs.columns(np.array([3, 0]))
    assert (picked.ticks, picked.series) == (4, 2)
    assert np.array_equal(picked.past, pairs.past[:, [3, 0]])


def test_whatever_the_memory_order_of_the_arrays_the_kernels_see_one_layout() -> None:
    values = np.asfortranarray(np.random.default_rng(2).standard_normal((6, 4)))
    flags = np.broadcast_to(np.array(True), values.shape)
    pairs = Pairs(values, values[::1], flags, ~flags)
    assert all(a.flags.c_contiguous and a.flags.writeable for a in (pairs.past, pairs.present, pairs.valid))
    plain = np.ascontiguousarray(values)
    assert pairs_of(plain).past.flags.c_contiguous
    assert Pairs(plain, plain, pairs.valid, pairs.reset).past is plain


def test_arrays_of_other_shapes_or_types_are_refused() -> None:
    values, flags = np.zeros((3, 2)), np.zeros((3, 2), dtype=bool)
    with pytest.raises(ValueError, match=r"past has shape \(3,\); \(tick, series\) is needed"):
        Pairs(values[:, 0], values, flags, flags)
    with pytest.raises(ValueError, match=r"valid has shape \(2, 2\), past has \(3, 2\); all must have the same"):
        Pairs(values, values, flags[:2], flags)
    with pytest.raises(ValueError, match="present is float32; float64 is needed"):
        Pairs(values, values.astype(np.float32), flags, flags)


@pytest.mark.parametrize("number", [NAN, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["past", "present"])
def test_a_number_that_would_stay_in_the_cells_for_ever_makes_no_valid_pair(number: float, place: str) -> None:
    arrays = {"past": np.zeros((3, 2)), "present": np.ones((3, 2))}
    arrays[place][1, 1] = number
    flags = np.ones((3, 2), dtype=bool)
    with pytest.raises(ValueError, match="pairs: a valid pair holds NaN or infinity; mark it invalid"):
        Pairs(**arrays, valid=flags, reset=~flags)
    flags[1, 1] = False
    assert Pairs(**arrays, valid=flags, reset=~flags).valid.sum() == 5


@pytest.mark.parametrize("kind", [np.float32, np.int64, list])
def test_values_of_any_type_of_number_make_pairs_in_double_precision(kind: type) -> None:
    values = np.array([[1.0, 4.0], [2.0, 4.0], [3.5, 5.0]]).round()
    given = values.tolist() if kind is list else values.astype(kind)
    pairs, expected = pairs_of(given, previous=given[0]), pairs_of(values, previous=values[0])
    assert np.array_equal(pairs.past, expected.past)
    assert np.array_equal(pairs.present, expected.present)


def test_values_that_are_no_table_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values of shape \(3,\); \(tick, series\) is needed: one series is a column"):
        pairs_of(np.zeros(3))
    with pytest.raises(ValueError, match=r"pairs_of: previous of shape \(3,\); \(2,\) is needed"):
        pairs_of(np.zeros((5, 2)), previous=np.zeros(3))
    assert pairs_of(np.zeros((0, 2))).ticks == 0
