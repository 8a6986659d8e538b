"""Puts the states of some series into the place of others: of those that were computed anew, by corrected values.

A series that is computed anew goes on where the corrected values have brought it; all others are untouched, bitwise.
An alarm that is open on both sides stays the alarm that it was, under the tick at which it was raised then.
"""

from __future__ import annotations

import io
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sentinel.domain.events import CORRECTED, AlarmEvent
from sentinel.pipeline import arrays
from sentinel.pipeline.arrays import Ints
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.cohort import concat_series, take_series
from sentinel.pipeline.migrate import tell_open
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.waiting import Waiting


class Grafted(NamedTuple):
    """A state with other states of some series, and what that does to alarms."""

    state: PipelineState
    ended: tuple[AlarmEvent, ...]
    """Ends of alarms that are open no more."""
    opened: frozenset[str]
    """Ids of alarms that are open only now."""


class Affected(NamedTuple):
    """Series that corrected values reach, by number."""

    moved: Ints
    """The series whose states change: these, and the comparisons with them."""
    needed: Ints
    """The series whose observations have to be read for that."""


def find_affected(state: PipelineState, corrected: Iterable[int]) -> Affected:
    """Find what is reached by corrected values of series of the journal; those that are not known reach nothing."""
    mine = np.array(sorted({number for i in corrected if (number := int(state.ids[i])) >= 0}), np.int64)
    both = state.comparisons
    reached = np.isin(both.target, mine) | np.isin(both.counterpart, mine)
    sides = np.concatenate([both.target[reached], both.counterpart[reached]])
    return Affected(np.union1d(mine, both.own[reached]), np.union1d(mine, sides[sides >= 0]))


def cut(state: PipelineState, series: Ints) -> PipelineState:
    """Leave of a state only what these series have; all names and numbers stay."""
    keys, cohorts = [], []
    for key, members in zip(state.keys, state.cohorts, strict=True):
        rows = np.flatnonzero(np.isin(members.series, series))
        if rows.size:
            keys.append(key)
            cohorts.append(take_series(members, rows[np.argsort(members.series[rows])]))
    mine, both = np.isin(state.comparisons.own, series), state.comparisons
    left = {i: waiting for i, waiting in state.waiting.items() if i in series}
    here = np.isin(np.arange(len(state.names)), series)
    comparisons = replace(
        both, targets=_pick(both.targets, mine), counterparts=_pick(both.counterparts, mine),
        early=_pick(both.early, here),
    )  # fmt: skip
    return replace(state, waiting=left, comparisons=comparisons).with_cohorts(keys, cohorts)


def graft(pipeline: Pipeline, state: PipelineState, part: PipelineState) -> Grafted:
    """Put the series that `cut` left of another state into their places here; one that has no place is left out."""
    cohorts = list(state.cohorts)
    ended: list[AlarmEvent] = []
    opened: set[str] = set()
    for (plan, _), new in zip(part.keys, part.cohorts, strict=True):
        for at in np.unique(state.cohort_of[new.series]).tolist():
            if at < 0 or state.keys[at][0] != plan:
                continue
            here = np.flatnonzero(state.cohort_of[new.series] == at)
            rows, coming = state.row_of[new.series[here]], take_series(new, here)
            here_open = state.cohorts[at].alarm.raised
            was, now, over = here_open[rows], coming.alarm.raised, np.zeros(here_open.shape, np.bool_)
            over[rows] = now < 0
            closing = tell_open(pipeline, state, plan, state.cohorts[at], over, "cleared")
            ended += [event._replace(ended_by=CORRECTED) for event in closing]
            opened |= {event.alarm_id for event in tell_open(pipeline, state, plan, coming, was < 0, "raised")}
            # An alarm that is open on both sides is that of this side.
            raised = np.where((was >= 0) & (now >= 0), was, now)
            coming = coming._replace(alarm=coming.alarm._replace(raised=raised))
            order = np.arange(cohorts[at].series.size)
            order[rows] = order.size + np.arange(rows.size)
            cohorts[at] = take_series(concat_series([cohorts[at], coming]), order)
    waiting = {i: part.waiting.get(i, kept) for i, kept in state.waiting.items()}
    both, other = state.comparisons, part.comparisons
    moved = (part.cohort_of >= 0) & (state.cohort_of >= 0)
    mine = moved[both.own]
    comparisons = replace(
        both, targets=arrays.concat([_pick(both.targets, ~mine), _pick(other.targets, mine)]),
        counterparts=arrays.concat([_pick(both.counterparts, ~mine), _pick(other.counterparts, mine)]),
        early=arrays.concat([_pick(both.early, ~moved), _pick(other.early, moved)]),
    )  # fmt: skip
    ended.sort(key=lambda event: (event.time_us, event.series, event.rule, event.label))
    after = replace(state, cohorts=tuple(cohorts), waiting=waiting, comparisons=comparisons)
    return Grafted(after, tuple(ended), frozenset(opened))


def to_text(part: PipelineState) -> str:
    """Write what `cut` left as text, for the journal."""
    named, header = to_arrays(part)
    buffer = io.BytesIO()
    arrays.write(buffer, named, header)
    return b64encode(zlib.compress(buffer.getvalue(), 1)).decode("ascii")


def from_text(pipeline: Pipeline, text: str) -> PipelineState:
    """Read what `to_text` wrote; errors as of `from_arrays`."""
    return from_arrays(pipeline, *arrays.read(io.BytesIO(zlib.decompress(b64decode(text)))))


def _pick(entries: Waiting, chosen: arrays.Flags) -> Waiting:
    """Select what waits in these comparisons, in the order of the comparisons."""
    rows = np.flatnonzero(chosen[entries.comparison])
    return arrays.take(entries, rows[np.argsort(entries.comparison[rows], kind="stable")])
