"""All systems by name, and one record of any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sentinel.simulate.forcing import run
from sentinel.simulate.lakes import LAKES
from sentinel.simulate.models import MODELS
from sentinel.simulate.record import DAY_US, EPOCH_2020_US, Simulated, System
from sentinel.simulate.recorded import RECORDED

MODEL_TICKS = 1_500
TICKS_TO_TIP = 1_380
"""The parameter passes its critical value here, and goes on at the same rate."""
_BLOCK = 256


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


SYSTEMS: Mapping[str, System] = {
    **LAKES,
    "ar1": System(_ar1, "1d"),
    **{f"{name}{end}": _modelled(name, null=bool(end)) for name in MODELS for end in ("", "_control")},
    **RECORDED,
}
"""By name: two lakes, AR(1) at 0.5, every model and its control (the parameter held), and recorded series."""
