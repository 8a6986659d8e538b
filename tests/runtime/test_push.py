"""Sources that push: what is acknowledged is on disk, and whoever hangs holds up nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import polars as pl
import pytest

import sentinel.runtime.pushing
from sentinel.domain.observation import Cursor, Frame
from sentinel.journal import Journal
from sentinel.runtime.pushing import Pushing
from sentinel.sources import HandOver, PushSource, SourceError
from tests.e2e.running import PATIENCE, wait_for
from tests.runtime.rig import SOURCE, Rig, frame, room_for


class Pushed(PushSource):
    """Hands over what the test gives it, and keeps what it is told."""

    def __init__(self, folder: Path) -> None:
        super().__init__("buoys")
        self._folder = folder
        self.cursor: Cursor | None = None
        self.hand_over: HandOver | None = None
        self.told: list[Cursor] = []
        self.on_disk: list[Cursor | None] = []
        """What the journal said when that was told."""
        self.starts_after = 0
        self.fails: list[Exception] = []
        """Raised one after the other where it is told something."""
        self.hangs = Event()
        self.hangs.set()
        self.closed = False
        self.trouble: SourceError | None = None

    def require_connection(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def describe(self) -> str:
        return "what the test gives it"

    def start(self, cursor: Cursor | None, hand_over: HandOver) -> None:
        if self.starts_after:
            self.starts_after -= 1
            raise SourceError("the port is taken")
        self.cursor, self.hand_over = cursor, hand_over

    def acknowledge(self, cursor: Cursor) -> None:
        self.hangs.wait()
        if self.fails:
            raise self.fails.pop(0)
        with Journal.open(self._folder, read_only=True) as journal:
            self.on_disk.append(journal.cursors().get(self.name))
        self.told.append(cursor)

    def close(self) -> None:
        self.closed = True

    def push(self, given: Frame) -> bool:
        wait_for(lambda: self.hand_over, PATIENCE, "the start")
        assert self.hand_over is not None
        return self.hand_over(given)


class PushRig(Rig):
    """An engine with a source that pushes."""

    def __init__(self, folder: Path, source: Pushed) -> None:
        super().__init__(folder)
        self.source = source
        self.pushing = Pushing(self.inbox, self.engine.sources, self.metrics, self.clock)
        self.engine._acknowledge = self.pushing.acknowledge
        self.pushing.start([source], self.journal.cursors())

    def hears(self, count: int) -> None:
        wait_for(lambda: len(self.source.told) == count, PATIENCE, f"{count} acknowledgements")


def test_each_frame_is_acknowledged_once_it_is_on_disk_and_counted(tmp_path: Path) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    for n in range(5):
        assert rig.source.push(frame(10 * n, 10 * n + 10, watermark_us=n))
        assert len(rig.source.told) == n
        rig.feed()
        rig.hears(n + 1)
    assert rig.source.told == rig.source.on_disk == [{"at": 10 * n + 10} for n in range(5)]
    assert rig.count("observations_accepted_total", **SOURCE) == 150
    assert rig.count("source_fetches_total", **SOURCE) == 5
    assert rig.count("source_up", **SOURCE) == 1
    assert rig.pushing.stop(5.0)
    assert rig.source.closed


def test_what_comes_again_is_acknowledged_and_not_doubled(tmp_path: Path) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    for n in range(2):
        rig.source.push(frame(0, 10))
        rig.feed()
        rig.hears(n + 1)
    assert rig.count("observations_accepted_total", **SOURCE) == 30


def test_what_the_disk_does_not_take_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentinel.runtime.engine.RETRY_SECONDS", 0.0)
    rig = PushRig(tmp_path, Pushed(tmp_path))
    rig.source.push(frame(0, 10))
    rig.feed()
    rig.hears(1)
    with room_for(rig.journal, 0):
        rig.source.push(frame(10, 400))
        rig.feed()
        assert rig.count("ingestion_stopped") == 1
    assert rig.source.told == [{"at": 10}]
    rig.feed()
    rig.hears(2)


@pytest.mark.parametrize("table", [{"series": ["s0"], "time": [1], "value": [1.0]}, {"time": [1], "value": [1.0]}, {}])
def test_a_frame_that_breaks_its_promise_is_never_acknowledged(tmp_path: Path, table: dict[str, list[object]]) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    rig.source.push(Frame("buoys", pl.DataFrame(table), {"at": 5}))
    rig.source.push(frame(0, 60))
    rig.feed()
    rig.hears(1)
    assert rig.source.told == [{"at": 60}]


def test_it_starts_from_the_committed_cursor_and_is_tried_again_where_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel.runtime.pushing, "FIRST_RETRY_SECONDS", 0.01)
    before = PushRig(tmp_path, Pushed(tmp_path))
    before.source.push(frame(0, 10))
    before.feed()
    before.journal.close()
    source = Pushed(tmp_path)
    source.starts_after = 2
    rig = PushRig(tmp_path, source)
    rig.source.push(frame(10, 20))
    assert rig.source.cursor == {"at": 10}
    assert rig.count("source_fetch_failures_total", **SOURCE) == 2
    assert rig.count("source_up", **SOURCE) == 1


def test_one_that_hangs_when_it_is_told_holds_up_neither_the_engine_nor_the_end(tmp_path: Path) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    rig.source.hangs.clear()
    for n in range(3):
        rig.source.push(frame(10 * n, 10 * n + 10))
        rig.feed()
    assert rig.count("observations_accepted_total", **SOURCE) == 90
    assert not rig.pushing.stop(0.05)
    rig.source.hangs.set()
    assert rig.pushing.stop(5.0)


def test_a_stop_frees_whoever_waits_for_room(tmp_path: Path) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    rig.inbox.capacity = 10
    assert rig.source.push(frame(0, 10))
    rig.inbox.close()
    assert not rig.source.push(frame(10, 20))


@pytest.mark.parametrize("error", [SourceError("the line is down"), KeyError("number")])
def test_a_sender_that_could_not_be_told_is_told_again_though_nothing_more_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(sentinel.runtime.pushing, "FIRST_RETRY_SECONDS", 0.01)
    rig = PushRig(tmp_path, Pushed(tmp_path))
    rig.source.fails = [error, error]
    rig.source.push(frame(0, 10))
    rig.feed()
    rig.hears(1)
    assert rig.source.told == [{"at": 10}]
    assert rig.count("source_fetch_failures_total", **SOURCE) == 2
    rig.source.push(frame(10, 20))
    rig.feed()
    rig.hears(2)
    assert rig.pushing.stop(5.0)


def test_one_whose_connection_is_lost_is_down_until_it_is_back_and_that_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel.runtime.pushing, "LOOK_SECONDS", 0.01)
    rig = PushRig(tmp_path, Pushed(tmp_path))
    wait_for(lambda: rig.count("source_up", **SOURCE) == 1, PATIENCE, "the start")
    rig.source.trouble = SourceError("the line is down")
    wait_for(lambda: rig.count("source_up", **SOURCE) == 0, PATIENCE, "the trouble")
    rig.source.trouble = None
    wait_for(lambda: rig.count("source_up", **SOURCE) == 1, PATIENCE, "its end")
    assert rig.count("source_fetch_failures_total", **SOURCE) == 1
    assert rig.pushing.stop(5.0)


def test_while_it_hangs_only_the_newest_cursor_is_kept_for_it(tmp_path: Path) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    rig.source.hangs.clear()
    for n in range(50):
        rig.source.push(frame(n, n + 1))
        rig.feed()
    rig.source.hangs.set()
    assert rig.pushing.stop(5.0)
    assert rig.source.told[-1] == {"at": 50}
    assert len(rig.source.told) <= 3


def test_a_start_that_failed_after_frames_had_come_goes_on_from_what_is_committed_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel.runtime.pushing, "FIRST_RETRY_SECONDS", 0.05)
    committed = Event()

    starts: list[Cursor | None] = []

    class Torn(Pushed):
        def start(self, cursor: Cursor | None, hand_over: HandOver) -> None:
            starts.append(cursor)
            if len(starts) == 1:
                hand_over(frame(0, 10))
                committed.wait(5.0)
                raise KeyError("the second half")
            super().start(cursor, hand_over)

    rig = PushRig(tmp_path, Torn(tmp_path))
    wait_for(lambda: len(rig.inbox) > 0, PATIENCE, "the frame")
    rig.feed()
    committed.set()
    wait_for(lambda: rig.source.hand_over, PATIENCE, "the second start")
    assert starts == [None, {"at": 10}]


def test_the_same_complaint_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    for n in range(5):
        rig.source.push(frame(n, n + 1, rejected={"not_a_number": 1}, complaints=("line 3: no number",)))
    assert sum(line.message == "observations left out" for line in caplog.records) == 1


def test_a_remark_where_nothing_was_left_out_does_not_say_that_something_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    PushRig(tmp_path, Pushed(tmp_path)).source.push(frame(0, 1, complaints=("a row for each year",)))
    assert [line.message for line in caplog.records if hasattr(line, "why")] == ["remark on what was read"]


def test_a_cursor_that_cannot_be_kept_is_the_fault_of_the_frame_and_the_engine_goes_on(tmp_path: Path) -> None:
    rig = PushRig(tmp_path, Pushed(tmp_path))
    rig.source.push(replace(frame(0, 10), cursor={"at": {1, 2}}))
    rig.source.push(frame(10, 20))
    rig.feed()
    rig.hears(1)
    assert rig.source.told == [{"at": 20}]
    assert rig.engine.sources["buoys"].refused == 1
