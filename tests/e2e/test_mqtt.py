"""The daemon is killed between receipt and commit, and the broker restarted: each message counts once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.e2e.running import PATIENCE, Running, observations, rows_of, wait_for, write_config
from tests.sources.broker import Broker

pytestmark = pytest.mark.slow

KILLS = 4
T0 = 1_700_000_000


def values(folder: Path, series: str) -> list[float]:
    return [value for name, _, value in rows_of(folder / "state") if name == series]


def test_each_message_counts_once_whoever_is_killed(tmp_path: Path, tool: Callable[[str], str]) -> None:
    broker = Broker(tool("mosquitto"), tmp_path)
    shared = {"kind": "mqtt", "url": broker.url}
    write_config(tmp_path, sources=[
        shared | {"name": "arrived", "topics": ["plain/#"]},
        shared | {"name": "timed", "topics": ["json/#"], "values": ["v"], "time": "at", "time_format": "seconds"},
    ])  # fmt: skip
    daemon = Running(tmp_path).ready()
    ended = Event()
    sent = 0

    def send() -> None:
        nonlocal sent
        while not ended.is_set():
            some = range(sent, sent + 20)
            try:
                broker.publish(
                    each for n in some for each in (("plain/a", n), ("json/a", {"v": n, "at": T0 + n}))
                )  # fmt: skip
            except (OSError, RuntimeError, ValueError):  # the broker is away: this piece is sent once more
                time.sleep(0.1)
                continue
            sent += len(some)
            time.sleep(0.25)  # Mosquitto keeps 1,000 messages while the daemon is away

    try:
        wait_for(lambda: daemon.metric('sentinel_source_up{source="timed"}') == 1, PATIENCE, "the connection")
        sender = Thread(target=send)
        sender.start()
        for kill in range(KILLS):
            before = observations(tmp_path)
            wait_for(lambda was=before: observations(tmp_path) > was + 20, PATIENCE, "more observations")
            daemon.kill()
            daemon = Running(tmp_path).ready()
            if kill == 1:
                broker.stop()
                broker.start()
        ended.set()
        sender.join()
        wanted = [float(n) for n in range(sent)]
        wait_for(lambda: set(wanted) <= set(values(tmp_path, "json/a/v")), PATIENCE, "all that carry a time")
        assert values(tmp_path, "json/a/v") == wanted
        wait_for(lambda: set(wanted) <= set(values(tmp_path, "plain/a")), PATIENCE, "all that carry none")
        # A piece that was sent twice, as the broker was away, has arrived twice: nothing else is doubled.
        arrived = values(tmp_path, "plain/a")
        assert set(arrived) == set(wanted)
        assert len(arrived) <= len(wanted) + 20
    finally:
        ended.set()
        daemon.kill()
        broker.stop()
