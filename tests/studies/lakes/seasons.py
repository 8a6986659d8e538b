"""How often the rule of the preset `lake` is wrong: pairs of lakes in which nothing changes, through the pipeline.

Printed by `python -m tests.studies.lakes.seasons` (half a minute); the figures stand in docs/counterparts.md.

A lake-year is 110 days of several variables, 7 % of the values missing, then a winter of 255 days. Each variable is an
AR(1) of unit shocks; of the shocks' variance a share is common to both lakes. Three years follow each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.config import RISE, Settings
from sentinel.domain.spans import DAY
from sentinel.pipeline.pipeline import Batch, Pipeline

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SEED, LAKES, YEARS, DAYS, YEAR, MISSING = 20_261_129, 400, 3, 110, 365, 0.07
LAG1, SHARED, VARIABLES = (0.0, 0.5, 0.8), (0.0, 0.5, 0.8), (4, 5)
_START = 1_577_836_800_000_000


class Wrong(NamedTuple):
    """What a rule did in quiet lake-years, by year."""

    alarms: Floats
    """False alarms per variable and season."""
    series: Floats
    """Share of variables with one in the season."""
    sites: Floats
    """Share of lake-years in which two variables alarmed together."""
    days: Floats
    """Share of judged days on which they did."""


def settings(**preset: object) -> Settings:
    """As in config/lakes.yaml, for many lakes."""
    entry = {"cadence": "1d", "max_gap": "40d", "across_gaps": "keep", "bank": "lake"}
    return Settings.model_validate({
        "series": [{"match": "a/*", "counterpart": "b/*", **entry}, {"match": "b/*", **entry}],
        "banks": {"lake": {"preset": "lake", **preset}}, "alarms": [{"match": "a/* - b/*", "kind": RISE}],
    })  # fmt: skip


def quiet(lag1: float, shared: float, series: int, seed: int) -> tuple[Floats, Floats]:
    """Both lakes of many pairs in which nothing changes, shape (year, day, series)."""
    random = np.random.default_rng((SEED, round(100 * lag1), round(100 * shared), seed))
    own = random.standard_normal((2, YEARS, DAYS, series))
    shocks = np.sqrt(shared) * random.standard_normal((YEARS, DAYS, series)) + np.sqrt(1.0 - shared) * own
    shocks[:, :, 0] /= np.sqrt(1.0 - lag1 * lag1)
    for day in range(1, DAYS):
        shocks[:, :, day] += lag1 * shocks[:, :, day - 1]
    shocks[random.random(shocks.shape) < MISSING] = np.nan
    return shocks[0], shocks[1]


def as_batch(lakes: tuple[Floats, Floats]) -> Batch:
    """Lay both lakes out as one stream of daily values."""
    values = np.stack(lakes, axis=-1)
    year, day, series, lake = np.nonzero(~np.isnan(values))
    number = 2 * series + lake
    time_us = _START + (year * YEAR + day) * DAY + DAY // 2
    order = np.lexsort((number, time_us))
    names = tuple((2 * s + at, f"{'ab'[at]}/{s}", "study") for s in range(values.shape[2]) for at in range(2))
    return Batch(number[order], time_us[order], values[year, day, series, lake][order], names, source="study")


def find_open(lakes: tuple[Floats, Floats], chosen: Settings) -> tuple[Flags, Floats]:
    """On which days the alarm of each comparison was open, (year, day, series), and alarms raised, (year, series)."""
    pipeline = Pipeline(chosen)
    state, first = pipeline.advance(pipeline.init(), as_batch(lakes))
    _, last = pipeline.finish(state)
    shape = (YEARS * YEAR, lakes[0].shape[2])
    change, raised = np.zeros(shape, np.int64), np.zeros((YEARS, shape[1]))
    for event in (*first.events, *last.events):
        series, day = int(event.series.split(" - ")[0].removeprefix("a/")), (event.time_us - 1 - _START) // DAY
        change[day, series] += 1 if event.what == "raised" else -1
        raised[day // YEAR, series] += event.what == "raised"
    return np.cumsum(change, axis=0).reshape(YEARS, YEAR, -1)[:, :DAYS] > 0, raised


def measure(lag1: float, shared: float, variables: int, chosen: Settings | None = None) -> Wrong:
    """Count what is wrong in quiet lake-years."""
    opened, raised = find_open(quiet(lag1, shared, LAKES * variables, variables), chosen or settings())
    two = opened.reshape(YEARS, DAYS, LAKES, variables).sum(axis=3) >= 2
    return Wrong(
        raised.mean(axis=1), opened.any(axis=1).mean(axis=1), two.any(axis=1).mean(axis=1),
        two[:, 14:].mean(axis=(1, 2)),
    )  # fmt: skip


def main() -> None:
    """Print the table of the page."""
    print("lag 1, shared, variables: by year alarms a variable; variables with one; lake-years with two; days with two")
    for variables in VARIABLES:
        for shared in SHARED:
            for lag1 in LAG1:
                found = measure(lag1, shared, variables)
                cells = "; ".join(" ".join(f"{x:.3f}" for x in column) for column in found)
                print(f"{lag1:g} {shared:g} {variables}: {cells}")


if __name__ == "__main__":
    main()
