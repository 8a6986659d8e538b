"""One process per state folder, and only files that are ours."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from sentinel.domain.errors import StateError
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Journal

HOLDER = """
import pathlib, sys
from sentinel.journal import Journal
with Journal.open(pathlib.Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_second_process_is_refused_with_the_first_ones_pid_until_it_dies(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StateError, match=f"in use by process {holder.pid};"):
            Journal.open(tmp_path)
        with Journal.open(tmp_path, read_only=True) as reader:
            assert reader.series() == []
        holder.kill()
        holder.wait()
        Journal.open(tmp_path).close()


def test_the_folder_can_be_opened_again_after_a_close_and_after_a_refusal(tmp_path: Path) -> None:
    with Journal.open(tmp_path), pytest.raises(StateError, match=str(os.getpid())):
        Journal.open(tmp_path)
    (tmp_path / "sentinel.db").write_text("something else entirely\n" * 100)
    for _ in range(2):
        with pytest.raises(StateError, match="not a journal of sentinel"):
            Journal.open(tmp_path)


def test_a_missing_folder_is_made_and_closed_to_others(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_foreign_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "sentinel.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match="not a journal of sentinel"):
        Journal.open(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("version", "sentence"), [(3, "install the newer sentinel"), (0, "knows version 2")])
def test_another_schema_version_is_refused(tmp_path: Path, version: int, sentence: str) -> None:
    Journal.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "sentinel.db") as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(StateError, match=f"schema version {version}.*{sentence}"):
            Journal.open(tmp_path, read_only=read_only)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="must be writable"):
        Journal.open(tmp_path / "file")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with _ordinary_user(), pytest.raises(StateError, match="must be writable"):
        Journal.open(folder)


class _ordinary_user:  # noqa: N801 - reads as a with-statement's word
    """Root may write everywhere, so the test steps down while it lasts."""

    def __enter__(self) -> None:
        self.root = os.geteuid() == 0
        if self.root:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if self.root:
            os.seteuid(0)


def test_reading_needs_a_journal_and_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no journal here"):
        Journal.open(tmp_path, read_only=True)
    (tmp_path / "sentinel.db").touch()
    with pytest.raises(StateError, match="empty"):
        Journal.open(tmp_path, read_only=True)
    with Journal.open(tmp_path) as writer, Journal.open(tmp_path, read_only=True) as reader:
        table = pl.DataFrame([("a", 1, 1.0)], schema=OBSERVATIONS, orient="row")
        writer.commit(Frame("csv", table, {}), 0)
        assert [committed.batch for committed in reader.tail(0)] == [1]
        with pytest.raises(StateError, match="readonly"):
            reader.commit(Frame("buoy", table, {}), 0)
