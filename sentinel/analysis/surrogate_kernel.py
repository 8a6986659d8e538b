"""The recurrences of surrogates, over (tick, record): each step is one vector of all records."""

from __future__ import annotations

import math

import numpy as np

from detectors.compiled import allocating, part
from sentinel.pipeline.arrays import Flags, Floats, Ints


@allocating
def run_arma(shocks: Floats, past: Floats, later: Floats) -> Floats:
    """Give the ARMA process of these shocks (tick, record); `past` weighs its own values, `later` the shocks before."""
    ticks, records = shocks.shape
    values = np.empty_like(shocks)
    for tick in range(ticks):
        for record in range(records):
            values[tick, record] = shocks[tick, record]
        for lag in range(1, min(later.size, tick) + 1):
            for record in range(records):
                values[tick, record] += later[lag - 1] * shocks[tick - lag, record]
        for lag in range(1, min(past.size, tick) + 1):
            for record in range(records):
                values[tick, record] += past[lag - 1] * values[tick - lag, record]
    return values


@allocating
def find_taus(records: Floats, there: Flags, firsts: Ints, ends: Ints) -> Floats:
    """Give Kendall's tau of lag 1 and of variance (2, record) over windows from `firsts` to before `ends`, in order.

    `records` are (tick, record); `there` says at which ticks all of them have a value.
    """
    number, windows = records.shape[1], ends.size
    sums, counts = _sum_windows(records, there, firsts, ends)
    readings = np.empty((2, windows, number))
    for window in range(windows):
        for at in range(number):
            scale = max(sums[1, window, at] * sums[2, window, at], 2.2250738585072014e-308)
            readings[0, window, at] = sums[3, window, at] / math.sqrt(scale)
            readings[1, window, at] = sums[0, window, at] / counts[window]
    rises = np.zeros((2, number))
    for indicator in range(2):
        for later in range(1, windows):
            for earlier in range(later):
                for at in range(number):
                    one, other = readings[indicator, earlier, at], readings[indicator, later, at]
                    rises[indicator, at] += (1.0 if other > one else 0.0) - (1.0 if other < one else 0.0)
    for indicator in range(2):
        for at in range(number):
            rises[indicator, at] *= 2.0 / (windows * (windows - 1))
    return rises


@part
def _sum_windows(records: Floats, there: Flags, firsts: Ints, ends: Ints) -> tuple[Floats, Floats]:
    """Sum over each window the squares and, of pairs of neighbours, past, present and product; and count its values."""
    ticks, number = records.shape
    windows = ends.size
    total, sums = np.zeros((4, number)), np.zeros((4, windows, number))
    count, counts = 0, np.zeros(windows)
    begun, paired, ended = 0, 0, 0
    for tick in range(ticks + 1):
        while begun < windows and firsts[begun] == tick:
            _add(sums, begun, total, 0, 1, -1.0)
            counts[begun] -= count
            begun += 1
        while paired < windows and firsts[paired] + 1 == tick:  # a window of n values has n - 1 pairs
            _add(sums, paired, total, 1, 4, -1.0)
            paired += 1
        while ended < windows and ends[ended] == tick:
            _add(sums, ended, total, 0, 4, 1.0)
            counts[ended] += count
            ended += 1
        if tick < ticks and there[tick]:
            count += 1
            _take_in(total, records, tick, tick > 0 and there[tick - 1])
    return sums, counts


@part
def _add(sums: Floats, window: int, total: Floats, first: int, beyond: int, sign: float) -> None:
    for kind in range(first, beyond):
        for at in range(total.shape[1]):
            sums[kind, window, at] += sign * total[kind, at]


@part
def _take_in(total: Floats, records: Floats, tick: int, pair: bool) -> None:
    for at in range(total.shape[1]):
        present = records[tick, at]
        total[0, at] += present * present
        if pair:
            past = records[tick - 1, at]
            total[1, at] += past * past
            total[2, at] += present * present
            total[3, at] += past * present
