"""Drills: the whole chain is led through once, nothing else is touched, and the alarm ends whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sentinel.commands.drill
import sentinel.runtime.drill
from sentinel.commands.main import entry_point
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.drills import DRILL, DrillView, is_drill
from sentinel.domain.spans import HOUR
from sentinel.journal import JournalFull
from sentinel.runtime.control import ControlSocket
from tests.e2e.running import wait_for
from tests.fixtures import ManualClock, digests_of, events_of
from tests.runtime.rig import CHOSEN, Rig, Sink, frame, room_for
from tests.runtime.test_control import ask as run_beside

QUICK: dict[str, Any] = {"drill": {"timeout": "20s", "keep": "1ms"}}
HASTY: dict[str, Any] = {"drill": {"timeout": "200ms", "keep": "1ms"}}
CHAIN = ["engine", "source", "detector", "rule", "journal", "receiver out", "end at receiver out"]


@pytest.fixture(autouse=True, scope="module")
def played() -> None:
    """The system has been played once; that takes most of a second."""
    sentinel.runtime.drill.make_source(ManualClock(HOUR)).fetch(None)


def begin(rig: Rig) -> None:
    rig.engine.drill.ask({"action": DRILL})


def drill(rig: Rig) -> DrillView:
    """A drill from its beginning to its end."""
    before = rig.engine.drill.view.id
    begin(rig)

    def ended() -> bool:
        rig.engine.turn(0.0)
        view = rig.engine.drill.view
        return view.id != before and view.ended

    wait_for(ended, 20.0, "the end of a drill")
    return rig.engine.drill.view


def rig_on(folder: Path, drills: Mapping[str, Any] = QUICK, **sinks: Sink) -> Rig:
    return Rig(folder, CHOSEN | drills, **sinks)


def of_drills(sink: Sink) -> list[str]:
    return [str(event["what"]) for event in sink.events if is_drill(event)]


@pytest.mark.slow
def test_every_link_holds_and_receivers_are_told_that_it_is_a_drill_and_that_it_has_ended(tmp_path: Path) -> None:
    sink = Sink()
    rig = rig_on(tmp_path, out=sink)
    view = drill(rig)
    assert [link.name for link in view.links] == CHAIN
    assert view.worked
    raised, cleared = sink.events
    assert (raised["what"], cleared["what"], raised["id"]) == ("raised", "cleared", cleared["id"])
    for event in sink.events:
        assert event["drill"] is True
        assert event["severity"] == "drill"
        assert str(event["text"]).startswith("This is a drill")
    assert rig.count("drill_delay_seconds", sink="out") >= 0
    assert rig.count("drill_last_success_timestamp_seconds") == rig.clock.now_us() / MICROSECONDS
    assert (rig.count("drills_total"), rig.count("drill_failures_total"), rig.count("drill_alarm")) == (1, 0, 0)
    assert len(rig.engine.snapshot) == 0
    assert rig.engine.events == ()


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(at=st.sets(st.integers(0, 5), min_size=1, max_size=2), cuts=st.sets(st.integers(1, 399), min_size=7, max_size=7))
def test_a_drill_leaves_everything_else_bitwise_as_it_would_have_been(
    tmp_path_factory: pytest.TempPathFactory, at: set[int], cuts: set[int]
) -> None:
    pieces = sorted({0, 400, *cuts})
    found = []
    for drills in (at, set()):
        sink = Sink()
        rig = rig_on(tmp_path_factory.mktemp("state"), out=sink)
        for number, (first, last) in enumerate(pairwise(pieces)):
            if number in drills:
                begin(rig)
            rig.feed(frame(first, last))
        rig.engine.checkpoint()
        assert ("raised" in of_drills(sink)) == bool(drills)
        others = [event for event in events_of(rig.journal) if not is_drill(event)]
        assert [kept.body for kept in rig.journal.events()] == others
        assert [event["id"] for event in rig.engine.events] == [event["id"] for event in others]
        read = rig.journal._database.read
        batches = read("SELECT id, kind, source, observations, payload FROM batch ORDER BY id")
        counted = [rig.count(name, source="buoys") for name in ("ticks_total", "observations_accepted_total")]
        alarms = rig.count("alarms_raised_total", detector="lag1", threshold="0.3")
        told = [key for key, event in zip(sink.keys, sink.events, strict=True) if not is_drill(event)]
        found.append((
            rig.state, others, digests_of(rig.journal), rig.journal.cursors(), rig.journal.series(), batches, counted,
            alarms, told, read("SELECT header, sha256 FROM checkpoint"),
        ))  # fmt: skip
        rig.journal.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("turns", range(5))
def test_after_a_crash_at_any_turn_the_alarm_of_a_drill_is_ended_once_and_another_can_be_made(
    tmp_path: Path, turns: int
) -> None:
    sink = Sink()
    rig = rig_on(tmp_path, out=sink)
    begin(rig)
    for _ in range(turns):
        rig.feed()
    rig.journal.close()  # as a kill leaves it: nothing more is written
    again = rig_on(tmp_path, out=sink)
    again.feed()
    again.feed()
    assert of_drills(sink) in ([], ["raised", "cleared"])
    assert again.journal.open_events() == []
    assert drill(again).worked
    assert len(of_drills(sink)) in (2, 4)


def test_a_daemon_that_ends_ends_the_alarm_of_a_drill_first(tmp_path: Path) -> None:
    sink = Sink()
    rig = rig_on(tmp_path, {"drill": {"keep": "1h"}}, out=sink)
    begin(rig)
    for _ in range(4):
        rig.feed()
    assert of_drills(sink) == ["raised"]
    assert rig.count("drill_alarm") == 1
    rig.engine.flush(5.0)
    assert of_drills(sink) == ["raised", "cleared"]


def failing(view: DrillView) -> dict[str, str]:
    return {link.name: link.why for link in view.failed}


@pytest.mark.slow
def test_the_link_that_failed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink()
    rig = rig_on(tmp_path, out=sink)
    with monkeypatch.context() as changed:
        changed.setattr(sentinel.runtime.drill, "TICKS", 50)
        assert failing(drill(rig)) == {"detector": "it has not become ready"}
    with monkeypatch.context() as changed:
        changed.setattr(sentinel.runtime.drill, "SYSTEM", "fold_control")
        assert failing(drill(rig)) == {"rule": "it has raised no alarm"}
    with monkeypatch.context() as changed:
        changed.setattr(sentinel.runtime.drill, "SYSTEM", "none")
        assert "system: 'none'" in failing(drill(rig))["source"]
    rig.journal.close()
    rig = rig_on(tmp_path, HASTY, out=sink)
    rig.engine.drill.launch = lambda _: None
    assert set(failing(drill(rig))) == {"source"}
    assert sink.events == []
    assert rig.count("drill_failures_total") == 1
    assert not rig.engine.drill.view.worked


def test_what_comes_late_of_a_drill_that_was_given_up_is_no_observation(tmp_path: Path) -> None:
    """The next drill forgot the name of the one before, whose late frame then was taken in as that of a series."""
    rig = rig_on(tmp_path, HASTY, out=Sink())
    waiting: list[Any] = []
    rig.engine.drill.launch = waiting.append
    first, second = drill(rig).id, drill(rig).id
    for name in (first, second):
        rig.engine._inbox.put(replace(sentinel.runtime.drill.make_source(rig.clock).fetch(None), source=name), 1.0)
    for job in waiting:
        job()
    rig.engine.turn(0.0)
    assert len(rig.engine.snapshot) == 0
    assert not rig.journal.series()


def test_after_the_clock_was_set_back_the_next_drill_is_due_an_interval_from_then(tmp_path: Path) -> None:
    """It moved ahead with the clock, so that none came for as long as that had been ahead, and nobody was told."""
    rig = rig_on(tmp_path, {"drill": {"timeout": "20s", "keep": "1ms", "every": "1h"}}, out=Sink())
    rig.clock.set(rig.clock.now_us() + 1_000 * HOUR)
    wait_for(lambda: (rig.engine.turn(0.0), rig.count("drills_total"))[1] == 1, 20.0, "the first drill")
    back_us = rig.clock.now_us() - 900 * HOUR
    for now_us in (back_us, back_us + HOUR // 2, back_us + HOUR - 1):
        rig.clock.set(now_us)
        rig.engine.turn(0.0)
        assert rig.count("drill_due_timestamp_seconds") == (back_us + HOUR) / MICROSECONDS
    rig.clock.set(back_us + HOUR)
    wait_for(lambda: (rig.engine.turn(0.0), rig.count("drills_total"))[1] == 2, 20.0, "the second drill")


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_a_receiver_that_is_down_or_refuses_is_named_and_gets_no_second_drill_before_the_first_has_ended_for_it(
    tmp_path: Path,
) -> None:
    down, steady, picky = Sink("down"), Sink(), Sink("picky")
    down.broken, picky.refuses = True, lambda event: event["what"] == "raised"
    rig = rig_on(tmp_path, HASTY, down=down, out=steady, picky=picky)
    found = failing(drill(rig))
    assert found["receiver down"] == found["end at receiver down"] == "the receiver is down"
    assert set(found) == {"receiver down", "end at receiver down", "receiver picky"}
    found = failing(drill(rig))
    assert found["receiver down"] == "it has not been told of the end of the drill before: the receiver is down"
    assert "end at receiver down" not in found
    assert of_drills(steady) == ["raised", "cleared"] * 2
    down.broken, picky.refuses = False, lambda _: False
    rig.feed()
    rig.feed()
    assert of_drills(down) == ["raised", "cleared"]
    assert drill(rig).worked


def test_only_the_receivers_that_are_named_are_told(tmp_path: Path) -> None:
    chosen, other = Sink(), Sink("other")
    settings = {"drill": QUICK["drill"] | {"receivers": ["out"]}, "notify": [{"name": "out"}]}
    rig = rig_on(tmp_path, settings, out=chosen, other=other)
    assert drill(rig).worked
    assert (len(chosen.events), other.events) == (2, [])


@pytest.mark.usefixtures("at_once")
def test_a_drill_waits_for_a_full_disk_and_ends_after_it(tmp_path: Path) -> None:
    sink = Sink()
    rig = rig_on(tmp_path, {"drill": {"timeout": "10s", "keep": "1ms"}}, out=sink)
    begin(rig)
    with room_for(rig.journal, 0):
        for number, letters in enumerate((1_000, 10)):  # what is left of the last page is filled
            events = [
                {"id": f"x{number}.{at}", "series": "s0", "time_us": 0, "text": "x" * letters} for at in range(999)
            ]
            with suppress(JournalFull):
                for event in events:
                    rig.journal.append_events([event], (), 1)
        for _ in range(4):
            rig.engine.turn(0.0)
        assert rig.engine.stopped_by
        assert rig.engine.drill.view.links[-3].seconds is None, "the alarm is not in the journal"
    wait_for(lambda: rig.engine.turn(0.0) or rig.engine.drill.view.ended, 20.0, "the end of the drill")
    assert rig.engine.drill.view.worked
    assert of_drills(sink) == ["raised", "cleared"]


@pytest.mark.slow
def test_a_schedule_goes_by_the_last_success_over_restarts_and_tries_a_failure_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turn_until(holds: Any) -> None:
        wait_for(lambda: (rig.engine.turn(0.0), holds())[1], 20.0, "a drill of the schedule")

    now = [0.0]
    monkeypatch.setattr(sentinel.runtime.drill, "monotonic", lambda: now[0])
    hourly = {"drill": {"timeout": "200ms", "keep": "1ms", "every": "1h"}}
    rig = rig_on(tmp_path, hourly, out=Sink())
    begun_us = rig.clock.now_us()

    def done(count: float) -> Any:
        def ended() -> bool:
            now[0] += 0.01
            return rig.count("drills_total") == count

        return ended

    turn_until(done(1))  # the first one at once
    for _ in range(3):
        rig.engine.turn(0.0)
    assert rig.count("drills_total") == 1
    assert rig.count("drill_due_timestamp_seconds") == (begun_us + HOUR) / MICROSECONDS
    rig.journal.close()

    broken = Sink()
    broken.broken = True
    rig = rig_on(tmp_path, hourly, out=broken)
    assert rig.count("drill_last_success_timestamp_seconds") == begun_us / MICROSECONDS
    for _ in range(3):
        rig.engine.turn(0.0)
    assert rig.count("drills_total") == 0, "a restart is no reason for a drill"
    rig.clock.set(begun_us + HOUR)
    turn_until(done(1))
    assert rig.count("drill_failures_total") == 1
    assert rig.count("drill_due_timestamp_seconds") == (begun_us + HOUR) / MICROSECONDS, "it stays due"
    for _ in range(3):
        rig.engine.turn(0.0)
    assert rig.count("drills_total") == 1
    now[0] += sentinel.runtime.drill.RETRY_SECONDS
    turn_until(done(2))


def test_drills_of_before_the_retention_are_forgotten_but_for_those_that_a_receiver_is_owed(tmp_path: Path) -> None:
    rig = rig_on(tmp_path, out=Sink())
    for _ in range(3):
        assert drill(rig).worked
        rig.clock.set(rig.clock.now_us() + rig.engine.settings.daemon.retention * 2)
    assert len(events_of(rig.journal)) == 3
    assert rig.journal._database.read("SELECT count(*) FROM outbox") == [(2,)]


def test_a_drill_waits_while_a_history_is_read_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stood in the inbox behind the history, and the source was said to be the broken link."""
    every = {"drill": {"timeout": "200ms", "keep": "1ms", "every": "1h"}}
    source = {"sources": [{"kind": "simulate", "name": "lake", "system": "fold"}]}
    rig = Rig(tmp_path, CHOSEN | every | source, out=Sink())
    (status,) = rig.engine.sources.values()
    control = ControlSocket(tmp_path, lambda request: rig.engine.drill.ask(request) or rig.engine.ask(request))
    control.start()
    try:
        status.last_success_us, status.catching_up = 1, True
        begun_us = rig.clock.now_us()
        assert run_beside(rig, tmp_path, "drill") == 75
        assert "lake catching up" in capsys.readouterr().err
        rig.clock.set(rig.clock.now_us() + 5 * HOUR)
        rig.engine.turn(0.0)
        assert rig.engine.drill.view == DrillView()
        assert rig.metrics.drill_due.values() == {}, "none is due, so none is overdue"
        rig.clock.set(begun_us + 26 * HOUR)  # a source that never catches up kept its alert from firing for ever
        rig.engine.turn(0.0)
        assert rig.engine.drill.view == DrillView()
        assert rig.count("drill_due_timestamp_seconds") == begun_us / MICROSECONDS, "it is overdue"
        status.catching_up = False
        held: list[Any] = []
        rig.engine.drill.launch = held.append
        rig.engine.turn(0.0)
        status.catching_up = True  # once more, before its observations have come
        sleep(0.3)
        rig.engine.turn(0.0)
        assert not rig.engine.drill.view.failed
        (job,) = held
        job()
        wait_for(lambda: (rig.engine.turn(0.0), rig.count("drills_total"))[1] == 1, 20.0, "the drill")
        assert rig.engine.drill.view.worked
    finally:
        control.close()


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_the_command_says_each_link_and_its_exit_code_whether_the_chain_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: bool, code: int
) -> None:
    sink = Sink()
    sink.broken = broken
    rig = rig_on(tmp_path, HASTY, out=sink)
    control = ControlSocket(tmp_path, lambda request: rig.engine.drill.ask(request) or rig.engine.ask(request))
    control.start()
    try:
        assert run_beside(rig, tmp_path, "drill") == code
    finally:
        control.close()
    *links, last = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in links] == CHAIN
    assert ("receiver out: FAILED: the receiver is down" in links) == broken
    assert last.startswith("the chain is broken at receiver out" if broken else "the chain works")


def test_without_a_daemon_there_is_no_drill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry_point(["drill", "--state", str(tmp_path)]) == 75
    assert "no daemon runs" in capsys.readouterr().err


def test_an_engine_that_stands_still_is_the_link_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel.commands.drill, "GRACE_SECONDS", 0.2)
    rig = rig_on(tmp_path, HASTY)  # it never turns
    control = ControlSocket(tmp_path, lambda request: rig.engine.drill.ask(request) or rig.engine.ask(request))
    control.start()
    try:
        assert entry_point(["drill", "--state", str(tmp_path)]) == 1
    finally:
        control.close()
    assert "the chain is broken at engine" in capsys.readouterr().out
