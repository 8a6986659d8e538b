"""Backtests: recorded series are analysed, judged and drawn, from files into a folder or for a notebook."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from sentinel.analysis.alternatives import describe_alternatives, try_rules
from sentinel.analysis.budgets import Watch, describe_budgets, list_budgets
from sentinel.analysis.inspection import find_oddities
from sentinel.analysis.intake import Intake, SortedObservations, read_files, read_frame, sort
from sentinel.analysis.labels import Timeline, make_timelines, read_labels
from sentinel.analysis.lookback import LONGEST_RECORD, find_remarks, find_undeclared_seasons
from sentinel.analysis.pictures import PagePicture, draw_for_page, draw_record, png
from sentinel.analysis.readings import INSTANT, Readings, alarm_table, read_ticks, site_table
from sentinel.analysis.record import SeriesRecord, describe, rank
from sentinel.analysis.report import Report, ReportSection, describe_sites, write_report
from sentinel.analysis.run import Findings, compares, refuse_absent_counterparts, refuse_nothing, refuse_repeats, run
from sentinel.analysis.skill import compare, measure
from sentinel.analysis.sweep import describe_sweep, rest_on_half_lives, sweep
from sentinel.analysis.variations import describe_variations, vary_rules
from sentinel.analysis.verdicts import SKILL_FILES, describe_skill, write_skill
from sentinel.config import Settings, load
from sentinel.domain.errors import DataError, UsageError
from sentinel.pipeline.plan import comparison_name, list_names
from sentinel.pipeline.sites import without_enough
from sentinel.tables import TableOptions
from sentinel.tables.options import options_from
from sentinel.tables.units import unit_of
from sentinel.views.picture import Figure

PICTURES = 100
"""Series drawn in a report; the rest stand in its table."""
PICTURED_COLUMNS = 100_000
"""Columns drawn in a report, of all pictures together: so many short series, or 50 long ones."""

SHOWN = 20
"""Series in the table that a notebook shows."""

Progress = Callable[[int], None]
"""Is told how far a stage of the work has come."""
Stage = Callable[[str, int], Progress]
"""Begins a stage of the work by its name and total; 0 = unknown."""


class Analysis:
    """Findings for a notebook: `readings` and `alarms` as polars tables, a picture of each series."""

    def __init__(self, readings: pl.DataFrame, findings: Findings, read_as: Sequence[str] = ()) -> None:
        self.read_as = list(read_as)
        """Lines on the reading of the table: what is not taken as it stands, and what looks odd."""
        self.readings = readings
        """One row per series and tick; the columns of readings.parquet."""
        self.alarms = alarm_table(findings.events, findings.axes)
        """One row per alarm; the columns of alarms.csv."""
        self.sites = site_table(findings.sites, findings.records[0].axis)
        """One row per alarm of a site."""
        self._records = {record.name: record for record in rank(findings.records)}
        self._portraits = findings.portraits

    @property
    def sentences(self) -> dict[str, str]:
        """Describe each series in plain words, the most alarming first."""
        return {name: describe(record) for name, record in self._records.items()}

    def plot(self, series: str | None = None) -> Figure:
        """Draw one series, by default the most alarming, as a matplotlib figure.

        Raises DataError: there is no series of that name, or it has not a single tick.
        """
        name = next(iter(self._records)) if series is None else series
        if name not in self._records:
            raise DataError(f"no series {name!r}; there are {', '.join(list(self._records)[:10])}")
        return draw_record(self._records[name], self._portraits.get(self._records[name].id))

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {words}." for name, words in list(self.sentences.items())[:SHOWN])

    def _repr_html_(self) -> str:
        """Show the most alarming series as a table, the first of them as a picture."""
        sentences = list(self.sentences.items())
        rows = "".join(f"<tr><th>{escape(n)}</th><td>{escape(words)}.</td></tr>" for n, words in sentences[:SHOWN])
        more = f"<p>and {len(sentences) - SHOWN:,} more series</p>" if len(sentences) > SHOWN else ""
        picture = ""
        name = next((name for name, record in self._records.items() if record.id in self._portraits), None)
        if name is not None:
            text = base64.b64encode(png(self.plot(name))).decode("ascii")
            picture = f'<img style="max-width: 60em" src="data:image/png;base64,{text}" alt="{escape(name)}">'
        return f"<table>{rows}</table>{more}{picture}"


def analyse(
    frame: Any,
    *,
    config: Path | str | Settings | None = None,
    by: Sequence[str] | str = (),
    time: str = "time",
    series: str = "series",
    value: str = "value",
    cadence: str | None = None,
    season: Sequence[str] | str = (),
    aggregate: str | None = None,
    conditioning: bool = True,
    **options: Any,
) -> Analysis:
    """Analyse a table as `sentinel backtest` analyses a file.

    Parameters
    ----------
    frame
        The path of a file, or anything that `polars.DataFrame` accepts: a polars or pandas table, a mapping of
        columns. Long or wide. Of a pandas table without a time column, an index of dates is the time.
    config
        Settings, or the YAML file with them; None = the defaults.
    by
        Columns that split a wide table: `lake` names the series `peter/ph`, `paul/ph`.
    time, series, value
        Names of the columns.
    cadence, season
        Such as `15m`, or None for that of the first 50 time stamps; known periods such as `1d` or `1y`.
    aggregate
        What several values in one tick become: `last` or `mean`.
    conditioning
        False takes the values as residuals already.
    options
        How the table is written, by the names of the command line: `missing=["ND"]`, `time_format="excel"`.

    Raises DataError: the table cannot be used; the message says where and why. UsageError: an option is not allowed.
    """
    given = {"by": by, "time_column": time, "series_column": series, "value_column": value} | options
    table_options = options_from(given, "{}")
    settings = config if isinstance(config, Settings) else Settings() if config is None else load(config)
    settings = with_spans(settings, cadence, (season,) if isinstance(season, str) else tuple(season), aggregate)
    where = str(frame) if isinstance(frame, str | Path) else "frame"
    intake = read_files([Path(frame)], table_options) if where != "frame" else _read(frame, table_options)
    with TemporaryDirectory(prefix="sentinel-") as folder:
        observations = _sort(intake, Path(folder), settings, where)
        readings = Readings(Path(folder))
        findings = run(observations, settings, conditioning=conditioning, readings=readings, kept=None)
        refuse_nothing(findings, observations, where)
        refuse_repeats(observations, where)
        _add_units(findings.records, intake)
        odd = find_oddities(intake, observations, findings.records)
        return Analysis(readings.lazy().collect(), findings, [*intake.read_as, *odd])


def _read(frame: Any, options: TableOptions) -> Intake:
    """Read a table that is no file."""
    time = options.time_name
    try:
        table = frame.collect() if isinstance(frame, pl.LazyFrame) else _table(frame, time)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"frame: {error}; a table is needed") from error
    return read_frame(table.lazy(), options)


def with_spans(
    settings: Settings, cadence: str | None, season: Sequence[str], aggregate: str | None = None
) -> Settings:
    """Give every series this cadence, these seasons and this way to aggregate, where they are given.

    Raises UsageError: they do not fit each other or the settings.
    """
    given = ({"cadence": cadence} if cadence else {}) | ({"season": list(season)} if season else {})
    given |= {"aggregate": aggregate} if aggregate else {}
    if not given:
        return settings
    written = settings.model_dump(mode="json")
    entries = [entry | given for entry in written["series"]]
    if not any(entry["match"] == "*" for entry in entries):
        entries.append({"match": "*"} | given)
    try:
        return Settings.model_validate(written | {"series": entries})
    except ValueError as error:
        lines = [line.strip().removeprefix("Value error, ") for line in str(error).splitlines()]
        reason = next((line.split(" [type=")[0] for line in lines[2:] if line), str(error))
        options = [*([f"--cadence {cadence}"] if cadence else []), *(f"--season {one}" for one in season)]
        options += [f"--aggregate {aggregate}"] if aggregate else []
        raise UsageError(f"{' '.join(options)}: {reason}") from error


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
    """Analyse what was read from these files and write the results into a folder, which must be there.

    Parameters
    ----------
    conditioning
        False takes the values as residuals already.
    events
        File of labelled events by which the alarms are judged, and how it is written.
    sweeping
        Whether other half-lives, thresholds, budgets and scales are tried, too.

    Returns
    -------
    The report, and the files that were written.

    Raises DataError: there is nothing to analyse, a counterpart is missing, or the labels do not fit the data.
    """
    where = ", ".join(map(str, paths))
    with TemporaryDirectory(prefix=".sentinel-", dir=out) as folder:
        observations = _sort(intake, Path(folder), settings, where, progress=stage("reading", 0))
        names = observations.names
        labels = None
        if events is not None:
            labels = read_labels(*events, list_names(settings, names), numbered=intake.numbered)
        labelled = {label.series for label in labels or ()}
        readings, watch = Readings(Path(folder)), Watch(set(list_names(settings, list(labelled))))
        findings = run(
            observations, settings, conditioning=conditioning, readings=readings, kept=2 * PICTURES, observer=watch,
            progress=stage("analysing", observations.rows),
        )  # fmt: skip
        refuse_nothing(findings, observations, where)
        refuse_repeats(observations, where)
        records = _add_units(findings.records, intake)
        timelines = None if labels is None else make_timelines(labels, records)
        files = ["report.html", "readings.parquet", "alarms.csv"]
        readings.lazy().sink_parquet(out / "readings.parquet")
        table = pl.scan_parquet(out / "readings.parquet")
        alarm_table(findings.events, findings.axes).write_csv(out / "alarms.csv", datetime_format=INSTANT)
        drawn = list(_choose_drawn(records, findings))
        pictures: dict[str, PagePicture] = {}
        progress = stage("drawing", len(drawn))
        for record in drawn:
            pictures[record.name] = draw_for_page(record, findings.portraits[record.id])
            record.undeclared = find_undeclared_seasons(record, table)
            progress(len(pictures))
        budgets, numbered = list_budgets(watch.counts.items()), records[0].axis.numbered
        sections = [describe_budgets(budgets, numbered=numbered)] if budgets else []
        if tried := try_rules(records, settings, observations, conditioning=conditioning):
            sections.append(describe_alternatives(tried, records))
        if settings.sites:
            files.append("sites.csv")
            table_of_sites = site_table(findings.sites, records[0].axis)
            table_of_sites.write_csv(out / "sites.csv", datetime_format=INSTANT)
            sections.append(describe_sites(findings.sites, [site.name for site in settings.sites], records))
        if timelines is not None:
            files.extend(SKILL_FILES)
            sections.append(_judge(records, timelines, table, out, watch))
        if sweeping:
            progress = stage("sweeping", 0)
            if rest_on_half_lives(records):
                cells = sweep(records, settings, timelines, observations, conditioning=conditioning, progress=progress)
                sections.append(describe_sweep(cells, records))
            varied = vary_rules(records, settings, timelines, observations, conditioning=conditioning)
            sections.append(describe_variations(varied, records, labelled=timelines is not None))
        # A record that is too long to be looked at as a whole is only streamed.
        short = [record for record in drawn if record.ticks <= LONGEST_RECORD]
        by_series = {record.name: list(find_remarks(record, own)) for record, own in read_ticks(table, short)}
    few = without_enough(settings.sites, (list_names(settings, [name]) for name in names))
    odd = find_oddities(intake, observations, records)
    report = Report(
        title=", ".join(path.name for path in paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else ""),
        inputs=[str(path) for path in paths], intake=intake, observations=observations, records=records,
        pictures=pictures, complaints=[*intake.complaints, *odd, *few], conditioning=conditioning, sections=sections,
        remarks=by_series,
    )  # fmt: skip
    write_report(report, out / "report.html")
    return report, [out / name for name in files]


def _choose_drawn(records: Sequence[SeriesRecord], findings: Findings) -> Iterator[SeriesRecord]:
    """Choose the series that are drawn, those with most evidence."""
    columns = 0
    for record in [record for record in rank(records) if record.id in findings.portraits][:PICTURES]:
        yield record
        columns += min(record.ticks, PICTURED_COLUMNS // 50)
        if columns >= PICTURED_COLUMNS:
            return


def plot(
    paths: Sequence[Path], intake: Intake, settings: Settings, out: Path, series: str | None, *, conditioning: bool
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
        observations = _sort(intake, Path(folder), settings, where, series)
        findings = run(observations, settings, conditioning=conditioning, readings=None, kept=None)
    record = next((record for record in _add_units(findings.records, intake) if series in (None, record.name)), None)
    if record is None:
        raise _no_series(series, observations.names, where)
    return record, draw_record(record, findings.portraits.get(record.id))


def _add_units(records: list[SeriesRecord], intake: Intake) -> list[SeriesRecord]:
    """Give the records the units that the table tells, where the settings do not; a comparison has none."""
    for record in records:
        if record.target is None and not record.unit:
            record.unit = unit_of(intake.units, record.name)
    return records


def _judge(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], table: pl.LazyFrame, out: Path, watch: Watch
) -> ReportSection:
    """Judge the alarms by the labels and write skill.csv and skill.json."""
    labelled = [record for record in records if record.name in timelines]
    ticks = {record.name: own for record, own in read_ticks(table, labelled)}
    skill = measure(records, timelines, ticks, watch.codes)
    rivals = compare(skill, records, timelines, ticks)
    write_skill(skill, rivals, list_budgets(watch.counts.items()), out)
    return describe_skill(skill, rivals)


def _sort(
    intake: Intake, folder: Path, settings: Settings, where: str,
    only: str | None = None, progress: Progress = lambda _: None,
) -> SortedObservations:  # fmt: skip
    """Sort on disk, all series or `only` one with those it is compared with; DataError if that leaves nothing."""
    needed: tuple[str, ...] = ()
    if only is not None:
        target, _, counterpart = only.partition(comparison_name("", ""))
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


def _table(frame: Any, time: str) -> pl.DataFrame:
    """Make a polars table of whatever polars takes; of a pandas table by column, which needs no other library."""
    if type(frame).__module__.partition(".")[0] != "pandas":
        return pl.DataFrame(frame)
    if not hasattr(frame, "columns"):
        raise TypeError(f"a pandas {type(frame).__name__} has no columns: call its to_frame()")
    names = [str(name) for name in frame.columns]
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{count} columns are named {name!r}; a name may stand once")
    columns = {name: frame.iloc[:, at] for at, name in enumerate(names)}
    if time not in columns and frame.index.dtype.kind == "M":
        columns = {time: frame.index.to_series()} | columns
    for name, column in columns.items():
        if str(column.dtype).startswith("period"):
            raise TypeError(f"column {name!r} holds periods: call its dt.to_timestamp()")
    return pl.DataFrame({name: _column(column) for name, column in columns.items()})


def _column(column: Any) -> pl.Series:
    """Convert a pandas column; time stamps with a zone become instants in UTC."""
    if column.dtype.kind != "M":
        return pl.Series(list(column), strict=False)
    utc = column.dt.tz_convert("UTC") if column.dt.tz is not None else column
    return pl.Series(utc.to_numpy(dtype="datetime64[us]"))
