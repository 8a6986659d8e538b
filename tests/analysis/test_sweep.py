"""`sentinel backtest --sweep`: whether the verdict depends on the half-lives."""

from __future__ import annotations

import re

import pytest

from sentinel.analysis.sweep import FACTORS, SweepCell, describe_sweep, scale_half_lives
from sentinel.analysis.verdict_grid import Verdict
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.spans import Cadence
from sentinel.pipeline.plan import plan_for
from tests.analysis.labelling import record
from tests.analysis.lakes import lakes

CELLS = [SweepCell(half, level, Verdict(frozenset({"a"}), 2, 0)) for half in FACTORS for level in FACTORS]


def plans(settings: Settings, cadences: dict[str, str]) -> dict[str, tuple[float, float]]:
    found = {name: plan_for(settings, name, Cadence.parse(cadence)) for name, cadence in cadences.items()}
    return {name: (plan.half_life, plan.level_half_life) for name, plan in found.items()}


def records(settings: Settings, cadences: dict[str, str]):
    made = [record(name) for name in cadences]
    for one in made:
        one.plan = plan_for(settings, one.name, Cadence.parse(cadences[one.name]))
    return made


@pytest.mark.parametrize(
    ("written", "cadences"),
    [
        ({}, {"a": "1h", "b": "1h"}),
        ({}, {"a": "1h", "b[1]": "1d", "b1": "1h"}),
        ({"banks": {"default": {"half_life": "30 ticks", "thresholds": 9}}}, {"a": "1h", "b": "1d"}),
        ({"banks": {"slow": {"half_life": "100 ticks"}}, "series": [{"match": "b*", "bank": "slow"}, {"match": "*"}]},
         {"a": "1h", "b1": "1h", "b2": "1d"}),
    ],
)  # fmt: skip
def test_the_half_lives_of_every_series_are_scaled_whether_configured_or_by_cadence(written, cadences):
    settings = Settings.model_validate(written)
    before = plans(settings, cadences)
    after = plans(scale_half_lives(settings, records(settings, cadences), 0.5, 2.0), cadences)
    assert after == {name: (half / 2, level * 2) for name, (half, level) in before.items()}


def test_what_else_is_set_stays_as_it_is():
    settings = Settings.model_validate(
        {"banks": {"default": {"thresholds": 9}}, "alarms": [{"threshold": 0.6, "alpha": 1e-3}],
         "series": [{"match": "a", "season": ["1d"]}]}
    )  # fmt: skip
    other = scale_half_lives(settings, records(settings, {"a": "1h", "b": "1d"}), 2.0, 0.5)
    for name, cadence in (("a", "1h"), ("b", "1d")):
        plan, same = (plan_for(s, name, Cadence.parse(cadence)) for s in (other, settings))
        assert (plan.thresholds, plan.rules, plan.seasons) == (same.thresholds, same.rules, same.seasons)


def test_a_half_life_is_never_scaled_below_what_is_allowed():
    settings = Settings.model_validate({"banks": {"default": {"half_life": "4 ticks"}}})
    other = scale_half_lives(settings, records(settings, {"a": "1h"}), 0.5, 1.0)
    assert plans(other, {"a": "1h"})["a"][0] == 3


def test_the_same_verdict_everywhere_does_not_depend_on_the_choice():
    made = describe_sweep(CELLS, [])
    assert made.words == ["The verdict does not depend on the choice: it is the same under all 9 settings."]
    assert "stroke-dasharray" not in made.picture


def test_settings_with_another_verdict_are_named():
    other = [*CELLS[:-1], SweepCell(2.0, 2.0, Verdict(frozenset({"b"}), 2, 1))]
    made = describe_sweep(other, [])
    assert made.words == [
        "The verdict depends on the choice: it is another one under 1 of 9 settings.",
        "Half-life double, level double: also b; not a; 1 false alarm instead of 0.",
    ]
    assert made.picture.count("stroke-dasharray") == 1
    assert made.tables[0][3][3] == "1 of 2, 1 false"


def test_the_sweep_is_printed_as_a_table_and_drawn_in_the_report(undrawn, tmp_path, capsys):
    lakes(500).write_csv(tmp_path / "t.csv")
    (tmp_path / "rules.yaml").write_text("alarms: [{threshold: 0.8, alpha: 0.01}]\n", encoding="utf-8")
    (tmp_path / "events.csv").write_text(
        "series,time,kind\nloaded,2019-01-08,start\nloaded,2019-01-21,transition\ncontrol,,control\n", encoding="utf-8"
    )
    arguments = ["backtest", str(tmp_path / "t.csv"), "--config", str(tmp_path / "rules.yaml"), "--sweep"]
    assert entry_point([*arguments, "--events", str(tmp_path / "events.csv"), "--out", str(tmp_path / "a")]) == 0
    told = capsys.readouterr().out
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "as used (30 ticks)" in told
    # Nine half-lives; five thresholds with five budgets each.
    assert len(re.findall(r"\d of 1, \d false", told)) == 9 + 25
    assert page.count("<rect") == 9 + 25
    assert ("does not depend" in told and "same verdict" in told) == ("stroke-dasharray" not in page)
    # The observations are read many times; a duplicate is counted once.
    assert "duplicate" not in told


def test_without_conditioning_only_the_half_life_of_the_bank_is_swept(undrawn, tmp_path, capsys):
    lakes(300).write_csv(tmp_path / "t.csv")
    (tmp_path / "rules.yaml").write_text("alarms: [{threshold: 0.8, alpha: 0.01}]\n", encoding="utf-8")
    arguments = ["backtest", str(tmp_path / "t.csv"), "--config", str(tmp_path / "rules.yaml"), "--sweep"]
    assert entry_point([*arguments, "--conditioning", "none", "--out", str(tmp_path / "out")]) == 0
    assert "under all 3 settings" in capsys.readouterr().out


def test_rules_of_kind_slower_do_not_read_the_half_lives_so_none_is_varied(undrawn, tmp_path, capsys):
    """The default rule was said not to depend on half-lives that it never reads, after eight runs."""
    lakes(500).write_csv(tmp_path / "t.csv")
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--sweep", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "depend on the half-lives" not in told
    assert "Half-lives of bank and level were not varied" in told


def test_where_nothing_had_a_verdict_the_sweep_says_nothing_of_the_choice(undrawn, tmp_path, capsys):
    lakes(60).write_csv(tmp_path / "t.csv")
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--sweep", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "Nothing can be said of the choice: no series ever had a verdict" in told
    assert "does not depend" not in told
