"""The roster: which series there are, in which order they appeared, and in which row of which cohort each one is.

A series whose cadence is not configured waits, its observations with it, until its first time stamps tell the cadence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.domain.spans import Cadence
from sentinel.pipeline import sites
from sentinel.pipeline.cohort import LARGEST, Cohort, CohortState
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.pairing import PairingState
from sentinel.pipeline.plan import Plan, learn_cadence, paired_name, plan_of

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
    """The source has told everything up to here, by its own clock."""
    source: str = ""
    """Whose clock `watermark_us` is."""

    def of(self, positions: Ints) -> Batch:
        """The observations at these positions."""
        return replace(
            self, series=self.series[positions], time_us=self.time_us[positions], value=self.value[positions]
        )


NOTHING = Batch(_NO_INTS, _NO_INTS, _NO_FLOATS)


@dataclass(frozen=True, slots=True)
class PipelineState:
    """Everything needed to continue. Series are numbered in order of first appearance, a paired series behind its
    target."""

    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Names of the sources."""
    watermarks_us: Ints = field(default_factory=lambda: _NO_INTS)
    """Up to when each source has told everything, as its last batch said; `NEVER` where that one left more to come."""
    source_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Position in `sources` of each series."""
    cohort_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Position in `cohorts` of each series; -1 while its cadence is not known."""
    row_of: Ints = field(default_factory=lambda: _NO_INTS)
    """Row of each series in its cohort."""
    keys: tuple[CohortKey, ...] = ()
    cohorts: tuple[CohortState, ...] = ()
    waiting: Mapping[int, tuple[Ints, Floats]] = field(default_factory=dict)
    """Times and values of the series whose cadence is not known yet, by id."""
    ids: Ints = field(default_factory=lambda: _NO_INTS)
    """The number here of each series of the journal."""
    pairing: PairingState = field(default_factory=PairingState)
    sites: sites.SiteStates = field(default_factory=dict)


class Roster:
    """Puts series on the roster and into cohorts.

    Parameters
    ----------
    settings
        What series are matched against.
    conditioning
        False takes all values as residuals already.
    cohort
        The stages for a plan.
    """

    def __init__(self, settings: Settings, conditioning: bool, cohort: Callable[[Plan], Cohort]) -> None:
        self._settings = settings
        self._conditioning = conditioning
        self._cohort = cohort

    def take(self, state: PipelineState, batch: Batch, *, ended: bool) -> tuple[PipelineState, Batch]:
        """Register the series that are new, hear the clock of the source, and give a place to what can have one.

        Gives the state, and the batch with series as numbered there: without what is kept back, with what is no longer.
        """
        state = _told(self._registered(state, batch), batch)
        return self._placed(state, replace(batch, series=state.ids[batch.series]), ended=ended)

    def _registered(self, state: PipelineState, batch: Batch) -> PipelineState:
        """The state with the batch's new series, waiting for their cadence; those with a counterpart are paired."""
        if not batch.new_series:
            return state
        names, sources, source_of = list(state.names), list(state.sources), state.source_of.tolist()
        ids, waiting, pairs = state.ids.tolist(), dict(state.waiting), state.pairing
        for _, name, source in batch.new_series:
            if source not in sources:
                sources.append(source)
            pairs = pairs.appeared(name, len(names))
            ids.append(len(names))
            waiting[len(names)] = (_NO_INTS, _NO_FLOATS)
            names.append(name)
            source_of.append(sources.index(source))
            counterpart = self._settings.counterpart_for(name)
            if counterpart is not None:
                pairs = pairs.with_pair(len(names), len(names) - 1, counterpart, names)
                names.append(paired_name(name, counterpart))
                source_of.append(sources.index(source))
        unknown = np.full(len(names) - len(state.names), -1, np.int64)
        return replace(
            state, names=tuple(names), sources=tuple(sources), source_of=np.array(source_of, np.int64),
            watermarks_us=np.append(state.watermarks_us, np.full(len(sources) - len(state.sources), NEVER)),
            cohort_of=np.append(state.cohort_of, unknown), row_of=np.append(state.row_of, unknown), waiting=waiting,
            ids=np.array(ids, np.int64), pairing=pairs,
        )  # fmt: skip

    def _placed(self, state: PipelineState, batch: Batch, *, ended: bool) -> tuple[PipelineState, Batch]:
        """Keep back what belongs to series of unknown cadence; a series whose cadence becomes known gets its place
        in a cohort, and what was kept back joins the batch."""
        kept_back = state.cohort_of[batch.series] < 0
        if not kept_back.any() and not (ended and state.waiting):
            return state, batch
        waiting = dict(state.waiting)
        due = []
        for i, mine in _by_series(batch.series, np.flatnonzero(kept_back)):
            due.append(i)
            times, values = waiting[i]
            waiting[i] = np.concatenate([times, batch.time_us[mine]]), np.concatenate([values, batch.value[mine]])
        released: list[tuple[int, Ints, Floats]] = []
        placed: list[tuple[int, Plan]] = []
        for i in list(waiting) if ended else due:
            times, _ = waiting[i]
            cadence = self._settings.series_for(state.names[i]).cadence
            if cadence is None:
                cadence = learn_cadence(times, ended=ended)
            if cadence is not None:
                placed.extend(self._plans(state, i, cadence))
                released.append((i, *waiting.pop(i)))
        state = self._assign(replace(state, waiting=waiting), placed)
        return state, replace(
            batch,
            series=np.concatenate([batch.series[~kept_back], *(np.full(t.size, i) for i, t, _ in released)]),
            time_us=np.concatenate([batch.time_us[~kept_back], *(t for _, t, _ in released)]),
            value=np.concatenate([batch.value[~kept_back], *(v for _, _, v in released)]),
        )

    def _plans(self, state: PipelineState, i: int, cadence: Cadence) -> Iterator[tuple[int, Plan]]:
        """The plan of a series, and that of the paired series it is the target of."""
        name = state.names[i]
        for each in (i, *state.pairing.own[state.pairing.target == i].tolist()):
            yield each, plan_of(self._settings, name, state.names[each], cadence, conditioning=self._conditioning)

    def _assign(self, state: PipelineState, placed: list[tuple[int, Plan]]) -> PipelineState:
        """Give series their rows in the cohorts of their plans."""
        if not placed:
            return state
        keys, cohorts = list(state.keys), list(state.cohorts)
        cohort_of, row_of = state.cohort_of.copy(), state.row_of.copy()
        fresh: dict[CohortKey, list[int]] = {}
        sizes = {key: members.series.size for key, members in zip(keys, cohorts, strict=True)}
        for i, plan in placed:
            number = 0
            while sizes.get((plan, number), 0) >= LARGEST:
                number += 1
            key = (plan, number)
            if key not in keys:
                keys.append(key)
                cohorts.append(self._cohort(plan).init(_NO_INTS))
            cohort_of[i], row_of[i] = keys.index(key), sizes.get(key, 0)
            sizes[key] = sizes.get(key, 0) + 1
            fresh.setdefault(key, []).append(i)
        for key, ids in fresh.items():
            at = keys.index(key)
            cohorts[at] = self._cohort(key[0]).grow(cohorts[at], np.array(ids, np.int64))
        return replace(state, keys=tuple(keys), cohorts=tuple(cohorts), cohort_of=cohort_of, row_of=row_of)


def _by_series(series: Ints, positions: Ints) -> Iterator[tuple[int, Ints]]:
    """Each series among these positions of a batch, with its positions in order."""
    if positions.size == 0:
        return
    order = positions[np.argsort(series[positions], kind="stable")]
    edges = np.flatnonzero(np.diff(series[order])) + 1
    for mine in np.split(order, edges):
        yield int(series[mine[0]]), mine


def _told(state: PipelineState, batch: Batch) -> PipelineState:
    """The state with the clock of the batch's source."""
    if batch.source not in state.sources:
        return state
    watermarks_us = state.watermarks_us.copy()
    # While a source has more to come its clock says nothing: what it said last may be over, and is not yet renewed.
    watermarks_us[state.sources.index(batch.source)] = NEVER if batch.watermark_us is None else batch.watermark_us
    return replace(state, watermarks_us=watermarks_us)
