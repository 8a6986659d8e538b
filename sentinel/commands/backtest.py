"""`sentinel backtest` and `sentinel plot`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from sentinel.analysis import sited
from sentinel.analysis.character import remarks
from sentinel.analysis.counterparts import refuse_absent_counterparts
from sentinel.analysis.figures import figure, png
from sentinel.analysis.intake import Intake, nothing_usable, read_files
from sentinel.analysis.labelled import judged, labels_of, swept
from sentinel.analysis.options import options_of, settings_of
from sentinel.analysis.phases import timelines
from sentinel.analysis.progress import shown
from sentinel.analysis.readings import INSTANT, Readings, alarm_table, site_table
from sentinel.analysis.record import ranked
from sentinel.analysis.report import Report, write
from sentinel.analysis.run import compares, known_names, refuse_nothing, run
from sentinel.analysis.season import LONGEST_RECORD
from sentinel.analysis.seasons import undeclared_seasons
from sentinel.analysis.sentences import sentence
from sentinel.analysis.skill_files import SKILL_FILES
from sentinel.analysis.sorting import Sorted, sort
from sentinel.analysis.summary import summary
from sentinel.analysis.ticks import read_ticks
from sentinel.commands.output import folder_for, writing
from sentinel.config import Settings
from sentinel.domain.errors import DataError, UsageError
from sentinel.pipeline.plan import paired_name
from sentinel.pipeline.sites import without_enough
from sentinel.views.picture import write as write_figure

PICTURES = 50
"""Series drawn in a report; the rest stand in its table."""


def main(arguments: argparse.Namespace) -> int:
    """Analyse recorded series; writes readings.parquet, alarms.csv and report.html to `--out`."""
    settings = settings_of(arguments)
    full = arguments.conditioning == "full"
    paths = [Path(path) for path in arguments.input]
    intake = read_files(paths, options_of(arguments))
    out = folder_for(Path(arguments.out))
    with shown(enabled=not arguments.quiet) as stage, _scratch(out) as scratch:
        observations = _sorted(intake, scratch, paths, settings, progress=stage("reading", 0))
        refuse_absent_counterparts(settings, observations.names, _where(paths))
        labels = labels_of(arguments, known_names(settings, observations.names), numbered=intake.numbered)
        readings = Readings(scratch, observations.names)
        outcome = run(
            observations, settings, conditioning=full, readings=readings,
            kept=4 * PICTURES, progress=stage("analysing", observations.rows),
        )  # fmt: skip
        refuse_nothing(outcome, observations, _where(paths))
        lines = None if labels is None else timelines(labels, outcome.records)
        axes = {record.name: record.axis for record in outcome.records}
        readings.lazy().sink_parquet(out / "readings.parquet")
        alarm_table(outcome.events, axes).write_csv(out / "alarms.csv", datetime_format=INSTANT)
        if settings.sites:
            found = site_table(outcome.sites, outcome.records[0].axis)
            found.write_csv(out / "sites.csv", datetime_format=INSTANT)
        drawn = [record for record in ranked(outcome.records) if record.id in outcome.portraits][:PICTURES]
        told = stage("drawing", len(drawn))
        pictures: dict[str, bytes] = {}
        for record in drawn:
            pictures[record.name] = png(figure(record, outcome.portraits[record.id], titled=False))
            record.undeclared = undeclared_seasons(record, readings)
            told(len(pictures))
        table = pl.scan_parquet(out / "readings.parquet")
        sections = []
        if settings.sites:
            names = [site.name for site in settings.sites]
            sections.append(sited.section(outcome.sites, names, outcome.records))
        if lines is not None:
            sections.append(judged(outcome.records, lines, table, out))
        if arguments.sweep:
            sections.append(
                swept(outcome.records, settings, lines, observations, conditioning=full, told=stage("sweeping", 0))
            )
        # A record that is too long to be looked at as a whole is only streamed.
        short = [record for record in drawn if record.ticks <= LONGEST_RECORD]
        remarked = {r.name: list(remarks(r, ticks)) for r, ticks in read_ticks(table, short)}
    report = Report(
        title=", ".join(path.name for path in paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else ""),
        inputs=[str(path) for path in paths],
        records=outcome.records,
        pictures=pictures,
        observations=observations.rows - observations.duplicates,
        duplicates=observations.duplicates,
        left_out=intake.left_out,
        left_columns=intake.left_columns,
        complaints=[
            *intake.complaints,
            *without_enough(settings.sites, (known_names(settings, [name]) for name in observations.names)),
        ],
        conditioning=full,
        sections=sections,
        remarks=remarked,
    )
    with writing(out):
        write(report, out / "report.html")
    if not arguments.quiet:
        for line in summary(report):
            print(line)
        files = ["report.html", "readings.parquet", "alarms.csv", *(["sites.csv"] if settings.sites else [])]
        files += [] if lines is None else SKILL_FILES
        print(f"written: {', '.join(str(out / name) for name in files)}")
    return 0


def plot_main(arguments: argparse.Namespace) -> int:
    """Draw the stability spectrogram of one series to a PNG or SVG file."""
    target = Path(arguments.out)
    file_format = target.suffix.lower().removeprefix(".")
    if file_format not in ("png", "svg"):
        raise UsageError(f"--out {target}: the ending must be .png or .svg")
    settings = settings_of(arguments)
    paths = [Path(path) for path in arguments.input]
    intake = read_files(paths, options_of(arguments))
    with _scratch(folder_for(target.parent)) as scratch:
        only = arguments.series or _first_series(intake)
        observations = _sorted(intake, scratch, paths, settings, only)
        outcome = run(observations, settings, conditioning=arguments.conditioning == "full", readings=None, kept=None)
        record = next((record for record in outcome.records if only in (None, record.name)), None)
        if record is None:
            raise _no_series(only, observations.names, _where(paths))
        made = figure(record, outcome.portraits.get(record.id))
    with writing(target):
        write_figure(made, target, file_format)
    print(f"{record.name}: {sentence(record)}.")
    print(f"written: {target}")
    return 0


def _first_series(intake: Intake) -> str | None:
    """Name of the series that comes first in the input."""
    first = intake.observations.head(1).collect()
    return str(first["series"][0]) if first.height else None


def _sorted(
    intake: Intake,
    scratch: Path,
    paths: list[Path],
    settings: Settings,
    only: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Sorted:
    """Sort on disk; DataError if there is nothing to sort."""
    where = _where(paths)
    with writing(scratch.parent):
        by_time = compares(settings)
        observations = sort(intake.observations, scratch, _needed(only), progress, by_time=by_time)
    if not observations.names:
        raise nothing_usable(where, intake.left_out)
    if observations.rows == 0:
        raise _no_series(only, observations.names, where)
    return observations


def _no_series(only: str | None, names: Sequence[str], where: str) -> DataError:
    known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return DataError(f"{where}: no series {only!r}; there are {known}")


def _needed(only: str | None) -> tuple[str, ...]:
    """The series of the input behind a series, which may be a paired one."""
    if only is None:
        return ()
    target, _, counterpart = only.partition(paired_name("", ""))
    return (only, target, counterpart) if counterpart else (only,)


def _where(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths)


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder beside the results for what is sorted and joined; gone afterwards."""
    with writing(out), tempfile.TemporaryDirectory(prefix=".sentinel-", dir=out) as folder:
        yield Path(folder)
