"""Counts of what happened, kept by whoever it happened to and read by the exposition.

A tally is the only thing that several threads write: each operation is one short critical section on plain numbers.
Names and labels are those of the metrics table in `exposition.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from threading import Lock
from typing import TypeAlias

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Tally:
    """Counters, gauges and histograms of durations, by metric name and labels."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: dict[Key, float] = {}
        self._histograms: dict[Key, tuple[list[int], float]] = {}

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Count `amount` more; `add(name, 0, **labels)` makes a counter visible before it first counts."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            self._numbers[key] = self._numbers.get(key, 0.0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        with self._lock:
            self._numbers[(name, tuple(sorted(labels.items())))] = float(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Enter one duration into a histogram."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            counts, total = self._histograms.get(key, ([0] * (len(BUCKETS_SECONDS) + 1), 0.0))
            counts[bisect_left(BUCKETS_SECONDS, seconds)] += 1
            self._histograms[key] = (counts, total + seconds)

    def get(self, name: str, **labels: str) -> float:
        """The present value of a counter or gauge; 0 if it was never touched."""
        with self._lock:
            return self._numbers.get((name, tuple(sorted(labels.items()))), 0.0)

    def numbers(self) -> dict[Key, float]:
        """A copy of all counters and gauges."""
        with self._lock:
            return dict(self._numbers)

    def histograms(self) -> dict[Key, tuple[tuple[int, ...], float]]:
        """A copy of all histograms: count per bucket (not cumulative, last is +Inf) and the sum of seconds."""
        with self._lock:
            return {key: (tuple(counts), total) for key, (counts, total) in self._histograms.items()}
