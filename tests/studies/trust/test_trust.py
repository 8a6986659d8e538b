"""The short trust suite: of every group enough rows, few and short series.

A single short row can show that a bar is broken, not that it holds; the null rows of a group together can show both.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from tests.studies.trust.effort import SHORT, generator
from tests.studies.trust.interval import rate
from tests.studies.trust.nulls import stationary
from tests.studies.trust.page import data_of, groups_of, page
from tests.studies.trust.row import Row
from tests.studies.trust.run import PAGE, among
from tests.studies.trust.scenarios import AT, NULL, Scenario
from tests.studies.trust.slower import NULL_GROUP, SMALL_GROUP
from tests.studies.trust.suite import MISSES, SUITE

LONG = (
    SMALL_GROUP,
    "power: the fold of a harvested population, at 0.6 and 1e-4",
    "slower than it was: systems that do not tip",
    "slower than its own past (threshold: relative)",
)
"""Groups that take seconds even where few rows are asked for: the smallest budget needs ten times as many ticks."""
GROUPS = [
    pytest.param(group, marks=pytest.mark.slow if group in LONG else ())
    for group in dict.fromkeys(part.group for part in SUITE)
]
TOGETHER = ("AR(1), known shocks", NULL_GROUP)
ENOUGH, FEW = 30, 1
"""Scenarios of a group that is judged together, and of another.

28 nulls of 60,000 ticks have 170 alarms at 1e-4 in their budget: that it is exceeded by a fifth is seen."""


@pytest.fixture(scope="module")
def written() -> dict[str, list[Row]]:
    """The rows of the full run that is in the docs."""
    return groups_of(PAGE.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("group", GROUPS)
def test_no_row_is_shown_to_break_its_bar_and_nulls_together_keep_theirs(group: str, written) -> None:
    parts = [part for part in SUITE if part.group == group]
    if group in TOGETHER:
        parts = parts[:: 1 + (len(parts) - 1) // ENOUGH]
    elif group != SMALL_GROUP:
        few = list(dict.fromkeys(part.name for part in parts))[:FEW]
        parts = [part for part in parts if part.name in few]
    rows, names = [row for part in parts for row in part.rows(SHORT)], {part.name for part in parts}
    told = [(row.scenario, row.what, row.bar, row.budget) for row in written[group] if row.scenario in names]
    assert [(row.scenario, row.what, row.bar, row.budget) for row in rows] == told, "docs/trust.md is old"
    rows = [row for row in rows if (row.scenario, row.what) not in MISSES]
    assert [row for row in rows if row.refuted] == []
    for (column, alpha), bar in NULL.items():
        nulls = [row for row in rows if row.what == f"{column}, alpha {alpha:g}" and row.bar == bar]
        if len(nulls) > 10:
            counts, ticks = [int(row.figure.rests_on.split()[0].replace(",", "")) for row in nulls], SHORT.ticks
            together = rate(np.array(counts), len(nulls) * SHORT.series * ticks)
            print(f"\n{group}, {column}, alpha {alpha:g}: {together}")
            assert together.high <= bar


def test_the_suite_sees_a_threshold_that_is_a_tenth_too_low() -> None:
    broken = Scenario("too low", "", stationary(0.5), truth=0.4)
    at = {row.what: row for row in broken.rows(SHORT)}
    assert at[f"{AT}, alpha 0.001"].refuted
    assert at[f"{AT}, alpha 0.0001"].refuted


def test_a_row_holds_only_with_its_whole_interval() -> None:
    row = Row("", "", rate(np.array([9, 0, 1, 2]), 10_000), bar=12.0)
    assert row.figure.low < row.figure.value == 12.0 < row.figure.high
    assert not row.met
    assert not row.refuted
    assert replace(row, bar=row.figure.high).met
    assert replace(row, bar=row.figure.low - 1e-9).refuted
    assert replace(row, bar=row.figure.low, at_most=False).met


def test_random_numbers_of_a_scenario_are_its_own_and_the_same_each_time() -> None:
    draws = [generator(name).random() for name in ("one", "two", "one")]
    assert draws[0] == draws[2] != draws[1]


def test_the_data_have_one_scenario_a_line_and_are_read_as_they_were_written(written) -> None:
    text = PAGE.with_suffix(".json").read_text(encoding="utf-8")
    assert data_of(written) == text
    scenarios = [name for rows in written.values() for name, _ in groupby(rows, key=lambda row: row.scenario)]
    lines = [line.rstrip(",") for line in text.splitlines() if line.startswith('{"scenario"')]
    assert [json.loads(line)["scenario"] for line in lines] == scenarios


def test_the_page_is_that_of_its_data_and_these_are_of_the_whole_suite(written) -> None:
    found = dict.fromkeys((group, row.scenario) for group, rows in written.items() for row in rows)
    assert list(found) == list(dict.fromkeys((part.group, part.name) for part in SUITE))
    assert page(written) == PAGE.read_text(encoding="utf-8")


def test_the_default_alarm_spends_little_more_than_half_of_its_budget_on_average(written) -> None:
    for group in (NULL_GROUP, SMALL_GROUP):
        for what in {row.what for row in written[group]}:
            shares = [row.figure.value / row.budget for row in written[group] if row.what == what and row.budget]
            assert np.mean(shares) <= 0.6, (group, what)


def test_the_rows_that_miss_their_bar_are_those_that_are_documented(written) -> None:
    missed = {(row.scenario, row.what) for rows in written.values() for row in rows if not row.met}
    assert missed == set(MISSES)


def test_rows_that_are_measured_anew_take_the_place_of_those_of_before() -> None:
    kept = groups_of(PAGE.with_suffix(".json").read_text(encoding="utf-8"))
    assert data_of(among(kept, {})) == data_of(kept)
    first = SUITE[0]
    new = [replace(row, judged=0.5) for row in kept[first.group] if row.scenario == first.name]
    merged = among(kept, {first.group: new})
    assert merged[first.group][: len(new)] == new
    assert [len(rows) for rows in merged.values()] == [len(rows) for rows in kept.values()]
    gone = replace(new[0], scenario="measured no more")
    assert data_of(among({**kept, first.group: [gone, *kept[first.group]]}, {})) == data_of(kept)
    with pytest.raises(SystemExit, match="another order"):  # rows were lost without a word
        among({**kept, first.group: kept[first.group][::-1]}, {})
