"""The state of a pipeline; how series are registered in it and assigned to cohorts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sentinel.config import Settings
from sentinel.domain.gates import GateEvent
from sentinel.domain.labels import comparison_name
from sentinel.domain.renaming import Renamed, present_names
from sentinel.pipeline import sites
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.cohort import LARGEST, CohortState, concat_series, for_readers, take_series
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.join import NO_INTS, Comparisons
from sentinel.pipeline.plan import Plan

CohortKey = tuple[Plan, int]
"""A plan, and the number of the cohort among those that share it."""

NO_FLOATS: Floats = np.empty(0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Observations to take in; in the engine those of one commit of the journal, of one source or several."""

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
    moved: tuple[tuple[int, str], ...] = ()
    """(id, source) of the series that come from another source from now on."""
    others: tuple[tuple[str, int | None], ...] = ()
    """Further sources whose observations are in it, and their watermarks."""

    @property
    def heard(self) -> tuple[tuple[str, int | None], ...]:
        """All sources that are heard of, and their watermarks."""
        return (self.source, self.watermark_us), *self.others

    def at(self, positions: Ints) -> Batch:
        """Select the observations at these positions."""
        return replace(
            self, series=self.series[positions], time_us=self.time_us[positions], value=self.value[positions]
        )


NOTHING = Batch(NO_INTS, NO_INTS, NO_FLOATS)


@dataclass(frozen=True, slots=True)
class PipelineState:
    """Everything needed to continue. Series are numbered by first appearance, a comparison right after its target."""

    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Ids of the sources."""
    watermarks_us: Ints = field(default_factory=lambda: NO_INTS)
    """Watermark of each source, as its last batch said it; `NEVER` where that one left more to come."""
    source_of: Ints = field(default_factory=lambda: NO_INTS)
    """Position in `sources` of each series."""
    cohort_of: Ints = field(default_factory=lambda: NO_INTS)
    """Position in `cohorts` of each series; -1 while its cadence is not known."""
    row_of: Ints = field(default_factory=lambda: NO_INTS)
    """Row of each series in its cohort; -1 while it has none."""
    keys: tuple[CohortKey, ...] = ()
    cohorts: Sequence[CohortState] = ()
    waiting: Mapping[int, tuple[Ints, Floats]] = field(default_factory=dict)
    """Times and values of the series whose cadence is not known yet, by id."""
    ids: Ints = field(default_factory=lambda: NO_INTS)
    """The number here of each series of the journal; -1 of one that is retired."""
    comparisons: Comparisons = field(default_factory=Comparisons)
    sites: sites.SiteStates = field(default_factory=dict)
    retired: tuple[tuple[int, str, str], ...] = ()
    """Id in the journal, name and source of each series that was retired, in the order in which that was done."""
    forgotten: tuple[tuple[int, str, str], ...] = ()
    """Likewise of each that was forgotten; the next observation makes a new series of it."""
    renamed: Renamed = ()
    """Names of each series and comparison that was renamed."""
    events: tuple[GateEvent, ...] = ()
    """Events that were declared one by one, beside those of the settings."""

    def with_cohorts(self, keys: Sequence[CohortKey], cohorts: Sequence[CohortState]) -> PipelineState:
        """Replace the cohorts; which series is where follows from them."""
        cohort_of, row_of = (np.full(len(self.names), -1, np.int64) for _ in range(2))
        for at, members in enumerate(cohorts):
            cohort_of[members.series], row_of[members.series] = at, np.arange(members.series.size)
        return replace(self, keys=tuple(keys), cohorts=tuple(cohorts), cohort_of=cohort_of, row_of=row_of)

    def variables(self) -> dict[str, str]:
        """Name the target of each comparison."""
        both = self.comparisons
        return {self.names[own]: self.names[of] for own, of in zip(both.own, both.target, strict=True)}

    def to_use_up(self) -> PipelineState:
        """Give this state for one call of the pipeline, which lets go of each cohort as soon as the next one is there.

        Where nobody else holds this state, no more than one cohort is in memory twice.
        """
        return replace(self, cohorts=list(self.cohorts))

    def for_readers(self) -> PipelineState:
        """Give this state without what no reader looks at: most of it goes while somebody still holds this."""
        return replace(self, cohorts=tuple(map(for_readers, self.cohorts)))

    def newest_us(self) -> dict[str, int]:
        """Give the newest event time of each source that has brought a series, by its id."""
        newest = np.full(len(self.sources), NEVER)
        for members in self.cohorts:
            np.maximum.at(newest, self.source_of[members.series], members.grid.newest_us)
        for number, (time_us, _) in self.waiting.items():
            np.maximum.at(newest, self.source_of[number], time_us.max(initial=NEVER))
        return {name: us for name, us in zip(self.sources, newest.tolist(), strict=True) if us != NEVER}

    def kept_since_us(self, ticks: int, now_us: int) -> Ints:
        """Find for each series of the journal the time from which on its last `ticks` ticks are kept.

        That is far ahead for a series that is retired, has no cadence yet, or has been silent for so many ticks: of
        those nothing is kept for longer than of others.
        """
        since_us = np.full(len(self.names) + 1, np.iinfo(np.int64).max)  # the last for those that have no number
        for (plan, _), members in zip(self.keys, self.cohorts, strict=True):
            reach_us = min(plan.cadence_us * (ticks + 1), 1 << 61)  # one more: months differ in length
            newest_us = members.grid.newest_us
            alive = np.flatnonzero(newest_us >= now_us - reach_us) if ticks else NO_INTS
            since_us[members.series[alive]] = newest_us[alive] - reach_us
        return since_us[self.ids]


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


def register(settings: Settings, state: PipelineState, batch: Batch) -> PipelineState:
    """Add the batch's new series, waiting for their cadence, and the comparisons of those with a counterpart.

    Series that come from another source now, and their comparisons, go by its watermark from here on.
    """
    if not (batch.new_series or batch.moved):
        return state
    names, source_of, ids = list(state.names), state.source_of.tolist(), state.ids.tolist()
    sources = {name: at for at, name in enumerate(state.sources)}
    waiting = dict(state.waiting)
    own: list[int] = []
    target: list[int] = []
    for moved, source in batch.moved:
        i = ids[moved]
        if i < 0:  # retired
            continue
        compared = state.comparisons.own[state.comparisons.target == i].tolist()
        for each in (i, *compared):
            source_of[each] = sources.setdefault(source, len(sources))
    wanted = list(state.comparisons.counterpart_names)
    counterpart = state.comparisons.counterpart.tolist()
    number: dict[str, int] = {}  # of every series so far, once the first counterpart has to be found
    missing: dict[str, list[int]] = defaultdict(list)
    present = present_names(state.renamed)
    for at in np.flatnonzero(state.comparisons.counterpart < 0).tolist():
        missing[wanted[at]].append(at)
    for _, name, source in batch.new_series:
        i = len(names)
        for at in missing.pop(name, ()):
            counterpart[at] = i
        ids.append(i)
        waiting[i] = (NO_INTS, NO_FLOATS)
        names.append(name)
        source_of.append(sources.setdefault(source, len(sources)))
        other = settings.counterpart_for(name)
        other = present.get(other, other) if other is not None else None
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


def know_again(settings: Settings, state: PipelineState, gone: Sequence[tuple[int, str, str]]) -> PipelineState:
    """Register series that were taken out, as new ones; they keep their places among the ids of the journal."""
    for each in gone:
        state = register(settings, state, Batch(NOTHING.series, NOTHING.time_us, NOTHING.value, (each,)))
        ids = state.ids[:-1].copy()
        ids[each[0]] = state.ids[-1]
        state = replace(state, ids=ids)
    return state


def recall(settings: Settings, state: PipelineState, batch: Batch) -> PipelineState:
    """Let forgotten series of which the batch has observations begin anew."""
    heard = set(batch.series.tolist()) if state.forgotten else set()
    back = [each for each in state.forgotten if each[0] in heard]
    if not back:
        return state
    left = tuple(each for each in state.forgotten if each[0] not in heard)
    return know_again(settings, replace(state, forgotten=left), back)


def number_names(names: Sequence[str]) -> dict[str, int]:
    """Give each name the position of its first appearance."""
    return {name: i for i, name in reversed(list(enumerate(names)))}


def note_watermark(state: PipelineState, batch: Batch) -> PipelineState:
    """Note the watermarks of the batch's sources."""
    heard = [(state.sources.index(name), us) for name, us in batch.heard if name in state.sources]
    if not heard:
        return state
    watermarks_us = state.watermarks_us.copy()
    for at, us in heard:
        # While a source has more to come it has no watermark: the last one may be over, and is not yet renewed.
        watermarks_us[at] = NEVER if us is None else us
    return replace(state, watermarks_us=watermarks_us)
