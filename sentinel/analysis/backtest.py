"""Backtests: recorded series are analysed, judged and drawn, from files into a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from sentinel.analysis import assembling
from sentinel.analysis.arguments import first_fault
from sentinel.analysis.explaining import EVENTS_FILE, write_events
from sentinel.analysis.intake import Intake
from sentinel.analysis.labels import read_labels
from sentinel.analysis.pictures import draw_record, write_picture
from sentinel.analysis.readings import Readings, alarm_table, read_ticks, site_table
from sentinel.analysis.record import SeriesRecord, add_units
from sentinel.analysis.report import Report, ReportSection, write_report
from sentinel.analysis.run import Findings, run
from sentinel.analysis.skill import Rival, Skill, compare, measure
from sentinel.analysis.sweep import describe_sweep, rest_on_half_lives, sweep
from sentinel.analysis.variations import describe_variations, vary_rules
from sentinel.analysis.verdicts import SKILL_FILES, describe_skill, write_skill
from sentinel.config import Settings, from_mapping
from sentinel.domain.errors import ConfigError, UsageError
from sentinel.domain.observation import INSTANT
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
    asked = {"cadence": cadence, "season": list(season), "aggregate": aggregate, "resolution": resolution}
    given = {name: value for name, value in asked.items() if value not in (None, "", [])}
    if not given:
        return settings
    written = settings.model_dump(mode="json")
    entries = [entry | given for entry in written["series"]]
    if not any(entry["match"] == "*" for entry in entries):
        entries.append({"match": "*"} | given)
    try:
        return from_mapping(written | {"series": entries})
    except ConfigError as error:
        several = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
        options = (
            f"--{name} {one:g}" if name == "resolution" else f"--{name} {one}"
            for name in several
            for one in several[name]
        )
        raise UsageError(f"{' '.join(options)}: {first_fault(error)}") from error


def backtest(
    paths: Sequence[Path],
    intake: Intake,
    settings: Settings,
    out: Path,
    *,
    conditioning: bool,
    events: tuple[Path, TableOptions] | None,
    sweeping: bool,
    stage: assembling.Stage,
    readings_csv: bool,
    picture: str | None,
    look: Look,
) -> tuple[Report, list[Path]]:
    """Analyse what was read from these files and write the results into a folder, which must be there.

    Without `conditioning` the values are residuals already. `events` is a file of labelled events by which the alarms
    are judged, and how it is written; `sweeping` tries other half-lives, thresholds, budgets and scales, too;
    `readings_csv` writes the readings once more, as text; `picture` is the format of a file for each series that is
    drawn, in this `look`, None = no files. Gives the report, and the files that were written.

    Raises DataError: there is nothing to analyse, a counterpart is missing, or the labels do not fit the data.
    """
    read = None if events is None else partial(read_labels, *events, numbered=intake.numbered)
    with TemporaryDirectory(prefix=".sentinel-", dir=out) as folder:
        readings = Readings(Path(folder))
        found = assembling.analyse_table(
            intake, settings, ", ".join(map(str, paths)), Path(folder), readings, conditioning=conditioning,
            kept=assembling.KEPT, read_labels=read, stage=stage,
        )  # fmt: skip
        findings = found.findings
        files = ["report.html", "readings.parquet", "alarms.csv", EVENTS_FILE]
        readings.lazy().sink_parquet(out / "readings.parquet")
        table = pl.scan_parquet(out / "readings.parquet")
        alarm_table(findings.events, findings.axes).write_csv(out / "alarms.csv", datetime_format=INSTANT)
        write_events(findings, settings, out, conditioning=conditioning)
        if readings_csv:
            files.append("readings.csv")
            table.sink_csv(out / "readings.csv", datetime_format=INSTANT)
        if picture:
            files += _write_pictures(findings, out, picture, look)
        if settings.sites:
            files.append("sites.csv")
            table_of_sites = site_table(findings.sites, findings.records[0].axis)
            table_of_sites.write_csv(out / "sites.csv", datetime_format=INSTANT)
        sections = []
        if found.timelines is not None:
            files += SKILL_FILES
            skill, rivals = judge(found, table)
            write_skill(skill, rivals, found.budgets, out)
            sections.append(describe_skill(skill, rivals))
        if sweeping:
            sections += vary(found, stage("sweeping", 0))
        title = ", ".join(path.name for path in paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        report = assembling.assemble(found, title, [str(path) for path in paths], table, sections, stage)
    write_report(report, out / "report.html")
    return report, [out / name for name in files]


def _write_pictures(findings: Findings, out: Path, ending: str, look: Look) -> list[str]:
    """Write a file for each series that is drawn; give their names in the folder."""
    (out / "pictures").mkdir(exist_ok=True)
    written: list[str] = []
    for record in assembling.choose_drawn(findings.records, findings):
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
        observations = assembling.sort_input(intake, Path(folder), settings, where, series)
        findings = run(observations, settings, conditioning=conditioning, readings=None, kept=None)
    records = add_units(findings.records, intake.units)
    record = next((record for record in records if series in (None, record.name)), None)
    if record is None:
        raise assembling.no_series(series, observations.names, where)
    return record, draw_record(record, findings.portraits.get(record.id), look)


def judge(found: assembling.Analysed, readings: pl.LazyFrame) -> tuple[Skill, list[Rival]]:
    """Judge the alarms of a table with labels by these, beside those of other indicators."""
    assert found.timelines is not None
    records, timelines = found.findings.records, found.timelines
    labelled = [record for record in records if record.name in timelines]
    ticks = {record.name: own for record, own in read_ticks(readings, labelled)}
    skill = measure(records, timelines, ticks, found.watch.codes)
    return skill, compare(skill, records, timelines, ticks)


def vary(found: assembling.Analysed, progress: assembling.Progress = lambda _: None) -> list[ReportSection]:
    """Try other half-lives, thresholds, budgets and scales on the same record."""
    records = found.findings.records
    halves = [describe_sweep(sweep(found, progress), records)] if rest_on_half_lives(records) else []
    return [*halves, describe_variations(vary_rules(found), records, labelled=found.timelines is not None)]
