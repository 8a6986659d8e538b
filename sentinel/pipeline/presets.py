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
    spread_given_from: int
    """Values after the level's from which the spread is given."""
    baseline: int
    """Values of the spread's baseline in all, which fill while it is given."""


PRESETS = {"lake": Preset(20.0, 3.0, 7.0, warm_up=30, level_warm_up=5, spread_given_from=10, baseline=25)}
"""Lake: daily values from May to September. The spread is judged from the 15th value of a season on."""
RISE_MEASURED = 0.013
"""False alarms per tick and series that a rule of kind rise counts with under a preset: the most that came in quiet
lake-years (1.2 in 96 judged days: a second season, lag 1 at .8, lakes that share no weather). It is no budget."""
