"""Tables of arrays: rows taken, put back and joined, and named arrays, whatever is nested in what."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel.pipeline.arrays import concat, flatten, put, row_count, take, unflatten


class Inner(NamedTuple):
    """The nested part."""

    number: NDArray[np.float64]
    wide: NDArray[np.int64]


class Outer(NamedTuple):
    """A table with a part that is a table itself."""

    inner: Inner
    flag: NDArray[np.bool_]


def table(rows: int, seed: int = 0) -> Outer:
    random = np.random.default_rng(seed)
    return Outer(Inner(random.random(rows), random.integers(0, 9, (rows, 2))), random.random(rows) < 0.5)


def content(outer: Outer) -> dict[str, list[object]]:
    return {name: array.tolist() for name, array in flatten(outer).items()}


ROWS = st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), unique=True)))


@given(ROWS)
def test_rows_taken_and_put_back_give_the_table_and_others_only_these_rows(chosen: tuple[int, list[int]]) -> None:
    count, order = chosen
    before, rows = table(count), np.array(order, np.int64)
    taken = take(before, rows)
    assert row_count(taken) == rows.size
    assert put(before, rows, taken, taken).flag is before.flag or rows.size == count
    after = put(before, rows, taken, table(rows.size, 1))
    assert content(take(after, rows)) == content(table(rows.size, 1))
    others = np.setdiff1d(np.arange(count), rows)
    assert content(take(after, others)) == content(take(before, others))
    assert content(before) == content(table(count)), "arrays are replaced, never written to"


@given(ROWS)
def test_a_table_divided_in_two_and_joined_is_the_same(chosen: tuple[int, list[int]]) -> None:
    count, order = chosen
    whole, flags = table(count), np.isin(np.arange(count), order)
    joined = concat([take(whole, flags), take(whole, ~flags)])
    back = np.argsort(np.concatenate([np.flatnonzero(flags), np.flatnonzero(~flags)]))
    assert content(take(joined, back)) == content(whole)


def test_all_rows_in_order_and_a_table_alone_are_not_copied() -> None:
    whole = table(4)
    assert take(whole, np.arange(4)) is whole
    assert take(whole, np.ones(4, bool)) is whole
    assert concat([whole]) is whole
    assert put(whole, np.arange(4), whole, other := table(4, 1)) is other


def test_arrays_are_named_by_the_fields_that_lead_to_them_and_come_back() -> None:
    whole = table(3)
    named = flatten(whole, "cohort/7/")
    assert list(named) == ["cohort/7/inner/number", "cohort/7/inner/wide", "cohort/7/flag"]
    back = unflatten(table(0), named, "cohort/7/")
    assert all(a is b for a, b in zip(flatten(back).values(), flatten(whole).values(), strict=True))
