"""Rows: every closed tick with everything that was found, as flat columns for tables and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from detectors.spectrum import recovery_band
from sentinel.pipeline.cohort import CohortState, Ticks
from sentinel.pipeline.grid import ABSENT, Grid

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of equal length, sorted by (series, tick). Not ready = NaN."""

    series: NDArray[np.int64]
    """Id of the series."""
    tick: NDArray[np.int64]
    time_us: NDArray[np.int64]
    """Nominal time: the middle of the tick, where a regular stamp lies."""
    end_us: NDArray[np.int64]
    value: Floats
    residual: Floats
    state: NDArray[np.int8]
    """Index into `tuple(State)`."""
    reason: NDArray[np.int8]
    """Index into `tuple(Reason)`."""
    lag1: Floats
    lag1_low: Floats
    lag1_high: Floats
    modulus: Floats
    period: Floats
    """In ticks; NaN where nothing oscillates."""
    spread: Floats
    criticality: Floats
    recovery: Floats
    """In ticks, likewise the ends of its 95 % band; inf where the upper end is open."""
    recovery_low: Floats
    recovery_high: Floats
    cadence_us: NDArray[np.int64]
    """Length of a tick."""
    evidence: Floats
    """Maximum over the rules that are ready."""
    readings: NDArray[np.float32]
    """Shape (n, detectors)."""

    @classmethod
    def of(cls, grid: Grid, members: CohortState, ticks: Ticks) -> Rows:
        """The rows of one block."""
        block, scored = ticks.block, ticks.scored
        s, t = np.nonzero(block.kind.T != ABSENT)
        at = (t, s)
        origin, tick = members.grid.origin_us[block.rows[s]], block.tick[at]
        evidence = scored.evidence.evidence
        found = np.fmax.reduce(evidence, axis=2) if evidence.shape[2] else np.full(block.value.shape, np.nan)
        return cls(
            members.series[block.rows[s]], tick, grid.middle_us(origin, tick), grid.start_us(origin, tick + 1),
            block.value[at], ticks.conditioned.residual[at], ticks.states.state[at], ticks.states.reason[at],
            scored.lag1[at], scored.low[at], scored.high[at], scored.modulus[at], scored.period[at], scored.spread[at],
            scored.criticality[at], *recovery_band(scored.lag1[at], scored.low[at], scored.high[at]),
            np.full(s.size, grid.cadence_us), found[at], scored.readings[at].astype(np.float32),
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows | None:
        """All rows, sorted by (series, tick); None if there are none. Fewer detectors: NaN at the end."""
        if not parts:
            return None
        widest = max(part.readings.shape[1] for part in parts)
        parts = [
            replace(part, readings=np.pad(
                part.readings, ((0, 0), (0, widest - part.readings.shape[1])), constant_values=np.nan
            )) for part in parts
        ]  # fmt: skip
        columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)]
        order = np.lexsort((columns[1], columns[0]))
        return cls(*(column[order] for column in columns))
