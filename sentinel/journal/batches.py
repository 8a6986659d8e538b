"""A batch: what one transaction of the journal added, as the engine is told at once and again on replay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FactKind: TypeAlias = Literal["settings", "operator"]
Kind: TypeAlias = Literal["observations"] | FactKind

Rows: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Time, series and value of some observations, ordered by (time, series)."""

NOTHING_WRITTEN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Committed:
    """One batch, ordered by (time, series). From `commit` and from `tail` it is bitwise the same."""

    batch: int
    """Batches are numbered 1, 2, 3, ... without a hole; -1 = there was nothing to write."""
    kind: Kind
    source: str
    """Empty for settings and operator facts."""
    arrival_us: int
    watermark_us: int | None
    series: NDArray[np.int64]
    """Ids, shape (observations,); likewise `time_us` and `value`. Only what was not known before."""
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    new_series: tuple[tuple[int, str, str], ...]
    """Id, name, source of each series seen for the first time, by id."""
    duplicates: int
    """Observations that were known with this value already."""
    revised: int
    """Observations that were known with another value: the first was kept."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """The fact itself, for settings and operator facts."""


def no_rows() -> Rows:
    """Rows of a batch without observations."""
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)


def to_json(value: object) -> str:
    """One text per value, so that texts can be compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
