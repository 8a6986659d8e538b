"""A row of the page on cold seasons, measured again."""

from __future__ import annotations

from pathlib import Path

from sentinel.pipeline.presets import RISE_MEASURED
from tests.studies.lakes.seasons import DAYS, measure

PAGE = (Path(__file__).parents[3] / "docs" / "counterparts.md").read_text(encoding="utf-8")


def said(shares: object) -> str:
    return ", ".join(f"{share:.2f}".removeprefix("0") for share in shares)  # type: ignore[attr-defined]


def test_quiet_lakes_that_share_their_weather_alarm_as_often_as_the_page_says():
    found = measure(0.5, 0.8, 4)
    assert f"| .5, .8 | {said(found.alarms)} | {said(found.sites)} |" in PAGE
    assert (found.days < 0.02).all()
    assert found.alarms.max() / (DAYS - 14) < RISE_MEASURED
