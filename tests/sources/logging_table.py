"""A table of a SQLite file, as a logger writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path


def write_log(path: Path, rows: Iterable[tuple[object, object, object, object]]) -> None:
    """Add rows (time, id, series, value) to the table `log`."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS log (time, id, series, value)")
        database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows)
