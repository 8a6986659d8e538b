"""One file, one reading: what a backtest takes of it is what the daemon journals, however the file comes."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.analysis.intake import read_files, sort
from sentinel.domain.errors import DataError, SentinelError
from sentinel.sources import PullSource
from sentinel.tables.options import options_from
from tests.laws import examples
from tests.sources.following import csv_source, follow
from tests.sources.tables_written import Written, write_table
from tests.tables.specimens import SPECIMENS

Observations = dict[tuple[str, int], float]


def by_backtest(path: Path, options: dict[str, object]) -> Observations:
    """By series and time, of equal ones the first."""
    intake = read_files([path], options_from(options))
    if intake.numbered:
        raise DataError("numbers are no times in a daemon")
    with tempfile.TemporaryDirectory() as folder:
        found = sort(intake.observations, Path(folder), differences=intake.differences)
        return {(found.names[i], time): value for batch in found.batches() for i, time, value in batch.iter_rows()}


def by_daemon(source: PullSource, path: Path, parts: list[bytes]) -> tuple[Observations, list[str], set[str], str]:
    """Read a file that is added to part by part; also give what was said, what was left out, and the last failure."""
    found: Observations = {}
    said: list[str] = []
    left_out: set[str] = set()
    cursor, counting, failed = None, (), ""
    path.touch()
    for part in parts:
        with path.open("ab") as file:
            file.write(part)
        try:
            frames, cursor = follow(source, cursor)
        except SentinelError as error:
            failed = str(error)
            continue
        counting, failed = frames[-1].counting, ""
        for frame in frames:
            said += frame.complaints
            left_out |= frame.rejected.keys()
            for series, time, value in frame.observations.iter_rows():
                found.setdefault((series, round(time.timestamp() * 1e6)), value)
    # The engine forgets the series of columns that count.
    return {key: value for key, value in found.items() if key[0] not in counting}, said, left_out, failed


def assert_same(written: Written, cuts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, live = Path(folder) / "lake.csv", Path(folder) / "live" / "lake.csv"
        path.write_bytes(written.data)
        live.parent.mkdir()
        live.touch()
        parts = [written.data[a:b] for a, b in zip([0, *cuts], [*cuts, len(written.data)], strict=True)]
        try:
            whole = by_backtest(path, written.options)
        except SentinelError:
            return  # a backtest refuses; the daemon, which cannot see what is to come, counts or refuses
        found, said, _, failed = by_daemon(csv_source(live, **written.options), live, parts)
        waits = any("first rows do not tell yet" in line for line in said) and not found
        assert found == whole or waits or failed


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=examples(8, 300), deadline=None)
def test_a_file_is_the_same_to_a_backtest_and_to_the_daemon_whole_and_in_parts(seed: int, data: st.DataObject) -> None:
    written = write_table(random.Random(seed), 140)
    ends = st.lists(st.integers(0, len(written.data)), max_size=4).map(sorted)
    assert_same(written, [] if written.falls else data.draw(ends))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_file_that_grows_row_by_row_is_the_same_to_a_backtest_and_to_the_daemon(seed: int) -> None:
    written = write_table(random.Random(seed), 400)
    ends = [at + 1 for at, byte in enumerate(written.data) if byte == ord("\n")]
    assert_same(written, [] if written.falls else ends[:-1])


def hours(first: int, last: int, form: str = "2020-01-{day:02d}T{hour:02d}:00,{a}.5,{b}\n") -> str:
    return "".join(form.format(day=1 + n // 24, hour=n % 24, a=n * 7 % 11, b=n * 5 % 13) for n in range(first, last))


@pytest.mark.parametrize(
    "parts",
    [
        ["", "time,a,b\n", hours(0, 5)], ["time,a", ",b\n" + hours(0, 5)],
        ["time,a,b\n" + hours(0, 5), hours(5, 9, "2020-01-{day:02d}T{hour:02d}:00+02:00,{a},{b}\n")],
        ["time,a,b\n" + hours(0, 5), "2020-01-02T00:00,1\n2020-01-02T01:00\n"],
    ],
)  # fmt: skip
def test_a_file_that_begins_empty_gets_offsets_or_shorter_rows_is_read_alike(tmp_path: Path, parts: list[str]) -> None:
    path = tmp_path / "a.csv"
    found, said, _, failed = by_daemon(csv_source(path), path, [one.encode() for one in parts])
    assert found == by_backtest(path, {})
    assert (len(found) >= 10, said, failed) == (True, [], "")


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (hours(5, 9, "2020-01-{day:02d}T{hour:02d}:00;{a};{b}\n"), "bad_time"),
        (hours(5, 9, "{day:02d}.01.2020 {hour:02d}:00,{a},{b}\n"), "bad_time"),
        ("1577880000,1,2\n", "bad_time"),
        (hours(5, 9, "2020-01-{day:02d}T{hour:02d}:00,{a},{b},9\n"), "malformed_row"),
        ("time,a,b,c\n" + hours(5, 15, "2020-01-{day:02d}T{hour:02d}:00,{a},{b},9\n"), "malformed_row"),
    ],
)
def test_rows_of_another_separator_form_or_width_are_refused_by_both(tmp_path: Path, later: str, reason: str) -> None:
    """Bug: a backtest took names that come again with a further one for the header, and the rows above for a title."""
    path, first = tmp_path / "a.csv", "time,a,b\n" + hours(0, 5)
    found, said, left_out, _ = by_daemon(csv_source(path), path, [first.encode(), later.encode()])
    assert (len(found), left_out) == (10, {reason})
    assert "row 6" in said[0]
    with pytest.raises(DataError, match="row 6"):
        by_backtest(path, {})


def test_a_column_that_a_rewritten_header_adds_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,a,b\n" + hours(0, 5))
    source = csv_source(path)
    _, cursor = follow(source)
    (tmp_path / "new").write_text("time,a,b,c\n" + hours(0, 5).replace("\n", ",\n") + hours(5, 7).replace("\n", ",9\n"))
    (tmp_path / "new").replace(path)
    frames, _ = follow(source, cursor)
    found = {(name, round(time.timestamp() * 1e6)): one for name, time, one in frames[0].observations.iter_rows()}
    assert found == by_backtest(path, {})
    assert sum(name == "c" for name, _ in found) == 2


@pytest.mark.parametrize("name", ["lvm-steps", "rbr"])
def test_rows_without_times_are_counted_on_over_restarts(tmp_path, name):
    path, lines = tmp_path / "logger.dat", SPECIMENS[name].text.splitlines(keepends=True)
    for n in range(3, 10):
        lines += [lines[-1].replace("7,25", f"7,{n}")] if name == "lvm-steps" else [f"{n}.5 {n}.25\n"]
    cursor, times = None, []
    for line in lines:
        with path.open("a") as file:
            file.write(line)
        frames, cursor = follow(csv_source(path), cursor)
        times += [time for frame in frames for time in frame.observations["time"].unique().sort()]
    step = timedelta(seconds=1.5 if name == "lvm-steps" else 10)
    assert times == [datetime(2021, 6, 18, tzinfo=UTC) + n * step for n in range(9)]
