"""`sentinel explain --backtest`: the alarms of a record, explained from the folder that was written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sentinel.commands.main import entry_point
from tests.analysis.lakes import lakes

RULE = "alarms: [{threshold: 0.5, alpha: 1e-3, at_start: alarm}]\n"


@pytest.fixture
def folder(undrawn, tmp_path: Path) -> Path:
    lakes(900).write_csv(tmp_path / "t.csv")
    (tmp_path / "rule.yaml").write_text(RULE)
    out = tmp_path / "out"
    run = ["backtest", str(tmp_path / "t.csv"), "--out", str(out), "--quiet", "--config", str(tmp_path / "rule.yaml")]
    assert entry_point(run) == 0
    return out


@pytest.mark.slow
def test_every_alarm_of_the_table_is_listed_and_explained_with_the_numbers_of_its_folder(folder: Path, capsys) -> None:
    with (folder / "alarms.csv").open() as file:
        alarms = list(csv.DictReader(file))
    assert alarms
    capsys.readouterr()
    assert entry_point(["explain", "--backtest", str(folder), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["alarm"]: one["open"] for one in listed} == {one["alarm"]: not one["cleared"] for one in alarms}
    for one in alarms:
        assert entry_point(["explain", one["alarm"], "--backtest", str(folder), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["event"]["evidence"] == pytest.approx(float(one["evidence"]))
        assert found["receipt"]["inputs"]["last"][:16] == one["time"][:16]
        assert found["course"]["since"]["lag1"] == pytest.approx(found["event"]["lag1"])
    assert entry_point(["explain", alarms[0]["series"], "--backtest", str(folder)]) == 0
    words = capsys.readouterr().out
    assert "both sides" in words
    assert "readings.parquet" in words


def test_of_times_that_are_numbers_the_event_is_explained_and_the_rest_is_said_to_be_missing(
    undrawn, tmp_path: Path, capsys
) -> None:
    lakes(900).with_columns(time=np.arange(900) * 2.0).write_csv(tmp_path / "t.csv")
    (tmp_path / "rule.yaml").write_text(RULE)
    out = str(tmp_path / "out")
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", out, "--quiet", "--config",
                        str(tmp_path / "rule.yaml")]) == 0  # fmt: skip
    capsys.readouterr()
    assert entry_point(["explain", "loaded", "--backtest", out]) == 0
    words = capsys.readouterr().out
    assert "times are numbers" in words
    assert "1970" not in words


@pytest.mark.slow
def test_a_folder_of_something_else_and_a_moment_are_refused(folder: Path, tmp_path: Path, capsys) -> None:
    assert entry_point(["explain", "--backtest", str(tmp_path / "nowhere")]) == 65
    assert entry_point(["explain", "--backtest", str(folder), "--as-of", "2020-01-01"]) == 2
    (folder / "events.jsonl").write_text("{}\n")
    assert entry_point(["explain", "--backtest", str(folder)]) == 65
    assert "run it again" in capsys.readouterr().err
