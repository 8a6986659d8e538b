"""The observations of a journal as tables: all, or those of one series, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from sentinel.domain.observation import OBSERVATIONS
from sentinel.journal.batches import Committed, read_batches
from sentinel.journal.database import Database, JournalForgotten

_INSTANT = OBSERVATIONS["time"]


def read_tables(
    database: Database, names: Sequence[str], series: str | None, say: Callable[[JournalForgotten], None], *,
    corrections: bool = False,
) -> Iterator[pl.DataFrame]:  # fmt: skip
    """Read a table for each batch that has some, an empty one first; `say` is told if the beginning was forgotten.

    `names` are those of all series, by id; `corrections` asks for the values that came later for the same times.
    """
    called = np.array(names, dtype=object)
    own = np.flatnonzero(called == series)
    yield _table([], [], [], "", 0, 0)
    for batch in _kept(database, say):
        time_us, number, value = batch.corrections if corrections else (batch.time_us, batch.series, batch.value)
        mine = slice(None) if series is None else np.flatnonzero(np.isin(number, own))
        if time_us[mine].size:
            found = time_us[mine], called[number[mine]].tolist(), value[mine]
            yield _table(*found, batch.source, batch.arrival_us, batch.batch)


def _table(
    time_us: ArrayLike, names: Sequence[str], value: ArrayLike, source: str, arrival_us: int, batch: int
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": pl.Series(np.asarray(time_us, np.int64)).cast(_INSTANT),
            "series": pl.Series(names, dtype=pl.String),
            "value": np.asarray(value, np.float64),
        }
    ).with_columns(source=pl.lit(source), arrived=pl.lit(arrival_us).cast(_INSTANT), batch=pl.lit(batch))


def _kept(database: Database, say: Callable[[JournalForgotten], None]) -> Iterator[Committed]:
    """Every batch that retention has not forgotten."""
    last = 0
    try:
        for batch in read_batches(database, 0):
            yield batch
            last = batch.batch
    except JournalForgotten as forgotten:
        if last:
            raise
        say(forgotten)
        yield from read_batches(database, forgotten.whole_from - 1)
