"""Settings of events that drive the gates of series: one at a time, recurring, or a table of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, ValidationError, WithJsonSchema

from sentinel.config.notify import NamedPath
from sentinel.config.values import FROM_FILE, Fault, Part, PositiveDuration, Text
from sentinel.domain.errors import ConfigError, DataError
from sentinel.domain.gates import DEFAULT_GATES, FOREVER_US, HOLD, SHORTEST_EVERY_US, GateEvent
from sentinel.domain.spans import moment_iso

MOMENT_FORM = "a moment is written as 2024-05-01 or 2024-05-01T13:15:00Z; without an offset it is UTC"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Kind: TypeAlias = Literal["maintenance", "calibration", "sensor_change", "intervention"]
GateName: TypeAlias = Literal["hold", "reset", "rebase"]


def parse_moment(text: object) -> int:
    """Read an ISO 8601 moment as microseconds since 1970; ValueError says the form."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    try:
        moment = datetime.fromisoformat(str(text).strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise ValueError(MOMENT_FORM) from None


Moment: TypeAlias = Annotated[
    int, PlainValidator(parse_moment), PlainSerializer(lambda us: moment_iso(us) or str(us), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$"}),
]  # fmt: skip


class EventSettings(Part):
    """An event that holds series, or lets them begin anew: once, or again and again."""

    kind: Kind = "maintenance"
    """Kind of the event, which is shown; it also chooses the gate where none is named."""
    gate: GateName | None = None
    """hold = from start to end nothing is judged and nothing forgotten; reset = at the end the series begins anew;
    rebase = at the end level and evidence begin anew, scale, season and spread stay. null = by kind: hold for
    maintenance, reset for an intervention, rebase for the others."""
    match: Text = "*"
    """Series names, with * ? [abc] as in file names; * also spans '/'."""
    source: Text | None = None
    """Only series of the source of this name; null = of any."""
    start: Moment
    """When it begins, or the moment of a reset or rebase without a span: ISO 8601, UTC where no offset is given."""
    end: Moment | None = None
    """When it is over; null = start + length."""
    length: PositiveDuration | None = None
    """Its length, in place of end."""
    every: PositiveDuration | None = None
    """It comes again after this long, counted from start in UTC; null = once. Of gate hold only."""
    until: Moment | None = None
    """A recurring one does not begin again from here on; null = it goes on."""
    note: Annotated[str, Field(max_length=1_000)] = ""
    """A remark for readers."""

    def _conflicts(self) -> Iterator[Fault]:
        gate = self.gate or DEFAULT_GATES[self.kind]
        if self.end is not None and self.length is not None:
            yield Fault(("length",), "end is there too; one of the two is allowed")
        if gate == HOLD and self.end is None and self.length is None:
            yield Fault(("end",), "nothing came; a hold needs end or length")
        if self.end is not None and self.end < self.start:
            yield Fault(("end",), f"{moment_iso(self.end)} is before start, {moment_iso(self.start)}")
        elif gate == HOLD and self.end == self.start:
            yield Fault(("end",), "it is start; a hold that lasts is needed")
        if self.every is None:
            if self.until is not None:
                yield Fault(("until",), "there is no every; only what recurs has an until")
            return
        if gate != HOLD:
            yield Fault(("every",), f"the gate is {gate}; only a hold recurs")
        elif self.every < max(SHORTEST_EVERY_US, self.to_event().end_us - self.start + 1):
            yield Fault(("every",), "at least 1h, and longer than the hold itself, is needed")

    def to_event(self) -> GateEvent:
        """Give the event as the pipeline takes it."""
        end = self.start + (self.length or 0) if self.end is None else self.end
        return GateEvent(
            self.kind, self.gate or DEFAULT_GATES[self.kind], self.start, end, self.match, self.source or "",
            self.every or 0, FOREVER_US if self.until is None else self.until, self.note,
        )  # fmt: skip


def read_event(given: Mapping[str, object], where: str) -> EventSettings:
    """Make an event of what came by another way than the settings; DataError names `where`, key and what is allowed."""
    try:
        return EventSettings.model_validate(given, context=FROM_FILE)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise DataError(f"{where}: {key}{': ' if key else ''}{first['msg'].removeprefix('Value error, ')}") from error


class EventsFile(Part):
    """A table of events: a CSV file with a line of names, read with the settings."""

    path: NamedPath
    """The file; relative to the folder in which the daemon runs."""
    kind: Kind = "maintenance"
    """Of events without a column `kind`."""
    gate: GateName | None = None
    """Of events without a column `gate`; null = by kind."""
    series_column: Text = "series"
    """Column of the series, as in match; where the table has none, the events are for all."""
    start_column: Text = "start"
    """Column of the start, or of the moment."""
    end_column: Text | None = "end"
    """Column of the end; null, or no such column, = moments."""
    prefix: str = ""
    """Put before each name of a series."""

    def read(self) -> Iterator[EventSettings]:
        """Read the events. DataError says the file, the line and what is allowed."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file)
                if self.start_column not in (rows.fieldnames or ()):
                    came = ", ".join(rows.fieldnames or ()) or "nothing"
                    raise DataError(f"{self.path}:1: no column {self.start_column!r} among {came}; set start_column")
                for row in rows:
                    yield self._read_row(row, rows.line_num)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise DataError(f"{self.path}: cannot be read: {why}; a CSV file of events is needed") from error

    def _read_row(self, row: dict[str, str], line: int) -> EventSettings:
        given: dict[str, object] = {
            "kind": row.get("kind") or self.kind, "gate": row.get("gate") or self.gate,
            "match": self.prefix + (row.get(self.series_column) or "*"), "start": row[self.start_column],
            "end": row.get(self.end_column or "") or None, "note": row.get("note") or "",
        }  # fmt: skip
        return read_event(given, f"{self.path}:{line}")


def read_files(files: Iterable[EventsFile]) -> tuple[EventSettings, ...]:
    """Read all events of these files; ConfigError where one cannot be read."""
    try:
        return tuple(event for file in files for event in file.read())
    except DataError as error:
        raise ConfigError(str(error)) from error
