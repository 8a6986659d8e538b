"""What the default alarm does, through the pipeline, on a textbook record and on rivers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from sentinel.config import Settings
from sentinel.domain.events import AlarmEvent
from sentinel.domain.states import STATES, State
from sentinel.pipeline.pipeline import Batch, Pipeline
from tests.pipeline.streams import HOUR_US, batch_of, through

DATA = Path(os.environ.get("SENTINEL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
RIVERS = DATA / "rivers"


def textbook(seed: int = 5, runs: int = 40) -> dict[str, Any]:
    """Daily AR(1) whose lag 1 goes from .2 to .97 in 850 days of 1,000, and as many that stay at .2."""
    random = np.random.default_rng(seed)
    rho = np.interp(np.arange(1_000), [0, 850], [0.2, 0.97])
    shocks = random.standard_normal((1_000, 2 * runs))
    values = np.zeros((1_000, 2 * runs))
    for t in range(1, 1_000):
        values[t, :runs] = rho[t] * values[t - 1, :runs] + shocks[t, :runs]
        values[t, runs:] = 0.2 * values[t - 1, runs:] + shocks[t, runs:]
    pipeline = Pipeline(Settings.model_validate({"series": [{"cadence": "1d"}]}))
    outcome = through(pipeline, [batch_of(values, cadence_us=24 * HOUR_US)])
    first: dict[tuple[int, str], int] = {}
    for event in outcome.events:
        if event.what == "raised":
            first.setdefault((int(event.series[1:]), event.severity), event.time_us // (24 * HOUR_US))
    found = {}
    for severity in ("warning", "critical"):
        leads = [850 - first[i, severity] for i in range(runs) if first.get((i, severity), 999) < 850]
        alarmed = sum((i, severity) in first for i in range(runs, 2 * runs))
        found[severity] = {"found": len(leads), "median lead": float(np.median(leads)), "controls alarmed": alarmed}
    return found


class River(NamedTuple):
    """A tier on all series of the rivers."""

    alarms_a_year: float
    """Per judged year and series."""
    open: float
    """Part of the judged time in alarm."""
    judged: float
    """Part of the ticks with a value at which the default rules could say something."""
    blind: dict[str, float]
    """Part of the ticks with a value at which each series was blind."""


def rivers(left_out: tuple[str, ...] = ("ph",)) -> dict[str, River]:
    """The default rules on two quiet rivers: every 15 minutes, a day as season, -9999 missing, without pH."""
    tick_us = 15 * 60 * 1_000_000
    events: list[AlarmEvent] = []
    seen = judged = 0
    opened = dict.fromkeys(("warning", "critical"), 0)
    blind: dict[str, float] = {}
    for name in ("main_street", "water_lab"):
        frame = pl.read_csv(RIVERS / f"{name}.csv").drop(left_out)
        stamps = frame["time"].str.to_datetime("%Y-%m-%d %H:%M").dt.epoch("us").to_numpy()
        columns = [column for column in frame.columns if column != "time"]
        series, times, values = [], [], []
        for number, column in enumerate(columns):
            value = frame[column].cast(pl.Float64).to_numpy()
            kept = np.isfinite(value) & (value > -9_998)
            series.append(np.full(int(kept.sum()), number))
            times.append(stamps[kept])
            values.append(value[kept])
        names = tuple((number, f"{name}/{column}", name) for number, column in enumerate(columns))
        batch = Batch(np.concatenate(series), np.concatenate(times), np.concatenate(values), names, source=name)
        pipeline = Pipeline(Settings.model_validate({"series": [{"cadence": "15m", "season": ["1d"]}]}))
        outcome = through(pipeline, [batch])
        events += outcome.events
        rows = outcome.rows
        there = np.isfinite(rows.value)
        seen += int(there.sum())
        judged += int((there & np.isfinite(rows.evidence)).sum())
        for number, _ in enumerate(columns):
            mine = there & (rows.series == number)
            blind[names[number][1]] = float((rows.state[mine] == STATES.index(State.BLIND)).mean())
            for severity in opened:
                open_now = np.zeros(rows.time_us.size, bool)
                begin = None
                for event in outcome.events:
                    if event.series == names[number][1] and event.severity == severity:
                        if event.what == "raised":
                            begin = event.time_us
                        elif begin is not None:
                            open_now |= (rows.end_us >= begin) & (rows.end_us < event.time_us)
                            begin = None
                if begin is not None:
                    open_now |= rows.end_us >= begin
                opened[severity] += int((open_now & mine).sum())
    years = judged * tick_us / (365.25 * 86_400e6)
    return {
        severity: River(
            sum(event.what == "raised" and event.severity == severity for event in events) / years,
            opened[severity] / judged, judged / seen, blind,
        )
        for severity in opened
    }  # fmt: skip
