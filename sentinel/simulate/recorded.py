"""Recorded series that come with statsmodels, and what is known of them.

`co2`: weekly CO2 at Mauna Loa, 1958 to 2001 (trend and season; Keeling and Whorf 2004).
`elnino`: monthly sea surface temperature of El Nino, 1950 to 2010 (persistently slow; NOAA).
`nile`: yearly flow at Aswan, 1871 to 1970; the level steps down about 1899 (Cobb 1978, doi:10.1093/biomet/65.2.243):
a level shift, not slowing down.
`sunspots`: yearly sunspot numbers, 1700 to 2008 (SIDC): a cycle of about 11 years that neither begins nor ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sentinel.simulate.record import System

Stamps = NDArray[np.int64]
Values = NDArray[np.float64]


def _table(name: str) -> Any:
    # Imported here: statsmodels takes a second and 300 MB, and only the recorded series need it.
    return import_module(f"statsmodels.datasets.{name}").load_pandas().data


def _from(first: str, unit: Literal["M", "Y"], values: Values) -> tuple[Stamps, Values]:
    """Values with one stamp per calendar month or year from `first` on."""
    stamps = np.datetime64(first, unit) + np.arange(values.size)
    return stamps.astype("datetime64[us]").astype(np.int64), values


def _co2() -> tuple[Stamps, Values]:
    data = _table("co2")
    return data.index.to_numpy().astype("datetime64[us]").astype(np.int64), data["co2"].to_numpy(dtype=np.float64)


def _elnino() -> tuple[Stamps, Values]:
    data = _table("elnino")
    return _from(f"{int(data['YEAR'].iloc[0])}-01", "M", data.iloc[:, 1:].to_numpy(dtype=np.float64).ravel())


def _nile() -> tuple[Stamps, Values]:
    data = _table("nile")
    return _from(str(int(data["year"].iloc[0])), "Y", data["volume"].to_numpy(dtype=np.float64))


def _sunspots() -> tuple[Stamps, Values]:
    data = _table("sunspots")
    return _from(str(int(data["YEAR"].iloc[0])), "Y", data["SUNACTIVITY"].to_numpy(dtype=np.float64))


_LOADED = {"co2": _co2, "elnino": _elnino, "nile": _nile, "sunspots": _sunspots}
_SHAPES = {"co2": ("7d", 2_284), "elnino": ("1mo", 732), "nile": ("1y", 100), "sunspots": ("1y", 309)}
"""Cadence and length; known beforehand, so that naming a system loads nothing."""


@cache
def _record(name: str) -> tuple[Stamps, Values]:
    return _LOADED[name]()


def _system(name: str, cadence: str, length: int) -> System:
    def values(_seed: int) -> Iterator[float]:
        return iter(_record(name)[1].tolist())

    return System(values, cadence, length, stamps=lambda: _record(name)[0])


RECORDED = {name: _system(name, *shape) for name, shape in _SHAPES.items()}
"""By name."""
