"""The bars of skill: the whole measurement against them and its page, and what is missed and said in a few runs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sentinel.text.claims import sentence_of
from tests.pipeline.streams import hourly, run
from tests.studies.skill import early_page
from tests.studies.skill.development import runs
from tests.studies.skill.measured import ANY, measure
from tests.studies.skill.page import DOCUMENTED, misses, text
from tests.studies.skill.run import PAGE
from tests.studies.skill.watched import watched

NUMBER = re.compile(r"-?\d+\.\d+")


@pytest.mark.parametrize("name", ["rate_induced", pytest.param("noise_induced", marks=pytest.mark.slow)])
def test_what_tips_without_slowing_down_is_missed(name: str) -> None:
    drawn = runs(name, 12)
    alarmed = watched(drawn.forced).alarmed
    assert {rule for rule, first in alarmed.items() if np.isfinite(first).any()} == set()


def test_of_a_near_miss_it_is_said_that_it_is_slower_and_no_more() -> None:
    lower = hourly(alarms=[{"threshold": 0.6, "alpha": 1e-3, "at_start": "alarm"}])
    raised = [event for event in run(runs("near_miss", 12).forced, lower).events if event.what == "raised"]
    assert len({event.series for event in raised}) >= 6
    for event in raised:
        assert "is returning more slowly than" in sentence_of(event)
        assert "does not say that a change follows" in sentence_of(event)


@pytest.mark.slow
def test_the_whole_measurement_meets_its_bars_and_is_what_the_page_says() -> None:
    whole = measure()  # once for all that follows: minutes
    page, now = PAGE.read_text(encoding="utf-8"), text(whole)
    assert NUMBER.sub("#", now) == NUMBER.sub("#", page), "python tests/studies/skill/run.py --write"
    # Other machines and versions round otherwise, which may move a rank or a first moment by a little.
    told, found = ([float(number) for number in NUMBER.findall(one)] for one in (page, now))
    assert found == pytest.approx(told, abs=0.03), "python tests/studies/skill/run.py --write"
    assert {missed.partition(":")[0] for missed in misses(whole)} == set(DOCUMENTED)
    # Of the default alarm all bars are met, but for systems that are sampled 8 or 32 times as often.
    assert [line for line in early_page.missed(whole.early) if "times as often" not in line] == []
    assert min(slowed for slowed, _ in whole.in_records.values()) >= early_page.RECORD_BAR
    for name in ("rate_induced", "noise_induced"):
        assert whole.alarms[name][ANY].warned <= 0.05, name
