"""Series that an operator retires, and takes back: a retired one is no longer known, though the journal keeps it.

Its state goes, and with it its comparison; alarms that are open end. Its observations are journalled on and move
nothing. Taken back, it starts afresh as a new series does. A series that had it as its counterpart is judged alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sentinel.config import Settings
from sentinel.domain.events import AlarmEvent
from sentinel.pipeline.arrays import Flags
from sentinel.pipeline.cohort import take_series
from sentinel.pipeline.migrate import end_alarms
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.state import NOTHING, Batch, register


def retire(pipeline: Pipeline, state: PipelineState, name: str) -> tuple[PipelineState, tuple[AlarmEvent, ...]]:
    """Forget a series of the journal; also end its open alarms. One that is not known changes nothing."""
    number = next((i for i in state.ids.tolist() if i >= 0 and state.names[i] == name), -1)
    if number < 0:
        return state, ()
    both, count = state.comparisons, len(state.names)
    compared = both.target == number
    gone: Flags = np.zeros(count, bool)
    gone[[number, *both.own[compared].tolist()]] = True
    numbers = np.append(np.where(gone, -1, np.cumsum(~gone) - 1), -1)  # the last one is for those that are not there
    ended: list[AlarmEvent] = []
    keys, cohorts = [], []
    for key, members in zip(state.keys, state.cohorts, strict=True):
        mine = gone[members.series]
        if mine.any():
            ended += end_alarms(pipeline, state, key[0], (), take_series(members, np.flatnonzero(mine)))
            members = take_series(members, np.flatnonzero(~mine))
        if members.series.size:
            keys.append(key)
            cohorts.append(members._replace(series=numbers[members.series]))
    journal_id = int(np.flatnonzero(state.ids == number)[0])
    kept = both.forget_waiting([number]).keep(~compared, numbers)
    after = replace(
        state, names=tuple(each for each, left in zip(state.names, gone.tolist(), strict=True) if not left),
        source_of=state.source_of[~gone], ids=numbers[state.ids], comparisons=kept,
        waiting={int(numbers[i]): what for i, what in state.waiting.items() if not gone[i]},
        retired=(*state.retired, (journal_id, name, state.sources[state.source_of[number]])),
    )  # fmt: skip
    ended.sort(key=lambda event: (event.time_us, event.series, event.rule, event.label))
    return after.with_cohorts(keys, cohorts), tuple(ended)


def take_back(settings: Settings, state: PipelineState, name: str) -> PipelineState:
    """Know a retired series again, as a new one. One that is not retired changes nothing."""
    found = next((each for each in state.retired if each[1] == name), None)
    if found is None:
        return state
    retired = tuple(each for each in state.retired if each != found)
    state = register(settings, state, Batch(NOTHING.series, NOTHING.time_us, NOTHING.value, (found,)))
    ids = state.ids[:-1].copy()  # it has a place among the ids of the journal
    ids[found[0]] = state.ids[-1]
    return replace(state, ids=ids, retired=retired)
