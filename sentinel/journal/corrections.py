"""Corrections: values that came for a series and time of which the journal had one already, such as approved ones.

The first value stands, since verdicts were given on it. What came later is kept beside it, in the batch it came with,
so that both times are known: that of the value, and that at which it became known. The same again is nothing new.
"""

from __future__ import annotations

import json
from base64 import b85decode, b85encode

import numpy as np
from numpy.typing import NDArray

from sentinel.journal.blocks import NO_ROWS, Rows, pack, unpack
from sentinel.journal.database import Database

KEY = "corrections"
"""Of the payload of a batch."""


class Corrections:
    """The latest correction of each series and time, kept in memory; read when the first one may come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest: dict[tuple[int, int], float] | None = None

    def sort_out(self, offered: Rows, standing: NDArray[np.float64]) -> Rows:
        """Select those of the rows, each key but once, that differ from what was known last; `standing` came first."""
        latest = self._load()
        time, series, value = offered
        known = standing
        if latest:
            known = standing.copy()
            for at, key in enumerate(zip(time.tolist(), series.tolist(), strict=True)):
                known[at] = latest.get(key, known[at])
        new = value != known
        return time[new], series[new], value[new]

    def add(self, rows: Rows) -> None:
        """Note what was committed."""
        if rows[0].size:
            self._load().update(_by_key(rows))

    def last_batch(self) -> int:
        """Give the last batch that has some; 0 if none has."""
        query = f"SELECT max(id) FROM batch WHERE kind = 'observations' AND payload LIKE '%\"{KEY}\"%'"
        ((last,),) = self._database.read(query)
        return int(last or 0)

    def _load(self) -> dict[tuple[int, int], float]:
        if self._latest is None:
            self._latest = {}
            query = f"SELECT payload FROM batch WHERE kind = 'observations' AND payload LIKE '%\"{KEY}\"%' ORDER BY id"
            for (text,) in self._database.read(query):
                self._latest.update(_by_key(read_corrections(json.loads(text))))
        return self._latest


def _by_key(rows: Rows) -> dict[tuple[int, int], float]:
    time, series, value = (column.tolist() for column in rows)
    return dict(zip(zip(time, series, strict=True), value, strict=True))


def write_corrections(rows: Rows) -> dict[str, str]:
    """Give what the payload of a batch says of them."""
    return {KEY: b85encode(pack(rows)).decode("ascii")} if rows[0].size else {}


def read_corrections(payload: dict[str, object]) -> Rows:
    """Read the corrections of a batch from its payload."""
    text = payload.get(KEY)
    return (unpack(b85decode(str(text))) if text else None) or NO_ROWS
