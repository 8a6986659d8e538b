"""The functions of a notebook: `import sentinel`, then `sentinel.analyse(...)` and its four neighbours.

They do what the commands of the same names do, on a table that is in memory or in a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import polars as pl

from sentinel.analysis.arguments import in_python, python_words, refuse_unknown, settings_from, to_table
from sentinel.analysis.assembling import Analysed, analyse_table, sort_input
from sentinel.analysis.backtest import judge, vary, with_spans
from sentinel.analysis.inspection import Proposed, find_oddities, look_at_each
from sentinel.analysis.intake import Intake, SortedObservations, read_files, read_frame
from sentinel.analysis.labels import COLUMNS, Label, read_labels
from sentinel.analysis.readings import Readings
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.results import Analysis, Verdict
from sentinel.analysis.verdicts import alarm_verdicts, describe_skill, skill_data
from sentinel.config import Settings
from sentinel.domain.errors import DataError, UsageError
from sentinel.domain.observation import CalendarAxis
from sentinel.simulate import SYSTEMS, simulate
from sentinel.tables import TableOptions
from sentinel.tables.options import options_from

FRAME = "frame"
"""Name in messages of a table that is no file."""
ARGUMENTS = (
    "config", "threshold", "alpha", "half_life", "counterpart", "by", "time", "series", "value", "cadence", "season",
    "aggregate", "resolution", "conditioning",
)  # fmt: skip


class SimulatedRecord(NamedTuple):
    """A record whose tipping points are known."""

    data: pl.DataFrame
    """Columns `time` and one per system; null = missing."""
    events: pl.DataFrame
    """Columns `series`, `time`, `kind`: a transition where a system tips, a control where it does not."""


class _Input(NamedTuple):
    """The table and the settings that an analysis begins with."""

    where: str
    intake: Intake
    settings: Settings
    options: TableOptions
    conditioning: bool


def analyse(
    frame: Any,
    *,
    config: Mapping[str, Any] | Path | str | Settings | None = None,
    threshold: float | str | None = None,
    alpha: float | None = None,
    half_life: float | str | None = None,
    counterpart: str | Mapping[str, str] | None = None,
    by: Sequence[str] | str = (),
    time: str = "time",
    series: str = "series",
    value: str = "value",
    cadence: str | None = None,
    season: Sequence[str] | str = (),
    aggregate: str | None = None,
    resolution: float | None = None,
    conditioning: bool = True,
    **options: Any,
) -> Analysis:
    """Analyse a table as `sentinel backtest` analyses a file: causally, as if it came in live.

    Parameters
    ----------
    frame
        The path of a file; a table of polars or pandas, long or wide; a Dataset or DataArray of xarray; a Series of
        pandas (its index is the time) or polars, or an array (its ticks are 0, 1, 2 and so on); columns by name.
    config
        What could stand in a YAML file, as a dict; or the path of one; None = the defaults.
    threshold
        Alarm above this lag-1 autocorrelation, -0.98 to 0.99, or above the series' own past, "relative"; None = the
        rules of `config`, by default `slower`, which has no threshold.
    alpha
        False alarms per tick that the threshold may have [1e-4], or the rule `slower`.
    half_life
        Memory of the detectors: a span such as "30d", or a number of ticks; None = by cadence.
    counterpart
        Name of the series that all others are compared with, or several pairs: {"peter/*": "paul/*"}.
    by
        Columns that split a wide table: `lake` names the series `peter/ph`, `paul/ph`. Dimensions of xarray do so
        by themselves.
    time, series, value
        Names of the columns.
    cadence, season
        Such as "15m", or None for that of the first 50 time stamps; known periods such as "1d" or "1y".
    aggregate
        What several values in one tick become: "last" or "mean".
    resolution
        Values are rounded to its multiples; None = as they came.
    conditioning
        False takes the values as residuals already.
    options
        How the table is written, by the names of the command line: `missing=["ND"]`, `time_format="excel"`.

    Raises DataError: the table cannot be used; the message says where and why. UsageError: an argument is not allowed.
    ConfigError: `config` is wrong.
    """
    given = {name: found for name, found in locals().items() if name in ARGUMENTS}
    with python_words():
        found = _read(frame, given | options)
        with _run(found, None) as (analysed, readings):
            return Analysis(found.where, analysed, readings.collect())


def inspect(frame: Any, *, by: Sequence[str] | str = (), time: str = "time", **options: Any) -> Inspection:
    """Look at a table without analysing it: how it is read, what is odd in it, cadence and seasons of each series.

    Takes the same tables and options as `analyse`, and raises the same errors.
    """
    with python_words():
        found = _read(frame, {"by": by, "time": time} | options)
        with TemporaryDirectory(prefix="sentinel-") as folder:
            observations = sort_input(found.intake, Path(folder), found.settings, found.where)
            proposed = list(look_at_each(observations, found.settings))
    return Inspection(found, observations, proposed)


def simulated(*systems: str, seed: int = 0, ticks: int | None = None) -> SimulatedRecord:
    """Simulate systems whose tipping point is known, by default a lake that tips and the same lake left alone.

    Parameters
    ----------
    systems
        Names such as "lake", "fold" or "ar1"; most have a control, "fold_control". Recorded series, such as "nile",
        have times of their own and stand alone.
    seed
        Seed of the noise.
    ticks
        Number of ticks, cut to the length of a system that has one.

    Raises UsageError: there is no such system.
    """
    names = systems or ("lake", "lake_control")
    for name in names:
        if name not in SYSTEMS:
            raise UsageError(f"{name!r}: no such system; there are {', '.join(SYSTEMS)}")
        if SYSTEMS[name].stamps is not None and len(names) > 1:
            raise UsageError(f"{name!r}: a recorded series has times of its own; ask for it alone")
    limits = [limit for limit in (ticks, *(SYSTEMS[name].length for name in names)) if limit is not None]
    records = {name: simulate(name, seed, min(limits, default=None)) for name in names}
    axis = CalendarAxis()
    columns = {name: pl.Series(record.values).fill_nan(None) for name, record in records.items()}
    data = pl.DataFrame({"time": axis.column(next(iter(records.values())).times_us), **columns})
    events = [
        (name, record.tip_us, "control" if record.tip_us is None else "transition")
        for name, record in records.items()
        if SYSTEMS[name].stamps is None
    ]
    schema = {"series": pl.String, "time": pl.Int64, "kind": pl.String}
    table = pl.DataFrame(events, schema=schema, orient="row")
    return SimulatedRecord(data, table.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))))


def backtest_events(frame: Any, events: Any = None, **options: Any) -> Verdict:
    """Judge the alarms on a table by what happened, as `sentinel backtest --events` does.

    Parameters
    ----------
    frame
        As `analyse` takes it, or what `simulated` gave, which has events of its own.
    events
        A table, or the path of a file, with the columns `series`, `time` and `kind`: `transition`, `start`, `end` or
        `control`.
    options
        Those of `analyse`.

    Raises DataError: the labels do not fit the data; and what `analyse` raises.
    """
    with python_words():
        found, labels = _labelled(frame, events, options)
        if labels is None:
            raise UsageError("events: none came; a table with the columns series, time and kind is needed")
        with _run(found, labels) as (analysed, readings):
            skill, rivals = judge(analysed, readings)
            section = describe_skill(skill, rivals)
            return Verdict([section], alarm_verdicts(skill), skill_data(skill, rivals, analysed.budgets))


def sweep(frame: Any, events: Any = None, **options: Any) -> Verdict:
    """Say whether the verdict depends on choices, as `sentinel backtest --sweep` does; nothing is chosen from it.

    Takes what `backtest_events` takes; without events it counts the series that alarmed.
    """
    with python_words():
        found, labels = _labelled(frame, events, options)
        with _run(found, labels) as (analysed, _):
            return Verdict(vary(analysed))


class Inspection:
    """Findings about a table before it is analysed."""

    def __init__(self, found: _Input, observations: SortedObservations, proposed: Sequence[Proposed]) -> None:
        records = [SeriesRecord(one.name, one.axis) for one in proposed]
        odd = [*found.intake.complaints, *find_oddities(found.intake, observations, records)]
        self.read_as = [in_python(line) for line in found.intake.read_as]
        """Remarks on how the table is read, where that is not as it stands."""
        self.odd = [in_python(line) for line in odd]
        """Remarks on what looks odd in the table."""
        self.left_out = dict(found.intake.left_out)
        """Values that were left out, by reason."""
        rows = [
            (
                one.name, one.values, str(one.cadence),
                [season.text for season in one.seasons], one.constant, one.uneven or "",
            )
            for one in proposed
        ]  # fmt: skip
        schema = {
            "series": pl.String(), "values": pl.Int64(), "cadence": pl.String(), "seasons": pl.List(pl.String),
            "constant": pl.Boolean(), "uneven": pl.String(),
        }  # fmt: skip
        self.series = pl.DataFrame(rows, schema=schema, orient="row")
        """A row per series: values, cadence, seasons that nobody declared, and why its times are uneven."""

    def __repr__(self) -> str:
        lines = [*self.read_as, *(f"{count:,} {reason}" for reason, count in self.left_out.items()), *self.odd]
        for name, values, cadence, seasons, constant, uneven in self.series.iter_rows():
            known = f", an undeclared season of {' and '.join(seasons)}: season={seasons!r}" if seasons else ""
            lines.append(
                f"{name}: {values:,} values, cadence {cadence}{known}"
                f"{', always the same' if constant else ''}{f'; {uneven}' if uneven else ''}"
            )
        return "\n".join(lines)


def _read(frame: Any, given: Mapping[str, Any]) -> _Input:
    """Read a table under the arguments of `analyse`."""
    given = dict(given)
    refuse_unknown({name: found for name, found in given.items() if name not in ARGUMENTS}, ARGUMENTS)
    conditioning = given.pop("conditioning", True)
    settings = settings_from(
        given.pop("config", None),
        **{name: given.pop(name, None) for name in ("threshold", "alpha", "half_life", "counterpart")},
    )
    season = given.pop("season", ())
    season = (season,) if isinstance(season, str) else tuple(season)
    cadence, aggregate, resolution = (given.pop(name, None) for name in ("cadence", "aggregate", "resolution"))
    settings = with_spans(settings, cadence, season, aggregate, resolution)
    for name, column in (("time", "time_column"), ("series", "series_column"), ("value", "value_column")):
        if name in given:
            given.setdefault(column, given.pop(name))
            given.pop(name, None)
    options = options_from(given, "{}")
    if isinstance(frame, SimulatedRecord):
        frame = frame.data
    if isinstance(frame, str | Path):
        return _Input(str(frame), read_files([Path(frame)], options), settings, options, conditioning)
    try:
        table = to_table(frame, options.time_name)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{FRAME}: {error}; a table is needed") from error
    if table.by and not options.by and options.series_column not in table.frame.columns:
        options = options_from(given | {"by": table.by}, "{}")
    return _Input(FRAME, read_frame(table.frame.lazy(), options), settings, options, conditioning)


def _labelled(frame: Any, events: Any, options: Mapping[str, Any]) -> tuple[_Input, Any]:
    if events is None and isinstance(frame, SimulatedRecord):
        events = frame.events
    return _read(frame, options), events


@contextmanager
def _run(found: _Input, events: Any) -> Iterator[tuple[Analysed, pl.LazyFrame]]:
    """Run the pipeline over what was read; the readings are there until the end of the block."""
    with TemporaryDirectory(prefix="sentinel-") as name:
        folder, readings = Path(name), Readings(Path(name))
        analysed = analyse_table(
            found.intake, found.settings, found.where, folder, readings, conditioning=found.conditioning, kept=None,
            read_labels=None if events is None else partial(_read_events, events, found, folder),
        )  # fmt: skip
        yield analysed, readings.lazy()


def _read_events(events: Any, found: _Input, folder: Path, names: Sequence[str]) -> list[Label]:
    """Read labelled events from a file or a table, whose rows messages count from 1."""
    if isinstance(events, str | Path):
        return read_labels(Path(events), found.options, names, numbered=found.intake.numbered)
    try:
        table = to_table(events, "time").frame
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"events: {error}; a table is needed") from error
    path = folder / "events.parquet"
    table.select(name for name in COLUMNS if name in table.columns).write_parquet(path)
    try:
        return read_labels(path, TableOptions(), names, numbered=found.intake.numbered)
    except DataError as error:
        raise DataError(str(error).replace(str(path), "events")) from error
