"""Corrections: values that came for a series and time of which the journal had one already, such as approved ones.

The first value stands, since verdicts were given on it. What came later is kept beside it, in the batch it came with,
so that both times are known: that of the value, and that at which it became known. The same again is nothing new.
"""

from __future__ import annotations

import json
from base64 import b85decode, b85encode
from collections.abc import Mapping
from itertools import takewhile
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sentinel.journal.blocks import NO_ROWS, Rows, pack, unpack
from sentinel.journal.database import Database
from sentinel.journal.known import Ints, Known

KEY = "corrections"
"""Of the payload of a batch."""
_HAS_SOME = f"kind = 'observations' AND payload LIKE '%\"{KEY}\"%'"

_Latest: TypeAlias = dict[tuple[int, int], tuple[float, int]]
"""By time and series: value, and the batch that it came with; in the order of these."""


class Corrected(NamedTuple):
    """All corrections that are kept, in the order in which they came; arrays of shape (corrections,)."""

    batch: Ints
    """That it came with."""
    time_us: Ints
    series: Ints
    value: NDArray[np.float64]
    first_batch: Ints
    """That of the value which it corrects; 0 = retention has forgotten it."""
    sources: Mapping[int, str]
    """Source of each batch that has some."""

    def at(self, chosen: NDArray[np.bool_]) -> Corrected:
        """Select some of them."""
        columns = ("batch", "time_us", "series", "value", "first_batch")
        return self._replace(**{name: getattr(self, name)[chosen] for name in columns})


class Corrections:
    """The latest correction of each series and time, kept in memory; read when the first one may come.

    Those that retention has forgotten are forgotten here, too: it is as after a restart, and no more than is on disk.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest: _Latest | None = None

    def sort_out(self, offered: Rows, standing: NDArray[np.float64]) -> Rows:
        """Select those of the rows, each key but once, that differ from what was known last; `standing` came first."""
        latest = self._load()
        time, series, value = offered
        known = standing
        if latest:
            known = standing.copy()
            for at, key in enumerate(zip(time.tolist(), series.tolist(), strict=True)):
                known[at], _ = latest.get(key, (known[at], 0))
        new = value != known
        return time[new], series[new], value[new]

    def add(self, batch: int, rows: Rows) -> None:
        """Note what was committed."""
        if rows[0].size:
            _note(self._load(), batch, rows)

    def forget(self, until: int) -> None:
        """Forget those of batches up to this one."""
        latest = self._latest or {}
        for key in [key for key, _ in takewhile(lambda one: one[1][1] <= until, latest.items())]:
            del latest[key]

    def read(self, known: Known) -> Corrected:
        """Read all that are kept, with the batches of what they correct."""
        found = list(self._batches())
        rows = [read_corrections(json.loads(text)) for _, _, text in found]
        time, series, value = map(np.concatenate, zip(NO_ROWS, *rows, strict=True))
        batch = np.repeat(np.array([number for number, *_ in found], np.int64), [each[0].size for each in rows])
        keys, which = np.unique(np.stack([time, series]), axis=1, return_inverse=True)
        first = known.find_batches(keys[0], keys[1])
        return Corrected(batch, time, series, value, first[which], {number: source for number, source, _ in found})

    def last_batch(self) -> int:
        """Give the last batch that has some; 0 if none has."""
        return self._database.read_number(f"SELECT max(id) FROM batch WHERE {_HAS_SOME}")

    def _load(self) -> _Latest:
        if self._latest is None:
            self._latest = {}
            for batch, _, text in self._batches():
                _note(self._latest, batch, read_corrections(json.loads(text)))
        return self._latest

    def _batches(self) -> list[tuple[int, str, str]]:
        """Number, source and payload of the batches that have some."""
        return self._database.read(f"SELECT id, source, payload FROM batch WHERE {_HAS_SOME} ORDER BY id")


def _note(latest: _Latest, batch: int, rows: Rows) -> None:
    """Put the corrections of a batch behind all others."""
    time, series, value = (column.tolist() for column in rows)
    for key, each in zip(zip(time, series, strict=True), value, strict=True):
        latest.pop(key, None)
        latest[key] = each, batch


def write_corrections(rows: Rows) -> dict[str, str]:
    """Give what the payload of a batch says of them."""
    return {KEY: b85encode(pack(rows)).decode("ascii")} if rows[0].size else {}


def read_corrections(payload: dict[str, object]) -> Rows:
    """Read the corrections of a batch from its payload."""
    text = payload.get(KEY)
    return (unpack(b85decode(str(text))) if text else None) or NO_ROWS
