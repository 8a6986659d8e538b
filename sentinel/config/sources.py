"""Settings of the sources that need no server, one model per kind, and what must hold between several sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from sentinel.config.values import Duration, Fault, Name, Part, SourceLabels, Text, WrittenCadence, require
from sentinel.domain.labels import add_labels
from sentinel.domain.spans import MILLISECOND, SECOND

if TYPE_CHECKING:
    from sentinel.config.remote import Source

known_time_zone = require(
    lambda name: name == "UTC" or ZoneInfo(name),  # UTC is known even where no time zone data is installed
    "a time zone that this machine knows, such as UTC or Europe/Berlin (Debian package tzdata)",
)
"""Return the name of a time zone that this machine knows; ValueError says what is allowed."""
SEPARATORS = {"\\t": "\t", "tab": "\t", "whitespace": "whitespace"}
"""Separators by the words that stand for them."""


def known_separator(text: str) -> str:
    """Return a separator that every reader of tables takes; ValueError says what is allowed."""
    text = SEPARATORS.get(text, text)
    if text != "whitespace" and not (len(text) == 1 and text.isascii() and text not in '\r\n\0"'):
        raise ValueError(
            "one ASCII character, no quote and no line break, is allowed; \\t for tabs, whitespace for any blanks"
        )
    return text


TIME_NUMBERS = ("seconds", "milliseconds", "microseconds", "nanoseconds", "excel", "julian")
"""Times that are written as numbers, as `time_format` names them."""
TABLE_NUMBERS = (*TIME_NUMBERS, "excel1904", "mjd", "matlab", "years")
"""The same of tables, where they may be years with a fraction, 2003.4712."""
DIALECTS = (
    "auto", "none", "plain", "toa5", "hobo", "rdb", "ndbc", "swmp", "fluxnet", "pangaea", "paleo", "erddap", "gleon",
    "psl", "dwd", "cnv", "diver", "odv", "ibutton", "metoffice", "isdlite", "bodc",
    "meteofrance", "nrfa", "davis", "decagon", "rbr", "lvm",
)  # fmt: skip
"""Kinds of files that are known by their first lines."""


def _pairs(right: str, form: str) -> AfterValidator:
    """Check texts such as `rain=difference`: a column, and what stands behind the last `=`."""
    pattern = re.compile(rf".+=({right})")

    def check(written: tuple[str, ...]) -> tuple[str, ...]:
        for text in written:
            if not pattern.fullmatch(text):
                raise ValueError(f"'{text}'; {form}")
        return written

    return AfterValidator(check)


Flags: TypeAlias = Annotated[
    tuple[str, ...], _pairs(".*", "a flag column and the codes that mean good are needed, such as '*_qual=0,1'")
]
Transform: TypeAlias = Annotated[
    tuple[str, ...], _pairs("difference|log", "a column and difference or log are needed, such as 'rain=difference'")
]
# codecs.lookup also finds base64, which is an encoding of no text
_known_encoding = require(lambda name: "x".encode(name), "a text encoding that Python knows, such as utf-8 or latin-1")
SINCE = re.compile(
    r"(\d+(?:\.\d+)?)? ?(second|minute|hour|day)s since (\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?)"
)
"""Steps of a length from a start, as `10 seconds since 2021-06-18T12:00`: the length, its unit and the start."""


def _is_time_form(form: str) -> bool:
    if "%" in form or form in TABLE_NUMBERS:
        return True
    found = SINCE.fullmatch(form)
    return found is not None and bool(datetime.fromisoformat(found[3]))


known_time_form = require(
    _is_time_form,
    f"a strftime form such as '%d.%m.%Y %H:%M', or {', '.join(TABLE_NUMBERS)}, or '10 seconds since "
    "2021-01-31T12:00'; leave it out for ISO 8601",
)
"""Return a form of times; ValueError says what is allowed."""
_known_prefix = require(str.isprintable, "text without line breaks and control characters is allowed")
Prefix: TypeAlias = Annotated[str, Field(max_length=100), AfterValidator(_known_prefix)]
TimeZone: TypeAlias = Annotated[str, AfterValidator(known_time_zone)]
_date = require(datetime.fromisoformat, "an ISO 8601 date such as 2020-01-01")
Every: TypeAlias = Annotated[
    Duration, AfterValidator(require(lambda us: us >= 10 * MILLISECOND, "a source is polled at most every 10ms"))
]


class NamedSource(Part):
    """The keys of every source."""

    kind: str
    name: Name
    """Name of the source; the label `source` of its metrics."""
    id: Name | None = None
    """Name under which its series are kept; null = its name. Set it to the old name to rename the source."""


class TableKeys(Part):
    """Options of a table: how it is written, as a source or a command line says."""

    dialect: Literal[DIALECTS] = "auto"  # type: ignore[valid-type]
    """Kind of file; auto = recognised by its first lines, none = the keys below alone say how it is written."""
    layout: Literal["auto", "long", "wide", "months"] = "auto"
    """long = one observation per row, wide = a column per series, months = a row per year with twelve columns; auto =
    by the columns."""
    time_column: Text | Annotated[tuple[Text, ...], Field(min_length=1)] = "time"
    """Column of the event times; several are joined with a blank."""
    series_column: Text = "series"
    """Long: column of the series' names."""
    value_column: Text = "value"
    """Long: column of the values."""
    by: tuple[Text, ...] = ()
    """Identifying columns that split the table; [lake] names the series peter/ph, paul/ph."""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Wide: the columns that are series; null = all numeric ones."""
    exclude: tuple[Text, ...] = ()
    """Wide: columns that are no series; * stands for any text."""
    time_format: Annotated[str, AfterValidator(known_time_form)] | None = None
    """strftime form, or seconds, milliseconds, microseconds, nanoseconds, excel, excel1904, julian, mjd, matlab, years,
    or steps since a start, 10 seconds since 2021-01-31T12:00; null = ISO 8601."""
    time_zone: TimeZone = "UTC"
    """Time zone of event times that carry no offset."""
    time_direction: Literal["forward", "backward"] | None = None
    """Of event times that are numbers; backward = ages; a daemon takes instants, so only a table needs it."""
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    """Text encoding."""
    separator: Annotated[str, Field(min_length=1), AfterValidator(known_separator)] = ","
    """Between columns; "\\t" for tabs, whitespace for any number of blanks."""
    decimal: Literal[".", ","] = "."
    """Decimal mark."""
    thousands: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """Mark between groups of three digits; null = none."""
    comment: Text | None = "#"
    """Lines that begin with this are skipped; null = none are."""
    names: tuple[Text, ...] = ()
    """Names of the columns, in order, of a table that has no line of names; none = it has one."""
    skip_rows: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Lines before the header."""
    unit_rows: Annotated[int, Field(ge=0, le=100)] = 0
    """Lines between the header and the first row: units, types."""
    fill_down: tuple[Text, ...] = ()
    """Columns of which a row that has none of them takes the cells of the row above, such as merged cells."""
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null")
    """Texts that mean: no value; a number stands for every spelling of it, ph=99 for a mark of one column."""
    below_detection: Literal["half", "limit", "missing"] | None = None
    """Meaning of <0.5: half of the limit, the limit, or no value; null = it is not a number."""
    trailing: tuple[Text, ...] = ()
    """Marks behind a number that do not change it, such as "*" of 7.00*; such values are taken, and counted."""
    flags: Flags = ()
    """Flag columns and the codes that mean good, such as "*_qual=0,1"; * is the column that is judged."""
    transform: Transform = ()
    """Columns that are changed first: "rain=difference", "chl=log"."""
    keep_labels: bool = False
    """Columns of by become labels, `ph{lake="peter"}` in place of `peter/ph`. Series have other keys then: `sentinel
    series rename` keeps what was learnt of them."""

    def _conflicts(self) -> Iterator[Fault]:
        if self.columns is not None and self.layout == "long":
            yield Fault(("columns",), "columns are named in layout long; they are allowed in layout wide or auto")
        if self.decimal == self.separator and (self.dialect == "none" or self.separator != ","):
            message = f"the decimal mark '{self.decimal}' is also the separator; they must differ; "
            yield Fault(("decimal",), f"{message}set separator, mostly to ';'")
        if self.decimal == self.thousands:
            yield Fault(("thousands",), f"'{self.thousands}' is also the decimal mark; they must differ")
        for name in {self.time_column} if isinstance(self.time_column, str) else set(self.time_column):
            if name in self.by:
                yield Fault(("by",), f"'{name}' is the time column; name other columns")
        for name in self.columns or ():
            for pattern in self.exclude:
                if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name):
                    yield Fault(
                        ("exclude",), f"'{pattern}' fits '{name}', which is one of columns; name it in one of them"
                    )
        for name in dict.fromkeys(name for name in self.names if self.names.count(name) > 1):
            yield Fault(("names",), f"'{name}' is there twice; every column needs its own name")
        transformed = [written.rpartition("=")[0] for written in self.transform]
        for name in dict.fromkeys(name for name in transformed if transformed.count(name) > 1):
            yield Fault(("transform",), f"'{name}' has two transforms; one is allowed")


class CsvSource(TableKeys, NamedSource):
    """A file or a folder of CSV, Parquet, NDJSON or NetCDF files, followed as it grows, is rotated or replaced."""

    kind: Literal["csv"]
    """A table in files."""
    every: Every = 30 * SECOND
    """Interval between reads."""
    path: Text
    """A file, or a folder that is searched for *.csv, *.parquet, *.ndjson and *.nc, compressed text too (*.csv.gz)."""
    format: Literal["auto", "csv", "parquet", "ndjson", "json", "xlsx", "xle", "netcdf"] = "auto"
    """File format; auto = by the file's suffix."""
    sheet: Text | None = None
    """Spreadsheets: name of the sheet; null = the first that is not empty."""
    prefix: Prefix = ""
    """Put before the name of each series, such as "north/": two sources may then have columns of the same names."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}, or {site: "{file}"} by the name of the file."""
    older_files: bool = True
    """At the first start, files that the table was rotated to before are read too, the oldest first: lake.csv.1."""
    max_observations: Annotated[int, Field(ge=1)] = 50_000
    """Observations read at most in one go; the rest follows at once."""


class SimulateSource(NamedSource):
    """A seeded system with a known tipping point: for drills, demonstrations and tests."""

    kind: Literal["simulate"]
    """A simulated system."""
    every: Every = SECOND
    """Interval at which it is asked for new ticks."""
    system: Text
    """Name of the system (the error message of an unknown one lists them)."""
    series: Text | None = None
    """Name of the series; null = the source's id, which is its name where none is given."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}. A label that a series brings itself stays."""
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


def identity(source: Source) -> str:
    """Give the name under which the series of a source are kept."""
    return source.id or source.name


def repeated_identities(sources: Iterable[Source]) -> Iterator[Fault]:
    """Find sources of which the series would be kept under one name."""
    seen: dict[str, str] = {}
    for position, source in enumerate(sources):
        if (other := seen.setdefault(identity(source), source.name)) != source.name:
            key = "id" if source.id is not None else "name"
            message = f"'{identity(source)}' is the id of source '{other}' already; ids are unique"
            yield Fault((position, key), message)


def repeated_simulated_series(sources: Iterable[Source]) -> Iterator[Fault]:
    """Find simulated systems that would write the same series."""
    seen: dict[str, str] = {}
    for position, source in enumerate(sources):
        if not isinstance(source, SimulateSource):
            continue
        series = add_labels(source.series or identity(source), source.labels)
        if series in seen:
            key = "series" if source.series else "id" if source.id else "name"
            message = f"'{series}' is the series of source '{seen[series]}' already; each series has one source"
            yield Fault((position, key), message)
        seen.setdefault(series, source.name)
