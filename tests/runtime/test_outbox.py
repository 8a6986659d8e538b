"""The outbox: each receiver hears everything in order, and one that hangs, fails or refuses holds up nobody."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event as Flag
from time import monotonic, sleep
from typing import Any

import pytest

import sentinel.runtime.courier
import sentinel.runtime.outbox
from sentinel.config import Settings
from sentinel.notify import Delivery, Event, Notifier, make_notifier
from tests.e2e.running import PATIENCE, wait_for
from tests.fixtures import events_of
from tests.runtime.rig import CHOSEN, Rig, Sink, frame


class Remote(Notifier):
    """Posts to a server on loopback and waits for its answer; `honest` = not longer than its deadline."""

    def __init__(self, port: int, *, honest: bool) -> None:
        super().__init__("remote")
        self._port, self._honest = port, honest

    def describe(self) -> str:
        return f"events to port {self._port}"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        seconds = max(0.001, deadline - monotonic()) if self._honest else None
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=seconds) as connection:
                connection.sendall(b"POST / HTTP/1.1\r\n\r\n")
                connection.recv(1)
        except TimeoutError:
            return Delivery("retry", 0, "no answer in time")
        return Delivery("delivered", len(batch))


@pytest.fixture
def port() -> Iterator[int]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def rushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of moments; what failed is tried again with the next turn."""
    monkeypatch.setattr(sentinel.runtime.courier, "DEADLINE_SECONDS", 0.05)
    monkeypatch.setattr(sentinel.runtime.courier, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(sentinel.runtime.courier, "FIRST_RETRY_SECONDS", 0.0)


def ids(rig: Rig) -> list[str]:
    return [event["id"] for event in events_of(rig.journal)]


def play(rig: Rig) -> None:
    """Take in everything, in turns; never waits for a receiver."""
    for first in range(0, 400, 20):
        rig.inbox.put(frame(first, first + 20))
        while rig.engine.turn(0.0):
            pass


@pytest.mark.slow
@pytest.mark.usefixtures("rushed")
@pytest.mark.parametrize("honest", [True, False])
def test_a_server_that_accepts_and_never_answers_delays_neither_a_turn_nor_another_receiver(
    tmp_path: Path, port: int, honest: bool
) -> None:
    steady = Sink()
    rig = Rig(tmp_path, remote=Remote(port, honest=honest), steady=steady)
    play(rig)

    def all_told() -> bool:
        rig.engine.turn(0.0)
        return len(steady.keys) > 6 and steady.keys == ids(rig)

    wait_for(all_told, 10.0, "the other receiver")
    assert rig.count("outbox_notifications", sink="remote") == len(ids(rig))

    def failed() -> bool:
        rig.engine.turn(0.0)
        return rig.count("notification_failures_total", sink="remote") > 0

    wait_for(failed, 10.0, "a failure that can be seen")
    began = monotonic()
    rig.engine.flush(0.2)
    assert monotonic() - began < 3.0, "the end does not wait for it"


@pytest.mark.slow
def test_one_that_hangs_is_counted_once_and_goes_on_when_it_comes_back(
    tmp_path: Path, rushed: None, caplog: pytest.LogCaptureFixture
) -> None:
    class Hanging(Sink):
        free = Flag()

        def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
            self.free.wait()
            return super().send(batch, deadline)

    sink = Hanging()
    rig = Rig(tmp_path, out=sink)
    play(rig)
    begun = monotonic()
    while monotonic() < begun + 0.3:
        rig.engine.turn(0.0)
    assert rig.count("notification_failures_total", sink="out") == 1
    assert sum("no answer long after its deadline" in getattr(line, "why", "") for line in caplog.records) == 1
    sink.free.set()

    def all_told() -> bool:
        rig.engine.turn(0.0)
        return sink.keys == ids(rig)

    wait_for(all_told, PATIENCE, "everything, once it is back")


@pytest.mark.slow
def test_what_is_refused_is_said_counted_and_never_sent_again_and_the_others_come_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picky, after = Sink(), Sink()
    picky.refuses = lambda event: event["what"] == "cleared"
    rig = Rig(tmp_path, out=picky)
    rig.feed(frame(0, 400))
    everything = ids(rig)
    raised = [key for key in everything if key.endswith("/raised")]
    assert picky.keys == raised
    refused = len(everything) - len(raised)
    assert refused > 2
    assert rig.count("notification_failures_total", sink="out") == refused
    assert rig.count("notifications_total", sink="out") == len(everything)
    assert rig.count("outbox_notifications", sink="out") == 0
    lines = [line for line in caplog.records if line.message == "notification refused; it is not sent again"]
    assert {line.event for line in lines} == set(everything) - set(raised)  # type: ignore[attr-defined]
    assert {line.why for line in lines} == {"the receiver does not want it"}  # type: ignore[attr-defined]
    rig.journal.close()
    Rig(tmp_path, out=after).feed()
    assert after.keys == []


@pytest.mark.slow
def test_a_fault_in_the_code_of_a_notifier_is_a_failure_and_is_tried_again(tmp_path: Path, rushed: None) -> None:
    class Faulty(Sink):
        def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
            if self.broken:
                raise KeyError("series")
            return super().send(batch, deadline)

    sink = Faulty()
    sink.broken = True
    rig = Rig(tmp_path, out=sink)
    rig.feed(frame(0, 400))
    assert rig.count("notification_failures_total", sink="out") > 0
    sink.broken = False
    rig.feed()
    rig.feed()
    assert sink.keys == ids(rig)


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [False, True])
def test_a_receiver_that_is_in_another_place_is_told_of_the_alarms_that_are_open(
    tmp_path: Path, restarts: bool
) -> None:
    """Bug: a pager with another address heard nothing of what was open, for one of its name had been told."""

    def at(name: str) -> tuple[dict[str, Any], Notifier]:
        chosen = CHOSEN | {"notify": [{"kind": "log", "name": "out", "path": str(tmp_path / name)}]}
        return chosen, make_notifier(Settings.model_validate(chosen).notify[0])

    chosen, receiver = at("one")
    rig = Rig(tmp_path, chosen, out=receiver)
    rig.feed(frame(0, 250))
    wanted = {event["alarm_id"] for event in rig.journal.open_events()}
    assert wanted
    for name in ("one", "other", "other"):
        chosen, receiver = at(name)
        if restarts:
            rig.journal.close()
            rig = Rig(tmp_path, chosen, out=receiver)
        else:
            rig.engine.reload(Settings.model_validate(chosen), {"out": receiver})
        rig.feed()
    told = {
        name: [json.loads(line) for line in (tmp_path / name).read_text().splitlines()] for name in ("one", "other")
    }
    assert [(each["what"], each["id"]) for each in told["other"]] == [
        ("raised", event["alarm_id"]) for event in rig.journal.open_events()
    ]
    assert len({each["key"] for each in told["one"]}) == len(told["one"])


def test_killed_as_it_takes_over_other_settings_it_tells_the_receiver_in_another_place_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: once the settings were recorded its place counted as the one before, and nobody there was told."""

    def start(name: str, *, restored: bool = True) -> Rig:
        chosen = CHOSEN | {"notify": [{"kind": "log", "name": "out", "path": str(tmp_path / name)}]}
        receiver = make_notifier(Settings.model_validate(chosen).notify[0])
        return Rig(tmp_path, chosen, restored=restored, out=receiver)

    rig = start("one")
    rig.feed(frame(0, 250))
    is_open = [event["alarm_id"] for event in rig.journal.open_events()]
    assert is_open
    rig.journal.close()
    rig = start("other", restored=False)
    record = rig.journal.record

    def record_and_die(*asked: Any) -> None:
        record(*asked)
        raise KeyboardInterrupt

    monkeypatch.setattr(rig.journal, "record", record_and_die)
    with pytest.raises(KeyboardInterrupt):
        rig.engine.restore()
    rig.journal.close()
    rig = start("other")
    rig.feed()
    assert [json.loads(line)["id"] for line in (tmp_path / "other").read_text().splitlines()] == is_open


def test_a_receiver_is_in_another_place_by_what_is_not_shown_of_it_too_and_not_by_its_other_settings(
    tmp_path: Path,
) -> None:
    """Bugs: with another argument, or another address behind `?`, nobody there heard of what was open; with a
    signature, or other encryption, everybody was told of it twice."""

    def change(rig: Rig | None, name: str, **more: object) -> Rig:
        command = ["/bin/sh", "-c", 'cat >> "$0"; echo >> "$0"', str(tmp_path / name)]
        chosen = CHOSEN | {"notify": [{"kind": "exec", "name": "out", "command": command, **more}]}
        receiver = make_notifier(Settings.model_validate(chosen).notify[0])
        if rig is None:
            return Rig(tmp_path, chosen, out=receiver)
        rig.engine.reload(Settings.model_validate(chosen), {"out": receiver})
        rig.feed()
        return rig

    rig = change(None, "one")
    rig.feed(frame(0, 250))
    is_open = [event["alarm_id"] for event in rig.journal.open_events()]
    assert is_open
    before = (tmp_path / "one").read_text()
    change(rig, "one", timeout="9s")
    assert (tmp_path / "one").read_text() == before
    change(rig, "other", timeout="9s")
    assert [json.loads(line)["id"] for line in (tmp_path / "other").read_text().splitlines()] == is_open
    server = {"kind": "email", "host": "h", "sender": "a@b.c", "to": ["x@y.z"]}
    address = {"kind": "webhook", "url": "https://h/x?room=1"}
    for settings, changed, is_other in (
        (address, {"url": "https://h/x?room=2"}, True), (address, {"secret_file": "s"}, False),
        (server, {"tls": "tls"}, False), (server, {"to": ["x@y.z", "z@y.z"]}, True),
    ):  # fmt: skip
        first, second = (
            make_notifier(Settings.model_validate({"notify": [each]}).notify[0])
            for each in (settings, settings | changed)
        )
        assert (first.place != second.place) == is_other


@pytest.mark.slow
def test_a_receiver_that_stays_down_is_tried_ever_more_rarely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(sentinel.runtime.courier, "monotonic", lambda: now[0])
    sink = Sink()
    sink.broken = True
    rig = Rig(tmp_path, out=sink)
    rig.feed(frame(0, 400))
    assert rig.count("notification_failures_total", sink="out") == 1
    for _ in range(600):
        now[0] += 1.0
        rig.engine.turn(0.0)
        courier = rig.engine.outbox._couriers["out"]
        if courier.is_sending:
            courier._answer.result(5.0)
    assert rig.count("notification_failures_total", sink="out") == pytest.approx(1 + 6 + 9, abs=2)
    courier.failure = "notify out: no answer"  # receivers over HTTP say their name, others do not
    assert rig.engine.outbox.failures() == {"out": "no answer"}
    sink.broken = False
    now[0] += 1_000.0
    wait_for(lambda: (rig.engine.turn(0.0), not rig.engine.outbox.failures())[1], PATIENCE, "the answer")


class Slow(Sink):
    """Takes its time for each batch."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self._seconds = seconds

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        sleep(self._seconds)
        return super().send(batch, deadline)


def owe(rig: Rig, count: int) -> None:
    """Owe events to every receiver; nothing is sent yet."""
    events = [
        {"id": f"a{n}/raised", "alarm_id": f"a{n}", "what": "raised", "series": "s0", "time_us": n}
        for n in range(count)
    ]
    rig.journal.append_events(events, rig.engine.outbox.sinks, 1)


@pytest.mark.slow
def test_at_the_end_one_that_hangs_delays_no_other_and_what_was_sent_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel.runtime.outbox, "MOST_PER_BATCH", 2)
    hanging, steady = Slow("hanging", 60.0), Slow("steady", 0.01)
    rig = Rig(tmp_path, hanging=hanging, steady=steady)
    owe(rig, 10)
    rig.engine.flush(1.0)
    assert len(steady.events) == 10
    assert rig.journal.outbox_length("steady") == 0
    assert rig.journal.outbox_length("hanging") == 10


def test_the_end_takes_no_longer_than_it_is_given_however_much_is_owed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel.runtime.outbox, "MOST_PER_BATCH", 1)
    rig = Rig(tmp_path, out=Sink())
    owe(rig, 3_000)
    began = monotonic()
    rig.engine.flush(0.2)
    assert monotonic() - began < 1.0
    assert rig.journal.outbox_length("out") > 0


@pytest.mark.parametrize(
    "answer", [None, Delivery("delivered", 0), Delivery("refused", 2), Delivery("retry", 3), Delivery("delivered", -1)]
)
def test_an_answer_that_makes_no_sense_is_a_failure_and_everything_is_sent_again(
    tmp_path: Path, answer: Delivery, rushed: None
) -> None:
    class Confused(Sink):
        confused = True

        def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
            return answer if self.confused else super().send(batch, deadline)

    sink = Confused()
    rig = Rig(tmp_path, out=sink)
    owe(rig, 2)
    began = monotonic()
    rig.engine.turn(0.0)
    rig.engine.outbox.flush(0.3)
    assert monotonic() - began < 2.0
    rig.engine.turn(0.0)
    assert rig.count("notification_failures_total", sink="out") >= 1
    sink.confused = False
    rig.feed()
    rig.feed()
    assert sink.keys == ["a0/raised", "a1/raised"]
