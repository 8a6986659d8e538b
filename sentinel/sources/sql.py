"""Source `sql`: rows of PostgreSQL or SQLite, read in the order of (time, id), each time from where it stopped.

Rows are read once they are `lag` old, since a row may be committed after others of a later time. Rows whose time or id
cannot be read are passed over with those around them; they are counted, and move the place up to which it was read only
together with a row that can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sentinel.config import SqlSource
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import ConfigError, DataError
from sentinel.domain.labels import add_labels
from sentinel.domain.spans import moment_iso, print_duration
from sentinel.sources.backoff import Backoff
from sentinel.sources.base import AHEAD_US, PullSource
from sentinel.sources.labels import labeller
from sentinel.sources.needs import say_what_lacks

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame
    from sentinel.sources.rows import Rows

NUMBERS = (int, float, Decimal)


class Records(PullSource):
    """Reads what a query gives."""

    def __init__(self, settings: SqlSource, clock: Clock) -> None:
        super().__init__(settings.name, settings.every, settings.id)
        if settings.query.rstrip().endswith(";"):
            raise ConfigError("query: it ends with ';'; leave that out: it becomes part of a longer one")
        self._settings, self._clock = settings, clock
        self._zone = UTC if settings.time_zone == "UTC" else ZoneInfo(settings.time_zone)
        self._backoff = Backoff(settings.every / MICROSECONDS)
        self._labelled = labeller(settings.labels)

    def describe(self) -> str:
        """Say what is read from where, and how often."""
        settings = self._settings
        every, lag = print_duration(settings.every), print_duration(settings.lag)
        return f"{settings.database}, {' '.join(settings.query.split())}, read every {every}, rows older than {lag}"

    def remarks(self) -> tuple[str, ...]:
        """Say which package or secret is not there."""
        package = None if self._settings.database.startswith("sqlite:") else "psycopg"
        return tuple(say_what_lacks(package, "sql", password_file=self._settings.password_file))

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read the rows since `cursor`; see `PullSource.fetch`."""
        from sentinel.domain.observation import Rejection
        from sentinel.sources.databases import open_database
        from sentinel.sources.rows import Rows

        settings, now_us = self._settings, self._clock.now_us()
        with open_database(settings, self._backoff) as database:
            keys = database.quote(settings.time_column), database.quote(settings.id_column)
            names, found = database.read(keys, self._place(cursor, now_us), settings.max_rows)
            layout = _Layout(settings, names)
            rows, told_us = Rows(now_us, "row", settings.prefix, self._labelled), now_us - settings.lag
            at: Any = cursor and dict(cursor)
            waiting = Rows(now_us, "row", settings.prefix, self._labelled)
            taken, broken, is_all = 0, "", len(found) < settings.max_rows
            for number, row in enumerate(found, 1):
                time_us = self._time(row[layout.time])
                if time_us is not None and time_us > told_us:
                    is_all = True
                    if time_us > now_us + AHEAD_US:
                        ahead = f"rows of {moment_iso(time_us)} and later wait until then"
                        rows.complaints.append(f"{ahead}, and here it is {moment_iso(now_us)}: is a clock wrong?")
                    break
                key = database.key(row[layout.id])
                if time_us is None:
                    layout.take(row, None, waiting, number)
                    continue
                if key is None:
                    broken = f"{settings.id_column} {row[layout.id]!a:.40}, where a number or a text is needed"
                    waiting.leave_out(Rejection.MALFORMED_ROW, number, broken)
                    continue
                rows.rejected.update(waiting.rejected)
                rows.complaints.extend(waiting.complaints)
                waiting = Rows(now_us, "row", settings.prefix, self._labelled)
                layout.take(row, time_us, rows, number)
                at, taken = {"time": database.key(row[layout.time]), "id": key}, number
        if broken and not taken and (at is None or not is_all):
            raise DataError(f"{broken} to read on from there; let the query give one")
        if not taken and len(found) == settings.max_rows and all(self._time(row[layout.time]) is None for row in found):
            raise DataError(
                f"{settings.time_column}: {ascii(found[0][layout.time])[:60]} and all after it are no times; set "
                "time_format, or leave such rows out in the query"
            )
        del rows.complaints[10:]
        return rows.frame(self.id, at or {}, told_us if is_all or not taken else None)

    def _place(self, cursor: Cursor | None, now_us: int) -> tuple[object, ...]:
        """Give the place after which it is read: time and id, or a time alone, or none."""
        if cursor:
            return cursor["time"], cursor["id"]
        if self._settings.since is None:
            return ()
        moment = datetime.fromtimestamp((now_us - self._settings.since) // MICROSECONDS, UTC)
        if self._settings.time_format is None:
            # From the beginning of the day on: behind the day some texts have a blank, some a T.
            return (min(moment.date(), moment.astimezone(self._zone).date()).isoformat(),)
        return (_number_of(moment, self._settings.time_format),)

    def _time(self, value: object) -> int | None:
        from sentinel.sources.rows import microseconds_of

        unit = self._settings.time_format if isinstance(value, NUMBERS) else None
        return microseconds_of(value, unit, self._zone)


def _number_of(moment: datetime, unit: str) -> float:
    """Write a moment as tables of numbers do."""
    since = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    days = {"excel": 25_569.0, "julian": 2_440_587.5}
    if unit in days:
        return since / 86_400 + days[unit]
    return float(since * {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}[unit])


class _Layout:
    """Roles of the columns of a query."""

    def __init__(self, settings: SqlSource, names: Sequence[str]) -> None:
        self._names = names
        self.time, self.id = self._find(settings.time_column), self._find(settings.id_column)
        self._by = [self._find(name) for name in settings.by]
        self._labels = settings.by if settings.keep_labels else None
        self._long: tuple[int, int] | None = None
        if settings.columns is not None:
            values = [self._find(name) for name in settings.columns]
        elif {settings.series_column, settings.value_column} <= set(names):
            self._long = self._find(settings.series_column), self._find(settings.value_column)
            values = []
        else:
            values = [place for place in range(len(names)) if place not in (self.time, self.id, *self._by)]
        if not values and self._long is None:
            raise DataError(f"query: no column is left for values: {', '.join(names)}; let the query give one")
        self._values = values
        self._all = settings.columns is None

    def _find(self, name: str) -> int:
        if self._names.count(name) != 1:
            raise DataError(
                f"query: {self._names.count(name)} columns {name}; one is needed; it gives {', '.join(self._names)}"
            )
        return self._names.index(name)

    def take(self, row: Sequence[Any], time_us: int | None, rows: Rows, number: int) -> None:
        """Take the observations of one row."""
        came = str(row[self.time]) if time_us is None else None
        for name, value in self._cells(row):
            rows.add(name, time_us, value, number, came)

    def _cells(self, row: Sequence[Any]) -> Iterator[tuple[str | None, object]]:
        parts = [row[place] for place in self._by]
        if any(part is None for part in parts):
            yield None, 0.0
        elif self._long is not None:
            series, value = (row[place] for place in self._long)
            yield None if series is None else self._key(str(series), parts), value
        else:
            for place in self._values:
                # Of all columns those with text are notes, not values; a column that was named has to have numbers.
                if not (self._all and isinstance(row[place], str | bytes | bool)):
                    yield self._key(self._names[place], parts), row[place]

    def _key(self, name: str, parts: Sequence[object]) -> str:
        if self._labels is None:
            return "".join(f"{part}/" for part in parts) + name
        return add_labels(name, dict(zip(self._labels, map(str, parts), strict=True)))
