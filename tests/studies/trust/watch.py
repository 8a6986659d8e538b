"""Tables of values through the product's own pipeline, and the alarms that came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel.config import AlarmSettings, Settings
from sentinel.domain.events import AlarmEvent
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.pipeline import Batch, CohortKey, Pipeline, PipelineState
from sentinel.pipeline.snapshot import Snapshot

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

HOUR_US = 3_600_000_000
AT_ONCE = 500_000
"""Observations in a batch, as a backtest feeds them."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the pipeline made of a table of values."""

    events: tuple[AlarmEvent, ...]
    shape: tuple[int, int]
    """Ticks and series."""
    judged: Counts
    """Ticks with a verdict, by series."""
    watching: Counts
    """Ticks at which each rule could have raised an alarm: it has evidence, and no alarm was open; (series, rule)."""
    published: Snapshot
    """What readers see after the last tick; series are called by their number."""

    def ticks(self, what: str, **wanted: object) -> list[Counts]:
        """For each series the ticks after which an alarm was `raised` or `cleared`, in order.

        `wanted` are fields of the event, compared exactly.
        """
        found: list[list[int]] = [[] for _ in range(self.shape[1])]
        for event in self.chosen(what, **wanted):
            found[int(event.series)].append(event.time_us // HOUR_US)
        return [np.array(sorted(ticks), np.int64) for ticks in found]

    def chosen(self, what: str, **wanted: object) -> list[AlarmEvent]:
        """The events of that kind whose fields are as wanted."""
        return [e for e in self.events if e.what == what and all(getattr(e, k) == v for k, v in wanted.items())]

    def counts(self, what: str, **wanted: object) -> Counts:
        """Number of those events by series."""
        return np.array([ticks.size for ticks in self.ticks(what, **wanted)], np.int64)


@dataclass(slots=True)
class _Verdicts:
    """Counts the ticks with a verdict, by series, and those at which each rule could have raised an alarm."""

    judged: Counts
    watching: Counts

    def __call__(self, _state: PipelineState, _key: CohortKey, members: CohortState, ticks: SteppedBlock) -> None:
        series, found = members.series[ticks.block.rows], ticks.scored.evidence
        self.judged[series] += ticks.scored.basis.ready.sum(axis=0)
        self.watching[series] += (~np.isnan(found.evidence) & (~found.open | found.raised)).sum(axis=0)


def hourly(rules: Sequence[Mapping[str, Any]], series: Mapping[str, Any] | None = None, **banks: Any) -> Settings:
    """Settings as a user writes them: hourly series, and these rules, which raise alarms from the first verdict on."""
    given: dict[str, Any] = {
        "series": [{"cadence": "1h", **(series or {})}],
        "alarms": [
            {**rule, "at_start": "alarm"} if AlarmSettings.model_validate(rule).is_absolute else rule for rule in rules
        ],
    }
    return Settings.model_validate(given | ({"banks": {"default": banks}} if banks else {}))


def watch(values: Floats, settings: Settings, *, late: Floats | None = None, restarts: bool = False) -> Watched:
    """A table (tick, series) of hourly values, NaN = no observation, from beginning to end.

    Parameters
    ----------
    late
        How much later than on the hour each observation was made, in hours; shape as the values.
    restarts
        Whether the state is taken apart as a checkpoint holds it, and a new pipeline goes on, after every batch.
    """
    pipeline = Pipeline(settings)
    state = pipeline.init()
    series = values.shape[1]
    verdicts = _Verdicts(np.zeros(series, np.int64), np.zeros((series, len(settings.alarms)), np.int64))
    events: list[AlarmEvent] = []
    for batch in _batches(values, late):
        state, result = pipeline.advance(state, batch, observer=verdicts)
        events += result.events
        if restarts:
            pipeline, saved = Pipeline(settings), to_arrays(state)
            state = from_arrays(pipeline, *saved)
    state, result = pipeline.finish(state, observer=verdicts)
    published = Snapshot(pipeline, state, taken_us=values.shape[0] * HOUR_US)
    return Watched(tuple(events) + result.events, values.shape, verdicts.judged, verdicts.watching, published)


def _batches(values: Floats, late: Floats | None) -> Iterator[Batch]:
    """The table cut into batches; a series is called by its number."""
    ticks, series = values.shape
    step = max(1, AT_ONCE // series)
    new = tuple((i, str(i), "suite") for i in range(series))
    for first in range(0, ticks, step):
        part = values[first : first + step]
        tick, column = np.nonzero(~np.isnan(part))
        time_us = (tick + first) * HOUR_US
        if late is not None:
            time_us += np.rint(late[tick + first, column] * HOUR_US).astype(np.int64)
        yield Batch(column, time_us, part[tick, column], new if first == 0 else (), source="suite")
