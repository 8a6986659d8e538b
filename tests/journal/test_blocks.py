"""Blocks of observations: bitwise what was written, found again when they come twice, converted from rows."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.errors import StateError
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Journal, conversion, known
from sentinel.journal.blocks import pack, unpack
from tests.data import write_state_0_1_0 as first_version
from tests.laws import examples

STATE_0_1_0 = Path(first_version.__file__).parent / "state-0.1.0"

VALUES = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(10**9), 10**9).map(lambda whole: whole / 1000)
    | st.sampled_from([0.0, 1e300, 5e-324, 2.0**53, 2.0**53 + 2, 0.1 + 0.2])
)
TIMES = st.integers(-5, 5) | st.integers(-(10**17), 10**17)


@given(st.dictionaries(st.tuples(TIMES, st.integers(0, 10**6)), VALUES, min_size=1, max_size=60))
def test_what_is_read_back_is_bitwise_what_was_written_and_a_damaged_block_is_told(
    kept: dict[tuple[int, int], float],
) -> None:
    ordered = sorted(kept)
    time, series = (np.array(column, np.int64) for column in zip(*ordered, strict=True))
    value = np.array([kept[key] for key in ordered]) + 0.0
    data = pack((time, series, value))
    read = unpack(data)
    assert read is not None
    for one, other in zip(read, (time, series, value), strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    for place in (0, len(data) // 2, len(data) - 1):
        assert unpack(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]) is None


def test_a_table_of_decimal_numbers_takes_few_bytes() -> None:
    random = np.random.default_rng(1)
    time, series = np.zeros(10_000, np.int64), np.arange(10_000)
    assert len(pack((time, series, random.normal(20, 3, 10_000).round(2)))) < 3 * 10_000
    assert len(pack((time, series, random.normal(20, 3, 10_000)))) < 9 * 10_000


STEPS = st.lists(
    st.sampled_from(["reopen", "checkpoint"])
    | st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6) | st.integers(0, 10**15), VALUES), max_size=6),
    max_size=14,
)


@pytest.mark.slow
@settings(max_examples=examples(25, 60), deadline=None)
@given(STEPS, st.integers(1, 3))
def test_the_first_value_stands_over_restarts_and_checkpoints_and_every_observation_is_counted(
    steps: list[str | list[tuple[str, int, float]]], spans: int
) -> None:
    first: dict[tuple[str, int], float] = {}
    at = 0
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "MOST_SPANS", spans)
        journal = Journal.open(Path(folder))
        for step in steps:
            if step == "reopen":
                journal.close()
                journal = Journal.open(Path(folder))
            elif step == "checkpoint":
                journal.checkpoints.save({}, {}, at, 0)
            elif isinstance(step, list):
                table = pl.DataFrame(step, schema=OBSERVATIONS, orient="row")
                before = len(first)
                revised = sum(first.setdefault((name, time), value) != value for name, time, value in step)
                committed = journal.commit(Frame("csv", table, {"at": at}), 0)
                at = max(at, committed.batch)
                assert (committed.value.size, committed.revised) == (len(first) - before, revised)
                assert committed.value.size + committed.duplicates + committed.revised == len(step)
        names = {number: name for number, name, _ in journal.series()}
        told = {
            (names[series], time): value
            for batch in journal.tail(0)
            for time, series, value in zip(
                batch.time_us.tolist(), batch.series.tolist(), batch.value.tolist(), strict=True
            )
        }
        journal.close()
    assert told == first


def rows_of_0_1_0(folder: Path) -> list[tuple[int, int, int, float]]:
    with sqlite3.connect(folder / "sentinel.db") as connection:
        rows = connection.execute("SELECT batch, time, series, value FROM observation ORDER BY 1, 2, 3").fetchall()
    connection.close()
    return rows


def rows_of(journal: Journal) -> list[tuple[int, int, int, float]]:
    return [
        (batch.batch, *row)
        for batch in journal.tail(0)
        for row in zip(batch.time_us.tolist(), batch.series.tolist(), batch.value.tolist(), strict=True)
    ]


@pytest.mark.parametrize("dies_at", [None, 0, 1, 5, 12])
def test_a_journal_of_rows_is_converted_once_and_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int | None
) -> None:
    shutil.copytree(STATE_0_1_0, tmp_path / "state")
    expected = rows_of_0_1_0(tmp_path / "state")
    monkeypatch.setattr(conversion, "GROUP_BATCHES", 1)
    with pytest.raises(StateError, match="`sentinel run` with this state folder converts it"):
        Journal.open(tmp_path / "state", read_only=True)
    if dies_at is not None:
        left = iter(range(dies_at))

        def die(rows: conversion.Rows) -> bytes:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return pack(rows)

        with monkeypatch.context() as dying:
            dying.setattr(conversion, "pack", die)
            with pytest.raises(KeyboardInterrupt):
                Journal.open(tmp_path / "state")
        with pytest.raises(StateError, match="converts it"):
            Journal.open(tmp_path / "state", read_only=True)
    with Journal.open(tmp_path / "state") as journal:
        assert rows_of(journal) == expected
        batch, time, series, value = expected[0]
        name = journal.series()[series][1]
        again = pl.DataFrame([(name, time, value), (name, time, value + 1)], schema=OBSERVATIONS, orient="row")
        committed = journal.commit(Frame("buoys", again, {"at": "again"}), 0)
        assert (committed.value.size, committed.duplicates, committed.revised) == (0, 1, 1)
        assert batch > 0
    with Journal.open(tmp_path / "state", read_only=True) as journal:
        assert rows_of(journal) == expected


def test_what_retention_had_begun_to_forget_is_forgotten_by_the_conversion(tmp_path: Path) -> None:
    shutil.copytree(STATE_0_1_0, tmp_path / "state")
    with sqlite3.connect(tmp_path / "state" / "sentinel.db") as connection:
        ((third,),) = connection.execute("SELECT id FROM batch WHERE observations > 0 ORDER BY id LIMIT 1 OFFSET 2")
        connection.execute("DELETE FROM observation WHERE batch < ?", (third,))
        last = "(SELECT max(time) FROM observation WHERE batch = ?1)"
        connection.execute(f"DELETE FROM observation WHERE batch = ?1 AND time < {last}", (third,))
    connection.close()
    expected = [row for row in rows_of_0_1_0(tmp_path / "state") if row[0] > third]
    with Journal.open(tmp_path / "state") as journal:
        with pytest.raises(StateError, match="beginning has been forgotten"):
            list(journal.tail(0))
        told = [row for row in expected if row[0] > third]
        found = [
            (batch.batch, *row)
            for batch in journal.tail(third)
            for row in zip(batch.time_us.tolist(), batch.series.tolist(), batch.value.tolist(), strict=True)
        ]
        assert found == told
