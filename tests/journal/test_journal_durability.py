"""Crashes, full disks, failing disks and flipped bits: nothing committed is lost, nothing is doubled."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentinel.domain.errors import StateError
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Committed, Journal, JournalCorrupt, JournalFull, JournalUnwritable
from sentinel.journal.checkpoints import choose_kept
from tests.fixtures import events_of
from tests.runtime.rig import room_for

ROWS = 200

COMMITTER = """
import pathlib, sys
import numpy as np, polars as pl
from sentinel.journal import Journal
from sentinel.domain.observation import OBSERVATIONS, Frame

ROWS = 200
with Journal.open(pathlib.Path(sys.argv[1])) as journal:
    checkpoint = journal.checkpoints.load()
    assert checkpoint is None or not checkpoint.warnings
    total = 0 if checkpoint is None else int(checkpoint.arrays["total"][0])

    def use(committed):
        global total
        total += len(committed.value)
        journal.append_events([{"id": f"e{committed.batch}", "series": 0, "time_us": total}], ["log"], committed.batch)

    for committed in journal.tail(0 if checkpoint is None else checkpoint.batch):
        use(committed)
    at = int(journal.cursors().get("csv", {"at": 0})["at"])
    while True:
        # Starts 50 rows back: a source that delivers again what is already known.
        rows = [(f"s{k % 7}", k, k / 3) for k in range(max(0, at - 50), at + ROWS)]
        at += ROWS
        committed = journal.commit(Frame("csv", pl.DataFrame(rows, OBSERVATIONS, orient="row"), {"at": at}), at)
        print(committed.batch, flush=True)
        use(committed)
        if committed.batch % 10 == 0:
            journal.checkpoints.save({"total": np.array([total]), "x": np.full(300_000, total)}, {}, committed.batch, 0)
"""

SAVER = """
import os, pathlib, signal, sys
import numpy as np
from sentinel.journal import Journal

class DiesMidway(dict):
    def items(self):
        yield "large", np.ones(2_500_000)
        os.kill(os.getpid(), signal.SIGKILL)

with Journal.open(pathlib.Path(sys.argv[1])) as journal:
    journal.checkpoints.save(DiesMidway(), {}, 2, 2)
"""


def frame(first: int, count: int = ROWS) -> Frame:
    rows = [(f"s{k % 7}", k, k / 3) for k in range(first, first + count)]
    return Frame("csv", pl.DataFrame(rows, schema=OBSERVATIONS, orient="row"), {"at": first + count})


def content(committed: Committed) -> tuple[object, ...]:
    arrays = committed.series.tobytes(), committed.time_us.tobytes(), committed.value.tobytes()
    return committed.batch, committed.new_series, committed.duplicates, committed.revised, arrays


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_no_commit_and_doubles_nothing(tmp_path: Path) -> None:
    moments = random.Random(20)
    promised = 0
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", COMMITTER, tmp_path], stdout=subprocess.PIPE, text=True)
        with child:
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(moments.uniform(0.0, 0.2))
            child.send_signal(signal.SIGKILL)
            printed = [
                int(line) for line in (first + child.stdout.read()).splitlines(keepends=True) if line.endswith("\n")
            ]
        assert printed[0] > promised
        promised = printed[-1]
        with Journal.open(tmp_path) as journal:
            batches = list(journal.tail(0))
            at = journal.cursors()["csv"]["at"]
            events = events_of(journal)
        assert isinstance(at, int)
        assert [committed.batch for committed in batches] == list(range(1, len(batches) + 1))
        assert promised <= len(batches) <= promised + 1, "the last commit may have died before it was printed"
        times = np.concatenate([committed.time_us for committed in batches])
        values = np.concatenate([committed.value for committed in batches])
        assert times.tolist() == list(range(at))
        assert np.array_equal(values, np.arange(at) / 3)
        assert [event["id"] for event in events] == [f"e{number + 1}" for number in range(len(events))]
        assert len(events) >= len(batches) - 2
        assert all(event["time_us"] == ROWS * (number + 1) for number, event in enumerate(events))


def crashes(journal: Journal, folder: Path, action: Callable[[], object]) -> list[Path]:
    """Copies of the files as SIGKILL would leave them before each statement of `action`, and after the last."""
    copies: list[Path] = []

    def copy(_: str) -> None:
        copies.append(folder / str(len(copies)))
        copies[-1].mkdir(parents=True)
        for name in ("sentinel.db", "sentinel.db-wal"):
            shutil.copy(journal._database.path.parent / name, copies[-1])

    journal._database.connection.set_trace_callback(copy)
    action()
    journal._database.connection.set_trace_callback(None)
    copy("")
    return copies


def picture(journal: Journal) -> tuple[object, ...]:
    return [content(committed) for committed in journal.tail(0)], journal.cursors(), journal.series()


def test_before_every_single_statement_of_a_commit_a_crash_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal") as journal:
        journal.commit(frame(0, 5), 0)
        before = picture(journal)
        copies = crashes(journal, tmp_path / "copies", lambda: journal.commit(frame(3, 9), 1))
        after = picture(journal)
    found = []
    for copy in copies:
        with Journal.open(copy) as survivor:
            found.append(picture(survivor))
            survivor.commit(frame(3, 9), 1)
            assert survivor.cursors() == after[1]
            assert sum(len(committed.value) for committed in survivor.tail(0)) == 12
    assert len(found) > 20
    assert all(each in (before, after) for each in found)
    assert (found[0], found[-1]) == (before, after)


@pytest.mark.slow
def test_before_every_single_statement_of_a_checkpoint_a_crash_leaves_a_whole_one(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal") as journal:
        for batch in (1, 2):
            journal.checkpoints.save({"x": np.full(9, batch)}, {}, batch, created_us=0)
        arrays = {"x": np.full(9, 3), "y": np.ones(2_200_000)}
        copies = crashes(journal, tmp_path / "copies", lambda: journal.checkpoints.save(arrays, {}, 3, created_us=0))
    found = []
    for copy in copies:
        with Journal.open(copy) as survivor:
            loaded = survivor.checkpoints.load()
            assert loaded is not None
            assert not loaded.warnings
            assert loaded.arrays["x"].tolist() == [loaded.batch] * 9
            found.append(loaded.batch)
            there = survivor._database.read("SELECT count(DISTINCT checkpoint) FROM checkpoint_piece")
            assert there == [(loaded.batch,)], "those that are whole, and nothing of another"
        shutil.rmtree(copy)
    assert len(found) > 10
    assert found == sorted(found)
    assert (found[0], found[-1]) == (2, 3)


@contextmanager
def failing_disk(journal: Journal) -> Iterator[None]:
    """The kernel refuses to let any file grow: a real write error in the middle of a transaction."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (journal._database.path.parent / "sentinel.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    ("trouble", "error"), [(partial(room_for, pages=2), JournalFull), (failing_disk, JournalUnwritable)]
)
def test_a_commit_that_found_no_space_gives_the_same_result_when_tried_again(
    tmp_path: Path, trouble: object, error: type[StateError]
) -> None:
    with Journal.open(tmp_path / "hindered") as journal, Journal.open(tmp_path / "other") as other:
        known = content(journal.commit(frame(0), 0))
        assert known == content(other.commit(frame(0), 0))
        next_frame = frame(ROWS - 10, 50_000)
        with trouble(journal):  # type: ignore[operator]
            for _ in range(2):
                with pytest.raises(error, match=r"sentinel\.db"):
                    journal.commit(next_frame, 1)
            assert [content(committed) for committed in journal.tail(0)] == [known]
            assert journal.cursors() == {"csv": {"at": ROWS}}
        assert content(journal.commit(next_frame, 1)) == content(other.commit(next_frame, 1))
        assert journal.cursors() == other.cursors()
        assert journal.series() == other.series()


def test_a_series_that_could_not_be_written_is_new_again_next_time(tmp_path: Path) -> None:
    rows = [(f"new{k}", k, 1.0) for k in range(20_000)]
    many = Frame("csv", pl.DataFrame(rows, schema=OBSERVATIONS, orient="row"), {})
    with Journal.open(tmp_path) as journal:
        with room_for(journal, 2), pytest.raises(JournalFull):
            journal.commit(many, 0)
        assert journal.series() == []
        new = journal.commit(many, 0).new_series
        assert len(new) == 20_000
        assert new == tuple(journal.series())


@pytest.mark.slow
def test_a_checkpoint_that_found_no_space_leaves_the_former_one_and_no_litter(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.checkpoints.save({"x": np.arange(5)}, {"n": 1}, batch=1, created_us=1)
        used = journal.retention.size_bytes()
        with room_for(journal, 2), pytest.raises(JournalFull):
            journal.checkpoints.save({"x": np.ones(4_000_000)}, {"n": 2}, batch=2, created_us=2)
        assert journal.retention.size_bytes() <= used + 4096
        loaded = journal.checkpoints.load()
        assert loaded is not None
        assert (loaded.header, loaded.batch, loaded.warnings) == ({"n": 1}, 1, ())


@pytest.mark.slow
def test_a_checkpoint_comes_back_bitwise_and_two_generations_are_kept(tmp_path: Path) -> None:
    arrays = {
        "scalar": np.array(2.5),
        "empty": np.empty((0, 3)),
        "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "strided": np.arange(20, dtype=np.int32)[::3],
        "flags": np.array([True, False]),
        "nan": np.array([np.nan, -0.0, np.inf]),
        "large": np.random.default_rng(0).normal(size=4_300_000),
    }
    with Journal.open(tmp_path) as journal:
        assert journal.checkpoints.load() is None
        for batch in (1, 2, 3):
            journal.checkpoints.save(arrays, {"batch": batch, "names": ["é"]}, batch, created_us=batch * 10)
        kept = journal._database.read("SELECT batch FROM checkpoint ORDER BY id")
        ((largest, parts),) = journal._database.read(
            "SELECT max(length(data)), max(part) + 1 FROM checkpoint_piece WHERE name = 'large'"
        )
    assert kept == [(2,), (3,)]
    assert (largest, parts) == (4 * 2**20, 9)
    with Journal.open(tmp_path, read_only=True) as journal:
        loaded = journal.checkpoints.load()
    assert loaded is not None
    assert (loaded.batch, loaded.created_us, loaded.header) == (3, 30, {"batch": 3, "names": ["é"]})
    assert loaded.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        assert loaded.arrays[name].shape == array.shape
        assert loaded.arrays[name].tobytes() == array.tobytes()


def test_older_checkpoints_are_ever_fewer_and_reach_back_to_the_first() -> None:
    every, kept = 5, []
    for number in range(3_000):
        kept.append((number, every * number, 1))
        chosen = set(choose_kept(kept, room=1_000))
        kept = [one for one in kept if one[0] in chosen]
        ages = [every * number - at for _, at, _ in reversed(kept)]
        assert ages[:2] == [0, every][: len(ages)]
        assert ages[-1] == every * number
        assert all(older <= 3 * younger + every for younger, older in pairwise(ages[1:]))
    assert len(kept) < 25
    assert len(choose_kept(kept, room=3)) == 5
    assert len(choose_kept(kept, room=0)) == 2


@pytest.mark.slow
def test_killed_in_the_middle_of_a_checkpoint_the_former_one_stands(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.checkpoints.save({"x": np.arange(5)}, {}, batch=1, created_us=1)
    child = subprocess.run([sys.executable, "-c", SAVER, tmp_path], check=False)
    assert child.returncode == -signal.SIGKILL
    with Journal.open(tmp_path, read_only=True) as journal:
        assert journal._database.read("SELECT count(*) FROM checkpoint_piece") > [(1,)], "it died too early"
    with Journal.open(tmp_path) as journal:
        loaded = journal.checkpoints.load()
        assert loaded is not None
        assert (loaded.batch, loaded.warnings) == (1, ())
        assert journal._database.read("SELECT count(*) FROM checkpoint_piece") == [(1,)]


CORRUPTIONS = [
    "UPDATE checkpoint_piece SET data = zeroblob(length(data)) WHERE name = 'x' AND checkpoint = {0}",
    "DELETE FROM checkpoint_piece WHERE checkpoint = {0}",
    "UPDATE checkpoint SET header = replace(header, 'x', 'y') WHERE id = {0}",
    "UPDATE checkpoint SET batch = 7 WHERE id = {0}",
]


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corrupt_checkpoint_falls_back_to_the_older_and_two_stop_with_advice(tmp_path: Path, corruption: str) -> None:
    with Journal.open(tmp_path) as journal:
        for batch in (1, 2):
            journal.checkpoints.save({"x": np.arange(5) + batch}, {}, batch, created_us=batch)
    spoil(tmp_path, corruption.format(2))
    with Journal.open(tmp_path) as journal:
        loaded = journal.checkpoints.load()
        assert loaded is not None
        assert loaded.batch == 1
        assert loaded.arrays["x"].tolist() == [1, 2, 3, 4, 5]
        assert len(loaded.warnings) == 1
        assert "checkpoint 2" in loaded.warnings[0]
        assert "corrupt" in loaded.warnings[0]
    spoil(tmp_path, corruption.format(1))
    with Journal.open(tmp_path) as journal, pytest.raises(JournalCorrupt, match="restore the file from a backup"):
        journal.checkpoints.load()


def test_a_corrupt_generation_does_not_push_out_the_sound_one(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        for batch in (1, 2):
            journal.checkpoints.save({"x": np.arange(5)}, {}, batch, created_us=batch)
    spoil(tmp_path, CORRUPTIONS[0].format(2))
    with Journal.open(tmp_path) as journal:
        journal.checkpoints.load()
        journal.checkpoints.save({"x": np.arange(5)}, {}, 3, created_us=3)
        assert journal._database.read("SELECT batch FROM checkpoint ORDER BY id") == [(1,), (3,)]


def spoil(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "sentinel.db")
    with connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()
