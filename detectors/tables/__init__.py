"""The kinds of detector: one file each, with its derivation, its table and its invariants."""

from __future__ import annotations

from collections.abc import Callable

from detectors.tables.lag1 import NullDetector, lag1
from detectors.tables.level import level
from detectors.tables.scale import scale

DETECTORS: dict[str, Callable[[float, float], NullDetector]] = {
    "lag1": lag1,
}
"""Kind of null detector -> factory of (threshold, half-life in steps); `level` and `scale` have no threshold."""

__all__ = ["DETECTORS", "NullDetector", "lag1", "level", "scale"]
