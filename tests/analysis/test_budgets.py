"""Alarms and their budget: which ticks count, what is added up, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentinel.analysis.budgets import (
    RuleBudget,
    RuleTicks,
    Watch,
    budget_data,
    describe_budgets,
    list_budgets,
)
from sentinel.analysis.intake import read_frame, sort
from sentinel.analysis.readings import Readings, read_ticks
from sentinel.analysis.run import run
from sentinel.config import Settings
from sentinel.domain.spans import YEAR, Cadence
from sentinel.pipeline.plan import plan_for
from sentinel.pipeline.watching import IN_ALARM, UNJUDGED, WATCHING
from sentinel.tables import TableOptions
from tests.analysis.lakes import lakes

RULES = [
    {"threshold": 0.8, "alpha": 1e-3},
    {"threshold": "relative", "alpha": 1e-2, "severity": "critical"},
    {"kind": "slower", "alpha": 1e-3},
]


def watched(table: pl.DataFrame, folder: Path, rules=RULES, **bank):
    """The records, ticks and counts of a table under these rules."""
    banks = {"banks": {"default": bank}} if bank else {}
    settings = Settings.model_validate({"alarms": rules} | banks)
    observations = sort(read_frame(table.lazy(), TableOptions()).observations, folder)
    watch, readings = Watch(observations.names), Readings(folder)
    found = run(observations, settings, conditioning=True, readings=readings, kept=None, observers=[watch])
    ticks = {record.name: own for record, own in read_ticks(readings.lazy(), found.records)}
    return found.records, ticks, watch


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    table = lakes().with_columns(
        pl.when(pl.int_range(900).is_between(300, 320)).then(None).otherwise("control").alias("control")
    )
    return watched(table, tmp_path_factory.mktemp("budgets"), baseline_ticks=200)


def test_a_tick_is_a_row_of_the_readings_and_in_alarm_from_the_one_after_the_raise_to_the_clear(both):
    records, ticks, watch = both
    assert any(record.alarms for record in records)
    for record in records:
        own, codes = ticks[record.name], watch.codes[record.name]
        assert len(codes) == own.end_us.size
        for k, rule in enumerate(record.plan.rules):
            expected = np.zeros(own.end_us.size, bool)
            for alarm, cleared in record.alarms:
                if (alarm.rule, alarm.label) == (rule.kind, rule.label):
                    until = np.inf if cleared is None else cleared
                    expected |= (own.end_us > alarm.time_us) & (own.end_us <= until)
                    assert codes[own.end_us == alarm.time_us, k] == WATCHING
            judged = codes[:, k] != UNJUDGED
            assert ((codes[:, k] == IN_ALARM) == (expected & judged)).all()
            assert (np.isnan(own.value) <= ~judged).all(), "a missing tick is not judged"


def test_alarms_are_those_of_the_table_and_budgets_add_up_over_watching_ticks(both):
    records, _, watch = both
    for rule in list_budgets(watch.counts.items()):
        alarms = [a for r in records for a, _ in r.alarms if (a.rule, a.label) == (rule.rule, rule.label)]
        alpha = next(each.alpha for each in records[0].plan.rules if (each.kind, each.label) == rule[:2])
        assert rule.alarms == len(alarms)
        assert rule.allowed == pytest.approx(alpha * rule.watching)
        assert rule.years == pytest.approx(rule.watching * records[0].plan.cadence_us / YEAR)


def test_a_rule_that_still_learns_its_own_past_has_no_budget_though_another_rule_judges(both):
    """The budget was the sum of alpha over all ticks with a verdict of any rule: 3 times too much of `relative`."""
    _, _, watch = both
    for codes in watch.codes.values():
        absolute, relative, slower = (codes != UNJUDGED).sum(axis=0)
        assert absolute >= relative + 150
        assert absolute > slower


def test_rules_of_several_cadences_are_one_row_with_the_budgets_of_each():
    settings = Settings()
    watch = Watch()
    for cadence, ticks in (("15m", 35_064), ("1d", 1_000)):
        plan = plan_for(settings, "x", Cadence.parse(cadence))
        watch.counts[plan] = RuleTicks(np.array([ticks, ticks]), np.array([ticks, 0]), np.array([2, 0]))
    warning, critical = list_budgets(watch.counts.items())
    assert warning.allowed == pytest.approx(1.0 + 1.0)
    assert critical.allowed == pytest.approx(0.1 + 0.1)
    assert warning.years == pytest.approx(1.0 + 1_000 / 365.25)
    assert (warning.alarms, warning.in_alarm_share, critical.in_alarm_share) == (4, 0.5, 0.0)


RULE = RuleBudget("slower", "warning", "warning", 70_128, 5_000, 3, 2.0, 2.0)


def test_alarms_stand_beside_their_budget_in_calendar_time_or_per_tick():
    calendar = describe_budgets([RULE], numbered=False).tables[0]
    assert calendar[1] == [
        "slower than it was (warning)", "70,128 ticks, 2 years", "3", "1.5", "1", "1.5 (0.309 to 4.38)", "6.7%",
    ]  # fmt: skip
    numbered = describe_budgets([RULE], numbered=True).tables[0]
    assert numbered[0][3] == "per 10,000 ticks"
    assert numbered[1][1:5] == ["70,128 ticks", "3", "0.428", "0.285"]


def test_without_a_verdict_nothing_is_said_of_the_budget_and_numbers_that_do_not_exist_are_none():
    none = RULE._replace(watching=0, in_alarm=0, alarms=0, allowed=0.0, years=0.0)
    assert "nothing can be said" in describe_budgets([none], numbered=False).words[0]
    (data,) = budget_data([none], numbered=False)
    assert data["in_alarm_share"] is data["alarms_per_year"] is data["budget_per_year"] is None
    assert describe_budgets([RULE, none], numbered=False).tables[0][2][1:3] == ["no tick", "-"]


def test_counting_alarms_does_not_look_back():
    assert not describe_budgets([RULE], numbered=False).looks_back
