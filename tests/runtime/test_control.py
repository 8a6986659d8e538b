"""Acting on a running engine over its socket: journalled, replayed bitwise, for the daemon's user alone."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from sentinel.commands.main import entry_point
from sentinel.domain.errors import UsageError
from sentinel.runtime.acting import choose_shown
from sentinel.runtime.control import SOCKET_FILE, ControlSocket, send
from tests.runtime.rig import Rig, frame


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """An engine behind its socket; it turns in the thread that opened its journal, as in the daemon."""
    made = Rig(tmp_path)
    made.feed(frame(0, 230))
    control = ControlSocket(tmp_path, made.engine.ask)
    control.start()
    yield made
    control.close()


def ask(rig: Rig, folder: Path, *arguments: str) -> int:
    """Run a command beside the engine, which turns until it is done."""
    codes: list[int] = []
    thread = Thread(target=lambda: codes.append(entry_point([*arguments, "--state", str(folder)])))
    thread.start()
    while thread.is_alive():
        rig.engine.turn(0.01)
    return codes[0]


def first_open(rig: Rig) -> str:
    ended = {event["alarm_id"] for event in rig.engine.events if event["what"] == "cleared"}
    return next(str(e["alarm_id"]) for e in rig.engine.events if e["what"] == "raised" and e["alarm_id"] not in ended)


def test_an_acknowledged_alarm_stays_open_and_says_so_after_a_restart_too(rig: Rig, tmp_path: Path, capsys) -> None:
    alarm, before = first_open(rig), rig.state
    assert ask(rig, tmp_path, "series", "acknowledge", alarm, "--by", "eve", "--note", "probe cleaned") == 0
    assert "stays open" in capsys.readouterr().out
    assert rig.engine.events[-1]["what"] == "acknowledged"
    assert rig.state == before
    assert entry_point(["explain", alarm, "--state", str(tmp_path)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "open, acknowledged by eve" in first
    assert first.endswith(": probe cleaned")
    record, events = rig.record, [event["id"] for event in rig.engine.events]
    rig.journal.close()
    again = Rig(tmp_path)
    assert (again.record, again.state) == (record, before)
    assert [event["id"] for event in again.engine.events] == events


@pytest.mark.slow
def test_a_retired_series_is_listed_as_such_and_not_called_unknown(rig: Rig, tmp_path: Path, capsys) -> None:
    # Bug: `series show` said that the folder knows no such series, and nothing listed those to take back.
    assert ask(rig, tmp_path, "series", "retire", "s1") == 0
    capsys.readouterr()
    assert entry_point(["series", "list", "--state", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "s1  retired"
    assert entry_point(["series", "show", "s1", "--state", str(tmp_path)]) == 2
    assert "it is retired; `sentinel series retire s1 --undo" in capsys.readouterr().err


def test_a_series_is_renamed_beside_the_daemon(rig: Rig, tmp_path: Path, capsys) -> None:
    state = ("--state", str(tmp_path))
    assert ask(rig, tmp_path, "series", "rename", "s1", 's{lake="1"}') == 0
    assert "its open alarms and its history" in capsys.readouterr().out
    assert entry_point(["series", "show", "s1", *state]) == 2
    assert 's{lake="1"} now' in capsys.readouterr().err
    assert entry_point(["series", "show", 's{lake="1"}', *state]) == 0
    shown = capsys.readouterr().out
    assert "called s1 before" in shown
    assert all(e["alarm_id"] in shown for e in rig.engine.events if e["series"] == "s1")
    assert ask(rig, tmp_path, "series", "rename", "s0", "s2") == 2


@pytest.mark.slow
def test_a_series_is_renamed_and_forgotten_in_a_folder(tmp_path: Path, capsys) -> None:
    rig, state = Rig(tmp_path), ("--state", str(tmp_path))
    rig.feed(frame(0, 100))
    rig.journal.close()
    assert entry_point(["series", "rename", "s2", "t", *state]) == 0
    assert entry_point(["series", "forget", "s0", *state]) == 0
    assert "until retention takes them" in capsys.readouterr().out
    assert entry_point(["journal", "show", *state, "--series", "t"]) == 0
    assert capsys.readouterr().out.count(",t,") == 100
    again = Rig(tmp_path)
    assert set(again.engine.snapshot.names()) == {"t", "s1"}
    again.feed(frame(100, 130))
    assert {view.name: view.ticks for view in again.engine.snapshot.views()} == {"t": 129, "s1": 129, "s0": 29}


def test_only_an_open_alarm_that_is_known_can_be_acknowledged(rig: Rig, tmp_path: Path, capsys) -> None:
    ended = next(str(event["alarm_id"]) for event in rig.engine.events if event["what"] == "cleared")
    assert ask(rig, tmp_path, "series", "acknowledge", ended) == 2
    assert "has ended" in capsys.readouterr().err
    assert ask(rig, tmp_path, "series", "acknowledge", "nothing") == 2
    two_lines = {"action": "acknowledged", "alarm_id": first_open(rig), "by": "eve", "note": "seen\nalarm x: ended"}
    # Bug: a note of two lines was taken, and its second line stood among those of `series show` like one of them.
    for request in ({"action": "explode"}, {"action": "acknowledged", "alarm_id": 5}, {}, two_lines):
        answers: list[object] = []

        def run(request: dict[str, object] = request, answers: list[object] = answers) -> None:
            try:
                answers.append(send(tmp_path, request))
            except UsageError as error:
                answers.append(error)

        thread = Thread(target=run)
        thread.start()
        while thread.is_alive():
            rig.engine.turn(0.01)
        assert isinstance(answers[0], UsageError)


@pytest.mark.slow
def test_a_series_stands_for_all_its_open_alarms_and_without_a_daemon_the_folder_is_written(
    tmp_path: Path, capsys
) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 230))
    series = next(event["series"] for event in rig.engine.events if event["alarm_id"] == first_open(rig))
    assert entry_point(["series", "acknowledge", str(series), "--state", str(tmp_path)]) == 73  # locked, and no socket
    rig.journal.close()
    assert entry_point(["series", "acknowledge", str(series), "--state", str(tmp_path)]) == 0
    capsys.readouterr()
    assert entry_point(["explain", str(series), "--state", str(tmp_path)]) == 0
    assert "acknowledged by" in capsys.readouterr().out.splitlines()[0]
    again = Rig(tmp_path)
    assert again.engine.events[-1]["what"] == "acknowledged"


def test_the_socket_is_for_its_user_alone_and_goes_with_the_daemon(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    control = ControlSocket(folder, lambda _request: pytest.fail("nobody asked"))
    control.start()
    path = folder / SOCKET_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    control.close()
    assert not path.exists()
    assert send(folder, {}) is None


def test_a_socket_that_a_killed_daemon_left_behind_is_replaced(tmp_path: Path, rig: Rig) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / SOCKET_FILE))
    assert send(folder, {}) is None
    control = ControlSocket(folder, rig.engine.ask)
    control.start()
    assert ask(rig, tmp_path, "series", "acknowledge", first_open(rig)) == 0
    control.close()


def test_a_client_that_says_nothing_or_nonsense_stops_nobody(rig: Rig, tmp_path: Path) -> None:
    for said in (b"", b"nonsense\n", b"[1]\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / SOCKET_FILE))
            client.sendall(said)
    assert ask(rig, tmp_path, "series", "acknowledge", first_open(rig)) == 0


def test_the_newest_events_are_shown_and_all_of_alarms_that_are_open() -> None:
    pairs = [{"alarm_id": str(n), "what": what} for n in range(10) for what in ("raised", "cleared")]
    events = [pairs[0], *pairs[2:]]
    shown = choose_shown(events, 4)
    assert shown == (events[0], *events[-4:])
    assert choose_shown(shown, 4) == shown
    assert choose_shown(events, 100) == tuple(events)
