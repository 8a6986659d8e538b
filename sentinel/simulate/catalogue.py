"""All systems by name, and one record of any of them.

Four series are real; they come with statsmodels:
`co2`: weekly CO2 at Mauna Loa, 1958 to 2001 (trend and season; Keeling and Whorf 2004).
`elnino`: monthly sea surface temperature of El Nino, 1950 to 2010 (persistently slow; NOAA).
`nile`: yearly flow at Aswan, 1871 to 1970; the level steps down about 1899 (Cobb 1978, doi:10.1093/biomet/65.2.243):
a level shift, not slowing down.
`sunspots`: yearly sunspot numbers, 1700 to 2008 (SIDC): a cycle of about 11 years that neither begins nor ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.clock import MICROSECONDS
from sentinel.simulate.lakes import LOADED_TICKS, control_values, lake_values, tip_tick
from sentinel.simulate.models import MODELS, run

DAY_US = 86_400 * MICROSECONDS
EPOCH_2020_US = 1_577_836_800 * MICROSECONDS
MODEL_TICKS = 1_500
TICKS_TO_TIP = 1_380
"""The parameter passes its critical value here, and goes on at the same rate."""
_BLOCK = 256


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

    Parameters
    ----------
    ticks: number of ticks, cut to the length of a system that has one; None = that length, 2,000 if it is endless.
    start_us: time of the first tick; recorded series keep their own time stamps.
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
    "lake": System(lake_values, "1d", LOADED_TICKS, tip=tip_tick),
    "lake_control": System(control_values, "1d", tip=tip_tick),
    "ar1": System(_ar1, "1d"),
    **{f"{name}{end}": _modelled(name, null=bool(end)) for name in MODELS for end in ("", "_control")},
    "co2": _recorded("co2", "7d", 2_284),
    "elnino": _recorded("elnino", "1mo", 732),
    "nile": _recorded("nile", "1y", 100),
    "sunspots": _recorded("sunspots", "1y", 309),
}
"""By name: two lakes, AR(1) at 0.5, every model and its control (the parameter held), and recorded series."""
