"""Seeded streams, and the shortest ways through the pipeline, for the tests of its stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spans import HOUR, Cadence
from sentinel.pipeline.codec import to_arrays
from sentinel.pipeline.pipeline import Batch, Pipeline, PipelineState
from sentinel.pipeline.plan import Plan, plan_for
from sentinel.pipeline.results import Rows

HOUR_US = 3_600_000_000
Floats = NDArray[np.float64]


class Run(NamedTuple):
    """Where a stream ended, and all that came out on the way."""

    state: PipelineState
    rows: Rows
    events: list[AlarmEvent]
    late: int


def ar1(seed: int, rho: float | Floats, ticks: int, series: int = 1) -> Floats:
    """Stationary AR(1) of unit variance, shape (tick, series); `rho` may change from tick to tick."""
    random = np.random.default_rng(seed)
    rhos = np.broadcast_to(rho, (ticks,))
    values = random.normal(size=(ticks, series))
    values[1:] *= np.sqrt(1.0 - rhos[1:, None] ** 2)
    for t in range(1, ticks):
        values[t] += rhos[t] * values[t - 1]
    return values


def hourly(**changes: Any) -> Settings:
    """Settings of hourly series; `changes` to the series' entry, alarms and banks by name."""
    top = {key: changes.pop(key) for key in ("alarms", "banks", "daemon", "web", "notify") if key in changes}
    return Settings.model_validate({"series": [{"cadence": "1h"} | changes], **top})


def plan_with(**changes: Any) -> Plan:
    """The plan of an hourly series, with these fields; the scale has twice the half-life of the level."""
    plan = replace(plan_for(Settings(), "s", Cadence.fixed(HOUR)), **changes)
    return replace(plan, scale_half_life=2.0 * plan.level_half_life)


def batch_of(values: Floats, *, first_tick: int = 0, cadence_us: int = HOUR_US, prefix: str = "s") -> Batch:
    """A table (tick, series) as one batch by (time, series); NaN = no observation."""
    tick, series = np.nonzero(~np.isnan(values))
    names = tuple((i, f"{prefix}{i}", "source") for i in range(values.shape[1]))
    return Batch(series, (tick + first_tick) * cadence_us, values[tick, series], names, source="source")


def cut(batch: Batch, edges: Iterable[int]) -> Iterator[Batch]:
    """The batch in pieces; a series is new in the piece that first holds it."""
    known: set[int] = set()
    ends = sorted({min(edge, batch.series.size) for edge in edges} | {0, batch.series.size})
    for first, last in pairwise(ends):
        part = slice(first, last)
        seen = set(batch.series[part].tolist()) - known
        known |= seen
        new = tuple(entry for entry in batch.new_series if entry[0] in seen)
        yield Batch(batch.series[part], batch.time_us[part], batch.value[part], new, source=batch.source)


def numbered(batch: Batch) -> Batch:
    """The batch with its series numbered in order of first appearance, as the journal does it."""
    ids, first = np.unique(batch.series, return_index=True)
    order = ids[np.argsort(first)]
    place = np.full(len(batch.new_series), -1, np.int64)
    place[order] = np.arange(order.size)
    new = tuple((int(place[i]), batch.new_series[i][1], batch.new_series[i][2]) for i in order.tolist())
    return Batch(place[batch.series], batch.time_us, batch.value, new, source=batch.source)


def through(
    pipeline: Pipeline, batches: Iterable[Batch], *, state: PipelineState | None = None, finish: bool = True
) -> Run:
    """Take batches through a pipeline."""
    state = pipeline.init() if state is None else state
    rows: list[Rows] = []
    events: list[AlarmEvent] = []
    late = 0
    results = []
    for batch in batches:
        state, result = pipeline.advance(state, batch, rows=True)
        results.append(result)
    if finish:
        state, result = pipeline.finish(state, rows=True)
        results.append(result)
    for result in results:
        events += result.events
        late += sum(result.late.values())
        if result.rows is not None:
            rows.append(result.rows)
    joined = Rows.join(rows)
    assert joined is not None, "no tick was closed"
    return Run(state, joined, sorted(events, key=lambda e: (e.time_us, e.series, e.rule, e.label)), late)


def run(values: Floats, settings: Settings | None = None, **options: Any) -> Run:
    """One table (tick, series), one batch, from beginning to end."""
    return through(Pipeline(settings or hourly(), **options), [batch_of(values)])


def table(run: Run, column: str) -> Floats:
    """A column of the rows as (tick, series), where all series have the same ticks."""
    series = int(run.rows.series.max()) + 1
    return run.rows.columns()[column].reshape(series, -1).T


def content(rows: Rows) -> dict[str, bytes]:
    """Every column, bitwise."""
    return {name: column.tobytes() for name, column in rows.columns().items()}


def by_series(state: PipelineState) -> dict[str, dict[str, bytes]]:
    """Everything that continues each series, bitwise, wherever its row is."""
    arrays, _ = to_arrays(state)
    found: dict[str, dict[str, bytes]] = {}
    for i, name in enumerate(state.names):
        if state.cohort_of[i] < 0:
            mine = arrays["waiting/series"] == i
            found[name] = {k: arrays[f"waiting/{k}"][mine].tobytes() for k in ("time", "value")}
            continue
        prefix, row = f"cohort/{state.cohort_of[i]}/", state.row_of[i]
        mine = {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
        open_here = mine["grid/pending_row"] == row
        found[name] = {
            k: (a[open_here] if k.startswith("grid/pending") else a[row]).tobytes()
            for k, a in mine.items()
            if k not in ("series", "grid/pending_row")
        } | {"plan": repr(state.keys[state.cohort_of[i]][0]).encode()}
    return found
