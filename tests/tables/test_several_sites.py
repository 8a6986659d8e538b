"""Rows of several sites, depths or units that are one table: asked about where they were one series in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.analysis.intake import read_files, sort
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions
from tests.sources.following import csv_source, follow, values


def intake(folder: Path, text: str, *more: str, **options: object) -> set[str]:
    """Names of the series of tables as backtest reads them."""
    paths = [folder / f"{n}.csv" for n in range(1 + len(more))]
    for path, one in zip(paths, (text, *more), strict=True):
        path.write_text(one)
    return set(read_files(paths, TableOptions(**options)).observations.collect()["series"])


def of_sites(name: str, first: str, second: str, *, later: bool, rows: int = 1100) -> str:
    """A table of a site or depth after the other, the second one at the same times or later ones."""
    start = datetime(2021, 1, 1, tzinfo=UTC)
    return f"date,{name},temp\n" + "".join(
        f"{start + timedelta(hours=n + (rows if later and site == second else 0)):%Y-%m-%d %H:%M},{site},{n % 7}\n"
        for site in (first, second)
        for n in range(rows)
    )


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize(("name", "first", "second"), [("station", "A", "B"), ("site_no", "1", "2")])
def test_a_second_site_below_the_first_rows_is_asked_about_both_were_one_series(tmp_path, name, first, second, later):
    text = of_sites(name, first, second, later=later)
    with pytest.raises(DataError, match=f"--by {name}"):
        intake(tmp_path, text)
    assert intake(tmp_path, text, by=(name,)) == {f"{first}/temp", f"{second}/temp"}
    assert intake(tmp_path, text, exclude=(name,)) == {"temp"}
    assert intake(tmp_path, text, columns=("temp",)) == {"temp"}


def test_sites_that_take_turns_are_asked_about_their_times_do_not_repeat(tmp_path):
    rows = "".join(f"2021-06-{day:02d},{'AB'[day % 2]},{day}\n" for day in range(1, 30))
    for name in ("station", "site_no"):
        text = f"date,{name},ph\n" + (rows if name == "station" else rows.replace("A", "1").replace("B", "2"))
        with pytest.raises(DataError, match=f"--by {name}"):
            intake(tmp_path, text)


def test_files_of_different_sites_are_no_one_table(tmp_path):
    both = [of_sites("lake", site, "", later=True, rows=100).split(",,")[0][:-16] for site in ("peter", "paul")]
    assert intake(tmp_path, both[0]) == {"temp"}
    with pytest.raises(DataError, match="--by lake"):
        intake(tmp_path, *both)
    assert intake(tmp_path, *both, by=("lake",)) == {"peter/temp", "paul/temp"}


def test_a_second_depth_below_the_first_rows_is_asked_about_where_times_repeat(tmp_path):
    with pytest.raises(DataError, match="--by depth"):
        intake(tmp_path, of_sites("depth", "1", "2", later=False))
    assert intake(tmp_path, of_sites("depth", "1", "2", later=True)) == {"depth", "temp"}


@pytest.mark.parametrize("name", ["snow_depth", "water_level", "humid"])
def test_a_series_named_as_a_place_that_begins_late_is_one_a_single_repeated_time_had_it_refused(tmp_path, name):
    start = datetime(2021, 9, 1, tzinfo=UTC)
    hours = sorted([*range(1500), 1442])
    rows = [f"{start + timedelta(hours=n):%Y-%m-%d %H:%M},{n % 7},{max(k - 1100, 0)}\n" for k, n in enumerate(hours)]
    assert intake(tmp_path, f"time,temp,{name}\n{''.join(rows)}") == {"temp", name}


@pytest.mark.parametrize("mark", ["NA", "n/a", "Paul", "PAUL "])
@pytest.mark.parametrize("rows", [30, 1800])
def test_a_missing_site_and_one_in_other_letters_are_no_second_site_they_were(tmp_path, mark, rows):
    start = datetime(2021, 1, 1, tzinfo=UTC)
    lines = [f"{start + timedelta(hours=n):%Y-%m-%d %H:%M},{'paul' if n % 20 else mark},{n % 7}\n" for n in range(rows)]
    assert intake(tmp_path, f"date,station,temp\n{''.join(lines)}") == {"temp"}
    with pytest.raises(DataError, match="--by station"):
        intake(tmp_path, f"date,station,temp\n{''.join(lines).replace(f',{mark},', ',peter,')}")


def test_files_of_other_series_may_be_of_other_sites_they_were_refused_as_one_series(tmp_path):
    names = ("buoy", "shore")
    buoy, shore = (of_sites("station", one, "", later=True, rows=50).split(",,")[0][:-16] for one in names)
    assert intake(tmp_path, buoy, shore.replace("temp", "ph")) == {"temp", "ph"}


def test_another_unit_below_the_first_rows_of_a_long_table_is_asked_about(tmp_path):
    rows = "".join(f"2021-01-{1 + n // 60:02d} {n // 2 % 24:02d}:{n % 60:02d},NO3,{n % 7},mg/l\n" for n in range(1500))
    text = f"date,parameter,value,unit\n{rows}"
    assert intake(tmp_path, text) == {"NO3"}
    with pytest.raises(DataError, match=r"several units.*mg/l x1,.*µg/l"):
        intake(tmp_path, text[: 32 * 1300] + text[32 * 1300 :].replace("mg/l", "µg/l"))


def test_times_that_go_back_are_said_a_logger_without_its_clock_stood_in_2000(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"2021-06-{day:02d},{day}\n" for day in range(1, 30)]
    for at, text in ((1, [*rows, "2000-01-01,1\n", "2000-01-02,2\n"]), (0, rows), (0, rows[::-1])):
        path.write_text("time,ph\n" + "".join(text))
        remarks = sort(read_files([path], TableOptions()).observations, tmp_path).remarks
        assert sum("go back once, first from 2021-06-29" in one for one in remarks) == at


def test_a_series_called_lake_that_begins_to_change_late_is_one(tmp_path):
    start = datetime(2021, 1, 1, tzinfo=UTC)
    rows = "".join(f"{start + timedelta(hours=n):%Y-%m-%d %H:%M},{max(n - 1100, 0)},{n % 7}\n" for n in range(1200))
    assert intake(tmp_path, f"date,lake,ph\n{rows}") == {"lake", "ph"}


@pytest.mark.parametrize("name", ["plot_id", "lake_no", "location_code"])
def test_numbers_that_name_a_site_are_no_series_and_a_second_one_is_asked_about(tmp_path, name):
    text = of_sites(name, "1", "2", later=False)
    with pytest.raises(DataError, match=f"column '{name}' tells the rows apart"):
        intake(tmp_path, text)
    assert intake(tmp_path, of_sites(name, "1", "1", later=False)) == {"temp"}


def test_a_level_beside_no_other_column_is_a_series_though_a_time_comes_twice(tmp_path):
    """It was asked about as a place, with `columns: []` as the other answer; a daemon that saw it grow read it."""
    path = tmp_path / "a.csv"
    path.write_text("time,level\n" + "".join(f"2021-06-14 {max(n, 1):02d}:00,{90 + n * 7 % 11}\n" for n in range(12)))
    found = read_files([path], TableOptions()).observations.collect()
    assert (set(found["series"]), found.height) == ({"level"}, 12)
    assert len(values(follow(csv_source(path))[0])) == 12
