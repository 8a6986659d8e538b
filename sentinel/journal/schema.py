"""The tables, and the proof that a file is ours and of a version that this program understands."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sentinel.domain.errors import StateError

APPLICATION_ID = 0x534E544C  # "SNTL"
VERSION = 1

TABLES = (
    # Ids are dense, from 0, in order of first appearance: they index the arrays of the pipeline.
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, source TEXT NOT NULL)",
    """CREATE TABLE batch (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        arrival_us INTEGER NOT NULL,
        complete_until_us INTEGER,
        first_us INTEGER,
        last_us INTEGER,
        observations INTEGER NOT NULL,
        payload TEXT NOT NULL)""",
    "CREATE INDEX batch_settings ON batch (id) WHERE kind = 'settings'",
    # Time first: one tick of all series lies on neighbouring pages; series first would touch a page of each.
    """CREATE TABLE observation (
        time INTEGER NOT NULL,
        series INTEGER NOT NULL,
        value REAL NOT NULL,
        batch INTEGER NOT NULL,
        PRIMARY KEY (time, series)) WITHOUT ROWID""",
    """CREATE TABLE cursor (
        source TEXT PRIMARY KEY, value TEXT NOT NULL, complete_until_us INTEGER, batch INTEGER NOT NULL)""",
    """CREATE TABLE checkpoint (
        id INTEGER PRIMARY KEY,
        batch INTEGER NOT NULL,
        created_us INTEGER NOT NULL,
        header TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        complete INTEGER NOT NULL)""",
    """CREATE TABLE checkpoint_piece (
        checkpoint INTEGER NOT NULL,
        name TEXT NOT NULL,
        part INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (checkpoint, name, part))""",
    """CREATE TABLE event (
        id TEXT PRIMARY KEY, batch INTEGER NOT NULL, series, time_us INTEGER NOT NULL, body TEXT NOT NULL)""",
    # delivered_us: null = owed, negative = refused for good at that time.
    """CREATE TABLE outbox (
        event TEXT, sink TEXT, delivered_us INTEGER, PRIMARY KEY (event, sink)) WITHOUT ROWID""",
    "CREATE INDEX outbox_undelivered ON outbox (sink) WHERE delivered_us IS NULL",
    """CREATE TABLE digest (
        series INTEGER, tick INTEGER, digest TEXT NOT NULL, PRIMARY KEY (series, tick)) WITHOUT ROWID""",
)


def is_new(connection: sqlite3.Connection) -> bool:
    """Nothing has ever been written: no tables, no marks."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables and _mark(connection, "application_id") == 0 and _mark(connection, "user_version") == 0


def create(connection: sqlite3.Connection) -> None:
    """Write tables and marks, inside the caller's transaction."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def require(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse with a StateError what is not a journal of this version."""
    if _mark(connection, "application_id") != APPLICATION_ID:
        raise foreign(path)
    version = _mark(connection, "user_version")
    if version > VERSION:
        raise StateError(
            f"{path}: schema version {version}; this sentinel knows versions up to {VERSION}; "
            "install the newer sentinel that wrote it, or set another daemon.state_dir"
        )
    if version < VERSION:
        raise StateError(
            f"{path}: schema version {version}; this sentinel knows version {VERSION}; set another daemon.state_dir"
        )


def foreign(path: Path) -> StateError:
    """The refusal of a file that some other program wrote."""
    return StateError(
        f"{path}: not a journal of sentinel; the state folder must be its own; set another daemon.state_dir"
    )


def _mark(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
