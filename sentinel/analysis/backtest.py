"""Backtests: recorded series are analysed, judged and drawn, from files into a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from sentinel.analysis.alternatives import Blocks
from sentinel.analysis.arguments import first_fault
from sentinel.analysis.assembling import KEPT, Progress, Stage, assemble, choose_drawn
from sentinel.analysis.budgets import Watch, list_budgets
from sentinel.analysis.inspection import find_oddities
from sentinel.analysis.intake import Intake, SortedObservations, sort
from sentinel.analysis.labels import Timeline, make_timelines, read_labels
from sentinel.analysis.pictures import draw_record, write_picture
from sentinel.analysis.readings import Readings, alarm_table, read_ticks, site_table
from sentinel.analysis.receipts import EVENTS_FILE, write_events
from sentinel.analysis.record import SeriesRecord, add_units
from sentinel.analysis.report import Report, ReportSection, write_report
from sentinel.analysis.run import Findings, compares, refuse_absent_counterparts, refuse_nothing, refuse_repeats, run
from sentinel.analysis.skill import Rival, Skill, compare, measure
from sentinel.analysis.sweep import describe_sweep, rest_on_half_lives, sweep
from sentinel.analysis.variations import describe_variations, vary_rules
from sentinel.analysis.verdicts import SKILL_FILES, describe_skill, write_skill
from sentinel.config import Settings, from_mapping
from sentinel.domain.errors import ConfigError, DataError, UsageError
from sentinel.domain.labels import compared_names
from sentinel.domain.observation import INSTANT
from sentinel.pipeline.plan import list_names
from sentinel.tables import TableOptions
from sentinel.views.picture import Look

if TYPE_CHECKING:
    from sentinel.views.picture.figure import Figure


def with_spans(
    settings: Settings, cadence: str | None, season: Sequence[str], aggregate: str | None = None,
    resolution: float | None = None,
) -> Settings:  # fmt: skip
    """Give every series this cadence, these seasons, this way to aggregate and this resolution, where they are given.

    Raises UsageError: they do not fit each other or the settings.
    """
    given: dict[str, Any] = {"cadence": cadence} if cadence else {}
    given |= {"season": list(season)} if season else {}
    given |= {"aggregate": aggregate} if aggregate else {}
    given |= {"resolution": resolution} if resolution is not None else {}
    if not given:
        return settings
    written = settings.model_dump(mode="json")
    entries = [entry | given for entry in written["series"]]
    if not any(entry["match"] == "*" for entry in entries):
        entries.append({"match": "*"} | given)
    try:
        return from_mapping(written | {"series": entries})
    except ConfigError as error:
        options = [*([f"--cadence {cadence}"] if cadence else []), *(f"--season {one}" for one in season)]
        options += [f"--aggregate {aggregate}"] if aggregate else []
        options += [f"--resolution {resolution:g}"] if resolution is not None else []
        raise UsageError(f"{' '.join(options)}: {first_fault(error)}") from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files of a backtest that are written only when asked for."""

    readings_csv: bool = False
    """The readings once more, as text."""
    picture: str | None = None
    """Format of a file for each series that is drawn."""
    look: Look = field(default_factory=Look)


def backtest(
    paths: Sequence[Path],
    intake: Intake,
    settings: Settings,
    out: Path,
    *,
    conditioning: bool,
    events: tuple[Path, TableOptions] | None,
    sweeping: bool,
    stage: Stage,
    wanted: Wanted = Wanted(),
) -> tuple[Report, list[Path]]:
    """Analyse what was read from these files and write the results into a folder, which must be there.

    Parameters
    ----------
    conditioning
        False takes the values as residuals already.
    events
        File of labelled events by which the alarms are judged, and how it is written.
    sweeping
        Whether other half-lives, thresholds, budgets and scales are tried, too.
    wanted
        Files beyond the usual ones.

    Returns
    -------
    The report, and the files that were written.

    Raises DataError: there is nothing to analyse, a counterpart is missing, or the labels do not fit the data.
    """
    where = ", ".join(map(str, paths))
    with TemporaryDirectory(prefix=".sentinel-", dir=out) as folder:
        observations = sort_input(intake, Path(folder), settings, where, progress=stage("reading", 0))
        names = observations.names
        labels = None
        if events is not None:
            labels = read_labels(*events, list_names(settings, names), numbered=intake.numbered)
        labelled = {label.series for label in labels or ()}
        readings, watch = Readings(Path(folder)), Watch(set(list_names(settings, list(labelled))))
        blocks = Blocks()
        findings = run(
            observations, settings, conditioning=conditioning, readings=readings, kept=KEPT, observers=[watch, blocks],
            progress=stage("analysing", observations.rows),
        )  # fmt: skip
        refuse_nothing(findings, observations, where)
        refuse_repeats(observations, where)
        records = add_units(findings.records, intake.units)
        timelines = None if labels is None else make_timelines(labels, records)
        files = ["report.html", "readings.parquet", "alarms.csv", EVENTS_FILE]
        readings.lazy().sink_parquet(out / "readings.parquet")
        table = pl.scan_parquet(out / "readings.parquet")
        alarm_table(findings.events, findings.axes).write_csv(out / "alarms.csv", datetime_format=INSTANT)
        write_events(findings, settings, out, conditioning=conditioning)
        if wanted.readings_csv:
            files.append("readings.csv")
            table.sink_csv(out / "readings.csv", datetime_format=INSTANT)
        if wanted.picture:
            files += _write_pictures(findings, out, wanted.picture, wanted.look)
        if settings.sites:
            files.append("sites.csv")
            table_of_sites = site_table(findings.sites, records[0].axis)
            table_of_sites.write_csv(out / "sites.csv", datetime_format=INSTANT)

        def judge_and_vary() -> list[ReportSection]:
            sections = []
            if timelines is not None:
                files.extend(SKILL_FILES)
                skill, rivals = judge(records, timelines, table, watch)
                write_skill(skill, rivals, list_budgets(watch.counts.items()), out)
                sections.append(describe_skill(skill, rivals))
            if sweeping:
                progress = stage("sweeping", 0)
                sections += vary(
                    records, settings, timelines, observations, conditioning=conditioning, progress=progress
                )
            return sections

        report = assemble(
            [path.name for path in paths], intake, observations, findings, table, watch, blocks, settings,
            list(find_oddities(intake, observations, records)), conditioning=conditioning, stage=stage,
            more=judge_and_vary,
        )  # fmt: skip
    report = replace(report, inputs=[str(path) for path in paths])
    write_report(report, out / "report.html")
    return report, [out / name for name in files]


def _write_pictures(findings: Findings, out: Path, ending: str, look: Look) -> list[str]:
    """Write a file for each series that is drawn; give their names in the folder."""
    (out / "pictures").mkdir(exist_ok=True)
    written: list[str] = []
    for record in choose_drawn(findings.records, findings):
        plain = re.sub(r"[^\w.-]+", "_", record.name)
        name = f"pictures/{plain}.{ending}"
        if name in written:
            name = f"pictures/{plain}-{record.id}.{ending}"
        write_picture(draw_record(record, findings.portraits[record.id], look), out / name, "--picture")
        written.append(name)
    return written


def plot(
    paths: Sequence[Path],
    intake: Intake,
    settings: Settings,
    out: Path,
    series: str | None,
    look: Look | None = None,
    *,
    conditioning: bool,
) -> tuple[SeriesRecord, Figure]:
    """Analyse and draw one series, by default the first of the input.

    `out` is the folder in which the observations are sorted; nothing of them stays there.

    Raises DataError: there is no such series, or it has not a single tick.
    """
    where = ", ".join(map(str, paths))
    with TemporaryDirectory(prefix=".sentinel-", dir=out) as folder:
        if series is None:
            first = intake.observations.head(1).collect()["series"]
            series = str(first[0]) if first.len() else None
        observations = sort_input(intake, Path(folder), settings, where, series)
        findings = run(observations, settings, conditioning=conditioning, readings=None, kept=None)
    records = add_units(findings.records, intake.units)
    record = next((record for record in records if series in (None, record.name)), None)
    if record is None:
        raise _no_series(series, observations.names, where)
    return record, draw_record(record, findings.portraits.get(record.id), look)


def judge(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], table: pl.LazyFrame, watch: Watch
) -> tuple[Skill, list[Rival]]:
    """Judge the alarms by the labels, beside those of other indicators."""
    labelled = [record for record in records if record.name in timelines]
    ticks = {record.name: own for record, own in read_ticks(table, labelled)}
    skill = measure(records, timelines, ticks, watch.codes)
    return skill, compare(skill, records, timelines, ticks)


def vary(
    records: Sequence[SeriesRecord],
    settings: Settings,
    timelines: Mapping[str, Timeline] | None,
    observations: SortedObservations,
    *,
    conditioning: bool,
    progress: Progress,
) -> list[ReportSection]:
    """Try other half-lives, thresholds, budgets and scales on the same record."""
    sections = []
    if rest_on_half_lives(records):
        cells = sweep(records, settings, timelines, observations, conditioning=conditioning, progress=progress)
        sections.append(describe_sweep(cells, records))
    varied = vary_rules(records, settings, timelines, observations, conditioning=conditioning)
    return [*sections, describe_variations(varied, records, labelled=timelines is not None)]


def sort_input(
    intake: Intake, folder: Path, settings: Settings, where: str,
    only: str | None = None, progress: Progress = lambda _: None,
) -> SortedObservations:  # fmt: skip
    """Sort on disk, all series or `only` one with those it is compared with; DataError if that leaves nothing."""
    needed: tuple[str, ...] = ()
    if only is not None:
        target, counterpart = compared_names(only)
        needed = (only, target, counterpart) if counterpart else (only,)
    observations = sort(
        intake.observations, folder, needed, progress, by_time=compares(settings), differences=intake.differences
    )
    if not observations.names:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in intake.left_out.items()) or "no values"
        raise DataError(f"{where}: no usable value ({counts}); a column of numbers is needed")
    if observations.rows == 0:
        raise _no_series(only, observations.names, where)
    if only is None:
        refuse_absent_counterparts(settings, observations.names, where)
    return observations


def _no_series(name: str | None, names: Sequence[str], where: str) -> DataError:
    known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return DataError(f"{where}: no series {name!r}; there are {known}")
