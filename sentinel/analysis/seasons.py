"""Finds seasons that nobody declared, by looking back at a whole record.

Everything else in a backtest knows only the past. What is found here is for the reader of a report and for
`check --probe`; it changes no verdict. It is a test with a small rate of false findings, no proof.

A *season* is a line, that is power at one frequency far above its neighbourhood, with a phase that stays. Red noise has
much power at low frequencies but no line, and the hump of a quasi-cycle (sunspots) is as wide as its phase wanders. So
the record is first whitened by its own lag-1 autocorrelation and its jumps are cut (a ramp, a random walk and a fold
then have a flat spectrum), and a period is proposed where

1. the tapered periodogram at its frequency and harmonics exceeds the median of the neighbouring frequencies more than
   noise would in one of 10,000 records (Fisher's test against a local background), and
2. the parts of the record (four to eight) agree on the phase, and
3. its strength in statsmodels' STL, 1 - var(rest) / var(season + rest) (Wang, Smith & Hyndman 2006), is .1 or more.

The day, the week and the year are asked first, with their harmonics; then every frequency is searched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import polars as pl

from sentinel.analysis.readings import microseconds
from sentinel.analysis.record import Proposal, SeriesRecord
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
_SAME = 0.25  # cycles in a record by which two periods differ that are one
_PARTS = 8
_BINS = 24
_CYCLES = 40
_CUT = 5.0  # jumps beyond so many robust deviations are cut


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
            text, ticks = _named(ticks, cadence_us, record.size)
            taken.append(ticks)
            found[text] = ticks
    above = _above_resolution(filled, list(found.values()), taken[: len(declared)], _resolution(record[known]))
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
        self._taper = hanning(white.size)
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


hanning = lru_cache(maxsize=4)(np.hanning)  # the series of a table are equally long, mostly


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


def _named(ticks: float, cadence_us: int, size: int) -> tuple[str, float]:
    """Take a day for a period that the record cannot tell from one, and so on; also write it."""
    for text, period_us in NATURAL.items():
        if abs(size / ticks - size * cadence_us / period_us) <= _SAME:
            return text, period_us / cadence_us
    return _write_period(ticks * cadence_us, size / ticks), ticks


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


def _resolution(values: Floats) -> float:
    """Give the smallest distance of two different values; 0 where there are none."""
    steps = np.diff(np.unique(values))
    apart = steps[steps > 1e-12 * float(np.abs(values).max())]
    return float(apart.min()) if apart.size else 0.0


def _above_resolution(values: Floats, periods: Sequence[float], declared: Sequence[float], step: float) -> set[float]:
    """Give the periods whose line is no work of rounding, which makes many of a clean cycle.

    An error of rounding is at most half a `step` and even, so that no line of it has an amplitude above step / sqrt(6).
    """
    rest, taper = values - values.mean(), np.hanning(values.size)
    phase = -2j * np.pi * np.arange(values.size)

    def amplitude(period: float) -> complex:
        return complex(2.0 * ((rest * taper) @ np.exp(phase / period)) / taper.sum())

    above = set()
    # The strongest first: what it leaks to its neighbours is taken out with it.
    for period in (*declared, *sorted(periods, key=lambda one: -abs(amplitude(one)))):
        found = amplitude(period)
        if abs(found) > step / math.sqrt(6.0):
            above.add(period)
            rest = rest - (found * np.exp(-phase / period)).real
    return above
