"""The parts of a backtest that its flags ask for: `--events` and `--sweep`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from sentinel.analysis import skill_files, sweep, verdicts
from sentinel.analysis.labels import Label, read_labels
from sentinel.analysis.matched import compare
from sentinel.analysis.options import options_of
from sentinel.analysis.phases import Timeline
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.report import Section
from sentinel.analysis.run import run
from sentinel.analysis.skill import measure
from sentinel.analysis.sorting import Sorted
from sentinel.analysis.ticks import read_ticks
from sentinel.config import Settings


def labels_of(arguments: argparse.Namespace, names: Sequence[str], *, numbered: bool) -> list[Label] | None:
    """The labelled events that the command line names; None = none."""
    if not arguments.events:
        return None
    return read_labels(Path(arguments.events), options_of(arguments), names, numbered=numbered)


def judged(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], readings: pl.LazyFrame, out: Path
) -> Section:
    """Judge the alarms by the labels; writes skill.csv and skill.json to `out`."""
    labelled = [record for record in records if record.name in timelines]
    ticks = {record.name: own for record, own in read_ticks(readings, labelled)}
    skill = measure(records, timelines, ticks)
    rivals = compare(skill, records, timelines, ticks)
    skill_files.write(skill, rivals, out)
    return verdicts.section(skill, rivals)


def swept(
    records: Sequence[SeriesRecord],
    settings: Settings,
    timelines: Mapping[str, Timeline] | None,
    observations: Sorted,
    *,
    conditioning: bool,
    told: Callable[[int], None],
) -> Section:
    """Analyse the same observations under half and double the half-lives.

    Parameters
    ----------
    told
        Told how many settings have been tried beside the one used.
    """
    tried = 0

    def again(other: Settings) -> Sequence[SeriesRecord]:
        nonlocal tried
        found = run(observations, other, conditioning=conditioning, readings=None, kept=0)
        tried += 1
        told(tried)
        return found.records

    return sweep.section(sweep.sweep(records, settings, timelines, again, conditioning=conditioning), records)
