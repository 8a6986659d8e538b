"""Sparkplug B: what edge nodes and their devices say of themselves, over MQTT.

A *birth certificate* names the metrics of a node or a device, each with a type and mostly a number (*alias*); later
messages have the alias alone. All messages of a node are numbered from 0 to 255 and round again. Where a number is
missing, what an alias means is not sure any more: such values are left out, and the node is asked to be born again.
A death certificate ends a node or a device: its series are missing from then on, not zero.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from sentinel.domain.observation import Rejection
from sentinel.domain.protobuf import read_fields, write_field
from sentinel.sources.labels import Names
from sentinel.sources.rows import Rows, microseconds_of

NAMESPACE = "spBv1.0"
REMEMBERED = 1_000
"""Metrics of which the cursor keeps the names; nodes with more are asked again after a restart."""
REBIRTH_SECONDS = 30.0
"""A node is asked once in so many seconds."""
_CONTROL = ("Node Control/", "Device Control/")
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Data types that are signed whole numbers, and their bits."""
_UNSIGNED = (5, 6, 7, 8)
_FLOATS = (9, 10)
_BOOLEAN = 11
NAME, ALIAS, TIME, TYPE, IS_NULL, INT, LONG, FLOAT, DOUBLE, BOOLEAN = 1, 2, 3, 4, 7, 10, 11, 12, 13, 14


@dataclass(slots=True)
class _Node:
    sequence: int | None = None
    """Number of its last message; None = what its aliases mean is not sure."""
    metrics: dict[str, dict[str, int]] = field(default_factory=dict)
    """By device (empty: the node itself) and name: data type."""
    aliases: dict[str, dict[int, str]] = field(default_factory=dict)
    """By device and alias: name."""
    birth: int | None = None
    """Number of its birth, which its death certificate repeats."""
    asked: float | None = None

    @property
    def may_be_asked(self) -> bool:
        """It was not asked to be born again lately."""
        return self.asked is None or monotonic() - self.asked >= REBIRTH_SECONDS

    @classmethod
    def of(
        cls, sequence: int, metrics: dict[str, dict[str, int]], aliases: dict[str, dict[str, str]], birth: int | None
    ) -> _Node:
        """Read what `to_json` wrote."""
        numbered = {device: {int(alias): name for alias, name in found.items()} for device, found in aliases.items()}
        return cls(sequence, metrics, numbered, birth)

    def to_json(self) -> list[object]:
        """Write what is needed to go on."""
        aliases = {
            device: {str(alias): name for alias, name in found.items()} for device, found in self.aliases.items()
        }
        return [self.sequence, self.metrics, aliases, self.birth]


class Nodes:
    """All edge nodes of a source. `wanted` are the names of metrics that are taken; none = all numbers."""

    def __init__(
        self, template: str | None, wanted: tuple[str, ...], known: Mapping[str, Any], labels: Mapping[str, str] = {}
    ) -> None:
        self._names, self._wanted = Names(template or "{path}/{metric}", labels=labels), frozenset(wanted)
        self._nodes = {key: _Node.of(*written) for key, written in known.items()}
        self._to_ask: set[str] = set()

    def to_json(self) -> dict[str, object]:
        """Write what the cursor keeps."""
        left = REMEMBERED
        written: dict[str, object] = {}
        for key, node in self._nodes.items():
            left -= sum(map(len, node.metrics.values()))
            if left >= 0 and node.sequence is not None:
                written[key] = node.to_json()
        return written

    def requests(self) -> Iterator[tuple[str, bytes]]:
        """Give topics and payloads that ask nodes for their birth certificates."""
        for key in sorted(self._to_ask):
            node = self._nodes[key]
            if node.may_be_asked:
                node.asked = monotonic()
                group, name = key.split("/")
                yield f"{NAMESPACE}/{group}/NCMD/{name}", _REBIRTH
        self._to_ask.clear()

    def _ask(self, key: str, why: str, rows: Rows) -> None:
        """Have a node be asked to be born again; it is said once."""
        self._to_ask.add(key)
        if self._nodes[key].may_be_asked:
            rows.remark(f"{key!a}: {why}; it is asked to be born again")

    def read(self, topic: str, payload: bytes, rows: Rows, *, again: bool = False) -> None:
        """Take what one message says; `again` if it may have come before."""
        place, levels = len(rows), topic.split("/")
        if levels[0] != NAMESPACE or len(levels) not in (4, 5) or levels[2] in ("NCMD", "DCMD", "STATE"):
            return  # commands, and who listens, are no data
        key, kind, device = f"{levels[1]}/{levels[3]}", levels[2], "/".join(levels[4:])
        if kind[1:] not in ("BIRTH", "DATA", "DEATH") or kind[0] != ("D" if device else "N"):
            rows.leave_out(Rejection.MALFORMED_ROW, place, f"{ascii(topic)[:60]}: no topic of Sparkplug B")
            return
        try:
            message = _Message(payload)
        except (IndexError, struct.error, UnicodeDecodeError, TypeError):
            rows.leave_out(Rejection.MALFORMED_ROW, place, f"{ascii(topic)[:60]}: no payload of Sparkplug B")
            return
        node = self._nodes.setdefault(key, _Node())
        birth = next((one.get(LONG, one.get(INT)) for one in message.metrics if one.get(NAME) == "bdSeq"), None)
        if kind == "NDEATH":
            if None not in (birth, node.birth) and birth != node.birth:
                return  # of a connection before this one, told late
            self._nodes[key] = _Node(asked=node.asked)
            rows.remark(f"{key!a}: died; its series are missing until it is born again")
            return
        if kind == "NBIRTH":
            self._nodes[key] = node = _Node(message.sequence, birth=birth)
        elif not _follows(node, message.sequence, again=again):
            self._ask(key, f"something was missed before message {message.sequence}", rows)
        if kind == "DDEATH":
            node.metrics.pop(device, None)
            node.aliases.pop(device, None)
            rows.remark(f"{topic!a}: died; its series are missing until it is born again")
            return
        if kind in ("NBIRTH", "DBIRTH"):
            node.metrics[device], node.aliases[device] = {}, {}
            for metric in message.metrics:
                _learn(metric, node.metrics[device], node.aliases[device])
        for metric in message.metrics:
            self._take(metric, message, node, key, device, rows)

    def _take(self, metric: dict[int, Any], message: _Message, node: _Node, key: str, device: str, rows: Rows) -> None:
        place, name, kind = len(rows), metric.get(NAME), metric.get(TYPE)
        if name is None and node.sequence is not None:
            name = node.aliases.get(device, {}).get(metric.get(ALIAS, -1))
        if name is not None and kind is None and node.sequence is not None:
            kind = node.metrics.get(device, {}).get(name)
        if name is None or (kind is None and {INT, LONG} & metric.keys()):
            self._to_ask.add(key)
            what = f"alias {metric.get(ALIAS)}" if name is None else f"{ascii(name)[:40]} without its type"
            rows.leave_out(Rejection.NO_SERIES, place, f"{ascii(key)[:40]}: {what}; no birth certificate tells it")
            return
        if name == "bdSeq" or name.startswith(_CONTROL) or (self._wanted and name not in self._wanted):
            return
        is_number = kind in (*_SIGNED, *_UNSIGNED, *_FLOATS) or (kind is None and {FLOAT, DOUBLE} & metric.keys())
        if not is_number:
            if self._wanted:
                rows.leave_out(Rejection.NOT_A_NUMBER, place, f"{ascii(name)[:40]} of data type {kind}")
            return
        group, edge = key.split("/")
        path = f"{key}/{device}" if device else key
        series = self._names.name({"path": path, "group": group, "node": edge, "device": device, "metric": name})
        if series is None:
            rows.leave_out(Rejection.FOREIGN, place, ascii(f"{path}/{name}")[:60])
            return
        time_us = microseconds_of(metric.get(TIME, message.time), "milliseconds")
        rows.add(series, time_us, None if metric.get(IS_NULL) else _value(metric, kind), place)


def _follows(node: _Node, sequence: int | None, *, again: bool) -> bool:
    """Note the number of a message; false where it does not follow the last one."""
    if node.sequence is None:
        return False
    if sequence == (node.sequence + 1) % 256:
        node.sequence = sequence
    elif not again and sequence != node.sequence:  # the same number: the broker had not heard that it was taken
        node.sequence = None
    return node.sequence is not None


class _Message:
    def __init__(self, payload: bytes) -> None:
        self.metrics: list[dict[int, Any]] = []
        self.time: int | None = None
        self.sequence: int | None = None
        for number, content in read_fields(payload):
            if number == 2 and isinstance(content, bytes):
                self.metrics.append(_read_metric(content))
            elif number in (1, 3) and isinstance(content, int):
                self.time, self.sequence = (content, self.sequence) if number == 1 else (self.time, content)


def _read_metric(content: bytes) -> dict[int, Any]:
    """Give the fields of a metric; TypeError where one is of another type than it has to be."""
    metric: dict[int, Any] = dict(read_fields(content))
    wanted = {NAME: bytes, FLOAT: bytes, DOUBLE: float} | dict.fromkeys((ALIAS, TIME, TYPE, IS_NULL, INT, LONG), int)
    for number, kind in wanted.items():
        if number in metric and not isinstance(metric[number], kind):
            raise TypeError(number)
    if NAME in metric:
        metric[NAME] = metric[NAME].decode()
    if FLOAT in metric:
        (metric[FLOAT],) = struct.unpack("<f", metric[FLOAT])
    return metric


def _learn(metric: dict[int, Any], metrics: dict[str, int], aliases: dict[int, str]) -> None:
    """Learn name, alias and data type from a birth certificate."""
    if NAME in metric:
        if TYPE in metric:
            metrics[metric[NAME]] = metric[TYPE]
        if ALIAS in metric:
            aliases[metric[ALIAS]] = metric[NAME]


def _value(metric: dict[int, Any], kind: int | None) -> float | int | None:
    """Give the value of a metric; a negative whole number comes as a large one."""
    value: float | int | None = next((metric[one] for one in (INT, LONG, FLOAT, DOUBLE) if one in metric), None)
    if isinstance(value, int) and kind in _SIGNED:
        value &= (1 << _SIGNED[kind]) - 1
        return value - (1 << _SIGNED[kind]) if value >> (_SIGNED[kind] - 1) else value
    return value


_REBIRTH = write_field(
    2, write_field(NAME, b"Node Control/Rebirth") + write_field(TYPE, _BOOLEAN) + write_field(BOOLEAN, 1)
)
