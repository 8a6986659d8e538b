"""`sentinel backtest` and `sentinel plot`: analyse recorded series as if they came in live."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentinel.analysis.assembling import Progress, Stage, silent
from sentinel.analysis.backtest import backtest, plot, with_spans
from sentinel.analysis.gate import judge_gate, parse_gate, try_settings
from sentinel.analysis.intake import read_files
from sentinel.analysis.pictures import picture_format, write_picture
from sentinel.analysis.record import describe
from sentinel.analysis.report import summarise
from sentinel.commands.main import folder_for, table_options, writing
from sentinel.config import EventsFile, Settings, load, with_events
from sentinel.domain.errors import SentinelError
from sentinel.views.picture import Look


def main(arguments: argparse.Namespace) -> int:
    """Analyse recorded series; writes readings.parquet, alarms.csv and report.html to `--out`."""
    settings, options = settings_of(arguments), table_options(arguments)
    injects = arguments.inject is not None
    conditions = parse_gate(arguments.gate, injects=injects) if arguments.gate else []
    look = _look(arguments)
    paths = [Path(path) for path in arguments.input]
    intake = read_files(paths, options)
    out = folder_for(Path(arguments.out))
    with writing(out), _show_progress(enabled=not arguments.quiet) as stage:
        report, files = backtest(
            paths, intake, settings, out, conditioning=arguments.conditioning == "full",
            events=(Path(arguments.events), options) if arguments.events else None,
            sweeping=arguments.sweep, stage=stage, readings_csv=arguments.readings == "csv", picture=arguments.picture,
            look=look,
        )  # fmt: skip
    if not arguments.quiet:
        for line in summarise(report):
            print(line)
        print(f"written: {', '.join(map(str, files))}")
    if not (conditions or injects):
        return 0
    full = arguments.conditioning == "full"
    with writing(out):
        tried = try_settings(paths, intake, settings, out, conditioning=full, injects=injects)
    passed, lines = judge_gate(tried, conditions)
    print("\n".join(lines))
    return 0 if passed else SentinelError.exit_code


def plot_main(arguments: argparse.Namespace) -> int:
    """Draw the stability spectrogram of one series to a PDF, SVG or PNG file."""
    target = Path(arguments.out)
    picture_format(target, "--out")
    settings, look = settings_of(arguments), _look(arguments)
    paths = [Path(path) for path in arguments.input]
    intake = read_files(paths, table_options(arguments))
    out, full = folder_for(target.parent), arguments.conditioning == "full"
    with writing(out):
        record, figure = plot(paths, intake, settings, out, arguments.series, look, conditioning=full)
    write_picture(figure, target, "--out")
    for line in intake.read_as:
        print(line)
    print(f"{record.name}: {describe(record)}.")
    print(f"written: {target}")
    return 0


def _look(arguments: argparse.Namespace) -> Look:
    words = {"labels": "label", "font_size": "font-size"}
    return Look.checked(
        size=arguments.size, font_size=arguments.font_size, title=arguments.title, labels=dict(arguments.label),
        word=lambda name: f"--{words.get(name, name)}",
    )  # fmt: skip


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Load the settings, with what the command line says about all series."""
    settings = load(arguments.config) if arguments.config else Settings()
    table = getattr(arguments, "events_file", None)
    settings = with_events(settings, [EventsFile(path=Path(table))] if table else ())
    return with_spans(settings, arguments.cadence, arguments.season, arguments.aggregate, arguments.resolution)


@contextmanager
def _show_progress(*, enabled: bool) -> Iterator[Stage]:
    """Show stages of the work on standard error while the block runs, if that is a terminal."""
    if not (enabled and sys.stderr.isatty()):
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def begin(name: str, total: int) -> Progress:
            task = bars.add_task(name, total=total or None)
            return lambda done: bars.update(task, completed=done)

        yield begin
