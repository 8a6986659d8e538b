"""Series that an operator retires, takes back, forgets or renames.

A retired one is no longer known, though the journal keeps it: its state goes, and with it its comparison; alarms that
are open end. Its observations are journalled on and move nothing. Taken back, it starts afresh as a new series does. A
series that had it as its counterpart is judged alone. A forgotten one goes likewise, and its next observation begins a
new series. A renamed one keeps all: only its name changes, and the plan of its old name holds until settings change.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sentinel.config import Settings
from sentinel.domain.events import FORGOTTEN, RETIRED, AlarmEvent
from sentinel.domain.labels import comparison_name
from sentinel.domain.renaming import add_name, first_names
from sentinel.pipeline.arrays import Flags
from sentinel.pipeline.cohort import take_series
from sentinel.pipeline.migrate import end_alarms
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.sites import rename_in_sites
from sentinel.pipeline.state import know_again


def retire(
    pipeline: Pipeline, state: PipelineState, name: str, ended_by: str = RETIRED
) -> tuple[PipelineState, tuple[AlarmEvent, ...]]:
    """Take out a series of the journal; also end its open alarms. One that is not known changes nothing."""
    number = _find(state, name)
    if number < 0:
        return state, ()
    state, gone, ended = take_out(pipeline, state, number, ended_by)
    return replace(state, retired=(*state.retired, gone)), ended


def forget(pipeline: Pipeline, state: PipelineState, name: str) -> tuple[PipelineState, tuple[AlarmEvent, ...]]:
    """Take out a series, a retired one too, until its next observation; otherwise as `retire`."""
    ended: tuple[AlarmEvent, ...] = ()
    gone = next((each for each in state.retired if each[1] == name), None)
    if gone is not None:
        state = replace(state, retired=tuple(each for each in state.retired if each != gone))
    elif (number := _find(state, name)) >= 0:
        state, gone, ended = take_out(pipeline, state, number, FORGOTTEN)
    return (state if gone is None else replace(state, forgotten=(*state.forgotten, gone))), ended


def take_out(
    pipeline: Pipeline, state: PipelineState, number: int, ended_by: str = ""
) -> tuple[PipelineState, tuple[int, str, str], tuple[AlarmEvent, ...]]:
    """Take out the series of this number; give its id, name and source as well, and the ends of its alarms."""
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
            ended += end_alarms(pipeline, state, key[0], (), take_series(members, np.flatnonzero(mine)), ended_by)
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
    )  # fmt: skip
    ended.sort(key=lambda event: (event.time_us, event.series, event.rule, event.label))
    taken = journal_id, state.names[number], state.sources[state.source_of[number]]
    return after.with_cohorts(keys, cohorts), taken, tuple(ended)


def take_back(settings: Settings, state: PipelineState, name: str) -> PipelineState:
    """Know a retired series again, as a new one. One that is not retired changes nothing."""
    found = [each for each in state.retired if each[1] == name]
    return know_again(
        settings, replace(state, retired=tuple(each for each in state.retired if each not in found)), found
    )


def rename(state: PipelineState, old: str, new: str) -> PipelineState:
    """Give a series another name, and its comparisons theirs. One that is not known changes nothing."""
    number = _find(state, old)
    if number < 0:
        return state
    both, names, renamed = state.comparisons, list(state.names), state.renamed
    wanted = tuple(new if name == old else name for name in both.counterpart_names)
    changed = {number: new}
    for own, target, counterpart, shown in zip(
        both.own.tolist(), both.target.tolist(), both.counterpart.tolist(), wanted, strict=True
    ):
        if number in (target, counterpart):
            changed[own] = comparison_name(new if target == number else names[target], shown)
    forgotten = []
    for each in state.forgotten:  # one that was called so has no claim to the name; an earlier one of its own is left
        first = first_names(renamed).get(each[1], "")
        if each[1] != new or first:
            forgotten.append((each[0], first, each[2]) if each[1] == new else each)
    for i, name in changed.items():
        renamed = add_name(renamed, names[i], name)
    after = {names[i]: name for i, name in changed.items()}
    for i, name in changed.items():
        names[i] = name
    return replace(
        state, names=tuple(names), comparisons=replace(both, counterpart_names=wanted), renamed=renamed,
        forgotten=tuple(forgotten), sites=rename_in_sites(state.sites, after),
    )  # fmt: skip


def is_new(state: PipelineState, name: str, most: int) -> bool:
    """True of a series of the journal that is known and has had a value in `most` ticks at most."""
    number = _find(state, name)
    if number < 0 or state.cohort_of[number] < 0:
        return number in state.waiting
    last, row = state.cohorts[state.cohort_of[number]].last, state.row_of[number]
    return bool(last.ticks[row] - last.missing[row] <= most)


def _find(state: PipelineState, name: str) -> int:
    """Give the number of a series of the journal; -1 = there is none of that name."""
    return next((i for i in state.ids.tolist() if i >= 0 and state.names[i] == name), -1)
