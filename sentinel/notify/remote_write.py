"""Readings for a time series database: Prometheus remote write 1.0, each point at the time it is about.

So a history that is read years later stands where it belongs. VictoriaMetrics takes points of any age within its
retention; Prometheus only those that are newer than what it has of a series, unless it is told otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sentinel.config import RemoteWriteNotify
from sentinel.config.secrets import hide_query
from sentinel.domain import protobuf
from sentinel.notify.base import Answer
from sentinel.notify.http import post

HEADERS = {
    "content-type": "application/x-protobuf", "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}  # fmt: skip
_VALUE = struct.Struct("<cd")


class Points(NamedTuple):
    """Points of one series of the database, in order of time."""

    labels: Mapping[str, str]
    """The metric among them, as `__name__`; empty ones are left out."""
    time_ms: list[int]
    value: list[float]


def encode(series: Iterable[Points]) -> bytes:
    """Write a message of remote write, not yet compressed."""
    return b"".join(protobuf.write_field(1, _one(each)) for each in series)


def _one(points: Points) -> bytes:
    labels = sorted((name, text) for name, text in points.labels.items() if text)
    parts = [
        protobuf.write_field(
            1, protobuf.write_field(1, name.encode()) + protobuf.write_field(2, text.encode("utf-8", "replace"))
        )
        for name, text in labels
    ]
    for time_ms, value in zip(points.time_ms, points.value, strict=True):
        parts.append(protobuf.write_field(2, _VALUE.pack(b"\x09", value) + b"\x10" + protobuf.write_varint(time_ms)))
    return b"".join(parts)


class RemoteWriter:
    """Posts points to one address."""

    def __init__(self, settings: RemoteWriteNotify, shown_labels: Sequence[str] = ()) -> None:
        self.name, self.settings = settings.name, settings
        self.shown_labels = shown_labels
        """Labels of series that metrics show too."""

    def describe(self) -> str:
        """Say what is sent where."""
        return f"readings of series {self.settings.match} by remote write to {hide_query(self.settings.url)}"

    def send(self, series: Iterable[Points], deadline: float) -> Answer:
        """Post points at once, until the deadline; what was refused is never taken."""
        where = f"notify {self.name}"
        try:
            from cramjam import snappy
        except ImportError:
            lacks = "remote write needs the package cramjam: pip install 'sentinel-ews[push]'"
            return Answer("retry", f"{where}: {lacks}")
        body = bytes(snappy.compress_raw(encode(series)))
        return post(where, self.settings.url, body, HEADERS, self.settings, deadline)
