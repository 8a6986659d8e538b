"""Remarks on a whole record: could a level shift or a cycle explain what looks like slowing down?

Everything else in a backtest knows only the past. These two remarks do not: they are for the reader of a report, and
they change no verdict. Each is a test with a small rate of false remarks, measured in tests/analysis/test_remarks.py;
neither is a proof.

*Level shift*: in `x_t = c + rho x_{t-1} + step + pulse + e` the step at the best of all places in the middle 70 % of
the record explains clearly more than no step, and than a straight trend, in the same place with the same pulse (Perron
1989, doi:10.2307/1913712: with an additive shift the jump itself needs a pulse, or it is taken for a slow return;
Andrews 1993, doi:10.2307/2951764: the best of many places needs a higher line, here one found by simulation up to the
random walk). It is larger than 1.5 standard deviations around the two levels, and around them the series returns fast:
a system that slowed down and then tipped has shifted as well, but its shift is no other explanation.

*Cycle*: a peak of the smoothed periodogram that red noise of the same lag-1 autocorrelation reaches once in a thousand
records (Mann and Lees 1996, doi:10.1007/BF00142586), with a valley on its slower side: what is merely redder than AR(1)
has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel.analysis.readings import SeriesTicks
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.seasons import magnitude

Floats = NDArray[np.float64]

FEWEST = 60
"""Values below which nothing is said."""
LONGEST = 4_096
"""Values looked at for a cycle, the newest; a fourth of that for a shift, each then a mean of neighbours."""
FULL = 0.8
"""Share of the values that must be there."""
EDGE = 0.15
"""Share of the record at either end that is not searched for a shift."""
STEP_LINE = 15.0
"""Twice the gain in log-likelihood that the step must bring."""
LARGE = 1.5
"""Smallest shift, in standard deviations around the two levels."""
FAST = 0.7
"""Largest lag-1 autocorrelation around either level."""
SPAN = 5
"""Neighbours over which the periodogram is averaged."""
FREEDOM = 2
"""Whole number of exponential variables that such an average of a tapered periodogram is worth, rounded down."""
PEAK_LINE = 1e-3
"""Probability that the highest of all peaks of red noise is as high."""
SHORTEST, SEEN = 2.5, 6
"""Shortest period in ticks, and how often a period must fit into the record."""
VALLEY = 0.5
"""Largest power on the slower side of the peak, in parts of the peak's."""
EXACT = 1e-12
"""Share of a record's variance below which a residual is rounding error, not noise to test against."""


@dataclass(frozen=True, slots=True)
class LevelShift:
    """The record lies around one level before the value of index `at` and around another from there on."""

    at: int
    before: float
    after: float


def find_remarks(record: SeriesRecord, ticks: SeriesTicks) -> Iterator[str]:
    """Yield what else could explain a record, in words, from its longest piece without a gap."""
    assert record.plan is not None
    piece = max(ticks.pieces(), key=lambda part: part.stop - part.start)
    shift, period = find_level_shift(ticks.value[piece]), find_cycle(ticks.value[piece])
    if shift is not None:
        moment = record.moment(int(ticks.end_us[piece][shift.at]) - ticks.cadence_us // 2)
        yield (
            f"a level shift, not slowing down, describes it best: around {shift.before:.4g} before {moment}, "
            f"around {shift.after:.4g} from then on"
        )
    if period is not None and not any(_harmonic(season / period) for season in record.plan.seasons):
        yield (
            f"a cycle with a period of about {record.length(period * ticks.cadence_us)}, which moves lag-1 "
            "autocorrelation without any slowing down"
        )


def _harmonic(ratio: float) -> bool:
    """Whether a declared season is a whole multiple of the period, to a tenth of the period."""
    return round(ratio) >= 1 and abs(ratio - round(ratio)) <= 0.1


def find_level_shift(values: Floats) -> LevelShift | None:
    """Find the level shift that explains a record, if one does; NaN = missing."""
    width = math.ceil(values.size / (LONGEST // 4))
    values = np.asarray(values, dtype=np.float64)
    power = magnitude(values)
    pooled = _pool(np.ldexp(values, -power), width)
    there = np.flatnonzero(~np.isnan(pooled[:-1] + pooled[1:]))
    past, present = pooled[there], pooled[there + 1]
    n = there.size
    if n < max(FEWEST - 1, FULL * (pooled.size - 1)) or np.ptp(present) == 0:
        return None
    places = np.arange(math.ceil(EDGE * n), math.floor((1 - EDGE) * n))
    time = there[None] / n
    step = (np.arange(n) >= places[:, None]).astype(np.float64)
    plain, sloping, stepping = (
        _residuals(present, past, places, column) for column in (None, np.repeat(time, places.size, axis=0), step)
    )
    if not min(plain.min(), sloping.min(), stepping.min()) > EXACT * n * present.var():
        return None
    gain = n * np.log(np.minimum(plain, sloping) / stepping)
    at = int(places[gain.argmax()])
    before, after = float(present[:at].mean()), float(present[at:].mean())
    around = present - np.where(np.arange(n) < at, before, after)
    around_past = past - np.where(np.arange(n) <= at, before, after)
    slow = max(_lag1(around[:at], around_past[:at]), _lag1(around[at + 1 :], around_past[at + 1 :]))
    if gain.max() < STEP_LINE or abs(after - before) < LARGE * around.std() or slow > FAST:
        return None
    return LevelShift(int(there[at] + 1) * width, math.ldexp(before, power), math.ldexp(after, power))


def find_cycle(values: Floats) -> float | None:
    """Find the period of a cycle in ticks, if a record has one; NaN = missing."""
    values = np.asarray(values, dtype=np.float64)[-LONGEST:]
    values = np.ldexp(values, -magnitude(values))
    there = ~np.isnan(values)
    n = values.size
    if there.sum() < max(FEWEST, FULL * n) or np.ptp(values[there]) == 0:
        return None
    ticks = np.arange(n)
    line = np.polynomial.Polynomial.fit(ticks[there], values[there], 1)
    flat = np.where(there, values - line(ticks), 0.0)
    if flat @ flat <= EXACT * values[there].var() * n:
        return None
    lag1 = _lag1(flat[1:], flat[:-1])
    power = np.abs(np.fft.rfft(flat * np.hanning(n))) ** 2
    frequency = np.fft.rfftfreq(n)
    smooth = np.convolve(power, np.full(SPAN, 1 / SPAN), mode="same")
    red = 1 / (1 - 2 * lag1 * np.cos(2 * np.pi * frequency) + lag1**2)
    looked = (frequency >= SEEN / n) & (frequency <= 1 / SHORTEST)
    whole = slice(1, None)
    ratio = np.where(looked, smooth / (red * power[whole].sum() / red[whole].sum()), 0.0)
    at = int(ratio.argmax())
    tail = math.exp(-FREEDOM * ratio[at]) * sum((FREEDOM * ratio[at]) ** k / math.factorial(k) for k in range(FREEDOM))
    slower = smooth[(frequency > frequency[at] / 4) & (frequency < frequency[at] / 1.6)]
    if tail * looked.sum() > PEAK_LINE or slower.size == 0 or slower.mean() > VALLEY * smooth[at]:
        return None
    near = slice(max(1, at - SPAN // 2), at + SPAN // 2 + 1)
    return float(power[near].sum() / (power[near] @ frequency[near]))


def _residuals(target: Floats, past: Floats, places: NDArray[np.int64], columns: Floats | None) -> Floats:
    """Sum the squares that a regression on a constant, the past and one row of `columns` leaves, for each place.

    The value at the place is left out: that is what a pulse there does. All NaN where the columns of one place are
    linearly dependent, as those of a straight line are.
    """
    n = target.size
    shared = np.stack([np.ones(n), past - past.mean(), target - target.mean()])
    own = shared[:, places]
    gram = (shared @ shared.T)[None] - np.einsum("ik,jk->kij", own, own)
    if columns is not None:
        here = np.arange(places.size)
        dropped = columns[here, places]
        cross = columns @ shared.T - dropped[:, None] * own.T
        size = (columns**2).sum(axis=1) - dropped**2
        gram = np.block([[size[:, None, None], cross[:, None, :]], [cross[:, :, None], gram]])
    inner, outer, last = gram[:, :-1, :-1], gram[:, :-1, -1], gram[:, -1, -1]
    try:
        explained = np.einsum("ki,ki->k", outer, np.linalg.solve(inner, outer[..., None])[..., 0])
    except np.linalg.LinAlgError:
        return np.full(places.size, np.nan)
    return np.asarray(last - explained)


def _lag1(present: Floats, past: Floats) -> float:
    """Compute the lag-1 autocorrelation of deviations from a level; 0 where the past never left it."""
    power = float(past @ past)
    return float(present @ past) / power if power > 0 else 0.0


def _pool(values: Floats, width: int) -> Floats:
    """Average every `width` neighbours; NaN where half of them or more are missing."""
    if width <= 1:
        return values
    groups = values[: values.size // width * width].reshape(-1, width)
    there = ~np.isnan(groups)
    count = there.sum(axis=1)
    return np.where(2 * count > width, np.where(there, groups, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
