"""Speed beside the peers, as ratios in one run, printed as a Markdown table.

    python tests/studies/benchmarks/run.py                 print the table
    python tests/studies/benchmarks/run.py --write         write it to docs/benchmarks.md
    python tests/studies/benchmarks/run.py --only live     some of the measurements; with --write their lines alone
    python tests/studies/benchmarks/run.py --tiny --json   a second or two each, numbers without meaning: for the tests

Peers: pip install '.[bench]'. A measurement whose peer is not installed is left out and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import gmtime, strftime

import bank_rows
import pipeline_rows
import process_rows
import report_rows
import served_rows
import source_rows
import torch
from bank_rows import Shape
from timing import Row

PAGE = Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"

Measurement = Callable[[], list[Row]]


def measurements(tiny: bool) -> dict[str, tuple[str | None, Measurement]]:
    """Name -> the peer's package that must be installed, if it is not ours, and what to do."""
    s, repeats = (100, 1) if tiny else (1, 15)
    step = Shape("bank step, 10,000 series x 16 detectors", 10_000 // s, 1, 0.8)
    block = Shape("bank, block of 1,000 series x 512 ticks x 16", 1_000 // s, 512 // min(s, 8), 0.8)
    long = Shape("bank, one series of 200,000 ticks x 16", 1, 200_000 // s, 0.8)
    points, peer_points = (1_000, 250) if tiny else (50_000, 5_000)
    rules = (None, pipeline_rows.EVERY_CHANNEL)
    return {
        "bank": (None, lambda: [
            bank_rows.beside_tanh(step, 20 * repeats),
            bank_rows.beside_tanh(block, repeats),
            bank_rows.beside_tanh(long, 2 * repeats),
            bank_rows.beside_divisions(step, 20 * repeats),
        ]),
        "lstm": (None, lambda: [bank_rows.beside_lstm(10_000 // s, 2 * repeats)]),
        "ewstools": (
            "ewstools",
            lambda: [pipeline_rows.beside_ewstools(points, peer_points, repeats, settings) for settings in rules],
        ),
        "river": ("river", lambda: [pipeline_rows.beside_river(points, repeats)]),
        "many": (
            None,
            lambda: [
                pipeline_rows.many_series(1_000 // s, 10_000 // min(s, 20), 1 if tiny else 5, settings)
                for settings in rules
            ],
        ),
        "scrape": (None, lambda: served_rows.scrape(1_000 // s, 200 // min(s, 2), 1 if tiny else 5)),
        "page": (None, lambda: [
            served_rows.page(10_000 // s, 20, 1 if tiny else 5), served_rows.page(100_000 // s, 20, 1 if tiny else 5)
        ]),
        "report": (None, lambda: [
            report_rows.report(100 // min(s, 50), ticks, 1 if tiny else 7) for ticks in ((80,) if tiny else (80, 700))
        ]),
        "reload": (None, lambda: pipeline_rows.reload(100_000 // s, 1 if tiny else 5)),
        "process": ("ewstools", lambda: process_rows.pipeline_alone(points, peer_points, 1 if tiny else 5)),
        "backtest": ("ewstools", lambda: process_rows.backtest(points, peer_points, 1 if tiny else 5)),
        "short": ("ewstools", lambda: process_rows.many_short(2 if tiny else 12, 700 // min(s, 10), 1 if tiny else 3)),
        "large": (None, lambda: [process_rows.large(5_000_000 // s, n, 1 if tiny else 3) for n in (1, 50)]),
        "sources": (None, lambda: list(source_rows.costs(100_000 // s, 1 if tiny else 7))),
        "live": (None, lambda: process_rows.live(100_000 // s, 110 // min(s, 20), 1 if tiny else 11)),
    }  # fmt: skip


def measured(only: list[str], tiny: bool) -> Iterator[Row]:
    """The rows, each as soon as it is measured; progress and omissions go to standard error."""
    torch.set_num_threads(1)
    for name, (peer, action) in measurements(tiny).items():
        if only and name not in only:
            continue
        if peer and not find_spec(peer):
            print(f"{name}: left out, {peer} is not installed; pip install '.[bench]'", file=sys.stderr)
            continue
        print(f"{name} ...", file=sys.stderr)
        yield from action()


HEAD = "| what | ours | peer | median (range) | required | met | measured |\n|---|---|---|---|---|---|---|\n"


def lines_of(rows: list[Row], where: str) -> dict[str, str]:
    """Markdown, a line of the table by what was measured."""
    lines = {}
    for row in rows:
        f, unit = row.figure, row.unit
        shown = f"**{f.median:.3g}** {unit} ({f.lowest:.3g} to {f.highest:.3g})"
        required = "-" if row.required is None else f"{'≤' if row.at_most else '≥'} {row.required:g} {unit}"
        met = {None: "-", True: "yes", False: "no"}[row.met]
        cells = (row.what, row.ours, row.peer, shown, required, met, where)
        lines[row.what] = f"| {' | '.join(cells)} |"
    return lines


def written() -> dict[str, str]:
    """The lines that the table has now, by what was measured."""
    _, _, body = PAGE.read_text(encoding="utf-8").partition("\n## ")[0].partition("|---|\n")
    return {line[2:].partition(" | ")[0]: line for line in body.splitlines() if line.startswith("| ")}


def machine() -> str:
    """When and on what it was measured."""
    facts = dict(map(str.strip, line.split(":", 1)) for line in _cpuinfo() if ":" in line)
    cpu = f"{facts.get('model name', platform.processor())}, family {facts.get('cpu family', '?')}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch"))
    return (
        f"{strftime('%Y-%m-%d', gmtime())}, {cpu} model {facts.get('model', '?')}, {os.cpu_count()} cores, {packages}"
    )


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


PREFACE = """\
# Benchmarks

Written by `python tests/studies/benchmarks/run.py --write` (peers: `pip install '.[bench]'`). In one run ours and the
peer take turns. x says how many times as fast as the peer ours is: the median over the turns, and their range. All runs
use one thread where nothing else is said. What is required was held on the machine that its line names, and on no
other. torch.tanh writes into an array that exists already; ours makes its results anew. Compilation is not counted: its
result is cached on disk, and whole processes run once before they are measured.

torch.tanh of float64 takes 3.8 ns a number on a core of AMD's family 26 and 1.65 ns on one of Intel's family 6, model
207, both with AVX-512. The bank takes 3.2 ns a reading on the latter, in the cache, where its first form took 5 (many
series) and 7 (one): one loop goes from the tanh to the reading now. More is hard to have there. A reading needs a
division within its tanh, a square root and a division; these alone take 2.6 ns, however much else is done meanwhile.
Newton's steps in the place of the root and its division took 3.4 to 4.3 ns in all, instructions of 512 bits instead of
256 the same 3.2 ns; so .8 of torch.tanh is not reached on that processor: the bank had .33, .37 and .58 of it there in
the first three rows (2026-11-30). These have more than 3.2 ns: arrays that are made anew, and cells that come from
beyond the first-level cache. On AMD's family 25, which has no AVX-512, torch.tanh takes 6 ns, and .8 is reached. On
AMD's family 26 the bank's first form was measured, not this one.
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Speed beside the peers, as ratios in one run.")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--only", nargs="+", default=[], choices=list(measurements(tiny=True)), metavar="NAME")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: does it run at all")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    asked = parser.parse_args()
    rows = list(measured(asked.only, asked.tiny))
    lines = lines_of(rows, machine())
    if asked.write:
        lines = written() | lines if asked.only else lines
    text = f"{PREFACE}\n{HEAD}{chr(10).join(lines.values())}\n"
    print(json.dumps([asdict(row) for row in rows]) if asked.json else text)
    if asked.write:
        _, heading, others = PAGE.read_text(encoding="utf-8").partition("\n## ")  # what other studies have written
        PAGE.write_text(text + heading + others, encoding="utf-8")


if __name__ == "__main__":
    main()
