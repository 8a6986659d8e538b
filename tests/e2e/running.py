"""A real daemon in a process of its own, for the tests of its life."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml

from sentinel.domain.errors import StateError
from sentinel.journal import Journal

START_SECONDS = 240.0
"""How long a start may take: the very first one compiles the kernels, maybe on a machine with other things to do."""
PATIENCE = 60.0
"""Seconds that a running daemon may take to do something: this long only on a machine that has much else to do."""
STOP_SECONDS = 5.0
"""Within so long a daemon ends on a quiet machine."""
QUIET_SECONDS = 0.5
"""Within so long a quiet machine starts Python and imports numpy."""


def wait_for(there: Callable[[], Any], seconds: float, what: str) -> Any:
    """Ask until the answer is true; AssertionError after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = there()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:g} s")


def write_config(folder: Path, **changes: Any) -> Path:
    """A configuration whose paths are relative to the folder; sections given here replace the default ones."""
    config = {
        "daemon": {"state_dir": "state"},
        "web": {"listen": "127.0.0.1:0"},
        "sources": [{"kind": "csv", "name": "lake", "path": "data.csv", "every": "50ms"}],
        "notify": [{"kind": "log", "path": "notifications.jsonl"}],
    } | changes
    path = folder / "sentinel.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def long_csv(values: Any, first_tick: int = 0, *, header: bool = True) -> str:
    """A table (tick, series) of hourly values as text, oldest first."""
    start = np.datetime64("2020-01-01T00:00", "m")
    lines = ["time,series,value"] if header else []
    for t, row in enumerate(values):
        stamp = start + np.timedelta64(60 * (first_tick + t), "m")
        lines += [f"{stamp}Z,s{s},{value!r}" for s, value in enumerate(row.tolist())]
    return "\n".join(lines) + "\n"


def requested(url: str) -> httpx.Response:
    """One request; without the certificates of all authorities, which take longer to read than the answer."""
    return httpx.get(url, timeout=PATIENCE, verify=False)


def slowness() -> float:
    """How many times as long as a quiet machine this one takes at present to start Python; at least 1."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return max(1.0, (time.monotonic() - began) / QUIET_SECONDS)


class Running:
    """`sentinel run` in a folder; `within` comes before the command, such as `("nsenter", ...)`."""

    def __init__(self, folder: Path, within: Sequence[str] = (), **environment: str) -> None:
        self.folder = folder
        self.log_path = folder / f"log{len(list(folder.glob('log*')))}.txt"
        command = [*within, sys.executable, "-m", "sentinel", "run", "sentinel.yaml"]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log, env=os.environ | environment
            )  # fmt: skip

    @property
    def log(self) -> str:
        """Everything it has said."""
        return self.log_path.read_text()

    def said(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """Wait until it has said this."""

        def there() -> re.Match[str] | None:
            found = re.search(pattern, self.log)
            assert found or self.process.poll() is None, self.log
            return found

        found = wait_for(there, seconds, pattern)
        assert isinstance(found, re.Match)
        return found

    @property
    def address(self) -> str:
        """Where it serves."""
        return self.said(r"address=(http://\S+)")[1]

    def get(self, path: str) -> httpx.Response:
        """One request."""
        return requested(self.address + path)

    def metric(self, line: str) -> float:
        """The value of one line of /metrics, given without it; NaN where there is none."""
        for found in self.get("/metrics").text.splitlines():
            if found.startswith(line + " "):
                return float(found.rpartition(" ")[2])
        return float("nan")

    def ready(self) -> Running:
        """Wait until /-/ready says so."""
        address = self.address

        def answer() -> bool:
            return requested(f"{address}/-/ready").status_code == 200

        self.said("msg=ready ")
        wait_for(answer, PATIENCE, "ready")
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self) -> float:
        """SIGTERM; the seconds it took to end with 0."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        assert self.process.wait(START_SECONDS) == 0, self.log
        return time.monotonic() - began

    def stop_in_time(self) -> None:
        """SIGTERM; it has to end within `STOP_SECONDS`, on a slower machine within so much longer as that is slower."""
        took = self.stop()
        assert took < STOP_SECONDS * slowness(), f"it took {took:.1f} s to end"

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        self.process.kill()
        self.process.wait()


def observations(folder: Path) -> int:
    """How many the journal holds; 0 while there is none."""
    try:
        with Journal.open(folder / "state", read_only=True) as journal:
            ((number,),) = journal._database.read("SELECT coalesce(sum(observations), 0) FROM batch")
            return int(number)
    except StateError:
        return 0


def rows_of(state: Path, source: str | None = None) -> list[tuple[str, int, float]]:
    """Series, microseconds and value of every observation of a state folder, of one source or of all, by time."""
    with Journal.open(state, read_only=True) as journal:
        names = {number: name for number, name, _ in journal.series()}
        found = [
            (names[number], time_us, value)
            for batch in journal.tail(0)
            if source in (None, batch.source)
            for number, time_us, value in zip(
                batch.series.tolist(), batch.time_us.tolist(), batch.value.tolist(), strict=True
            )
        ]
    return sorted(found, key=lambda row: (row[1], row[0]))
