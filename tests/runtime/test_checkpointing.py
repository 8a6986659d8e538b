"""Checkpoints that are written a part each turn, while observations come in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.journal import JournalFull, checkpoints
from sentinel.pipeline.codec import to_arrays
from sentinel.runtime import checkpointing, engine
from tests.laws import examples
from tests.runtime.rig import CHOSEN, VALUES, Rig, frame, room_for
from tests.runtime.test_recomputing import amend

TICKS = 12
"""So many are fed, after the first 70."""


def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write pieces of two thousand bytes, one a turn."""
    monkeypatch.setattr(checkpoints, "PIECE_BYTES", 2_000)
    monkeypatch.setattr(checkpointing, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(checkpointing, "IDLE_SECONDS", 0.0)


def begin(rig: Rig) -> None:
    """Let the next turn begin a checkpoint."""
    rig.engine._checkpoints._due = 0.0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The state after all ticks, without a checkpoint or a restart."""
    rig = Rig(tmp_path_factory.mktemp("undisturbed"))
    rig.feed(frame(0, 70))
    for tick in range(70, 70 + TICKS):
        rig.feed(frame(tick, tick + 1))
    return rig.state


@settings(max_examples=examples(12, 100))  # an example takes half a second
@given(
    begun=st.sets(st.integers(0, TICKS - 1), min_size=1),
    turns=st.lists(st.integers(0, 60), min_size=TICKS, max_size=TICKS),
    killed=st.sets(st.integers(0, TICKS - 1)),
)
def test_begun_at_any_tick_and_killed_at_any_step_the_state_comes_back_bitwise(undisturbed, begun, turns, killed):
    with pytest.MonkeyPatch.context() as monkeypatch, TemporaryDirectory() as folder:
        small_steps(monkeypatch)
        rig = Rig(Path(folder))
        rig.feed(frame(0, 70))
        for tick in range(TICKS):
            if tick in begun:
                begin(rig)
            rig.feed(frame(70 + tick, 71 + tick))
            for _ in range(turns[tick]):
                rig.engine.turn(0.0)
            if tick in killed:
                before = rig.state
                rig.journal.close()
                rig = Rig(Path(folder))
                assert rig.state == before
        assert rig.state == undisturbed
        rig.journal.close()


def test_observations_are_taken_in_between_two_steps_and_the_checkpoint_is_of_its_begin(tmp_path, monkeypatch):
    # Bug: at 10,000 series a checkpoint held up the ticks for more than a second, every five minutes.
    small_steps(monkeypatch)
    rig = Rig(tmp_path)
    rig.feed(frame(0, 70))
    rig.engine.checkpoint()
    at_begin, ticks = rig.engine._batch + 1, 0
    rig.inbox.put(frame(70, 71))
    begin(rig)
    while rig.count("checkpoints_total") < 2:
        rig.engine.turn(0.0)
        ticks += 1
        rig.inbox.put(frame(70 + ticks, 71 + ticks))
        assert rig.engine._batch == at_begin + ticks - 1, "each turn took in what waited"
    assert ticks > 5
    assert max(rig.journal.checkpoints.batches()) == at_begin
    rig.feed()
    before = rig.state
    rig.journal.close()
    assert Rig(tmp_path).state == before


def test_where_nothing_waits_a_turn_writes_on_and_where_something_waits_it_takes_that_first(tmp_path, monkeypatch):
    small_steps(monkeypatch)
    monkeypatch.setattr(checkpointing, "IDLE_SECONDS", 60.0)
    rig = Rig(tmp_path)
    rig.feed(frame(0, 70))
    begin(rig)
    rig.engine.turn(0.0)
    assert rig.journal.checkpoints.batches() == [rig.engine._batch]
    rig.feed(frame(70, 71))
    begin(rig)
    step = rig.engine._checkpoints._save

    def crowded(batch: int):
        for _ in step(batch):
            rig.inbox.put(frame(71, 72))
            yield

    monkeypatch.setattr(rig.engine._checkpoints, "_save", crowded)
    rig.engine.turn(0.0)
    assert rig.journal._database.read("SELECT 1 FROM checkpoint WHERE complete = 0"), "it has stopped half-way"


def test_one_that_is_whole_counts_though_what_it_replaces_cannot_be_dropped_yet(tmp_path, monkeypatch):
    # Bug: it counted as failed and was saved again, so that both generations were of one batch.
    small_steps(monkeypatch)
    monkeypatch.setattr(checkpoints, "OLDER_BYTES", 0)
    monkeypatch.setattr(checkpoints, "OLDER_SHARE", 1 << 40)
    rig = Rig(tmp_path)
    for tick in range(2):
        rig.feed(frame(70 * tick, 70 * tick + 70))
        rig.engine.checkpoint()
    rig.feed(frame(140, 150))
    begin(rig)
    newest, database = rig.engine._batch, rig.journal._database
    while newest not in rig.journal.checkpoints.batches():
        rig.engine.turn(0.0)
    assert database.read("SELECT 1 FROM checkpoint WHERE complete = 0"), "one is to be dropped"

    def full():
        raise JournalFull("no room")

    with monkeypatch.context() as context:
        context.setattr(database, "transaction", full)
        assert rig.engine._checkpoints.step(newest, 1 << 50)
    assert rig.count("checkpoint_failures_total") == 0
    assert rig.count("checkpoints_total") == 3
    rig.feed(frame(150, 151))
    rig.engine.checkpoint()
    assert rig.journal.checkpoints.batches() == [newest, rig.engine._batch]
    assert not database.read("SELECT 1 FROM checkpoint WHERE complete = 0")


def test_one_that_is_being_written_gives_way_to_one_at_once_and_nothing_of_it_stays(tmp_path, monkeypatch):
    small_steps(monkeypatch)
    rig = Rig(tmp_path)
    rig.feed(frame(0, 70))
    begin(rig)
    rig.feed(frame(70, 71))
    assert rig.journal._database.read("SELECT 1 FROM checkpoint WHERE complete = 0"), "it is under way"
    rig.feed(frame(71, 72))
    rig.engine.checkpoint()
    assert rig.journal.checkpoints.batches() == [rig.engine._batch]
    pieces = rig.journal._database.read("SELECT DISTINCT checkpoint FROM checkpoint_piece")
    assert pieces == rig.journal._database.read("SELECT id FROM checkpoint WHERE complete = 1")
    before = rig.state
    rig.journal.close()
    assert Rig(tmp_path, CHOSEN).state == before


@pytest.mark.slow
@pytest.mark.parametrize("pages", [0, 1, 4])
@pytest.mark.parametrize("steps", [0, 2, 8])
@pytest.mark.parametrize("former", [0, 3])
def test_on_a_disk_that_is_full_at_any_step_nothing_is_lost_and_nothing_of_it_stays(
    tmp_path, monkeypatch, undisturbed, former, steps, pages
):
    small_steps(monkeypatch)
    monkeypatch.setattr(checkpoints, "PIECE_BYTES", 20_000)
    monkeypatch.setattr(checkpointing, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.0)
    rig = Rig(tmp_path)
    rig.feed(frame(0, 70))
    for tick in range(70, 70 + former):
        rig.engine.checkpoint()
        rig.feed(frame(tick, tick + 1))
    before = rig.journal.checkpoints.batches()
    begin(rig)
    for _ in range(steps):
        rig.engine.turn(0.0)
    with room_for(rig.journal, pages):
        for _ in range(15):
            rig.engine.turn(0.0)
        assert set(rig.journal.checkpoints.batches()) >= set(before[-1:])
        rig.inbox.put(frame(70 + former, 71 + former))
        rig.engine.turn(0.0)
    for tick in range(70 + former, 70 + TICKS):
        rig.feed(frame(tick, tick + 1))
    assert rig.state == undisturbed
    rig.engine.checkpoint()
    pieces = rig.journal._database.read("SELECT DISTINCT checkpoint FROM checkpoint_piece ORDER BY 1")
    assert pieces == rig.journal._database.read("SELECT id FROM checkpoint ORDER BY 1")
    assert not rig.journal._database.read("SELECT 1 FROM checkpoint WHERE complete = 0")
    rig.journal.close()
    assert Rig(tmp_path).state == undisturbed


def test_nothing_that_moves_the_state_writes_to_the_arrays_of_before(tmp_path):
    # A checkpoint that is under way has these arrays, and would be of no moment at all.
    rig = Rig(tmp_path)
    rig.feed(frame(0, 250))
    other = Settings.model_validate(CHOSEN | {"alarms": [{"kind": "spread", "alpha": 0.01}], "sites": [{"name": "x"}]})
    held = {"match": "s0", "start": "1970-01-01", "length": "2000h"}
    does = [
        lambda: rig.feed(frame(250, 260)),
        lambda: rig.engine.ask({"action": "declared", "event": held}),
        lambda: rig.engine.ask({"action": "retired", "series": "s1"}),
        lambda: rig.engine.ask({"action": "taken_back", "series": "s1"}),
        lambda: rig.engine.ask({"action": "renamed", "series": "s2", "to": "z"}),
        lambda: rig.feed(frame(260, 270)),
        lambda: rig.feed(frame(100, 110, VALUES + 1.0)),
        lambda: amend(rig, tmp_path),
        lambda: rig.engine.reload(other),
        lambda: rig.engine.ask({"action": "forgotten", "series": "s0"}),
    ]
    for do in does:
        batch, (arrays, _) = rig.engine._batch, to_arrays(rig.engine.state)
        copies = {name: array.copy() for name, array in arrays.items()}
        do()
        rig.feed()
        assert rig.engine._batch > batch
        assert all(copies[name].tobytes() == array.tobytes() for name, array in arrays.items())
