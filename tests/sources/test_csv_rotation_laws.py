"""Laws of following a file that is rotated: on any schedule every row comes once and in order, or a gap is said."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from sentinel.domain.observation import Cursor, Rejection
from tests.laws import examples
from tests.sources.following import csv_source, through_json, values
from tests.sources.rotating import COMPRESS, Writer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 12)),
        st.tuples(st.sampled_from(["rotate", "rotate", "compress", "fetch", "fetch", "lose", "restart"]), st.just(0)),
    ),
    max_size=16,
)
WRITERS = st.fixed_dictionaries({
    "dated": st.booleans(), "copies": st.booleans(), "ending": st.sampled_from(sorted(COMPRESS))
})  # fmt: skip


class Reader:
    """A daemon: it keeps a cursor, may stop before a frame is committed, and starts again from the cursor."""

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most = path, most
        self.cursor: Cursor | None = None
        self.told: list[float] = []
        self.said: list[str] = []
        self.lost = 0
        self._source = csv_source(path, columns=["n"], max_observations=most)

    def restart(self) -> None:
        self.close()
        self._source = csv_source(self._path, columns=["n"], max_observations=self._most)

    def close(self) -> None:
        self._source.close()

    def fetch(self, *, committed: bool = True) -> bool:
        """Fetch once; True if there is more."""
        frame = self._source.fetch(self.cursor)
        if committed:
            self.cursor = through_json(frame.cursor)
            self.told += values([frame])
            self.said += frame.complaints
            self.lost += frame.rejected.get(Rejection.LOST, 0)
        return frame.more

    def catch_up(self) -> None:
        while self.fetch():
            pass


def play(writer: Writer, reader: Reader, steps: list[tuple[str, int]]) -> None:
    for step, rows in steps:
        match step:
            case "append":
                writer.append(rows)
            case "rotate":
                writer.rotate()
            case "compress":
                writer.compress()
            case "restart":
                reader.restart()
            case _:
                reader.fetch(committed=step == "fetch")


@pytest.mark.slow
@given(STEPS, WRITERS, st.sampled_from([5, 1_000]), st.booleans(), st.booleans())
@settings(max_examples=examples(25, 100), deadline=None)
@example([("append", 3), ("fetch", 0), ("append", 2), ("rotate", 0), ("append", 4), ("rotate", 0), ("append", 1)],
         {"dated": False, "copies": False, "ending": ".gz"}, 1_000, False, True)  # fmt: skip
@example([("append", 5), ("rotate", 0), ("append", 1), ("rotate", 0), ("compress", 0), ("fetch", 0), ("compress", 0)],
         {"dated": False, "copies": False, "ending": ".bz2"}, 5, False, True)  # fmt: skip
def test_every_row_comes_once_and_in_order_however_a_file_is_rotated(steps, kind, most, in_folder, early) -> None:
    """Also where the first look is `early`: at a table that had not been rotated by then."""
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder), **kind)
        reader = Reader(Path(folder) if in_folder else writer.path, most)
        writer.append(1)
        if early:
            reader.fetch()
        play(writer, reader, steps)
        writer.finish()
        reader.catch_up()
        assert reader.told == [float(n) for n in range(writer.written)]
        assert reader.lost == 0
        reader.catch_up()
        cursor = reader.cursor
        reader.restart()
        reader.catch_up()
        reader.close()
        assert reader.cursor == cursor


@pytest.mark.slow
@given(STEPS, st.booleans(), st.integers(1, 3), st.sampled_from([5, 1_000]))
@settings(max_examples=examples(25, 100), deadline=None)
def test_where_rows_were_deleted_unread_a_gap_is_said_and_the_rest_comes_once_and_in_order(
    steps, dated, deleted, most
) -> None:
    """Not where files are copied and emptied: one that is emptied before its first row was read looks untouched.

    For the same reason a first row has been read: of a file without one only the inode is known.
    """
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder), dated=dated)
        reader = Reader(writer.path, most)
        writer.append(1)
        reader.fetch()
        play(writer, reader, steps)
        for _ in range(deleted):
            writer.delete()
        reader.catch_up()
        reader.close()
        assert reader.told == sorted(set(reader.told))
        if len(reader.told) < writer.written:
            assert reader.lost
            assert any("is gone" in line for line in reader.said)
