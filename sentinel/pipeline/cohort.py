"""A cohort: series that share a plan, stepped together as one batch of arrays.

Arrays are replaced, never written to, so a picture of the state is a set of references and costs nothing. A cohort
holds at most `LARGEST` series, so that a block that touches a few of them copies little.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np

from detectors.bank import BankState
from detectors.evidence import EvidenceState
from detectors.fading import Fading
from detectors.lattice import LatticeState
from detectors.skewness import SkewnessState
from detectors.slower import SlowerState
from detectors.spread import SpreadState
from sentinel.domain.channels import UNKNOWN, Estimates
from sentinel.domain.states import REASONS, Reason
from sentinel.pipeline import arrays, conditioning, fills
from sentinel.pipeline import grid as grids
from sentinel.pipeline.alarm import Alarm, AlarmState, States
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.checks import Checked, Checks, CheckState
from sentinel.pipeline.columns import POINTS, TIE_SHARE
from sentinel.pipeline.conditioning import ComparisonBlock, Conditioned, ConditionerState, DifferenceState
from sentinel.pipeline.grid import ABSENT, HELD, Block, Grid, GridState
from sentinel.pipeline.kernel import RESTART
from sentinel.pipeline.plan import UNCLIPPED, Plan
from sentinel.pipeline.scoring import Scored, Scoring, ScoringState, Stopwatch

LARGEST = 4096
_COUNTERPART_MISSING = REASONS.index(Reason.COUNTERPART_MISSING)
_ON_HOLD, _FAILED_CHECK = (np.int8(REASONS.index(why)) for why in (Reason.ON_HOLD, Reason.FAILED_CHECK))


class Last(NamedTuple):
    """The last closed tick of each series, for readers; NaN and -1 before the first."""

    tick: Ints
    ticks: Ints
    missing: Ints
    value: Floats
    residual: Floats
    readings: Floats
    evidence: Floats


class CohortState(NamedTuple):
    """Everything needed to continue a cohort; each part has one row per series."""

    series: Ints
    """Ids of the series, in order of their rows."""
    grid: GridState
    conditioner: ConditionerState | DifferenceState
    bank: BankState
    fading: Fading
    lattice: LatticeState
    spread: SpreadState
    skewness: SkewnessState
    evidence: EvidenceState
    slower: SlowerState
    alarm: AlarmState
    last: Last
    estimates: Estimates[Floats]
    """Of the last closed tick."""
    checks: CheckState


class SteppedBlock(NamedTuple):
    """A block of ticks and everything that it gave, arrays (tick, series[, ...])."""

    block: Block
    """Values that the checks kept out count as missing."""
    conditioned: Conditioned
    scored: Scored
    states: States
    before: Ints
    """The last tick of each column before the block; -1 = none."""
    checked: Checked | None = None
    """None = nothing is checked."""


_STEPPED = CohortState._fields[2:]
READ_ONLY = ("last", "estimates", "skewness")
"""Parts that readers see and no verdict rests on; a digest leaves them out."""

_UNREAD_OF_SLOWER = (
    "scales", "lag1", "excursion", "block", "queue", "variance", "sides", "wealth", "money", "fleet", "fleet_money",
)  # fmt: skip


def for_readers(members: CohortState) -> CohortState:
    """Leave out what no reader looks at, which is most of it: who does finds None there."""
    conditioner, without = members.conditioner, arrays.without
    if isinstance(conditioner, ConditionerState):
        conditioner = without(conditioner, "start", "start_tick")
    return without(members, "fading", "lattice", "spread", "skewness")._replace(
        conditioner=conditioner, bank=without(members.bank, "cell", "variance"),
        slower=without(members.slower, *_UNREAD_OF_SLOWER),
    )  # fmt: skip


def take_series(members: CohortState, rows: Ints) -> CohortState:
    """Copy these rows, by position; all rows in order are the cohort itself."""
    if arrays.are_all(rows, members.series.size):
        return members
    return members._replace(
        series=members.series[rows], grid=grids.take_series(members.grid, rows),
        **{part: arrays.take(getattr(members, part), rows) for part in _STEPPED},
    )  # fmt: skip


def concat_series(parts: Sequence[CohortState]) -> CohortState:
    """Put the series of cohorts that share a plan one behind the other."""
    if len(parts) == 1:
        return parts[0]
    return parts[0]._replace(
        series=np.concatenate([part.series for part in parts]),
        grid=grids.concat_series([part.grid for part in parts]),
        **{name: arrays.concat([getattr(part, name) for part in parts]) for name in _STEPPED},
    )


class Cohort:
    """The stages of series that share a plan, composed."""

    def __init__(self, plan: Plan, *, threads: int = 1) -> None:
        self.plan = plan
        self.grid = Grid(plan.cadence_us, plan.months, plan.lateness_us, plan.mean, plan.max_gap)
        self.checks = Checks(plan, threads=threads)
        self.conditioner = conditioning.Conditioner(plan, threads=threads)
        self.differencing = conditioning.Differencing(plan)
        self.scoring = Scoring(plan, threads=threads)
        self.alarm = Alarm(tuple(rule.severity == "critical" for rule in plan.rules))

    def init(self, series: Ints) -> CohortState:
        """Make the state of new series with these ids."""
        n = series.size
        detectors, rules = len(self.scoring.bank), len(self.plan.rules)
        conditioner = self.differencing.init(n) if self.plan.is_comparison else self.conditioner.init(n)
        none, unknown = np.zeros(n, np.int64), np.full(n, np.nan)
        last = Last(
            none - 1, none, none, unknown, unknown, np.full((n, detectors), np.nan), np.full((n, rules), np.nan)
        )
        return CohortState(
            series, self.grid.init(n), conditioner, *self.scoring.init(n), self.alarm.init(n), last,
            UNKNOWN.each(lambda _: unknown), self.checks.init(n),
        )  # fmt: skip

    def points_left(self, members: CohortState, rows: Ints) -> Ints:
        """Count the points that the conditioners of these series still need before the first pair."""
        warm_up = UNCLIPPED if self.plan.is_comparison else self.plan.conditioner_warm_up
        points: Ints = members.conditioner.counts[rows, POINTS].astype(np.int64)
        needed = np.full(points.size, warm_up)
        if isinstance(members.conditioner, ConditionerState):
            needed[members.conditioner.kept[rows] + points >= warm_up] = min(RESTART, warm_up)
        return np.maximum(0, needed - points)

    def step(self, state: CohortState, block: Block, took: Stopwatch) -> tuple[CohortState, SteppedBlock]:
        """Take a block of closed ticks through conditioning, bank, evidence and alarm."""
        start = perf_counter()
        rows, everyone = block.rows, arrays.are_all(block.rows, state.series.size)
        given = {part: getattr(state, part) for part in _STEPPED}
        if not everyone:
            given = {part: arrays.take(table, rows) for part, table in given.items()}
        checks, block, checked = self.checks.advance(given["checks"], block)
        conditioner: ConditionerState | DifferenceState
        if isinstance(block, ComparisonBlock):
            conditioner, conditioned = self.differencing.advance(given["conditioner"], block)
        else:
            conditioner, conditioned = self.conditioner.advance(given["conditioner"], block)
        took("conditioning", perf_counter() - start)
        clock, skipped = _count_holds(block, given["last"].tick, state.grid.skipped[rows])
        if checked is not None:
            conditioned.blind[checked.faulty] = _FAILED_CHECK
        conditioned.blind[block.kind == HELD] = _ON_HOLD
        before = ScoringState(*(given[part] for part in ScoringState._fields))
        was_open = given["alarm"].raised >= 0
        after, scored = self.scoring.advance(before, conditioned, clock, block.kind, was_open, took)
        start = perf_counter()
        found = scored.evidence
        alarm, states = self.alarm.advance(
            given["alarm"], block.kind, block.tick, scored.basis.ready, scored.waiting, conditioned.blind, found.open,
            found.raised,
        )  # fmt: skip
        if conditioned.target is not None:
            states = states._replace(reason=_name_missing_counterpart(states.reason, conditioned.target.alone))
        last, estimates = _find_last(given["last"], block, conditioned, scored)
        parts = {
            "conditioner": conditioner, **after._asdict(), "alarm": alarm, "last": last, "estimates": estimates,
            "checks": checks,
        }  # fmt: skip
        if not everyone:
            parts = {name: arrays.put(getattr(state, name), rows, given[name], part) for name, part in parts.items()}
        if skipped is not None:
            parts["grid"] = state.grid._replace(skipped=state.grid.skipped.copy())
            parts["grid"].skipped[rows] = skipped
        took("alarm", perf_counter() - start)
        return state._replace(**parts), SteppedBlock(block, conditioned, scored, states, given["last"].tick, checked)


def _count_holds(block: Block, last_tick: Ints, skipped: Ints) -> tuple[Ints, Ints | None]:
    """Give the numbers of a block's ticks with each hold counted as one, and how many ticks were skipped by its end.

    `last_tick` is that before the block, `skipped` how many had been skipped by then; None = no more are.
    """
    held = block.kind == HELD
    if not held.any():
        return (block.tick - skipped if skipped.any() else block.tick), None
    before = np.concatenate((last_tick[None], block.tick[:-1]))
    total = skipped + np.cumsum(np.where(held, block.tick - before - 1, 0), axis=0)
    return block.tick - total, total[-1]


def _name_missing_counterpart(reason: Codes, alone: Flags) -> Codes:
    """Give a comparison that is judged alone, and has no other reason, the reason that its counterpart is missing."""
    return np.where((reason == 0) & alone, np.int8(_COUNTERPART_MISSING), reason)


def reasons(members: CohortState) -> Codes:
    """Say why each series is in its state, as index into `tuple(Reason)`."""
    reason, conditioner = members.alarm.reason, members.conditioner
    if isinstance(conditioner, DifferenceState):
        return _name_missing_counterpart(reason, conditioner.alone)
    return reason


def tie_share(members: CohortState, rows: Ints) -> Floats:
    """Return the share of ticks with exactly the value before, of the series in these rows; NaN for a comparison."""
    conditioner = members.conditioner
    if isinstance(conditioner, ConditionerState):
        share: Floats = conditioner.numbers[rows, TIE_SHARE]
        return share
    return np.full(rows.size, np.nan)


def far_values(members: CohortState) -> Floats:
    """Give what is known of the far values of each series, in the columns of `fills.py`: of comparisons, nothing."""
    conditioner = members.conditioner
    return conditioner.far if isinstance(conditioner, ConditionerState) else fills.fresh(members.series.size)


def _find_last(before: Last, block: Block, conditioned: Conditioned, scored: Scored) -> tuple[Last, Estimates[Floats]]:
    """Return the last tick of each column that has one; a missing tick keeps the residual of none."""
    present = block.kind != ABSENT
    count = present.sum(axis=0)
    at = (np.maximum(count - 1, 0), np.arange(count.size))
    missing = (present & np.isnan(block.value)).sum(axis=0)
    last = Last(
        block.tick[at], before.ticks + count, before.missing + missing, block.value[at], conditioned.residual[at],
        scored.readings[at], scored.evidence.evidence[at],
    )  # fmt: skip
    return last, scored.estimates.each(lambda array: array[at])
