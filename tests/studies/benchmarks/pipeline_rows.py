"""The whole pipeline in this process, beside the field's batch tool and a streaming library."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from timing import Row, Spread, duration, seconds, turns

from sentinel.config import Settings
from sentinel.pipeline.migrate import migrate
from sentinel.pipeline.pipeline import Batch, Pipeline

SECOND_US = 1_000_000
BATCH = 500_000
"""Observations fed at once, as a backtest does."""


EVERY_CHANNEL = Settings.model_validate(
    {
        "alarms": [
            {"threshold": 0.8, "alpha": 1e-4},
            {"threshold": -0.8, "side": "below", "alpha": 1e-4},
            {"threshold": "relative", "alpha": 1e-4},
            {"kind": "modulus", "threshold": 0.9, "alpha": 1e-4},
            {"kind": "spread", "alpha": 1e-4},
        ]
    }
)
"""A rule on each channel; what they rest on (second stage, spread) is computed under the default rule too."""


def persistent(ticks: int, series: int) -> NDArray[np.float64]:
    """Values of lag-1 autocorrelation 0.5 about a level of 10, shape (tick, series)."""
    values = np.random.default_rng(2).standard_normal((ticks, series))
    for t in range(1, ticks):
        values[t] += 0.5 * values[t - 1]
    return values + 10.0


def batches(values: NDArray[np.float64], size: int = BATCH) -> Iterator[Batch]:
    """One observation a second of each series, all series of a second together."""
    ticks, series = values.shape
    flat = values.reshape(-1)
    new = tuple((i, f"series {i}", "benchmark") for i in range(series))
    for first in range(0, flat.size, size):
        position = np.arange(first, min(first + size, ticks * series))
        yield Batch(position % series, position // series * SECOND_US, flat[position], new if first == 0 else ())


def run(pipeline: Pipeline, given: list[Batch]) -> None:
    """All batches from the beginning to the end."""
    state = pipeline.init()
    for batch in given:
        state, _ = pipeline.advance(state, batch)
    pipeline.finish(state)


def beside_ewstools(points: int, peer_points: int, repeats: int, settings: Settings | None = None) -> Row:
    """One series; the peer computes variance and lag-1 autocorrelation in windows of a quarter (its default)."""
    import ewstools
    import pandas

    pipeline, given = Pipeline(settings or Settings()), list(batches(persistent(points, 1)))
    series = pandas.Series(persistent(peer_points, 1)[:, 0])

    def peer() -> None:
        windows = ewstools.TimeSeries(series)
        windows.compute_var(rolling_window=0.25)
        windows.compute_auto(rolling_window=0.25, lag=1)

    measured = turns(lambda: run(pipeline, given), peer, repeats)
    rules = ", a rule on every channel" if settings else ""
    rate, peer_rate = points / np.median(measured.ours), peer_points / np.median(measured.peer)
    return Row(
        f"whole pipeline, one series of {points:,} points{rules}, per observation",
        f"grid, conditioning, bank, spectrum, evidence, alarm: {rate:,.0f} observations/s",
        f"ewstools, variance and lag-1 on {peer_points:,} points: {peer_rate:,.0f} observations/s",
        measured.ratio(points / peer_points),
        required=25.0 if settings else 50.0,
    )


def beside_river(points: int, repeats: int) -> Row:
    """One series; the peer updates the lag-1 autocorrelation of all that it has seen."""
    from river import stats

    values = persistent(points, 1)
    pipeline, given, numbers = Pipeline(Settings()), list(batches(values)), values[:, 0].tolist()

    def peer() -> None:
        lag1 = stats.AutoCorr(lag=1)
        for number in numbers:
            lag1.update(number)
            lag1.get()

    measured = turns(lambda: run(pipeline, given), peer, repeats)
    return Row(
        f"whole pipeline, one series of {points:,} points, beside a streaming library",
        f"pipeline: {duration(float(np.median(measured.ours)) / points)} an observation",
        f"river.stats.AutoCorr, update and get: {duration(float(np.median(measured.peer)) / points)} an observation",
        measured.ratio(),
    )


def many_series(series: int, ticks: int, repeats: int, settings: Settings | None = None) -> Row:
    """Many series on two cores; there is no peer: a rate. With a rule on every channel half of it is asked for."""
    pipeline = Pipeline(settings or Settings(), threads=2)
    given = list(batches(persistent(ticks, series)))
    run(pipeline, given[:1])
    rates = [series * ticks / seconds(lambda: run(pipeline, given)) / 1e6 for _ in range(repeats)]
    rules = ", a rule on every channel" if settings else ""
    return Row(
        f"whole pipeline, {series:,} series x {ticks:,} points, 2 threads{rules}",
        f"grid to alarm, in batches of {BATCH:,}",
        "-",
        Spread.of(rates),
        unit="M observations/s",
        required=0.5 if settings else 1.0,
    )


def reload(series: int, repeats: int) -> list[Row]:
    """A reload of many series, one cohort after another: with one threshold changed, and with nothing changed."""

    def settings(threshold: float) -> Settings:
        rules = [{"threshold": threshold, "alpha": 1e-4}, {"kind": "spread", "alpha": 1e-4, "match": "lake/*"}]
        return Settings.model_validate({"series": [{"match": "sea/*", "cadence": "1s"}, {"cadence": "1s"}],
                                        "alarms": rules})  # fmt: skip

    new = tuple((i, f"{('lake', 'sea')[i % 2]}/{i}", "benchmark") for i in range(series))
    pipeline = Pipeline(settings(0.8))
    state, _ = pipeline.advance(
        pipeline.init(), Batch(np.arange(series), np.full(series, SECOND_US), np.zeros(series), new)
    )

    def reloaded(chosen: Settings) -> None:
        migrate(Pipeline(chosen), state, settings(0.8))

    rows = []
    for what, threshold, required in (("one threshold changed", 0.7, 1.0), ("nothing changed", 0.8, 0.1)):
        changed = settings(threshold)
        took = [seconds(partial(reloaded, changed)) for _ in range(repeats)]
        rows.append(
            Row(f"reload of {series:,} series, {what}", "settings to plans, cohorts to their plans", "-",
                Spread.of(took), unit="s", required=required, at_most=True)
        )  # fmt: skip
    return rows
