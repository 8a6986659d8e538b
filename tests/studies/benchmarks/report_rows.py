"""The report of many short series beside their analysis, in CPU time of one process: both take turns."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import polars as pl
from pipeline_rows import persistent
from timing import Row, Spread

import sentinel


def report(series: int, ticks: int, repeats: int) -> Row:
    """A table of so many series: analysed, and reported on."""
    values = persistent(ticks, series)
    table = pl.DataFrame({"time": range(ticks), **{f"s{number}": values[:, number] for number in range(series)}})
    analysed, reported = [], []
    with TemporaryDirectory() as folder:
        for _ in range(repeats + 1):
            begin = process_time()
            found = sentinel.analyse(table)
            middle = process_time()
            found.report(Path(folder, "report.html"))
            analysed.append(middle - begin)
            reported.append(process_time() - middle)
    # The first turn loads and compiles.
    ratios = [own / other for own, other in zip(reported[1:], analysed[1:], strict=True)]
    return Row(
        f"report of {series:,} series of {ticks:,} ticks, CPU on top of their analysis",
        f"pictures, looking back, surrogates, other rules: {1e3 * median(reported[1:]) / series:.2g} ms a series",
        f"the analysis: {1e3 * median(analysed[1:]) / series:.2g} ms a series",
        Spread.of(ratios), unit="x the analysis", required=1.0, at_most=True,
    )  # fmt: skip
