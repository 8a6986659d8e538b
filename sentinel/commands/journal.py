"""`sentinel journal show`: what the journal of a daemon holds, as a table of observations.

The journal keeps observations as blocks of bytes, which no database shell can read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.analysis.readings import INSTANT
from sentinel.domain.errors import DataError
from sentinel.domain.observation import OBSERVATIONS
from sentinel.domain.renaming import present_names
from sentinel.journal import Committed, Journal, JournalForgotten

_INSTANT = OBSERVATIONS["time"]


def main(args: argparse.Namespace) -> int:
    """Print every observation that was accepted, or the corrections, as CSV, in the order in which they came."""
    with Journal.open(Path(args.state), read_only=True) as journal:
        present = present_names(journal.renamed())
        names = np.array([present.get(name, name) for _, name, _ in journal.series()], dtype=object)
        if args.series is not None and args.series not in names:
            raise DataError(f"{args.state}: no series {args.series!r} in the journal; it has {names.size:,} others")
        first = True
        for batch in _kept(journal):
            if batch.kind != "observations":
                continue
            rows = batch.corrections if args.corrections else (batch.time_us, batch.series, batch.value)
            time_us, series, value = rows
            mine = np.flatnonzero(names[series] == args.series) if args.series is not None else slice(None)
            table = pl.DataFrame(
                {
                    "time": pl.Series(time_us[mine]).cast(_INSTANT),
                    "series": pl.Series(names[series[mine]].tolist(), dtype=pl.String),
                    "value": value[mine],
                }
            ).with_columns(
                source=pl.lit(batch.source), arrived=pl.lit(batch.arrival_us).cast(_INSTANT), batch=pl.lit(batch.batch)
            )
            sys.stdout.write(table.write_csv(include_header=first, datetime_format=INSTANT))
            first = False
    return 0


def _kept(journal: Journal) -> Iterator[Committed]:
    """Every batch that retention has not forgotten; says so on standard error where it has forgotten some."""
    last = 0
    try:
        for batch in journal.tail(0):
            yield batch
            last = batch.batch
    except JournalForgotten as forgotten:
        if last:
            raise
        print(f"sentinel: {forgotten}", file=sys.stderr)
        yield from journal.tail(forgotten.whole_from - 1)
