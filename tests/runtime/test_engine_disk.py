"""A disk that is full: what waits then, what is still answered, and that nothing is lost or counted twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel.config import Settings
from sentinel.journal import JournalFull
from tests.runtime.rig import CHOSEN, SOURCE, Rig, Sink, frame, room_for

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.mark.slow
def test_a_full_disk_stops_ingestion_visibly_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chosen = CHOSEN | {"daemon": {"digest_every_ticks": 1}}
    sinks = Sink(), Sink()
    twin, rig = Rig(tmp_path / "twin", chosen, out=sinks[0]), Rig(tmp_path / "hindered", chosen, out=sinks[1])
    committed_but_owed = 0
    for n, first in enumerate(range(0, 400, 20)):
        part = frame(first, first + 20)
        twin.feed(part)
        with room_for(rig.journal, n % 3):
            rig.feed(part)
            rig.feed()
            if rig.count("ingestion_stopped"):
                assert rig.engine.snapshot.taken_us > 0, "what is known is still served"
                committed_but_owed += rig.journal.cursors() == twin.journal.cursors()
                assert rig.count("commit_failures_total") > 0
        rig.feed()
        assert rig.count("ingestion_stopped") == 0
        assert rig.state == twin.state
    assert rig.count("commit_failures_total") > 3
    assert committed_but_owed > 0, "the disk was never full between an observation and what follows from it"
    assert rig.record == twin.record
    assert sinks[1].keys == sinks[0].keys
    for name in ("received", "accepted", "duplicate", "revised", "late"):
        name = f"observations_{name}_total"
        assert rig.count(name, **SOURCE) == twin.count(name, **SOURCE), name
    assert [c.time_us.tolist() for c in rig.journal.tail(0)] == [c.time_us.tolist() for c in twin.journal.tail(0)]


def test_on_a_full_disk_a_checkpoint_and_a_reload_wait_too(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    other = Settings.model_validate(CHOSEN | {"alarms": [{"threshold": 0.4, "alpha": 0.01, "at_start": "alarm"}]})
    with room_for(rig.journal, 0):
        rig.engine._checkpoints._due = 0.0
        rig.engine.turn(0.0)
        assert rig.count("ingestion_stopped") == 0, "nothing waits to be taken in"
        assert rig.count("checkpoint_failures_total") == 1
        filler = {"series": [{"match": f"{'x' * 200}{n}"} for n in range(100)]}
        rig.engine.reload(Settings.model_validate(CHOSEN | filler))
        rig.engine.turn(0.0)
        assert rig.count("ingestion_stopped") == 1
        assert len(rig.engine.settings.series) == 2
    rig.engine.reload(other)
    rig.engine.turn(0.0)
    assert rig.engine.settings == other
    assert rig.count("ingestion_stopped") == 0


def test_a_reload_is_recorded_once_though_what_follows_from_it_has_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    fails, settle = [JournalFull("no space")], rig.engine._settle

    def fail_once(*owed: Any) -> None:
        if owed and fails:
            rig.engine._owed.extend(owed)
            raise fails.pop()
        settle(*owed)

    monkeypatch.setattr(rig.engine, "_settle", fail_once)
    rig.engine.reload(
        Settings.model_validate(CHOSEN | {"alarms": [{"threshold": 0.4, "alpha": 0.01, "at_start": "alarm"}]})
    )
    for _ in range(3):
        rig.engine.turn(0.0)
    assert not rig.engine.stopped_by
    assert [committed.kind for committed in rig.journal.tail(0)] == ["settings"] * 2, "the first, and the other"


def test_the_engine_beats_in_idle_turns_and_while_ingestion_is_stopped(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for now in (5, 6):
        rig.clock.set(now)
        assert rig.engine.turn(0.0) is False
        assert rig.engine.last_beat_us == now
    with room_for(rig.journal, 0):
        rig.clock.set(7)
        rig.inbox.put(frame(0, 300))
        rig.engine.turn(0.0)
        assert rig.engine.last_beat_us == 7
        assert rig.count("inbox_observations") == 900, "what is held still waits"
