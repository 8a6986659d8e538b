"""How much is measured, and with which random numbers."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

SEED = 3


@dataclass(frozen=True, slots=True)
class Effort:
    """How many series of how many ticks a scenario of ordinary size has."""

    series: int
    ticks: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.ticks, self.series

    def of(self, length: float) -> tuple[int, int]:
        """Series longer by this factor, and as many fewer."""
        return round(self.ticks * length), max(2, round(self.series / length))


FULL = Effort(200, 10_000)
SHORT = Effort(20, 3_000)


def generator(name: str) -> Generator:
    """Random numbers of a scenario: the same in every run, others in every scenario."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode())])
