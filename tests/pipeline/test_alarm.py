"""The state machine of a series, and the alarms that begin and end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.events import alarm_id
from sentinel.domain.states import REASONS, STATES, Reason, State
from sentinel.pipeline.alarm import Alarm, AlarmState, States
from sentinel.pipeline.grid import ABSENT, TICK

STUCK = REASONS.index(Reason.STUCK)
TICKS = st.tuples(st.booleans(), st.sampled_from([0, STUCK]), st.booleans())


def advance(
    alarm: Alarm, before: AlarmState, ready: list[bool], blind: list[int], is_open: list[list[bool]], first: int = 0
) -> tuple[AlarmState, States]:
    """One series; an alarm is raised where it is open and was not before."""
    opened = np.array(is_open, bool)
    was = np.vstack([(before.raised[:1] >= 0), opened[:-1]])
    ticks = np.arange(first, first + len(ready))[:, None]
    return alarm.advance(
        before, np.full((len(ready), 1), TICK, np.int8), ticks, np.array(ready)[:, None],
        np.zeros((len(ready), 1), bool), np.array(blind, np.int8)[:, None], opened[:, None], (opened & ~was)[:, None],
    )  # fmt: skip


def names(states: States) -> list[tuple[State, Reason]]:
    pairs = zip(states.state[:, 0].tolist(), states.reason[:, 0].tolist(), strict=True)
    return [(STATES[state], REASONS[reason]) for state, reason in pairs]


LEARNING, WATCHING = (State.LEARNING, Reason.WARM_UP), (State.WATCHING, Reason.NONE)
WARNING, CRITICAL, BLIND = (State.WARNING, Reason.NONE), (State.CRITICAL, Reason.NONE), (State.BLIND, Reason.STUCK)


def test_blind_before_learning_before_critical_before_warning_before_watching() -> None:
    alarm = Alarm((False, True))
    cases = [
        (False, 0, [False, False], LEARNING),
        (False, STUCK, [True, True], BLIND),
        (False, 0, [True, True], LEARNING),
        (True, 0, [False, False], WATCHING),
        (True, 0, [True, False], WARNING),
        (True, 0, [True, True], CRITICAL),
        (True, 0, [False, True], CRITICAL),
        (True, STUCK, [False, True], BLIND),
        (True, 0, [False, True], CRITICAL),
        (True, 0, [False, False], WATCHING),
    ]
    state, states = advance(alarm, alarm.init(1), [c[0] for c in cases], [c[1] for c in cases], [c[2] for c in cases])
    assert names(states) == [c[3] for c in cases]
    assert STATES[state.state[0]] is State.WATCHING


def test_an_open_alarm_outlives_blindness_and_an_episode_is_named_by_its_beginning() -> None:
    alarm = Alarm((False,))
    is_open = [[False], [True], [True], [True], [False], [False], [True]]
    state, states = advance(alarm, alarm.init(1), [True] * 7, [0, 0, STUCK, 0, 0, 0, 0], is_open, first=10)
    assert names(states) == [WATCHING, WARNING, BLIND, WARNING, WATCHING, WATCHING, WARNING]
    assert states.episode[:, 0, 0].tolist() == [-1, 11, 11, 11, 11, -1, 16], "the tick that clears still names it"
    assert state.raised.tolist() == [[16]]


def test_since_is_the_tick_at_which_the_state_or_its_reason_began() -> None:
    alarm = Alarm((False,))
    state, _ = advance(alarm, alarm.init(1), [False, False], [0, 0], [[False]] * 2)
    assert state.since.tolist() == [0]
    state, _ = advance(alarm, state, [False, True], [0, 0], [[False]] * 2, first=2)
    assert state.since.tolist() == [3]
    other = REASONS.index(Reason.OUT_OF_RANGE)
    state, _ = advance(alarm, state, [True] * 3, [STUCK, other, other], [[False]] * 3, first=4)
    assert state.since.tolist() == [5]


def test_a_series_without_a_tick_keeps_its_state() -> None:
    alarm = Alarm((False,))
    state, _ = advance(alarm, alarm.init(1), [True], [0], [[True]])
    nothing = np.zeros((3, 1), bool)
    after, states = alarm.advance(
        state, np.full((3, 1), ABSENT, np.int8), np.zeros((3, 1), np.int64), nothing, nothing,
        np.zeros((3, 1), np.int8), nothing[:, :, None], nothing[:, :, None],
    )  # fmt: skip
    assert [a.tobytes() for a in after] == [a.tobytes() for a in state]
    assert set(names(states)) == {WARNING}


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0, STUCK]), st.booleans()), min_size=1, max_size=20), st.data()
)
def test_cut_anywhere_it_gives_the_same(ticks: list[tuple[bool, int, bool]], data: st.DataObject) -> None:
    alarm = Alarm((True,))
    ready, blind, is_open = [t[0] for t in ticks], [t[1] for t in ticks], [[t[2]] for t in ticks]
    whole, states = advance(alarm, alarm.init(1), ready, blind, is_open)
    k = data.draw(st.integers(1, len(ticks)))
    half, first = advance(alarm, alarm.init(1), ready[:k], blind[:k], is_open[:k])
    if k < len(ticks):
        half, rest = advance(alarm, half, ready[k:], blind[k:], is_open[k:], first=k)
        first = States(*(np.concatenate(pair) for pair in zip(first, rest, strict=True)))
    assert [a.tobytes() for a in half] == [a.tobytes() for a in whole]
    assert [a.tobytes() for a in first] == [a.tobytes() for a in states]


def test_the_id_of_an_alarm_depends_on_what_it_is_and_nothing_else() -> None:
    assert alarm_id("a", "lag1", 0.8, 5) == alarm_id("a", "lag1", 0.8, 5)
    others = [("b", "lag1", 0.8, 5), ("a", "spread", 0.8, 5), ("a", "lag1", 0.7, 5), ("a", "lag1", 0.8, 6)]
    assert len({alarm_id(*other) for other in others} | {alarm_id("a", "lag1", 0.8, 5)}) == 5
