"""The rows of the arrays of "slower than it was", as records: the compiled recurrences read their columns by name.

A record is a view of the array's own memory. What is kept, copied and written to disk stays a plain array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import Floats
from detectors.ledger import SlowerState

Record = Any
"""One row; a compiled function may read and write its columns."""
Records = NDArray[np.void]


def _columns(kind: type[np.generic] | np.dtype[np.void], names: str) -> np.dtype[np.void]:
    return np.dtype([(name, kind) for name in names.split()])


SUMS = _columns(np.float64, "n a p q")
"""Of a stretch of pairs: their number, and sums of past x present, past^2 and present^2."""
STAGES = _columns(SUMS, "first second")
"""Of the pairs, and of those of the second stage."""
_PRODUCTS = _columns(np.float64, "a p")
_SCALES = {
    "kept": _columns(np.float64, "value jump"),
    "spikes": _columns(np.int64, "jumps in_a_row"),
    "numbers": _columns(np.float64, "level slope variance last earlier"),
    "counts": _columns(np.int64, "filled points missing"),
}
_SLOWER = {
    "lag1": _PRODUCTS,
    "excursion": _columns(np.float64, "age side stake length"),
    "block": np.dtype([("first", SUMS), ("second", SUMS), ("above", _PRODUCTS)]),
    "segment": STAGES,
    "queue": STAGES,
    "baseline": STAGES,
    "variance": _columns(np.float64, "sum pairs squares number"),
    "sides": _columns(np.float64, "above below"),
}


def blank(name: str, shape: tuple[int, ...]) -> Floats:
    """A table of "slower than it was" with nothing in it: an axis of its columns behind the others."""
    return np.zeros((*shape, _SLOWER[name].itemsize // 8))


def as_record(name: str, table: Floats) -> Records:
    """The same table, in the same memory; its last axis has become the columns of a record."""
    found: Records = _view(table, _SLOWER[name])
    return found


def as_records(state: SlowerState) -> SlowerState:
    """The same state, in the same memory, with all its tables as records."""
    scales = {name: _view(getattr(state.scales, name), columns) for name, columns in _SCALES.items()}
    tables = {name: _view(getattr(state, name), columns) for name, columns in _SLOWER.items()}
    return state._replace(**tables, scales=state.scales._replace(**scales))


def _view(table: NDArray[Any], columns: np.dtype[np.void]) -> Any:
    return table.view(columns).reshape(table.shape[:-1])
