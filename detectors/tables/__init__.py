"""The kinds of detector: one file each, with its derivation, its table and its invariants."""

from __future__ import annotations

from collections.abc import Callable

from detectors.tables.lag1 import NullDetector, lag1

DETECTORS: dict[str, Callable[[float, float], NullDetector]] = {
    "lag1": lag1,
}
"""Kind -> factory of (threshold, half-life in steps)."""

__all__ = ["DETECTORS", "NullDetector", "lag1"]
