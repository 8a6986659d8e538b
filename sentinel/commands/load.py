"""`sentinel doctor --load N`: measures what N series at one observation a minute cost on this machine.

Files of a folder grow by a row a minute, as fast as they are read: a source, an engine and a journal on disk take in
half an hour of history at once, then tick after tick. Each case runs in a process of its own, in a temporary folder
that is removed. Kernels are compiled before, and nothing that writes the files is counted.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import polars as pl

from sentinel.config import CsvSource, Settings
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import UpstreamError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor
from sentinel.domain.spans import MINUTE
from sentinel.journal import Journal
from sentinel.runtime.engine import Engine
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.kernels import Needs, compile_kernels
from sentinel.runtime.memory import give_back
from sentinel.sources.csv import Files
from sentinel.views.prometheus import Exposition
from sentinel.views.web.pages import Access, Query, fleet

CASES = (("csv", "slower"), ("parquet", "lag1"))
"""Files of the folder, and the kind of the one rule: that of the default, and the one that needs least memory."""
START_US = 1_700_000_000_000_000
COLUMNS = 1_000
"""Series in one CSV file, at most."""
HISTORY = 30
IDLE_TURNS = 120
"""Turns of the engine a minute with nothing to do."""
REPEATS = 3
_MIB, _KIB = 2.0**20, 2.0**10


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: its name, the decimals it is printed with, and what is asked of it for so many series."""

    name: str
    digits: int
    asked: Callable[[int, str], float] | None = None


ROWS = {
    "share": Row("CPU, % of one core", 2, lambda _, __: 10.0),
    "published": Row("a tick is published within, s", 3, lambda _, __: 5.0),
    "tick": Row("CPU of a tick, s", 3),
    "floor": Row("... its floor: read the bytes, write them to disk, s", 3),
    "register": Row("CPU of the first tick, which registers all series, s", 2),
    "backfill": Row("CPU of a backfill of half an hour, us an observation", 2),
    "scrape": Row("CPU of a scrape of /metrics, s", 3, lambda _, __: 0.1),
    "page": Row("CPU of the page of the fleet, s", 3, lambda _, __: 1.0),
    "checkpoint": Row("CPU of a checkpoint, s", 2),
    "restart": Row("restart, two ticks after a checkpoint, s", 2, lambda _, __: 4.0),
    "memory": Row("memory, MiB", 0, lambda n, rule: 300e6 / _MIB + n * (8 if rule == "slower" else 3) / 1024),
    "each": Row("memory of a series, KiB", 2),
    "grown": Row("memory grown in the later half of the ticks, MiB", 1),
    "peak": Row("memory at most, backfill included, to that of a tick", 2, lambda _, __: 2.0),
    "written": Row("bytes written to the journal an observation", 1),
    "wal": Row("write-ahead log, MiB", 1, lambda _, __: 128.0),
}


class Folder:
    """The files of a folder, which grow by one observation of each series a minute."""

    def __init__(self, folder: Path, series: int, form: str) -> None:
        folder.mkdir()
        self.path, self._form, self._at = folder, form, 0
        self._names = [f"site{n // COLUMNS:04d}-{n % COLUMNS:03d}" for n in range(series)]
        self._values, self._random = np.zeros(series), np.random.default_rng(1)
        for first in range(0, series if form == "csv" else 0, COLUMNS):
            header = ",".join(["time", *self._names[first : first + COLUMNS]])
            (folder / f"{first:08d}.csv").write_text(header + "\n", encoding="ascii")

    def grow(self, ticks: int) -> int:
        """Add so many ticks; the bytes that were written."""
        written = 0
        for _ in range(ticks):
            self._values = 0.6 * self._values + self._random.standard_normal(self._values.size)
            at_us = START_US + self._at * MINUTE
            self._at += 1
            if self._form == "csv":
                stamp = np.datetime64(at_us, "us").astype("datetime64[s]")
                texts = np.char.mod("%.4f", self._values)
                for first in range(0, texts.size, COLUMNS):
                    with (self.path / f"{first:08d}.csv").open("a", encoding="ascii") as file:
                        written += file.write(f"{stamp}Z,{','.join(texts[first : first + COLUMNS])}\n")
            else:
                time = pl.repeat(at_us, self._values.size, eager=True).cast(pl.Datetime("us", "UTC"))
                path = self.path / f"minute{self._at:06d}.parquet"
                pl.DataFrame({"series": self._names, "time": time, "value": self._values}).write_parquet(path)
                written += path.stat().st_size
        return written


class Rig:
    """A source, an engine and its journal in a folder."""

    def __init__(self, settings: Settings, folder: Path, clock: Clock | None = None) -> None:
        source = settings.sources[0]
        assert isinstance(source, CsvSource)
        self.settings, self._folder, self._clock = settings, folder, clock or Clock()
        self.every = source.every / MICROSECONDS
        self._files = Files(source, self._clock)
        self._cursor: Cursor | None = None
        self.open()

    def open(self) -> None:
        """Open the journal and restore the state that it holds."""
        self.journal = Journal.open(self._folder)
        self._inbox, self.metrics = Inbox(self.settings.daemon.inbox_observations), Metrics()
        self.engine = Engine(
            self.settings, self.journal, self._inbox, self.metrics, self._clock, {}, threads=os.cpu_count() or 1
        )
        self.engine.restore()

    def fetch(self) -> bool:
        """Hand what is new to the inbox; True if there is more."""
        frame = self._files.fetch(self._cursor)
        self._cursor = frame.cursor
        self._inbox.put(frame)
        return frame.more

    def take_in(self) -> None:
        """Take in everything that is new in the files."""
        more = True
        while more:
            more = self.fetch()
            while self.engine.turn(0.0):
                pass


def _cpu(act: Callable[[], object], times: int = REPEATS) -> float:
    """Median CPU time of doing that, seconds."""
    found = []
    for _ in range(times):
        began = process_time()
        act()
        found.append(process_time() - began)
    return median(found)


def resident() -> int:
    """Give the memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _written() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


def _copy(size: int, folder: Path) -> None:
    """Write that many bytes to disk, wait until they are there, and read them."""
    path = folder / "floor"
    with path.open("wb") as file:
        file.write(b"x" * size)
        file.flush()
        os.fsync(file.fileno())
    path.read_bytes()


def measure(series: int, form: str, rule: str, ticks: int) -> dict[str, float]:
    """Measure one case; by key of `ROWS`."""
    give_back()  # as the daemon does
    rules: dict[str, Any] = {"alarms": [{"threshold": 0.8, "alpha": 1e-5}]} if rule == "lag1" else {}
    compile_kernels(Needs(evidence=rule == "lag1", comparisons=False, checks=False))
    with tempfile.TemporaryDirectory(prefix="sentinel-load-") as name:
        root = Path(name)
        files = Folder(root / "data", series, form)
        source = {"kind": "csv", "name": "load", "path": str(files.path)}
        # No checkpoint of its own while ticks are measured: a slow machine takes longer than the minutes it plays.
        quiet = {"daemon": {"checkpoint_every": "1d"}, "series": [{"cadence": "1m"}]}
        settings = Settings.model_validate({"sources": [source], **quiet, **rules})
        began = resident()
        rig = Rig(settings, root / "state")
        files.grow(1)
        found = {"register": _cpu(rig.take_in, 1)}
        files.grow(HISTORY)
        found["backfill"] = _cpu(rig.take_in, 1) / HISTORY / series * 1e6
        high = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        waits, cpus, written, bytes_in, held = [], [], 0, 0, []
        for _ in range(ticks):
            bytes_in = files.grow(1)
            before, wall, cpu = _written(), perf_counter(), process_time()
            rig.take_in()
            waits.append(perf_counter() - wall)
            cpus.append(process_time() - cpu)
            written += _written() - before
            held.append(resident())
        found |= {"tick": median(cpus), "published": max(waits), "memory": held[-1] / _MIB, "peak": high / held[-1]}
        found |= {"each": (held[-1] - began) / series / _KIB, "grown": (held[-1] - held[len(held) // 2]) / _MIB}
        found |= {"written": written / series / ticks, "floor": _cpu(lambda: _copy(bytes_in, root))}
        found["wal"] = sum(path.stat().st_size for path in (root / "state").glob("*-wal")) / _MIB
        exposition = Exposition(lambda: rig.engine.snapshot, rig.metrics, settings.web)
        found["scrape"] = _cpu(exposition.render)
        access = Access(lambda: rig.engine.snapshot, lambda: (), lambda: (), lambda: "", lambda _: (b"", ""))
        found["page"] = _cpu(lambda: fleet(access, Clock(), Query()))
        found["checkpoint"] = _cpu(rig.engine.checkpoint, 1)
        idle = IDLE_TURNS * _cpu(lambda: rig.engine.turn(0.0)) + 60.0 / rig.every * _cpu(rig.fetch)
        saved = found["checkpoint"] * MINUTE / Settings().daemon.checkpoint_every
        found["share"] = 100.0 * (found["tick"] + idle + saved) / 60.0
        for _ in range(2):
            files.grow(1)
            rig.take_in()
        rig.journal.close()
        del rig.engine
        gc.collect()  # as after a real end there is nothing of it in memory
        wall = perf_counter()
        rig.open()
        found["restart"] = perf_counter() - wall
        rig.journal.close()
    return found


def run(counts: Sequence[int], ticks: int) -> int:
    """Measure each number of series in each case, and print a table of each case in Markdown."""
    for form, rule in CASES:
        found = []
        for series in counts:
            command = [sys.executable, "-P", "-m", __name__, str(series), form, rule, str(ticks)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                raise UpstreamError(
                    f"doctor: measuring {series:,} series ended with code {done.returncode}, what it said is above; "
                    f"memory and free space in {tempfile.gettempdir()} (or TMPDIR) are needed"
                )
            found.append(json.loads(done.stdout))
        print(table(counts, f"{form} files, rule {rule}", rule, found), flush=True)
    return 0


def table(counts: Sequence[int], title: str, rule: str, found: Sequence[dict[str, float]]) -> str:
    """Lay out what was found: a column for each number of series, how it grows with it, and what is asked."""
    lines = [f"| {title} | " + " | ".join(f"{n:,} series" for n in counts) + " | grows as n to the | asked |"]
    lines.append("|---" * (len(counts) + 3) + "|")
    for key, row in ROWS.items():
        values = [each[key] for each in found]
        power = "-"
        if len(counts) > 1 and min(values) > 0.0 and counts[-1] != counts[0]:
            power = f"{math.log(values[-1] / values[0]) / math.log(counts[-1] / counts[0]):.2f}"
        asked = "-"
        if row.asked is not None:
            most = row.asked(counts[-1], rule)
            asked = f"at most {most:,.{row.digits and 1}f}: {'met' if values[-1] <= most else 'missed'}"
        cells = " | ".join(f"{value:,.{row.digits}f}" for value in values)
        lines.append(f"| {row.name} | {cells} | {power} | {asked} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))))
