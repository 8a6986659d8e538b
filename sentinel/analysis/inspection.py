"""Cadence, seasons and regularity of series, found before they are watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.analysis.intake import Intake, SortedObservations
from sentinel.analysis.lookback import LONGEST_RECORD, on_grid, propose
from sentinel.analysis.readings import microseconds, slice_by_series
from sentinel.analysis.record import Proposal, SeriesRecord
from sentinel.analysis.steps import describe_steps
from sentinel.config import Settings
from sentinel.domain.observation import Axis, CalendarAxis, NumberAxis
from sentinel.domain.spans import Cadence
from sentinel.pipeline.plan import learn_cadence, plan_for
from sentinel.text.words import first_verdict_after

LISTED = 20
"""Series named one by one."""


def find_oddities(intake: Intake, observations: SortedObservations, records: Sequence[SeriesRecord]) -> Iterator[str]:
    """Say what in the input looks odd: columns without numbers, fill values, times that no cadence fits."""
    silent = [name for name in intake.expected if name not in set(observations.names)]
    if silent:
        yield f"no numbers in {', '.join(silent[:LISTED])}{', ...' if len(silent) > LISTED else ''}"
    yield from observations.remarks
    yield from observations.say_repeated_hour(intake.time_zone)
    numbers = {name: number for number, name in enumerate(observations.names)}
    uneven: dict[str, list[str]] = {}
    for record in records:
        times, plan = observations.first_times.get(numbers.get(record.name, -1)), record.plan
        if times is None or plan is None:
            continue
        time_us = microseconds(record.axis, pl.Series(times))
        if why := describe_steps(time_us, plan.cadence_us, record.axis, mean=plan.mean):
            uneven.setdefault(why, []).append(record.name)
    for why, names in uneven.items():
        yield f"{', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''}: {why}"


def say_short(one: Proposed) -> str:
    """Say that a series is too short for a verdict; empty where it is not."""
    if min(one.values, one.ticks) >= one.needed:
        return ""
    return f"; too short for a verdict, which needs {one.needed:,} values in a row"


class Proposed(NamedTuple):
    """Properties of one series, and the seasons proposed for it."""

    name: str
    axis: Axis
    cadence: Cadence
    ticks: int
    declared: tuple[int, ...]
    """Seasons the configuration names, microseconds."""
    seasons: tuple[Proposal, ...]
    followed: tuple[Proposal, ...]
    """Seasons so slow that the level follows them."""
    uneven: str | None
    """Why the cadence does not fit the times, if it does not."""
    first_us: int
    last_us: int
    values: int
    constant: bool
    needed: int
    """Values in a row before the first verdict."""
    learnt: bool
    """True if the cadence comes from the times, not from the settings."""

    def cadence_in_words(self) -> str:
        """Write the cadence; of times that are numbers in their own unit."""
        return self.axis.in_words(self.cadence.microseconds) if self.axis.numbered else str(self.cadence)


def look_at_each(observations: SortedObservations, settings: Settings) -> Iterator[Proposed]:
    """Look at each series in turn; one at a time is in memory."""
    axes = {number: NumberAxis.of(head) for number, head in observations.heads().items()}
    times: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    current = 0

    def propose_for_current() -> Iterator[Proposed]:
        name, entry = observations.names[current], settings.series_for(observations.names[current])
        time, value = np.concatenate(times), np.concatenate(values)
        cadence = entry.cadence or learn_cadence(time, ended=True)
        if cadence is not None:
            record = on_grid(time, value, cadence.microseconds)
            plan = plan_for(settings, name, cadence)
            found = propose(record, cadence.microseconds, entry.season)
            slow = tuple(season for season in found if season.is_followed(plan.level_half_life))
            needed = tuple(season for season in found if season not in slow)
            axis = axes.get(current, CalendarAxis())
            uneven = describe_steps(time, cadence.microseconds, axis, mean=plan.mean)
            first = first_verdict_after(plan)
            facts = _facts(time, value)
            learnt = entry.cadence is None
            yield Proposed(name, axis, cadence, record.size, entry.season, needed, slow, uneven, *facts, first, learnt)

    for table in observations.batches():
        series, time, value = (table[column].to_numpy() for column in ("id", "time", "value"))
        for number, part in slice_by_series(series):
            if number != current and times:
                yield from propose_for_current()
                times, values = [], []
            current = number
            times.append(axes[number].microseconds(time[part]) if number in axes else time[part])
            values.append(value[part])
            if len(times) > 2 and sum(map(len, times[1:])) > 2 * LONGEST_RECORD:
                del times[1], values[1]  # the first piece is kept for the cadence
    if times:
        yield from propose_for_current()


def _facts(time: NDArray[np.int64], value: NDArray[np.float64]) -> tuple[int, int, int, bool]:
    """First and last time, number of values, and whether all values are the same."""
    return int(time[0]), int(time[-1]), int(value.size), bool(np.ptp(value) == 0)
