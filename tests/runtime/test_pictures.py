"""Pictures over a restart: they go on where they were, with a hole after a crash, and never with a tick twice."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentinel.domain.observation import Frame
from sentinel.domain.states import Spectrogram
from sentinel.runtime import pictures
from tests.runtime.rig import CHOSEN, Rig, frame

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
    engine.restore(begun=lambda batch: pictures.load(engine.history, folder, batch, engine.state.names))
    return again


def drawn(rig: Rig, name: str) -> list[Spectrogram]:
    return rig.engine.history.pictures(name)


def assert_same(one: Rig, other: Rig) -> None:
    for name in ("s0", "s1", "s2"):
        for mine, others in zip(drawn(one, name), drawn(other, name), strict=True):
            for field in Spectrogram.__dataclass_fields__:
                assert np.array_equal(getattr(mine, field), getattr(others, field), equal_nan=True), (name, field)


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


def test_after_a_crash_what_came_since_is_missing_and_nothing_is_there_twice(tmp_path: Path) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    save(rig, tmp_path)
    rig.feed(frame(100, 150))
    rig.engine.checkpoint()
    rig.feed(frame(150, 200))
    again = restart(rig, tmp_path)
    for name in ("s0", "s1"):
        (whole,) = drawn(again, name)
        assert whole.time_us.size == 99 + 50, "those of the second frame are in the checkpoint only"
        assert (np.diff(whole.time_us) > 0).all()


def test_pictures_of_a_later_batch_than_the_checkpoint_are_left_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    rig.engine.checkpoint()
    rig.feed(frame(100, 150))
    pictures.save(rig.engine.history, tmp_path, 1 << 40)
    (whole,) = drawn(restart(rig, tmp_path), "s1")
    assert whole.time_us.size == 50
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
    save(rig, tmp_path)
    rig.engine.ask({"action": "retired", "series": "s1"})
    rig.feed()
    rig.engine.checkpoint()
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


def test_a_place_that_takes_no_file_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(tmp_path, TWO_ALBUMS)
    rig.feed(frame(0, 100))
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "none"):
        caplog.clear()
        pictures.save(rig.engine.history, place, 1)
        assert "pictures are not kept" in caplog.text
