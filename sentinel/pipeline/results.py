"""The result of one call of the pipeline: alarm events, rows for tables and reports, and counts by source."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.spectrum import recovery_band
from sentinel.domain import events as by
from sentinel.domain.channels import UNKNOWN, Estimates
from sentinel.domain.events import AlarmEvent, SiteEvent, alarm_id, remark_names
from sentinel.domain.gates import REBASE, RESET
from sentinel.domain.renaming import first_names
from sentinel.pipeline.arrays import Codes, Flags, Floats, Ints
from sentinel.pipeline.checks import flags_of
from sentinel.pipeline.cohort import Cohort, CohortState, SteppedBlock
from sentinel.pipeline.conditioning import ComparisonBlock
from sentinel.pipeline.grid import ABSENT, GAP, REBASES, RESETS, Grid
from sentinel.pipeline.state import PipelineState
from sentinel.pipeline.watching import IN_ALARM, WATCHING, code_ticks

_ENDED_BY = {RESETS: RESET, REBASES: REBASE}


@dataclass(frozen=True, slots=True)
class Rows:
    """Every closed tick and what was found: columns of equal length, sorted by (series, tick); NaN = not ready."""

    series: Ints
    """Id of the series."""
    tick: Ints
    time_us: Ints
    """Nominal time: the middle of the tick, where a regular stamp lies."""
    end_us: Ints
    cadence_us: Ints
    """Length of a tick."""
    value: Floats
    residual: Floats
    state: Codes
    """Index into `tuple(State)`."""
    reason: Codes
    """Index into `tuple(Reason)`."""
    estimates: Estimates[Floats]
    evidence: Floats
    """Maximum over the rules that are ready."""
    held: Flags
    """A rule is held."""
    readings: NDArray[np.float32]
    """Shape (n, detectors)."""
    flag: Codes
    """Of the value, as in QARTOD."""
    check: Codes
    """Index into `CHECKS` of the check that called the value suspect or failed it; -1 = none."""

    @property
    def recovery(self) -> tuple[Floats, Floats, Floats]:
        """Recovery time in ticks, with the ends of its 95 % band; inf where the upper end is open."""
        return recovery_band(*self.estimates[:3])

    @classmethod
    def of(cls, grid: Grid, members: CohortState, ticks: SteppedBlock) -> Rows:
        """Make the rows of one block."""
        block, scored = ticks.block, ticks.scored
        s, t = np.nonzero(block.kind.T != ABSENT)
        at = (t, s)
        origin, tick = members.grid.origin_us[block.rows[s]], block.tick[at]
        return cls(
            members.series[block.rows[s]], tick, grid.middle_us(origin, tick), grid.start_us(origin, tick + 1),
            np.full(s.size, grid.cadence_us), block.value[at], ticks.conditioned.residual[at],
            ticks.states.state[at], ticks.states.reason[at], scored.estimates.each(lambda array: array[at]),
            strongest(scored.evidence.evidence)[at], np.logical_or.reduce(scored.evidence.held[at], axis=1),
            scored.readings[at].astype(np.float32), *flags_of(ticks.checked, block.value, at),
        )  # fmt: skip

    @classmethod
    def join(cls, parts: Sequence[Rows]) -> Rows | None:
        """Join parts, sorted by (series, tick); None if there are none. Fewer detectors: NaN at the end."""
        if not parts:
            return None
        widest, whole = max(part.readings.shape[1] for part in parts), [part.columns() for part in parts]
        for columns in whole:
            more = widest - columns["readings"].shape[1]
            columns["readings"] = np.pad(columns["readings"], ((0, 0), (0, more)), constant_values=np.nan)
        columns = {name: np.concatenate([part[name] for part in whole]) for name in whole[0]}
        order = np.lexsort((columns["tick"], columns["series"]))
        estimates = Estimates(**{name: columns.pop(name)[order] for name in Estimates._fields})
        return cls(estimates=estimates, **{name: column[order] for name, column in columns.items()})

    def columns(self) -> dict[str, NDArray[Any]]:
        """Give every column by name, each estimate under its own."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "estimates"}
        return columns | self.estimates._asdict()


def strongest(evidence: Floats) -> Floats:
    """Evidence of the rule that has most, over the last axis; NaN where no rule is ready."""
    if not evidence.shape[-1]:
        return np.full(evidence.shape[:-1], np.nan)
    found: Floats = np.fmax.reduce(evidence, axis=-1)
    return found


def alarm_event(
    state: PipelineState, cohort: Cohort, members: CohortState, row: int, k: int, what: str, raised: int, tick: int,
    leading: int, remarks: int, threshold: float, evidence: float = math.nan, estimates: Estimates[float] = UNKNOWN,
    ended_by: str = "", gap_ticks: int = 0,
) -> AlarmEvent:  # fmt: skip
    """Make the event of rule `k` of the series in this row, at the end of `tick`; the alarm was raised at `raised`.

    The channel `leading` gave most evidence; `remarks` in bits.
    """
    plan, series = cohort.plan, members.series[row]
    rule, name = plan.rules[k], state.names[series]
    channel, side, scale = cohort.scoring.describe(k, int(leading))
    origin = members.grid.origin_us[row]
    raised_us, time_us = (int(cohort.grid.start_us(origin, np.array(at + 1))) for at in (raised, tick))
    alarm = alarm_id(first_names(state.renamed).get(name, name), rule.kind, rule.label, raised_us)
    return AlarmEvent(
        id=f"{alarm}/{what}", alarm_id=alarm, what=what, series=name, source=state.sources[state.source_of[series]],
        rule=rule.kind, label=rule.label, kind=channel.kind, side=side,
        relative=channel.relative, remarks=remark_names(int(remarks)), alpha=rule.alpha, severity=rule.severity,
        threshold=_same_nan(float(threshold) if channel.line is None else channel.line),
        evidence=_same_nan(float(evidence)), estimates=estimates.each(_same_nan), time_us=time_us,
        cadence_us=plan.cadence_us, scale=scale, tick=int(tick), ended_by=ended_by, gap_ticks=gap_ticks,
    )  # fmt: skip


def _find_cause(ticks: SteppedBlock, t: int, s: int, evidence: float) -> tuple[str, int]:
    """Find what ended an alarm at this place of a block, and how many ticks before had no value if it was a gap."""
    block, given = ticks.block, ticks.conditioned
    kind = int(block.kind[t, s])
    if kind == GAP:
        return by.GAP, int(block.tick[t, s] - (block.tick[t - 1, s] if t else ticks.before[s]))
    if kind in _ENDED_BY or not math.isnan(evidence):
        return _ENDED_BY.get(kind, ""), 0
    if not given.pairs.reset[t, s]:  # a scale that was not seen for as long as its baseline lasts
        return by.GAP, 0
    if isinstance(block, ComparisonBlock) and given.target is not None and not block.target.reset[t, s]:
        return by.COUNTERPART_LOST if given.target.alone[t, s] else by.COUNTERPART_BACK, 0
    return by.NEW_LEVEL, 0


def _same_nan(number: float) -> float:
    """Give the number, with one object for every NaN: events with the same numbers are then equal."""
    return math.nan if math.isnan(number) else number


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one call gave."""

    events: tuple[AlarmEvent, ...] = ()
    late: dict[str, int] = field(default_factory=dict)
    """Late observations by source."""
    held: dict[str, int] = field(default_factory=dict)
    """Observations by source that came while their series was on hold."""
    ticks: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Closed ticks, missing ticks and gaps by source."""
    alarm_ticks: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """By kind and label of a rule, over all its series: watching ticks, and ticks in alarm; see `watching.py`."""
    rows: Rows | None = None
    sites: tuple[SiteEvent, ...] = ()
    """Alarms of sites, raised and cleared."""


class ResultBuilder:
    """Gathers what one call gives, block by block."""

    def __init__(self, state: PipelineState, rows: bool) -> None:
        self._state = state
        self._rows: list[Rows] | None = [] if rows else None
        self._events: list[AlarmEvent] = []
        self._late, self._held = (np.zeros(len(state.sources), np.int64) for _ in range(2))
        self._ticks = np.zeros((len(state.sources), 3), np.int64)
        self._alarm_ticks: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))

    def add_late(self, series: Ints) -> None:
        """Count observations of these series that came too late; one entry each."""
        np.add.at(self._late, self._state.source_of[series], 1)

    def add_held(self, series: Ints) -> None:
        """Count observations of these series that a closed input gate kept out; one entry each."""
        np.add.at(self._held, self._state.source_of[series], 1)

    def add_block(self, cohort: Cohort, members: CohortState, ticks: SteppedBlock) -> None:
        """Add a block that was taken through a cohort; `members` is the cohort's state after it."""
        self._events.extend(self._find_events(cohort, members, ticks))
        if self._rows is not None:
            self._rows.append(Rows.of(cohort.grid, members, ticks))
        codes = code_ticks(ticks)
        watching, in_alarm = ((codes == code).sum(axis=(0, 1)).tolist() for code in (WATCHING, IN_ALARM))
        for rule, *counts in zip(cohort.plan.rules, watching, in_alarm, strict=True):
            before = self._alarm_ticks[rule.kind, rule.label]
            self._alarm_ticks[rule.kind, rule.label] = before[0] + counts[0], before[1] + counts[1]
        if cohort.plan.is_comparison:  # its ticks are those of its target, which are counted
            return
        block = ticks.block
        closed = block.kind != ABSENT
        by_source = [closed, closed & np.isnan(block.value), block.kind == GAP]
        source = self._state.source_of[members.series[block.rows]]
        np.add.at(self._ticks, source, np.stack([flags.sum(axis=0) for flags in by_source], axis=1))

    def _find_events(self, cohort: Cohort, members: CohortState, ticks: SteppedBlock) -> Iterator[AlarmEvent]:
        """Make the events of alarms that a block raised or cleared."""
        found, block = ticks.scored.evidence, ticks.block
        for what, flags in (("raised", found.raised), ("cleared", found.cleared)):
            for t, s, k in np.argwhere(flags).tolist() if flags.any() else ():
                at = t, s, k
                why = _find_cause(ticks, t, s, found.evidence[at]) if what == "cleared" else ("", 0)
                yield alarm_event(
                    self._state, cohort, members, block.rows[s], k, what, ticks.states.episode[at], block.tick[t, s],
                    found.leading[at], found.label[at], found.threshold[at], found.evidence[at],
                    Estimates._make(float(array[t, s]) for array in ticks.scored.estimates), *why,
                )  # fmt: skip

    def build(self) -> Result:
        """Give everything, events in order of time."""
        events = sorted(self._events, key=lambda e: (e.time_us, e.series, e.rule, e.label, e.what))
        names = self._state.sources
        late, held = (
            {name: n for name, n in zip(names, counts.tolist(), strict=True) if n}
            for counts in (self._late, self._held)
        )
        return Result(
            tuple(events), late, held,
            {name: (a, b, c) for name, (a, b, c) in zip(names, self._ticks.tolist(), strict=True) if a},
            dict(self._alarm_ticks), Rows.join(self._rows) if self._rows is not None else None,
        )  # fmt: skip
