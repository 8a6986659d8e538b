"""Records, ticks and alarms made by hand, for tests of what labels mean."""

from __future__ import annotations

import numpy as np
import polars as pl

from sentinel.analysis.labels import Label, LabelKind
from sentinel.analysis.readings import SeriesTicks
from sentinel.analysis.record import SeriesRecord
from sentinel.config import Settings
from sentinel.domain.channels import UNKNOWN
from sentinel.domain.events import AlarmEvent
from sentinel.domain.observation import CalendarAxis
from sentinel.domain.spans import DAY, Cadence
from sentinel.pipeline.plan import plan_for
from sentinel.pipeline.watching import IN_ALARM, UNJUDGED, WATCHING

LENGTH = 100
"""Days in a record made here, the first of them 1970-01-01."""


def record(name: str = "x", alarms: tuple[tuple[float, float | None], ...] = ()) -> SeriesRecord:
    """A daily record with alarms raised and cleared at these days."""
    settings = Settings.model_validate({"alarms": [{"threshold": 0.8, "alpha": 1e-3}]})
    made = SeriesRecord(name, CalendarAxis(), plan=plan_for(settings, name, Cadence.parse("1d")))
    made.first_us, made.last_us, made.end_us = 0, (LENGTH - 1) * DAY, LENGTH * DAY - DAY // 2
    for day, cleared in alarms:
        event = AlarmEvent(
            id=f"{name}-{day}/raised", alarm_id=f"{name}-{day}", what="raised", series=name, source="t", rule="lag1",
            label="0.8", kind="lag1", side="above", relative=False, threshold=0.8, remarks=(), alpha=1e-3,
            severity="warning", time_us=round(day * DAY), evidence=0.1, cadence_us=DAY,
            estimates=UNKNOWN._replace(lag1=0.9, lag1_low=0.85, lag1_high=0.95, modulus=0.9, spread=0.0),
        )  # fmt: skip
        made.alarms.append((event, None if cleared is None else round(cleared * DAY)))
    return made


def ticks(state: str = "watching", value: np.ndarray | None = None) -> SeriesTicks:
    """The ticks of such a record, all in one state."""
    end_us = np.arange(LENGTH) * DAY + DAY // 2
    return SeriesTicks(end_us, np.zeros(LENGTH) if value is None else value, pl.Series([state] * LENGTH), DAY)


def codes(own: SeriesTicks) -> np.ndarray:
    """What these ticks are to a single rule."""
    of_state = {"watching": WATCHING, "warning": IN_ALARM, "critical": IN_ALARM}
    return np.array([[of_state.get(state, UNJUDGED)] for state in own.state], np.int8)


def label(kind: str, day: float | None = None, series: str = "x") -> Label:
    """A label of such a record."""
    return Label("events.csv, row 1", series, LabelKind(kind), None if day is None else day * DAY, str(day))
