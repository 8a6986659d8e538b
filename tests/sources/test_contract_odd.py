"""What every source makes of the same odd observations: taken or counted under one reason, neighbours untouched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sentinel.config import CsvSource, HttpSource, KafkaSource, PrometheusSource, SqlSource
from sentinel.domain.observation import Frame
from sentinel.sources import SOURCES, PullSource, make_source
from sentinel.sources.bodies import read_csv, read_json, read_ndjson
from sentinel.sources.rows import Rows
from tests.fixtures import ManualClock
from tests.sources.answering import Answering, answering, matrix, send
from tests.sources.following import follow
from tests.sources.kafka_cluster import Cluster
from tests.sources.logging_table import write_log
from tests.sources.services import iso
from tests.sources.test_mqtt_source import Given, messages

NOW = 1_700_000_040
T = NOW - 6_000
DAY = 86_400


class Row(NamedTuple):
    series: str
    at: int
    value: str


GOOD = [
    Row("a", T, "1.5"), Row("neighbour", T, "7"), Row("neighbour", T + 60, "8"), Row("neighbour", T + 120, "9"),
    Row("a", T + 120, "-0.0"), Row("a", T + 180, "1e308"), Row("ü 日本", T, "2"), Row("a", T + 60, "0.5"),
]  # fmt: skip
"""In no order: the last is earlier than one before it."""
BAD = {
    "future": Row("a", NOW + 3 * DAY, "9"), "missing": Row("a", T + 240, "NaN"),
    "not_finite": Row("a", T + 300, "1e999"), "not_a_number": Row("a", T + 360, "calm"),
}  # fmt: skip
ODD = [GOOD[0], GOOD[0], *GOOD[1:], *BAD.values()]
"""The first comes twice."""


def pulled(wanted: dict[str, Any], kind: type[Any]) -> list[Frame]:
    source = make_source(kind.model_validate({"name": "lake"} | wanted), ManualClock(NOW * 1_000_000))
    assert isinstance(source, PullSource)
    frames, _ = follow(source)
    source.close()
    return frames


def table(rows: Sequence[Row]) -> str:
    return "time,series,value\n" + "".join(f"{iso(row.at)},{row.series},{row.value}\n" for row in rows)


def csv(folder: Path, rows: Sequence[Row]) -> list[Frame]:
    (folder / "a.csv").write_text(table(rows))
    return pulled({"kind": "csv", "path": str(folder / "a.csv")}, CsvSource)


def http_csv(_: Path, rows: Sequence[Row]) -> list[Frame]:
    return polled(lambda handler: send(handler, 200, table(rows).encode(), Content_Type="text/csv"))


def http_json(_: Path, rows: Sequence[Row]) -> list[Frame]:
    body = json.dumps([{"time": iso(row.at), "series": row.series, "value": row.value} for row in rows]).encode()
    return polled(lambda handler: send(handler, 200, body, Content_Type="application/json"))


def polled(answer: Callable[[Any], None]) -> list[Frame]:
    with answering() as server:
        server.answer = lambda handler, _: answer(handler)
        return pulled({"kind": "http", "url": server.url}, HttpSource)


def prometheus(_: Path, rows: Sequence[Row]) -> list[Frame]:
    def answer(handler: Any, form: Any) -> None:
        found: dict[str, list[Any]] = {}
        for row in rows:
            if int(form["start"]) <= min(row.at, NOW - 60) <= int(form["end"]):
                found.setdefault(row.series, []).append([row.at, row.value])
        send(handler, 200, matrix(*({"metric": {"__name__": name}, "values": each} for name, each in found.items())))

    server: Answering
    with answering() as server:
        server.answer = answer
        keys = {"kind": "prometheus", "url": server.url, "queries": ["x"], "since": "3h", "delay": "1s"}
        return pulled(keys, PrometheusSource)


def sql(folder: Path, rows: Sequence[Row]) -> list[Frame]:
    stamped = sorted((row.at, n, row.series, row.value) for n, row in enumerate(rows) if row.at < NOW)
    write_log(folder / "a.db", stamped)
    keys = {"kind": "sql", "database": f"sqlite:{folder / 'a.db'}", "query": "SELECT * FROM log"}
    return pulled(keys | {"time_format": "seconds"}, SqlSource)


def payload_of(row: Row) -> bytes:
    return json.dumps({"v": row.value, "at": row.at}).encode()


def mqtt(_: Path, rows: Sequence[Row]) -> list[Frame]:
    source = messages(values=["v"], time="at", time_format="seconds")
    taken = Rows(NOW * 1_000_000, "message")
    for row in rows:
        source._read(Given(payload_of(row), topic=row.series), NOW * 1_000_000, taken)
    return [taken.frame("lake", {}, NOW * 1_000_000)]


def kafka(_: Path, rows: Sequence[Row]) -> list[Frame]:
    cluster = Cluster()
    cluster.send_all((row.series, payload_of(row)) for row in rows)
    keys = {"kind": "kafka", "brokers": cluster.brokers, "topics": ["lakes"], "series_name": "{key}", "values": ["v"]}
    return pulled(keys | {"time": "at", "time_format": "seconds"}, KafkaSource)


def pushed(read: Callable[[str, Rows, str], None], text: str) -> list[Frame]:
    taken = Rows(NOW * 1_000_000)
    read(text, taken, "s")
    return [taken.frame("lake", {}, NOW * 1_000_000)]


def push_json(_: Path, rows: Sequence[Row]) -> list[Frame]:
    return pushed(read_json, json.dumps([{"series": row.series, "time": row.at, "value": row.value} for row in rows]))


def push_ndjson(_: Path, rows: Sequence[Row]) -> list[Frame]:
    lines = [json.dumps({"series": row.series, "time": row.at, "value": row.value}) for row in rows]
    return pushed(read_ndjson, "\n".join(lines))


def push_csv(_: Path, rows: Sequence[Row]) -> list[Frame]:
    return pushed(read_csv, table(rows))


WAYS = {
    "csv": csv, "http": http_csv, "http, JSON": http_json, "prometheus": prometheus, "sql": sql, "mqtt": mqtt,
    "kafka": kafka, "push, JSON": push_json, "push, NDJSON": push_ndjson, "push, CSV": push_csv,
}  # fmt: skip


def test_every_kind_that_gets_data_from_elsewhere_is_here() -> None:
    assert {way.partition(",")[0] for way in WAYS} == SOURCES.keys() - {"simulate"}


def told(frames: list[Frame]) -> set[tuple[str, int, float]]:
    return {
        (name.removesuffix("/v"), int(at.timestamp()), value)
        for frame in frames for name, at, value in frame.observations.iter_rows()
    }  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_odd_observations_are_taken_or_counted_alike_and_harm_no_neighbour(way: str, tmp_path: Path) -> None:
    frames = WAYS[way](tmp_path, ODD)
    assert told(frames) == {(row.series, row.at, float(row.value)) for row in GOOD}
    rejected: Counter[str] = Counter()
    for frame in frames:
        rejected.update(frame.rejected)
    # A database is read up to now only, and whoever polls leaves out what is the same twice.
    expected = {reason: 1 for reason in BAD if not (way == "sql" and reason == "future")}
    assert rejected == expected
    assert all(line.isprintable() for frame in frames for line in frame.complaints)


LOCAL = [
    ("2022-03-27T01:59:00", "2022-03-27T00:59:00Z"), ("2022-03-27T02:00:00", None), ("2022-03-27T02:30:00", None),
    ("2022-03-27T03:00:00", "2022-03-27T01:00:00Z"), ("2022-10-30T01:59:00", "2022-10-29T23:59:00Z"),
    ("2022-10-30T02:00:00", None), ("2022-10-30T02:30:00", None), ("2022-10-30T02:30:00.5", None),
    ("2022-10-30T03:00:00", "2022-10-30T02:00:00Z"),
]  # fmt: skip
"""Times of Berlin without an offset, and the moments that they mean: of some there are none, of others two."""


def local_sql(folder: Path) -> list[Frame]:
    write_log(folder / "a.db", [(text, n, "a", float(n)) for n, (text, _) in enumerate(LOCAL)])
    keys = {"kind": "sql", "database": f"sqlite:{folder / 'a.db'}", "query": "SELECT * FROM log"}
    return pulled(keys | {"time_zone": "Europe/Berlin"}, SqlSource)


def local_payloads() -> list[bytes]:
    return [json.dumps({"v": n, "at": text}).encode() for n, (text, _) in enumerate(LOCAL)]


def local_mqtt(_: Path) -> list[Frame]:
    source = messages(values=["v"], time="at", time_zone="Europe/Berlin")
    taken = Rows(NOW * 1_000_000, "message")
    for payload in local_payloads():
        source._read(Given(payload, topic="a"), NOW * 1_000_000, taken)
    return [taken.frame("lake", {}, NOW * 1_000_000)]


def local_kafka(_: Path) -> list[Frame]:
    cluster = Cluster()
    cluster.send_all(("a", payload) for payload in local_payloads())
    keys = {"kind": "kafka", "brokers": cluster.brokers, "topics": ["lakes"], "series_name": "{key}", "values": ["v"]}
    return pulled(keys | {"time": "at", "time_zone": "Europe/Berlin"}, KafkaSource)


@pytest.mark.parametrize("way", [local_sql, local_mqtt, local_kafka])
def test_a_local_time_that_means_two_moments_or_none_is_counted_and_never_guessed(
    way: Callable[[Path], list[Frame]], tmp_path: Path
) -> None:
    frames = way(tmp_path)
    meant = {
        (int(datetime.fromisoformat(moment).timestamp()), float(n))
        for n, (_, moment) in enumerate(LOCAL) if moment is not None
    }  # fmt: skip
    assert {(at, value) for _, at, value in told(frames)} == meant
    assert [frame.rejected for frame in frames] == [{"bad_time": 5}]
    assert "'2022-03-27T02:00:00'" in frames[0].complaints[0]
    assert "with an offset (SQL: timestamptz)" in frames[0].complaints[0]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_ten_thousand_new_series_at_once_all_come(way: str, tmp_path: Path) -> None:
    rows = [Row(f"s{n}", T, str(n)) for n in range(10_000)]
    frames = WAYS[way](tmp_path, rows)
    assert told(frames) == {(row.series, row.at, float(row.value)) for row in rows}
    assert not any(frame.rejected for frame in frames)
