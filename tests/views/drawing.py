"""Rows of one series, rules and alarms to draw."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sentinel.config import AlarmSettings
from sentinel.domain import flags
from sentinel.domain.channels import UNKNOWN
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spans import Cadence
from sentinel.domain.states import Reason, State
from sentinel.pipeline.history import Columns, Portrait
from sentinel.pipeline.plan import PlanRule
from sentinel.pipeline.results import Rows
from sentinel.views.picture import Alarm

DAY = 86_400_000_000
START = 1_500_000_000_000_000
THRESHOLDS = np.tanh(np.linspace(np.arctanh(-0.95), np.arctanh(0.99), 16))
STATES, REASONS = tuple(State), tuple(Reason)
LEARNING, WATCHING, BLIND = (STATES.index(s) for s in (State.LEARNING, State.WATCHING, State.BLIND))
GAP = REASONS.index(Reason.GAP)


def rows_of(ticks: int, gaps: dict[int, int] | None = None, warm_up: int = 20, seed: int = 1) -> Rows:
    """Rows of one series; `gaps` says how many ticks the gap row at a position takes."""
    gaps = gaps or {}
    chance = np.random.default_rng(seed)
    length = np.array([gaps.get(at, 1) for at in range(ticks)]) * DAY
    end = START + np.cumsum(length)
    gap = np.isin(np.arange(ticks), list(gaps))
    ready = (np.arange(ticks) >= warm_up) & ~gap
    state = np.where(gap, BLIND, np.where(ready, WATCHING, LEARNING)).astype(np.int8)
    value = np.where(gap, np.nan, chance.normal(size=ticks))
    lag1 = np.where(ready, 0.6 + 0.1 * np.sin(np.arange(ticks) / 50), np.nan)
    readings = np.where(ready[:, None], 8 * (np.arctanh(lag1)[:, None] - np.arctanh(THRESHOLDS)), np.nan)
    return Rows(
        series=np.zeros(ticks, np.int64), tick=np.arange(ticks), time_us=end - DAY // 2, end_us=end,
        value=value, residual=value / 2, state=state, reason=np.where(gap, GAP, 0).astype(np.int8),
        estimates=UNKNOWN.each(lambda unknown: np.full(ticks, unknown))._replace(
            lag1=lag1, lag1_low=lag1 - 0.2, lag1_high=np.where(np.arange(ticks) % 7, lag1 + 0.2, 1.0),
            modulus=np.where(ready, 0.9, np.nan), period=np.where(ready & (np.arange(ticks) % 50 < 30), 12.0, np.nan),
            spread=np.where(ready, 0.5, np.nan), criticality=np.where(ready, 1.97, np.nan),
        ),
        cadence_us=np.full(ticks, DAY), evidence=np.where(ready, -3.0, np.nan), held=np.zeros(ticks, bool),
        readings=readings.astype(np.float32), flag=np.where(gap, flags.MISSING, flags.UNKNOWN).astype(np.int8),
        check=np.full(ticks, -1, np.int8),
    )  # fmt: skip


def portrait_of(rows: Rows, cuts: list[int] = [], columns: int = 2000) -> Portrait:  # noqa: B006 - not changed
    portrait = Portrait(columns)
    borders = [0, *sorted(cuts), rows.tick.size]
    for first, last in pairwise(borders):
        portrait.extend(rows, slice(first, last))
    return portrait


def columns_of(rows: Rows) -> Columns:
    columns = portrait_of(rows).columns()
    assert columns is not None
    return columns


RULES = [
    PlanRule.of(AlarmSettings.model_validate({"alpha": 1e-4} | written), Cadence.parse("1d"))
    for written in (
        {"threshold": 0.8}, {"threshold": -0.5, "side": "below", "alpha": 1e-5}, {"threshold": "relative"},
        {"kind": "modulus", "threshold": 0.9}, {"kind": "spread"}, {"kind": "spread", "ratio": 3},
    )
]  # fmt: skip


def alarm_of(
    raised_us: int, cleared_us: int | None = None, kind: str = "lag1", side: str = "above", found: float | None = None
) -> Alarm:
    event = AlarmEvent(
        id="a/raised", alarm_id="a", what="raised", series="peter/ph", source="lakes", rule=kind, label="",
        kind=kind, side=side, relative=found is not None, threshold=0.8 if found is None else found, remarks=(),
        alpha=1e-4, severity="warning", time_us=raised_us, evidence=0.0, estimates=UNKNOWN, cadence_us=DAY,
    )  # fmt: skip
    return event, cleared_us
