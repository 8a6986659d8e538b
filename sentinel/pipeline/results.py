"""The outcome of one call of the pipeline: events, rows, and counts by source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.pipeline.alarm import alarm_event
from sentinel.pipeline.cohort import Cohort, CohortState, Ticks
from sentinel.pipeline.grid import ABSENT, GAP
from sentinel.pipeline.roster import PipelineState
from sentinel.pipeline.rows import Rows

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Result:
    """What one call gave."""

    events: tuple[AlarmEvent, ...] = ()
    late: dict[str, int] = field(default_factory=dict)
    """Late observations by source."""
    ticks: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Closed ticks, missing ticks and gaps by source."""
    rows: Rows | None = None
    sites: tuple[SiteEvent, ...] = ()
    """Alarms of sites, raised and cleared."""


class Outcome:
    """Gathers what one call gave."""

    def __init__(self, state: PipelineState, rows: bool) -> None:
        self._state = state
        self._rows: list[Rows] | None = [] if rows else None
        self._events: list[AlarmEvent] = []
        self._late = np.zeros(len(state.sources), np.int64)
        self._ticks = np.zeros((len(state.sources), 3), np.int64)

    def late(self, series: Ints) -> None:
        """Observations of these series came too late; one entry each."""
        np.add.at(self._late, self._state.source_of[series], 1)

    def block(self, cohort: Cohort, members: CohortState, ticks: Ticks) -> None:
        """A block was taken through a cohort, which is as it is after it."""
        self._events.extend(_events(self._state, cohort, members, ticks))
        if self._rows is not None:
            self._rows.append(Rows.of(cohort.grid, members, ticks))
        if cohort.plan.paired:  # its ticks are those of its target, which are counted
            return
        block = ticks.block
        closed = block.kind != ABSENT
        counts = [closed, closed & np.isnan(block.value), block.kind == GAP]
        source = self._state.source_of[members.series[block.rows]]
        np.add.at(self._ticks, source, np.stack([flags.sum(axis=0) for flags in counts], axis=1))

    def result(self) -> Result:
        """All of it, events in order of time."""
        rows = Rows.joined(self._rows) if self._rows is not None else None
        events = sorted(
            self._events, key=lambda event: (event.time_us, event.series, event.rule, event.label, event.what)
        )
        names = self._state.sources
        late = {names[i]: int(n) for i, n in enumerate(self._late) if n}
        return Result(tuple(events), late, {names[i]: (int(a), int(b), int(c)) for i, (a, b, c) in
                                            enumerate(self._ticks) if a}, rows)  # fmt: skip


def _events(state: PipelineState, cohort: Cohort, members: CohortState, ticks: Ticks) -> Iterator[AlarmEvent]:
    found, block = ticks.scored.evidence, ticks.block
    for what, flags in (("raised", found.raised), ("cleared", found.cleared)):
        for t, s, k in np.argwhere(flags) if flags.any() else ():
            rule, row = cohort.plan.rules[k], block.rows[s]
            series = members.series[row]
            name, origin = state.names[series], members.grid.origin_us[row]
            raised_us = int(cohort.grid.start_us(origin, ticks.states.episode[t, s, k] + 1))
            scored = ticks.scored
            yield alarm_event(
                rule, what, series=name, source=state.sources[state.source_of[series]], raised_us=raised_us,
                time_us=int(cohort.grid.start_us(origin, block.tick[t, s] + 1)), cadence_us=cohort.plan.cadence_us,
                leading=int(found.leading[t, s, k]) - cohort.scoring.evidence.first_channel(int(k)),
                remarks=int(found.label[t, s, k]), threshold=float(found.threshold[t, s, k]),
                evidence=float(found.evidence[t, s, k]), lag1=float(scored.lag1[t, s]),
                lag1_low=float(scored.low[t, s]), lag1_high=float(scored.high[t, s]),
                modulus=float(scored.modulus[t, s]), period=float(scored.period[t, s]),
                spread=float(scored.spread[t, s]),
            )  # fmt: skip
