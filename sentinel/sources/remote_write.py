"""Prometheus remote write 1.0: a compressed protobuf message of series with labels and points.

Only what is needed is read: `WriteRequest.timeseries`, of each its labels and its points. Histograms, exemplars and
metadata are passed over. A staleness marker is a NaN, and so a missing value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.sources.base import SourceError
from sentinel.sources.labels import Names
from sentinel.sources.rows import Rows

_DOUBLE = struct.Struct("<d")


def inflate(body: bytes, most: int) -> bytes:
    """Inflate a body of snappy's block format; DataError where it is none, or longer than `most` bytes."""
    try:
        from cramjam import DecompressionError, snappy
    except ImportError:
        # No fault of the sender, who is to keep what he has.
        raise SourceError("remote write needs the package cramjam: pip install 'sentinel-ews[push]'") from None
    try:
        size, _ = _varint(body, 0)
        if size > most:
            raise DataError(
                f"{size:,} bytes when inflated; at most {most:,} are allowed; set max_samples_per_send lower"
            )
        return bytes(snappy.decompress_raw(body))
    except (IndexError, DecompressionError):
        raise DataError("the body is no snappy block; remote write 1.0 is compressed so") from None


def read_write_request(body: bytes, rows: Rows, names: Names) -> None:
    """Read a decompressed message; DataError where it is none, and then nothing of it counts."""
    try:
        for number, content in _fields(body):
            if number == 1 and isinstance(content, bytes):
                _read_series(content, rows, names)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise DataError(
            f"the body is no remote write message ({error}); protobuf of remote write 1.0 is needed"
        ) from None


def _read_series(content: bytes, rows: Rows, names: Names) -> None:
    labels: dict[str, str] = {}
    points: list[tuple[int, float]] = []
    for number, part in _fields(content):
        if number == 1 and isinstance(part, bytes):
            pair = {key: text for key, text in _fields(part) if isinstance(text, bytes)}
            labels[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
        elif number == 2 and isinstance(part, bytes):
            point = dict(_fields(part))
            value, time_ms = point.get(1, 0.0), point.get(2, 0)
            if not isinstance(value, float) or not isinstance(time_ms, int):
                raise IndexError("a point of another kind")
            points.append((time_ms - (1 << 64) if time_ms >> 63 else time_ms, value))
    name = names.name(labels) if points else ""
    for time_ms, value in points:
        if name is None:
            rows.leave_out(Rejection.FOREIGN, len(rows), ascii(labels)[:60])
        else:
            rows.add(name, time_ms * 1000, value, len(rows))


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Fields of a protobuf message: number and content. IndexError where it is cut off or none."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        kind, number = tag & 7, tag >> 3
        if kind == 0:
            content, at = _varint(data, at)
            yield number, content
        elif kind == 1:
            yield number, float(_DOUBLE.unpack_from(data, at)[0])
            at += 8
        elif kind in (2, 5):
            size, at = _varint(data, at) if kind == 2 else (4, at)
            if at + size > end:
                raise IndexError("cut off")
            yield number, data[at : at + size]
            at += size
        else:
            raise IndexError(f"wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise IndexError("a number of more than 64 bits")
