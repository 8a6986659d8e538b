"""A disk that is really full: a small file system in memory, in a name space of its own, holds the state folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.running import PATIENCE, Running, long_csv, wait_for, write_config
from tests.pipeline.streams import ar1

VALUES = ar1(1, 0.5, 40_000, 1)


@dataclass
class Disk:
    """A disk of 8 MB at `path`, which only processes started `within` see there."""

    path: Path
    holder: int

    @property
    def within(self) -> tuple[str, ...]:
        """What comes before a command."""
        return (
            "nsenter",
            "--preserve-credentials",
            "-U",
            "-m",
            "-t",
            str(self.holder),
            "env",
            "-C",
            str(self.path.parent),
        )

    @property
    def filling(self) -> Path:
        """A file on it, as this process sees it."""
        return Path(f"/proc/{self.holder}/root{self.path}/filling")

    def fill(self) -> None:
        """Leave no byte free."""
        with suppress(OSError), self.filling.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        assert os.statvfs(self.filling).f_bavail == 0

    def empty(self) -> None:
        """Make the room free again."""
        self.filling.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk; the test is skipped where no user may make name spaces."""
    path = tmp_path / "disk"
    path.mkdir()
    script = f"mount -t tmpfs -o size=8m none {path} && echo made && exec sleep infinity"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    if shutil.which("unshare") is None:
        pytest.skip("unshare: not installed")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as holder:
        try:
            assert holder.stdout is not None
            if holder.stdout.readline() != b"made\n":
                pytest.skip("no name spaces for users on this machine")
            yield Disk(path, holder.pid)
        finally:
            holder.kill()


@pytest.fixture
def start(tmp_path: Path, disk: Disk) -> Iterator[Callable[[], Running]]:
    """Start daemons that see the disk; whatever still runs at the end is killed."""
    started: list[Running] = []

    def begin() -> Running:
        started.append(Running(tmp_path, disk.within))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.kill()


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_start_ends_it_with_75_until_there_is_room(
    tmp_path: Path, disk: Disk, start: Callable[[], Running]
) -> None:
    # With 73 systemd does not try again: the daemon stayed away after the disk had room.
    write_config(tmp_path, daemon={"state_dir": str(disk.path / "state")})
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:100]))
    disk.fill()
    for _ in range(2):
        refused = start()
        assert refused.process.wait(PATIENCE) == 75, refused.log
        assert "make space on this disk" in refused.log
        assert "Traceback" not in refused.log
    disk.empty()
    daemon = start().ready()
    wait_for(lambda: daemon.metric('sentinel_ticks_total{source="lake"}') == 99, PATIENCE, "99 ticks")
    daemon.kill()
    disk.fill()
    again = start()  # its journal needs no room to be read: it shows what it knows, and waits for room to write
    again.said("msg=ready ")
    assert again.get("/api/v1/series/s0").json()["ticks"] == 99
    with (tmp_path / "data.csv").open("a") as file:
        file.write(long_csv(VALUES[100:], 100, header=False))
    again.said("ingestion stopped")
    disk.empty()
    again.said("ingestion resumed")
    wait_for(lambda: again.metric('sentinel_ticks_total{source="lake"}') == 39_900, PATIENCE, "all further ticks")
    again.stop()


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_ingestion_and_room_resumes_it_with_a_line_in_the_log(
    tmp_path: Path, disk: Disk, start: Callable[[], Running]
) -> None:
    write_config(tmp_path, daemon={"state_dir": str(disk.path / "state")})
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:100]))
    daemon = start().ready()
    wait_for(lambda: daemon.metric('sentinel_ticks_total{source="lake"}') == 99, PATIENCE, "99 ticks")
    disk.fill()
    with (tmp_path / "data.csv").open("a") as file:
        file.write(long_csv(VALUES[100:], 100, header=False))
    daemon.said("ingestion stopped")
    assert daemon.metric("sentinel_ingestion_stopped") == 1
    assert "ingestion resumed" not in daemon.log
    disk.empty()
    daemon.said("ingestion resumed: the journal can be written again")
    wait_for(lambda: daemon.metric('sentinel_ticks_total{source="lake"}') == len(VALUES) - 1, PATIENCE, "all ticks")
    assert daemon.metric("sentinel_ingestion_stopped") == 0
    assert daemon.log.count("ingestion resumed") == daemon.log.count("ingestion stopped") == 1
    daemon.stop()
