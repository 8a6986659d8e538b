"""What each rule would have said: the same record under the default rule and its alternatives."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sentinel.analysis import alternatives
from sentinel.analysis.alternatives import describe_alternatives, list_rules, try_rules
from sentinel.analysis.intake import read_frame, sort
from sentinel.analysis.readings import Readings
from sentinel.analysis.run import run
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.spans import Cadence
from sentinel.pipeline.plan import plan_for
from sentinel.tables import TableOptions
from tests.analysis.lakes import lakes


def tried(table: pl.DataFrame, folder: Path, settings: Settings):
    observations = sort(read_frame(table.lazy(), TableOptions()).observations, folder)
    found = run(observations, settings, conditioning=True, readings=Readings(folder), kept=None)
    return found, try_rules(found.records, settings, observations, conditioning=True)


def test_an_alternative_says_what_the_rule_says_where_it_is_configured(tmp_path):
    plan = plan_for(Settings(), "x", Cadence.parse("1h"))
    (alpha,) = {rule.alpha for rule in list_rules(plan, numbered=False)}
    assert alpha == pytest.approx(1 / (24 * 365.25))
    settings = Settings.model_validate({"alarms": [{"threshold": 0.8, "alpha": alpha}]})
    found, other = tried(lakes(), tmp_path, settings)
    configured = [(e.series, e.time_us) for e in found.events if e.what == "raised"]
    assert configured
    assert [(e.series, e.time_us) for e in other.alarms["lag1", "0.8"]] == configured
    tables = describe_alternatives(other, found.records).tables
    rows = {row[0]: row for table in tables for row in table}
    assert rows["lag-1 above 0.8"][1] == f"{len({name for name, _ in configured})} of 2"
    assert rows["lag-1 above its own past (its first 1,000 pairs)"][1] == "no verdict"
    assert rows["lag 1, 2 series"][2:] == ["< 0.05 in 1 of 2"] * 3
    assert float(rows["lag 1, loaded"][1]) > 0.7


def test_where_time_is_a_number_rates_and_budget_are_per_tick(tmp_path):
    table = lakes().with_columns(time=pl.int_range(900) * 0.5)
    found, other = tried(table, tmp_path, Settings())
    (head, default, *_) = describe_alternatives(other, found.records).tables[0]
    assert head[2] == "alarms per 10,000 ticks"
    assert default[2].endswith(", budget 10")


def test_a_large_record_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(alternatives, "LARGEST", 1_799)
    _, other = tried(lakes(), tmp_path, Settings())
    assert other is None


def test_the_table_stands_in_both_outputs_and_changes_no_file(undrawn, tmp_path, capsys, monkeypatch):
    lakes().write_csv(tmp_path / "t.csv")
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "with")]) == 0
    told = capsys.readouterr().out
    page = (tmp_path / "with" / "report.html").read_text(encoding="utf-8")
    for text in (told, page):
        assert "What each rule would have said" in text
        assert "lag-1 above 0.6" in text
        assert "no false-alarm budget over time" in text
    monkeypatch.setattr(alternatives, "LARGEST", 0)
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", str(tmp_path / "without")]) == 0
    assert "What each rule would have said" not in capsys.readouterr().out
    for name in ("readings.parquet", "alarms.csv"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
