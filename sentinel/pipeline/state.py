"""The state of a pipeline, and how series come into it: registered, kept back, assigned to a cohort.

A series whose cadence is not configured waits, its observations with it, until its first time stamps tell the cadence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.pipeline import sites
from sentinel.pipeline.cohort import LARGEST, Cohort, CohortState, concat_series, take_series
from sentinel.pipeline.comparisons import Comparisons
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.plan import Plan, comparison_name, learn_cadence
from sentinel.pipeline.plans import Plans

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CohortKey = tuple[Plan, int]
"""A plan, and the number of the cohort among those that share it."""

_NO_INTS: Ints = np.empty(0, np.int64)
_NO_FLOATS: Floats = np.empty(0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Observations to take in: in the engine what one commit of the journal read back."""

    series: Ints
    """Ids: 0, 1, 2, ... in order of first appearance."""
    time_us: Ints
    value: Floats
    new_series: tuple[tuple[int, str, str], ...] = ()
    """(id, name, source) of the series that appear for the first time."""
    watermark_us: int | None = None
    """Of the source; None while it has more to tell."""
    source: str = ""
    """Whose watermark it is."""

    def at(self, positions: Ints) -> Batch:
        """Select the observations at these positions."""
        return replace(
            self, series=self.series[positions], time_us=self.time_us[positions], value=self.value[positions]
        )


NOTHING = Batch(_NO_INTS, _NO_INTS, _NO_FLOATS)


@dataclass(frozen=True, slots=True)
class PipelineState:
    """Everything needed to continue. Series are numbered by first appearance, a comparison right after its target."""

    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Names of the sources."""
    watermarks_us: Ints = field(default_factory=lambda: _NO_INTS)
    """Watermark of each source, as its last batch said it; `NEVER` where that one left more to come."""
    source_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Position in `sources` of each series."""
    cohort_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Position in `cohorts` of each series; -1 while its cadence is not known."""
    row_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Row of each series in its cohort; -1 while it has none."""
    keys: tuple[CohortKey, ...] = ()
    cohorts: tuple[CohortState, ...] = ()
    waiting: Mapping[int, tuple[Ints, Floats]] = field(default_factory=dict)
    """Times and values of the series whose cadence is not known yet, by id."""
    ids: Ints = field(default_factory=lambda: _NO_INTS)
    """The number here of each series of the journal."""
    comparisons: Comparisons = field(default_factory=Comparisons)
    sites: sites.SiteStates = field(default_factory=dict)

    def with_cohorts(self, keys: Sequence[CohortKey], cohorts: Sequence[CohortState]) -> PipelineState:
        """Replace the cohorts; which series is where follows from them."""
        cohort_of, row_of = (np.full(len(self.names), -1, np.int64) for _ in range(2))
        for at, members in enumerate(cohorts):
            cohort_of[members.series], row_of[members.series] = at, np.arange(members.series.size)
        return replace(self, keys=tuple(keys), cohorts=tuple(cohorts), cohort_of=cohort_of, row_of=row_of)


def assign(state: PipelineState, parts: Mapping[Plan, Sequence[CohortState]]) -> PipelineState:
    """Give series rows in the cohorts of their plans: first where there is room, then in new cohorts.

    A part as large as a cohort can be becomes one as it is, without a copy; so does any other part that meets no room.
    """
    if not parts:
        return state
    keys, cohorts = list(state.keys), list(state.cohorts)
    positions: dict[Plan, list[int]] = defaultdict(list)
    for at, (plan, _) in enumerate(keys):
        positions[plan].append(at)
    for plan, more in parts.items():
        number = 1 + max((keys[at][1] for at in positions[plan]), default=-1)
        gathered = {at: [cohorts[at]] for at in positions[plan] if cohorts[at].series.size < LARGEST}
        room = {at: LARGEST - cohorts[at].series.size for at in gathered}
        for part in sorted(more, key=lambda part: part.series.size < LARGEST):
            first, size = 0, part.series.size
            while first < size:
                at = next(iter(room), -1) if size - first < LARGEST else -1
                if at < 0:
                    at = len(keys)
                    keys.append((plan, number))
                    cohorts.append(part)
                    gathered[at], room[at], number = [], LARGEST, number + 1
                last = min(size, first + room[at])
                gathered[at].append(take_series(part, np.arange(first, last)))
                room[at] -= last - first
                if not room[at]:
                    del room[at]
                first = last
        for at, pieces in gathered.items():
            cohorts[at] = concat_series(pieces)
    return state.with_cohorts(keys, cohorts)


class Roster:
    """Registers series, keeps observations back while a cadence is not known, and assigns series to cohorts.

    Parameters
    ----------
    settings
        What series are matched against.
    plans
        The plans of the settings.
    conditioning
        False takes all values as residuals already.
    cohort
        The stages for a plan.
    """

    def __init__(self, settings: Settings, plans: Plans, conditioning: bool, cohort: Callable[[Plan], Cohort]) -> None:
        self._settings, self._plans, self._conditioning, self._cohort = settings, plans, conditioning, cohort

    def take(self, state: PipelineState, batch: Batch, *, ended: bool) -> tuple[PipelineState, Batch]:
        """Register new series, note the source's watermark, and assign the series whose cadence is known now.

        Returns
        -------
        The state; and the batch with series as numbered there, without the observations that are kept back and with
        those that no longer are.
        """
        state = _note_watermark(self._register(state, batch), batch)
        return self._release(state, replace(batch, series=state.ids[batch.series]), ended=ended)

    def _register(self, state: PipelineState, batch: Batch) -> PipelineState:
        """Add the batch's new series, waiting for their cadence, and the comparisons of those with a counterpart."""
        if not batch.new_series:
            return state
        names, source_of, ids = list(state.names), state.source_of.tolist(), state.ids.tolist()
        sources = {name: at for at, name in enumerate(state.sources)}
        waiting = dict(state.waiting)
        own: list[int] = []
        target: list[int] = []
        wanted = list(state.comparisons.counterpart_names)
        counterpart = state.comparisons.counterpart.tolist()
        number: dict[str, int] = {}  # of every series so far, once the first counterpart has to be found
        missing: dict[str, list[int]] = defaultdict(list)
        for at in np.flatnonzero(state.comparisons.counterpart < 0).tolist():
            missing[wanted[at]].append(at)
        for _, name, source in batch.new_series:
            i = len(names)
            for at in missing.pop(name, ()):
                counterpart[at] = i
            ids.append(i)
            waiting[i] = (_NO_INTS, _NO_FLOATS)
            names.append(name)
            source_of.append(sources.setdefault(source, len(sources)))
            other = self._settings.counterpart_for(name)
            if number:
                number.setdefault(name, i)
            if other is not None:
                number = number or number_names(names)
                counterpart.append(number.get(other, -1))
                if counterpart[-1] < 0:
                    missing[other].append(len(wanted))
                wanted.append(other)
                own.append(len(names))
                target.append(i)
                number.setdefault(comparison_name(name, other), len(names))
                names.append(comparison_name(name, other))
                source_of.append(sources[source])
        unknown = np.full(len(names) - len(state.names), -1, np.int64)
        had = len(state.comparisons)
        return replace(
            state, names=tuple(names), sources=tuple(sources), source_of=np.array(source_of, np.int64),
            watermarks_us=np.append(state.watermarks_us, np.full(len(sources) - len(state.sources), NEVER)),
            cohort_of=np.append(state.cohort_of, unknown), row_of=np.append(state.row_of, unknown), waiting=waiting,
            ids=np.array(ids, np.int64),
            comparisons=state.comparisons.extend(own, target, wanted[had:], np.array(counterpart, np.int64)),
        )  # fmt: skip

    def _release(self, state: PipelineState, batch: Batch, *, ended: bool) -> tuple[PipelineState, Batch]:
        """Keep back observations of series of unknown cadence; assign a series once its cadence is known, and let what
        was kept back join the batch."""
        kept_back = state.cohort_of[batch.series] < 0
        if not kept_back.any() and not (ended and state.waiting):
            return state, batch
        waiting = dict(state.waiting)
        due = []
        for i, mine in _by_series(batch.series, np.flatnonzero(kept_back)):
            due.append(i)
            times, values = waiting[i]
            waiting[i] = np.concatenate([times, batch.time_us[mine]]), np.concatenate([values, batch.value[mine]])
        own_of = dict(zip(state.comparisons.target.tolist(), state.comparisons.own.tolist(), strict=True))
        released: list[tuple[int, Ints, Floats]] = []
        ids: dict[Plan, list[int]] = defaultdict(list)
        for i in list(waiting) if ended else due:
            cadence = self._settings.series_for(state.names[i]).cadence
            if cadence is None:
                cadence = learn_cadence(waiting[i][0], ended=ended)
            if cadence is not None:
                target = state.names[i]
                for each in (i, own_of[i]) if i in own_of else (i,):
                    plan = self._plans.find(target, state.names[each], cadence, conditioning=self._conditioning)
                    ids[plan].append(each)
                released.append((i, *waiting.pop(i)))
        parts = {plan: [self._cohort(plan).init(np.array(mine, np.int64))] for plan, mine in ids.items()}
        return assign(replace(state, waiting=waiting), parts), replace(
            batch,
            series=np.concatenate([batch.series[~kept_back], *(np.full(t.size, i) for i, t, _ in released)]),
            time_us=np.concatenate([batch.time_us[~kept_back], *(t for _, t, _ in released)]),
            value=np.concatenate([batch.value[~kept_back], *(v for _, _, v in released)]),
        )


def number_names(names: Sequence[str]) -> dict[str, int]:
    """Give each name the position of its first appearance."""
    return {name: i for i, name in reversed(list(enumerate(names)))}


def _by_series(series: Ints, positions: Ints) -> Iterator[tuple[int, Ints]]:
    """Each series among these positions of a batch, with its positions in order."""
    if positions.size == 0:
        return
    order = positions[np.argsort(series[positions], kind="stable")]
    edges = np.flatnonzero(np.diff(series[order])) + 1
    for mine in np.split(order, edges):
        yield int(series[mine[0]]), mine


def _note_watermark(state: PipelineState, batch: Batch) -> PipelineState:
    """Note the watermark of the batch's source."""
    if batch.source not in state.sources:
        return state
    watermarks_us = state.watermarks_us.copy()
    # While a source has more to come it has no watermark: the last one may be over, and is not yet renewed.
    watermarks_us[state.sources.index(batch.source)] = NEVER if batch.watermark_us is None else batch.watermark_us
    return replace(state, watermarks_us=watermarks_us)
