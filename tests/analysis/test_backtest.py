"""The scientist's door: `sentinel backtest`, `sentinel plot` and `sentinel.analyse`."""

from __future__ import annotations

import os
import re
import sys
from functools import partialmethod
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import sentinel
from sentinel.analysis.intake import RUN_ROWS, sort
from sentinel.analysis.readings import Readings
from sentinel.analysis.run import run
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.errors import UsageError
from sentinel.domain.observation import NumberAxis
from tests.analysis.lakes import COLUMNS, lakes, slowing
from tests.laws import examples

DATA = Path(os.environ.get("SENTINEL_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def long(table: pl.DataFrame) -> pl.DataFrame:
    return table.unpivot(index="time", variable_name="series", value_name="value")


def written(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "readings.parquet")


def test_writes_readings_alarms_and_report_with_the_columns_of_the_contract(tmp_path, capsys):
    lakes().write_csv(tmp_path / "lakes.csv")

    assert entry_point(["backtest", str(tmp_path / "lakes.csv"), "--out", str(tmp_path / "out")]) == 0

    readings = written(tmp_path / "out")
    assert readings.columns == COLUMNS
    assert readings.schema["time"] == pl.Datetime("us", "UTC")
    assert readings["series"].unique(maintain_order=True).to_list() == ["loaded", "control"]
    assert readings.group_by("series").agg(pl.col("time").is_sorted().alias("sorted"))["sorted"].all()
    assert readings.height == 1800
    assert set(readings["state"]) == {"learning", "watching", "warning", "critical"}
    judged = readings.filter(pl.col("state") != "learning")
    computed = ("lag1", "modulus", "spread", "criticality", "evidence")
    assert judged.select(pl.col(computed).is_finite().all()).row(0) == (True,) * len(computed)
    warm_up = readings.group_by("series").head(99)
    assert warm_up.select(pl.col(computed).is_nan().all()).row(0) == (True,) * len(computed)
    slow = judged.filter(pl.col("lag1") > 0)
    assert slow.select((pl.col("recovery_low") <= pl.col("recovery")).all())["recovery_low"].item()
    learning = readings.filter(state="learning")
    assert learning["evidence"].is_nan().all()
    alarms = pl.read_csv(tmp_path / "out" / "alarms.csv", try_parse_dates=True)
    assert alarms.columns == ["alarm", "series", "kind", "time", "evidence", "cleared"]
    assert set(alarms["series"]) == {"loaded"}
    assert set(alarms["kind"]) == {"slower"}
    first = readings.filter(pl.col("state").is_in(["warning", "critical"]))["time"][0]
    assert (alarms["time"][0] - first).total_seconds() == 1800, "an alarm is dated by the end of its tick"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "alarms.csv", "events.jsonl", "readings.parquet", "report.html",
    ]  # fmt: skip
    told = capsys.readouterr()
    assert "half-life: 70 ticks" in told.out
    assert "none of it ever changes with later data" in told.out
    assert "loaded: returned more slowly than in its own past from 2019-" in told.out
    assert "control: no alarm" in told.out
    assert told.err == "", "no progress bar where nobody watches"


def test_quiet_says_nothing(undrawn, tmp_path, capsys):
    lakes(200).write_csv(tmp_path / "lakes.csv")
    assert entry_point(["backtest", str(tmp_path / "lakes.csv"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_long_wide_csv_parquet_ndjson_and_a_frame_in_memory_give_the_same_readings(undrawn, tmp_path):
    table = lakes(300)
    table.write_csv(tmp_path / "wide.csv")
    long(table).write_parquet(tmp_path / "long.parquet")
    # Text tables carry numbers as text: every digit must come back.
    long(table).with_columns(pl.col("time").dt.to_string("%Y-%m-%dT%H:%M:%SZ")).write_ndjson(tmp_path / "long.ndjson")
    expected = sentinel.analyse(table).readings
    for name in ("wide.csv", "long.parquet", "long.ndjson"):
        assert entry_point(["backtest", str(tmp_path / name), "--out", str(tmp_path / name[:4]), "--quiet"]) == 0
        assert_frame_equal(written(tmp_path / name[:4]), expected, check_exact=True)


def test_several_files_are_one_table_and_a_split_table_names_its_series(undrawn, tmp_path):
    table = lakes(300).with_columns(pl.lit("peter").alias("lake"))
    table.head(200).write_csv(tmp_path / "a.csv")
    table.tail(100).write_parquet(tmp_path / "b.parquet")
    files = [str(tmp_path / "b.parquet"), str(tmp_path / "a.csv")]
    assert entry_point(["backtest", *files, "--by", "lake", "--out", str(tmp_path / "out"), "--quiet"]) == 0
    expected = sentinel.analyse(table, by="lake").readings
    assert expected["series"].unique(maintain_order=True).to_list() == ["peter/loaded", "peter/control"]
    assert_frame_equal(written(tmp_path / "out"), expected, check_exact=True)


@pytest.mark.slow
def test_unsorted_input_is_fine_and_duplicates_are_counted_and_said(undrawn, tmp_path, capsys):
    table = long(lakes(300))
    other = table.head(3).with_columns(value=pl.lit(99.0))
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=1)
    pl.concat([shuffled, other, table.tail(2)]).write_csv(tmp_path / "t.csv")

    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out")]) == 0

    assert "left out: 5 duplicates" in capsys.readouterr().out
    assert "5 of a series and time that was there already" in (tmp_path / "out" / "report.html").read_text()
    expected = sentinel.analyse(table).readings
    assert_frame_equal(written(tmp_path / "out").sort("series", "time"), expected.sort("series", "time"))


def test_a_numbered_time_column_gets_its_own_numbers_back(undrawn, tmp_path):
    steps = np.round(np.arange(900) * 0.1, 6)
    pl.DataFrame({"time": steps, "x": slowing()}).write_csv(tmp_path / "steps.csv")
    assert entry_point(["backtest", str(tmp_path / "steps.csv"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    readings = written(tmp_path / "out")
    assert readings["time"].to_list() == steps.tolist()
    alarms = pl.read_csv(tmp_path / "out" / "alarms.csv")
    first = readings.filter(state="warning")["time"][0]
    assert alarms["time"][0] == pytest.approx(first + 0.05)
    report = (tmp_path / "out" / "report.html").read_text()
    assert "One tick is 0.1 units of time" in report


@given(
    origin=st.sampled_from([0.0, -3.0, 1950.0, 1.5e9]),
    step=st.sampled_from([1.0, 0.1, 0.25, 60.0, 1 / 12, 1e-6, 1e6]),
)
def test_a_numbered_axis_is_exact_to_a_millionth_of_a_step(origin, step):
    stamps = origin + np.arange(200) * step
    if np.any(np.diff(stamps) <= 0.9 * step):
        return  # the numbers themselves cannot tell such steps apart
    axis = NumberAxis.of(stamps)
    back = axis.numbers(axis.microseconds(stamps))
    assert np.abs(back - stamps).max() <= 1e-5 * step + 1e-15 * abs(origin)


def test_values_taken_as_residuals_are_given_back_as_residuals():
    found = sentinel.analyse({"time": range(400), "x": slowing(400)}, conditioning=False).readings
    ready = found.filter(pl.col("residual").is_not_nan())
    assert ready.height > 300
    assert ready["residual"].to_list() == ready["value"].to_list()


@pytest.mark.slow
def test_the_configuration_sets_alpha_and_the_command_line_the_cadence(undrawn, tmp_path):
    lakes(900).write_csv(tmp_path / "t.csv")
    (tmp_path / "strict.yaml").write_text("alarms: [{threshold: 0.8, alpha: 1e-9}]\n")
    arguments = ["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out"), "--quiet"]
    assert (
        entry_point([*arguments, "--config", str(tmp_path / "strict.yaml"), "--cadence", "2h", "--season", "1d"]) == 0
    )
    assert written(tmp_path / "out").filter(series="control").height in (450, 451)
    report = (tmp_path / "out" / "report.html").read_text()
    assert "One tick is 2 h" in report
    assert "lag-1 above 0.8 (warning); alpha 1e-09 per tick" in report
    assert "<dt>season taken out</dt><dd>1d</dd>" in report


@pytest.mark.slow
def test_without_a_rule_nothing_alarms_and_the_report_says_so(undrawn, tmp_path):
    lakes(900).write_csv(tmp_path / "t.csv")
    (tmp_path / "none.yaml").write_text("alarms: []\n")
    arguments = ["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out"), "--quiet"]
    assert entry_point([*arguments, "--config", str(tmp_path / "none.yaml")]) == 0
    assert pl.read_csv(tmp_path / "out" / "alarms.csv").height == 0
    assert written(tmp_path / "out")["evidence"].is_nan().all()
    assert "<dt>alarm rules</dt><dd>none</dd>" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_a_season_that_is_too_short_for_the_cadence_that_is_learnt_is_said_to_be_left_out(undrawn, tmp_path, capsys):
    lakes(120).write_csv(tmp_path / "t.csv")
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out"), "--season", "2h"]) == 0
    assert "season left out: 2h: shorter than 4 ticks of 1 h" in capsys.readouterr().out


def test_a_season_that_does_not_fit_the_cadence_is_a_fault_of_usage(tmp_path, capsys):
    lakes(60).write_csv(tmp_path / "t.csv")
    arguments = ["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out")]
    assert entry_point([*arguments, "--cadence", "1d", "--season", "2d"]) == UsageError.exit_code
    line = capsys.readouterr().err
    assert line.startswith("sentinel: --cadence 1d --season 2d: ")
    assert line.count("\n") == 1


OBSERVATIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.integers(0, 5).map(float)), min_size=1, max_size=60
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(25, 50), deadline=None)
@given(rows=OBSERVATIONS, run_rows=st.integers(1, 30), batch_rows=st.integers(1, 20), numbered=st.booleans())
# A piece that had been drawn from came behind the later ones: of equal times the second was kept.
@example(rows=[*[("a", 0, 0.0)] * 7, ("a", 1, 0.0), ("a", 1, 1.0)], run_rows=2, batch_rows=1, numbered=False)
def test_sorting_in_pieces_is_sorting_at_once_and_keeps_the_first_of_duplicates(
    tmp_path, rows, run_rows, batch_rows, numbered
):
    table = pl.DataFrame(rows, schema={"series": pl.String, "time": pl.Int64, "value": pl.Float64}, orient="row")
    table = table.with_columns(pl.col("time").cast(pl.Float64 if numbered else pl.Datetime("us", "UTC")))
    names = table["series"].unique(maintain_order=True).to_list()

    found = sort(table.lazy(), tmp_path, run_rows=run_rows)
    batches = list(found.batches(batch_rows))

    expected = (
        table.unique(["series", "time"], keep="first", maintain_order=True)
        .select(
            pl.col("series")
            .replace_strict({name: at for at, name in enumerate(names)}, return_dtype=pl.Int64)
            .alias("id"),
            pl.col("time").cast(pl.Float64 if numbered else pl.Int64),
            "value",
        )
        .sort("id", "time")
    )
    assert_frame_equal(pl.concat(batches), expected)
    assert max(batch.height for batch in batches) <= batch_rows
    assert found.names == names
    assert found.rows == len(rows)
    assert found.duplicates == len(rows) - expected.height
    if numbered:
        assert {k: v.tolist() for k, v in found.heads().items()} == {
            int(key[0]): part["time"].to_list() for key, part in expected.group_by("id")
        }


@pytest.mark.slow
@pytest.mark.parametrize("in_memory", [10**9, 700, 0])
def test_the_readings_do_not_depend_on_how_the_input_was_cut_nor_on_where_they_are_kept(
    tmp_path, monkeypatch, in_memory
):
    table = long(lakes(400)).sample(fraction=1.0, shuffle=True, seed=4)
    expected = sentinel.analyse(table).readings
    monkeypatch.setattr("sentinel.analysis.intake.SMALLEST_BLOCK", 50)
    monkeypatch.setattr("sentinel.analysis.readings.IN_MEMORY", in_memory)
    found = sort(table.lazy(), tmp_path, run_rows=170)
    monkeypatch.setattr(type(found), "batches", partialmethod(type(found).batches, 300))
    readings = Readings(tmp_path)
    run(found, Settings(), conditioning=True, readings=readings, kept=1)
    assert_frame_equal(readings.lazy().collect(), expected, check_exact=True)


@pytest.mark.slow
@settings(max_examples=examples(6, 12), deadline=None)
@given(
    cut=st.integers(60, 399),
    seed=st.integers(0, 99),
    gap=st.integers(0, 200),
    later=st.floats(-1e6, 1e6),
    numbered=st.booleans(),
)
def test_rows_up_to_a_time_do_not_change_with_data_that_come_later(cut, seed, gap, later, numbered):
    value = slowing(400, seed)
    tick = np.arange(400)
    tick[300:] += gap
    other = value.copy()
    other[cut:] = later
    time = tick * 0.5 if numbered else pl.Series(tick * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    table = pl.DataFrame({"time": time, "a": value, "b": value[::-1]})

    whole = sentinel.analyse(table)
    changed = sentinel.analyse(table.with_columns(a=pl.Series(other)))
    prefix = sentinel.analyse(table.head(cut))

    for shorter in (prefix, changed):
        own = shorter.readings.filter(pl.col("time") <= table["time"][cut - 1])
        assert_frame_equal(own.filter(series="a"), whole.readings.filter(
            pl.col("time") <= table["time"][cut - 1], series="a"), check_exact=True)  # fmt: skip
    known = prefix.alarms.drop("cleared")
    assert_frame_equal(known, whole.alarms.drop("cleared").filter(pl.col("alarm").is_in(known["alarm"].implode())))


def test_the_command_line_is_causal_too(undrawn, tmp_path):
    table = lakes(400)
    for name, rows in (("whole", 400), ("half", 250)):
        table.head(rows).write_csv(tmp_path / f"{name}.csv")
        assert entry_point(["backtest", str(tmp_path / f"{name}.csv"), "--out", str(tmp_path / name), "--quiet"]) == 0
    half = written(tmp_path / "half")
    until = written(tmp_path / "whole").filter(pl.col("time") <= half["time"].max())
    assert_frame_equal(half, until, check_exact=True)


@pytest.mark.slow
def test_many_series_are_all_analysed_and_those_with_most_evidence_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("sentinel.analysis.assembling.PICTURES", 2)
    monkeypatch.setattr("sentinel.analysis.assembling.KEPT", 4)
    values = {f"s{n:02}": slowing(300, n) * (1 if n % 5 else 0.001) for n in range(25)}
    pl.DataFrame({"time": np.arange(300), **values}).write_csv(tmp_path / "many.csv")
    assert entry_point(["backtest", str(tmp_path / "many.csv"), "--out", str(tmp_path / "out")]) == 0
    report = (tmp_path / "out" / "report.html").read_text()
    assert report.count("<svg ") == 2
    assert all(name in report for name in values)
    assert "Of 25 series the 2 with most evidence are drawn" in report
    top = (
        written(tmp_path / "out").group_by("series").agg(pl.col("evidence").fill_nan(None).max())
        .sort("evidence", descending=True)["series"].head(2)
    )  # fmt: skip
    assert set(re.findall(r'id="series-\d+">\s*<header><h3>(\w+)', report)) == set(top)


@pytest.mark.parametrize("ending", [pytest.param("png", marks=pytest.mark.slow), "svg"])
def test_plot_writes_the_picture_of_the_named_series(tmp_path, capsys, ending):
    lakes(300).write_csv(tmp_path / "t.csv")
    target = tmp_path / "pictures" / f"control.{ending}"
    assert entry_point(["plot", str(tmp_path / "t.csv"), "--series", "control", "--out", str(target)]) == 0
    assert target.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    assert "control: no alarm" in capsys.readouterr().out
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.slow
def test_plot_refuses_an_unknown_series_and_an_unknown_ending(tmp_path, capsys):
    lakes(60).write_csv(tmp_path / "t.csv")
    assert entry_point(["plot", str(tmp_path / "t.csv"), "--series", "x", "--out", str(tmp_path / "x.png")]) == 65
    assert "no series 'x'; there are loaded, control" in capsys.readouterr().err
    # A comparison that nobody asked for let a StopIteration escape.
    pair = ["--series", "loaded - control", "--out", str(tmp_path / "x.png")]
    assert entry_point(["plot", str(tmp_path / "t.csv"), *pair]) == 65
    assert "no series 'loaded - control'; there are loaded, control" in capsys.readouterr().err
    assert entry_point(["plot", str(tmp_path / "t.csv"), "--out", str(tmp_path / "x.gif")]) == UsageError.exit_code


@pytest.mark.slow
def test_a_file_six_times_as_large_is_streamed_in_the_memory_of_the_smaller(tmp_path):
    # Memory that an allocator keeps for later, and buffers of threads that happen to run ahead, are not memory held.
    plain = {
        "POLARS_MAX_THREADS": "1", "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0",
        "MALLOC_ARENA_MAX": "1",
    }  # fmt: skip

    def peak_of(rounds: int) -> int:
        noise = np.random.default_rng(1)
        with (tmp_path / "big.csv").open("w", encoding="utf-8") as file:
            file.write("time,a,b,c,d\n")
            for part in range(rounds):
                block = pl.DataFrame({"time": range(part * 100_000, (part + 1) * 100_000)})
                block.with_columns(
                    pl.Series(name, noise.normal(size=100_000)) for name in "abcd"
                ).write_csv(file, include_header=False)  # fmt: skip
        arguments = ["backtest", str(tmp_path / "big.csv"), "--out", str(tmp_path / "out"), "--quiet"]
        process = os.posix_spawn(sys.executable, [sys.executable, "-m", "sentinel", *arguments], os.environ | plain)
        _, status, usage = os.wait4(process, 0)
        assert status == 0
        return usage.ru_maxrss

    assert RUN_ROWS < 4 * 400_000, "the smaller file is sorted in pieces, too"
    small, large = peak_of(4), peak_of(24)
    held = 20 * 400_000 * 24 >> 10  # id, time and value of every additional observation
    assert large < small + held / 2, f"{small >> 10} MiB for 1.6 million observations, {large >> 10} MiB for 9.6"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "lakes").is_dir(), reason=f"the lake data are not at {DATA}: set SENTINEL_TEST_DATA")
def test_real_lakes_give_eight_series_whose_winter_is_one_gap(tmp_path):
    table = DATA / "lakes" / "peter_paul_2018_2019.csv"
    assert entry_point(["backtest", str(table), "--by", "lake", "--out", str(tmp_path), "--quiet"]) == 0
    readings = written(tmp_path)
    assert readings["series"].n_unique() == 8
    winter = readings.filter(state="blind")
    assert winter["series"].n_unique() == winter.height == 8
    assert winter["value"].is_nan().all()
    spring = readings.filter(pl.col("time") > winter["time"].max(), series="peter/ph")
    assert set(spring.head(60)["state"]) == {"learning"}, "a winter is one reset"
    raw = pl.read_csv(table).filter(lake="peter")["ph"].drop_nulls().to_list()
    assert readings.filter(pl.col("value").is_not_nan(), series="peter/ph")["value"].to_list() == raw


@pytest.mark.slow
def test_checks_of_the_configuration_hold_in_backtest_and_analyse_under_the_same_names(tmp_path, capsys):
    table = lakes()
    spikes = pl.int_range(pl.len()) % 100 == 50
    spiky = table.with_columns(pl.when(spikes).then(99.0).otherwise("loaded").alias("loaded"))
    spiky.write_csv(tmp_path / "lakes.csv")
    checks = "{gate: suspect, range: {suspect: [-50, 50]}}"
    (tmp_path / "checks.yaml").write_text(f"series:\n  - checks: {checks}\n", encoding="utf-8")
    arguments = [str(tmp_path / "lakes.csv"), "--config", str(tmp_path / "checks.yaml"), "--out", str(tmp_path / "out")]

    assert entry_point(["backtest", *arguments]) == 0

    readings = written(tmp_path / "out")
    found = readings.filter(pl.col("check") == "range")
    assert found.select("series", "flag").unique().rows() == [("loaded", 3)]
    assert found.height == spiky.filter(pl.col("loaded") == 99.0).height
    assert found["value"].is_nan().all()
    assert f"{found.height} values suspect: {found.height} range" in (tmp_path / "out" / "report.html").read_text()
    analysed = sentinel.analyse(spiky, config=tmp_path / "checks.yaml")
    assert_frame_equal(analysed.readings.select("flag", "check"), readings.select("flag", "check"))
