"""How often the rule of the preset `lake` is wrong, and how soon it is right, on simulated pairs of lakes.

Printed by `python -m tests.studies.lakes.seasons` (two minutes); the figures stand in docs/counterparts.md.

A lake-year is 110 days of several variables, 7 % of the values missing, then a winter of 255 days. Each variable is an
AR(1) of unit shocks; of the shocks' variance a share is common to both lakes. Three years follow each other. Where they
*wander*, each variable's level moves through a season by 2 sd, and the log of its shocks' variance by .5 with a memory
of 20 days, half of it in both lakes. A lake that *blooms* does so in its last year: from day 20 to 40 on the log of the
shocks' variance of each variable rises by 0 to 3 and lag 1 to .95, and 30 to 65 days later it blooms.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.config import RISE, Settings
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spans import DAY
from sentinel.pipeline.pipeline import Batch, Pipeline

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

SEED, LAKES, YEARS, DAYS, YEAR, MISSING = 20_261_129, 700, 3, 110, 365, 0.07
LAG1, SHARED, VARIABLES = (0.0, 0.5, 0.8), (0.0, 0.5, 0.8), (4, 5)
WANDER, WANDER_MEMORY, DRIFT = 0.5, 20.0, 2.0
SLOWEST, LOUDER = 0.95, 3.0
RESAMPLES = 400
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
    lakes: int
    """Lakes that were simulated."""


class Bloom(NamedTuple):
    """When lakes begin to change in their last year, and when they bloom: day of the season, by lake."""

    start: Ints
    day: Ints


def settings(rule: dict[str, Any] | None = None, **preset: object) -> Settings:
    """As in config/lakes.yaml, for many lakes."""
    entry = {"cadence": "1d", "max_gap": "40d", "across_gaps": "keep", "bank": "lake"}
    return Settings.model_validate({
        "series": [{"match": "a/*", "counterpart": "b/*", **entry}, {"match": "b/*", **entry}],
        "banks": {"lake": {"preset": "lake", **preset}}, "alarms": [rule or {"match": "a/* - b/*", "kind": RISE}],
    })  # fmt: skip


def simulate(
    lag1: float, shared: float, series: int, seed: int, *, wander: bool = False, bloom: Bloom | None = None
) -> tuple[Floats, Floats]:
    """Both lakes of many pairs, shape (year, day, series)."""
    random = np.random.default_rng((SEED, round(100 * lag1), round(100 * shared), seed))
    own = random.standard_normal((2, YEARS, DAYS, series))
    shocks = np.sqrt(shared) * random.standard_normal((YEARS, DAYS, series)) + np.sqrt(1.0 - shared) * own
    rho = np.full((2, YEARS, DAYS, series), lag1)
    lost = random.random(shocks.shape) < MISSING
    if wander:
        common, apart = (_wandering(random, (n, YEARS, DAYS, series)) for n in (1, 2))
        shocks *= np.exp(0.5 * WANDER * np.sqrt(0.5) * (common + apart))
    if bloom:
        way = np.clip((np.arange(DAYS)[:, None] - bloom.start) / (bloom.day - bloom.start), 0.0, 1.0)
        shocks[0, -1] *= np.exp(0.5 * random.uniform(0.0, LOUDER, series) * way)
        rho[0, -1] += (SLOWEST - lag1) * way
    shocks[:, :, 0] /= np.sqrt(1.0 - lag1 * lag1)
    for day in range(1, DAYS):
        shocks[:, :, day] += rho[:, :, day] * shocks[:, :, day - 1]
    if wander:
        way = np.linspace(-1.0, 1.0, DAYS)[:, None] ** 2
        shocks += DRIFT / np.sqrt(1.0 - lag1 * lag1) * way * random.standard_normal((2, YEARS, 1, series))
    shocks[lost] = np.nan
    return shocks[0], shocks[1]


def _wandering(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """A fading memory of shocks along the days, of unit variance."""
    keep = 0.5 ** (1.0 / WANDER_MEMORY)
    walk = random.standard_normal(shape)
    for day in range(1, DAYS):
        walk[:, :, day] = keep * walk[:, :, day - 1] + np.sqrt(1.0 - keep * keep) * walk[:, :, day]
    return walk


def as_batch(lakes: tuple[Floats, Floats]) -> Batch:
    """Lay both lakes out as one stream of daily values."""
    values = np.stack(lakes, axis=-1)
    year, day, series, lake = np.nonzero(~np.isnan(values))
    number = 2 * series + lake
    time_us = _START + (year * YEAR + day) * DAY + DAY // 2
    order = np.lexsort((number, time_us))
    names = tuple((2 * s + at, f"{'ab'[at]}/{s}", "study") for s in range(values.shape[2]) for at in range(2))
    return Batch(number[order], time_us[order], values[year, day, series, lake][order], names, source="study")


def events_of(lakes: tuple[Floats, Floats], chosen: Settings) -> tuple[AlarmEvent, ...]:
    """All alarms raised and ended."""
    pipeline = Pipeline(chosen)
    state, first = pipeline.advance(pipeline.init(), as_batch(lakes))
    _, last = pipeline.finish(state)
    return (*first.events, *last.events)


def find_open(lakes: tuple[Floats, Floats], chosen: Settings) -> tuple[Flags, Floats]:
    """On which days the alarm of each comparison was open, (year, day, series), and alarms raised, (year, series)."""
    shape = (YEARS * YEAR, lakes[0].shape[2])
    change, raised = np.zeros(shape, np.int64), np.zeros((YEARS, shape[1]))
    for event in events_of(lakes, chosen):
        series, day = int(event.series.split(" - ")[0].removeprefix("a/")), (event.time_us - 1 - _START) // DAY
        change[day, series] += 1 if event.what == "raised" else -1
        raised[day // YEAR, series] += event.what == "raised"
    return np.cumsum(change, axis=0).reshape(YEARS, YEAR, -1)[:, :DAYS] > 0, raised


def together(opened: Flags, variables: int) -> Flags:
    """On which days two variables of a lake were in alarm, (year, day, lake)."""
    return opened.reshape(YEARS, DAYS, -1, variables).sum(axis=3) >= 2


def measure(lag1: float, shared: float, variables: int, *, wander: bool = False, lakes: int = LAKES) -> Wrong:
    """Count what is wrong in quiet lake-years."""
    opened, raised = find_open(simulate(lag1, shared, lakes * variables, variables, wander=wander), settings())
    two = together(opened, variables)
    return Wrong(
        raised.mean(axis=1), opened.any(axis=1).mean(axis=1), two.any(axis=1).mean(axis=1),
        two[:, 14:].mean(axis=(1, 2)), lakes,
    )  # fmt: skip


def find_leads(lag1: float, shared: float, *, wander: bool = False, lakes: int = LAKES) -> tuple[Ints, Ints]:
    """Days from the first alarm of two of four variables to the bloom, 0 = none, and days that there were."""
    random = np.random.default_rng((SEED, 1))
    start = random.integers(20, 41, lakes)
    day = np.minimum(start + random.integers(30, 66, lakes), DAYS - 5)
    pairs = simulate(lag1, shared, 4 * lakes, 5, wander=wander, bloom=Bloom(np.repeat(start, 4), np.repeat(day, 4)))
    two = together(find_open(pairs, settings())[0], 4)[-1]
    ahead = two & (np.arange(DAYS)[:, None] >= start) & (np.arange(DAYS)[:, None] < day)
    return np.where(ahead.any(axis=0), day - ahead.argmax(axis=0), 0), day - start


def interval(values: Floats | Ints, figure: Any) -> tuple[float, float]:
    """95 % of the figure of lakes drawn again."""
    random = np.random.default_rng(SEED)
    again = [figure(values[random.integers(0, len(values), len(values))]) for _ in range(RESAMPLES)]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(low), float(high)


def count_lag1(lag1: float, threshold: float, alpha: float, *, compared: bool, lakes: int = LAKES) -> float:
    """Alarms of a rule of lag 1 in quiet seasons, in parts of its budget."""
    match, first = ("a/* - b/*", 50) if compared else ("a/[0-9]*", 30)
    rule = {"match": match, "threshold": threshold, "alpha": alpha, "at_start": "alarm"}
    events = events_of(simulate(lag1, 0.5, lakes, 9), settings(rule))
    raised = sum(event.what == "raised" and (" - " in event.series) == compared for event in events)
    return raised / (alpha * lakes * YEARS * (DAYS * (1.0 - MISSING) - first))


def main() -> None:
    """Print the tables of the page."""
    print("lag 1, shared, variables: by year alarms a variable; variables with one; lake-years with two; days with two")
    rows = [(r, s, v, False) for v in VARIABLES for s in SHARED for r in LAG1]
    for lag1, shared, variables, wander in [*rows, *((r, s, 4, True) for s in SHARED[1:] for r in LAG1)]:
        found = measure(lag1, shared, variables, wander=wander)
        cells = "; ".join(" ".join(f"{x:.3f}" for x in column) for column in found[:4])
        print(f"{lag1:g} {shared:g} {variables}{' wandering' * wander}: {cells}", flush=True)
    for lag1, shared, wander in ((0.5, 0.5, False), (0.5, 0.8, False), (0.5, 0.8, True), (0.8, 0.8, True)):
        lead, there = find_leads(lag1, shared, wander=wander)
        share, days = (lead > 0).mean(), np.median(lead)
        print(
            f"bloom, {lag1:g} {shared:g}{' wandering' * wander}: warned {share:.3f} {interval(lead > 0, np.mean)}, "
            f"lead {days:g} {interval(lead, np.median)} of {np.median(there):g} days", flush=True,
        )  # fmt: skip
    for compared in (False, True):
        for lag1 in LAG1:
            for alpha in (1e-2, 1e-3):
                parts = [count_lag1(lag1, lag1 + above, alpha, compared=compared) for above in (0.0, 0.1)]
                print(f"lag 1 {lag1:g}{', compared' * compared}, {alpha:g}: {parts[0]:.2f} {parts[1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
