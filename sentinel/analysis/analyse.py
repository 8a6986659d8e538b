"""`sentinel.analyse`: a backtest of a table in memory, for notebooks."""

from __future__ import annotations

import base64
import tempfile
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from sentinel.analysis.intake import nothing_usable, read_frame, sort
from sentinel.analysis.readings import Readings, alarm_table, site_table
from sentinel.analysis.record import rank
from sentinel.analysis.report import draw_record, png
from sentinel.analysis.run import Findings, compares, refuse_absent_counterparts, refuse_nothing, run
from sentinel.analysis.sentences import describe
from sentinel.config import Settings, load
from sentinel.domain.errors import DataError, UsageError
from sentinel.tables import TableOptions
from sentinel.views.picture import Figure

SHOWN = 20
"""Series in the table that a notebook shows."""


class Analysis:
    """What an analysis found: `readings` and `alarms` as polars tables, a picture of each series."""

    def __init__(self, readings: pl.DataFrame, alarms: pl.DataFrame, findings: Findings) -> None:
        self.readings = readings
        """One row per series and tick; the columns of readings.parquet."""
        self.alarms = alarms
        """One row per alarm; the columns of alarms.csv."""
        self.sites = site_table(findings.sites, findings.records[0].axis)
        """One row per alarm of a site."""
        self._findings = findings

    @property
    def sentences(self) -> dict[str, str]:
        """Describe each series in plain words, the most alarming first."""
        return {record.name: describe(record) for record in rank(self._findings.records)}

    def plot(self, series: str | None = None) -> Figure:
        """Draw one series, by default the most alarming, as a matplotlib figure.

        Raises
        ------
        DataError
            There is no series of that name, or it has not a single tick.
        """
        records = {record.name: record for record in rank(self._findings.records)}
        name = next(iter(records)) if series is None else series
        if name not in records:
            raise DataError(f"no series {name!r}; there are {', '.join(list(records)[:10])}")
        return draw_record(records[name], self._findings.portraits.get(records[name].id))

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {words}." for name, words in list(self.sentences.items())[:SHOWN])

    def _repr_html_(self) -> str:
        """Show the most alarming series as a table, the first of them as a picture."""
        sentences = list(self.sentences.items())
        rows = "".join(f"<tr><th>{escape(n)}</th><td>{escape(words)}.</td></tr>" for n, words in sentences[:SHOWN])
        more = f"<p>and {len(sentences) - SHOWN:,} more series</p>" if len(sentences) > SHOWN else ""
        pictured = [r for r in rank(self._findings.records) if r.id in self._findings.portraits]
        picture = ""
        if pictured:
            made = png(draw_record(pictured[0], self._findings.portraits[pictured[0].id]))
            text = base64.b64encode(made).decode("ascii")
            picture = (
                f'<img style="max-width: 60em" src="data:image/png;base64,{text}" alt="{escape(pictured[0].name)}">'
            )
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
    conditioning: bool = True,
) -> Analysis:
    """Analyse a table as `sentinel backtest` analyses a file.

    Parameters
    ----------
    frame
        Anything that `polars.DataFrame` accepts: a polars or pandas table, a mapping of columns. Long or wide. Of a
        pandas table without a time column, an index of dates is the time.
    config
        Settings, or the YAML file with them; None = the defaults.
    by
        Columns that split a wide table: `lake` names the series `peter/ph`, `paul/ph`.
    time, series, value
        Names of the columns.
    cadence
        Such as `15m` or `1d`; None = from the first 50 time stamps.
    season
        Known periods such as `1d` or `1y`.
    conditioning
        False takes the values as residuals already.

    Raises
    ------
    DataError
        The table cannot be used; the message says where and why.
    """
    try:
        table = frame.collect() if isinstance(frame, pl.LazyFrame) else _table(frame, time)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"frame: {error}; a table is needed") from error
    options = TableOptions(
        by=(by,) if isinstance(by, str) else tuple(by), time_column=time, series_column=series, value_column=value
    )
    settings = config if isinstance(config, Settings) else Settings() if config is None else load(config)
    settings = with_spans(settings, cadence, (season,) if isinstance(season, str) else tuple(season))
    intake = read_frame(table, options)
    with tempfile.TemporaryDirectory(prefix="sentinel-") as folder:
        observations = sort(intake.observations, Path(folder), by_time=compares(settings))
        if observations.rows == 0:
            raise nothing_usable("frame", intake.left_out)
        refuse_absent_counterparts(settings, observations.names, "frame")
        readings = Readings(Path(folder), observations.names)
        findings = run(observations, settings, conditioning=conditioning, readings=readings, kept=None)
        refuse_nothing(findings, observations, "frame")
        found = readings.lazy().collect()
    axes = {record.name: record.axis for record in findings.records}
    return Analysis(found, alarm_table(findings.events, axes), findings)


def with_spans(settings: Settings, cadence: str | None, season: Sequence[str]) -> Settings:
    """Give every series this cadence and these seasons, where they are given.

    Raises
    ------
    UsageError
        They do not fit each other or the settings.
    """
    given = ({"cadence": cadence} if cadence else {}) | ({"season": list(season)} if season else {})
    if not given:
        return settings
    written = settings.model_dump(mode="json")
    entries = [entry | given for entry in written["series"]]
    if not any(entry["match"] == "*" for entry in entries):
        entries.append({"match": "*"} | given)
    try:
        return Settings.model_validate(written | {"series": entries})
    except ValueError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next(
            (line.removeprefix("Value error, ").split(" [type=")[0] for line in lines[2:] if line), str(error)
        )
        options = [*([f"--cadence {cadence}"] if cadence else []), *(f"--season {one}" for one in season)]
        raise UsageError(f"{' '.join(options)}: {reason}") from error


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
