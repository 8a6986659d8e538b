"""`sentinel check --probe`, and what the backtest says of a season that nobody declared."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

import sentinel
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from tests.sources.answering import answering, matrix, send
from tests.sources.logging_table import write_log


def buoy(ticks: int = 1_000) -> pl.DataFrame:
    """An hourly table: one series with a daily cycle, one without."""
    random = np.random.default_rng(1)
    first = datetime(2020, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "time": [first + timedelta(hours=tick) for tick in range(ticks)],
            "oxygen": random.normal(size=ticks) + 2 * np.sin(2 * np.pi * np.arange(ticks) / 24),
            "calm [x]": random.normal(size=ticks),
        }
    )


def probed(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], Settings]:
    assert entry_point(["check", str(path), "--probe"]) == 0
    text = capsys.readouterr().out
    words, _, pasted = text.partition("series:\n")
    return words.splitlines(), Settings.model_validate(yaml.safe_load("series:\n" + pasted))


def test_a_table_is_probed_and_what_is_printed_can_be_pasted(tmp_path, capsys):
    buoy().write_csv(tmp_path / "buoy.csv")
    words, settings = probed(tmp_path / "buoy.csv", capsys)
    assert words[0].startswith("oxygen: cadence 1h, 1,000 ticks, an undeclared season of 1d (strength 0.")
    assert words[1] == "calm [x]: cadence 1h, 1,000 ticks, no undeclared season"
    day = 86_400_000_000
    assert [settings.series_for(name).season for name in ("oxygen", "calm [x]", "calm x")] == [(day,), (), ()]
    assert str(settings.series_for("calm [x]").cadence) == "1h"


def test_the_sources_of_a_configuration_are_read_and_what_they_declare_is_kept(tmp_path, capsys):
    buoy().write_csv(tmp_path / "buoy.csv")
    (tmp_path / "s.yaml").write_text(
        f"sources: [{{name: buoy, kind: csv, path: {tmp_path / 'buoy.csv'}}}]\n"
        "series: [{match: 'ox*', season: [1d, 12.42h]}]\n"
    )
    words, settings = probed(tmp_path / "s.yaml", capsys)
    assert words[1] == "oxygen: cadence 1h, 1,000 ticks, no undeclared season"
    assert settings.series_for("oxygen").season == (86_400_000_000, 44_712_000_000)


def test_a_mark_of_a_missing_value_is_told_with_what_helps_in_a_database(tmp_path, capsys):
    values = [-9999.0 if n % 50 == 7 else float(np.sin(n)) for n in range(500)]
    write_log(tmp_path / "a.db", [(1_700_000_000 + 3_600 * n, n, "ph", value) for n, value in enumerate(values)])
    (tmp_path / "s.yaml").write_text(
        f"sources: [{{name: lake, kind: sql, database: 'sqlite:{tmp_path / 'a.db'}', query: SELECT * FROM log, "
        "time_format: seconds}]\n"
    )
    words, _ = probed(tmp_path / "s.yaml", capsys)
    (said,) = (line for line in words if line.startswith("-9999"))
    assert "--missing" not in said
    assert "If it means no value: name it under missing (csv, http), or leave it out where it comes from" in said
    assert said.endswith("(sql: in the query)")


def test_a_season_on_a_numbered_axis_is_named_in_steps_and_declared_in_seconds(tmp_path, capsys):
    table = buoy().with_columns(time=pl.Series(np.arange(1_000) * 0.5))
    table.write_parquet(tmp_path / "steps.parquet")
    words, settings = probed(tmp_path / "steps.parquet", capsys)
    assert "cadence 0.5 units of time, 1,000 ticks, an undeclared season of 24 steps (strength 0." in words[0]
    assert settings.series_for("oxygen").season == (24_000_000,)


def test_a_cycle_that_the_level_follows_is_named_and_not_declared(tmp_path, capsys):
    tick = np.arange(16_000)
    values = np.random.default_rng(2).normal(size=tick.size) + 2 * np.sin(2 * np.pi * tick / 3_000)
    pl.DataFrame({"time": tick, "slow": values}).write_parquet(tmp_path / "slow.parquet")
    words, settings = probed(tmp_path / "slow.parquet", capsys)
    assert re.search(
        r"no undeclared season; a cycle of (2,9|3,0)\d\d steps is so slow that the level follows it$", words[0]
    )
    assert settings.series_for("slow").season == ()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "none.csv: there is no such file"),
        ("text.csv", "time,x\n2020-01-01,a\n2020-01-02,b\n", "no column of numbers beside time"),
        ("one.csv", "time,x\n2020-01-01,1\n", "no series with two time stamps; at least two of one series are needed"),
        ("s.yaml", "sources: []\n", "sources: none are configured; at least one is needed, or a table"),
    ],
)
def test_what_cannot_be_probed_is_one_clear_line_and_exit_65(tmp_path, capsys, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    assert entry_point(["check", "--probe", str(tmp_path / name)]) == 65
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1


@pytest.mark.slow
def test_the_backtest_says_a_season_that_nobody_declared_and_changes_nothing_by_it(tmp_path, capsys):
    buoy().write_csv(tmp_path / "buoy.csv")
    arguments = ["backtest", str(tmp_path / "buoy.csv"), "--out", str(tmp_path / "out")]
    assert entry_point(arguments) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "undeclared season" in line)
    assert line.startswith("  looking back at all of it: an undeclared season of 1d (strength 0.")
    assert line.endswith("was found in this record; declare it with --season 1d")
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("Looking back over the whole record:") == 1
    assert "computed from data that came later, except where it says so" in page
    assert pl.read_parquet(tmp_path / "out" / "readings.parquet").equals(
        sentinel.analyse(buoy()).readings, null_equal=True
    )

    assert entry_point([*arguments, "--season", "1d"]) == 0
    assert "undeclared season" not in capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "nothing on this page was chosen or computed from data that came later" in page


@pytest.mark.slow
def test_of_each_source_it_says_what_came_first_and_one_that_is_down_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    buoy().write_csv(tmp_path / "buoy.csv")
    sources = [
        {"kind": "prometheus", "name": "down", "url": "http://127.0.0.1:1", "queries": ["up"]},
        {"kind": "csv", "name": "buoy", "path": str(tmp_path / "buoy.csv")},
    ]
    config = tmp_path / "sentinel.yaml"
    with answering() as server:
        server.answer = lambda handler, _: send(handler, 200, (tmp_path / "buoy.csv").read_bytes())
        polled = {"kind": "http", "name": "polled", "url": server.url, "prefix": "far/"}
        config.write_text(yaml.safe_dump({"sources": [*sources, polled]}))
        words, _ = probed(config, capsys)
    assert words[0].startswith("source down: cannot be read: http://127.0.0.1:1")
    assert words[1].startswith("source buoy: 2,000 observations of 2 series, the first is ")
    assert any(line.startswith("source polled: 2,000 observations of 2 series, the first is far/") for line in words)
    config.write_text(yaml.safe_dump({"sources": sources[:1]}))
    assert entry_point(["check", str(config), "--probe"]) == 75


def test_a_counter_of_a_source_that_is_asked_is_named_and_a_measurement_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = range(1_700_000_000, 1_700_000_000 + 60 * 300, 60)
    found = [
        {"metric": {"__name__": name}, "values": [[at, str(value(n))] for n, at in enumerate(times)]}
        for name, value in (("requests_total", lambda n: 7 * n % 900), ("load", lambda n: n * n % 13))
    ]
    with answering() as server:
        server.answer = lambda handler, _: send(handler, 200, matrix(*found))
        asked = {"kind": "prometheus", "name": "metrics", "url": server.url, "queries": ["a"], "since": "1h"}
        config = tmp_path / "sentinel.yaml"
        config.write_text(yaml.safe_dump({"sources": [asked]}))
        words, _ = probed(config, capsys)
    (said,) = [line for line in words if "only rise" in line]
    assert said.startswith("source metrics: requests_total only rise, as counters do")
