"""Series that are judged against a counterpart, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.domain.states import Reason, State
from sentinel.pipeline.codec import to_arrays
from sentinel.pipeline.pipeline import Batch
from tests.pipeline.streams import HOUR_US, Run, ar1, by_series, content

Arrays = NDArray[np.float64]
QUICK = {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60, "reference_ticks": 50}
ALARMS: list[dict[str, Any]] = [{"threshold": 0.3, "alpha": 0.05, "at_start": "alarm"}]
EVERY: list[dict[str, Any]] = [
    *ALARMS, {"kind": "spread", "alpha": 0.05}, {"kind": "modulus", "threshold": 0.5, "alpha": 0.05},
    {"threshold": "relative", "alpha": 0.05},
    {"kind": "weighted", "alpha": 0.05, "channels": [{"kind": "lag1", "threshold": 0.3}, {"kind": "spread"}]},
]  # fmt: skip
"""One rule of every kind."""
STATES, REASONS = tuple(State), tuple(Reason)
PATIENCE, WAIT = 4, 1_000
"""Of a longest gap of 40 ticks: values of a target without it before it is judged alone; ticks that one waits."""


def against(**changes: Any) -> Settings:
    """Hourly `peter`, judged against hourly `paul`; `changes` to the entry of both."""
    top = {key: changes.pop(key) for key in ("alarms", "sites") if key in changes}
    entry = {"cadence": "1h", "max_gap": "40h"} | changes
    return Settings.model_validate(
        {
            "series": [{"match": "peter", "reference": "paul"} | entry, {"match": "paul"} | entry],
            "banks": {"default": QUICK}, "alarms": ALARMS, **top,
        }
    )  # fmt: skip


def stream(columns: dict[str, NDArray[np.float64]], offset_us: dict[str, int] | None = None) -> Batch:
    """Hourly columns as one batch in order of event time; NaN = no observation."""
    entries = [
        (t * HOUR_US + (offset_us or {}).get(name, 0), name, float(x))
        for name, column in columns.items() for t, x in enumerate(column) if not np.isnan(x)
    ]  # fmt: skip
    entries.sort(key=lambda entry: entry[0])
    names = list(dict.fromkeys(name for _, name, _ in entries))
    return Batch(
        np.array([names.index(name) for _, name, _ in entries]), np.array([t for t, _, _ in entries], np.int64),
        np.array([x for _, _, x in entries]), tuple((i, name, "source") for i, name in enumerate(names)),
        source="source",
    )  # fmt: skip


def pieces(batch: Batch, cuts: Sequence[int]) -> Iterator[Batch]:
    """The batch cut anywhere; a series is new in the piece that first holds it."""
    edges = sorted({0, *(cut % (batch.series.size + 1) for cut in cuts), batch.series.size})
    known = 0
    for first, last in pairwise(edges):
        part = slice(first, last)
        seen = max(known, int(batch.series[part].max()) + 1)
        yield Batch(
            batch.series[part], batch.time_us[part], batch.value[part], batch.new_series[known:seen], source="source"
        )
        known = seen


def holed(seed: int, ticks: int = 220) -> Batch:
    """Two lakes with holes, outages of either, ties, values at odd times, and either one first."""
    random = np.random.default_rng(seed)
    values = ar1(seed, 0.8, ticks, 3)
    peter, paul = values[:, 0] + values[:, 2], values[:, 1] + values[:, 2]
    for column in (peter, paul):
        column[random.random(ticks) < random.choice([0.0, 0.1])] = np.nan
        first = int(random.integers(80, ticks - 30))
        column[first : first + int(random.choice([1, 3, 8, 20, 45]))] = np.nan
    (peter if random.random() < 0.5 else paul)[: int(random.integers(0, 20))] = np.nan
    paul[150:155] = 7.0
    return stream({"peter": peter, "paul": paul}, {"paul": int(random.choice([0, 0, 7, 29, -31])) * 60_000_000})


def everything(outcome: Run) -> tuple[object, ...]:
    arrays, header = to_arrays(outcome.state)
    waiting = {name: array.tobytes() for name, array in arrays.items() if name.startswith("comparisons")}
    return content(outcome.rows), list(map(repr, outcome.events)), by_series(outcome.state), waiting, header["sites"]


def rows_of(outcome: Run, name: str) -> NDArray[np.bool_]:
    return outcome.rows.series == outcome.state.names.index(name)


def states_of(outcome: Run, name: str) -> list[tuple[State, Reason]]:
    mine = rows_of(outcome, name)
    return [
        (STATES[s], REASONS[r])
        for s, r in zip(outcome.rows.state[mine].tolist(), outcome.rows.reason[mine].tolist(), strict=True)
    ]


PAIR = "peter - paul"


def raised(outcome: Run, name: str) -> list[str]:
    return [event.kind for event in outcome.events if event.series == name and event.what == "raised"]


def column(outcome: Run, name: str, field: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = outcome.rows.columns()[field][rows_of(outcome, name)]
    return found


def lakes(seed: int, ticks: int, rho: float | NDArray[np.float64] = 0.5) -> dict[str, NDArray[np.float64]]:
    """Two lakes under the same weather; `rho` is peter's."""
    weather = ar1(seed + 500, 0.7, ticks)[:, 0]
    return {"peter": ar1(seed, rho, ticks)[:, 0] + weather, "paul": ar1(seed + 1_000, 0.5, ticks)[:, 0] + weather}
