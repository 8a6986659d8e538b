"""The readers of what strangers send, as functions of bytes that say whether they were taken, left out or refused.

`run.py` looks for bytes that end in anything else, or are read as something that they do not say; those that once did
are in `corpus/`, which the fast tests read.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from sentinel.client import Answer
from sentinel.commands.inspect import describe_file
from sentinel.config import HttpSource, Settings
from sentinel.domain.errors import DataError, SentinelError
from sentinel.sources.answers import AnswerReader
from sentinel.sources.bodies import read_csv, read_json, read_lines, read_ndjson
from sentinel.sources.labels import Names
from sentinel.sources.positions import TableLayout
from sentinel.sources.remote_write import inflate, read_write_request
from sentinel.sources.rows import Rows
from sentinel.sources.sparkplug import Nodes
from sentinel.tables import TableOptions
from tests.sources.edge_node import DOUBLE, INT32, INT64, metric, payload
from tests.sources.following import assert_frame, through_json
from tests.sources.test_mqtt_source import Given, messages
from tests.sources.test_push_source import write_request
from tests.studies.fuzz.protobuf import WriteRequest

NOW_US = 1_700_000_000_000_000


class Outcome(IntEnum):
    """The best that became of some bytes, read in several ways."""

    EMPTY = 0
    REFUSED = 1
    LEFT_OUT = 2
    TAKEN = 3


Reader = Callable[[bytes], Outcome]


def _sound(read: Callable[[Rows], None]) -> Outcome:
    """Read into rows; they keep their promises whatever came."""
    return _read_soundly(read)[0]


def _read_soundly(read: Callable[[Rows], None]) -> tuple[Outcome, Rows]:
    rows, refused = Rows(NOW_US), False
    try:
        read(rows)
    except DataError:
        refused = True
    frame = rows.frame("s", {}, NOW_US)
    assert_frame(frame, "s")
    assert all(line.isprintable() for line in frame.complaints)
    if refused:
        return Outcome.REFUSED, rows
    return (Outcome.TAKEN if len(rows) else Outcome.LEFT_OUT if rows.rejected else Outcome.EMPTY), rows


def _told(rows: Rows) -> list[tuple[object, ...]]:
    return list(rows.frame("s", {}, NOW_US).observations.iter_rows())


def line_protocol(data: bytes) -> Outcome:
    text = data.decode(errors="replace")
    outcome, rows = _read_soundly(lambda rows: read_lines(text, rows, Names(None), NOW_US, "ns"))
    _, around = _read_soundly(lambda rows: read_lines(f"m v=1\n{text}\nm v=2", rows, Names(None), NOW_US, "ns"))
    apart = '"' in text or text.endswith("\\")  # a text that is open, or a line break that is escaped, goes on
    assert apart or len(around) == len(rows) + 2, "lines before and after change what a line says"
    return max(outcome, _sound(lambda rows: read_lines(text, rows, Names(None), NOW_US, "s")))


def remote_write(data: bytes) -> Outcome:
    outcome, rows = _read_soundly(lambda rows: read_write_request(data, rows, Names(None)))
    if outcome is not Outcome.REFUSED and (wanted := _as_google_reads(data)) is not None:
        assert (_told(rows), rows.rejected) == (_told(wanted), wanted.rejected), "protobuf reads something else"
    return max(outcome, _sound(lambda rows: read_write_request(inflate(data, 1 << 20), rows, Names("{__name__}"))))


def _as_google_reads(data: bytes) -> Rows | None:
    """Read a message of remote write with protobuf; None where that refuses it."""
    try:
        message = WriteRequest.FromString(data)
    except DecodeError:
        return None
    rows, names = Rows(NOW_US), Names(None)
    for one in message.timeseries:
        if one.samples:
            name = names.name({label.name: label.value for label in one.labels})
            for point in one.samples:
                rows.add(name, point.timestamp * 1_000, point.value, 0)
    return rows


def bodies(data: bytes) -> Outcome:
    text, found = data.decode(errors="replace"), []
    for read in (read_json, read_ndjson, read_csv):
        outcome, rows = _read_soundly(lambda rows, read=read: read(text, rows, "s"))
        if read is read_json and len(rows):
            said = list(_objects(json.loads(text)))
            for series, value in zip(rows._series, rows._value, strict=True):
                assert any(one.get("series") == series and _is(one.get("value"), value) for one in said), series
        found.append(outcome)
    return max(found)


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(one)


def _is(said: object, value: float) -> bool:
    return isinstance(said, str | int | float) and not isinstance(said, bool) and float(said) == value


def mqtt(data: bytes) -> Outcome:
    topic, _, body = data.partition(b"\n")
    name, found = topic.decode(errors="replace"), []
    for keys in ({}, {"values": ["*"]}, {"values": ["a.b", "0"], "time": "t", "time_format": "seconds"}):
        source = messages(**keys)
        outcome, rows = _read_soundly(lambda rows, source=source: source._read(Given(body, topic=name), NOW_US, rows))
        if not keys and len(rows):
            assert rows._value == [float(body)], "another number"
        found.append(outcome)
    return max(found)


def sparkplug(data: bytes) -> Outcome:
    topic, _, body = data.partition(b"\n")
    nodes = Nodes(None, (), {})
    _sound(lambda rows: nodes.read("spBv1.0/g/NBIRTH/e", _BIRTH, rows))
    found = [_sound(lambda rows: nodes.read(topic.decode(errors="replace"), body, rows)) for _ in range(2)]
    Nodes(None, (), through_json(nodes.to_json()))
    list(nodes.requests())
    return max(found)


def answers(data: bytes) -> Outcome:
    keys, outcome = {"kind": "http", "name": "a", "url": "http://h/a"}, Outcome.REFUSED
    for more in ({}, {"format": "json", "records": "data", "next": "links"}):
        reader = AnswerReader(HttpSource.model_validate(keys | more))
        kind = {"content-type": "application/json" if data[:1] in (b"[", b"{") else "text/csv", "content-length": "1"}
        layout = TableLayout()
        for _ in range(2):  # and once more in the way that was learnt
            with contextlib.suppress(SentinelError):
                page = reader.read(Answer(200, kind, data, "http://h/a"), layout)
                layout = TableLayout.of(*json.loads(json.dumps(page.layout.to_json())))
                outcome = Outcome.TAKEN
    return outcome


def inspect(data: bytes) -> Outcome:
    outcome = Outcome.REFUSED
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("csv", "ndjson", "json"):
            path = Path(folder) / f"a.{ending}"
            path.write_bytes(data)
            with contextlib.suppress(DataError):
                list(describe_file(path, TableOptions(), Settings()))
                outcome = Outcome.TAKEN
    return outcome


_BIRTH = payload(NOW_US // 1_000, 0, metric(INT64, 4, name="bdSeq"), metric(DOUBLE, 1.5, name="oxygen", alias=1))
_TABLE = b"time,lake,ph,note\n2026-01-01T00:00Z,peter,7.5,calm\n2026-01-01T01:00Z,paul,NA,ice\n"
_ROWS = [{"time": "2026-01-01T00:00:00Z", "series": "a", "value": 1.5}, {"time": 5, "a": {"b": [1, None]}}]
_POINTS = write_request(({"__name__": "up", "a": "b"}, [(1_700_000_000_000, 2.0)]), ({"a": "ü"}, [(1, float("nan"))]))
READERS: Mapping[str, tuple[Reader, tuple[bytes, ...]]] = {
    "line_protocol": (line_protocol, (
        b'lake,site=a\\ b ph=8.1,t=3i,note="x \\" y" 1700000000\n# c\nlake ph=1u,b=true\n', b"a b=1 1\n\n,=\n")),
    "remote_write": (remote_write, (_POINTS, inflate(_POINTS, 1_000))),
    "bodies": (bodies, (json.dumps(_ROWS).encode(), b"time,series,value\n5,a,1\n", b"time,a,b\n2026-01-01,1,\n")),
    "mqtt": (mqtt, (b"lakes/a\n8.1", b'lakes/a\n{"a": {"b": 1.5}, "t": 1700000000}', b"x\n[1, [2, {}], null]")),
    "sparkplug": (sparkplug, (
        b"spBv1.0/g/NDATA/e\n" + payload(NOW_US // 1_000, 1, metric(None, 9.0, alias=1)),
        b"spBv1.0/g/DBIRTH/e/d\n" + payload(1, 1, metric(INT32, -7, name="t", alias=3), metric(INT32, None, name="n")),
        b"spBv1.0/g/NDEATH/e\n" + payload(1, None, metric(INT64, 4, name="bdSeq")))),
    "answers": (answers, (_TABLE, json.dumps(_ROWS).encode(), json.dumps({"data": _ROWS, "links": []}).encode())),
    "inspect": (inspect, (_TABLE, json.dumps(_ROWS[:1]).encode(), b"date;pH\n31.12.2025;7,5\n01.01.2026;7,6\n")),
}  # fmt: skip
"""By name: the reader, and what it reads well, from which the search begins."""


def corpus() -> list[tuple[str, bytes]]:
    """Give what once ended in another way, by the name of the reader."""
    found: list[Any] = sorted((Path(__file__).parent / "corpus").glob("*/*"))
    return [(path.parent.name, path.read_bytes()) for path in found]
