"""`sentinel journal show`: what the journal of a daemon holds, as a table of observations.

The journal keeps observations as blocks of bytes, which no database shell can read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sentinel.domain.errors import DataError
from sentinel.domain.observation import INSTANT
from sentinel.domain.renaming import present_names
from sentinel.journal import Journal


def main(args: argparse.Namespace) -> int:
    """Print every observation that was accepted, or the corrections, as CSV, in the order in which they came."""
    with Journal.open(Path(args.state), read_only=True) as journal:
        present = present_names(journal.renamed())
        names = {present.get(name, name) for _, name, _ in journal.series()}
        if args.series is not None and args.series not in names:
            raise DataError(f"{args.state}: no series {args.series!r} in the journal; it has {len(names):,} others")
        tables = journal.observations(
            args.series,
            lambda forgotten: print(f"sentinel: {forgotten}", file=sys.stderr),
            corrections=args.corrections,
        )
        for number, table in enumerate(tables):
            sys.stdout.write(table.write_csv(include_header=number == 0, datetime_format=INSTANT))
    return 0
