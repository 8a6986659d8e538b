"""Prometheus remote write 1.0: a compressed protobuf message of series with labels and points.

Only what is needed is read: `WriteRequest.timeseries`, of each its labels and its points. Histograms, exemplars and
metadata are passed over. A staleness marker is a NaN, and so a missing value.
"""

from __future__ import annotations

import struct

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.domain.protobuf import read_fields, read_varint
from sentinel.sources.base import SourceError
from sentinel.sources.labels import Names
from sentinel.sources.rows import Rows


def inflate(body: bytes, most: int) -> bytes:
    """Inflate a body of snappy's block format; DataError where it is none, or longer than `most` bytes."""
    try:
        from cramjam import DecompressionError, snappy
    except ImportError:
        # No fault of the sender, who is to keep what he has.
        raise SourceError("remote write needs the package cramjam: pip install 'sentinel-ews[push]'") from None
    try:
        size, _ = read_varint(body, 0)
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
        for number, content in read_fields(body):
            if number == 1 and isinstance(content, bytes):
                _read_series(content, rows, names)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise DataError(
            f"the body is no remote write message ({error}); protobuf of remote write 1.0 is needed"
        ) from None


def _read_series(content: bytes, rows: Rows, names: Names) -> None:
    written: list[bytes] = []
    points: list[tuple[int, float]] = []
    for number, part in read_fields(content):
        if number == 1 and isinstance(part, bytes):
            written.append(part)
        elif number == 2 and isinstance(part, bytes):
            point = dict(read_fields(part))
            value, time_ms = point.get(1, 0.0), point.get(2, 0)
            if not isinstance(value, float) or not isinstance(time_ms, int):
                raise IndexError("a point of another kind")
            points.append((time_ms - (1 << 64) if time_ms >> 63 else time_ms, value))
    name = names.recall(tuple(written), lambda: names.name(_read_labels(written))) if points else ""
    for time_ms, value in points:
        if name is None:
            rows.leave_out(Rejection.FOREIGN, len(rows), ascii(_read_labels(written))[:60])
        else:
            rows.add(name, time_ms * 1000, value, len(rows))


def _read_labels(written: list[bytes]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for part in written:
        pair = {key: text for key, text in read_fields(part) if isinstance(text, bytes)}
        labels[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
    return labels
