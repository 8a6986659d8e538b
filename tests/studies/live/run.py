"""CPU time of the live path, stage by stage, from the bytes of a source to the snapshot.

    python tests/studies/live/run.py            print the tables
    python tests/studies/live/run.py --write    write them to docs/benchmarks.md
    python tests/studies/live/run.py --tiny     a second, numbers without meaning: for the test

An engine with its journal on disk and its source, in this process, one thread of ours. The stages are timed by the
processor time of the process, each without what it calls of the others.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import gmtime, process_time_ns, strftime
from typing import Any

import numpy as np
import polars as pl

from sentinel.config import CsvSource, Settings
from sentinel.domain.clock import Clock
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Journal
from sentinel.pipeline.cohort import Cohort
from sentinel.pipeline.grid import Grid
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.results import ResultBuilder
from sentinel.runtime.engine import Engine
from sentinel.runtime.inbox import Accounts, Inbox
from sentinel.runtime.kernels import compile_kernels
from sentinel.runtime.replica import Replica
from sentinel.sources.csv import Files
from sentinel.sources.following import Follower
from sentinel.sources.pieces import TextReader
from sentinel.sources.rotation import Search

PAGE = Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"
HEADING = "## The live path, stage by stage"
INTRODUCTION = f"""\
{HEADING}

Written by `python tests/studies/live/run.py --write`: nanoseconds of processor time of the whole process an
observation, each stage without those it calls, from the bytes of a source to the snapshot; engine, journal on disk
(`synchronous = FULL`) and source in one process, pictures kept of the first 1,000 series. What was before are the same
cases, over fewer ticks, with a reader of tables for every row, a row of the journal for every observation, and a commit
for every frame.
"""
TICK_US = 60_000_000
START_US = 1_700_000_000_000_000
STAGES: tuple[tuple[str, type, str], ...] = (
    ("find files", Search, "run"),
    ("read rows", TextReader, "read"),
    ("one frame", Follower, "fetch"),
    ("owner of each series", Accounts, "receive"),
    ("columns without numbers", Accounts, "note_columns"),
    ("journal", Journal, "commit_all"),
    ("grid", Grid, "take"),
    ("grid", Grid, "close"),
    ("conditioning, bank, evidence, alarm", Cohort, "step"),
    ("history and digests", Replica, "_observe"),
    ("verdicts counted", ResultBuilder, "add_block"),
    ("rest of the pipeline", Pipeline, "advance"),
    ("snapshot and outbox", Engine, "_publish"),
    ("rest of the turn", Engine, "turn"),
)
"""What is timed under which name."""


class Stages:
    """Processor time by stage, nanoseconds."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {name: 0 for name, _, _ in STAGES}
        self._inner = [0]

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Time the stages while this lasts."""
        plain = [(owner, method, getattr(owner, method)) for _, owner, method in STAGES]
        for (name, owner, method), (_, _, call) in zip(STAGES, plain, strict=True):
            setattr(owner, method, self._timed(name, call))
        try:
            yield
        finally:
            for owner, method, call in plain:
                setattr(owner, method, call)

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            began = process_time_ns()
            self._inner.append(0)
            try:
                return call(*args, **named)
            finally:
                took = process_time_ns() - began
                self.spent[name] += took - self._inner.pop()
                self._inner[-1] += took

        return timed


@dataclass(frozen=True, slots=True)
class Case:
    """One measured case: nanoseconds of CPU by stage, and what they were for."""

    name: str
    observations: int
    total_ns: int
    stages: dict[str, int]
    required: float | None = None
    """Observations per CPU second; likewise what was before, measured on 2026-11-29."""
    before: float | None = None

    @property
    def rate(self) -> float:
        """Observations per CPU second."""
        return self.observations / self.total_ns * 1e9


class Table:
    """Wide files in a folder, each with the same number of columns, that grow by whole rows."""

    def __init__(self, folder: Path, files: int, columns: int) -> None:
        folder.mkdir()
        self._paths = [folder / f"station{f:03d}.csv" for f in range(files)]
        self._columns, self.at = columns, 0
        self._random = np.random.default_rng(4)
        for f, path in enumerate(self._paths):
            names = ",".join(f"f{f:03d}c{c:03d}" for c in range(columns))
            path.write_text(f"time,{names}\n")

    def grow(self, rows: int) -> None:
        """Append so many rows to each file."""
        stamps = [np.datetime64(START_US + (self.at + t) * TICK_US, "us").astype("datetime64[s]") for t in range(rows)]
        for path in self._paths:
            values = self._random.normal(20.0, 3.0, (rows, self._columns))
            with path.open("a") as file:
                for stamp, row in zip(stamps, values, strict=True):
                    file.write(f"{stamp}Z,{','.join(f'{value:.3f}' for value in row)}\n")
        self.at += rows


class Rig:
    """An engine on a journal in a folder."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.inbox = Inbox(10_000_000)
        self.journal = Journal.open(folder)
        self.engine = Engine(settings, self.journal, self.inbox, Metrics(), Clock(), {})
        self.engine.restore()

    def turn(self) -> None:
        """Take in everything that waits."""
        while self.engine.turn(0.0):
            pass


def files_case(
    name: str, files: int, columns: int, before: int, rows: int, times: int, required: float, was: float
) -> Case:  # fmt: skip
    """Follow a folder: `before` rows that are not measured, then `times` times `rows` more in each file."""
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder) / "data", files, columns)
        source = CsvSource(kind="csv", name="lakes", path=str(Path(folder) / "data"))
        settings = Settings.model_validate({"sources": [source.model_dump()], "series": [{"cadence": "1m"}]})
        reader = Files(source, Clock())
        rig = Rig(Path(folder) / "state", settings)
        cursor: Any = None

        def read() -> None:
            nonlocal cursor
            more = True
            while more:
                frame = reader.fetch(cursor)
                cursor, more = frame.cursor, frame.more
                rig.inbox.put(frame)
                rig.turn()

        for _ in range(before):
            table.grow(1)
            read()
        stages, total = Stages(), 0
        for _ in range(times):
            table.grow(rows)
            with stages.watch():
                began = process_time_ns()
                read()
                total += process_time_ns() - began
        rig.journal.close()
    return Case(name, files * columns * rows * times, total, stages.spent, required, was)


def many_sources_case(name: str, sources: int, before: int, times: int) -> Case:
    """Sources that bring one observation each, all waiting in the inbox at once."""
    chosen = [{"kind": "simulate", "name": f"s{n}", "system": "ar1"} for n in range(sources)]
    settings = Settings.model_validate({"sources": chosen, "series": [{"cadence": "1m"}]})
    values = np.random.default_rng(5).normal(size=(before + times, sources))
    with tempfile.TemporaryDirectory() as folder:
        rig, stages, total = Rig(Path(folder) / "state", settings), Stages(), 0
        for t in range(before + times):
            at_us = START_US + t * TICK_US
            for n in range(sources):
                rows = pl.DataFrame([(f"s{n}", at_us, values[t, n])], schema=OBSERVATIONS, orient="row")
                rig.inbox.put(Frame(f"s{n}", rows, {"next": t}, watermark_us=at_us))
            if t < before:
                rig.turn()
                continue
            with stages.watch():
                began = process_time_ns()
                rig.turn()
                total += process_time_ns() - began
        rig.journal.close()
    return Case(name, sources * times, total, stages.spent, before=609)


def cases(tiny: bool) -> Iterator[Case]:
    """Every case, as soon as it is measured."""
    compile_kernels()
    files, columns = (3, 4) if tiny else (100, 100)
    series = f"{files * columns:,} series in {files} wide files"
    yield files_case(
        f"live, one row a file and tick: {series}", files, columns, 40, 1, 2 if tiny else 10, 150_000, 11_250
    )
    yield files_case(f"backfill: {series}", files, columns, 1, 10 if tiny else 100, 1, 400_000, 275_473)
    sources = 3 if tiny else 200
    yield many_sources_case(f"{sources} sources of one observation each", sources, 40, 2 if tiny else 10)


def show(found: list[Case]) -> str:
    """The cases as a table in Markdown: a row for each stage."""
    lines = ["| ns of CPU an observation | " + " | ".join(case.name for case in found) + " |"]
    lines.append("|---|" + "---|" * len(found))
    lines += [
        f"| {name} | " + " | ".join(f"{c.stages[name] / c.observations:,.0f}" for c in found) + " |"
        for name in dict.fromkeys(stage for stage, _, _ in STAGES)
    ]
    lines.append("| all | " + " | ".join(f"**{c.total_ns / c.observations:,.0f}**" for c in found) + " |")
    lines.append("| observations per CPU second | " + " | ".join(f"**{c.rate:,.0f}**" for c in found) + " |")
    lines.append("| before | " + " | ".join("-" if c.before is None else f"{c.before:,.0f}" for c in found) + " |")
    required = ["-" if c.required is None else f"≥ {c.required:,.0f}" for c in found]
    lines.append("| required | " + " | ".join(required) + " |")
    return "\n".join(lines) + "\n"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    found = []
    for case in cases(args.tiny):
        print(f"{case.name}: {case.rate:,.0f} observations per CPU second", file=sys.stderr)
        found.append(case)
    text = show(found)
    print(text)
    if args.write:
        page, load = PAGE.read_text(encoding="utf-8").partition(HEADING)[0], os.getloadavg()[0]
        measured = f"{strftime('%Y-%m-%d', gmtime())}; {_processor()}; Python {platform.python_version()}. "
        measured += f"Load average {load:.1f} after, of which the study alone makes 1."
        PAGE.write_text(f"{page}{INTRODUCTION}\n{measured}\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
