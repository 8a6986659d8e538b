"""`sentinel check --probe`: reads a table, or the sources of a configuration, once and proposes cadence and seasons."""

from __future__ import annotations

import argparse
import glob
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.analysis.intake import SortedObservations, read_files, sort
from sentinel.analysis.lookback import FEWEST_CYCLES, LONGEST_RECORD, WEAKEST, on_grid, propose
from sentinel.analysis.readings import slice_by_series
from sentinel.analysis.record import Proposal
from sentinel.commands.main import table_options
from sentinel.config import Settings, load
from sentinel.domain.clock import Clock
from sentinel.domain.errors import DataError
from sentinel.domain.observation import Axis, CalendarAxis, NumberAxis
from sentinel.domain.spans import Cadence, print_season
from sentinel.pipeline.plan import learn_cadence, plan_for
from sentinel.sources import PullSource, make_sources

LISTED = 20
"""Series named one by one."""


class Proposed(NamedTuple):
    """Properties of one series, and the seasons proposed for it."""

    name: str
    axis: Axis
    cadence: Cadence
    ticks: int
    declared: tuple[int, ...]
    """Seasons the configuration names, microseconds."""
    seasons: tuple[Proposal, ...]
    followed: tuple[Proposal, ...]
    """Seasons so slow that the level follows them."""


def main(arguments: argparse.Namespace) -> int:
    """Print what each series looks like, and settings to paste.

    Raises DataError: the table or a source cannot be used, or no series has two time stamps.
    """
    path = Path(arguments.config)
    configured = path.suffix.lower() in (".yaml", ".yml") or _is_folder(path)
    settings = load(path) if configured else Settings()
    observations = _fetch(settings) if configured else read_files([path], table_options(arguments)).observations
    with tempfile.TemporaryDirectory(prefix="sentinel-") as folder:
        found = list(_look_at(sort(observations, Path(folder)), settings))
    if not found:
        raise DataError(f"{path}: no series with two time stamps; at least two of one series are needed")
    for line in print_lines(found):
        print(line)
    return 0


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # whoever reads it as a table says what is wrong
        return False


def print_lines(found: Sequence[Proposed]) -> Iterator[str]:
    """Say what was found, line by line; from `series:` on it is YAML."""
    for one in found[:LISTED]:
        seasons = " and ".join(season.in_words(one.axis, one.cadence.microseconds) for season in one.seasons)
        what = f"an undeclared season of {seasons}" if seasons else "no undeclared season"
        cycles = (season.period(one.axis, one.cadence.microseconds) for season in one.followed)
        slow = "".join(f"; a cycle of {cycle} is so slow that the level follows it" for cycle in cycles)
        yield f"{one.name}: cadence {one.cadence}, {one.ticks:,} ticks, {what}{slow}"
    if len(found) > LISTED:
        yield f"and {len(found) - LISTED:,} more series"
    yield f"# Looks at the whole record; a season is found from {FEWEST_CYCLES} periods and strength {WEAKEST:g} on."
    yield "series:"
    for one in found:
        seasons = ", ".join([*map(print_season, one.declared), *(season.text for season in one.seasons)])
        yield f"  - {{match: {json.dumps(glob.escape(one.name))}, cadence: {one.cadence}, season: [{seasons}]}}"


def _fetch(settings: Settings) -> pl.LazyFrame:
    """Read everything that the sources have now; those that push bring nothing when they are asked."""
    tables = []
    for source in make_sources(settings.sources, Clock()):
        frame = None
        while isinstance(source, PullSource) and (frame is None or frame.more):
            frame = source.fetch(frame.cursor if frame else None)
            tables.append(frame.observations)
        source.close()
    if not tables:
        which = " that can be asked" if settings.sources else ""
        raise DataError(
            f"sources: none are configured{which}; at least one is needed, or a table in place of the configuration"
        )
    return pl.concat(tables).lazy()


def _look_at(observations: SortedObservations, settings: Settings) -> Iterator[Proposed]:
    """Look at each series in turn; one at a time is in memory."""
    axes = {number: NumberAxis.of(head) for number, head in observations.heads().items()}
    times: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    current = 0

    def propose_for_current() -> Iterator[Proposed]:
        name, entry = observations.names[current], settings.series_for(observations.names[current])
        time, value = np.concatenate(times), np.concatenate(values)
        cadence = entry.cadence or learn_cadence(time, ended=True)
        if cadence is not None:
            record = on_grid(time, value, cadence.microseconds)
            level_half_life = plan_for(settings, name, cadence).level_half_life
            found = propose(record, cadence.microseconds, entry.season)
            slow = tuple(season for season in found if season.is_followed(level_half_life))
            needed = tuple(season for season in found if season not in slow)
            axis = axes.get(current, CalendarAxis())
            yield Proposed(name, axis, cadence, record.size, entry.season, needed, slow)

    for table in observations.batches():
        series, time, value = (table[column].to_numpy() for column in ("id", "time", "value"))
        for number, part in slice_by_series(series):
            if number != current and times:
                yield from propose_for_current()
                times, values = [], []
            current = number
            times.append(axes[number].microseconds(time[part]) if number in axes else time[part])
            values.append(value[part])
            if len(times) > 2 and sum(map(len, times[1:])) > 2 * LONGEST_RECORD:
                del times[1], values[1]  # the first piece is kept for the cadence
    if times:
        yield from propose_for_current()
