"""A backtest: what is read from files is analysed, judged, drawn and written into one folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from sentinel.analysis.intake import Intake, SortedObservations, nothing_usable, sort
from sentinel.analysis.labels import Timeline, make_timelines, read_labels
from sentinel.analysis.readings import INSTANT, Readings, alarm_table, read_ticks, site_table
from sentinel.analysis.record import SeriesRecord, rank
from sentinel.analysis.remarks import find_remarks
from sentinel.analysis.report import Report, ReportSection, describe_sites, draw_record, png, write_report
from sentinel.analysis.rivals import compare
from sentinel.analysis.run import compares, list_names, refuse_absent_counterparts, refuse_nothing, run
from sentinel.analysis.seasons import LONGEST_RECORD, find_undeclared_seasons
from sentinel.analysis.skill import measure
from sentinel.analysis.sweep import describe_sweep, sweep
from sentinel.analysis.verdicts import SKILL_FILES, describe_skill, write_skill
from sentinel.config import Settings
from sentinel.domain.errors import DataError
from sentinel.pipeline.plan import comparison_name
from sentinel.pipeline.sites import without_enough
from sentinel.tables import TableOptions
from sentinel.views.picture import Figure

PICTURES = 50
"""Series drawn in a report; the rest stand in its table."""

Progress = Callable[[int], None]
"""Is told how far a stage of the work has come."""
Stage = Callable[[str, int], Progress]
"""Begins a stage of the work by its name and total; 0 = unknown."""


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
) -> tuple[Report, list[Path]]:
    """Analyse recorded series and write the results into a folder.

    Parameters
    ----------
    paths, intake
        The files and what was read from them.
    out
        The folder of the results; it must be there.
    conditioning
        False takes the values as residuals already.
    events
        File of labelled events by which the alarms are judged, and how it is written.
    sweeping
        Whether half and double the half-lives are tried, too.

    Returns
    -------
    The report, and the files that were written.

    Raises
    ------
    DataError
        There is nothing to analyse, a counterpart is missing, or the labels do not fit the data.
    """
    where = ", ".join(map(str, paths))
    with _scratch(out) as folder:
        observations = _sort(intake, Path(folder), settings, where, progress=stage("reading", 0))
        names = observations.names
        refuse_absent_counterparts(settings, names, where)
        labels = None
        if events is not None:
            labels = read_labels(*events, list_names(settings, names), numbered=intake.numbered)
        readings = Readings(Path(folder), names)
        findings = run(
            observations, settings, conditioning=conditioning, readings=readings,
            kept=4 * PICTURES, progress=stage("analysing", observations.rows),
        )  # fmt: skip
        refuse_nothing(findings, observations, where)
        records = findings.records
        timelines = None if labels is None else make_timelines(labels, records)
        files = ["report.html", "readings.parquet", "alarms.csv"]
        readings.lazy().sink_parquet(out / "readings.parquet")
        table = pl.scan_parquet(out / "readings.parquet")
        axes = {record.name: record.axis for record in records}
        alarm_table(findings.events, axes).write_csv(out / "alarms.csv", datetime_format=INSTANT)
        drawn = [record for record in rank(records) if record.id in findings.portraits][:PICTURES]
        pictures: dict[str, bytes] = {}
        progress = stage("drawing", len(drawn))
        for record in drawn:
            pictures[record.name] = png(draw_record(record, findings.portraits[record.id], titled=False))
            record.undeclared = find_undeclared_seasons(record, table)
            progress(len(pictures))
        sections: list[ReportSection] = []
        if settings.sites:
            files.append("sites.csv")
            site_table(findings.sites, records[0].axis).write_csv(out / "sites.csv", datetime_format=INSTANT)
            sections.append(describe_sites(findings.sites, [site.name for site in settings.sites], records))
        if timelines is not None:
            files.extend(SKILL_FILES)
            sections.append(_judge(records, timelines, table, out))
        if sweeping:
            cells = sweep(
                records, settings, timelines, observations, conditioning=conditioning, progress=stage("sweeping", 0)
            )
            sections.append(describe_sweep(cells, records))
        # A record that is too long to be looked at as a whole is only streamed.
        short = [record for record in drawn if record.ticks <= LONGEST_RECORD]
        by_series = {record.name: list(find_remarks(record, own)) for record, own in read_ticks(table, short)}
    report = Report(
        title=", ".join(path.name for path in paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else ""),
        inputs=[str(path) for path in paths],
        records=records,
        pictures=pictures,
        observations=observations.rows - observations.duplicates,
        duplicates=observations.duplicates,
        left_out=intake.left_out,
        left_columns=intake.left_columns,
        complaints=[
            *intake.complaints,
            *without_enough(settings.sites, (list_names(settings, [name]) for name in names)),
        ],
        conditioning=conditioning,
        sections=sections,
        remarks=by_series,
    )
    write_report(report, out / "report.html")
    return report, [out / name for name in files]


def plot(
    paths: Sequence[Path], intake: Intake, settings: Settings, out: Path, series: str | None, *, conditioning: bool
) -> tuple[SeriesRecord, Figure]:
    """Analyse and draw one series, by default the first of the input.

    `out` is the folder in which the observations are sorted; nothing of them stays there.

    Raises
    ------
    DataError
        There is no such series, or it has not a single tick.
    """
    where = ", ".join(map(str, paths))
    with _scratch(out) as folder:
        if series is None:
            first = intake.observations.head(1).collect()["series"]
            series = str(first[0]) if first.len() else None
        observations = _sort(intake, Path(folder), settings, where, series)
        findings = run(observations, settings, conditioning=conditioning, readings=None, kept=None)
    record = next((record for record in findings.records if series in (None, record.name)), None)
    if record is None:
        raise _no_series(series, observations.names, where)
    return record, draw_record(record, findings.portraits.get(record.id))


def _judge(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], table: pl.LazyFrame, out: Path
) -> ReportSection:
    """Judge the alarms by the labels and write skill.csv and skill.json."""
    labelled = [record for record in records if record.name in timelines]
    ticks = {record.name: own for record, own in read_ticks(table, labelled)}
    skill = measure(records, timelines, ticks)
    rivals = compare(skill, records, timelines, ticks)
    write_skill(skill, rivals, out)
    return describe_skill(skill, rivals)


def _scratch(out: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder beside the results for what is sorted and joined; it goes with the block."""
    return tempfile.TemporaryDirectory(prefix=".sentinel-", dir=out)


def _sort(
    intake: Intake,
    folder: Path,
    settings: Settings,
    where: str,
    only: str | None = None,
    progress: Progress = lambda _: None,
) -> SortedObservations:
    """Sort on disk, all series or `only` one with those it is compared with; DataError if there is nothing to sort."""
    needed: tuple[str, ...] = ()
    if only is not None:
        target, _, counterpart = only.partition(comparison_name("", ""))
        needed = (only, target, counterpart) if counterpart else (only,)
    observations = sort(intake.observations, folder, needed, progress, by_time=compares(settings))
    if not observations.names:
        raise nothing_usable(where, intake.left_out)
    if observations.rows == 0:
        raise _no_series(only, observations.names, where)
    return observations


def _no_series(name: str | None, names: Sequence[str], where: str) -> DataError:
    known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return DataError(f"{where}: no series {name!r}; there are {known}")
