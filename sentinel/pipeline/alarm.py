"""The state of a series: learning, watching, warning, critical or blind; and its alarms.

A series is *blind* while its sensor cannot be judged, *learning* until the first verdict (of a rule that compares with
the series' own past: until that past is known) and again after a gap, otherwise *critical* or *warning* while a rule of
that severity has an open alarm, otherwise *watching*. An alarm lasts until the opposite claim reaches its line
(hysteresis), or a gap empties the series; an open one outlives blindness.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.compiled import compiled
from sentinel.domain.states import REASONS, STATES, Reason, State
from sentinel.pipeline.arrays import Codes, Flags, Ints, copy
from sentinel.pipeline.grid import ABSENT

LEARNING, WATCHING, WARNING, CRITICAL, BLIND = (
    STATES.index(s) for s in (State.LEARNING, State.WATCHING, State.WARNING, State.CRITICAL, State.BLIND)
)
WARM_UP = REASONS.index(Reason.WARM_UP)


class AlarmState(NamedTuple):
    """The state of each series; one row per series."""

    state: Codes
    """Index into `tuple(State)`."""
    reason: Codes
    """Index into `tuple(Reason)`."""
    since: Ints
    """Tick at which the state or its reason began; -1 before the first tick."""
    raised: Ints
    """Tick at which the open alarm of each rule was raised; -1 where none is open; (series, rule)."""


class States(NamedTuple):
    """State and reason at every tick, shape (tick, series)."""

    state: Codes
    reason: Codes
    episode: Ints
    """Tick at which the alarm that is open, or has just cleared, was raised; -1 = none; (tick, series, rule)."""


class Alarm:
    """The state machine of series that share their rules; `critical` says for each if its severity is that."""

    def __init__(self, critical: tuple[bool, ...]) -> None:
        self._critical = np.array(critical, dtype=np.bool_)

    def init(self, series: int) -> AlarmState:
        """Make the state of new series: learning, without an alarm."""
        return AlarmState(
            np.full(series, LEARNING, np.int8), np.full(series, WARM_UP, np.int8), np.full(series, -1, np.int64),
            np.full((series, self._critical.size), -1, np.int64),
        )  # fmt: skip

    def advance(
        self, before: AlarmState, kind: Codes, tick: Ints, ready: Flags, waiting: Codes, blind: Codes, is_open: Flags,
        raised: Flags,
    ) -> tuple[AlarmState, States]:  # fmt: skip
        """Take in a block; `before` is not modified. Arrays are (tick, series[, rule]).

        `waiting`: why every rule still waits though the series is ready, as index into `tuple(Reason)`; 0 = none does.
        """
        new = copy(before)
        states = States(
            np.zeros(kind.shape, np.int8), np.zeros(kind.shape, np.int8), np.full(is_open.shape, -1, np.int64)
        )
        _advance(kind, tick, ready, waiting, blind, is_open, raised, self._critical, *new, *states)
        return new, states


@compiled
def _advance(
    kind: Codes, tick: Ints, ready: Flags, waiting: Codes, blind: Codes, is_open: Flags, raised: Flags, critical: Flags,
    state: Codes, reason: Codes, since: Ints, raised_at: Ints, states: Codes, reasons: Codes, episode: Ints,
) -> None:  # fmt: skip
    for t in range(kind.shape[0]):
        for s in range(kind.shape[1]):
            if kind[t, s] != ABSENT:
                now, why = WATCHING, 0
                for k in range(critical.shape[0]):
                    if raised[t, s, k]:
                        raised_at[s, k] = tick[t, s]
                    episode[t, s, k] = raised_at[s, k]
                    if not is_open[t, s, k]:
                        raised_at[s, k] = -1
                    if is_open[t, s, k]:
                        now = max(now, CRITICAL if critical[k] else WARNING)
                if blind[t, s] != 0:
                    now, why = BLIND, blind[t, s]
                elif not ready[t, s]:
                    now, why = LEARNING, WARM_UP
                elif waiting[t, s] != 0:
                    now, why = LEARNING, waiting[t, s]
                if now != state[s] or why != reason[s] or since[s] < 0:
                    state[s], reason[s], since[s] = now, why, tick[t, s]
            states[t, s], reasons[t, s] = state[s], reason[s]
