"""Healthy, ready, and what systemd hears."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sentinel.config import Settings
from sentinel.runtime import daemon as module
from sentinel.runtime.daemon import why_not_ready
from sentinel.runtime.systemd import sd_notify

NOW_US = 1_785_000_000_000_000
WELL = {"restored": True, "stopping": False, "scheduler_beat_us": NOW_US - 1_000_000, "engine_beat_us": NOW_US}


def test_it_is_ready_when_nothing_speaks_against_it() -> None:
    assert why_not_ready(NOW_US, **WELL) == []


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ({"restored": False}, "state is not restored yet"),
        ({"stopping": True}, "stopping"),
        ({"silent_sources": ("lake",)}, "source lake has neither answered nor failed yet"),
        ({"stopped_by": "state/sentinel.db: removed"}, "ingestion stopped: state/sentinel.db: removed"),
        ({"scheduler_beat_us": -1}, "scheduler has not started"),
        ({"scheduler_beat_us": NOW_US - 10_000_001}, "scheduler gave no sign of life for 10 s"),
        ({"engine_beat_us": -1}, "engine has not started"),
        ({"engine_beat_us": NOW_US - 61_000_000}, "engine gave no sign of life for 1.02 min"),
    ],
)
def test_each_fact_alone_makes_it_not_ready(fact: dict[str, object], reason: str) -> None:
    assert why_not_ready(NOW_US, **WELL | fact) == [reason]


def test_a_beat_of_exactly_ten_seconds_ago_still_counts() -> None:
    assert not why_not_ready(NOW_US, **WELL | {"engine_beat_us": NOW_US - 10_000_000})


def test_pages_are_told_the_state_folder_from_the_root_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the command on the page of an alarm had `--state state`, which works in one folder only."""
    told: list[Any] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "create_app", lambda access, *_: told.append(access))
    monkeypatch.setattr(module, "WebServer", lambda *_: None)
    settings = Settings.model_validate({"daemon": {"state_dir": "./the state"}})
    daemon = module.Daemon(settings, explain=lambda folder, alarm: f"{alarm} --state {folder}")
    daemon._journal.close()
    (access,) = told
    assert access.state_dir == f"{tmp_path}/the state"
    assert access.explain("a1b2") == f"a1b2 --state {tmp_path}/the state"


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@sentinel-test-{tmp_path.name}-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if request.param == "abstract" else address)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield listener


def test_systemd_hears_each_message_in_order(systemd: socket.socket) -> None:
    assert sd_notify("READY=1", "STATUS=watching 4 series, 2 µs late")
    assert sd_notify("WATCHDOG=1")
    assert sd_notify("STOPPING=1")
    heard = [systemd.recv(4096).decode() for _ in range(3)]
    assert heard == ["READY=1\nSTATUS=watching 4 series, 2 µs late", "WATCHDOG=1", "STOPPING=1"]


def test_reloading_carries_the_monotonic_time(systemd: socket.socket) -> None:
    sd_notify("RELOADING=1")
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", systemd.recv(4096).decode())


def test_without_a_service_manager_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not sd_notify("READY=1")


def test_a_supervisor_that_cannot_be_reached_is_logged_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not sd_notify("READY=1")
    assert re.search(r"NOTIFY_SOCKET: .*nobody: No such file", caplog.text)
