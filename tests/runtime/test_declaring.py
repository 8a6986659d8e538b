"""Events that are declared to a running engine: journalled, replayed bitwise, shown, and lifted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from sentinel.commands.main import entry_point
from sentinel.domain.errors import UsageError
from sentinel.domain.states import Reason, State
from sentinel.journal import Journal
from sentinel.pipeline.pipeline import PipelineState
from sentinel.runtime.acting import find_fact
from sentinel.runtime.control import ControlSocket
from sentinel.runtime.retrace import retrace
from sentinel.views.web import alarms, pages
from tests.pipeline.streams import HOUR_US
from tests.pipeline.test_retiring import digests
from tests.runtime.rig import CHOSEN, SOURCE, Rig, frame
from tests.runtime.test_control import ask
from tests.runtime.test_retrace import TWO


def moment(tick: int) -> str:
    return f"{np.datetime64(tick * HOUR_US, 'us')}Z"


def declare(rig: Rig, gate: str, start: int, hours: int = 0, match: str = "s1") -> str:
    """Ask the engine, let it turn, and give the id of the event."""
    event: dict[str, Any] = {"gate": gate, "match": match, "start": moment(start)}
    answer = rig.engine.ask({"action": "declared", "event": event | ({"length": f"{hours}h"} if hours else {})})
    rig.engine.turn(0.0)
    answer.result(0.0)
    return rig.engine._replica.state.events[-1].id


@pytest.mark.parametrize("chosen", [CHOSEN, TWO], ids=["alone", "compared"])
@pytest.mark.parametrize("at", [20, *(pytest.param(at, marks=pytest.mark.slow) for at in (90, 190))])
def test_restarts_with_and_without_a_checkpoint_give_the_same_state_bitwise_and_no_other_series_notices(
    chosen: dict[str, Any], at: int, tmp_path: Path
) -> None:
    rig, plain = Rig(tmp_path / "with", chosen), Rig(tmp_path / "without", chosen)
    for each in (rig, plain):
        each.feed(frame(0, at))
    hold = declare(rig, "hold", at + 5, 40)
    declare(rig, "rebase", at + 60)
    declare(rig, "reset", at - 3, match="s2")  # too late for its tick
    for first, checkpoint in ((at, False), (at + 20, True), (at + 40, False), (at + 80, True)):
        for each in (rig, plain):
            each.feed(frame(first, first + (40 if first >= at + 40 else 20)))
        if checkpoint:
            rig.engine.checkpoint()
        before, record = rig.state, rig.record
        rig.journal.close()
        rig = Rig(tmp_path / "with", chosen)
        assert rig.state == before
        assert rig.record == record
    assert rig.engine._replica.state.events[0].id == hold
    untouched = [name for name in digests(plain) if "s1" not in name and "s2" not in name]
    assert untouched
    assert {name: digests(rig)[name] for name in untouched} == {name: digests(plain)[name] for name in untouched}


def test_a_hold_by_command_keeps_the_alarm_open_counts_what_comes_and_can_be_lifted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 90))
    rig.clock.set(90 * HOUR_US)
    control = ControlSocket(tmp_path, rig.engine.ask)
    control.start()
    try:
        command = ("series", "hold", "s*", "--for", "100h", "--note", "buoy lifted out", "--by", "eve")
        assert ask(rig, tmp_path, *command) == 0
        said = capsys.readouterr().out
        assert "3 series match" in said
        rig.feed(frame(90, 110))
        assert rig.count("observations_on_hold_total", **SOURCE) == 60
        view = rig.engine.snapshot.view("s0")
        assert (view.state, view.reason) == (State.BLIND, Reason.ON_HOLD)
        assert any(rule.alarm_id for rule in view.rules)
        assert "s0" in [one.name for one in rig.engine.snapshot.with_open_alarm()]
        assert entry_point(["series", "show", "s0", "--state", str(tmp_path)]) == 0
        shown = capsys.readouterr().out
        assert "blind (on_hold)" in shown
        assert "by eve: buoy lifted out" in shown
        rig.clock.set(110 * HOUR_US)
        assert ask(rig, tmp_path, "series", "hold", said.partition(":")[0], "--lift") == 0
        rig.feed(frame(110, 130))
        assert rig.count("observations_on_hold_total", **SOURCE) == 60
        assert rig.engine.snapshot.view("s0").reason is not Reason.ON_HOLD
    finally:
        control.close()


@pytest.mark.slow
def test_the_pages_of_the_series_and_of_its_alarm_say_that_it_is_on_hold(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 90))
    declare(rig, "hold", 90, 100, match="s0")
    rig.feed(frame(90, 100))
    snapshot = rig.engine.snapshot
    none: Any = lambda *_: ()  # noqa: E731 - what these pages do not read
    access = pages.Access(lambda: snapshot, none, none, none, none, events=lambda: rig.engine.events)
    page = pages.series(access, snapshot, snapshot.view("s0")).body.decode()
    assert "Declared events" in page
    assert "maintenance holds s0" in page
    assert "Declared events" not in pages.series(access, snapshot, snapshot.view("s1")).body.decode()
    show = alarms.routes(access)[1].endpoint
    for series in ("s0", "s1"):
        raised = next(e for e in rig.engine.events if e["series"] == series and e["what"] == "raised")
        shown = show(Request({"type": "http", "path_params": {"alarm": raised["alarm_id"]}}))
        assert ("its series is on hold" in shown.body.decode()) == (series == "s0")


@pytest.mark.slow
def test_without_a_daemon_it_is_written_into_the_journal(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 150))
    rig.journal.close()
    assert entry_point(["series", "reset", "s2", "--start", moment(140), "--state", str(tmp_path)]) == 0
    rig = Rig(tmp_path)
    rig.feed(frame(150, 152))
    views = {name: rig.engine.snapshot.view(name) for name in ("s1", "s2")}
    assert views["s2"].state is State.LEARNING
    assert views["s1"].state is not State.LEARNING


def test_the_alarm_that_a_reset_ended_says_so_and_is_replayed_bit_for_bit(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 90))
    declare(rig, "reset", 91, match="*")
    rig.feed(frame(90, 100))
    ended = [event for event in rig.engine.events if event.get("ended_by") == "reset"]
    assert ended
    for kept in rig.journal.events():
        if kept.body["what"] == "raised":
            assert retrace(rig.journal, kept).differences(kept.body) == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"match": "a"}, "end or length"), ({"length": "2"}, "length"), ({"gate": "shut", "length": "2h"}, "gate"),
        ({"start": "soon", "length": "2h"}, "ISO|2024-05-01"), ({"lenght": "2h"}, "unknown lenght"),
        ("hold", "mapping"),
        ({"length": "2h", "note": "a\nb"}, "one line"), ({"length": "2h", "every": "1h"}, "longer than the hold"),
        ({"gate": "reset", "every": "1d"}, "only a hold recurs"), ({"length": 7_200_000_000}, "length"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_and_said(event: object, said: str, tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal, pytest.raises(UsageError, match=said):
        find_fact({"action": "declared", "event": event}, journal, PipelineState(), 0)


def test_what_cannot_be_lifted_is_said(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 60))
    declare(rig, "hold", 10, 5)
    declared = rig.engine._replica.state.events
    for name, now_us, said in (("none", 0, "no hold"), (declared[0].id, 20 * HOUR_US, "over already")):
        with pytest.raises(UsageError, match=said):
            find_fact({"action": "lifted", "event_id": name}, rig.journal, rig.engine._replica.state, now_us)
