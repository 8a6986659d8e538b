"""The rivals beside: what other indicators would have warned of, at no more false alarms than were realised.

Each indicator looks at a trailing window of one half-life of the series' bank and knows only the past; Kendall's tau
is taken over as many of its newest values again. Its alarm line is then set *with hindsight*, to the lowest one at
which it gives no more false alarms on the same quiet data: that favours the rival, which in life would not know its
line. Two alarms of a rival less than a window apart count once. Values are raw, as the field's tools take them. Mean,
standard deviation and skewness are the rivals that know nothing of slowing: mean and standard deviation against their
first window, in both directions for mean and skewness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel.analysis import rivals
from sentinel.analysis.phases import Phase, Timeline
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.skill import Skill, in_units
from sentinel.analysis.ticks import Ticks

SHORTEST_WINDOW = 20
LINES = 64
"""Alarm lines that are tried for a rival."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rival:
    """How an indicator fares; one row of the table."""

    name: str
    detected: int | None
    """None = not matched, because there are no quiet data."""
    leads: tuple[float, ...]
    """Of the detected events, in seconds or the owner's units."""
    false: int | None
    """False alarms on quiet data; None without quiet data."""
    under_alarm: float
    """Share of quiet ticks above the line; NaN without quiet data."""


def window_of(record: SeriesRecord) -> int:
    """Ticks that a rival looks back on."""
    assert record.plan is not None
    return max(SHORTEST_WINDOW, round(record.plan.half_life))


def indicators(values: Floats, window: int) -> dict[str, Floats]:
    """The indicators of one unbroken piece of a record, by name; larger is more alarming."""
    variance = rivals.rolling_variance(values, window)
    mean = rivals.rolling_mean(values, window)
    first = mean[~np.isnan(mean)][:1], variance[~np.isnan(variance)][:1]
    base, spread = (float(part[0]) if part.size else math.nan for part in first)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "lag-1, Kendall": rivals.kendall_tau(rivals.rolling_lag1(values, window), window),
            "variance, Kendall": rivals.kendall_tau(variance, window),
            "mean": np.abs(mean - base) / np.sqrt(spread),
            "standard deviation": np.sqrt(variance / spread),
            "skewness": np.abs(rivals.rolling_skewness(values, window)),
        }


@dataclass(frozen=True, slots=True)
class _Track:
    """One indicator over all labelled series, one after the other."""

    level: Floats
    place: Floats
    """Position in windows, with a jump between pieces."""
    quiet: NDArray[np.bool_]

    def raised(self, line: float) -> NDArray[np.int64]:
        """Where alarms would have been raised."""
        above = np.flatnonzero(self.level > line)
        if above.size == 0:
            return above
        fresh: NDArray[np.int64] = above[np.concatenate([[True], np.diff(self.place[above]) > 1])]
        return fresh


def compare(
    skill: Skill, records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, Ticks]
) -> list[Rival]:
    """sentinel, its rivals, always and never, in this order."""
    labelled = [record for record in records if record.name in timelines]
    false = skill.count(Phase.QUIET)
    share = skill.quiet.under_alarm / skill.quiet.ticks if skill.quiet.ticks else math.nan
    leads = tuple(event.lead for event in skill.events if event.alarm is not None)
    rows = [Rival("sentinel", skill.detected, leads, false if skill.quiet.ticks else None, share)]
    tracks, end_us, before = _tracks(labelled, timelines, ticks)
    for name, track in tracks.items():
        levels = track.level[track.quiet & ~np.isnan(track.level)]
        if levels.size == 0:
            rows.append(Rival(name, None, (), None, math.nan))
            continue
        line = _line(track, levels, false)
        raised = track.raised(line)
        found = []
        for record, first, last, transition_us in before:
            own = raised[(raised >= first) & (raised < last)]
            if own.size:
                found.append(in_units(record, transition_us - int(end_us[own[0]])))
        wrong = int(track.quiet[raised].sum())
        rows.append(Rival(name, len(found), tuple(found), wrong, float((levels > line).mean())))
    whole = tuple(
        in_units(record, transition_us - int(end_us[first])) for record, first, last, transition_us in before
        if last > first
    )  # fmt: skip
    quiet = skill.quiet.ticks
    rows.append(Rival("always", len(whole), whole, quiet or None, 1.0 if quiet else math.nan))
    rows.append(Rival("never", 0, (), 0 if quiet else None, 0.0 if quiet else math.nan))
    return rows


def _line(track: _Track, levels: Floats, false: int) -> float:
    """The lowest line down to which an indicator gives at most `false` alarms on quiet data."""
    lines = np.unique(np.quantile(levels, 1 - np.geomspace(1 / levels.size, 1, LINES)))
    found = float(levels.max())
    for line in lines[::-1].tolist():
        if int(track.quiet[track.raised(line)].sum()) > false:
            break
        found = line
    return found


_Before = list[tuple[SeriesRecord, int, int, int]]
"""Of each event its series, the first tick of the time before it, the first that is too late, and its moment."""


def _tracks(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, Ticks]
) -> tuple[dict[str, _Track], NDArray[np.int64], _Before]:
    levels: dict[str, list[Floats]] = {}
    places: list[Floats] = []
    quiet: list[NDArray[np.bool_]] = []
    before: _Before = []
    done, jump = 0, 0.0
    for record in records:
        own, window = ticks[record.name], window_of(record)
        for piece in own.pieces():
            for name, level in indicators(own.value[piece], window).items():
                levels.setdefault(name, []).append(level)
            size = piece.stop - piece.start
            places.append(jump + np.arange(size) / window)
            jump += size / window + 2
        for stretch in timelines[record.name].stretches:
            if stretch.phase is Phase.EXPECTED:
                first, last = np.searchsorted(own.end_us, [stretch.begin_us, stretch.end_us])
                before.append((record, done + int(first), done + int(last), stretch.end_us))
        quiet.append(timelines[record.name].quiet(own.end_us))
        done += own.end_us.size
    place, calm = np.concatenate(places), np.concatenate(quiet)
    end_us = np.concatenate([ticks[record.name].end_us for record in records])
    return {name: _Track(np.concatenate(parts), place, calm) for name, parts in levels.items()}, end_us, before
