"""`sentinel inspect`: what is printed reads the file in the same way again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.errors import DataError
from tests.analysis.lakes import slowing
from tests.sources.following import csv_source, follow
from tests.tables.specimens import SPECIMENS


def inspect(capsys: pytest.CaptureFixture[str], *paths: Path) -> tuple[list[str], Settings]:
    assert entry_point(["inspect", *map(str, paths)]) == 0
    words, _, pasted = capsys.readouterr().out.partition("sources:\n")
    return [line.strip() for line in words.splitlines()], Settings.model_validate(yaml.safe_load("sources:\n" + pasted))


@pytest.mark.parametrize("name", SPECIMENS)
def test_the_settings_that_are_printed_read_the_file_and_hold_no_more_than_is_needed(name, tmp_path, capsys):
    path = tmp_path / "logger.dat"
    path.write_bytes(SPECIMENS[name].text.encode(SPECIMENS[name].encoding))
    words, settings = inspect(capsys, path)
    (source,) = settings.sources
    assert source.dialect == "none"
    if "T" in SPECIMENS[name].first:  # a daemon needs times
        frames, _ = follow(csv_source(path, **source.model_dump(exclude={"kind", "name", "path"})))
        assert set(frames[0].observations["series"]) == set(SPECIMENS[name].series)
    else:
        assert "# For backtest and plot; a daemon needs times." in words


def test_everything_that_is_odd_about_a_file_is_named(tmp_path, capsys):
    values = slowing(400).round(3)
    values[[7, 90]] = -9999.0
    table = pl.DataFrame(
        {"time": range(1_600_000_000, 1_600_000_000 + 400 * 3600, 3600), "oxygen [mg/L]": values, "flat": 5.0}
    ).with_columns(pl.lit(None).alias("asleep"), pl.lit("ok").alias("note"), pl.int_range(400).alias("n"))
    table.write_csv(tmp_path / "b.csv")
    words, settings = inspect(capsys, tmp_path / "b.csv")
    said = "\n".join(words)
    assert "read as a table: --exclude n --time-format seconds" in said
    assert "'n' only rises" in said
    assert "-9999 lies far from all other values, as a mark of a missing value does: in oxygen [mg/L] x2" in said
    assert "no numbers yet: asleep" in said
    assert "always the same value: flat" in said
    assert "columns of text, no series: note" in said
    assert "oxygen [mg/L]: 400 values, cadence 1h, no undeclared season" in words
    assert str(settings.series_for("oxygen [mg/L]").cadence) == "1h"


def test_the_cadence_of_a_core_was_said_in_milliseconds(tmp_path, capsys):
    ages = np.cumsum(np.random.default_rng(5).integers(30, 120, 60))
    table = pl.DataFrame({"Depth (cm)": range(1, 61), "Age (cal yr BP)": ages, "silica": slowing(60).round(3)})
    table.write_csv(tmp_path / "core.csv")
    words, settings = inspect(capsys, tmp_path / "core.csv")
    (said,) = [line for line in words if line.startswith("silica: ")]
    assert re.match(r"silica: 60 values, cadence [0-9.]+ units of time, ", said)
    assert settings.series_for("silica").cadence is None


def test_times_that_occur_twice_were_counted_by_backtest_only(tmp_path, capsys):
    rows = [f"2020-01-{n % 25 + 1:02d},{n % 7 if n > 26 else n}\n" for n in range(28)]
    (tmp_path / "a.csv").write_text("time,ph\n" + "".join(rows))
    words, _ = inspect(capsys, tmp_path / "a.csv")
    assert "values left out: 3 duplicates (3 with another value than the one before, which counts)" in words
    assert entry_point(["backtest", str(tmp_path / "a.csv"), "--out", str(tmp_path / "out")]) == 0
    assert "left out: 3 duplicates (3 with another" in capsys.readouterr().out


def test_a_mark_that_comes_late_is_said_and_stands_in_what_is_printed(tmp_path, capsys):
    rows = [f"2020-01-{n // 60 + 1:02d}T00:{n % 60:02d},{'ND' if n == 1500 else n % 7}\n" for n in range(1800)]
    (tmp_path / "a.csv").write_text("time,ph\n" + "".join(rows))
    words, settings = inspect(capsys, tmp_path / "a.csv")
    assert "taken as missing: ND x1" in words
    assert "ND" in settings.sources[0].missing
    assert any(line.startswith("command line:") and "--missing ND" in line for line in words)


@pytest.mark.slow
def test_the_command_line_that_is_printed_runs(tmp_path, capsys):
    cells = [str(value).replace(".", ",") for value in slowing(700)]
    rows = "".join(f"{n // 24 + 1:02d}.01.2020 {n % 24:02d}:00;{cell}\n" for n, cell in enumerate(cells))
    (tmp_path / "a b.csv").write_text("Datum;ph\n" + rows)
    words, _ = inspect(capsys, tmp_path / "a b.csv")
    line = next(line for line in words if line.startswith("command line: sentinel "))
    arguments = shlex.split(line.removeprefix("command line: sentinel "))
    arguments[-1] = str(tmp_path / "out")
    assert entry_point(arguments) == 0
    assert "700 observations of 1 series" in capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<dt>read as</dt>" not in page, "with all options given nothing is recognised"
    assert entry_point(["backtest", str(tmp_path / "a b.csv"), "--out", str(tmp_path / "out")]) == 0
    assert "read as a table: --time-column Datum" in capsys.readouterr().out
    assert "<dt>read as</dt><dd>read as a table: --time-column Datum" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_a_file_that_cannot_be_read_does_not_hold_up_the_others(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("time,x\n01/02/2020,1\n")
    (tmp_path / "b.csv").write_text("time,x\n2020-01-01,1\n2020-01-02,2\n")
    assert entry_point(["inspect", str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]) == DataError.exit_code
    told = capsys.readouterr()
    assert "b.csv: plain csv, 2 columns: time, x" in told.out
    assert told.err.startswith(f"sentinel: {tmp_path / 'a.csv'}: times such as '01/02/2020' can be read in 2 ways")


@pytest.mark.slow
def test_steps_that_no_cadence_fits_are_named_with_cadences_that_would(tmp_path, capsys):
    minutes = [60 * n for n in range(100)] + [6000 + 15 * n for n in range(300)]
    times = pl.Series(minutes).cast(pl.Duration("ms")) * 60_000 + pl.datetime(2020, 1, 1)
    pl.select(times.alias("time"), x=pl.lit(pl.Series(slowing(400)))).write_csv(tmp_path / "a.csv")
    words, _ = inspect(capsys, tmp_path / "a.csv")
    assert any("give --aggregate mean, or --cadence 15m" in line for line in words)


def daily(count: int) -> pl.Series:
    return pl.Series(slowing(count)) + 20.0 * (pl.int_range(count, eager=True) % 24 < 12).cast(pl.Float64)


def command_of(words: list[str], out: Path) -> list[str]:
    """The arguments of the command line that was printed, with another folder for the results."""
    line = next(line for line in words if line.startswith("command line: sentinel "))
    arguments = shlex.split(line.removeprefix("command line: sentinel "))
    arguments[-1] = str(out)
    return arguments


@pytest.mark.slow
def test_a_season_of_the_settings_is_in_the_command_line_too(tmp_path, capsys):
    times = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 3, 1), "1h", eager=True).head(1200)
    pl.DataFrame({"time": times, "ph": daily(1200)}).write_csv(tmp_path / "a.csv")
    words, settings = inspect(capsys, tmp_path / "a.csv")
    assert settings.series_for("ph").season
    arguments = command_of(words, tmp_path / "out")
    assert arguments[-4:-2] == ["--season", "1d"]
    assert not any("seasons differ" in line for line in words)
    assert entry_point(arguments) == 0
    assert "season taken out: none" not in capsys.readouterr().out


@pytest.mark.slow
def test_seasons_that_are_not_of_all_series_are_said_to_need_the_settings(tmp_path, capsys):
    times = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 3, 1), "1h", eager=True).head(1200)
    table = pl.DataFrame(
        {"time": times, "ph": daily(1200)} | {name: slowing(1200, seed) for seed, name in enumerate("abc")}
    )
    table.write_csv(tmp_path / "a.csv")
    words, settings = inspect(capsys, tmp_path / "a.csv")
    assert settings.series_for("ph").season
    assert not settings.series_for("a").season
    assert "--season" not in command_of(words, tmp_path / "out")
    assert any("put --config settings.yaml into the command line" in line for line in words)
    assert entry_point(["inspect", str(tmp_path / "a.csv")]) == 0
    _, _, pasted = capsys.readouterr().out.partition("sources:\n")
    (tmp_path / "settings.yaml").write_text("sources:\n" + pasted)
    arguments = [*command_of(words, tmp_path / "out"), "--config", str(tmp_path / "settings.yaml")]
    assert entry_point(arguments) == 0


@pytest.mark.slow
def test_the_option_that_odd_cells_need_is_said_once_and_printed_so_that_the_command_line_runs(tmp_path, capsys):
    cells = [f"{value:.3f}" for value in slowing(700)]
    cells[100:200:10], cells[300:400:20] = ["n.b."] * 10, ["<0.5"] * 5
    times = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 3, 1), "1h", eager=True).head(700)
    pl.DataFrame({"time": times, "ph": cells}).write_csv(tmp_path / "a.csv")
    words, settings = inspect(capsys, tmp_path / "a.csv")
    (said,) = [line for line in words if "is not a number" in line]
    assert entry_point(["backtest", str(tmp_path / "a.csv"), "--out", str(tmp_path / "out")]) == DataError.exit_code
    assert capsys.readouterr().err.strip() == f"sentinel: {said}", "inspect says what backtest says"
    assert "'n.b.' x10, '<0.5' x5 in column 'ph'; --missing n.b., --below-detection half" in said
    assert settings.sources[0].below_detection == "half"
    assert "n.b." in settings.sources[0].missing
    assert "ph: 690 values, cadence 1h, no undeclared season" in words
    assert entry_point(command_of(words, tmp_path / "out")) == 0
    assert "690 observations" in capsys.readouterr().out


@pytest.mark.slow
def test_what_no_option_puts_right_is_said_to_be_refused(tmp_path, capsys):
    rows = "".join(f"2020-01-{n:02d},{n % 3}\n" for n in range(1, 30))
    (tmp_path / "a.csv").write_text("time,ph\n" + rows + "2020-02-30,3\n")
    words, _ = inspect(capsys, tmp_path / "a.csv")
    assert sum("'2020-02-30' is not a time" in line for line in words) == 1
    assert "backtest refuses the table until that is put right" in words


@pytest.mark.slow
def test_cadence_and_aggregate_are_taken_and_stand_in_what_is_printed(tmp_path, capsys):
    times = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 3, 1), "1h", eager=True).head(1200)
    pl.DataFrame({"time": times, "ph": pl.Series(slowing(1200))}).write_csv(tmp_path / "a.csv")
    words, settings = inspect(capsys, tmp_path / "a.csv", "--cadence", "1d")
    assert any("the last one is kept: give --aggregate mean" in line for line in words)
    assert str(settings.series_for("ph").cadence) == "1d"
    words, settings = inspect(capsys, tmp_path / "a.csv", "--cadence", "1d", "--aggregate", "mean")
    assert not any("the last one is kept" in line for line in words), "a mean is asked for"
    assert settings.series_for("ph").aggregate == "mean"
    assert any("too short for a verdict" in line for line in words), "fifty days, though 1,200 values"
    arguments = command_of(words, tmp_path / "out")
    assert arguments[-6:-2] == ["--cadence", "1d", "--aggregate", "mean"]
    assert entry_point(arguments) == 0
    said = capsys.readouterr().out
    assert "one tick is 1 day" in said
    assert "the last one is kept" not in said
