"""The record of one series: what an analysis found out about it, for tables, sentences and pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sentinel.analysis.season import Proposal
from sentinel.domain.axis import STEP_US, Axis, NumberAxis
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.estimates import UNKNOWN, Estimates
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spelling import NEVER_US, duration_in_words, moment_in_words
from sentinel.domain.states import Reason, State
from sentinel.pipeline.plan import Plan

RaisedAndCleared = tuple[AlarmEvent, int | None]
"""An alarm, and when it was cleared; None while open."""
URGENCY = (State.CRITICAL, State.WARNING, State.BLIND, State.WATCHING, State.LEARNING)
"""States, the most urgent first."""


@dataclass(slots=True)
class SeriesRecord:
    """What an analysis found out about one series; times in microseconds on the series' own axis."""

    name: str
    axis: Axis
    id: int = -1
    plan: Plan | None = None
    """None if no cadence could be learnt."""
    target: str | None = None
    """Of a paired series, the one of the two that is judged."""
    thresholds: tuple[float, ...] = ()
    observations: int = 0
    ticks: int = 0
    missing: int = 0
    gaps: int = 0
    last_tick: int = -1
    first_us: int = 0
    last_us: int = 0
    end_us: int = 0
    state: State = State.LEARNING
    """State after the last tick; reason and estimates likewise."""
    reason: Reason = Reason.CADENCE
    estimates: Estimates[float] = UNKNOWN
    e_value: float = math.nan
    """By which series are ranked, of the windows that begin at `window_us`."""
    windows: int = 0
    """1 while the first one lasts, then 2."""
    window_us: int = NEVER_US
    max_evidence: float = math.nan
    """Largest evidence ever reached; NaN if it never was ready."""
    alarms: list[RaisedAndCleared] = field(default_factory=list)
    undeclared: tuple[Proposal, ...] = ()
    """Seasons found by looking at the whole record, for a reader; they changed nothing."""

    def moment(self, time_us: int) -> str:
        """A moment in the words of the series' own axis."""
        if isinstance(self.axis, NumberAxis):
            return f"{self.axis.numbers(np.array([time_us]))[0]:.10g}"
        return moment_in_words(time_us)

    def length(self, duration_us: float) -> str:
        """A duration in the words of the series' own axis."""
        if not isinstance(self.axis, NumberAxis):
            return duration_in_words(duration_us / MICROSECONDS)
        steps = duration_us / STEP_US * self.axis.step
        number = f"{steps:.3g}" if abs(steps) < 100 else f"{steps:,.0f}"
        return f"{number} step{'' if number == '1' else 's'}" if self.axis.step == 1 else f"{number} units of time"


def ranked(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """The most alarming first: by the evidence ever reached, then by present state and name."""
    return sorted(
        records,
        key=lambda r: (
            -len([alarm for alarm in r.alarms if alarm[1] is None]),
            math.inf if math.isnan(r.max_evidence) else -r.max_evidence,
            URGENCY.index(r.state),
            r.name,
        ),
    )
