"""What an observation costs on its way from the bytes of each source to a frame, beside the bank's own work on it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time_ns
from typing import Any

import numpy as np
import polars as pl
from bank_rows import _bank, _pairs
from timing import Row, Spread

from sentinel.config import Settings
from sentinel.domain.clock import Clock
from sentinel.domain.observation import Frame
from sentinel.sources import PullSource, Source, make_source

Frames = Callable[[], Iterable[Frame]]
START, STEP = 1_700_000_000, 60
COLUMNS = 100
"""Of wide tables; long ones and messages have as many series."""
MOST = {
    "csv, wide": 2_500, "csv, long": 3_500, "parquet, wide": 1_250, "ndjson, wide": 8_000, "push, JSON": 4_500,
    "push, CSV, wide": 3_500, "push, line protocol, a field a line": 27_000,
    "push, line protocol, 100 fields a line": 8_000, "push, remote write": 27_000, "prometheus": 13_000,
    "sql, SQLite, wide": 6_500, "http, CSV, wide": 7_000, "http, JSON": 29_000,
    "mqtt, a number a message, Mosquitto": 180_000, "kafka, a number a message, mock broker in the process": 20_000,
    "simulate": 6_000,
}  # fmt: skip
"""Nanoseconds that an observation may cost: about twice what was measured, for a machine that does other things."""


def costs(rows: int, repeats: int) -> Iterator[Row]:
    """Processor time of the whole process an observation: each source in turn, and the bank in between."""
    bank, pairs = _bank(), _pairs(512, 100)
    state = bank.init(100)
    bank.advance(state, pairs)
    with TemporaryDirectory() as folder, ExitStack() as opened:
        for name, frames in sources(Path(folder), rows, opened):
            print(f"  {name}", file=sys.stderr)
            list(frames())  # what is imported, compiled or recognised once is not counted
            ours, beside = [], []
            for _ in range(repeats):
                began = process_time_ns()
                number = sum(frame.observations.height for frame in frames())
                ours.append((process_time_ns() - began) / number)
                began = process_time_ns()
                bank.advance(state, pairs)
                beside.append((process_time_ns() - began) / (512 * 100))
            own = Spread.of(beside).median
            yield Row(
                f"source {name}, CPU an observation", f"to a frame, {number:,} observations",
                f"the bank on an observation: {own:.0f} ns", Spread.of(ours), unit="ns", required=MOST[name],
                at_most=True,
            )  # fmt: skip


def sources(folder: Path, rows: int, opened: ExitStack) -> Iterator[tuple[str, Frames]]:
    """Give each source by what it reads: a function that reads all of it, from the beginning."""
    ticks = max(2, rows // COLUMNS)
    times = START + STEP * np.arange(ticks)
    values = np.random.default_rng(6).normal(20.0, 3.0, (ticks, COLUMNS)).round(3)
    names = [f"c{n:02d}" for n in range(COLUMNS)]
    wide = pl.DataFrame(values, schema=names).insert_column(
        0, pl.Series("time", times * 1_000_000).cast(pl.Datetime("us", "UTC"))
    )
    text = wide.with_columns(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    long = text.unpivot(index="time", variable_name="series").sort("time", maintain_order=True)
    for name, write in (
        ("csv, wide", text.write_csv), ("csv, long", long.write_csv), ("parquet, wide", wide.write_parquet),
        ("ndjson, wide", text.write_ndjson),
    ):  # fmt: skip
        path = folder / f"{name.replace(', ', '.')}.{name.split(',')[0].replace('long', 'csv')}"
        write(path)
        yield name, _read(kind="csv", path=str(path))
    yield from _pushed(times, values, names, text)
    answers = {"prometheus": _matrix(times, values, names), "csv": text.write_csv().encode()}
    answers["json"] = json.dumps(long.to_dicts()).encode()
    for name, body in answers.items():
        (folder / f"answer.{name}").write_bytes(body)
    url = opened.enter_context(_serving(folder))
    yield "prometheus", _read(kind="prometheus", url=f"{url}/prometheus", queries=["a"], step="1m", since="1m")
    yield "sql, SQLite, wide", _read(
        kind="sql", database=f"sqlite:{_database(folder, times, values, names)}", query="SELECT * FROM log",
        time_format="seconds", max_rows=100_000,
    )  # fmt: skip
    yield "http, CSV, wide", _read(kind="http", url=f"{url}/csv")
    yield "http, JSON", _read(kind="http", url=f"{url}/json", format="json")
    few = values.reshape(-1)[: max(200, rows // 20)].tolist()
    if shutil.which("mosquitto"):
        yield "mqtt, a number a message, Mosquitto", _mqtt(folder, few, opened)
    else:
        print("mqtt: left out, mosquitto is not installed", file=sys.stderr)
    yield "kafka, a number a message, mock broker in the process", _kafka(few)
    yield "simulate", _read(kind="simulate", system="lake", start="2020-01-01", ticks_per_second=1e9)


def _make(**keys: Any) -> Source:
    (settings,) = Settings.model_validate({"sources": [{"name": "s"} | keys]}).sources
    return make_source(settings, Clock())


def _read(**keys: Any) -> Frames:
    def frames() -> Iterator[Frame]:
        source, cursor, more = _make(**keys), None, True
        assert isinstance(source, PullSource)
        if keys["kind"] == "simulate":  # its time begins with the first
            cursor = source.fetch(None).cursor
        while more:
            frame = source.fetch(cursor)
            cursor, more = frame.cursor, frame.more
            yield frame
        source.close()

    return frames


def _pushed(times: Any, values: Any, names: list[str], text: pl.DataFrame) -> Iterator[tuple[str, Frames]]:
    from cramjam import snappy

    from sentinel.sources.bodies import read_csv, read_json, read_lines
    from sentinel.sources.labels import Names
    from sentinel.sources.remote_write import inflate, read_write_request
    from sentinel.sources.rows import Rows

    now_us = (START + 10 * STEP) * 1_000_000
    rows = [
        (name, int(at), float(v))
        for at, row in zip(times, values, strict=True)
        for name, v in zip(names, row, strict=True)
    ]
    lines = "\n".join(f"lake,site={name} ph={v} {at}000000000" for name, at, v in rows)
    fields = "\n".join(
        "lake,site=a " + ",".join(f"{name}={v}" for name, v in zip(names, row, strict=True)) + f" {at}000000000"
        for at, row in zip(times, values.tolist(), strict=True)
    )
    request = bytes(snappy.compress_raw(b"".join(_entry(*row) for row in rows)))
    body = json.dumps([{"series": name, "time": at, "value": v} for name, at, v in rows])
    known, table = Names(None), text.write_csv()
    ways: dict[str, Callable[[Rows], None]] = {
        "JSON": lambda found: read_json(body, found, "s"), "CSV, wide": lambda found: read_csv(table, found, "s"),
        "line protocol, a field a line": lambda found: read_lines(lines, found, known, now_us),
        "line protocol, 100 fields a line": lambda found: read_lines(fields, found, known, now_us),
        "remote write": lambda found: read_write_request(inflate(request, 1 << 30), found, known),
    }  # fmt: skip
    later_us = (int(times[-1]) + STEP) * 1_000_000
    for name, read in ways.items():

        def frames(read: Callable[[Rows], None] = read) -> list[Frame]:
            found = Rows(later_us)
            read(found)
            return [found.frame("s", {}, later_us)]

        yield f"push, {name}", frames


def _entry(name: str, at: int, value: float) -> bytes:
    """Write a series with one point as remote write has it."""

    def part(number: int, content: bytes) -> bytes:
        assert len(content) < 128
        return bytes([number << 3 | 2, len(content)]) + content

    ms = at * 1_000
    stamp = bytes(ms >> 7 * n & 0x7F | (0x80 if n < 5 else 0) for n in range(6))
    labels = b"".join(
        part(1, part(1, key) + part(2, text)) for key, text in ((b"__name__", b"ph"), (b"site", name.encode()))
    )
    return part(1, labels + part(2, b"\x09" + struct.pack("<d", value) + b"\x10" + stamp))


def _matrix(times: Any, values: Any, names: list[str]) -> bytes:
    result = [
        {
            "metric": {"__name__": "ph", "site": name},
            "values": [[int(at), str(v)] for at, v in zip(times, column, strict=True)],
        }
        for name, column in zip(names, values.T.tolist(), strict=True)
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


_SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        kind = self.path.split("/")[1].split("?")[0]
        body = Path(sys.argv[1], f"answer.{kind}").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "text/csv" if kind == "csv" else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """A server in a process of its own, whose processor time is not counted."""
    command = [sys.executable, "-c", _SERVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.terminate()


def _database(folder: Path, times: Any, values: Any, names: list[str]) -> Path:
    path = folder / "log.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE log (time, id, {', '.join(names)})")
        rows = ((int(at), 1, *row) for at, row in zip(times, values.tolist(), strict=True))
        database.executemany(f"INSERT INTO log VALUES (?, ?{', ?' * len(names)})", rows)
        database.execute("CREATE INDEX at ON log (time, id)")
    return path


_PUBLISHER = """
import sys
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
client = paho.Client(CallbackAPIVersion.VERSION2)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
for line in sys.stdin:
    last = client.publish("lakes/ph", line.strip(), qos=1)
last.wait_for_publish(60)
client.disconnect()
"""


def _mqtt(folder: Path, values: list[float], opened: ExitStack) -> Frames:
    """Messages that a broker keeps, taken by a client in this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "broker.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n"
    )
    broker = opened.enter_context(
        subprocess.Popen(["mosquitto", "-c", folder / "broker.conf"], stderr=subprocess.DEVNULL)
    )
    opened.callback(broker.terminate)
    _await(port)
    keys: dict[str, Any] = {"kind": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "topics": ["lakes/#"]}
    known: list[Any] = [None]
    lines = "".join(f"{value}\n" for value in values).encode()

    def frames() -> Iterator[Frame]:
        subprocess.run([sys.executable, "-c", _PUBLISHER, str(port)], input=lines, check=True)
        found: list[Frame] = []
        source: Any = _make(**keys)
        source.start(known[0], lambda frame: found.append(frame) or True)
        told = number = 0
        while number < len(values):
            time.sleep(0.01)
            while told < len(found):
                known[0] = found[told].cursor
                source.acknowledge(known[0])
                number += found[told].observations.height
                told += 1
        source.close()
        yield from found

    first: Any = _make(**keys)
    first.start(None, lambda _frame: True)
    time.sleep(0.5)  # from now on the broker knows it
    first.close()
    return frames


def _await(port: int) -> None:
    for _ in range(200):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


def _kafka(values: list[float]) -> Frames:
    """Messages of the mock broker of librdkafka, which is in this process and counted with it."""
    os.environ.setdefault("RD_UT_QUIET", "1")
    from confluent_kafka import Producer

    producer = Producer({"test.mock.num.brokers": 1, "log_level": 2})
    (broker,) = producer.list_topics("lakes", timeout=10).brokers.values()
    for value in values:
        producer.produce("lakes", str(value), "a", timestamp=START * 1_000)
        producer.poll(0)
    producer.flush(10)
    brokers = f"{broker.host}:{broker.port}"
    frames = _read(kind="kafka", brokers=brokers, topics=["lakes"], timeout="5s", max_messages=100_000)

    def kept() -> Iterable[Frame]:
        assert producer is not None  # the broker lives as long as this
        return frames()

    return kept
