"""Rows of the page on cold seasons, measured again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sentinel.pipeline.presets import RISE_MEASURED
from tests.studies.lakes.seasons import DAYS, count_lag1, find_leads, measure

PAGE = (Path(__file__).parents[3] / "docs" / "counterparts.md").read_text(encoding="utf-8")


def said(shares: object) -> str:
    return ", ".join(f"{share:.2f}".removeprefix("0") for share in shares)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_quiet_lakes_that_share_their_weather_alarm_as_often_as_the_page_says():
    found, wandering = measure(0.5, 0.8, 4), measure(0.5, 0.8, 4, wander=True)
    assert f"| .5, .8 | {said(found.alarms)} | {said(found.sites)} | {said(wandering.sites)} |" in PAGE
    assert (found.days < 0.02).all()
    assert max(found.alarms.max(), wandering.alarms.max()) / (DAYS - 14) < RISE_MEASURED


@pytest.mark.slow
def test_lakes_that_bloom_are_warned_as_soon_as_the_page_says():
    lead, there = find_leads(0.5, 0.8, wander=True)
    assert f"| .5, .8, wandering | {np.mean(lead > 0):.2f} (".replace(" 0.", " .") in PAGE
    assert f") | {np.median(lead):g} (16 to 18) |" in PAGE
    assert np.median(there) == 48


@pytest.mark.slow
def test_a_rule_of_lag_1_keeps_its_budget_in_short_seasons():
    assert 0.1 < count_lag1(0.5, 0.5, 1e-2, compared=False, lakes=300) < 0.5
