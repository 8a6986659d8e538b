"""A system of its own with a real systemd as process 1, on a view of this machine's files that is thrown away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.programs import running
from tests.e2e.running import PATIENCE, wait_for

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "/opt/source"
"""This folder, as it is seen there."""
LIBRARIES = {path: f"/opt/libraries{n}" for n, path in enumerate(p for p in sys.path if p.endswith("site-packages"))}
"""Where the libraries of this environment are seen there."""
COLD_SECONDS = 900.0
"""How long a command may take there: a first start compiles, on a machine that may have much else to do."""


@dataclass(frozen=True)
class Box:
    """A system of its own; `pid` is its systemd, as this one sees it."""

    pid: int

    def run(self, *command: str, within: str = "mpuinC") -> str:
        """Output of a command there; `within` are the name spaces."""
        flags = [f"-{letter}" for letter in within]
        command = ("nsenter", "-t", str(self.pid), *flags, *command)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COLD_SECONDS)
        said = self.log() if done.returncode and "systemctl" in command else ""
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{said}"
        return done.stdout

    def log(self) -> str:
        """The journal of the unit."""
        return self.run("journalctl", "-u", "sentinel", "-o", "cat", "--no-pager", "-n", "40")

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "-P", name, "sentinel").strip()

    def ask(self, path: str) -> str:
        """What the daemon answers, from its own network."""
        code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:9814{path}').read().decode())"
        return self.run(sys.executable, "-c", code, within="n")

    def ticks(self) -> dict[str, int]:
        """Ticks of each series."""
        return {one["name"]: one["ticks"] for one in json.loads(self.ask("/api/v1/series"))["series"]}

    def configure(self, text: str) -> None:
        """Write the configuration."""
        Path(f"/proc/{self.pid}/root/etc/sentinel/sentinel.yaml").write_text(text)


@contextmanager
def booted(folder: Path, binds: Mapping[str, str]) -> Iterator[Box]:
    """A booted system with what lies in `folder`/etc, where each folder of `binds` is seen as the other one says."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not Path("/lib/systemd/systemd").exists():
        pytest.skip("needs root, unshare and systemd")
    unified = Path("/sys/fs/cgroup/unified")
    group = (unified if unified.is_dir() else unified.parent) / folder.name
    seen = {str(ROOT): SOURCE} | LIBRARIES | dict(binds)
    command = ["bash", str(Path(__file__).with_name("box.sh")), str(folder), *map(":".join, seen.items())]
    output = folder.with_suffix(".output")
    with running(command, output) as outer:

        def systemd() -> int | None:
            assert outer.poll() is None, output.read_text()
            with suppress(OSError, IndexError):
                children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
                if Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                    return int(children[0])
            return None

        made = Box(wait_for(systemd, PATIENCE, "systemd"))
        try:
            state = ("sh", "-c", "systemctl is-system-running || true")
            wait_for(lambda: made.run(*state).strip() in ("running", "degraded"), PATIENCE, "booted")
            yield made
        finally:
            with suppress(ProcessLookupError):
                os.kill(made.pid, 9)
    for each in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            each.rmdir()
    with suppress(OSError):
        group.rmdir()
