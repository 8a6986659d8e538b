"""Settings of the sources, one model per kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from sentinel.config.values import Duration, Fault, Name, Part, Text, WrittenCadence, require
from sentinel.domain.spans import MILLISECOND, SECOND

known_time_zone = require(
    lambda name: name == "UTC" or ZoneInfo(name),  # UTC is known even where no time zone data is installed
    "a time zone that this machine knows, such as UTC or Europe/Berlin (Debian package tzdata)",
)
"""Return the name of a time zone that this machine knows; ValueError says what is allowed."""
known_separator = require(
    lambda text: len(text) == 1 and text.isascii() and text not in '\r\n\0"',
    "one ASCII character, no quote and no line break, is allowed; a tab itself for tabs",
)
"""Return a separator that every reader of tables takes; ValueError says what is allowed."""
# codecs.lookup also finds base64, which is an encoding of no text
_known_encoding = require(lambda name: "x".encode(name), "a text encoding that Python knows, such as utf-8 or latin-1")
_time_form = require(lambda form: "%" in form, "a strftime form such as '%d.%m.%Y %H:%M'; leave it out for ISO 8601")
_date = require(datetime.fromisoformat, "an ISO 8601 date such as 2020-01-01")
Every: TypeAlias = Annotated[
    Duration, AfterValidator(require(lambda us: us >= 10 * MILLISECOND, "a source is polled at most every 10ms"))
]


class CsvSource(Part):
    """A file or a folder of CSV, Parquet or NDJSON files, followed as it grows, is rotated or replaced."""

    kind: Literal["csv"]
    """A table in files."""
    name: Name
    """Name of the source; the label `source` of its metrics."""
    every: Every = 30 * SECOND
    """How often it is read."""
    path: Text
    """A file, or a folder that is searched for *.csv, *.parquet and *.ndjson."""
    format: Literal["auto", "csv", "parquet", "ndjson"] = "auto"
    """File format; auto = by the file's suffix."""
    layout: Literal["auto", "long", "wide"] = "auto"
    """long = one observation per row, wide = a column per series, auto = long if there is a series column."""
    time_column: Text = "time"
    """Column of the event times."""
    series_column: Text = "series"
    """Long: column of the series' names."""
    value_column: Text = "value"
    """Long: column of the values."""
    by: tuple[Text, ...] = ()
    """Identifying columns that split the table; [lake] names the series peter/ph, paul/ph."""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Wide: the columns that are series; null = all numeric ones."""
    time_format: Annotated[str, AfterValidator(_time_form)] | None = None
    """strftime form of the event times; null = ISO 8601."""
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = "UTC"
    """Time zone of event times that carry no offset."""
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    """Text encoding."""
    separator: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(known_separator)] = ","
    """Between columns; "\\t" for tabs."""
    decimal: Literal[".", ","] = "."
    """Decimal mark."""
    comment: Text | None = "#"
    """Lines that begin with this are skipped; null = none are."""
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null")
    """Texts that mean: no value."""
    max_observations: Annotated[int, Field(ge=1)] = 50_000
    """Observations read at most in one go; the rest follows at once."""

    def _conflicts(self) -> Iterator[Fault]:
        if self.columns is not None and self.layout == "long":
            yield Fault(("columns",), "columns are named in layout long; they are allowed in layout wide or auto")
        if self.decimal == self.separator:
            message = f"the decimal mark '{self.decimal}' is also the separator; they must differ; "
            yield Fault(("decimal",), f"{message}set separator, mostly to ';'")
        if self.time_column in self.by:
            yield Fault(("by",), f"'{self.time_column}' is the time column; name other columns")


class SimulateSource(Part):
    """A seeded system with a known tipping point: for drills, demonstrations and tests."""

    kind: Literal["simulate"]
    """A simulated system."""
    name: Name
    """Name of the source; the label `source` of its metrics."""
    every: Every = SECOND
    """How often it is asked for new ticks."""
    system: Text
    """Name of the system (the error message of an unknown one lists them)."""
    series: Text | None = None
    """Name of the series; null = the source's name."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the noise: the same seed gives the same observations."""
    ticks: Annotated[int, Field(ge=1)] | None = None
    """Length; null = endless where the system allows it, else its own length."""
    cadence: WrittenCadence | None = None
    """Cadence of the observations; null = the system's own."""
    start: Annotated[str, AfterValidator(_date)] | None = None
    """Event time of the first observation, ISO 8601; null = when it is first asked."""
    ticks_per_second: Annotated[float, Field(gt=0)] | None = None
    """Ticks per second of the clock on the wall; null = real time, one per cadence."""


Source: TypeAlias = Annotated[CsvSource | SimulateSource, Field(discriminator="kind")]


def repeated_simulated_series(sources: Iterable[Source]) -> Iterator[Fault]:
    """Find simulated systems that would write the same series."""
    seen: dict[str, str] = {}
    for position, source in enumerate(sources):
        if not isinstance(source, SimulateSource):
            continue
        series = source.series or source.name
        if series in seen:
            key = "series" if source.series else "name"
            message = f"'{series}' is the series of source '{seen[series]}' already; each series has one source"
            yield Fault((position, key), message)
        seen.setdefault(series, source.name)
