"""Bank: many null detectors over many series, stepped as one fused recurrence.

For the pair difference `C`, its variance `V` and the reading `Z` of each series and detector,

    C <- f C + s,      V <- f^2 V + s^2,      Z = C / sqrt(V),      s = tanh(w p / 2) tanh(kappa (c - r p)).

Without a pair all three stay as they are; a reset empties C and V first. `Z` is a self-normalised martingale at the
null: near standard normal there, positive above the threshold, negative below. It is NaN until `warm_up` valid pairs
have come since the start or the last reset: *not ready* is not a number.

The kernel walks over the ticks in order, and within a tick over runs of series. One loop of vector instructions takes
the detectors of a series from the tanh to the reading: divisions and square roots then hide behind the rest. Nothing is
re-associated, so a block may be cut anywhere, bitwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from detectors.activation import tanh
from detectors.arrays import Flags, Floats, Ints
from detectors.compiled import allocating, inlined, part
from detectors.pairs import Pairs
from detectors.tables import NullDetector

_KEPT_FLOATS = 4_000_000
_RUN = 64
_PER_THREAD = 65_536  # (tick, series) pairs below which a second thread costs more than it brings


class BankState(NamedTuple):
    """Everything needed to continue, float64 and int64."""

    cell: Floats
    """Pair differences `C`, shape (series, detector)."""
    variance: Floats
    """`V`, shape (series, detector)."""
    pairs: Ints
    """Valid pairs since the start or the last reset, shape (series,)."""


class Bank:
    """Detectors that share the input weight and kappa, in ascending order of threshold; half-lives are free.

    `warm_up` valid pairs come before the first reading. `threads` share the series between them; the result does not
    depend on it.
    """

    def __init__(self, detectors: Sequence[NullDetector], *, warm_up: int = 50, threads: int = 1) -> None:
        _keep_freed_memory()
        if not detectors:
            raise ValueError("bank: no detectors; at least one is needed")
        self.detectors = tuple(detectors)
        self.thresholds = np.array([d.threshold for d in detectors])
        if np.any(np.diff(self.thresholds) <= 0):
            raise ValueError(f"bank: thresholds {self.thresholds.tolist()}; they must ascend")
        for name in ("input_weight", "kappa"):
            values = {getattr(d, name) for d in detectors}
            if len(values) > 1:
                raise ValueError(f"bank: {name} {sorted(values)}; all detectors of a bank must share it")
        if warm_up < 1:
            raise ValueError(f"bank: warm_up {warm_up}; at least 1 pair is needed")
        self.warm_up = warm_up
        self._threads = threads
        self._w = self.detectors[0].input_weight
        self._kappa = self.detectors[0].kappa
        self._slope = np.array([-d.plus.candidate.weights["past"] for d in detectors])
        self._forget = np.array([d.forgetting_factor for d in detectors])

    def __len__(self) -> int:
        """Number of detectors."""
        return len(self.detectors)

    def init(self, series: int) -> BankState:
        """Empty cells for a number of series."""
        shape = (series, len(self))
        return BankState(np.zeros(shape), np.zeros(shape), np.zeros(series, dtype=np.int64))

    def advance(self, state: BankState, pairs: Pairs) -> tuple[BankState, Floats, Floats]:
        """Take in T ticks of S series; `state`, after the tick before, is not modified.

        Gives the state after the last tick; readings `Z`, shape (tick, series, detector), in standard deviations of the
        null, NaN where not ready; increments `s` of the same shape, in [-1, 1], 0 where there is no pair.

        Raises ValueError: the number of series differs from the state's.
        """
        increments = np.empty((pairs.ticks, pairs.series, len(self)))
        return *self._advanced(state, pairs, increments), increments

    def read(self, state: BankState, pairs: Pairs) -> tuple[BankState, Floats]:
        """State and readings as `advance` gives them, without the increments: half of the memory to write."""
        return self._advanced(state, pairs, np.empty((0, pairs.series, len(self))))

    def _advanced(self, state: BankState, pairs: Pairs, increments: Floats) -> tuple[BankState, Floats]:
        if state.cell.shape != (pairs.series, len(self)):
            raise ValueError(
                f"bank: pairs of {pairs.series} series for a state of shape {state.cell.shape}; "
                f"({pairs.series}, {len(self)}) is needed"
            )
        new = BankState(state.cell.copy(), state.variance.copy(), state.pairs.copy())
        readings = np.empty((pairs.ticks, pairs.series, len(self)))

        def run(first: int, last: int) -> None:
            _advance(
                pairs.past, pairs.present, pairs.valid, pairs.reset, *new, readings, increments,
                self._w, self._kappa, self._slope, self._forget, self.warm_up, first, last,
            )  # fmt: skip

        share_series(run, pairs.series, pairs.ticks, self._threads)
        return new, readings


def _keep_freed_memory() -> None:
    """Let the allocator keep the arrays of one step for the next.

    glibc gives freed blocks of over 128 KiB back to the kernel, and a step of 10,000 series then spends three quarters
    of its time in 1,218 page faults. Freeing one large block, never touched, raises that limit for the process to
    32 MB and lets it keep up to 64 MB of free memory. Other allocators take no notice.
    """
    np.empty(_KEPT_FLOATS)


def share_series(run: Callable[[int, int], None], series: int, ticks: int, threads: int) -> None:
    """Call `run(first, last)` over slices of the series, on several threads where the block is worth it."""
    workers = max(1, min(threads, series, series * ticks // _PER_THREAD))
    if workers == 1:
        run(0, series)
        return
    edges = [series * k // workers for k in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(run, a, b) for a, b in pairwise(edges)]:
            done.result()


@allocating
def _advance(
    past: Floats, present: Floats, valid: Flags, reset: Flags,
    cell: Floats, variance: Floats, count: Ints, readings: Floats, increments: Floats,
    w: float, kappa: float, slope: Floats, forget: Floats, warm_up: int, first: int, last: int,
) -> None:  # fmt: skip
    # A row is one series at one tick. A run of rows is of many series at one tick, or of many ticks of a lone series.
    ticks, series = past.shape
    D, alone = forget.shape[0], series == 1
    past, present, valid, reset = past.reshape(-1), present.reshape(-1), valid.reshape(-1), reset.reshape(-1)
    cell, variance = cell.reshape(-1), variance.reshape(-1)
    readings, increments = readings.reshape(-1), increments.reshape(-1)
    gate, before, now, ready = np.empty(_RUN), np.empty(_RUN), np.empty(_RUN), np.empty(_RUN, np.bool_)
    unread, always = np.empty(_RUN * D), np.ones(D)
    for t in range(1 if alone else ticks):
        start, end = (0, ticks) if alone else (t * series + first, t * series + last)
        while start < end:
            n = 0
            while n < min(_RUN, end - start):
                row = start + n
                k = 0 if alone else row - t * series
                if reset[row]:
                    if alone and n > 0:
                        break  # the ticks before it come first
                    count[k] = 0
                    for j in range(k * D, (k + 1) * D):
                        cell[j] = variance[j] = 0.0
                ok = valid[row]
                count[k] += ok
                ready[n] = count[k] >= warm_up
                gate[n] = 0.5 * w * past[row] if ok else 0.0
                before[n] = past[row] if ok else 0.0
                now[n] = kappa * present[row] if ok else 0.0
                n += 1
            for i in range(n):
                gate[i] = tanh(gate[i])
            own = 0 if alone else start - t * series
            z = readings[start * D : (start + n) * D]
            s = increments[start * D : (start + n) * D] if increments.shape[0] > 0 else unread
            here, c, v = valid[start:], cell[own * D :], variance[own * D :]
            if alone:
                _along(n, here, gate, before, now, slope, forget, always, c, v, z, s)
            else:
                _across(n, here, gate, before, now, slope, forget, always, c, v, z, s)
            for i in range(n):
                if not ready[i]:
                    for j in range(i * D, (i + 1) * D):
                        z[j] = np.nan
            start += n


@inlined
def _step(
    j: int, at: int, own: int, gate: float, before: float, now: float, slope: Floats, forget: Floats,
    cell: Floats, variance: Floats, z: Floats, s: Floats,
) -> None:  # fmt: skip
    """Step detector `j`: its numbers of this row stand from `at` on, its cells from `own` on."""
    s[at + j] = gate * tanh(now - slope[j] * before)
    cell[own + j] = forget[j] * cell[own + j] + s[at + j]
    variance[own + j] = forget[j] * forget[j] * variance[own + j] + s[at + j] * s[at + j]
    z[at + j] = cell[own + j] / math.sqrt(variance[own + j])


@part
def _across(
    n: int, valid: Flags, gate: Floats, before: Floats, now: Floats, slope: Floats, forget: Floats, always: Floats,
    cell: Floats, variance: Floats, z: Floats, s: Floats,
) -> None:  # fmt: skip
    """Step `n` series by one tick; each has cells of its own."""
    D = forget.shape[0]
    for i in range(n):
        f = forget if valid[i] else always
        for j in range(D):
            _step(j, i * D, i * D, gate[i], before[i], now[i], slope, f, cell, variance, z, s)


@part
def _along(
    n: int, valid: Flags, gate: Floats, before: Floats, now: Floats, slope: Floats, forget: Floats, always: Floats,
    cell: Floats, variance: Floats, z: Floats, s: Floats,
) -> None:  # fmt: skip
    """Step the cells of one series by `n` ticks; in one loop with `_across` it would be no loop of vectors."""
    D = forget.shape[0]
    for i in range(n):
        f = forget if valid[i] else always
        for j in range(D):
            _step(j, i * D, 0, gate[i], before[i], now[i], slope, f, cell, variance, z, s)
