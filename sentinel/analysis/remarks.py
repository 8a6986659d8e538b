"""Finds what else may explain a record than slowing down: a level shift or a cycle, by looking back at all of it.

It changes no verdict. Each is a test with a small rate of false findings; none is a proof.

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
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sentinel.analysis.readings import SeriesTicks
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.seasons import hanning, magnitude
from sentinel.pipeline.arrays import Floats, Ints

_FEWEST = 60  # values below which nothing is said
_LONGEST = 4_096  # newest values looked at for a cycle; a fourth for a shift, each then a mean of neighbours
_FULL = 0.8  # share of the values that must be there
_EDGE = 0.15  # share of the record at either end that is not searched for a shift
_STEP_LINE = 15.0  # twice the gain in log-likelihood that the step must bring
_LARGE = 1.5  # smallest shift, in standard deviations around the two levels
_FAST = 0.7  # largest lag-1 autocorrelation around either level
_SPAN = 5  # neighbours over which the periodogram is averaged
_FREEDOM = 2  # exponential variables that such an average of a tapered periodogram is worth, rounded down
_PEAK_LINE = 1e-3  # probability that the highest of all peaks of red noise is as high
_SHORTEST, _SEEN = 2.5, 6  # shortest period in ticks, and how often a period must fit into the record
_VALLEY = 0.5  # largest power on the slower side of the peak, in parts of the peak's
_EXACT = 1e-12  # share of a record's variance below which a residual is rounding error, not noise to test against


class LevelShift(NamedTuple):
    """The record lies around one level before the value of index `at` and around another from there on."""

    at: int
    before: float
    after: float


def find_remarks(record: SeriesRecord, ticks: SeriesTicks) -> Iterator[str]:
    """Yield what else could explain a record, in words, from its longest piece without a gap."""
    assert record.plan is not None
    piece = max(ticks.pieces(), key=lambda part: part.stop - part.start)
    value = np.where(np.isin(ticks.value[piece], record.fill_values), np.nan, ticks.value[piece])
    shift, period = find_level_shift(value), find_cycle(value)
    if shift is not None:
        moment = record.moment(int(ticks.end_us[piece][shift.at]) - ticks.cadence_us // 2)
        yield (
            f"a level shift, not slowing down, describes it best: around {shift.before:.4g} before {moment}, "
            f"around {shift.after:.4g} from then on"
        )
    # Of a season that is a whole multiple of the period, to a tenth of the period, it is a harmonic.
    ratios = [] if period is None else [season / period for season in record.plan.seasons]
    if period is not None and not any(round(ratio) >= 1 and abs(ratio - round(ratio)) <= 0.1 for ratio in ratios):
        yield (
            f"a cycle with a period of about {record.length(period)}, which moves lag-1 "
            "autocorrelation without any slowing down"
        )


def find_level_shift(values: Floats) -> LevelShift | None:
    """Find the level shift that explains a record, if one does; NaN = missing."""
    width = math.ceil(values.size / (_LONGEST // 4))
    power = magnitude(values)
    pooled = _pool(np.ldexp(values, -power), width)
    there = np.flatnonzero(~np.isnan(pooled[:-1] + pooled[1:]))
    past, present = pooled[there], pooled[there + 1]
    n = there.size
    if n < max(_FEWEST - 1, _FULL * (pooled.size - 1)) or np.ptp(present) == 0:
        return None
    places = np.arange(math.ceil(_EDGE * n), math.floor((1 - _EDGE) * n))
    shared = np.stack([np.ones(n), past - past.mean(), present - present.mean()])
    time = there / n
    sloped = _Column((shared @ time)[:, None], np.array(time @ time), time[places])
    # Of a column that is 1 from the place on and 0 before.
    products = (shared.sum(axis=1, keepdims=True) - np.cumsum(shared, axis=1) + shared)[:, places]
    stepped = _Column(products, np.float64(n) - places, 1.0)
    plain, sloping, stepping = _residuals(shared, places, [sloped, stepped])
    if not min(plain.min(), sloping.min(), stepping.min()) > _EXACT * n * present.var():
        return None
    gain = n * np.log(np.minimum(plain, sloping) / stepping)
    at = int(places[gain.argmax()])
    before, after = float(present[:at].mean()), float(present[at:].mean())
    around = present - np.where(np.arange(n) < at, before, after)
    around_past = past - np.where(np.arange(n) <= at, before, after)
    slow = max(_lag1(around[:at], around_past[:at]), _lag1(around[at + 1 :], around_past[at + 1 :]))
    if gain.max() < _STEP_LINE or abs(after - before) < _LARGE * around.std() or slow > _FAST:
        return None
    return LevelShift(int(there[at] + 1) * width, math.ldexp(before, power), math.ldexp(after, power))


def find_cycle(values: Floats) -> float | None:
    """Find the period of a cycle in ticks, if a record has one; NaN = missing."""
    values = values[-_LONGEST:]
    values = np.ldexp(values, -magnitude(values))
    there = ~np.isnan(values)
    n = values.size
    if there.sum() < max(_FEWEST, _FULL * n) or np.ptp(values[there]) == 0:
        return None
    time, known = np.arange(n) - np.flatnonzero(there).mean(), values[there]
    slope = float(time[there] @ known) / float(time[there] @ time[there])
    flat = np.where(there, values - known.mean() - slope * time, 0.0)
    if flat @ flat <= _EXACT * values[there].var() * n:
        return None
    lag1 = _lag1(flat[1:], flat[:-1])
    power = np.abs(np.fft.rfft(flat * hanning(n))) ** 2
    frequency = np.fft.rfftfreq(n)
    smooth = np.convolve(power, np.full(_SPAN, 1 / _SPAN), mode="same")
    red = 1 / (1 - 2 * lag1 * np.cos(2 * np.pi * frequency) + lag1**2)
    looked = (frequency >= _SEEN / n) & (frequency <= 1 / _SHORTEST)
    ratio = np.where(looked, smooth / (red * power[1:].sum() / red[1:].sum()), 0.0)
    at = int(ratio.argmax())
    height = _FREEDOM * ratio[at]
    tail = math.exp(-height) * sum(height**k / math.factorial(k) for k in range(_FREEDOM))
    slower = smooth[(frequency > frequency[at] / 4) & (frequency < frequency[at] / 1.6)]
    if tail * looked.sum() > _PEAK_LINE or slower.size == 0 or slower.mean() > _VALLEY * smooth[at]:
        return None
    near = slice(max(1, at - _SPAN // 2), at + _SPAN // 2 + 1)
    return float(power[near].sum() / (power[near] @ frequency[near]))


class _Column(NamedTuple):
    """A column of a regression that differs from place to place, as the products that the sums of squares need."""

    products: Floats
    """With each of the shared columns, (column, place)."""
    square: Floats
    """With itself."""
    at_place: Floats | float


def _residuals(shared: Floats, places: Ints, columns: Sequence[_Column]) -> list[Floats]:
    """Sum the squares that regressions of the last shared column on the others leave, for each place.

    The first is on no more than these, the next ones on one of `columns` besides. The value at the place is left out,
    as a pulse there does. Not finite where columns of a place are linearly dependent, as those of a straight line are.
    """
    own = shared[:, places]
    gram = (shared @ shared.T)[:, :, None] - own[:, None] * own
    crosses = np.stack([column.products - column.at_place * own for column in columns])
    squares = np.stack([column.square - column.at_place**2 for column in columns])
    with np.errstate(divide="ignore", invalid="ignore"):
        for at in range(len(shared) - 1):  # Gauss: one shared column after the other is taken out of those behind it
            share = crosses[:, at] / gram[at, at]
            squares = squares - share * crosses[:, at]
            crosses = crosses - share[:, None] * gram[at]
            gram = gram - gram[:, at : at + 1] * (gram[at] / gram[at, at])
        return [gram[-1, -1], *(gram[-1, -1] - crosses[:, -1] ** 2 / squares)]


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
