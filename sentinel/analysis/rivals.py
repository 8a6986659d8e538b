"""The rivals: what the field's usual indicators would have warned of at no more false alarms than were raised.

Every indicator is causal. At tick t it looks at the `window` values up to and including t, here one half-life of the
series' bank; Kendall's tau is taken over as many of its newest values again. Values are raw, as the field's tools take
them. Mean, standard deviation and skewness know nothing of slowing: mean and standard deviation are held against their
first window, mean and skewness in both directions.

A rival's alarm line is set *with hindsight*, to the lowest one at which it gives no more false alarms on the same
quiet data. That favours the rival, which in life would not know its line. Two of its alarms less than a window apart
count once.

NaN stands for a missing value; an indicator is NaN until a whole window has passed, and wherever fewer than half of its
window's values are there. Without missing values `lag1` and `variances` are the numbers of ewstools 2.1.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sentinel.analysis.labels import Phase, Timeline
from sentinel.analysis.readings import SeriesTicks
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.skill import Skill

Floats = NDArray[np.float64]

SHORTEST_WINDOW = 20
LINES = 64
"""Alarm lines that are tried for a rival."""
_PIECE = 1 << 22
"""Numbers in the windows that are looked at together: 32 MB."""


@dataclass(frozen=True, slots=True)
class Rival:
    """How many events an indicator found, how early, and at how many false alarms."""

    name: str
    detected: int | None
    """None = not matched, because there are no quiet data."""
    leads: tuple[float, ...]
    """Of the detected events, in seconds or the owner's units."""
    false: int | None
    """False alarms on quiet data; None without quiet data."""
    under_alarm: float
    """Share of quiet ticks above the line; NaN without quiet data."""


def compare(
    skill: Skill, records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, SeriesTicks]
) -> list[Rival]:
    """Compare sentinel with its rivals, and with alarming always and never; rows in this order."""
    # Arrays here have the ticks of all labelled series, one series after the other.
    labelled = [record for record in records if record.name in timelines]
    end_us = np.concatenate([ticks[record.name].end_us for record in labelled])
    quiet = np.concatenate([timelines[record.name].quiet(ticks[record.name].end_us) for record in labelled])
    begins = np.cumsum([0, *(ticks[record.name].end_us.size for record in labelled)]).tolist()
    begin = {record.name: at for record, at in zip(labelled, begins, strict=False)}

    def leads(alarms: NDArray[np.int64]) -> tuple[float, ...]:
        """Give the lead of each event that alarms at these ticks detect."""
        found = []
        for event in skill.events:
            name, stretch = event.record.name, event.stretch
            first, last = begin[name] + np.searchsorted(ticks[name].end_us, [stretch.begin_us, stretch.end_us])
            own = alarms[(alarms >= first) & (alarms < last)]
            if own.size:
                found.append(event.record.units(stretch.end_us - int(end_us[own[0]])))
        return tuple(found)

    false, total = skill.count(Phase.QUIET), skill.quiet.ticks
    own_leads = tuple(event.lead for event in skill.events if event.alarm is not None)
    share = skill.quiet.under_alarm / total if total else math.nan
    rows = [Rival("sentinel", skill.detected, own_leads, false if total else None, share)]
    levels, place = _follow(labelled, ticks)
    for name, level in levels.items():
        known = level[quiet & ~np.isnan(level)]
        if known.size == 0:
            rows.append(Rival(name, None, (), None, math.nan))
            continue
        # The lowest line down to which the indicator gives no more false alarms.
        best = float(known.max())
        for line in np.unique(np.quantile(known, 1 - np.geomspace(1 / known.size, 1, LINES)))[::-1].tolist():
            if int(quiet[_alarms(level, place, line)].sum()) > false:
                break
            best = line
        alarms = _alarms(level, place, best)
        found = leads(alarms)
        rows.append(Rival(name, len(found), found, int(quiet[alarms].sum()), float((known > best).mean())))
    always = leads(np.arange(end_us.size))
    rows.append(Rival("always", len(always), always, total or None, 1.0 if total else math.nan))
    rows.append(Rival("never", 0, (), 0 if total else None, 0.0 if total else math.nan))
    return rows


def _alarms(level: Floats, place: Floats, line: float) -> NDArray[np.int64]:
    """Find the ticks at which an indicator would have raised alarms."""
    above = np.flatnonzero(level > line)
    return above[np.diff(place[above], prepend=-np.inf) > 1]


def _follow(records: Sequence[SeriesRecord], ticks: Mapping[str, SeriesTicks]) -> tuple[dict[str, Floats], Floats]:
    """Compute each indicator at the ticks of all records, and their place in windows, with a jump between pieces."""
    levels: dict[str, list[Floats]] = {}
    places: list[Floats] = []
    jump = 0.0
    for record in records:
        assert record.plan is not None
        own, window = ticks[record.name], max(SHORTEST_WINDOW, round(record.plan.half_life))
        for piece in own.pieces():
            for name, level in compute_indicators(own.value[piece], window).items():
                levels.setdefault(name, []).append(level)
            size = piece.stop - piece.start
            places.append(jump + np.arange(size) / window)
            jump += size / window + 2
    return {name: np.concatenate(parts) for name, parts in levels.items()}, np.concatenate(places)


def compute_indicators(values: Floats, window: int) -> dict[str, Floats]:
    """Compute the indicators of one unbroken piece of a record, by name; larger is more alarming."""
    variance, mean = rolling(variances, values, window), rolling(means, values, window)
    first = mean[~np.isnan(mean)][:1], variance[~np.isnan(variance)][:1]
    base, spread = (float(part[0]) if part.size else math.nan for part in first)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "lag-1, Kendall": kendall_tau(rolling(lag1, values, window), window),
            "variance, Kendall": kendall_tau(variance, window),
            "mean": np.abs(mean - base) / np.sqrt(spread),
            "standard deviation": np.sqrt(variance / spread),
            "skewness": np.abs(rolling(skewness, values, window)),
        }


def rolling(indicator: Callable[[Floats], Floats], values: Floats, window: int) -> Floats:
    """Compute an indicator of every trailing window, a part of the record at a time."""
    found = np.full(values.size, np.nan)
    if values.size < window:
        return found
    windows = sliding_window_view(values, window)
    step = max(1, _PIECE // window)
    for first in range(0, len(windows), step):
        piece = windows[first : first + step]
        enough = (~np.isnan(piece)).sum(axis=1) >= window / 2
        with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows of nothing: NaN is the answer
            found[window - 1 + first :][: len(piece)] = np.where(enough, indicator(piece), np.nan)
    found[np.isinf(found)] = np.nan
    return found


def lag1(windows: Floats) -> Floats:
    """Pearson correlation of neighbours in each window, over the pairs of which both are there."""
    past, present = windows[:, :-1], windows[:, 1:]
    gone = np.isnan(past) | np.isnan(present)
    past, present = (np.where(gone, np.nan, side) for side in (past, present))
    past = past - np.nanmean(past, axis=1, keepdims=True)
    present = present - np.nanmean(present, axis=1, keepdims=True)
    shared = np.nansum(past * present, axis=1)
    return np.asarray(shared / np.sqrt(np.nansum(past**2, axis=1) * np.nansum(present**2, axis=1)))


def means(windows: Floats) -> Floats:
    """Mean of each window."""
    return np.asarray(np.nanmean(windows, axis=1))


def variances(windows: Floats) -> Floats:
    """Variance of each window, with n - 1."""
    return np.asarray(np.nanvar(windows, axis=1, ddof=1))


def skewness(windows: Floats) -> Floats:
    """Third central moment of each window over its standard deviation to the third (no correction for bias)."""
    centred = windows - np.nanmean(windows, axis=1, keepdims=True)
    return np.asarray(np.nanmean(centred**3, axis=1) / np.nanmean(centred**2, axis=1) ** 1.5)


def kendall_tau(values: Floats, window: int) -> Floats:
    """Kendall's tau-b of time and value over the trailing window: 1 = it only ever rose.

    Concordant less discordant pairs follow from those of the tick before: the newest value's pairs come, the oldest
    one's go. So each distance between two ticks is compared once, whatever the window.
    """
    order = _pairs_in_window(values, window, lambda later, earlier: np.sign(later - earlier))
    tied = _pairs_in_window(values, window, lambda later, earlier: later == earlier)
    count = _trailing_sum((~np.isnan(values)).astype(np.float64), window)
    pairs = count * (count - 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = order / np.sqrt(pairs * (pairs - tied))
    tau[count < window / 2] = np.nan
    tau[: window - 1] = np.nan
    return tau


def _pairs_in_window(values: Floats, window: int, compare: Callable[[Floats, Floats], NDArray[np.generic]]) -> Floats:
    """Sum a comparison over all pairs of values in the trailing window; pairs with NaN count as 0."""
    found = np.zeros(values.size)
    for distance in range(1, min(window, values.size)):
        pairs = np.nan_to_num(compare(values[distance:], values[:-distance]).astype(np.float64))
        # A pair is inside while its earlier value is: for window - distance ticks from its later value on.
        found[distance:] += _trailing_sum(pairs, window - distance)
    return found


def _trailing_sum(values: Floats, window: int) -> Floats:
    """Sum the last `window` whole numbers at each tick, exactly; fewer at the start."""
    total = np.cumsum(values)
    total[window:] -= total[:-window].copy()
    return total
