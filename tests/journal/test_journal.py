"""What goes into the journal comes out of it: once, in order, bitwise."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.errors import DataError, StateError
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Committed, Journal, JournalCorrupt, JournalForgotten, batches, checkpoints
from tests.fixtures import digests_of, events_of
from tests.laws import examples

Row = tuple[str, int, float]

NAMES = st.sampled_from(["a", "b", "lake/ph", "é"]) | st.text(max_size=3)
VALUES = st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1e300]) | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(NAMES, st.integers(-3, 3), VALUES), max_size=6) | st.lists(
    st.tuples(NAMES, st.integers(-(10**16), 10**16), VALUES), max_size=6
)
FRAMES = st.builds(
    lambda source, rows, at, until: frame(rows, source=source, cursor={"at": at}, until=until),
    st.sampled_from(["csv", "buoy"]),
    ROWS,
    st.integers(0, 2),
    st.none() | st.integers(0, 2),
)
FACTS = st.tuples(
    st.sampled_from(["settings", "operator"]),
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)),
)


def frame(
    rows: Sequence[Row], *, source: str = "csv", cursor: dict[str, object] | None = None, until: int | None = None
) -> Frame:
    table = pl.DataFrame(rows, schema=OBSERVATIONS, orient="row")
    return Frame(source, table, cursor or {}, watermark_us=until)


def write(journal: Journal, steps: Sequence[Frame | tuple[str, dict[str, object]]]) -> list[Committed]:
    return [
        journal.commit(step, at) if isinstance(step, Frame) else journal.record(step[0], step[1], at)  # type: ignore[arg-type]
        for at, step in enumerate(steps)
    ]


def content(committed: Committed) -> tuple[object, ...]:
    arrays = (committed.series, committed.time_us, committed.value, *committed.corrections)
    apart = ("series", "time_us", "value", "corrections")
    return (
        *(getattr(committed, name) for name in Committed.__slots__ if name not in apart),
        *((array.dtype, array.tobytes()) for array in arrays),
    )


@pytest.mark.slow
@settings(max_examples=examples(20, 40), deadline=None)
@given(st.lists(FRAMES | FACTS, max_size=8), st.integers(1, 9))
def test_the_tail_is_bitwise_what_was_committed_from_any_batch_on(
    steps: list[Frame | tuple[str, dict[str, object]]], group: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "GROUP_OBSERVATIONS", group)  # borders of groups fall everywhere
        with Journal.open(Path(folder)) as journal:
            told = [content(committed) for committed in write(journal, steps) if committed.batch > 0]
            assert [content(committed) for committed in journal.tail(0)] == told
        with Journal.open(Path(folder), read_only=True) as journal:
            for after in range(len(told) + 1):
                assert [content(committed) for committed in journal.tail(after)] == told[after:]


@pytest.mark.slow
@settings(max_examples=examples(20, 40), deadline=None)
@given(st.lists(FRAMES, max_size=8))
def test_every_observation_is_kept_once_with_its_first_value_and_all_are_counted(frames: list[Frame]) -> None:
    first: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder)) as journal:
        for step, committed in zip(frames, write(journal, frames), strict=True):
            table = step.observations.with_columns(pl.col("time").to_physical())
            revised = 0
            for series, time, value in table.sort("time", maintain_order=True).iter_rows():
                revised += first.setdefault((series, time), value) != value
            assert committed.revised == revised
            assert len(table) == len(committed.value) + committed.duplicates + committed.revised
        names = {number: name for number, name, _ in journal.series()}
        kept = [
            ((names[series], time), value)
            for committed in journal.tail(0)
            for series, time, value in zip(
                committed.series.tolist(), committed.time_us.tolist(), committed.value.tolist(), strict=True
            )
        ]
    assert len(kept) == len(first)
    assert dict(kept) == first


def test_batches_that_share_one_moment_are_told_apart(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        frames = [frame([("a", 0, 1.0), ("a", 1, 2.0)]), frame([("b", 1, 3.0), ("b", 2, 4.0)])]
        told = [content(committed) for committed in write(journal, frames)]
        assert [content(committed) for committed in journal.tail(0)] == told


def test_series_are_numbered_from_zero_by_first_time_and_then_by_name(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        first = journal.commit(frame([("late", 9, 1.0), ("b", 3, 1.0), ("a", 3, 1.0), ("late", 2, 1.0)]), 0)
        second = journal.commit(frame([("a", 4, 1.0), ("z", 4, 1.0)], source="buoy"), 1)
        assert first.new_series == ((0, "late", "csv"), (1, "a", "csv"), (2, "b", "csv"))
        assert second.new_series == ((3, "z", "buoy"),)
        assert journal.series() == [*first.new_series, *second.new_series]
        assert list(zip(first.time_us.tolist(), first.series.tolist(), strict=True)) == [
            (2, 0),
            (3, 1),
            (3, 2),
            (9, 0),
        ]


def test_a_frame_without_observations_is_written_only_if_it_says_something_new(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        said = [
            journal.commit(frame([], cursor={"at": at}, until=until), 0).batch
            for at, until in [(1, None), (1, None), (1, 5), (1, 5), (1, None), (2, 5), (2, 6), (3, None), (3, 6)]
        ]
        assert said == [1, -1, 2, -1, -1, 3, 4, 5, -1]
        assert journal.cursors() == {"csv": {"at": 3}}
        assert [committed.watermark_us for committed in journal.tail(0)] == [None, 5, 5, 6, None]


def test_the_last_settings_are_found_again(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        assert journal.settings() is None
        journal.record("settings", {"half_life": 3}, 0)
        journal.record("settings", {"half_life": 4}, 1)
        journal.record("operator", {"silence": "a"}, 2)
    with Journal.open(tmp_path) as journal:
        assert journal.settings() == {"half_life": 4}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_frame_that_breaks_its_promise_is_refused_and_nothing_is_written(tmp_path: Path, value: float | None) -> None:
    broken = pl.DataFrame([("a", 1, value)], schema=OBSERVATIONS, orient="row")
    with Journal.open(tmp_path) as journal:
        with pytest.raises(DataError, match="source csv"):
            journal.commit(Frame("csv", broken, {"at": 1}), 0)
        with pytest.raises(DataError, match="columns"):
            journal.commit(Frame("csv", broken.drop("series"), {"at": 1}), 0)
        assert journal.cursors() == {}
        assert journal.series() == []


def test_a_hole_in_the_batches_is_refused_not_skipped(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        write(journal, [frame([("a", time, 1.0)]) for time in range(4)])
        journal._database.connection.execute("DELETE FROM block WHERE batch = 2")
        with pytest.raises(JournalCorrupt, match="batch 2 is missing or incomplete"):
            list(journal.tail(0))
        assert len(list(journal.tail(2))) == 2


def event(number: int) -> dict[str, object]:
    return {"id": f"e{number}", "series": number, "time_us": -number, "kind": "alarm"}


def test_events_told_again_after_a_crash_are_neither_doubled_nor_delivered_again(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.append_events([event(2), event(1)], ["log", "mail"], batch=1)
        journal.mark_delivered("log", ["e2"], at_us=5)
        journal.append_events([event(2), event(1), event(3)], ["log", "mail"], batch=1)
        assert events_of(journal) == [event(2), event(1), event(3)]
        assert journal.undelivered("log", 10) == [("e1", event(1)), ("e3", event(3))]
        assert journal.undelivered("mail", 2) == [("e2", event(2)), ("e1", event(1))]
        assert (journal.outbox_length("log"), journal.outbox_length("mail")) == (2, 3)


def test_of_events_that_cannot_be_kept_none_is(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        with pytest.raises(sqlite3.IntegrityError):
            journal.append_events([event(1), event(2) | {"time_us": None}], ["log"], batch=1)
        assert events_of(journal) == []
        assert journal.outbox_length("log") == 0


def test_a_digest_of_the_replay_replaces_the_one_before_the_crash(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.append_digests([(1, 100, "aa"), (0, 200, "bb"), (0, 100, "cc")])
        journal.append_digests([(1, 100, "dd")])
        assert digests_of(journal) == [(0, 100, "cc"), (0, 200, "bb"), (1, 100, "dd")]


@pytest.mark.parametrize("by_age", [True, False])
def test_retention_forgets_old_batches_but_nothing_that_replay_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_age: bool
) -> None:
    monkeypatch.setattr(checkpoints, "CHUNK_ROWS", 70)
    rng = np.random.default_rng(1)
    frames = [frame([("a", int(time), 1.0) for time in rng.integers(0, 10**6, 30)]) for _ in range(20)]
    with Journal.open(tmp_path) as journal:
        journal.record("settings", {"kept": True}, 0)
        write(journal, frames)
        assert not journal.retention.step(10**9, 0), "without a checkpoint everything is needed"
        journal.checkpoints.save({}, {}, batch=9, created_us=0)
        journal.checkpoints.save({}, {}, batch=15, created_us=1)
        needed = [content(committed) for committed in journal.tail(9)]
        calls = 1
        before = len_observations(journal)
        while journal.retention.step(7 if by_age else -1, 10**12 if by_age else 0):
            left = len_observations(journal)
            assert before - left <= 70
            before = left
            calls += 1
        assert calls > 4
        last_forgotten = 8 if by_age else 9  # arrival times are 0, 1, ... from batch 2 on
        assert [content(committed) for committed in journal.tail(9)] == needed
        assert before == sum(len(committed.value) for committed in journal.tail(last_forgotten))
        with pytest.raises(StateError, match="its beginning has been forgotten") as caught:
            list(journal.tail(0))
        assert not isinstance(caught.value, JournalCorrupt)
        assert f"replayed from batch {last_forgotten + 1} on" in str(caught.value)
        assert journal.settings() == {"kept": True}
        assert journal.commit(frame([("a", -1, 1.0)]), 99).batch == 22


@pytest.mark.slow
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), max_size=4), min_size=4, max_size=12),
    st.lists(st.integers(0, 45), min_size=3, max_size=3), st.integers(1, 6), st.integers(0, 12),
)  # fmt: skip
@settings(deadline=None, max_examples=examples(20, 60))
def test_by_age_nothing_goes_that_a_series_keeps_and_of_the_rest_all_up_to_it(
    batches: list[list[tuple[str, int]]], since: list[int], chunk: int, before: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch,
        Journal.open(Path(folder)) as journal,
    ):  # fmt: skip
        patch.setattr(checkpoints, "CHUNK_ROWS", chunk)
        write(journal, [frame([(name, 0, 1.0) for name in "abc"])])  # ids 0, 1, 2
        write(journal, [frame([(name, time, 1.0) for name, time in rows], cursor={"n": n})
                        for n, rows in enumerate(batches)])  # fmt: skip
        all_of = [content(committed) for committed in journal.tail(0)]
        last = len(all_of)
        journal.checkpoints.save({}, {}, batch=last, created_us=0)
        needed = np.array(since, np.int64)
        pinned = [c.batch for c in journal.tail(0) if (c.time_us >= needed[c.series]).any()]
        old = [c.batch for c in journal.tail(0)]
        young = [batch for batch, arrival in journal._database.read("SELECT id, arrival_us FROM batch")
                 if arrival >= before]  # fmt: skip
        while journal.retention.step(before, 10**12, needed):
            pass
        first = min([*pinned, *young, last])  # the newest batch stays in any case
        assert [number for (number,) in journal._database.read("SELECT id FROM batch ORDER BY id")] == [
            batch for batch in old if batch >= first
        ]
        assert [content(committed) for committed in journal.tail(first - 1)] == all_of[first - 1 :]


def test_the_size_comes_before_the_ticks_that_are_kept_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "CHUNK_ROWS", 2)
    with Journal.open(tmp_path) as journal:
        write(journal, [frame([("a", time, 1.0)]) for time in range(64)])
        journal.checkpoints.save({}, {}, batch=64, created_us=0)
        everything = np.array([0], np.int64)
        while journal.retention.step(10**9, 10**12, everything):
            pass
        assert len_observations(journal) == 64
        assert not caplog.records
        while len_observations(journal) > 60 and journal.retention.step(10**9, 0, everything):
            pass
        assert len_observations(journal) == 60, "one sixteenth"
        (said,) = caplog.records
        assert "retention_ticks" in said.message
        while journal.retention.step(10**9, 10**12, everything):
            pass
        assert len_observations(journal) == 60, "what is too old by age alone stays"


def test_a_beginning_that_retention_forgot_is_no_corruption_however_far_it_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHUNK_ROWS", 5)
    hour_us = 3_600_000_000
    with Journal.open(tmp_path) as journal:
        journal.record("settings", {}, 0)
        for time in range(10):
            rows = [("a", 3 * time, 1.0), ("b", 3 * time, 1.0), ("a", 3 * time + 1, 1.0), ("a", 3 * time - 4, 1.0)]
            journal.commit(frame(rows), time * hour_us)
        journal.record("settings", {}, 10 * hour_us)
        journal.checkpoints.save({}, {}, batch=9, created_us=0)
        whole = [content(committed) for committed in journal.tail(0)]
        said = set()
        while journal.retention.step(5 * hour_us, 10**12):
            with pytest.raises(StateError, match=r"beginning has been forgotten \(retention\), batch \d") as caught:
                list(journal.tail(0))
            assert type(caught.value) is JournalForgotten
            said.add(re.search(r"from batch (\d+) on, which arrived ([^;]*);", str(caught.value)).groups())  # type: ignore[union-attr]
        assert {arrived for batch, arrived in said if batch == "7"} == {"1970-01-01 05:00 UTC"}
        assert {int(batch) for batch, _ in said} <= set(range(3, 8)), "as far as it has got"
        assert [content(committed) for committed in journal.tail(6)] == whole[6:]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM block WHERE batch = 3",
        "UPDATE block SET data = zeroblob(length(data)) WHERE batch = 3",
        "DELETE FROM batch WHERE id = 3",
    ],
)
def test_a_hole_before_a_checkpoint_is_not_taken_for_retention(tmp_path: Path, statement: str) -> None:
    with Journal.open(tmp_path) as journal:
        write(journal, [frame([("a", time, 1.0)]) for time in range(6)])
        journal.checkpoints.save({}, {}, batch=5, created_us=0)
        journal._database.connection.execute(statement)
        with pytest.raises(JournalCorrupt, match="batch 3 is missing or incomplete"):
            list(journal.tail(0))


def test_a_batch_lost_after_the_oldest_checkpoint_is_not_taken_for_retention(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        write(journal, [frame([("a", time, 1.0)]) for time in range(6)])
        journal.checkpoints.save({}, {}, batch=2, created_us=0)
        journal._database.connection.execute("DELETE FROM batch WHERE id < 5")
        for after in (0, 2):
            with pytest.raises(JournalCorrupt):
                list(journal.tail(after))


def test_pieces_of_a_checkpoint_are_grouped_with_one_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    class Piece:
        def __len__(self) -> int:
            nonlocal looks
            looks += 1
            return 1

    monkeypatch.setattr(checkpoints, "PIECE_BYTES", 2_000)
    pieces = [(f"array/{number}", 0, Piece()) for number in range(5_000)]
    groups = list(checkpoints._group(iter(pieces), lambda piece: len(piece[2])))
    assert [len(group) for group in groups] == [2_000, 2_000, 1_000]
    assert [piece for group in groups for piece in group] == pieces
    assert looks == len(pieces)


def test_batch_numbers_go_on_when_all_that_may_be_forgotten_is(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        write(journal, [frame([("a", time, 1.0)]) for time in range(3)])
        journal.checkpoints.save({}, {}, batch=3, created_us=0)
        while journal.retention.step(10**9, 10**12):
            pass
    with Journal.open(tmp_path) as journal:
        assert journal.commit(frame([("a", 9, 1.0)]), 9).batch == 4


@pytest.mark.slow
def test_a_file_that_became_mostly_empty_shrinks(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.checkpoints.save({"x": np.ones(3_000_000)}, {}, batch=0, created_us=0)
        for created_us in (1, 2):
            journal.checkpoints.save({}, {}, batch=0, created_us=created_us)
        assert journal.retention.size_bytes() < 2**20
        while journal.retention.step(0, 10**12):
            pass
    assert (tmp_path / "sentinel.db").stat().st_size < 20 * 2**20


def len_observations(journal: Journal) -> int:
    ((count,),) = journal._database.read("SELECT coalesce(sum(observations), 0) FROM batch")
    return int(count)
