"""Seeded systems whose tipping point is known, and recorded series, by name: for drills, the demo and tests.

`models.py` has the smaller systems: fold, transcritical, pitchfork, Hopf, period doubling; rate-induced and
noise-induced, which tip without slowing down; a near miss.

`lake` is the lake of Carpenter, Ludwig and Brock (1999, doi:10.2307/2641327): phosphorus P in the water is loaded at
rate l, lost at rate s, and recycled from the sediment once there is enough of it,

    dP = (l - s P + P^2 / (1 + P^2)) dt + noise dW.

For s = 0.55 a clear lake loses its balance at the fold, where the drift and its slope vanish together (l = 0.0834,
P = 0.344), and turns eutrophic (P = 1.3). The load rises ever more slowly towards a little beyond the fold, so that the
lag-1 autocorrelation of a daily observation, exp(-tick (s - 2P / (1 + P^2)^2)), rises from 0.5 to 0.8 about 330 days
before the fold and to 0.9 about 100 days before. Its control is the same lake under a load that stays.

Four series are real; they come with statsmodels:
`co2`: weekly CO2 at Mauna Loa, 1958 to 2001 (trend and season; Keeling and Whorf 2004).
`elnino`: monthly sea surface temperature of El Nino, 1950 to 2010 (persistently slow; NOAA).
`nile`: yearly flow at Aswan, 1871 to 1970; the level steps down about 1899 (Cobb 1978, doi:10.1093/biomet/65.2.243):
a level shift, not slowing down.
`sunspots`: yearly sunspot numbers, 1700 to 2008 (SIDC): a cycle of about 11 years that neither begins nor ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from itertools import islice, repeat

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.clock import MICROSECONDS
from sentinel.simulate.models import MODELS, run

__all__ = ["DAY_US", "EPOCH_2020_US", "MODELS", "SYSTEMS", "Simulated", "run", "simulate"]

DAY_US = 86_400 * MICROSECONDS
EPOCH_2020_US = 1_577_836_800 * MICROSECONDS
MODEL_TICKS = 1_500
TICKS_TO_TIP = 1_380
"""The parameter passes its critical value here, and goes on at the same rate."""

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
_BLOCK = 256


def fold() -> tuple[float, float]:
    """Load and phosphorus at which the clear lake ceases to exist: drift and slope of the drift are zero.

    The slope is zero where 2 P = s (1 + P^2)^2; the smaller root, by bisection.
    """
    # Recycling is steepest at 1 / sqrt(3).
    low = _bisect(1 / math.sqrt(3), lambda middle: 2 * middle < LOSS * (1 + middle**2) ** 2)
    return LOSS * low - low**2 / (1 + low**2), low


def _bisect(high: float, is_below: Callable[[float], bool]) -> float:
    """Find the number between 0 and `high` up to which `is_below` is true."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return low


def loads() -> NDArray[np.float64]:
    """Load of the loaded lake at every tick, shape (LOADED_TICKS,)."""
    left = (1 - np.arange(LOADED_TICKS) / LOADED_TICKS) ** EASE
    return fold()[0] * (LOADS[1] - (LOADS[1] - LOADS[0]) * left)


def _lake_under(load: Iterator[float], seed: int) -> Iterator[float]:
    """Observe a lake once per tick, as long as there is a load."""
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
    """Phosphorus at which a clear lake under this load stays."""
    return _bisect(fold()[1], lambda middle: load - LOSS * middle + middle**2 / (1 + middle**2) > 0)


def tip_tick(values: NDArray[np.float64]) -> int | None:
    """Index of the first value from which on all are beyond `EUTROPHIC`; None if the last is not."""
    below = np.flatnonzero(~(values > EUTROPHIC))
    first = 0 if not below.size else int(below[-1]) + 1
    return first if first < values.size else None


@dataclass(frozen=True, slots=True)
class Simulated:
    """A record of a system."""

    times_us: NDArray[np.int64]
    """Shape (ticks,)."""
    values: NDArray[np.float64]
    """Shape (ticks,); NaN = missing."""
    tip_us: int | None
    """When the system lost its state for good; None if it did not."""
    cadence: str
    """As it is written in settings."""


@dataclass(frozen=True, slots=True)
class System:
    """Something that can be simulated, or a recorded series played like one."""

    values: Callable[[int], Iterator[float]]
    """Seed -> values, one per tick, the same for the same seed whatever number of them is taken; NaN = missing."""
    cadence: str
    length: int | None = None
    """Number of ticks; None = endless."""
    stamps: Callable[[], NDArray[np.int64]] | None = None
    """Recorded time stamps in microseconds; None = one per cadence from any start."""
    tip: Callable[[NDArray[np.float64]], int | None] = lambda _values: None
    """Values from the first tick on -> index of the tick at which the state was lost; None = not yet."""


def simulate(name: str, seed: int = 0, ticks: int | None = None, start_us: int = EPOCH_2020_US) -> Simulated:
    """Run one of the `SYSTEMS`.

    `ticks` is cut to the length of a system that has one; None = that length, 2,000 if it is endless. `start_us` is the
    time of the first tick; recorded series keep their own time stamps.
    """
    system = SYSTEMS[name]
    limits = [limit for limit in (ticks, system.length) if limit is not None]
    values = np.fromiter(islice(system.values(seed), min(limits, default=2_000)), dtype=np.float64)
    times_us = start_us + DAY_US * np.arange(values.size) if system.stamps is None else system.stamps()[: values.size]
    tip = system.tip(values)
    return Simulated(times_us, values, None if tip is None else int(times_us[tip]), system.cadence)


def _ar1(seed: int) -> Iterator[float]:
    """AR(1) at 0.5 with standard normal innovations, from its stationary distribution."""
    noise = np.random.default_rng(seed)
    value = float(noise.standard_normal()) / np.sqrt(0.75)
    while True:
        for knock in noise.standard_normal(_BLOCK).tolist():
            value = 0.5 * value + knock
            yield value


def _modelled(name: str, *, null: bool) -> System:
    """A model moved through its tip in 1,500 ticks, or held as long."""
    model = MODELS[name]

    def values(seed: int) -> Iterator[float]:
        return iter(_values(name, null, seed))

    def tip(seen: NDArray[np.float64]) -> int | None:
        if null:
            return None
        tick, ticks = np.arange(seen.size, dtype=np.float64)[:, None], np.array([float(TICKS_TO_TIP)])
        parameter = model.path(tick, ticks, np.array([model.first]))
        lost = model.lost(seen[:, None], parameter, tick / ticks)[:, 0]
        return int(lost.argmax()) if lost.any() else None

    return System(values, "1d", MODEL_TICKS, tip=tip)


@lru_cache(maxsize=8)
def _values(name: str, null: bool, seed: int) -> tuple[float, ...]:
    # A whole run takes up to a second, and a playback asks again after every step back.
    values, _ = run(MODELS[name], np.random.default_rng(seed), MODEL_TICKS, ticks=np.array([TICKS_TO_TIP]), null=null)
    return tuple(values[:, 0].tolist())


def _recorded(name: str, cadence: str, length: int) -> System:
    """A series of statsmodels. Cadence and length are known beforehand, so that naming it loads nothing."""

    @cache
    def load() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        # Imported here: statsmodels takes a second and 300 MB, and only the recorded series need it.
        data = import_module(f"statsmodels.datasets.{name}").load_pandas().data
        if name == "co2":
            stamps, values = data.index.to_numpy(), data["co2"]
        else:  # a column of years, then one value per year, or per month of it
            values = data.iloc[:, 1:]
            first = np.datetime64(str(int(data.iloc[0, 0])), "M" if cadence == "1mo" else "Y")
            stamps = first + np.arange(values.size)
        return stamps.astype("datetime64[us]").astype(np.int64), values.to_numpy(dtype=np.float64).ravel()

    return System(lambda _seed: iter(load()[1].tolist()), cadence, length, stamps=lambda: load()[0])


SYSTEMS: Mapping[str, System] = {
    "lake": System(lambda seed: _lake_under(iter(loads().tolist()), seed), "1d", LOADED_TICKS, tip=tip_tick),
    "lake_control": System(lambda seed: _lake_under(repeat(float(loads()[0])), seed), "1d", tip=tip_tick),
    "ar1": System(_ar1, "1d"),
    **{f"{name}{end}": _modelled(name, null=bool(end)) for name in MODELS for end in ("", "_control")},
    "co2": _recorded("co2", "7d", 2_284),
    "elnino": _recorded("elnino", "1mo", 732),
    "nile": _recorded("nile", "1y", 100),
    "sunspots": _recorded("sunspots", "1y", 309),
}
"""By name: two lakes, AR(1) at 0.5, every model and its control (the parameter held), and recorded series."""
