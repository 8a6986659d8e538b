"""What each rule would have said: the same record under the default rule and its alternatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentinel.analysis import alternatives
from sentinel.analysis.alternatives import Blocks, describe_alternatives, list_rules, try_rules
from sentinel.analysis.budgets import Watch, list_budgets
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
    blocks = Blocks()
    found = run(observations, settings, conditioning=True, readings=Readings(folder), kept=None, observers=[blocks])
    return found, try_rules(found.records, blocks)


@pytest.mark.slow
@pytest.mark.parametrize("counterpart", [None, "weather"])
def test_judging_the_blocks_again_gives_what_a_run_under_these_rules_gives(tmp_path, counterpart):
    random = np.random.default_rng(3)
    values = {name: slowing(1500, random) for name in ("lake", "pond", "weather")}
    values["lake"][500:560] = np.nan  # a gap
    values["pond"][random.random(1500) < 0.1] = np.nan
    hours = pl.Series(range(1500)) * 3_600_000_000
    table = pl.DataFrame({"time": hours.cast(pl.Datetime("us", "UTC"))} | values)
    series = [{"match": "lake", "counterpart": counterpart}] if counterpart else []
    settings = Settings.model_validate({"series": [*series, {"match": "pond", "season": ["1d"]}, {"match": "*"}]})
    observations = sort(read_frame(table.lazy(), TableOptions()).observations, tmp_path, by_time=bool(counterpart))
    blocks, watch = Blocks(), Watch()
    found = run(observations, settings, conditioning=True, readings=Readings(tmp_path), kept=None, observers=[blocks])
    other = run(
        observations, settings, conditioning=True, readings=None, kept=0, observers=[watch],
        rules=lambda plan: list_rules(plan, numbered=False),
    )  # fmt: skip
    again = try_rules(found.records, blocks)
    raised = sorted((e.rule, e.label, e.time_us, e.series) for e in other.events if e.what == "raised")
    assert len({one[:2] for one in raised}) >= 2
    assert [(*rule, *one) for rule, alarms in sorted(again.alarms.items()) for one in alarms] == raised
    assert again.rules == list_budgets(watch.counts.items())


def slowing(ticks: int, random: np.random.Generator) -> np.ndarray:
    """A series that returns ever more slowly."""
    values = np.zeros(ticks)
    for tick in range(1, ticks):
        values[tick] = (0.2 + 0.75 * tick / ticks) * values[tick - 1] + random.normal()
    return values


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


@pytest.mark.slow
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
