"""The readers of what strangers send, each as a function of bytes that must take, count or refuse them.

`run.py` looks for bytes that end in anything else; those that once did are in `corpus/`, which the fast tests read.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sentinel.client import Answer
from sentinel.commands.inspect import describe_file
from sentinel.config import HttpSource, Settings
from sentinel.domain.errors import DataError, SentinelError
from sentinel.sources.answers import AnswerReader
from sentinel.sources.bodies import read_csv, read_json, read_ndjson
from sentinel.sources.labels import Names
from sentinel.sources.line_protocol import read_lines
from sentinel.sources.positions import Way
from sentinel.sources.remote_write import inflate, read_write_request
from sentinel.sources.rows import Rows
from sentinel.sources.sparkplug import Nodes
from sentinel.tables import TableOptions
from tests.sources.edge_node import DOUBLE, INT32, INT64, metric, payload
from tests.sources.following import assert_frame, through_json
from tests.sources.test_mqtt_source import Given, messages
from tests.sources.test_push_source import write_request

NOW_US = 1_700_000_000_000_000


def _sound(read: Callable[[Rows], None]) -> None:
    """Read into rows; they keep their promises whatever came."""
    rows = Rows(NOW_US)
    with contextlib.suppress(DataError):
        read(rows)
    frame = rows.frame("s", {}, NOW_US)
    assert_frame(frame, "s")
    assert all(line.isprintable() for line in frame.complaints)


def line_protocol(data: bytes) -> None:
    for precision in ("ns", "s"):
        _sound(lambda rows, unit=precision: read_lines(data.decode(errors="replace"), rows, Names(None), NOW_US, unit))


def remote_write(data: bytes) -> None:
    _sound(lambda rows: read_write_request(data, rows, Names(None)))
    _sound(lambda rows: read_write_request(inflate(data, 1 << 20), rows, Names("{__name__}")))


def bodies(data: bytes) -> None:
    text = data.decode(errors="replace")
    for read in (read_json, read_ndjson, read_csv):
        _sound(lambda rows, read=read: read(text, rows, "s"))


def mqtt(data: bytes) -> None:
    topic, _, body = data.partition(b"\n")
    name = topic.decode(errors="replace")
    for keys in ({}, {"values": ["*"]}, {"values": ["a.b", "0"], "time": "t", "time_format": "seconds"}):
        source = messages(**keys)
        _sound(lambda rows, source=source: source._read(Given(body, topic=name), NOW_US, rows))


def sparkplug(data: bytes) -> None:
    topic, _, body = data.partition(b"\n")
    nodes = Nodes(None, (), {})
    _sound(lambda rows: nodes.read("spBv1.0/g/NBIRTH/e", _BIRTH, rows))
    for _ in range(2):
        _sound(lambda rows: nodes.read(topic.decode(errors="replace"), body, rows))
    Nodes(None, (), through_json(nodes.to_json()))
    list(nodes.requests())


def answers(data: bytes) -> None:
    keys = {"kind": "http", "name": "a", "url": "http://h/a"}
    for more in ({}, {"format": "json", "records": "data", "next": "links"}):
        reader = AnswerReader(HttpSource.model_validate(keys | more))
        kind = {"content-type": "application/json" if data[:1] in (b"[", b"{") else "text/csv", "content-length": "1"}
        way = Way()
        for _ in range(2):  # and once more in the way that was learnt
            with contextlib.suppress(SentinelError):
                page = reader.read(Answer(200, kind, data, "http://h/a"), way)
                way = Way(*json.loads(json.dumps(page.way))[:2], tuple(page.way.values), tuple(page.way.left_out))


def inspect(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("csv", "ndjson", "json"):
            path = Path(folder) / f"a.{ending}"
            path.write_bytes(data)
            with contextlib.suppress(DataError):
                list(describe_file(path, TableOptions(), Settings()))


_BIRTH = payload(NOW_US // 1_000, 0, metric(INT64, 4, name="bdSeq"), metric(DOUBLE, 1.5, name="oxygen", alias=1))
_TABLE = b"time,lake,ph,note\n2026-01-01T00:00Z,peter,7.5,calm\n2026-01-01T01:00Z,paul,NA,ice\n"
_ROWS = [{"time": "2026-01-01T00:00:00Z", "series": "a", "value": 1.5}, {"time": 5, "a": {"b": [1, None]}}]
_POINTS = write_request(({"__name__": "up", "a": "b"}, [(1_700_000_000_000, 2.0)]), ({"a": "ü"}, [(1, float("nan"))]))
READERS: Mapping[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
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
