"""Those who bring observations to a daemon, as they do it in the field: a file, a broker, a sender, a database."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

import httpx
import numpy as np
import psycopg
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.deploy.programs import program
from tests.e2e.running import PATIENCE
from tests.sources.broker import Broker
from tests.sources.postgres import Cluster

KINDS = ("csv", "mqtt", "push", "sql")
Row = tuple[str, int, float]
"""Series, seconds, value."""


class Sender(Protocol):
    """Whoever brings observations to a daemon."""

    source: dict[str, Any]
    """Section of the configuration."""

    def send(self, rows: list[Row]) -> None:
        """Send these; raises where it is not known that they arrived, and then they are sent once more."""
        ...


class Csv:
    """A file that grows, mostly by pieces that end in the middle of a line."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.source = {"kind": "csv", "path": "data.csv", "every": "20ms", "max_observations": 400}
        self._path, self._chance = folder / "data.csv", chance
        self._path.write_text("time,series,value\n")

    def send(self, rows: list[Row]) -> None:
        """Append them."""
        lines = (f"{np.datetime64(at, 's')}Z,{name},{value!r}\n" for name, at, value in rows)
        text = "".join(lines).encode()
        middle = self._chance.randrange(len(text))
        for piece in (text[:middle], text[middle:]):
            with self._path.open("ab") as file:
                file.write(piece)
            time.sleep(self._chance.uniform(0.0, 0.06))


class Mqtt:
    """A client that publishes with QoS 1 to a real Mosquitto, which keeps all that is not acknowledged."""

    def __init__(self, broker: Broker) -> None:
        self.source = {
            "kind": "mqtt", "url": broker.url, "topics": ["lakes/#"], "series_name": "{2}", "values": ["v"],
            "time": "at", "time_format": "seconds",
        }  # fmt: skip
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def send(self, rows: list[Row]) -> None:
        """Publish them; all are with the broker at the end."""
        sent = [
            self._client.publish(f"lakes/{name}", json.dumps({"v": value, "at": at}), qos=1) for name, at, value in rows
        ]
        for one in sent:
            one.wait_for_publish(PATIENCE)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


class Push:
    """A program that posts to the daemon, again and again until it is answered with 200."""

    def __init__(self, listen: str) -> None:
        self.source = {"kind": "push"}
        self._client = httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=PATIENCE)

    def send(self, rows: list[Row]) -> None:
        """Post them."""
        body = [{"series": name, "time": at, "value": value} for name, at, value in rows]
        self._client.post("/api/v1/observations", json=body).raise_for_status()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class Sql:
    """A program that inserts into a table of a real PostgreSQL."""

    def __init__(self, cluster: Cluster) -> None:
        self.source = {
            "kind": "sql", "database": f"postgresql://owner@127.0.0.1:{cluster.port}/postgres", "every": "20ms",
            "password_file": str(cluster.folder / "password"), "query": "SELECT * FROM log", "max_rows": 2_000,
        }  # fmt: skip
        cluster.execute(
            "CREATE TABLE log (time timestamptz, id bigserial, series text, value float8)",
            "CREATE INDEX ON log (time, id)",
        )
        self._connection = psycopg.connect(cluster.address)

    def send(self, rows: list[Row]) -> None:
        """Insert them and commit."""
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO log (time, series, value) VALUES (to_timestamp(%s), %s, %s)",
                [(at, name, value) for name, at, value in rows],
            )
        self._connection.commit()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def sender(kind: str, folder: Path, listen: str, chance: random.Random) -> Iterator[Sender]:
    """Start what the daemon is to read from, and who feeds it."""
    with ExitStack() as opened:
        if kind == "csv":
            yield Csv(folder, chance)
        elif kind == "push":
            push = Push(listen)
            opened.callback(push.close)
            yield push
        elif kind == "mqtt":
            broker = Broker(
                program("mosquitto"), folder, more=("max_queued_messages 0", "max_inflight_messages 500")
            )  # fmt: skip
            opened.callback(broker.stop)
            mqtt = Mqtt(broker)
            opened.callback(mqtt.close)
            yield mqtt
        else:
            program("pg_ctlcluster")
            (folder / "postgres").mkdir()
            cluster = Cluster(folder / "postgres")
            cluster.start()
            opened.callback(cluster.stop)
            sql = Sql(cluster)
            opened.callback(sql.close)
            yield sql


class Feeder:
    """Sends rows in pieces, in a thread, some thousand a second, whether or not the daemon is there."""

    def __init__(self, to: Sender, rows: list[Row], chance: random.Random) -> None:
        self._to, self._rows, self._chance = to, rows, chance
        self.sent = self.tried = 0
        """Rows of which it is known that they arrived, and those that were at least on their way."""
        self.may_send = 0
        """Rows that may have been sent by now, so that some are left for the kills to come on a fast machine."""
        self.is_sending = Event()
        self._ended = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set() and self.sent < len(self._rows):
            piece = self._rows[self.sent : min(self.may_send, self.sent + self._chance.randrange(1, 200))]
            if not piece:
                self._ended.wait(0.02)
                continue
            self.tried = self.sent + len(piece)
            self.is_sending.set()
            try:
                self._to.send(piece)
            except (httpx.HTTPError, OSError):
                self._ended.wait(0.02)  # the daemon is away
            else:
                self.is_sending.clear()
                self.sent += len(piece)
                self._ended.wait(self._chance.uniform(0.0, 0.05))

    def close(self) -> None:
        """End after the present piece."""
        self._ended.set()
        self._thread.join(PATIENCE)
