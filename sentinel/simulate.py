"""Seeded systems whose tipping point is known, and two real series: for drills, the demo and tests.

`lake` is the lake of Carpenter, Ludwig and Brock (1999, doi:10.2307/2641327): phosphorus P in the water is loaded at
rate l, lost at rate s, and recycled from the sediment once there is enough of it,

    dP = (l - s P + P^2 / (1 + P^2)) dt + noise dW.

For s = 0.55 a clear lake loses its balance at the fold, where the drift and its slope vanish together (l = 0.0834,
P = 0.344), and turns eutrophic (P = 1.3). The load rises ever more slowly towards a little beyond the fold, so that the
lag-1 autocorrelation of a daily observation, exp(-tick (s - 2P / (1 + P^2)^2)), rises from 0.5 to 0.8 about 330 days
before the fold and to 0.9 about 100 days before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice, repeat

import numpy as np
from numpy.typing import NDArray

from sentinel.clock import MICROSECONDS

LOSS = 0.55
TICK = 1.7
"""Time of the lake model in one tick; its relaxation at low load takes about 2.5."""
INNER_STEPS = 8
"""Euler steps per tick: 0.21 each, a tenth of the fastest relaxation."""
NOISE = 0.01
LOADED_TICKS = 1_800
LOADS = (0.4, 1.03)
"""First and last load, as parts of the load at the fold."""
EASE = 1.5
"""The load's distance from its last value falls as the remaining time to this power."""
EUTROPHIC = 0.7
"""Between the clear lake at the fold (0.34) and the eutrophic one (1.3): no lake comes back from beyond it."""
DAY_US = 86_400 * MICROSECONDS
EPOCH_2020_US = 1_577_836_800 * MICROSECONDS
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Simulated:
    """A record of a system."""

    times_us: NDArray[np.int64]
    """Shape (ticks,)."""
    values: NDArray[np.float64]
    """Shape (ticks,); NaN = missing."""
    tip_us: int | None
    """When the system went into its other basin for good; None if it did not."""
    cadence: str
    """As it is written in settings."""


@dataclass(frozen=True, slots=True)
class System:
    """Something that can be simulated, or a real series played like one."""

    values: Callable[[int], Iterator[float]]
    """Seed -> values, one per tick, the same for the same seed whatever number of them is taken; NaN = missing."""
    cadence: str
    length: int | None = None
    """Number of ticks; None = endless."""
    stamps: Callable[[], NDArray[np.int64]] | None = None
    """Real time stamps in microseconds; None = one per cadence from any start."""
    tipped_above: float = math.inf
    """A value from beyond which the system does not return."""


def simulate(name: str, seed: int = 0, ticks: int | None = None, start_us: int = EPOCH_2020_US) -> Simulated:
    """Run one of the `SYSTEMS`.

    Parameters
    ----------
    ticks: number of ticks, cut to the length of a system that has one; None = that length, 2,000 if it is endless.
    start_us: time of the first tick; real series keep their own time stamps.
    """
    system = SYSTEMS[name]
    limits = [limit for limit in (ticks, system.length) if limit is not None]
    values = np.fromiter(islice(system.values(seed), min(limits, default=2_000)), dtype=np.float64)
    times_us = start_us + DAY_US * np.arange(values.size) if system.stamps is None else system.stamps()[: values.size]
    tip = tip_tick(values, system.tipped_above)
    return Simulated(times_us, values, None if tip is None else int(times_us[tip]), system.cadence)


def tip_tick(values: NDArray[np.float64], tipped_above: float) -> int | None:
    """Index of the first value from which on all are beyond `tipped_above`; None if the last is not."""
    below = np.flatnonzero(~(values > tipped_above))
    first = 0 if not below.size else int(below[-1]) + 1
    return first if first < values.size else None


def fold() -> tuple[float, float]:
    """Load and phosphorus at which the clear lake ceases to exist: drift and slope of the drift are zero.

    The slope is zero where 2 P = s (1 + P^2)^2; the smaller root, by bisection.
    """
    low, high = 0.0, 1 / math.sqrt(3)  # recycling is steepest at 1 / sqrt(3)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 2 * middle < LOSS * (1 + middle**2) ** 2 else (low, middle)
    return LOSS * low - low**2 / (1 + low**2), low


def loads() -> NDArray[np.float64]:
    """Load of the loaded lake at every tick, shape (LOADED_TICKS,)."""
    left = (1 - np.arange(LOADED_TICKS) / LOADED_TICKS) ** EASE
    return fold()[0] * (LOADS[1] - (LOADS[1] - LOADS[0]) * left)


def _lake(seed: int) -> Iterator[float]:
    return _lake_under(iter(loads().tolist()), seed)


def _lake_control(seed: int) -> Iterator[float]:
    """The same lake, with the same noise, whose load stays what it was."""
    return _lake_under(repeat(float(loads()[0])), seed)


def _lake_under(load: Iterator[float], seed: int) -> Iterator[float]:
    noise = np.random.default_rng(seed)
    step = TICK / INNER_STEPS
    phosphorus = None
    while True:
        knocks = noise.standard_normal((_BLOCK, INNER_STEPS)) * (NOISE * math.sqrt(step))
        for row in knocks.tolist():
            now = next(load, None)
            if now is None:
                return
            if phosphorus is None:
                phosphorus = _clear_balance(now)
            for knock in row:
                square = phosphorus * phosphorus
                # Concentrations are not negative: a knock below zero is reflected.
                phosphorus = abs(phosphorus + (now - LOSS * phosphorus + square / (1 + square)) * step + knock)
            yield phosphorus


def _clear_balance(load: float) -> float:
    """Phosphorus at which a clear lake under this load stays, by bisection."""
    low, high = 0.0, fold()[1]
    for _ in range(60):
        middle = (low + high) / 2
        gains = load - LOSS * middle + middle**2 / (1 + middle**2)
        low, high = (middle, high) if gains > 0 else (low, middle)
    return low


def _ar1(seed: int) -> Iterator[float]:
    """AR(1) at 0.5 with standard normal innovations, from its stationary distribution."""
    noise = np.random.default_rng(seed)
    value = float(noise.standard_normal()) / math.sqrt(0.75)
    while True:
        for knock in noise.standard_normal(_BLOCK).tolist():
            value = 0.5 * value + knock
            yield value


@cache
def _co2() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    # Imported here: statsmodels takes a second and 300 MB, and only the real series need it.
    from statsmodels.datasets import co2

    data = co2.load_pandas().data
    return data.index.to_numpy().astype("datetime64[us]").astype(np.int64), data["co2"].to_numpy(dtype=np.float64)


@cache
def _elnino() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    from statsmodels.datasets import elnino

    data = elnino.load_pandas().data
    values = data.iloc[:, 1:].to_numpy(dtype=np.float64).ravel()
    first = np.datetime64(f"{int(data['YEAR'].iloc[0])}-01", "M")
    return (first + np.arange(values.size)).astype("datetime64[us]").astype(np.int64), values


SYSTEMS: Mapping[str, System] = {
    "lake": System(_lake, "1d", length=LOADED_TICKS, tipped_above=EUTROPHIC),
    "lake_control": System(_lake_control, "1d", tipped_above=EUTROPHIC),
    "ar1": System(_ar1, "1d"),
    "co2": System(lambda _: iter(_co2()[1].tolist()), "7d", length=2_284, stamps=lambda: _co2()[0]),
    "elnino": System(lambda _: iter(_elnino()[1].tolist()), "1mo", length=732, stamps=lambda: _elnino()[0]),
}
"""By name: the two lakes, AR(1) at 0.5, weekly CO2 at Mauna Loa, monthly sea surface temperature of El Nino."""
