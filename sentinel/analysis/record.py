"""What an analysis found out about one series, for tables, sentences and pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from sentinel.domain.axis import Axis, NumberAxis
from sentinel.domain.channels import UNKNOWN, Estimates
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.spelling import NEVER_US, duration_in_words, moment_in_words, print_rounded
from sentinel.domain.states import Reason, State
from sentinel.pipeline.plan import Plan

E = TypeVar("E", AlarmEvent, SiteEvent)
RaisedAndCleared = tuple[AlarmEvent, int | None]
"""An alarm, and when it was cleared; None while open."""
URGENCY = (State.CRITICAL, State.WARNING, State.BLIND, State.WATCHING, State.LEARNING)
"""States, the most urgent first."""

_FOLLOWED = 50.0  # level half-lives


@dataclass(frozen=True, slots=True)
class Proposal:
    """A season found in a whole record that nobody declared."""

    text: str
    """Its period as settings write it: `1d`, `7d`, `1y`, `12.4h`."""
    ticks: float
    """Its period in ticks."""
    strength: float
    """Share of the variance of season and rest that is season, 0 to 1."""

    def followed(self, level_half_life: float) -> bool:
        """Whether the conditioner's level follows it anyway, so that declaring it would only cost warm-up.

        Of a wave of 50 level half-lives the level leaves 3 % of the amplitude, of 20 a fifth, of 12 a half.
        """
        return self.ticks >= _FOLLOWED * level_half_life


@dataclass(slots=True)
class SeriesRecord:
    """What an analysis found out about one series; times in microseconds on the series' own axis."""

    name: str
    axis: Axis
    id: int = -1
    plan: Plan | None = None
    """None if no cadence could be learnt."""
    target: str | None = None
    """The series of the input that is judged, where this one is its comparison with a counterpart."""
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
    """State after the last tick; the reason and the estimates likewise."""
    reason: Reason = Reason.CADENCE
    estimates: Estimates[float] = UNKNOWN
    e_value: float = math.nan
    """By it series are ranked; its windows begin at `window_us`."""
    windows: int = 0
    """1 while the first one lasts, then 2."""
    window_us: int = NEVER_US
    max_evidence: float = math.nan
    """Largest evidence ever reached; NaN if it never was ready."""
    alarms: list[RaisedAndCleared] = field(default_factory=list)
    undeclared: tuple[Proposal, ...] = ()
    """Seasons found by looking at the whole record, for the reader; they change no verdict."""

    def moment(self, time_us: int) -> str:
        """Write a moment in the words of the series' own axis."""
        if isinstance(self.axis, NumberAxis):
            return f"{self.axis.numbers(np.array([time_us]))[0]:.10g}"
        return moment_in_words(time_us)

    def units(self, duration_us: float) -> float:
        """Convert a duration to seconds, or to the owner's units on a numbered axis."""
        return float(self.axis.spans(np.array([duration_us]))[0])

    def length(self, duration_us: float) -> str:
        """Write a duration in the words of the series' own axis."""
        amount = self.units(duration_us)
        if not isinstance(self.axis, NumberAxis):
            return duration_in_words(amount)
        number = print_rounded(amount)
        return f"{number} step{'' if number == '1' else 's'}" if self.axis.step == 1 else f"{number} units of time"


def match_cleared(events: Iterable[E]) -> list[tuple[E, int | None]]:
    """Match each raised alarm with the moment at which it was cleared; None while it is open."""
    both = list(events)
    cleared = {event.alarm_id: event.time_us for event in both if event.what == "cleared"}
    return [(event, cleared.get(event.alarm_id)) for event in both if event.what == "raised"]


def rank(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """Sort records, the most alarming first: by open alarms, the evidence ever reached, present state and name."""
    return sorted(
        records,
        key=lambda r: (
            -sum(cleared is None for _, cleared in r.alarms),
            math.inf if math.isnan(r.max_evidence) else -r.max_evidence,
            URGENCY.index(r.state),
            r.name,
        ),
    )
