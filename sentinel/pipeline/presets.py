"""Presets of banks: what a kind of record needs, by name; and how often the rule that goes with one is wrong."""

from __future__ import annotations

from typing import NamedTuple


class Preset(NamedTuple):
    """Settings of a preset where nothing is written; half-lives in ticks, all else in values."""

    half_life: float
    level_half_life: float
    spread_half_life: float
    warm_up: int
    level_warm_up: int
    baseline: tuple[int, int]
    """First and last value of the spread's baseline, counted from the start of a season."""


PRESETS = {"lake": Preset(20.0, 3.0, 7.0, warm_up=30, level_warm_up=5, baseline=(6, 15))}
"""Lake: daily values from May to September. The spread is judged from the 15th value of a season on."""
RISE_MEASURED = 0.015
"""False alarms per tick and series that a rule of kind rise counts with under a preset: the most that came in quiet
lake-years (1.4 in 96 judged days: a first season, lag 1 at .8, lakes that share no weather). It is no budget."""
