"""Cadence, seasons and regularity of series, found before they are watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from sentinel.analysis.intake import Intake, SortedObservations
from sentinel.analysis.readings import microseconds, slice_by_series
from sentinel.analysis.record import Proposal, SeriesRecord
from sentinel.analysis.seasons import LONGEST_RECORD, on_grid, propose
from sentinel.config import Settings
from sentinel.domain.observation import STAMPS, Axis, CalendarAxis, NumberAxis
from sentinel.domain.printing import some_of
from sentinel.domain.spans import MILLISECOND, Cadence, print_duration
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.plan import learn_cadence, plan_for
from sentinel.text.words import first_verdict_after

LISTED = 20
"""Series named one by one."""
REGULAR = 0.95
"""Share of the steps that are one cadence or whole multiples of it, from which on the times are regular."""
_EVEN = "give values at even steps, such as the mean of each, as their spacing else moves lag-1"
_CALENDAR = CalendarAxis()
_NEAR = 0.02
_FILLED = 0.2
"""Share of the ticks that have a value, below which pauses that return are those between bursts."""
_LONG = 10.0
"""Steps this many times the median are the pauses between bursts."""


def find_oddities(intake: Intake, observations: SortedObservations, records: Sequence[SeriesRecord]) -> Iterator[str]:
    """Say what in the input looks odd: columns without numbers, fill values, times that no cadence fits."""
    silent = [name for name in intake.expected if name not in set(observations.names)]
    if silent:
        yield f"no numbers in {some_of(silent, LISTED)}"
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
        yield f"{some_of(names, LISTED)}: {why}"


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

    @property
    def season_in_words(self) -> str:
        """Say which undeclared seasons it has."""
        seasons = " and ".join(season.in_words(self.axis, self.cadence.microseconds) for season in self.seasons)
        return f"an undeclared season of {seasons}" if seasons else "no undeclared season"

    @property
    def caveats(self) -> str:
        """Say what is wrong with its times, and that it is too short for a verdict; empty where all is well."""
        uneven = f"; {self.uneven}" if self.uneven else ""
        is_short = min(self.values, self.ticks) < self.needed
        return uneven + f"; too short for a verdict, which needs {self.needed:,} values in a row" * is_short

    def cadence_in_words(self) -> str:
        """Write the cadence; of times that are numbers in their own unit."""
        return self.axis.in_words(self.cadence.microseconds) if self.axis.numbered else str(self.cadence)


def look_at_each(observations: SortedObservations, settings: Settings) -> Iterator[Proposed]:
    """Look at each series in turn; one at a time is in memory."""
    axes = {number: NumberAxis.of(head) for number, head in observations.heads().items()}
    times: list[Ints] = []
    values: list[Floats] = []
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
            yield Proposed(
                name, axis, cadence, record.size, entry.season, needed, slow, uneven, int(time[0]), int(time[-1]),
                value.size, bool(np.ptp(value) == 0), needed=first, learnt=entry.cadence is None,
            )  # fmt: skip

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


def describe_steps(time_us: Ints, cadence_us: int, axis: Axis = _CALENDAR, *, mean: bool = False) -> str | None:
    """Say why a cadence does not fit the sorted times of a series, and what would; None where it does.

    With `mean` several values in a tick become their mean, so that there may be. `axis` is that of times that are
    numbers: they have no cadence that could be given, and are brought to even steps before they are read.
    """
    steps: Ints = np.diff(np.unique(time_us)).astype(np.int64)
    if steps.size < 10:
        return None
    ticks = steps / cadence_us
    whole = (ticks > 0.5) & (np.abs(ticks - np.rint(ticks)) <= np.maximum(_NEAR * ticks, 0.1))
    tick = axis.in_words(cadence_us) if axis.numbered else print_duration(cadence_us)
    given = " or ".join(print_duration(span) for span in _candidates(steps) if span != cadence_us)
    other = _EVEN if axis.numbered else f"give --cadence {given}"
    finer, single = float((ticks < 0.75).mean()), float((whole & (ticks < 1.5)).mean())
    if finer > 1 - REGULAR and mean:
        return None
    if finer > 1 - REGULAR:
        first = int(np.argmax(ticks < 0.75)) if np.all(ticks[:STAMPS] > 0.75) else 0
        since = f" from value {first + 1:,} on" if first else ""
        return (
            f"not regular: {finer:.0%} of the steps are shorter than the cadence {tick}{since}, so several "
            f"values share a tick and the last one is kept: give --aggregate mean, or {other.removeprefix('give ')}"
        )
    if single < 0.5 and float(np.median(steps)) > 1.5 * cadence_us:
        share = float((ticks > 1.5).mean())
        return f"not regular: a tick is {tick}, and {share:.0%} of all steps are longer: {other}"
    pauses, filled = float((ticks > _LONG).mean()), steps.size / float(ticks.sum())
    if pauses > 0.01 and filled < _FILLED:
        return f"not regular: the values come in bursts, {filled:.0%} of the ticks of {tick} have one: {other}"
    if float(whole.mean()) < REGULAR:
        share, even = 1 - float(whole.mean()), f": {_EVEN}" if axis.numbered else ""
        return f"not regular: {share:.0%} of the steps are no whole number of {tick}{even}"
    return None


def _candidates(steps: Ints) -> list[int]:
    """Cadences that could be meant, in microseconds: the usual step, and the period of bursts."""
    median = float(np.median(steps))
    pauses = steps > _LONG * median
    found = [int(median)]
    if 0.001 < pauses.mean() < 0.5:
        at = np.cumsum(steps)[pauses]
        if at.size > 1:
            found.insert(0, int(np.median(np.diff(at))))
    common, counts = np.unique(steps, return_counts=True)
    found += [int(common[n]) for n in np.argsort(-counts)[:2] if counts[n] > 0.1 * steps.size]
    rounded = (_round(span) for span in found)
    return list(dict.fromkeys(span for span in rounded if span > 0))


def _round(span: int) -> int:
    """Round to two digits, or to whole milliseconds where it is more."""
    digits = max(0, len(str(span)) - 2)
    return max(round(span, -digits), MILLISECOND if span >= MILLISECOND else 1)
