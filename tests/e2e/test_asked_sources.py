"""Sources that are asked, what grows and what has a history: the daemon is killed, nothing is lost."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from sentinel.domain.clock import Clock
from tests.e2e.running import PATIENCE, Running, observations, rows_of, wait_for, write_config
from tests.sources import services
from tests.sources.answering import answering, value_at
from tests.sources.kafka_cluster import Cluster
from tests.sources.logging_table import write_log

pytestmark = pytest.mark.slow

KILLS = 4
ROWS = 3_000


def rows(folder: Path, source: str) -> list[tuple[str, int, float]]:
    return [(name, time_us // 1_000_000, value) for name, time_us, value in rows_of(folder / "state", source)]


def test_nothing_is_lost_and_nothing_doubled_whenever_the_daemon_is_killed(tmp_path: Path) -> None:
    chance = random.Random(1)
    now = Clock().now_us() // 1_000_000
    logged = [(now - 9_000 + n, n, f"s{n % 3}", float(n)) for n in range(ROWS)]
    write_log(tmp_path / "a.db", [])
    with answering() as server, answering() as other:
        cluster = Cluster()
        other.answer = services.sensorthings(now, top=20)
        write_config(tmp_path, sources=[
            {"kind": "sql", "name": "log", "database": "sqlite:a.db", "query": "SELECT * FROM log", "every": "50ms",
             "time_format": "seconds", "max_rows": 70},
            {"kind": "prometheus", "name": "metrics", "url": server.url, "queries": ["ph"], "since": "5d",
             "max_observations": 300, "every": "1s"},
            {"kind": "http", "name": "mooring", "url": other.url, "preset": "sensorthings", "since": "9d",
             "max_observations": 30, "every": "1s"},
            {"kind": "kafka", "name": "stream", "brokers": cluster.brokers, "topics": ["lakes"], "max_messages": 70,
             "values": ["v"], "time": "at", "time_format": "seconds", "series_name": "{key}", "every": "50ms"},
        ])  # fmt: skip
        for kill in range(KILLS):
            before = observations(tmp_path) if kill else 0
            daemon = Running(tmp_path)
            try:
                daemon.ready()
                new = logged[kill * ROWS // KILLS : (kill + 1) * ROWS // KILLS]
                write_log(tmp_path / "a.db", new)
                cluster.send_all((series, json.dumps({"at": at, "v": v}).encode()) for at, _, series, v in new)
                wait_for(lambda was=before: observations(tmp_path) > was, PATIENCE, "more observations")
                time.sleep(chance.uniform(0.0, 0.3))
            finally:
                daemon.kill()
        daemon = Running(tmp_path)
        try:
            daemon.ready()
            wait_for(lambda: len(rows(tmp_path, "log")) >= ROWS, PATIENCE, "all rows")
            wait_for(lambda: len(rows(tmp_path, "stream")) >= ROWS, PATIENCE, "all messages")
            caught_up = 'sentinel_source_catching_up{source="metrics"}'
            wait_for(
                lambda: daemon.metric(caught_up) == 0 and len(rows(tmp_path, "metrics")) > 2 * 5 * 1_440 - 9,
                PATIENCE, "the history",
            )  # fmt: skip
            stream = [("result", at, services.value_at(at)) for at in services.between(now - 9 * 86_400, now, now)]
            wait_for(lambda: len(rows(tmp_path, "mooring")) >= len(stream) - 1, PATIENCE, "the stream")
            found = rows(tmp_path, "metrics")
            daemon.stop()
        finally:
            daemon.kill()
    assert rows(tmp_path, "log") == [(series, at, value) for at, _, series, value in logged]
    assert rows(tmp_path, "stream") == [(f"{series}/v", at, value) for at, _, series, value in logged]
    assert rows(tmp_path, "mooring")[-len(stream) + 1 :] == stream[1:]  # it began a little later
    times = range(found[0][1], found[-1][1] + 1, 60)
    assert found == [(f"ph/lake=l{lake}", at, value_at(at, lake)) for at in times for lake in range(2)]
