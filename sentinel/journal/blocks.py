"""The observations of one batch as bytes: a few per observation instead of a row of a table.

Times and series are kept as differences, values that are decimal numbers as whole ones. What is read back is bitwise
what was written. A sum over the bytes tells a block that was damaged.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Time, series and value of some observations, ordered by (time, series)."""
NO_ROWS: Rows = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)

_HEAD = struct.Struct("<IBBIqI3B")
"""Sum over the rest, format, decimals, observations, first time, bytes of the compressed keys, width of each column."""
_FORMAT = 1
_NO_DECIMALS = 255
_MOST_DECIMALS = 6
_FEW = 16
"""Observations below which saving bytes costs more than it is worth."""
_LOOKED_AT = 16
"""Values by which it is guessed how many decimals all have."""
_WIDTHS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
_LARGEST = 2**53


def pack(rows: Rows) -> bytes:
    """Write observations, at least one, as bytes."""
    time, series, value = rows
    times, ids = _narrow(np.diff(time)), _narrow(np.diff(series, prepend=0))
    decimals = _count_decimals(value) if len(value) >= _FEW else _NO_DECIMALS
    values: NDArray[Any] = value
    if decimals != _NO_DECIMALS:
        values = _narrow(np.rint(value * 10.0**decimals).astype(np.int64))
    keys = times.tobytes() + ids.tobytes()
    size = 0
    if len(time) >= _FEW and len(packed := zlib.compress(keys, 1)) < len(keys):
        keys, size = packed, len(packed)
    widths = times.itemsize, ids.itemsize, values.itemsize
    head = _HEAD.pack(0, _FORMAT, decimals, len(time), int(time[0]), size, *widths)
    data = head[4:] + keys + values.tobytes()
    return zlib.crc32(data).to_bytes(4, "little") + data


def unpack(data: bytes) -> Rows | None:
    """Read what `pack` wrote; None where the bytes are not whole."""
    if len(data) < _HEAD.size or zlib.crc32(memoryview(data)[4:]) != int.from_bytes(data[:4], "little"):
        return None
    _, form, decimals, count, first, size, *widths = _HEAD.unpack_from(data)
    if form != _FORMAT:
        return None
    wide_time, wide_series, wide_value = widths
    length = wide_time * (count - 1) + wide_series * count
    keys = data[_HEAD.size : _HEAD.size + (size or length)]
    if size:
        keys = zlib.decompress(keys)
    time, series = np.empty(count, np.int64), np.empty(count, np.int64)
    time[0] = first
    time[1:] = np.frombuffer(keys, _WIDTHS[wide_time], count - 1)
    series[:] = np.frombuffer(keys, _WIDTHS[wide_series], count, wide_time * (count - 1))
    begin = _HEAD.size + (size or length)
    if decimals == _NO_DECIMALS:
        value = np.frombuffer(data, np.float64, count, begin).copy()
    else:
        value = np.frombuffer(data, _WIDTHS[wide_value], count, begin).astype(np.float64) / 10.0**decimals
    return np.cumsum(time, out=time), np.cumsum(series, out=series), value


def _narrow(numbers: NDArray[np.int64]) -> NDArray[Any]:
    """Whole numbers in as few bytes as hold all of them."""
    lowest, highest = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    for width, dtype in _WIDTHS.items():
        if -(1 << (8 * width - 1)) <= lowest and highest < 1 << (8 * width - 1):
            return numbers.astype(dtype)
    raise AssertionError("64 bits hold every number of 64 bits")


def _count_decimals(value: NDArray[np.float64]) -> int:
    """Fewest decimals with which all values can be written and read back bitwise."""
    for some in (value[:_LOOKED_AT], value):
        found = next((n for n in range(_MOST_DECIMALS + 1) if _has_decimals(some, n)), _NO_DECIMALS)
        if found == _NO_DECIMALS:
            break
    return found


def _has_decimals(value: NDArray[np.float64], decimals: int) -> bool:
    with np.errstate(over="ignore"):
        whole = np.rint(value * 10.0**decimals)
    return bool(np.abs(whole).max() < _LARGEST) and np.array_equal(whole / 10.0**decimals, value)
