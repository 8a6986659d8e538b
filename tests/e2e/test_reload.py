"""A daemon whose configuration changes while it runs: what is exchanged, what is only shown to need a restart."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.running import PATIENCE, START_SECONDS, Running, long_csv, rows_of, wait_for, write_config
from tests.packages import copy_packages
from tests.pipeline.streams import ar1

VALUES = ar1(1, np.full(400, 0.95), 400, 3)
ALARMS = [{"threshold": 0.5, "alpha": 0.001, "at_start": "alarm"}]
Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start daemons in the test's folder; whatever still runs at the end is killed."""
    started: list[Running] = []

    def begin(**environment: str) -> Running:
        started.append(Running(tmp_path, **environment))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.kill()


def source(name: str, path: str) -> dict[str, str]:
    return {"kind": "csv", "name": name, "path": path, "prefix": f"{name}/", "every": "50ms"}


@pytest.mark.slow
def test_sighup_exchanges_sources_and_receivers_and_loses_and_doubles_nothing(tmp_path: Path, start: Start) -> None:
    # They changed at a restart only, and nothing but one line of the log said so.
    lake, river, buoy = (source(name, f"{name}.csv") for name in ("lake", "river", "buoy"))
    for name in ("lake", "river", "buoy"):
        (tmp_path / f"{name}.csv").write_text(long_csv(VALUES[:300]))
    settings = {"alarms": ALARMS, "web": {"listen": "127.0.0.1:0"}}
    write_config(tmp_path, sources=[lake, river], **settings)
    daemon = start().ready()
    raised = 'sentinel_alarms_raised_total{detector="lag1",threshold="0.5"}'
    wait_for(lambda: daemon.metric(raised) == 6, PATIENCE, "alarms")
    write_config(
        tmp_path, sources=[buoy, lake], notify=[{"kind": "log", "name": "new", "path": "new.jsonl"}], **settings
    )
    daemon.signal(signal.SIGHUP)
    daemon.said('msg="configuration reloaded"')
    for name in ("lake", "buoy"):
        with (tmp_path / f"{name}.csv").open("a") as file:
            file.write(long_csv(VALUES[300:], 300, header=False))
    for name in ("lake", "buoy"):
        accepted = f'sentinel_observations_accepted_total{{source="{name}"}}'
        wait_for(lambda accepted=accepted: daemon.metric(accepted) == 1200, PATIENCE, accepted)
        assert daemon.metric(f'sentinel_observations_duplicate_total{{source="{name}"}}') == 0
    assert 'sentinel_source_up{source="river"}' not in daemon.get("/metrics").text, "it would be reported as down"
    assert 'sink="log"' not in daemon.get("/metrics").text

    def told() -> set[str]:
        lines = (tmp_path / "new.jsonl").read_text().splitlines() if (tmp_path / "new.jsonl").exists() else []
        return {json.loads(line)["series"] for line in lines}

    every = {f"{name}/s{number}" for name in ("lake", "river", "buoy") for number in range(3)}
    wait_for(lambda: told() == every, PATIENCE, "the new receiver is told of all alarms that are open")
    daemon.stop()
    rows = rows_of(tmp_path / "state")
    assert len(rows) == len(set(rows)) == 1200 + 900 + 1200


@pytest.mark.slow
def test_a_reload_may_bring_rules_whose_kernels_are_not_compiled_yet(tmp_path: Path, start: Start) -> None:
    packages = copy_packages(tmp_path / "packages", without="betting.advance*")
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:200]))
    write_config(tmp_path)
    daemon = start(PYTHONPATH=str(packages)).ready()
    assert not list(packages.rglob("betting.advance*")), "the default rule does not need it"
    write_config(tmp_path, alarms=ALARMS)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.metric("sentinel_config_reloads_total") == 1, PATIENCE, "the reload has begun")
    with (tmp_path / "data.csv").open("a") as file:
        file.write(long_csv(VALUES[200:], 200, header=False))
    accepted = 'sentinel_observations_accepted_total{source="lake"}'
    wait_for(lambda: daemon.metric(accepted) == VALUES.size, PATIENCE, "it goes on watching")
    assert 'msg="configuration reloaded"' not in daemon.log, "the compiler is still at work"
    daemon.said('msg="configuration reloaded"')
    with (tmp_path / "data.csv").open("a") as file:
        file.write(long_csv(VALUES, 400, header=False))
    raised = 'sentinel_alarms_raised_total{detector="lag1",threshold="0.5"}'
    wait_for(lambda: daemon.metric(raised) == 3, PATIENCE, "alarms of the new rule")
    daemon.stop()


@pytest.mark.slow
def test_systemd_hears_what_the_daemon_does_and_ready_only_once_it_is(tmp_path: Path, start: Start) -> None:
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:10]))
    heard: list[str] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,  # takes connections and says nothing
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        hangs = {"kind": "prometheus", "name": "deaf", "url": url, "queries": ["up"], "timeout": "10m"}
        write_config(tmp_path, sources=[source("lake", "data.csv"), hangs])
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)

        def hear(line: str) -> list[str]:
            """Listen until a line begins so."""
            until = time.monotonic() + PATIENCE
            while not any(each.startswith(line) for each in heard):
                assert time.monotonic() < until, f"{line} was not said: {heard}"
                heard.extend(manager.recv(4096).decode().splitlines())
            return heard

        daemon = start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        hear("READY=1")
        wait_for(lambda: "lake" not in daemon.get("/-/ready").text, PATIENCE, "the other source has answered")
        assert daemon.get("/-/ready").text.splitlines()[1:] == ["- source deaf has neither answered nor failed yet"]
        hear("WATCHDOG=1")
        hear("STATUS=not ready: source deaf")
        before = len(heard)
        write_config(tmp_path, sources=[source("lake", "data.csv")])
        daemon.signal(signal.SIGHUP)
        hear("RELOADING=1")
        hear("STATUS=watching 3 series: 3 learning")
        daemon.signal(signal.SIGTERM)
        hear("STOPPING=1")
        assert daemon.process.wait(START_SECONDS) == 0
    order = [line for line in heard if line.split("=")[0] in ("STATUS", "READY", "STOPPING")]
    assert [line.partition(",")[0] for line in order[:3]] == [
        "STATUS=compiling",
        "STATUS=restoring the state",
        "READY=1",
    ]
    assert "READY=1" in heard[before:], "systemd would wait for the end of the reload"
