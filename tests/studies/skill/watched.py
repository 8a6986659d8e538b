"""The product's own pipeline over development runs: what it reads at each moment, and when it alarms."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.pipeline.pipeline import Pipeline
from tests.pipeline.streams import HOUR_US, batch_of, through
from tests.studies.skill.figures import MOMENTS

Floats = NDArray[np.float64]

READ = ("criticality", "lag1", "modulus", "spread")
RULES: dict[str, dict[str, Any]] = {
    "lag1 above 0.8": {"kind": "lag1", "threshold": 0.8, "alpha": 1e-4, "at_start": "alarm"},
    "lag1 below -0.8": {"kind": "lag1", "threshold": -0.8, "side": "below", "alpha": 1e-4, "at_start": "alarm"},
    "modulus above 0.8": {"kind": "modulus", "threshold": 0.8, "alpha": 1e-4, "at_start": "alarm"},
}
"""The default rule, and its like for what alternates or oscillates."""
_RULE_OF = {(rule["kind"], rule["threshold"]): name for name, rule in RULES.items()}


class Watched(NamedTuple):
    """Many series, watched from their first to their last value."""

    read: dict[str, Floats]
    """By column of the rows, shape (tick, series)."""
    alarmed: dict[str, Floats]
    """By rule: tick of the first alarm of each series, NaN = none; shape (series,)."""
    alarms: dict[str, Floats]
    """By rule: number of alarms of each series; shape (series,)."""


def watched(values: Floats, bank: dict[str, Any] | None = None) -> Watched:
    """Take raw values, shape (tick, series), through the pipeline at hourly cadence and otherwise its defaults."""
    settings = Settings.model_validate(
        {"series": [{"cadence": "1h"}], "alarms": [*RULES.values()], "banks": {"default": bank or {}}}
    )
    out = through(Pipeline(settings), [batch_of(values)])
    at = out.rows.time_us // HOUR_US, out.rows.series
    read = {}
    for name in READ:
        read[name] = np.full(values.shape, np.nan)
        read[name][at] = out.rows.columns()[name]
    first = {rule: np.full(values.shape[1], np.nan) for rule in RULES}
    count = {rule: np.zeros(values.shape[1]) for rule in RULES}
    numbers = {name: number for number, name in enumerate(out.state.names)}
    for event in out.events:
        if event.what == "raised":
            rule, series = _RULE_OF[event.kind, event.threshold], numbers[event.series]
            count[rule][series] += 1
            first[rule][series] = np.fmin(first[rule][series], event.time_us // HOUR_US)
    return Watched(read, first, count)


def at_moments(table: Floats, tips: NDArray[np.int64], at: Floats = MOMENTS) -> Floats:
    """The last tick before each moment of the way, shape (moment, run)."""
    return table[moments(tips, at), np.arange(tips.size)]


def moments(tips: NDArray[np.int64], at: Floats = MOMENTS) -> NDArray[np.int64]:
    """Tick of each moment, shape (moment, run)."""
    return np.floor(at[:, None] * tips).astype(np.int64) - 1
