"""Closed ticks that wait for those of another series, and for how long those of a backlog do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.conditioning import Side
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.positions import Positions

UNTOLD = int(np.iinfo(np.int64).max)
MOST_SHELTERED = 1_000_000
"""Ticks, of 100 bytes each: while more wait in all, none waits any longer for being of a backlog."""


class Waiting(NamedTuple):
    """Closed ticks, one per entry, shape (n,)."""

    comparison: Ints
    """Position of the comparison they wait in."""
    tick: Ints
    """Number of the tick in its own series."""
    kind: Codes
    value: Floats
    side: Side
    due_us: Ints
    """Watermark at which it is no longer of a backlog, on its own side: `NEVER` of one that came in time, `UNTOLD`
    until its source has told one. Of a target's also that of the counterpart's source from which on a tick without it
    is missing."""


def missing_ticks(entries: int) -> Waiting:
    """Make entries for ticks that do not exist."""
    whole, unknown, no, code = (np.zeros(entries, kind) for kind in (np.int64, np.float64, bool, np.int8))
    unknown += np.nan
    flags, codes = ("valid", "judged", "second_valid", "reset", "learning"), ("blind",)
    side = Side(**{name: no if name in flags else code if name in codes else unknown for name in Side._fields})
    return Waiting(whole, whole, code, unknown, side, whole + NEVER)


def note_told(entries: Waiting, series: Ints, where: Positions) -> Waiting:
    """Note of the ticks whose source has told a watermark since they came whether they came in time.

    `series` are the ids of the targets of the comparisons, or of their counterparts.
    """
    mine = series[entries.comparison]
    new = (entries.due_us == UNTOLD) & (where.watermark_us[mine] != NEVER)
    late = entries.tick < where.watermark_tick[mine]
    due_us = np.where(late, np.where(new, where.watermark_us[mine], 0) + where.silence_us[mine], NEVER)
    return entries._replace(due_us=np.where(new, due_us, entries.due_us))


def has_room(*waiting: Waiting) -> bool:
    """Tell whether no more ticks wait in all than may."""
    return sum(entries.tick.size for entries in waiting) <= MOST_SHELTERED


def find_sheltered(entries: Waiting, series: Ints, where: Positions) -> Ints:
    """Find for each comparison its first tick that is of a backlog; far ahead where there is none."""
    chosen = entries.due_us > where.watermark_us[series[entries.comparison]]
    return find_first(series.size, entries, chosen)


def find_first(comparisons: int, entries: Waiting, chosen: Flags) -> Ints:
    """Find for each of so many comparisons the first of the chosen ticks; far ahead where there is none."""
    first = np.full(comparisons, UNTOLD)
    np.minimum.at(first, entries.comparison[chosen], entries.tick[chosen])
    return first
