"""The csv source: no row is lost or told twice when its files are rotated, replaced, copied or truncated."""

from __future__ import annotations

import errno
import gzip
import os
import random
import re
import shutil
from pathlib import Path

import pytest

from sentinel.domain.observation import Rejection
from sentinel.sources import SourceError
from tests.sources.following import NOW_US, SECOND_US, csv_source, follow, line, rows, table, through_json, values
from tests.sources.rotating import Writer


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_start(tmp_path):
    path = tmp_path / "lake.csv"
    path.write_text(table(range(50)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write(line(50) + line(51))
    path.rename(tmp_path / "lake.csv.1")
    with pytest.raises(SourceError, match="No such file"):
        source.fetch(cursor)
    path.write_text(table(range(52, 60)))
    frames, cursor = follow(source, cursor)
    assert values(frames) == [float(n) for n in range(50, 60)]
    assert set(cursor["files"]) == {"lake.csv", "lake.csv.1"}
    _, cursor = follow(source, cursor)
    assert set(cursor["files"]) == {"lake.csv"}


def test_a_renamed_file_whose_writer_has_not_noticed_is_followed_for_an_hour_after_its_last_row(tmp_path):
    path, old = tmp_path / "lake.csv", tmp_path / "lake.csv.1"
    path.write_text(table(range(50)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as writer:
        path.rename(old)
        path.write_text(table(range(60, 65)))
        os.utime(old, (NOW_US / SECOND_US, NOW_US / SECOND_US - 3_599))
        frames, cursor = follow(source, cursor)
        assert values(frames) == [60, 61, 62, 63, 64]
        writer.write("".join(line(n) for n in range(50, 60)))
    frames, cursor = follow(source, cursor)
    assert values(frames) == [float(n) for n in range(50, 60)]
    os.utime(old, (NOW_US / SECOND_US, NOW_US / SECOND_US - 3_601))
    _, cursor = follow(source, cursor)
    assert set(cursor["files"]) == {"lake.csv"}


def test_a_file_that_is_compressed_beside_itself_and_emptied_is_read_to_its_end(tmp_path):
    path, packed = tmp_path / "lake.csv", tmp_path / "lake.csv.gz"
    path.write_text(table(range(50)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write(line(50))
    packed.write_bytes(gzip.compress(path.read_bytes()))
    frames, halfway = follow(source, cursor)
    assert values(frames) == [50]
    path.write_text(table(range(51, 53)))
    assert values(follow(source, halfway)[0]) == [51, 52]
    frames, _ = follow(source, cursor)
    assert values(frames) == [50, 51, 52]
    assert frames[0].rejected == {}


def test_the_last_row_of_a_renamed_file_may_lack_its_newline(tmp_path):
    path, old = tmp_path / "lake.csv", tmp_path / "lake.csv.1"
    path.write_text("time,n" + "".join("\n" + line(n).strip() for n in range(9)))
    source = csv_source(path)
    frames, cursor = follow(source)
    assert values(frames) == [float(n) for n in range(8)]
    path.rename(old)
    path.write_text(table(range(9, 12)))
    os.utime(old, (NOW_US / SECOND_US, NOW_US / SECOND_US - 3_599))
    frames, cursor = follow(source, cursor)
    assert values(frames) == [9, 10, 11]
    os.utime(old, (NOW_US / SECOND_US, NOW_US / SECOND_US - 3_601))
    _, cursor = follow(source, cursor)  # it has been touched, and is looked at
    frames, cursor = follow(source, cursor)
    assert values(frames) == [8]
    assert set(cursor["files"]) == {"lake.csv"}
    assert rows(follow(source, cursor)[0]) == []


def test_rows_written_before_a_file_was_copied_and_emptied_are_read_from_the_copy(tmp_path):
    path = tmp_path / "lake.csv"
    path.write_text(table(range(50)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write(line(50) + line(51))
    for name in ("lake.csv.1", "other.csv.1"):
        shutil.copy(path, tmp_path / name)
    path.write_text(table(range(52, 60)))  # same inode
    frames, cursor = follow(source, cursor)
    assert values(frames) == [float(n) for n in range(50, 60)]
    assert follow(source, cursor)[0][0].observations.is_empty()


def test_a_rotated_file_that_cannot_be_looked_for_is_a_failure_and_is_read_once_it_can(tmp_path, monkeypatch):
    path = tmp_path / "lake.csv"
    path.write_text(table(range(5)))
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write(line(5))
    path.rename(tmp_path / "lake.csv.1")
    path.write_text(table(range(6, 8)))
    with monkeypatch.context() as folder:  # its rights do not bind the superuser, who may run this test
        folder.setattr(os, "scandir", refused)
        with pytest.raises(SourceError, match=re.escape(f"{tmp_path}: Permission denied; it is tried again")):
            source.fetch(cursor)
    assert values(follow(source, cursor)[0]) == [5, 6, 7]


def refused(folder: Path):
    raise PermissionError(errno.EACCES, "Permission denied", str(folder))


def test_a_file_renamed_within_its_folder_is_not_read_twice(tmp_path):
    (tmp_path / "new.csv").write_text(table(range(20)))
    source = csv_source(tmp_path)
    _, cursor = follow(source)
    (tmp_path / "new.csv").rename(tmp_path / "old.csv")
    (tmp_path / "new.csv").write_text(table(range(20, 25)))
    frames, _ = follow(source, cursor)
    assert values(frames) == [20, 21, 22, 23, 24]


def test_a_file_renamed_and_compressed_within_its_folder_is_not_read_twice(tmp_path):
    (tmp_path / "new.csv").write_text(table(range(20)))
    source = csv_source(tmp_path)
    _, cursor = follow(source)
    with (tmp_path / "new.csv").open("a") as file:
        file.write(line(20))
    (tmp_path / "old.csv.gz").write_bytes(gzip.compress((tmp_path / "new.csv").read_bytes()))
    (tmp_path / "new.csv").unlink()
    (tmp_path / "new.csv").write_text(table(range(21, 25)))
    frames, _ = follow(source, cursor)
    assert values(frames) == [20, 21, 22, 23, 24]
    assert frames[0].rejected == {}


def test_tables_that_are_deleted_after_they_were_read_are_no_loss(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(table(range(20)))
    _, cursor = follow(csv_source(tmp_path))
    (tmp_path / "a.csv").unlink()
    frames, cursor = follow(csv_source(tmp_path), cursor)
    assert (rows(frames), frames[0].rejected, frames[0].complaints) == ([], {}, ())
    assert set(cursor["files"]) == {"b.csv"}


def test_an_emptied_file_without_a_copy_is_said_and_a_window_that_moves_on_is_not(tmp_path):
    path = tmp_path / "lake.csv"
    path.write_text(table(range(50)))
    source = csv_source(path)
    _, cursor = follow(source)
    path.write_text(table(range(20, 60)))
    frames, cursor = follow(source, cursor)
    assert frames[0].rejected == {}
    path.write_text(table(range(60, 65)))
    frames, cursor = follow(source, cursor)
    assert frames[0].rejected == {Rejection.LOST: 1}
    assert f"{path}: the file that was read to byte" in frames[0].complaints[0]
    assert "up to 2020-01-01 00:00:59 UTC is gone" in frames[0].complaints[0]


def test_a_truncated_file_is_read_from_its_start(tmp_path):
    path = tmp_path / "lake.csv"
    path.write_text(table(range(50)))
    source = csv_source(path, columns=["n"])
    _, cursor = follow(source)
    path.write_text(table(range(60, 65)))  # same inode
    frames, cursor = follow(source, cursor)
    assert values(frames) == [60, 61, 62, 63, 64]
    path.write_text(table(range(70, 200)))  # truncated, and already longer than before
    frames, _ = follow(source, cursor)
    assert values(frames) == [float(n) for n in range(70, 200)]


def test_a_file_replaced_by_a_longer_copy_of_itself_goes_on_and_by_a_changed_one_starts_again(tmp_path):
    path, new = tmp_path / "lake.csv", tmp_path / "lake.tmp"
    path.write_text(table(range(50)))
    source = csv_source(path, columns=["n"])
    _, cursor = follow(source)
    new.write_text(table(range(55)))
    new.replace(path)
    frames, cursor = follow(source, cursor)
    assert values(frames) == [50, 51, 52, 53, 54]
    new.write_text(table(range(54)) + line(99) + line(100))
    new.replace(path)
    frames, _ = follow(source, cursor)
    assert values(frames) == [*map(float, range(54)), 99, 100]


def test_a_replaced_file_may_have_other_columns(tmp_path):
    path = tmp_path / "lake.csv"
    path.write_text(table(range(2_000)).replace(",1", ",-1"))
    source = csv_source(path)
    _, cursor = follow(source)
    path.write_text("n,time,m\n1,2020-01-01,2\n")
    frames, _ = follow(source, cursor)
    assert sorted(rows(frames)) == [("m", 2.0), ("n", 1.0)]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_order_of_writing_rotating_and_fetching_no_row_of_a_file_once_seen_is_lost(tmp_path, seed):
    dice = random.Random(seed)
    path = tmp_path / "lake.csv"
    source = csv_source(path if seed % 2 else tmp_path, columns=["n"], max_observations=dice.choice([7, 1_000]))
    path.write_text("time,n\n")
    cursor, told, generation, written, seen = None, set(), 0, {}, set()
    for _ in range(25):
        step = dice.random()
        if step < 0.6:
            with path.open("a") as file:
                for _ in range(dice.randint(1, 30)):
                    written[len(written)] = generation
                    file.write(line(len(written) - 1))
        elif step < 0.75:
            # To a name that is not looked for, or, in a folder, to one that is.
            path.rename(tmp_path / (f"lake.csv.{generation}" if step < 0.68 else f"lake-{generation}.csv"))
            path.write_text("time,n\n")
            generation += 1
        if dice.random() < 0.7:
            frame = source.fetch(cursor)
            if dice.random() < 0.8:  # else: stopped before it was committed
                cursor, told = through_json(frame.cursor), told | set(values([frame]))
                seen.add(generation)
    told |= set(values(follow(source, cursor)[0]))
    assert {n for n, generation in written.items() if generation in seen} <= told


@pytest.mark.parametrize("most", [7, 1_000])
@pytest.mark.parametrize("in_folder", [True, False])
@pytest.mark.parametrize("dated", [True, False])
def test_what_was_rotated_before_the_first_start_is_read_first_and_once(tmp_path, most, in_folder, dated):
    """A daemon that was started on a table with a year of rotated files began to learn with the last day."""
    writer = Writer(tmp_path, dated=dated)
    for rows_written in (30, 20, 40, 10):
        writer.append(rows_written)
        writer.rotate()
    writer.compress()
    writer.compress()
    writer.append(5)
    path = tmp_path if in_folder else writer.path
    cursor, told, said, more = None, [], [], True
    while more:  # each fetch after a restart
        source = csv_source(path, columns=["n"], max_observations=most)
        frame = source.fetch(cursor)
        source.close()
        told += values([frame])
        said += [one for one in frame.complaints if "before the first start" in one]
        cursor, more = through_json(frame.cursor), frame.more
    assert told == [float(n) for n in range(105)]
    assert len(said) == 1
    assert "4 in all" in said[0]
    writer.append(5)
    writer.rotate()
    writer.append(5)
    assert values(follow(csv_source(path, columns=["n"]), cursor)[0]) == [float(n) for n in range(105, 115)]


def test_older_files_can_be_left_out(tmp_path):
    writer = Writer(tmp_path)
    writer.append(30)
    writer.rotate()
    writer.append(5)
    frames, cursor = follow(csv_source(writer.path, older_files=False))
    assert values(frames) == [float(n) for n in range(30, 35)]
    assert "left out (older_files): lake.csv.1 to lake.csv.1, 1 in all" in frames[0].complaints[0]
    writer.rotate()
    writer.append(5)
    assert values(follow(csv_source(writer.path), cursor)[0]) == [float(n) for n in range(35, 40)]
