"""Two kinds of databases behind one door: connected for one read, read-only, within a time."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import quote

from sentinel.config import SqlSource
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.errors import DataError
from sentinel.sources.backoff import Backoff, RefusedError
from sentinel.sources.base import SourceError
from sentinel.sources.needs import read_secret

BROKEN = "\ufffd"
"""In a text of SQLite it stands for bytes that are no UTF-8."""
_STEPS = 10_000
"""Instructions of SQLite between two looks at the clock."""


class Database:
    """An open database; `mark` is its placeholder of a value."""

    def __init__(self, connection: Any, query: str, mark: str) -> None:
        # Nothing in the query is a placeholder, and a comment may end it.
        query = query.replace("%", "%%") if "%" in mark else query
        self._connection, self._mark, self._asked = connection, mark, f"SELECT * FROM ({query}\n) AS asked"

    def read(
        self, keys: tuple[str, str], place: tuple[object, ...], limit: int
    ) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Read at most `limit` rows after a place, in the order of both keys; the names of the columns first."""
        time_key, id_key = keys
        after = {
            0: f"{time_key} IS NOT NULL AND {id_key} IS NOT NULL",
            1: f"{time_key} >= {self._mark} AND {id_key} IS NOT NULL",
            2: f"({time_key}, {id_key}) > ({self._mark}, {self._mark})",
        }[len(place)]
        text = f"{self._asked} WHERE {after} ORDER BY {time_key}, {id_key} LIMIT {limit}"
        done = self._connection.execute(text, place)
        rows = done.fetchall()
        return [column[0] for column in done.description], rows

    def quote(self, name: str) -> str:
        """Write the name of a column."""
        return '"' + name.replace('"', '""') + '"'

    def key(self, value: object) -> object:
        """Write a key so that a cursor can hold it, and comparing with it is exact; None where that cannot be."""
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return str(value)
        if value is None or isinstance(value, bytes) or (isinstance(value, str) and BROKEN in value):
            return None
        return value if isinstance(value, int | float | str) else str(value)


@contextmanager
def open_database(settings: SqlSource, backoff: Backoff) -> Iterator[Database]:
    """Open the database for one read.

    SourceError: it cannot be reached now, or is not asked yet; RefusedError: it does not let us in; DataError: it does
    not understand the query.
    """
    if settings.database.startswith("sqlite:"):
        yield from _open_sqlite(settings)
    else:
        yield from _open_postgres(settings, backoff)


def _open_sqlite(settings: SqlSource) -> Iterator[Database]:
    path = settings.database.removeprefix("sqlite:")
    seconds = settings.timeout / MICROSECONDS
    until = time.monotonic() + seconds
    try:
        uri = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=seconds)
    except sqlite3.Error as error:
        raise SourceError(f"{path}: {error}; a readable SQLite file is needed") from None
    try:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        yield Database(connection, settings.query, "?")
    except sqlite3.OperationalError as error:
        if "syntax" in str(error) or "no such" in str(error):
            raise DataError(f"{path}: query: {error}") from None
        why = f"no answer within {seconds:g} s" if "interrupt" in str(error) else str(error)
        raise SourceError(f"{path}: {why}") from None
    except sqlite3.Error as error:
        raise SourceError(f"{path}: {error}") from None
    finally:
        connection.close()


def _open_postgres(settings: SqlSource, backoff: Backoff) -> Iterator[Database]:
    try:
        import psycopg
    except ImportError:
        raise SourceError("PostgreSQL needs the package psycopg: pip install 'sentinel-ews[sql]'") from None
    password = read_secret(settings.password_file, "password_file")
    backoff.require(password)
    seconds = settings.timeout / MICROSECONDS
    options = (
        f"-c default_transaction_read_only=on -c statement_timeout={max(1, settings.timeout // 1000)} -c timezone=UTC"
    )
    try:
        connection = psycopg.connect(
            settings.database, password=password, connect_timeout=max(2, int(seconds)), options=options,
            application_name="sentinel", tcp_user_timeout=int(seconds * 1000),
        )  # fmt: skip
        try:
            for kind, loader in _lenient_loaders():
                connection.adapters.register_loader(kind, loader)
            with _hung_up_after(2 * seconds + 5.0, connection.fileno()):
                yield Database(connection, settings.query, "%s")
        finally:
            connection.close()
    except psycopg.Error as error:
        raise _failure(settings, error, password, backoff) from None
    backoff.note_success()


@contextmanager
def _hung_up_after(seconds: float, descriptor: int) -> Iterator[None]:
    """End a connection that takes too long: a server that is frozen does not come to see its own limit of time."""
    ours = socket.socket(fileno=os.dup(descriptor))
    timer = Timer(seconds, _hang_up, [ours])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        ours.close()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


@cache
def _lenient_loaders() -> list[tuple[str, Any]]:
    """Make what reads a time such as `infinity`, or one before Christ, as text, in place of an error for all rows."""
    from psycopg import DataError as OutOfRangeError
    from psycopg.types import datetime as kinds

    found = []
    for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval"):
        loader: Any = getattr(kinds, f"{name.capitalize()}Loader")

        def load(self: Any, data: Any, _loader: Any = loader) -> object:
            try:
                return _loader.load(self, data)
            except OutOfRangeError:
                return bytes(data).decode("utf-8", "replace")

        found.append((name, type("LenientLoader", (loader,), {"load": load})))
    return found


def _failure(settings: SqlSource, error: Any, password: str | None, backoff: Backoff) -> Exception:
    """Turn psycopg's error into a SourceError, or a DataError if the query is wrong, and note it."""
    said = " ".join(str(error).split())
    why = f"{settings.database}: {said.replace(password, '<secret>') if password else said}"
    state = error.sqlstate or ""
    found: SourceError = SourceError(why)
    if state.startswith("28") or "authentication failed" in said or "no password supplied" in said:
        found = RefusedError(f"{why}; not asked again until the password changes, or for an hour")
    backoff.note_failure(found, password)
    # Syntax, names, rights and types: the query, not the server, has to change.
    return DataError(why) if state[:2] in ("42", "22", "25") else found
