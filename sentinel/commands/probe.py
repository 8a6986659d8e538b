"""`sentinel check --probe`: reads a table, or the sources of a configuration, once and proposes cadence and seasons."""

from __future__ import annotations

import argparse
import glob
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from sentinel.analysis.inspection import LISTED, Proposed, look_at_each
from sentinel.analysis.intake import read_files, sort
from sentinel.analysis.seasons import FEWEST_CYCLES, WEAKEST
from sentinel.commands.main import table_options
from sentinel.config import Settings, load
from sentinel.config.secrets import hide_queries
from sentinel.domain.clock import Clock
from sentinel.domain.errors import DataError, SentinelError, UpstreamError
from sentinel.domain.observation import Frame
from sentinel.domain.spans import print_season
from sentinel.sources import PullSource, PushSource, Source, make_sources
from sentinel.tables.cells import HEAD_ROWS
from sentinel.tables.counters import is_counter
from sentinel.tables.units import unit_of

MOST = 2_000_000
"""Observations that are read of one source at least, before it is left at that."""
LISTEN_SECONDS = 10.0
"""To messages; some come once a minute only, and then nothing is heard of them."""


def main(arguments: argparse.Namespace) -> int:
    """Print what each series looks like, and settings to paste.

    Raises DataError: the table or a source cannot be used, or no series has two time stamps.
    """
    path = Path(arguments.config)
    configured = path.suffix.lower() in (".yaml", ".yml") or _is_folder(path)
    settings = load(path) if configured else Settings()
    intake = None if configured else read_files([path], table_options(arguments))
    observations = _fetch(settings) if intake is None else intake.observations
    with tempfile.TemporaryDirectory(prefix="sentinel-") as folder:
        ordered = sort(observations, Path(folder), differences=intake.differences if intake else ())
        found = list(look_at_each(ordered, settings))
    if not found:
        raise DataError(f"{path}: no series with two time stamps; at least two of one series are needed")
    remarks = _for_settings(ordered.remarks) if intake is None else ordered.remarks
    for line in (*(intake.read_as if intake else ()), *remarks):
        print(line)
    for line in print_lines(found, intake.units if intake else {}):
        print(line)
    return 0


def _for_settings(remarks: Sequence[str]) -> list[str]:
    """Put what helps in the settings of a source in place of an option that only tables have."""
    helps = ": name it under missing (csv, http), or leave it out where it comes from (sql: in the query)"
    return [said + helps if option else said for said, option, _ in (line.partition(": --missing") for line in remarks)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # whoever reads it as a table says what is wrong
        return False


def print_lines(found: Sequence[Proposed], units: Mapping[str, str] | None = None) -> Iterator[str]:
    """Say what was found, line by line; from `series:` on it is YAML."""
    for one in found[:LISTED]:
        cycles = (season.period(one.axis, one.cadence.microseconds) for season in one.followed)
        slow = "".join(f"; a cycle of {cycle} is so slow that the level follows it" for cycle in cycles)
        facts = f"cadence {one.cadence_in_words()}, {one.ticks:,} ticks, {one.season_in_words}"
        yield f"{one.name}: {facts}{slow}{one.caveats}"
    if len(found) > LISTED:
        yield f"and {len(found) - LISTED:,} more series"
    yield f"# Looks at the whole record; a season is found from {FEWEST_CYCLES} periods and strength {WEAKEST:g} on."
    yield from write_series(found, units)


def write_series(
    found: Sequence[Proposed], units: Mapping[str, str] | None = None, more: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Write the settings of the series as YAML."""
    yield "series:"
    for one in found:
        seasons = ", ".join([*map(print_season, one.declared), *(season.text for season in one.seasons)])
        unit = unit_of(units or {}, one.name)
        # Inside a step of a numbered axis is a second: a cadence that was learnt from numbers is not to be pasted.
        cadence = "" if one.axis.numbered and one.learnt else f", cadence: {one.cadence}"
        keys = "".join(f", {name}: {value}" for name, value in (more or {}).items())
        keys += f", unit: {json.dumps(unit, ensure_ascii=False)}" if unit else ""
        yield f"  - {{match: {json.dumps(glob.escape(one.name))}{cadence}, season: [{seasons}]{keys}}}"


def _fetch(settings: Settings) -> pl.LazyFrame:
    """Read everything that the sources have now, and say of each what its first row is.

    To those that push it listens for a while, where that can be done. Raises the first error if no source can be read.
    """
    tables: list[pl.DataFrame] = []
    failed: list[SentinelError] = []
    for source in make_sources(settings.sources, Clock()):
        try:
            frames = list(_frames(source))
        except (UpstreamError, DataError) as error:
            failed.append(error)
            print(f"source {source.name}: cannot be read: {hide_queries(str(error))}")
            continue
        finally:
            source.close()
        for line in (*_say_first(source, frames), *_say_counters(source, frames)):
            print(line)
        tables += [frame.observations for frame in frames]
    if not any(table.height for table in tables) and failed:
        raise failed[0]
    if not tables:
        which = " that can be asked" if settings.sources else ""
        raise DataError(
            f"sources: none are configured{which}; at least one is needed, or a table in place of the configuration"
        )
    return pl.concat(tables).lazy()


def _frames(source: Source) -> Iterator[Frame]:
    if isinstance(source, PushSource):
        heard = source.listen(LISTEN_SECONDS)
        yield from () if heard is None else (heard,)
    frame, read = None, 0
    while isinstance(source, PullSource) and (frame is None or frame.more) and read < MOST:
        yield (frame := source.fetch(frame.cursor if frame else None))
        read += frame.observations.height


def _say_first(source: Source, frames: Sequence[Frame]) -> Iterator[str]:
    """Say how much came and what came first, and what was left out."""
    filled = [frame.observations for frame in frames if frame.observations.height]
    number = sum(table.height for table in filled)
    if frames and not number:
        yield f"source {source.name}: no observations"
    elif number:
        series, time, value = filled[0].row(0)
        names = pl.concat(table["series"].unique() for table in filled).n_unique()
        rest = "; there are more" if frames[-1].more else ""
        yield (
            f"source {source.name}: {number:,} observations of {names:,} series, the first is {series} = {value:g} at "
            f"{time:%Y-%m-%dT%H:%M:%SZ}{rest}"
        )
    yield from (f"source {source.name}: {line}" for line in dict.fromkeys(
        line for frame in frames for line in frame.complaints
    ))  # fmt: skip


def _say_counters(source: Source, frames: Sequence[Frame]) -> Iterator[str]:
    """Say which series only rise; only those of tables are left out of themselves."""
    filled = [frame.observations for frame in frames if frame.observations.height]
    tables = pl.concat(filled).sort("time").partition_by("series", as_dict=True) if filled else {}
    found = [str(name) for (name,), own in tables.items() if is_counter(own["value"].to_numpy()[:HEAD_ROWS])]
    if found:
        more = f" and {len(found) - LISTED:,} more" if len(found) > LISTED else ""
        yield (
            f"source {source.name}: {', '.join(found[:LISTED])}{more} only rise, as counters do, which reads as "
            "slowing; let the source give their steps or rates (of Prometheus: rate(...[5m]) in queries)"
        )
