"""Does a line of measurements rise: slope with its interval, from means of blocks, which are nearly independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress, t

BLOCKS = 12


@dataclass(frozen=True)
class Slope:
    """Change per unit of time, and its 95 % interval."""

    per_unit: float
    low: float
    high: float

    @classmethod
    def of(cls, times: Sequence[float], values: Sequence[float]) -> Slope:
        """Fit a line to the means of 12 blocks."""
        blocks = zip(np.array_split(times, BLOCKS), np.array_split(values, BLOCKS), strict=True)
        x, y = np.array([(block.mean(), of.mean()) for block, of in blocks]).T
        line = linregress(x, y)
        half = 0.0 if np.ptp(y) == 0.0 else float(t.ppf(0.975, BLOCKS - 2)) * line.stderr
        return cls(float(line.slope), float(line.slope - half), float(line.slope + half))

    def __str__(self) -> str:
        return f"{self.per_unit:+.2f} ({self.low:+.2f} to {self.high:+.2f})"
