"""Looks back at a whole record for what else explains it: seasons that nobody declared, a level shift, a cycle.

Everything else in a backtest knows only the past. What is found here is for the reader of a report and for
`check --probe`; it changes no verdict. Each is a test with a small rate of false findings; none is a proof.

*Season*: a line, that is power at one frequency far above its neighbourhood, with a phase that stays. Red noise has
much power at low frequencies but no line, and the hump of a quasi-cycle (sunspots) is as wide as its phase wanders. So
the record is first whitened by its own lag-1 autocorrelation and its jumps are cut (a ramp, a random walk and a fold
then have a flat spectrum), and a period is proposed where

1. the tapered periodogram at its frequency and harmonics exceeds the median of the neighbouring frequencies more than
   noise would in one of 10,000 records (Fisher's test against a local background), and
2. the parts of the record (four to eight) agree on the phase, and
3. its strength in statsmodels' STL, 1 - var(rest) / var(season + rest) (Wang, Smith & Hyndman 2006), is .1 or more.

The day, the week and the year are asked first, with their harmonics; then every frequency is searched.

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
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from sentinel.analysis.readings import SeriesTicks, microseconds
from sentinel.analysis.record import Proposal, SeriesRecord
from sentinel.analysis.rounding import above_resolution, resolution
from sentinel.config import SHORTEST_SEASON_TICKS
from sentinel.domain.spans import DAY, HOUR, MINUTE, SECOND, parse_season
from sentinel.pipeline.arrays import Flags, Floats, Ints

NATURAL = {text: parse_season(text) for text in ("1d", "7d", "1y")}  # periods that are asked first
FEWEST_CYCLES = 4
"""Cycles in the record before a period can be told from chance."""
FEWEST_VALUES = 100
LONGEST_RECORD = 200_000
"""Ticks that are looked at for a season; of a longer record the last ones."""
WEAKEST = 0.1
"""Strength below which a season does no harm and is not proposed."""

_CHANCE = 1e-4
_HARMONICS = 3
_LOW_HARMONICS = 6  # of a week; its seventh is the day
_CLEAR = 3  # frequencies on either side that the taper spreads a line over
_NEIGHBOURS = 12  # on either side; their median is worth about so many independent frequencies as one side has
_COHERENT = 0.8
_PARTS = 8
_BINS = 24
_CYCLES = 40
_CUT = 5.0  # jumps beyond so many robust deviations are cut

# Of shifts and cycles:
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


def propose(values: Floats, cadence_us: int, declared: Sequence[int] = ()) -> tuple[Proposal, ...]:
    """Find the seasons of a record, the longest first; none in fewer than 100 values or with most ticks missing.

    `values` has one value per tick, NaN = missing. Periods that are `declared`, in microseconds, and their harmonics
    are not proposed.
    """
    record = values[-LONGEST_RECORD:]
    record = np.ldexp(record, -magnitude(record))
    known = np.isfinite(record)
    if known.sum() < FEWEST_VALUES or known.mean() < 0.5:
        return ()
    filled = np.interp(np.arange(record.size), np.flatnonzero(known), record[known])
    white = _whiten(filled, known)
    if not white.any():
        return ()
    lines = _SpectralLines(white)
    taken = [period / cadence_us for period in declared]
    found: dict[str, float] = {}
    for text, period_us in NATURAL.items():
        ticks = period_us / cadence_us
        if lines.is_new(ticks, taken, _LOW_HARMONICS) and lines.stands_out(ticks):
            taken.append(ticks)
            found[text] = ticks
    for ticks in lines.search():
        if lines.is_new(ticks, taken, _BINS // 2) and lines.is_steady(ticks):
            taken.append(ticks)
            found[_write_period(ticks * cadence_us, record.size / ticks)] = ticks
    above = above_resolution(filled, list(found.values()), taken[: len(declared)], resolution(record[known]))
    made = [Proposal(text, ticks, _strength(filled, ticks)) for text, ticks in found.items() if ticks in above]
    return tuple(sorted((p for p in made if p.strength >= WEAKEST), key=lambda p: -p.ticks))


def find_undeclared_seasons(record: SeriesRecord, time_us: Ints, values: Floats) -> tuple[Proposal, ...]:
    """Find the seasons in a series, tick by tick, that its plan does not take out and its level does not follow."""
    plan = record.plan
    if plan is None or not plan.conditioning or plan.is_comparison:  # a target says it for both
        return ()
    time_us, values = time_us[-LONGEST_RECORD:], values[-LONGEST_RECORD:]
    measured = ~np.isnan(values) & ~np.isin(values, record.fill_values)
    if not measured.any():
        return ()
    declared = [round(ticks * plan.cadence_us) for ticks in plan.seasons]
    found = propose(on_grid(time_us[measured], values[measured], plan.cadence_us), plan.cadence_us, declared)
    return tuple(season for season in found if not season.is_followed(plan.level_half_life))


def read_tail(record: SeriesRecord, readings: pl.LazyFrame) -> tuple[Ints, Floats]:
    """Read the last times and values of a long series back, as many as are looked at."""
    own = readings.filter(pl.col("series") == record.name).select("time", "value").tail(LONGEST_RECORD)
    table = own.collect(engine="streaming")
    return microseconds(record.axis, table["time"]), table["value"].to_numpy()


def magnitude(values: Floats) -> int:
    """Give the power of two that scales a record's largest finite value to about 1, so that no square overflows."""
    return math.frexp(float(np.abs(values[np.isfinite(values)]).max(initial=0.0)))[1]


def on_grid(time_us: Ints, values: Floats, cadence_us: int) -> Floats:
    """Put the last observations of a record on a grid: one value per tick, the last of several, NaN = missing.

    There is at least one observation, and they are in order of time.
    """
    tick = (time_us - time_us[0] + cadence_us // 2) // cadence_us
    first = max(0, int(tick[-1]) + 1 - LONGEST_RECORD)
    kept = tick >= first
    record = np.full(int(tick[-1]) + 1 - first, np.nan)
    record[tick[kept] - first] = values[kept]
    return record


def _whiten(values: Floats, known: Flags) -> Floats:
    """Compute the innovations of an AR(1) fitted to the record, its jumps cut; 0 where a value was missing."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if power == 0.0:
        return np.zeros_like(values)
    steps = centred[1:] - float(centred[1:] @ centred[:-1]) / power * centred[:-1]
    steps -= np.median(steps)
    scale = 1.4826 * float(np.median(np.abs(steps)))
    if scale > 0.0:
        steps = np.clip(steps, -_CUT * scale, _CUT * scale)
    return np.where(known[1:] & known[:-1], steps, 0.0)


class _SpectralLines:
    """The lines in the spectrum of a whitened record."""

    def __init__(self, white: Floats) -> None:
        self._white = white
        self._size = white.size
        self._tick = np.arange(white.size)
        self._taper = _hanning(white.size)
        self._power = np.abs(np.fft.rfft(white * self._taper)) ** 2
        self._level = _background(self._power)

    def is_new(self, ticks: float, taken: Sequence[float], harmonics: int) -> bool:
        """True if the record can tell a period, and it is none of these or of their first harmonics."""
        cycles = self._size / ticks
        if ticks < SHORTEST_SEASON_TICKS or cycles < FEWEST_CYCLES:
            return False
        return all(abs(cycles - h * self._size / period) > 2.0 for period in taken for h in range(1, harmonics + 1))

    def stands_out(self, ticks: float) -> bool:
        """True if a period named beforehand is a line, its harmonics taken together."""
        harmonics = [ticks / h for h in range(1, _HARMONICS + 1) if ticks / h > 2.0]
        ratios = [self._at(1.0 / period) / self._level[round(self._size / period)] for period in harmonics]
        strongest = harmonics[int(np.argmax(ratios))]
        return max(ratios) > _limit(_CHANCE / len(ratios)) and self.is_steady(strongest)

    def search(self) -> list[float]:
        """Find the periods of all lines in the record, the longest first."""
        high = self._power > _limit(_CHANCE / self._power.size) * self._level
        found = []
        for k in np.flatnonzero(high).tolist():
            if k >= FEWEST_CYCLES and self._power[k] == self._power[k - _CLEAR : k + _CLEAR + 1].max():
                grid = k + np.linspace(-0.75, 0.75, 31)
                best = max(grid, key=lambda cycles: self._at(cycles / self._size))
                found.append(self._size / float(best))
        return found

    def is_steady(self, ticks: float) -> bool:
        """True if the parts of the record agree on the phase; they are of two cycles at least, and at most eight."""
        wave = self._white * np.exp(-2j * np.pi * self._tick / ticks)
        number = min(_PARTS, max(FEWEST_CYCLES, int(self._size / ticks / 2.0)))
        parts = [part.sum() for part in np.array_split(wave, number)]
        return bool(abs(sum(parts)) >= _COHERENT * sum(abs(part) for part in parts))

    def _at(self, frequency: float) -> float:
        wave = np.exp(-2j * np.pi * frequency * self._tick)
        return float(np.abs((self._white * self._taper) @ wave) ** 2)


def _background(power: Floats) -> Floats:
    """Estimate the noise around each frequency from the median of its neighbours; infinite where there are too few."""
    place, count = _find_neighbours(power.size)
    around = np.sort(np.append(power, np.nan)[place], axis=1)  # those that are not there come last
    rows = np.arange(power.size)
    level = (around[rows, (count - 1) // 2] + around[rows, count // 2]) / 2.0 / math.log(2.0)
    return np.where((count >= _NEIGHBOURS) & (level > 0.0), level, math.inf)


_hanning = lru_cache(maxsize=4)(np.hanning)  # the series of a table are equally long, mostly


@lru_cache(maxsize=4)
def _find_neighbours(size: int) -> tuple[Ints, Ints]:
    """Give the places of each frequency's neighbours, `size` where there is none, and how many there are."""
    away = np.arange(_CLEAR + 1, _CLEAR + _NEIGHBOURS + 1)
    place = np.arange(size)[:, None] + np.concatenate([-away, away])
    inside = (place > 0) & (place < size)
    return np.where(inside, place, size), inside.sum(axis=1)


def _limit(chance: float) -> float:
    """Give the ratio that noise exceeds with this probability: the tail of F(2, 2n), n the worth of the median."""
    return float(_NEIGHBOURS * (chance ** (-1.0 / _NEIGHBOURS) - 1.0))


def _write_period(period_us: float, cycles: float) -> str:
    """Write a period with as many digits as its number of cycles supports, in the unit a person would take."""
    larger = (("d", DAY), ("h", HOUR), ("m", MINUTE))
    unit, size = next((one for one in larger if period_us >= 2 * one[1]), ("s", SECOND))
    return f"{float(f'{period_us / size:.{3 if cycles < 100 else 4}g}'):.10g}{unit}"


def _strength(values: Floats, ticks: float) -> float:
    """Measure the strength of a season in the conditioner's bins, over the last 40 of its periods.

    One decomposition per season: all in one MSTL took 111 s for a day and a year in five years of hours.
    """
    # Imported here: statsmodels takes a second and 300 MB, and only a record with a season needs it.
    from statsmodels.tsa.seasonal import STL

    bins = min(_BINS, int(ticks))
    total = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    edges = values.size - np.arange(bins * min(_CYCLES, int(values.size / ticks)), -1, -1) * (ticks / bins)
    means = np.diff(np.interp(edges, np.arange(total.size), total))
    parts = STL(means, period=bins).fit()
    both = float(np.var(parts.seasonal + parts.resid))
    return max(0.0, 1.0 - float(np.var(parts.resid)) / both) if both > 0.0 else 0.0


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
    power = np.abs(np.fft.rfft(flat * _hanning(n))) ** 2
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
