"""The shipped unit under a real systemd, with the daemon of this folder and the libraries of this environment."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.data import write_state_0_1_0 as first_version
from tests.deploy.box import LIBRARIES, SOURCE, Box, booted
from tests.e2e.running import PATIENCE, START_SECONDS, wait_for

pytestmark = pytest.mark.slow

SETTINGS = first_version.CHOSEN | {
    "daemon": {"state_dir": "state"},
    "sources": [{"kind": "csv", "name": "buoys", "path": "data.csv", "every": "1s"}],
}
"""Those of the state, with a source."""
SOONER = "[Service]\nWatchdogSec=12\nRestartSec=1\n"
"""Waits are shorter than those of the unit; nothing else is changed."""


@pytest.fixture
def box(tmp_path: Path, deploy: Path) -> Iterator[Box]:
    """A system with the unit, and the program where the unit expects it."""
    folder = tmp_path / "sentinel-unit"
    units, programs = folder / "etc/systemd/system", folder / "bin"
    for each in (units / "sentinel.service.d", folder / "etc/sentinel", programs):
        each.mkdir(parents=True)
    shutil.copy(deploy / "systemd" / "sentinel.service", units)
    (units / "sentinel.service.d" / "sooner.conf").write_text(SOONER)
    (folder / "etc/sentinel/sentinel.yaml").write_text(yaml.safe_dump(SETTINGS))
    python = f"/opt/python/bin/python{sysconfig.get_python_version()}"
    found = ":".join([SOURCE, *LIBRARIES.values()])
    (programs / "sentinel").write_text(
        f'#!/bin/sh\nexec env PYTHONPATH={found} LD_LIBRARY_PATH=/opt/python/lib {python} -m sentinel "$@"\n'
    )
    (programs / "sentinel").chmod(0o755)
    with booted(folder, {str(programs): "/opt/sentinel/bin", sys.base_prefix: "/opt/python"}) as made:
        yield made


def test_the_unit_starts_reloads_is_watched_upgrades_the_state_of_0_1_0_and_stops(box: Box) -> None:
    state = "/var/lib/sentinel/state"
    box.run("sh", "-c", f"mkdir -p {state} && cp {SOURCE}/tests/data/state-0.1.0/sentinel.db {state}")
    box.run("systemctl", "start", "sentinel")  # answers when the daemon says READY
    assert (box.show("ActiveState"), box.show("NRestarts")) == ("active", "0")
    before = box.ticks()
    assert before["peter"] > 0, "the series of 0.1.0 go on"
    wait_for(lambda: f"{len(before)} series" in box.show("StatusText"), PATIENCE, "systemd is told what it does")
    assert box.run("stat", "-Lc", "%a", "/var/lib/sentinel") == "700\n"

    box.configure(yaml.safe_dump(SETTINGS | {"sites": []}))
    box.run("systemctl", "reload", "sentinel")
    wait_for(lambda: "sentinel_config_reloads_total 1.0" in box.ask("/metrics"), PATIENCE, "it was read again")
    wait_for(lambda: box.show("ActiveState") == "active", PATIENCE, "the reload has ended")

    hung = box.show("MainPID")
    box.run("kill", "-STOP", hung)
    wait_for(lambda: box.show("NRestarts") == "1", PATIENCE, "the watchdog ends a process that hangs")
    wait_for(lambda: box.show("ActiveState") == "active", START_SECONDS, "and it is started again")
    assert "Watchdog timeout" in box.run("journalctl", "-u", "sentinel", "--no-pager")
    assert box.show("MainPID") != hung
    assert box.ticks() == before

    box.configure("nonsense: 1\n")
    box.run("sh", "-c", "! systemctl restart sentinel")
    assert (box.show("ActiveState"), box.show("ExecMainStatus"), box.show("NRestarts")) == ("failed", "78", "0")
    box.configure(yaml.safe_dump(SETTINGS))
    box.run("systemctl", "start", "sentinel")
    box.run("systemctl", "stop", "sentinel")
    assert (box.show("ActiveState"), box.show("Result"), box.show("ExecMainStatus")) == ("inactive", "success", "0")


def test_a_disk_that_is_full_at_a_restart_is_waited_for_and_room_brings_the_daemon_back(box: Box) -> None:
    states, filler = "/var/lib/private", "/var/lib/private/filler"
    box.run("sh", "-c", f"mkdir -p -m 700 {states} && mount -t tmpfs -o size=8m,mode=700 none {states}")
    box.run("systemctl", "start", "sentinel")
    box.run("systemctl", "stop", "sentinel")
    box.run("sh", "-c", f"rm -r {states}/sentinel/*; ! dd if=/dev/zero of={filler} bs=4k 2>&1")
    box.run("systemctl", "start", "--no-block", "sentinel")
    wait_for(lambda: int(box.show("NRestarts")) >= 2, START_SECONDS, "it is tried again and again")
    assert "make space on this disk" in box.log()
    assert "status=75" in box.log(), "something needed is missing for now"
    box.run("rm", filler)
    wait_for(lambda: box.show("ActiveState") == "active", START_SECONDS, "it comes back by itself")
    assert "sentinel_ingestion_stopped 0.0" in box.ask("/metrics")
