"""`sentinel backtest --sweep`: whether the verdict depends on thresholds, budgets or scales."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel.analysis.assembling import analyse_table
from sentinel.analysis.intake import read_frame
from sentinel.analysis.labels import make_timelines
from sentinel.analysis.readings import Readings
from sentinel.analysis.variations import BUDGETS, MOST_RULES, Variant, describe_variations, vary_rules
from sentinel.analysis.verdict_grid import Verdict, find_verdict
from sentinel.config import Settings
from sentinel.tables import TableOptions
from tests.analysis.labelling import label, record
from tests.analysis.lakes import lakes

RULES = [
    {"threshold": 0.7, "alpha": 1e-3, "at_start": "alarm"},
    {"threshold": -0.95, "side": "below", "alpha": 1e-3, "at_start": "alarm"},
    {"threshold": "relative", "alpha": 1e-2},
    {"kind": "modulus", "threshold": 0.05, "alpha": 1e-3, "at_start": "alarm"},
    {"kind": "spread", "ratio": 2, "alpha": 1e-3},
    {"kind": "slower", "alpha": 1e-2},
]


def varied(folder: Path, rules):
    settings = Settings.model_validate({"alarms": rules, "banks": {"default": {"baseline_ticks": 200}}})
    intake = read_frame(lakes().lazy(), TableOptions())
    found = analyse_table(intake, settings, "lakes", folder, Readings(folder), conditioning=True, kept=None)
    return found.findings, vary_rules(found)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return varied(tmp_path_factory.mktemp("several"), RULES)


@pytest.mark.slow
def test_each_rule_as_used_says_alone_what_it_said_among_the_others(several):
    found, other = several
    for (kind, name), level in other.used.items():
        own = [e for e in found.events if e.what == "raised" and (e.rule, e.label) == (kind, name)]
        assert other.verdicts[Variant(kind, name, level, 1.0)] == find_verdict(found.records, None, own)


def test_another_threshold_says_what_a_rule_with_that_threshold_says(several, tmp_path):
    _, other = several
    found, _ = varied(tmp_path, [{"threshold": 0.8, "alpha": 1e-2, "at_start": "alarm"}])
    alarmed = frozenset(e.series for e in found.events)
    assert alarmed
    assert other.verdicts[Variant("lag1", "0.7", "threshold 0.8", 10.0)].alarmed == alarmed


def test_levels_stay_where_rules_can_be_and_a_larger_budget_alarms_no_fewer(several):
    _, other = several
    levels: dict[str, list[str]] = {}
    for variant in other.verdicts:
        own = levels.setdefault(f"{variant.kind} {variant.label}", [])
        if variant.level not in own:
            own.append(variant.level)
    assert levels == {
        "lag1 0.7": [f"threshold {t:g}" for t in (0.6, 0.65, 0.7, 0.75, 0.8)],
        "lag1 below -0.95": [f"threshold {t:g}" for t in (-0.98, -0.95, -0.9, -0.85)],
        "lag1 relative": ["delta 0.05", "delta by default", "delta 0.2"],
        "modulus 0.05": [f"threshold {t:g}" for t in (0.01, 0.05, 0.1, 0.15)],
        "spread 2x": ["ratio 1.5", "ratio 2", "ratio 3"],
        "slower warning": [""],
    }
    for variant, verdict in other.verdicts.items():
        more = [v for v in other.verdicts if v[:3] == variant[:3] and v.budget >= variant.budget]
        assert all(other.verdicts[v].alarmed >= verdict.alarmed for v in more)


def test_the_last_scale_is_the_ladder_as_it_is(several):
    found, other = several
    (own,) = other.scales.values()
    assert own[-1] == other.verdicts[Variant("slower", "warning", "", 1.0)]
    assert other.ladder == sorted({e.scale for e in found.events if e.rule == "slower" and e.what == "raised"})


def test_the_page_has_a_row_for_each_level_and_a_square_for_each_choice(several):
    found, other = several
    made = describe_variations(other, found.records, labelled=False)
    rows = [row for table in made.tables for row in table[1:]]
    assert len([row for row in rows if len(row) == 1 + len(BUDGETS)]) == 5 + 4 + 3 + 4 + 3 + 1
    assert [row[0] for row in rows if "as used" in row[0]][:2] == [
        "threshold 0.7 (as used)",
        "threshold -0.95 (as used)",
    ]
    assert made.picture.count("<rect") == sum(len(row) - 1 for row in rows)


def test_of_many_rules_the_first_are_varied_and_the_others_counted(tmp_path):
    found, other = varied(tmp_path, [{"threshold": t / 100, "alpha": 1e-3} for t in range(50, 60)])
    assert len(other.rules) == MOST_RULES
    assert "4 more rules were not varied." in describe_variations(other, found.records, labelled=False).words


def test_with_labels_a_verdict_is_events_detected_and_false_alarms():
    loaded, control = record("x", ((40.5, None),)), record("c", ((10.5, 12), (60.5, None)))
    timelines = make_timelines(
        [label("start", 30), label("transition", 50), label("control", series="c")], [loaded, control]
    )
    alarms = [alarm for each in (loaded, control) for alarm, _ in each.alarms]
    assert find_verdict([loaded, control], timelines, alarms) == Verdict(frozenset({"x 1970-02-20"}), 1, 2)
    assert find_verdict([loaded, control], timelines, []) == Verdict(frozenset(), 1, 0)
