"""Delays of the default alarm once a return rate is halved, and the lengths of record that it needs.

Both are measured, not derived: on AR(1) series that recover within `T` ticks (lag 1 is `exp(-1/T)`) and then, at shocks
of the same size, within `2 T`; 192 runs a number, by `python -m tests.studies.slower.halving --write`. A real series is
no AR(1): the tables say of which order a delay is, not more.
"""

from __future__ import annotations

import math

import numpy as np

RECOVERY = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Recovery times in ticks; rows of the tables."""
ALPHAS = (1e-3, 1e-4, 1e-5, 1e-6)
"""False alarms per tick; columns of the tables."""
LONGEST = 800.0
"""Recovery times for which a delay was looked for; a delay of this many is a longer one."""

# measured: begin
_DELAYS = np.array([
    [2.9e+02, 6.1e+02, 1e+03, 1.5e+03],
    [1e+02, 2.3e+02, 3.4e+02, 5.3e+02],
    [70, 1.3e+02, 2e+02, 2.9e+02],
    [48, 1.2e+02, 2e+02, 4.1e+02],
    [32, 1e+02, 2.3e+02, 4.9e+02],
    [30, 72, 1.6e+02, 3.7e+02],
    [22, 60, 1.4e+02, 3.2e+02],
    [24, 42, 1e+02, 2.3e+02],
    [22, 35, 87, 2e+02],
    [27, 30, 64, 1.4e+02],
])  # fmt: skip
_RECORDS = np.array([
    [8.4e+02, 1.5e+03, 2.9e+03, 4.8e+03],
    [3.6e+02, 5.2e+02, 9.3e+02, 1.6e+03],
    [1.9e+02, 3.1e+02, 5.1e+02, 9.2e+02],
    [1.5e+02, 3e+02, 5.5e+02, 1e+03],
    [1.1e+02, 2.8e+02, 5.6e+02, 9.9e+02],
    [83, 2.4e+02, 4.6e+02, 7.5e+02],
    [77, 1.6e+02, 3.4e+02, 7.3e+02],
    [83, 1.1e+02, 2.9e+02, 5.4e+02],
    [78, 82, 2.3e+02, 4.8e+02],
    [87, 87, 2e+02, 3.8e+02],
])  # fmt: skip
# measured: end


def delay(recovery: float, alpha: float) -> float:
    """Ticks, about, until every other series that now recovers half as fast is alarmed.

    `recovery` is the recovery time before, in ticks: from 0.5 to 256. Of `alpha`, in false alarms per tick, below 1e-6
    what holds at 1e-6 is given, above 1e-3 what holds there.
    """
    return recovery * _read(_DELAYS, recovery, alpha)


def record(recovery: float, alpha: float) -> float:
    """Ticks that a record must last, about, so that every other halving in its middle is seen before its end."""
    return recovery * _read(_RECORDS, recovery, alpha)


def _read(table: np.ndarray[tuple[int, ...], np.dtype[np.float64]], recovery: float, alpha: float) -> float:
    """Interpolate between the logarithms."""
    rows = [float(np.interp(math.log(alpha), np.log(ALPHAS[::-1]), np.log(row[::-1]))) for row in table]
    return math.exp(float(np.interp(math.log(recovery), np.log(RECOVERY), rows)))
