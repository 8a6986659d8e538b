"""Files and their options in a backtest and in a notebook: the same code, the same names, and everything is said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import sentinel
from sentinel.analysis.intake import read_files, sort
from sentinel.commands.main import entry_point
from sentinel.domain.errors import DataError, UsageError
from sentinel.tables import TableOptions
from sentinel.tables.fills import find_fills
from tests.analysis.lakes import slowing

TIMES = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 2, 11), "1h", eager=True)[:900]


def test_analyse_takes_the_path_of_a_file_and_the_options_of_the_command_line(tmp_path, capsys):
    frame = pl.DataFrame({"Zeit": TIMES.dt.to_string("%d.%m.%Y %H:%M"), "ph": slowing(900).round(3)})
    frame.with_columns(pl.col("ph").cast(pl.String).str.replace(".", ",", literal=True)).write_csv(
        tmp_path / "a.csv", separator=";"
    )
    plain = sentinel.analyse(frame, time="Zeit", time_format="%d.%m.%Y %H:%M")
    for recognised in (sentinel.analyse(tmp_path / "a.csv"), sentinel.analyse(str(tmp_path / "a.csv"), decimal=",")):
        assert_frame_equal(recognised.readings, plain.readings)
    assert "--time-column Zeit" in recognised.read_as[0]
    assert entry_point(["backtest", str(tmp_path / "a.csv"), "--out", str(tmp_path / "out")]) == 0
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "readings.parquet"), plain.readings)


def test_analyse_names_an_option_that_is_wrong_as_python_writes_it(tmp_path):
    (tmp_path / "a.csv").write_text("time,ph\n1,2\n")
    with pytest.raises(UsageError, match=r"^colums: there is no such argument; did you mean 'columns'\?"):
        sentinel.analyse(tmp_path / "a.csv", colums=["ph"])
    with pytest.raises(UsageError, match=r"^decimal x: "):
        sentinel.analyse(tmp_path / "a.csv", decimal="x")


@pytest.mark.parametrize("rows", [900, pytest.param(7, marks=pytest.mark.slow)])
def test_the_steps_of_a_counter_are_judged_and_none_over_a_reset(tmp_path, rows, monkeypatch):
    monkeypatch.setattr("sentinel.analysis.intake.SMALLEST_BLOCK", 5)
    steps = np.random.default_rng(1).integers(1, 9, 900).astype(float)
    total = np.cumsum(steps)
    total[500:] -= total[500]
    pl.DataFrame({"time": TIMES, "rain": total, "ph": slowing(900)}).write_csv(tmp_path / "a.csv")
    intake = read_files([tmp_path / "a.csv"], TableOptions(transform=("rain=difference",)))
    found = sort(intake.observations, tmp_path, differences=intake.differences)
    batches = pl.concat(list(found.batches(rows)))
    rain = batches.filter(id=found.names.index("rain"))["value"].to_list()
    assert rain == [*steps[1:500], *steps[501:]]
    assert found.resets == 1
    assert batches.filter(id=found.names.index("ph")).height == 900


def test_a_report_says_how_the_file_was_read_and_what_looks_odd(tmp_path, capsys):
    values = slowing(900)
    values[[3, 600, 700]] = -999.0
    frame = pl.DataFrame({"time": TIMES, "ph": values, "n": range(900)})
    frame.with_columns(pl.lit(None).alias("late")).write_csv(tmp_path / "a.csv")
    assert entry_point(["backtest", str(tmp_path / "a.csv"), "--out", str(tmp_path / "out")]) == 0
    said, page = capsys.readouterr().out, (tmp_path / "out" / "report.html").read_text()
    for line in (
        "read as a table: --exclude n",
        "-999 lies far from all other values, as a mark of a missing value does: in ph x3",
        "no numbers in late",
    ):
        assert line in said
        assert line in page


def test_all_faults_of_a_file_are_told_in_one_line_that_names_the_options(tmp_path, capsys):
    cells = ["7", "bad", "<0.5", "bad", "3.2*", "<0.7", "8"]
    text = "time,chl\n" + "".join(f"2020-01-{n + 1:02d},{cell}\n" for n, cell in enumerate(cells))
    (tmp_path / "a.csv").write_text(text)
    arguments = ["backtest", str(tmp_path / "a.csv"), "--out", str(tmp_path / "out")]
    assert entry_point(arguments) == DataError.exit_code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "'bad' x2, '<0.5' x2, '3.2*' x1 in column 'chl'; --missing bad, --below-detection half" in said
    assert entry_point([*arguments, "--missing", "bad", "--below-detection", "half", "--missing", "3.2*"]) == 0


# Numbers that stand for no value


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("level", [0.0, 10.0, -40.0])
@pytest.mark.parametrize(("fill", "times"), [(-9999.0, 1), (1e20, 1), (-12345.678, 3), (-999.0, 40)])
def test_fill_values_are_found(scale, level, fill, times):
    values = (slowing(600) + level) * scale
    if abs(fill) < 1e4 * scale:  # not far from values of that size
        return
    values[np.random.default_rng(2).choice(600, times, replace=False)] = fill
    assert find_fills(values) == [(fill, times)]


def test_two_fill_values_are_found_side_by_side_and_in_a_column_of_little_else():
    values = slowing(600)
    values[:400], values[[450, 500]] = -9999.0, -6999.0
    assert sorted(find_fills(values)) == [(-9999.0, 400), (-6999.0, 2)]
    assert find_fills(np.full(50, -9999.0)) == [(-9999.0, 50)]


def test_what_most_values_are_is_a_state_and_no_mark():
    flags = np.where(np.arange(900) % 75, 0.0, 9.0)
    assert [number for number, _ in find_fills(flags)] == [9.0]  # of a column of flags 0 was proposed as missing


def test_ordinary_values_that_return_are_none():
    generator = np.random.default_rng(3)
    rain = np.where(generator.random(2000) < 0.9, 0.0, generator.exponential(3.0, 2000))
    for values in (
        slowing(600), slowing(600).round(1), rain, rain.round(1), np.zeros(100), generator.integers(0, 3, 500) * 1.0,
        np.linspace(90, 110, 300).round(), generator.normal(100, 3, 500).round(), np.exp(generator.normal(0, 2, 900)),
    ):  # fmt: skip
        assert find_fills(values) == []
