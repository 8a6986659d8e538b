"""The bars of skill: a quick version, and the whole measurement against its bars and its page."""

from __future__ import annotations

import re

import pytest

from tests.skill.development import ANYWHERE
from tests.skill.measured import Measured, measure
from tests.skill.page import CRITERION, misses, text
from tests.skill.run import PAGE

NUMBER = re.compile(r"-?\d+\.\d+")


def test_a_few_runs_of_each_system_are_ranked_about_as_the_bars_ask() -> None:
    few = measure(12, rivals=False)
    # A twelfth of the runs: looser by two standard errors than the bars, which the whole measurement keeps.
    assert few.overall(ANYWHERE, CRITERION, "auc early").value >= 0.78
    assert few.overall(ANYWHERE, CRITERION, "auc late").value >= 0.88
    for name in ("rate_induced", "noise_induced"):
        assert all(did.warned <= 0.1 for did in few.alarms[name].values()), name


@pytest.fixture(scope="module")
def whole() -> Measured:
    return measure()


@pytest.mark.slow
def test_the_bars_are_met(whole: Measured) -> None:
    assert misses(whole) == []


@pytest.mark.slow
def test_tips_without_slowing_down_are_missed_as_the_page_says(whole: Measured) -> None:
    for name in ("rate_induced", "noise_induced"):
        assert all(did.warned <= 0.05 for did in whole.alarms[name].values()), name


@pytest.mark.slow
def test_the_page_is_fresh(whole: Measured) -> None:
    page, now = PAGE.read_text(encoding="utf-8"), text(whole)
    assert NUMBER.sub("#", now) == NUMBER.sub("#", page), "python tests/skill/run.py --write"
    # Other machines and versions round otherwise, which may move a rank or a first moment by a little.
    told, found = ([float(number) for number in NUMBER.findall(one)] for one in (page, now))
    assert found == pytest.approx(told, abs=0.03), "python tests/skill/run.py --write"
