"""Finds seasons that nobody declared in a whole record: for the report and `check --probe`, never for a verdict.

A season is a *line*: power at one frequency that stands far above its neighbourhood, with a phase that stays. Red noise
has much power at low frequencies but no line, and the hump of a quasi-cycle (sunspots) is as wide as its phase wanders.
So the record is first whitened by its own lag-1 autocorrelation and its jumps are cut (a ramp, a random walk and a fold
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

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.analysis.readings import microseconds
from sentinel.analysis.record import Proposal, SeriesRecord
from sentinel.config import SHORTEST_SEASON_TICKS
from sentinel.domain.spans import DAY, HOUR, MINUTE, SECOND, parse_season

Floats = NDArray[np.float64]

NATURAL = ("1d", "7d", "1y")
"""Periods that are asked first."""
FEWEST_CYCLES = 4
"""Cycles in the record before a period can be told from chance."""
FEWEST_VALUES = 100
LONGEST_RECORD = 200_000
"""Ticks that are looked at; of a longer record the last ones."""
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


def propose(values: Floats, cadence_us: int, declared: Sequence[int] = ()) -> tuple[Proposal, ...]:
    """Find the seasons of a record, the longest first.

    Parameters
    ----------
    values
        One value per tick, NaN = missing; shape (tick,).
    cadence_us
        Length of a tick in microseconds.
    declared
        Periods that are known already, microseconds; they and their harmonics are not proposed.

    Returns
    -------
    Nothing where fewer than 100 values or less than half of the ticks have one.
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
    for text in NATURAL:
        ticks = parse_season(text) / cadence_us
        if lines.possible(ticks) and not lines.explained(ticks, taken, _LOW_HARMONICS) and lines.stands_out(ticks):
            taken.append(ticks)
            found[text] = ticks
    for ticks in lines.search():
        if lines.possible(ticks) and not lines.explained(ticks, taken, _BINS // 2) and lines.steady(ticks):
            taken.append(ticks)
            found[_write_period(ticks * cadence_us, record.size / ticks)] = ticks
    made = [Proposal(text, ticks, _strength(filled, ticks)) for text, ticks in found.items()]
    return tuple(sorted((p for p in made if p.strength >= WEAKEST), key=lambda p: -p.ticks))


def find_undeclared_seasons(record: SeriesRecord, readings: pl.LazyFrame) -> tuple[Proposal, ...]:
    """Find the seasons in the last rows of a series that its plan does not take out and its level does not follow."""
    plan = record.plan
    if plan is None or not plan.conditioning or plan.is_comparison:  # a target says it for both
        return ()
    own = readings.filter(pl.col("series") == record.name).select("time", "value").tail(LONGEST_RECORD)
    table = own.collect(engine="streaming").filter(pl.col("value").is_not_nan())
    if table.is_empty():
        return ()
    time_us = microseconds(record.axis, table["time"])
    declared = [round(ticks * plan.cadence_us) for ticks in plan.seasons]
    found = propose(on_grid(time_us, table["value"].to_numpy(), plan.cadence_us), plan.cadence_us, declared)
    return tuple(season for season in found if not season.followed(plan.level_half_life))


def magnitude(values: Floats) -> int:
    """Give the power of two that scales a record's largest finite value to about 1, so that no square overflows."""
    return math.frexp(float(np.abs(values[np.isfinite(values)]).max(initial=0.0)))[1]


def on_grid(time_us: NDArray[np.int64], values: Floats, cadence_us: int) -> Floats:
    """Put the last observations of a record on a grid: one value per tick, the last of several, NaN = missing.

    Parameters
    ----------
    time_us, values
        In order of time, at least one; shape (observation,).
    cadence_us
        Length of a tick.
    """
    tick = (time_us - time_us[0] + cadence_us // 2) // cadence_us
    first = max(0, int(tick[-1]) + 1 - LONGEST_RECORD)
    kept = tick >= first
    record = np.full(int(tick[-1]) + 1 - first, np.nan)
    record[tick[kept] - first] = values[kept]
    return record


def _whiten(values: Floats, known: NDArray[np.bool_]) -> Floats:
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
        self._taper = np.hanning(white.size)
        self._power = np.abs(np.fft.rfft(white * self._taper)) ** 2
        self._level = _background(self._power)

    def possible(self, ticks: float) -> bool:
        """Whether the record is long enough, and its ticks short enough, to tell."""
        return ticks >= SHORTEST_SEASON_TICKS and self._size / ticks >= FEWEST_CYCLES

    def explained(self, ticks: float, taken: Sequence[float], harmonics: int) -> bool:
        """Whether the period is one of these, or one of their first harmonics, as far as the record can tell."""
        cycles = self._size / ticks
        return any(abs(cycles - h * self._size / period) <= 2.0 for period in taken for h in range(1, harmonics + 1))

    def stands_out(self, ticks: float) -> bool:
        """Whether a period named beforehand is a line, its harmonics taken together."""
        harmonics = [ticks / h for h in range(1, _HARMONICS + 1) if ticks / h > 2.0]
        ratios = [self._at(1.0 / period) / self._level[round(self._size / period)] for period in harmonics]
        strongest = harmonics[int(np.argmax(ratios))]
        return max(ratios) > _limit(_CHANCE / len(ratios)) and self.steady(strongest)

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

    def steady(self, ticks: float) -> bool:
        """Whether the parts of the record agree on the phase; they are of two cycles at least, and at most eight."""
        wave = self._white * np.exp(-2j * np.pi * self._tick / ticks)
        number = min(_PARTS, max(FEWEST_CYCLES, int(self._size / ticks / 2.0)))
        parts = [part.sum() for part in np.array_split(wave, number)]
        return bool(abs(sum(parts)) >= _COHERENT * sum(abs(part) for part in parts))

    def _at(self, frequency: float) -> float:
        wave = np.exp(-2j * np.pi * frequency * self._tick)
        return float(np.abs((self._white * self._taper) @ wave) ** 2)


def _background(power: Floats) -> Floats:
    """Estimate the noise around each frequency from the median of its neighbours; infinite where there are too few."""
    away = np.arange(_CLEAR + 1, _CLEAR + _NEIGHBOURS + 1)
    place = np.arange(power.size)[:, None] + np.concatenate([-away, away])
    inside = (place > 0) & (place < power.size)
    around = np.where(inside, power[np.clip(place, 0, power.size - 1)], np.nan)
    enough = inside.sum(axis=1) >= _NEIGHBOURS
    level = np.full(power.size, math.inf)
    level[enough] = np.nanmedian(around[enough], axis=1) / math.log(2.0)
    return np.where(level > 0.0, level, math.inf)


def _limit(chance: float) -> float:
    """Give the ratio that noise exceeds with this probability: the tail of F(2, 2n), n the worth of the median."""
    return float(_NEIGHBOURS * (chance ** (-1.0 / _NEIGHBOURS) - 1.0))


def _write_period(period_us: float, cycles: float) -> str:
    """Write a period with as many digits as its number of cycles supports, in the unit a person would take."""
    unit, size = next(
        ((u, s) for u, s in (("d", DAY), ("h", HOUR), ("m", MINUTE)) if period_us >= 2 * s), ("s", SECOND)
    )
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
