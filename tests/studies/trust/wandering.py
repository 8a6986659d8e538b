"""Series whose coefficient changes while it stays at or below the threshold, or comes near it and goes back."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust.nulls import Maker, Shape, changing

Floats = NDArray[np.float64]


def up_and_down(low: float, high: float, period: int) -> Maker:
    """Maker of AR(1) whose coefficient swings between the two."""

    def make(random: Generator, shape: Shape) -> Floats:
        phase = 2.0 * np.pi * np.arange(shape[0]) / period
        rho = low + (high - low) * (1.0 - np.cos(phase)) / 2.0
        return changing(rho, random.standard_normal(shape))

    return make


def near_miss(corners: tuple[float, ...]) -> Maker:
    """Maker of AR(1) whose coefficient goes from corner to corner, all legs equally long."""

    def make(random: Generator, shape: Shape) -> Floats:
        places = np.linspace(0.0, shape[0] - 1.0, len(corners))
        rho = np.interp(np.arange(shape[0]), places, corners)
        return changing(rho, random.standard_normal(shape))

    return make
