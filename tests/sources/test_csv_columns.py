"""Columns of the csv source over time: late ones, text, layouts that are learnt once, counters, names and prefixes."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings

from sentinel.analysis.intake import read_files, sort
from sentinel.domain.errors import DataError
from sentinel.domain.observation import Cursor
from sentinel.sources import pieces
from sentinel.tables import TableOptions
from tests.laws import examples
from tests.sources.following import csv_source, follow, line, rows, table, through_json, without_counting


def by_row(path: Path, header: str, lines: list[str], **settings: object) -> tuple[list[tuple[str, float]], Cursor]:
    """Follow a file that grows by a row at a time."""
    source, cursor, told = csv_source(path, **settings), None, []
    path.write_text(header)
    for one in lines:
        with path.open("a") as file:
            file.write(one)
        frames, cursor = follow(source, cursor)
        told += rows(frames)
    return told, cursor


def test_a_column_is_listed_before_its_first_number_and_taken_up_with_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,n,late\n" + "".join(f"{line(n).strip()[:-1]}{n % 7},\n" for n in range(1_500)))
    source = csv_source(path, prefix="north/")
    frames, cursor = follow(source)
    assert {series for series, _ in rows(frames)} == {"north/n"}
    assert frames[-1].columns == ("north/late", "north/n")
    assert csv_source(path, prefix="north/").fetch(cursor).columns == ("north/late", "north/n")
    with path.open("a") as file:
        file.write(f"{line(1_500).strip()},7\n")
    assert ("north/late", 7.0) in rows(follow(source, cursor)[0])


CELLS = st.sampled_from(["1", "2.5", "", "NA", "calm", "off"])


@pytest.mark.slow
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=16), st.data())
@settings(max_examples=examples(12, 60), deadline=None)
def test_a_layout_that_is_learnt_once_is_the_one_that_all_first_rows_tell(tmp_path_factory, cells, data):
    path = tmp_path_factory.mktemp("a") / "a.csv"
    lines = [f"{line(n).strip()},{a},{b}\n" for n, (a, b) in enumerate(cells)]
    source, cursor, first, told = csv_source(path), None, 0, []
    while first < len(lines):
        last = first + data.draw(st.integers(1, 8))
        path.write_text("time,n,a,b\n" + "".join(lines[:last]))
        frames, cursor = follow(source if data.draw(st.booleans()) else csv_source(path), cursor)
        told += rows(frames)
        first = last
    assert sorted(told) == sorted(rows(follow(csv_source(path))[0]))
    texts = [name for name, column in zip("ab", zip(*cells, strict=True), strict=True) if is_text(column)]
    (way,) = cursor["ways"]
    assert way[3] == texts


def is_text(column: tuple[str, ...]) -> bool:
    words = [cell for cell in column if cell not in ("", "NA")]
    return bool(words) and all(cell in ("calm", "off") for cell in words)


def test_a_table_with_a_second_site_is_refused_however_it_is_cut(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"time,site,n\n{line(1).strip()[:-2]},north,1\n")
    source = csv_source(path)
    _, cursor = follow(source)
    with path.open("a") as file:
        file.write(f"{line(1).strip()[:-2]},south,2\n")
    for again in (source, csv_source(path)):
        with pytest.raises(DataError, match=r"times repeat and column 'site' holds text"):
            again.fetch(cursor)


def test_the_layout_is_learnt_once_and_kept_with_the_cursor(tmp_path, monkeypatch):
    learnt = []
    whole = pieces.find_shape
    monkeypatch.setattr(pieces, "find_shape", lambda *given: learnt.append(1) or whole(*given))
    path = tmp_path / "a.csv"
    told, cursor = by_row(path, "time,n\n", [line(n) for n in range(50)])
    assert len(told) == 50
    with path.open("a") as file:
        file.write(line(50))
    assert rows(follow(csv_source(path), cursor)[0]) == [("n", 50.0)]
    assert len(learnt) == 1


def test_a_spreadsheet_is_parsed_once_for_a_change_and_not_at_all_without(tmp_path, monkeypatch):
    from python_calamine import CalamineWorkbook

    parsed = []
    whole = CalamineWorkbook.from_path
    monkeypatch.setattr("python_calamine.CalamineWorkbook", SimpleNamespace(
        from_path=lambda path: parsed.append(path) or whole(path)
    ))  # fmt: skip
    path = tmp_path / "a.xlsx"
    times = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 2), "1h", eager=True)
    written = pl.DataFrame({"time": times, "n": [float(n) for n in range(25)]})
    write_sheet(written.head(20), path)
    source = csv_source(path)
    frames, cursor = follow(source)
    assert (len(rows(frames)), len(parsed)) == (20, 1)
    for again in (source, csv_source(path)):
        assert rows(follow(again, cursor)[0]) == []
    assert len(parsed) == 1
    write_sheet(written, path)
    frames, _ = follow(source, cursor)
    assert {24.0, 20.0} <= {value for _, value in rows(frames)}
    assert len(parsed) == 2


def write_sheet(frame: pl.DataFrame, path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (frame.columns, *frame.iter_rows()):
        book.active.append(list(row))
    book.save(path)


def test_settings_that_change_what_the_columns_are_make_it_learnt_again(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,n,m\n" + f"{line(0).strip()},7\n")
    _, cursor = follow(csv_source(path))
    with path.open("a") as file:
        file.write(f"{line(1).strip()},8\n")
    assert rows(follow(csv_source(path, exclude=["m"]), cursor)[0]) == [("n", 1.0)]


@pytest.mark.slow
def test_what_the_files_of_a_folder_share_is_kept_once(tmp_path):
    for day in range(30):
        (tmp_path / f"{day:02d}.csv").write_text(table(range(10 * day, 10 * day + 10)).replace(",", ";"))
    _, cursor = follow(csv_source(tmp_path))
    assert len(cursor["files"]) == 30
    assert len(cursor["ways"]) == 1
    assert "--separator" not in str(cursor)
    assert str(cursor).count("separator") == 1


@pytest.mark.slow
def test_an_hour_that_came_twice_is_forgotten_once_it_is_over(tmp_path):
    path = tmp_path / "a.csv"
    stamps = pl.datetime_range(pl.datetime(2024, 10, 26), pl.datetime(2024, 10, 28), "30m", eager=True, time_zone="UTC")
    local = stamps.dt.convert_time_zone("Europe/Berlin").dt.to_string("%Y-%m-%d %H:%M")
    told, cursor = by_row(
        path, "time,n\n", [f"{stamp},{n}\n" for n, stamp in enumerate(local)], time_zone="Europe/Berlin"
    )
    assert [value for _, value in told] == [float(n) for n in range(len(local))]
    assert "repeated" not in cursor["files"]["a.csv"]


def test_a_cursor_of_an_earlier_version_goes_on(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,n\n" + "".join(line(n) for n in range(0, 40, 2)))
    _, cursor = follow(csv_source(path, transform=["n=difference"]))
    (old,) = cursor["files"].values()
    kept = {name: old[name] for name in ("device", "inode", "offset", "rows", "head_bytes", "head", "tail")}
    old = {"files": {"a.csv": kept | {"read_as": "{}", "counted": '{"n": 38.0}', "repeated": ""}}}
    with path.open("a") as file:
        file.write(line(43))
    frames, _ = follow(csv_source(path, transform=["n=difference"]), through_json(old))
    assert rows(frames) == [("n", 5.0)]


def steps_of_a_backtest(paths: list[Path], folder: Path, options: TableOptions) -> list[tuple[str, float]]:
    intake = read_files(paths, options)
    ordered = sort(intake.observations, folder, differences=intake.differences, by_time=True)
    found = pl.concat(list(ordered.batches()))
    return [(ordered.names[number], value) for number, value in found.select("id", "value").iter_rows()]


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
def test_steps_of_a_counter_over_the_files_of_a_folder_are_those_of_a_backtest(tmp_path, seed):
    dice = random.Random(seed)
    total, n, lines = 0, 0, []
    for _ in range(5):
        part = []
        for _ in range(dice.randint(1, 40)):
            total = total + dice.randint(0, 9) if dice.random() > 0.05 else 0
            stamp = line(n).split(",")[0]
            part += [f"{stamp},lake,{total},{dice.random():.3f}\n"] * (2 if dice.random() < 0.1 else 1)
            n += 1
        lines.append(part)
    folder = tmp_path / "in"
    folder.mkdir()
    options = {"by": ("lake",), "transform": ("rain=difference",)}
    source, cursor, told = csv_source(folder, max_observations=dice.choice([9, 1_000]), **options), None, []
    for number, part in enumerate(lines):
        path = folder / f"{number}.csv"
        path.write_text("time,lake,rain,t\n" + "".join(part[: len(part) // 2]))
        if dice.random() < 0.7:
            frames, cursor = follow(source, cursor)
            told += rows(frames)
        with path.open("a") as file:
            file.write("".join(part[len(part) // 2 :]))
        frames, cursor = follow(source, cursor)
        told += rows(frames)
    expected = steps_of_a_backtest(sorted(folder.iterdir()), tmp_path, TableOptions(**options))
    assert [value for name, value in told if name == "lake/rain"] == [
        value for name, value in expected if name == "lake/rain"
    ]


def counting(*ns: int) -> str:
    """Rows of a total, a rain gauge that is emptied every 60 rows, a lake that warms for 20 rows, a measurement."""
    return "".join(
        f"{line(n).rpartition(',')[0]},{n},{n % 60 / 2},{min(n, 20) - n // 21 % 2},{n * 7 % 11}\n" for n in ns
    )


NAMES = "time,total,rain,lake,ph\n"


@pytest.mark.slow
@given(st.lists(st.integers(1, 260), min_size=1, max_size=5), st.booleans())
@settings(max_examples=examples(8, 25), deadline=None)
def test_what_counts_is_decided_once_however_the_file_comes_and_whatever_becomes_of_it(
    tmp_path_factory, cuts, restarts
):
    """Every series of a table of counters alarmed: the daemon named them and judged them all the same."""
    path = tmp_path_factory.mktemp("a") / "a.csv"
    source, cursor, told, said, last = csv_source(path), None, [], [], 0
    for cut in (*cuts, 260):
        path.write_text(NAMES + counting(*range(max(last, cut))))
        last = max(last, cut)
        frames, cursor = follow(csv_source(path) if restarts else source, cursor)
        told = without_counting(told, frames)
        said += [one for frame in frames for one in frame.complaints]
    assert frames[-1].counting == ("rain", "total")
    assert set(frames[-1].columns) == {"lake", "ph"}
    assert sum("'total' only rises" in one and "total=difference" in one for one in said) == 1
    count = Counter(name for name, _ in told)
    assert (count["lake"], count["ph"]) == (260, 260)
    assert max(count["rain"], count["total"]) == 0
    path.rename(path.with_name("a.csv.1"))
    path.write_text(NAMES + counting(260, 261))
    frames, cursor = follow(source, cursor)
    assert {name for name, _ in rows(frames)} == {"lake", "ph"}


@pytest.mark.slow
@given(st.integers(110, 900), st.lists(st.integers(1, 1_050), max_size=6), st.booleans())
@settings(max_examples=examples(8, 15), deadline=None)
def test_of_a_sensor_that_rises_for_long_nothing_is_lost_and_a_counter_is_left_out_for_good(
    tmp_path_factory, top, cuts, restarts
):
    """Bug: a lake that warmed since sunrise, in 100 values that only rose, was taken for a counter for ever."""
    path = tmp_path_factory.mktemp("a") / "a.csv"
    dawn = [n / 100 if n <= top else (2 * top - n) / 100 for n in range(1_050)]
    lines = [f"{line(n).rpartition(',')[0]},{n},{dawn[n]},{n * 7 % 11}\n" for n in range(1_050)]
    source, cursor, told = csv_source(path), None, []
    for cut in (*sorted(cuts), 1_050):
        path.write_text("time,total,dawn,ph\n" + "".join(lines[:cut]))
        frames, cursor = follow(csv_source(path) if restarts else source, cursor)
        told += rows(frames)
    assert [value for name, value in told if name == "dawn"] == dawn
    assert sum(name == "total" for name, _ in told) < 100
    assert frames[-1].counting == ("total",)
    with path.open("a") as file:
        file.write(f"{line(1_051).rpartition(',')[0]},-5,0,0\n{line(1_052).rpartition(',')[0]},-6,0,0\n")
    assert {name for name, _ in rows(follow(source, cursor)[0])} == {"dawn", "ph"}


@pytest.mark.slow
def test_a_counter_is_judged_when_someone_says_how(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(NAMES + counting(*range(200)))
    frames, cursor = follow(csv_source(path))
    assert frames[0].counting == ("rain", "total")
    steps = follow(csv_source(path, transform=["total=difference"]))[0]
    assert {name for name, _ in rows(steps)} == {"lake", "ph", "total"}
    assert steps[0].counting == ("rain",)
    asked_for = follow(csv_source(path, columns=["rain", "ph"]))[0]
    assert ({name for name, _ in rows(asked_for)}, asked_for[0].counting) == ({"rain", "ph"}, ())
    with path.open("a") as file:
        file.write(counting(200))
    assert ("total", 1.0) not in rows(follow(csv_source(path), cursor)[0])
    assert ("rain", 10.0) in rows(follow(csv_source(path, columns=["rain", "ph"]), cursor)[0])


def test_marks_behind_numbers_are_counted_by_mark_as_in_a_backtest(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,ph,do\n" + line(0).replace("\n", "*,8\n") + line(1).replace("\n", " e,9*\n"))
    options = {"trailing": ["*", "e"]}
    frames, cursor = follow(csv_source(path, **options))
    assert sum((Counter(frame.marked) for frame in frames), Counter()) == {"*": 2, "e": 1}
    with path.open("a") as file:
        file.write(line(2).replace("\n", ",7\n") + line(3).replace("\n", ",7*\n"))
    (frame,), _ = follow(csv_source(path, **options), cursor)
    assert (frame.marked, len(rows([frame]))) == ({"*": 1}, 4)


def test_a_column_that_an_earlier_version_judged_goes_on(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(NAMES + counting(*range(150)))
    cursor = dict(follow(csv_source(path))[1])
    del cursor["counters"]
    with path.open("a") as file:
        file.write(counting(150))
    assert ("total", 150.0) in rows(follow(csv_source(path), cursor)[0])


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [True, False])
def test_the_hour_that_clocks_put_back_repeat_is_told_once_with_the_option(tmp_path, at_once):
    """Read as UTC its second half was dropped as a revision, and nobody was told why."""
    path = tmp_path / "a.csv"
    hours = ["2019-10-27 01", "2019-10-27 02", "2019-10-27 02", "2019-10-27 03"]
    stamps = [f"{hour}:{minute:02d},{minute * 7 % 11}\n" for hour in hours for minute in range(0, 60, 10)]
    source, cursor, said, last = csv_source(path), None, [], 0
    path.write_text("time,ph\n")
    for last in [len(stamps)] if at_once else range(1, len(stamps) + 1):
        path.write_text("time,ph\n" + "".join(stamps[:last]))
        frames, cursor = follow(source, cursor)
        said += [one for frame in frames for one in frame.complaints if "comes twice" in one]
    assert len(said) == 1
    assert "2019-10-27 02:00 comes twice" in said[0]
    assert "Europe/Berlin" in said[0]
    assert "--time-zone" in said[0]
    assert not follow(csv_source(path, time_zone="Europe/Berlin"))[0][0].complaints


def test_no_other_hour_that_comes_twice_is_taken_for_it(tmp_path):
    path = tmp_path / "a.csv"
    for day in ("2019-10-20", "2019-10-26", "2019-07-28"):
        path.write_text("time,ph\n" + "".join(f"{day} 02:{n % 60:02d},{n * 7 % 11}\n" for n in range(120)))
        assert not follow(csv_source(path))[0][0].complaints
