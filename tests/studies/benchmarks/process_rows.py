"""Whole processes, from start to exit: what a user waits for and what it costs in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from pipeline_rows import SECOND_US, persistent
from timing import Ended, Row, Spread, duration, process

MIB = 1 << 20

_PIPELINE = """
import sys, numpy, polars
from sentinel.config import Settings
from sentinel.pipeline.pipeline import Batch, Pipeline
table = polars.read_csv(sys.argv[1], try_parse_dates=True)
time, value = table["time"].dt.epoch("us").to_numpy(), table["value"].to_numpy()
pipeline = Pipeline(Settings())
batch = Batch(numpy.zeros(time.size, numpy.int64), time, value, ((0, "lake", "file"),))
pipeline.finish(pipeline.advance(pipeline.init(), batch, rows=True)[0], rows=True)
"""

_EWSTOOLS = """
import sys, pandas, ewstools
series = pandas.read_csv(sys.argv[1], index_col="time", parse_dates=True)["value"].reset_index(drop=True)
windows = ewstools.TimeSeries(series)
windows.compute_var(rolling_window=0.25)
windows.compute_auto(rolling_window=0.25, lag=1)
"""

_EWSTOOLS_OF_EACH = """
import sys, pandas, ewstools
for path in sys.argv[1:]:
    table = pandas.read_csv(path, index_col="time", parse_dates=True)
    for name in table:
        windows = ewstools.TimeSeries(table[name].reset_index(drop=True))
        windows.compute_var(rolling_window=0.25)
        windows.compute_auto(rolling_window=0.25, lag=1)
        windows.compute_ktau()
"""


def _write_csv(path: Path, points: int) -> None:
    stamps = np.datetime_as_string((np.arange(points) * SECOND_US).astype("datetime64[us]"), unit="s")
    lines = (f"{stamp},{value:.6f}\n" for stamp, value in zip(stamps, persistent(points, 1)[:, 0], strict=True))
    path.write_text("time,value\n" + "".join(lines), encoding="utf-8")


def _told(processes: list[Ended]) -> str:
    return f"{duration(median(p.wall for p in processes))}, {median(p.peak for p in processes) / MIB:,.0f} MiB"


def pipeline_alone(points: int, peer_points: int, repeats: int) -> list[Row]:
    """A file read and taken through the pipeline by a fresh process; the peer has a shorter one."""
    return [_beside("pipeline on a table read by polars", ["-c", _PIPELINE], [], points, peer_points, repeats)]


def backtest(points: int, peer_points: int, repeats: int) -> list[Row]:
    """The same with the command that a user types, which also writes its tables and its report."""
    command = ["-m", "sentinel", "backtest"]
    with TemporaryDirectory() as out:
        return [_beside("sentinel backtest", command, ["--out", out, "--quiet"], points, peer_points, repeats)]


def many_short(files: int, ticks: int, repeats: int) -> list[Row]:
    """Files of 21 to 78 short series, all in one process; ours writes its tables and its report besides."""
    with TemporaryDirectory() as out, TemporaryDirectory() as folder:
        paths, series = [], 0
        for number, width in enumerate(np.linspace(21, 78, files).round().astype(int).tolist()):
            days = np.datetime_as_string(np.datetime64("2020-01-01") + np.arange(ticks))
            rows = zip(days, persistent(ticks, width), strict=True)
            lines = [f"{day},{','.join(f'{value:.6f}' for value in row)}\n" for day, row in rows]
            head = ",".join(["time", *(f"{number}/{column}" for column in range(width))])
            paths.append(Path(folder, f"{number}.csv"))
            paths[-1].write_text(f"{head}\n{''.join(lines)}", encoding="utf-8")
            series += width
        ours = [sys.executable, "-m", "sentinel", "backtest", *map(str, paths), "--out", out, "--quiet"]
        peer = [sys.executable, "-c", _EWSTOOLS_OF_EACH, *map(str, paths)]
        process(ours), process(peer)
        turns = [(process(ours), process(peer)) for _ in range(repeats)]
    return [
        Row(
            f"sentinel backtest, {files} files of 21 to 78 series of {ticks:,} points, whole process, CPU",
            f"{series:,} series, tables and report: {duration(median(a.cpu for a, _ in turns))}",
            f"ewstools, variance, lag-1, Kendall's tau: {duration(median(b.cpu for _, b in turns))}",
            Spread.of([b.cpu / a.cpu for a, b in turns]),
            required=10.0,
        )
    ]


def large(rows: int, series: int, repeats: int) -> Row:
    """A table of so many values with the command that a user types; there is no peer: CPU time."""
    with TemporaryDirectory() as out, TemporaryDirectory() as folder:
        ticks = rows // series
        stamps = np.datetime_as_string((np.arange(ticks) * SECOND_US).astype("datetime64[us]"), unit="s")
        lines = (
            f"{stamp},{','.join(f'{value:.4f}' for value in row)}\n"
            for stamp, row in zip(stamps, persistent(ticks, series), strict=True)
        )
        path = Path(folder, "table.csv")
        path.write_text(",".join(["time", *(f"s{n}" for n in range(series))]) + "\n" + "".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "sentinel", "backtest", str(path), "--out", out, "--quiet"]
        process(command)
        took = [process(command) for _ in range(repeats)]
    return Row(
        f"sentinel backtest, {series} series, {rows:,} values, whole process, CPU",
        f"tables and report, {_told(took)}", "-", Spread.of([one.cpu for one in took]), unit="s", required=25.0,
        at_most=True,
    )  # fmt: skip


def _beside(what: str, ours: list[str], options: list[str], points: int, peer_points: int, repeats: int) -> Row:
    with TemporaryDirectory() as folder:
        mine, theirs = Path(folder, "mine.csv"), Path(folder, "theirs.csv")
        _write_csv(mine, points)
        _write_csv(theirs, peer_points)
        command = [sys.executable, *ours, str(mine), *options]
        peer = [sys.executable, "-c", _EWSTOOLS, str(theirs)]
        process(command), process(peer)
        turns = [(process(command), process(peer)) for _ in range(repeats)]
    return Row(
        f"{what} from CSV, whole process, {points // peer_points} times the points of the peer: wall time, peak memory",
        f"{points:,} points: {_told([a for a, _ in turns])}",
        f"ewstools, {peer_points:,} points: {_told([b for _, b in turns])}",
        Spread.of([b.wall / a.wall for a, b in turns]),
    )


def live(series: int, warm: int, measured: int) -> list[Row]:
    """Many series, one observation each a tick, in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent / "live.py"), *map(str, (series, warm, measured))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    tick = Spread.of(found["seconds"])
    memory = Spread.of([found["bytes_per_series"] / 1024])
    return [
        Row(f"live tick of {series:,} series", f"{duration(tick.median / series)} a series", "-", tick, unit="s"),
        Row(
            f"memory of the pipeline, a series, idle between ticks, of {series:,}",
            f"{memory.median * series / 1024:,.0f} MiB in all, names and state",
            "-",
            memory,
            unit="KiB",
            required=8.0,
            at_most=True,
        ),
    ]
