"""A cohort: series that share a plan, stepped together as one batch of arrays.

State goes in and comes out; arrays are replaced, never written to, so a picture of the state is a set of references
and costs nothing. A cohort holds at most `LARGEST` series, so that a block that touches a few of them copies little.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.bank import BankState
from detectors.evidence import EvidenceState
from detectors.fading import Fading
from detectors.lattice import LatticeState
from detectors.skewness import SkewnessState
from detectors.spread import SpreadState
from sentinel.domain.estimates import UNKNOWN, Estimates
from sentinel.domain.states import REASONS, Reason
from sentinel.pipeline.alarm import Alarm, AlarmState, States
from sentinel.pipeline.conditioning import (
    Conditioned,
    Conditioner,
    ConditionerState,
    Conditioning,
    DifferenceState,
    Differencing,
    PairedBlock,
)
from sentinel.pipeline.grid import ABSENT, Block, Grid, GridState
from sentinel.pipeline.plan import Plan
from sentinel.pipeline.scoring import Scored, Scoring, ScoringState, Stopwatch

LARGEST = 4096
_COUNTERPART_MISSING = REASONS.index(Reason.COUNTERPART_MISSING)


class Last(NamedTuple):
    """The last closed tick of each series, for readers; NaN and -1 before the first."""

    tick: NDArray[np.int64]
    ticks: NDArray[np.int64]
    missing: NDArray[np.int64]
    value: NDArray[np.float64]
    residual: NDArray[np.float64]
    readings: NDArray[np.float64]
    evidence: NDArray[np.float64]


class CohortState(NamedTuple):
    """Everything needed to continue a cohort; each part has one row per series."""

    series: NDArray[np.int64]
    """Ids of the series, in order of their rows."""
    grid: GridState
    conditioner: ConditionerState | DifferenceState
    bank: BankState
    fading: Fading
    lattice: LatticeState
    spread: SpreadState
    skewness: SkewnessState
    evidence: EvidenceState
    alarm: AlarmState
    last: Last
    estimates: Estimates[NDArray[np.float64]]
    """Of the last closed tick."""


class Ticks(NamedTuple):
    """Everything a block of ticks gave, arrays (tick, series[, ...])."""

    block: Block
    conditioned: Conditioned
    scored: Scored
    states: States


READ_ONLY = ("last", "estimates", "skewness")
"""Parts that readers see and no verdict rests on; a digest leaves them out."""
_JUDGED = (*ScoringState._fields, "alarm", "last", "estimates")

T = TypeVar("T", bound=tuple[NDArray[np.generic], ...])


def _whole(state: T, rows: NDArray[np.int64]) -> bool:
    """Whether these are all rows in order."""
    return rows.size == state[0].shape[0] and np.array_equal(rows, np.arange(rows.size))


def _rows(state: T, rows: NDArray[np.int64]) -> T:
    """These rows; all in order need no copy."""
    return state if _whole(state, rows) else type(state)(*(array[rows] for array in state))


def _put(state: T, rows: NDArray[np.int64], given: T, part: T) -> T:
    """The state with these rows replaced, where they are no longer what was given; all rows in order need no copy."""
    if _whole(state, rows):
        return part
    whole = list(state)
    for at, (was, values) in enumerate(zip(given, part, strict=True)):
        if values is not was:
            whole[at] = whole[at].copy()
            whole[at][rows] = values
    return type(state)(*whole)


def _joined(state: T, more: T) -> T:
    return type(state)(*(np.concatenate(pair) for pair in zip(state, more, strict=True)))


class Cohort:
    """The stages of series that share a plan, composed."""

    def __init__(self, plan: Plan, *, threads: int = 1) -> None:
        self.plan = plan
        self.grid = Grid(plan.cadence_us, plan.months, plan.lateness_us, plan.mean, plan.max_gap)
        self.conditioner = Conditioner(
            Conditioning(
                level_half_life=plan.level_half_life, scale_half_life=plan.scale_half_life,
                seasons=plan.seasons, season_half_lives=plan.season_half_lives,
                lowest=plan.lowest, highest=plan.highest,
                stuck_after=plan.stuck_after, blind_after_missing=plan.blind_after_missing,
                implausible=plan.implausible, coarse_share=plan.coarse_share, none=not plan.conditioning,
            ), threads=threads,
        )  # fmt: skip
        self.differencing = Differencing(plan.scale_half_life, plan.blind_after_missing, plan.apart)
        self.scoring = Scoring(plan, threads=threads)
        self.alarm = Alarm(tuple(rule.severity == "critical" for rule in plan.rules))

    def init(self, series: NDArray[np.int64]) -> CohortState:
        """State of new series with these ids."""
        n = series.size
        detectors, rules = len(self.scoring.bank), len(self.plan.rules)
        conditioner = self.differencing.init(n) if self.plan.paired else self.conditioner.init(n)
        last = Last._make(
            [np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)]
            + [np.full(n, np.nan)] * 2
            + [np.full((n, detectors), np.nan), np.full((n, rules), np.nan)]
        )
        return CohortState(
            series, self.grid.init(n), conditioner, *self.scoring.init(n), self.alarm.init(n), last,
            UNKNOWN.each(lambda nan: np.full(n, nan)),
        )  # fmt: skip

    def points_left(self, members: CohortState, row: int) -> int:
        """Points that the conditioner of a series still needs before the first pair."""
        warm_up = self.differencing.warm_up if self.plan.paired else self.conditioner.warm_up
        return max(0, warm_up - int(members.conditioner.counts[row, 0]))

    def grow(self, state: CohortState, series: NDArray[np.int64]) -> CohortState:
        """The state with new series at the end."""
        more = self.init(series)
        return CohortState(
            np.concatenate([state.series, series]),
            self.grid.grow(state.grid, series.size),
            *(_joined(getattr(state, part), getattr(more, part)) for part in CohortState._fields[2:]),
        )

    def step(self, state: CohortState, block: Block, took: Stopwatch) -> tuple[CohortState, Ticks]:
        """Take a block of closed ticks through conditioning, bank, evidence and alarm."""
        start = perf_counter()
        given = _rows(state.conditioner, block.rows)
        conditioner, conditioned = self._conditioned(given, block)
        state = state._replace(conditioner=_put(state.conditioner, block.rows, given, conditioner))
        took("conditioning", perf_counter() - start)
        return self.judge(state, block, conditioned, took)

    def judge(
        self, state: CohortState, block: Block, conditioned: Conditioned, took: Stopwatch
    ) -> tuple[CohortState, Ticks]:
        """Take a conditioned block through bank, evidence and alarm."""
        rows = block.rows
        given = {part: _rows(getattr(state, part), rows) for part in _JUDGED}
        before = ScoringState(*(given[part] for part in ScoringState._fields))
        after, scored = self.scoring.advance(before, conditioned, block.tick, block.kind != ABSENT, took)
        start = perf_counter()
        found = scored.evidence
        waits = self.scoring.evidence.waits
        unknown = np.isnan(found.evidence).all(axis=2) & scored.ready if waits else np.zeros_like(scored.ready)
        alarm, states = self.alarm.advance(
            given["alarm"], block.kind, block.tick, scored.ready, unknown, conditioned.blind, found.open, found.raised
        )
        if conditioned.target is not None:
            states = states._replace(reason=_said(states.reason, conditioned.target.alone))
        last, estimates = _last(given["last"], block, conditioned, scored)
        parts = {**after._asdict(), "alarm": alarm, "last": last, "estimates": estimates}
        new = state._replace(**{part: _put(getattr(state, part), rows, given[part], parts[part]) for part in _JUDGED})
        took("alarm", perf_counter() - start)
        return new, Ticks(block, conditioned, scored, states)

    def _conditioned(
        self, state: ConditionerState | DifferenceState, block: Block
    ) -> tuple[ConditionerState | DifferenceState, Conditioned]:
        """What the values became; those of a paired series are conditioned already."""
        if isinstance(state, ConditionerState):
            return self.conditioner.advance(state, block)
        assert isinstance(block, PairedBlock)
        return self.differencing.advance(state, block)


def _said(reason: NDArray[np.int8], alone: NDArray[np.bool_]) -> NDArray[np.int8]:
    """What is said where nothing else is to be said of a paired series: that it has no counterpart."""
    return np.where((reason == 0) & alone, np.int8(_COUNTERPART_MISSING), reason)


def reasons(members: CohortState) -> NDArray[np.int8]:
    """Why each series is in its state, as index into `tuple(Reason)`."""
    reason = members.alarm.reason
    return _said(reason, members.conditioner.alone) if isinstance(members.conditioner, DifferenceState) else reason


def tie_share(members: CohortState, row: int) -> float:
    """Share of ticks of a series with exactly the value before; of a paired series nothing is known."""
    conditioner = members.conditioner
    return float(conditioner.numbers[row, 5]) if isinstance(conditioner, ConditionerState) else math.nan


def _last(
    before: Last, block: Block, conditioned: Conditioned, scored: Scored
) -> tuple[Last, Estimates[NDArray[np.float64]]]:
    """The last tick of each column that has one; a missing tick keeps the residual of none."""
    present = block.kind != ABSENT
    count = present.sum(axis=0)
    at = (np.maximum(count - 1, 0), np.arange(count.size))
    missing = (present & np.isnan(block.value)).sum(axis=0)
    last = Last(
        block.tick[at], before.ticks + count, before.missing + missing, block.value[at], conditioned.residual[at],
        scored.readings[at], scored.evidence.evidence[at],
    )  # fmt: skip
    return last, scored.estimates.each(lambda array: array[at])
