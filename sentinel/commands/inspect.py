"""`sentinel inspect`: says how files are read, what is in them, and which options and settings read them so."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.analysis.backtest import with_spans
from sentinel.analysis.inspection import LISTED, Proposed, look_at_each
from sentinel.analysis.intake import UNUSABLE, SortedObservations, say_marks, sort
from sentinel.commands.main import table_options
from sentinel.commands.probe import write_series
from sentinel.config import Settings
from sentinel.domain.errors import DataError
from sentinel.domain.observation import CalendarAxis
from sentinel.tables import Parsed, TableOptions, file_format, open_table, parse
from sentinel.tables.cells import UNNAMED
from sentinel.tables.columns import patterns_of
from sentinel.tables.long_tables import refuse_changes
from sentinel.tables.options import command_line, settings_of
from sentinel.tables.recognising import Recognised, recognise
from sentinel.tables.units import find_units, unit_of, with_unit


def main(arguments: argparse.Namespace) -> int:
    """Print what is known of each file; a file that cannot be read does not hold up the others.

    Raises DataError: at least one could not be read; the message has a line for each.
    """
    settings = with_spans(Settings(), arguments.cadence, (), arguments.aggregate, arguments.resolution)
    faults = []
    for at, name in enumerate(arguments.input):
        try:
            for line in describe_file(Path(name), table_options(arguments), settings):
                print(line)
        except DataError as error:
            faults.append(str(error))
        if at + 1 < len(arguments.input):
            print()
    if faults:
        raise DataError("\n".join(faults))
    return 0


def describe_file(path: Path, options: TableOptions, settings: Settings) -> Iterator[str]:
    """Say of one file how it is read and what is in it, line by line; from `sources:` on it is YAML."""
    found = recognise(path, options)
    table = open_table(path, found.options)
    parsed = first = parse(table, found.options, str(path))
    refuse_changes(table, found.labels, found.options, str(path))
    if takes := _options_that_take(parsed):
        found = replace(found, options=_add(found.options, takes), shown=_add(found.shown, takes))
        parsed = parse(table, found.options, str(path))
    with tempfile.TemporaryDirectory(prefix="sentinel-") as folder:
        steps = patterns_of(found.options.transform, "difference")
        ordered = sort(parsed.observations, Path(folder), differences=steps)
        series = list(look_at_each(ordered, settings))
    columns = [name for name in table.collect_schema().names() if not name.startswith("__")]
    fmt = file_format(path, options)
    kind = fmt if fmt == found.dialect else f"{found.dialect} {fmt}"
    yield f"{path}: {kind}, {len(columns)} columns: {_listed(columns)}"
    yield from (f"  {line}" for line in found.said)
    typed = table.collect_schema().get(found.options.time_name, pl.String()).is_temporal()
    yield from (f"  {line}" for line in _describe_times(found, parsed, series, typed=typed))
    yield from (f"  {line}" for line in _describe_refusals(first, parsed, takes))
    yield from (f"  {line}" for line in _describe_values(path, parsed, ordered, series, found.options))
    units = find_units(path, found.options, columns)
    yield "  it would watch:" if series else "  it would watch nothing: no series has two times"
    for one in series[:LISTED]:
        facts = f"{one.values:,} values, cadence {one.cadence_in_words()}, {one.season_in_words}{one.caveats}"
        yield f"    {with_unit(one.name, unit_of(units, one.name))}: {facts}"
    if len(series) > LISTED:
        yield f"    and {len(series) - LISTED:,} more"
    late = [mark for mark in parsed.marks if mark in found.options.missing and mark not in found.shown.missing]
    shown = replace(found.shown, missing=(*found.shown.missing, *late))
    words = command_line(shown)
    seasons = _shared_seasons(series)
    spans = _spans_of(settings)
    given = [f"--{name} {value}" for name, value in spans.items()]
    words = " ".join([*([words] if words else []), *given, *(f"--season {season}" for season in seasons)])
    yield f"  command line: sentinel backtest {shlex.quote(str(path))} {words}{' ' * bool(words)}--out result"
    if any({season.text for season in one.seasons} != set(seasons) for one in series):
        instead = " in place of --season" if seasons else ""
        yield "  seasons differ between the series, and --season is for all of them: to give each its own, save the"
        yield f"  lines from sources: on as settings.yaml and put --config settings.yaml into the command line{instead}"
    if parsed.axis == "number":
        yield "# For backtest and plot; a daemon needs times."
    yield "sources:"
    yield f"  - kind: csv\n    name: {re.sub('[^A-Za-z0-9_.-]+', '-', path.stem).strip('-.') or 'table'}"
    yield f"    path: {json.dumps(str(path.absolute()), ensure_ascii=False)}"
    for key, value in settings_of(shown).items():
        yield f"    {key}: {json.dumps(value, ensure_ascii=False)}"
    if series:
        more = {name: value for name, value in spans.items() if name != "cadence"}
        yield from write_series(series, units, more)


def _spans_of(settings: Settings) -> dict[str, str]:
    """Give the cadence, the way to aggregate and the resolution that were asked for, by the names of the options."""
    entry = settings.series_for("*")
    asked = {
        "cadence": str(entry.cadence) if entry.cadence else "", "aggregate": entry.aggregate,
        "resolution": "" if entry.resolution is None else f"{entry.resolution:.15g}",
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value not in ("", "last")}


def _describe_times(found: Recognised, parsed: Parsed, series: list[Proposed], *, typed: bool) -> Iterator[str]:
    options = found.options
    if parsed.axis == "number":
        way = "ages, the largest is the oldest" if options.time_direction == "backward" else "numbers that grow"
        yield f"time: {options.time_name}, {way}"
        return
    form = "stamps" if typed else options.time_format or "ISO 8601"
    span = ""
    if series:
        ends = CalendarAxis().column(
            np.array([min(one.first_us for one in series), max(one.last_us for one in series)])
        )
        span = f"; {ends[0]:%Y-%m-%d %H:%M} to {ends[1]:%Y-%m-%d %H:%M} UTC"
    yield f"time: {options.time_name}, {form}, times without an offset are {options.time_zone}{span}"


def _options_that_take(parsed: Parsed) -> list[tuple[str, str]]:
    """Options that read odd cells and change no other: another decimal mark would; to leave out rows is not for us."""
    options = parsed.refusal.options if parsed.refusal else ()
    known = ("missing", "below_detection", "trailing")
    return [(name, value) for name, value in options if name in known and not value.endswith("=*")]


def _add(options: TableOptions, takes: Sequence[tuple[str, str]]) -> TableOptions:
    missing, trailing = (tuple(value for name, value in takes if name == wanted) for wanted in ("missing", "trailing"))
    below = next((value for name, value in takes if name == "below_detection"), options.below_detection)
    return replace(
        options,
        missing=(*options.missing, *missing), trailing=(*options.trailing, *trailing), below_detection=below,
    )  # fmt: skip


def _describe_refusals(first: Parsed, then: Parsed, takes: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Say what backtest refuses, and whether it still does with the options that are printed."""
    if first.refusal is not None:
        yield first.refusal.message
    if takes:
        yield "what follows is with " + command_line(_add(TableOptions(), takes))
    if then.refusal is not None:
        yield from [then.refusal.message] if takes else []
        yield "backtest refuses the table until that is put right"


def _describe_values(
    path: Path, parsed: Parsed, ordered: SortedObservations, series: list[Proposed], options: TableOptions
) -> Iterator[str]:
    yield from say_marks(parsed)
    left_out = [f"{count:,} {UNUSABLE.get(reason, reason)}" for reason, count in parsed.rejected.items()]
    if ordered.duplicates:
        left_out.append(ordered.say_duplicates())
    if left_out:
        yield f"values left out: {', '.join(left_out)}"
    # Of a table that is refused the refusal names all rows by kind.
    rows = f"{path}, row "
    yield from (line for line in parsed.complaints if parsed.refusal is None or not line.startswith(rows))
    if parsed.shape.left_out:
        yield f"columns of text, no series: {_listed(parsed.shape.left_out)}"
    yield from parsed.late
    silent = [name for name in parsed.shape.values if parsed.shape.series is None and not parsed.shape.by]
    if silent := [name for name in silent if name not in ordered.names and not name.startswith(UNNAMED)]:
        yield f"no numbers yet: {_listed(silent)}"
    if constant := [one.name for one in series if one.constant]:
        yield f"always the same value: {_listed(constant)}"
    yield from ordered.remarks
    yield from ordered.say_repeated_hour(options.time_zone)


def _shared_seasons(series: Sequence[Proposed]) -> list[str]:
    """Name the seasons that at least half of the series have: one that is not there costs the others little."""
    counts = Counter(season.text for one in series for season in one.seasons)
    return [season for season, count in counts.items() if 2 * count >= len(series)]


def _listed(names: Sequence[str]) -> str:
    shown = [name for name in names if not name.startswith(UNNAMED)]
    return ", ".join(shown[:LISTED]) + (f" and {len(shown) - LISTED:,} more" if len(shown) > LISTED else "")
