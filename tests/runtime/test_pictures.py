"""Pictures over a restart: they go on where they were, or begin anew; never with a hole, nor with a tick twice."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentinel.config import Settings
from sentinel.domain.channels import UNKNOWN
from sentinel.domain.observation import Frame
from sentinel.domain.states import Spectrogram
from sentinel.pipeline.history import History
from sentinel.runtime import pictures
from sentinel.runtime.daemon import Daemon
from tests.runtime.rig import CHOSEN, Rig, frame

LISTEN = "127.0.0.1:0"
TWO_ALBUMS = CHOSEN | {
    "series": [{"match": "s0", "cadence": "1h", "bank": "few"}, {"match": "*", "cadence": "1h"}],
    "banks": {**CHOSEN["banks"], "few": {**CHOSEN["banks"]["default"], "thresholds": 8}},
}


def save(rig: Rig, folder: Path) -> None:
    rig.engine.checkpoint()
    pictures.save(rig.engine.history, folder, max(rig.journal.checkpoints.batches()))


def restart(rig: Rig, folder: Path, chosen: object = TWO_ALBUMS) -> Rig:
    rig.journal.close()
    again = Rig(folder, chosen, restored=False)  # type: ignore[arg-type]
    engine = again.engine
    engine.restore(before_replay=lambda batch: pictures.load(engine.history, folder, batch, engine.state.names))
    return again


def drawn(rig: Rig, name: str) -> list[Spectrogram]:
    return rig.engine.history.pictures(name)


def assert_same(one: Rig, other: Rig) -> None:
    for name in ("s0", "s1", "s2"):
        for mine, others in zip(drawn(one, name), drawn(other, name), strict=True):
            for field in Spectrogram.__dataclass_fields__:
                assert np.array_equal(getattr(mine, field), getattr(others, field), equal_nan=True), (name, field)


@pytest.mark.slow
def test_after_a_restart_pictures_are_those_of_a_daemon_that_was_never_stopped(tmp_path: Path) -> None:
    """Bug: after each restart the fleet had no small lines, and a daily series no picture for days."""
    straight, rig = Rig(tmp_path / "a", TWO_ALBUMS), Rig(tmp_path / "b", TWO_ALBUMS)
    for first, last in ((0, 100), (100, 101), (101, 230), (230, 400)):
        straight.feed(frame(first, last))
        rig.feed(frame(first, last))
        save(rig, tmp_path / "b")
        rig = restart(rig, tmp_path / "b")
        assert_same(rig, straight)
    assert len(drawn(rig, "s0")[0].thresholds) == 8


@pytest.mark.slow
def test_after_a_crash_pictures_are_whole_or_begin_anew(tmp_path: Path) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    save(rig, tmp_path)
    rig.feed(frame(100, 150))
    again = restart(rig, tmp_path)
    assert drawn(again, "s1")[0].time_us.size == 149, "no checkpoint since: what came is replayed"
    again.engine.checkpoint()
    again.feed(frame(150, 200))
    (whole,) = drawn(restart(again, tmp_path), "s1")
    assert whole.time_us.size == 50, "only what is replayed"
    assert not (tmp_path / pictures.FILE).exists(), "nor may a later checkpoint of the same number find them"


@pytest.mark.slow
def test_after_forgetting_and_renaming_no_series_has_the_picture_of_another(tmp_path: Path) -> None:
    """Bug: pictures are found by name, and after a crash those of an older state were taken back."""

    def acted(rig: Rig) -> None:
        for request in ({"action": "forgotten", "series": "s1"}, {"action": "renamed", "series": "s2", "to": "s1"}):
            rig.engine.ask(request)
            rig.feed()

    quiet = {**TWO_ALBUMS, "alarms": []}  # a forgotten series that had alarms keeps its name
    rig = Rig(tmp_path, quiet)
    rig.feed(frame(0, 100))
    save(rig, tmp_path)
    was = drawn(rig, "s2")[0].value_low
    acted(rig)
    rig.engine.checkpoint()
    rig = restart(rig, tmp_path, quiet)
    assert all(drawn(rig, name) == [] for name in ("s0", "s1", "s2"))

    (tmp_path / "ended").mkdir()
    rig = Rig(tmp_path / "ended", quiet)
    rig.feed(frame(0, 100))
    acted(rig)
    save(rig, tmp_path / "ended")
    rig = restart(rig, tmp_path / "ended", quiet)
    assert np.array_equal(drawn(rig, "s1")[0].value_low, was)
    assert drawn(rig, "s2") == []


@pytest.mark.parametrize("later", [-1, 1])
def test_pictures_of_another_batch_than_the_checkpoint_are_removed(tmp_path: Path, later: int) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    rig.engine.checkpoint()
    pictures.save(rig.engine.history, tmp_path, max(rig.journal.checkpoints.batches()) + later)
    assert drawn(restart(rig, tmp_path), "s1") == []
    assert not (tmp_path / pictures.FILE).exists()


def test_a_new_journal_in_the_folder_of_another_one_has_nothing_of_its_pictures(tmp_path: Path) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    save(rig, tmp_path)
    rig.journal.close()
    for file in tmp_path.glob("sentinel.db*"):
        file.unlink()
    new = restart(rig, tmp_path)
    new.feed(frame(0, 90))
    new.engine.checkpoint()
    assert drawn(restart(new, tmp_path), "s1") == []


def test_a_series_that_has_gone_leaves_its_place_to_another(tmp_path: Path) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    rig.engine.ask({"action": "retired", "series": "s1"})
    rig.feed()
    save(rig, tmp_path)
    again = restart(rig, tmp_path)
    assert drawn(again, "s1") == []
    new = frame(0, 90).observations.filter(pl.col("series") == "s1").with_columns(series=pl.lit("s9"))
    again.feed(Frame("buoys", new, {"at": 1}, rejected={}))
    assert drawn(again, "s9")[0].time_us.size == 89
    assert drawn(again, "s2")[0].time_us.size == 99


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nothing", None])
def test_a_file_that_cannot_be_read_lets_pictures_begin_anew(
    tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    save(rig, tmp_path)
    file = tmp_path / pictures.FILE
    file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        again = restart(rig, tmp_path)
    assert "begin anew" in caplog.text
    again.feed(frame(100, 120))
    assert drawn(again, "s1")[0].time_us.size == 20


@pytest.mark.slow
def test_no_flipped_bit_ends_a_start_or_changes_a_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bug: of the errors that numpy and zipfile raise then, several ended every start."""
    rig = Rig(tmp_path)
    rig.feed(frame(0, 20))
    save(rig, tmp_path)
    file, chance = tmp_path / pictures.FILE, random.Random(1)
    sound, batch = file.read_bytes(), max(rig.journal.checkpoints.batches())
    directory = sound.index(b"PK\x01\x02")
    for _ in range(400):
        damaged = bytearray(sound)
        begin = chance.choice((directory, 0))
        damaged[chance.randrange(begin, len(sound))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        history = History(3)
        caplog.clear()
        pictures.load(history, tmp_path, batch, rig.engine.state.names)
        found = history.pictures("s0")
        assert bool(found) != ("begin anew" in caplog.text)
        assert not found or np.array_equal(found[0].readings, drawn(rig, "s0")[0].readings)
        assert file.read_bytes() == damaged, "left alone"


def test_nothing_of_the_memory_but_pictures_is_saved_and_only_the_user_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: columns that had never been filled were saved too, with what the memory had been used for before."""
    empty = np.empty

    def used_before(*args: object, **more: object) -> np.ndarray:
        array: np.ndarray = empty(*args, **more)  # type: ignore[call-overload]
        array.reshape(-1).view(np.uint8)[:] = 0xA5
        return array

    monkeypatch.setattr(np, "empty", used_before)
    history = filled(5)
    monkeypatch.undo()
    pictures.save(history, tmp_path, 1)
    file = tmp_path / pictures.FILE
    assert b"\xa5" * 8 not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


def filled(series: int) -> History:
    history, shape = History(series), (40, series)
    history.append(
        [f"s{s}" for s in range(series)], np.array([0.0, 0.8]), np.full(series, 40), np.mgrid[:40, :series][0],
        np.ones(shape), np.zeros(shape, np.int8), np.ones((*shape, 2)), UNKNOWN.each(lambda nan: np.full(shape, nan)),
        np.ones(shape),
    )  # fmt: skip
    return history


def test_pictures_of_the_first_series_are_saved_and_as_many_taken_back_as_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Bugs: 10,000 series held the daemon for 8 seconds; with a lower `web.history_series` all were thrown away."""
    monkeypatch.setattr(pictures, "MOST_SAVED", 4)
    pictures.save(filled(5), tmp_path, 1)
    names = [f"s{s}" for s in range(5)]
    for room, there in ((9, names[:4]), (2, names[:2])):
        history = History(room)
        pictures.load(history, tmp_path, 1, names)
        assert [name for name in names if history.pictures(name)] == there
    assert not caplog.records


def run_one_turn(folder: Path, then: Callable[[], None] = lambda: None) -> list[Spectrogram]:
    """Let a daemon be told to end just when its first turn begins; give a picture as it was before that turn."""
    daemon = Daemon(Settings.model_validate({**CHOSEN, "daemon": {"state_dir": folder}, "web": {"listen": LISTEN}}))
    daemon._inbox.put(frame(0, 100))
    turn, found = daemon.engine.turn, list[Spectrogram]()

    def last_turn(timeout: float) -> bool:
        found.extend(daemon.engine.history.pictures("s0"))
        daemon.stop()
        worked = turn(timeout)
        then()
        return worked

    daemon.engine.turn = last_turn  # type: ignore[method-assign]
    daemon.run()
    return found


def test_ticks_of_the_turn_in_which_a_daemon_is_told_to_end_are_in_its_pictures(tmp_path: Path) -> None:
    """Bug: the signal closed the pictures; what the last turn took in was in the state and in no picture."""
    assert run_one_turn(tmp_path) == []
    assert run_one_turn(tmp_path)[0].time_us.size == 99


def test_a_daemon_that_breaks_off_saves_no_picture(tmp_path: Path) -> None:
    def break_off() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_one_turn(tmp_path, break_off)
    assert not (tmp_path / pictures.FILE).exists()


def test_a_place_that_takes_no_file_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "none"):
        caplog.clear()
        pictures.save(rig.engine.history, place, 1)
        assert "pictures are not kept" in caplog.text
