"""Does memory grow over a day of 100,000 series: `python -m tests.studies.endurance.day --write`.

The same source, engine and journal as `sentinel doctor --load` take in a row a minute of every series, as fast as they
can. The engine saves checkpoints, and the journal forgets what is older than six hours.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from sentinel.commands.load import START_US, Folder, Rig, resident
from sentinel.config import Settings
from sentinel.domain.clock import Clock
from sentinel.domain.spans import MINUTE
from sentinel.runtime.kernels import Needs, compile_kernels
from sentinel.runtime.memory import give_back
from tests.studies.endurance.slope import Slope
from tests.studies.page import ENDURANCE, when_and_on_what, write_section

FULL_HOURS = 18
"""From then on nothing more is to be filled: pictures have 1,024 ticks."""
MIB = 1 << 20
HEADING = "A day of many series"
TEXT = """\
Written by `python -m tests.studies.endurance.day --write`: source, engine and journal of `sentinel doctor --load`, with
the default rule, take in a row a minute of so many series in CSV files, ten at a time, as fast as they can. Every two
minutes of real time a checkpoint is saved, and values older than six hours are forgotten. Memory is that of the whole
process, which writes the files, too; its slope with its 95 % interval is from hour 18 on, when pictures are full.
"""


class SimulatedClock(Clock):
    """A clock that stands at the last row of the files."""

    minute = 0

    def now_us(self) -> int:
        """Simulated microseconds since 1970."""
        return START_US + self.minute * MINUTE


def run(series: int, hours: int, rows: int) -> tuple[list[float], float]:
    """Memory each time that so many minutes were taken in, MiB, and the seconds that it took."""
    give_back()  # as the daemon does
    compile_kernels(Needs(evidence=False, comparisons=False, checks=False))
    began, clock, memory = time.monotonic(), SimulatedClock(), []
    with tempfile.TemporaryDirectory() as name:
        files = Folder(Path(name) / "data", series, "csv")
        daemon = {"checkpoint_every": "2m", "retention": "6h", "retention_ticks": 0}
        source = {"kind": "csv", "name": "load", "path": str(files.path)}
        settings = Settings.model_validate({"sources": [source], "daemon": daemon, "series": [{"cadence": "1m"}]})
        rig = Rig(settings, Path(name) / "state", clock)
        for clock.minute in range(rows - 1, hours * 60, rows):
            files.grow(rows)
            rig.take_in()
            memory.append(resident() / MIB)
            if clock.minute % 60 == 59:
                print(f"{clock.minute // 60 + 1} h: {memory[-1]:.1f} MiB", flush=True)
        rig.journal.close()
    return memory, time.monotonic() - began


def describe(series: int, rows: int, memory: list[float], took: float) -> str:
    """Write what was seen."""
    each = 60 // rows
    hours = np.arange(1, len(memory) + 1) / each
    late = hours > FULL_HOURS
    slope = Slope.of(hours[late].tolist(), np.array(memory)[late].tolist())
    told = " | ".join(f"{memory[each * hour - 1]:,.0f}" for hour in (1, 6, 12, FULL_HOURS, len(memory) // each))
    last = len(memory) // each
    return "\n".join((
        f"| series | MiB after 1 h | 6 h | 12 h | {FULL_HOURS} h | {last} h | slope, MiB an hour | took |",
        "|---|---|---|---|---|---|---|---|",
        f"| {series:,} | {told} | {slope} | {took / 60:.0f} minutes |", "", f"{when_and_on_what()}.",
    ))  # fmt: skip


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--rows", type=int, default=10, help="minutes that are taken in at once; a divisor of 60")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    text = describe(asked.series, asked.rows, *run(asked.series, asked.hours, asked.rows))
    print(text, flush=True)
    if asked.write:
        write_section(ENDURANCE, HEADING, f"{TEXT}\n{text}")


if __name__ == "__main__":
    main()
