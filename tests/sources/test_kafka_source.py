"""Source `kafka`, against the mock broker of librdkafka: a mock, since no real broker can be had here."""

from __future__ import annotations

from typing import Any

import pytest

from sentinel.config import KafkaSource
from sentinel.domain.clock import Clock
from sentinel.domain.observation import Frame
from sentinel.sources import PullSource, SourceError, make_source
from tests.e2e.running import wait_for
from tests.fixtures import ManualClock
from tests.sources.following import follow, through_json
from tests.sources.kafka_cluster import NOW, Cluster

KEYS = {"values": ["ph", "air.t"], "time": "at", "time_format": "seconds"}
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def topics(brokers: str, clock: Clock | None = None, **keys: Any) -> PullSource:
    wanted = {"kind": "kafka", "name": "buoys", "brokers": brokers, "topics": ["lakes"], "timeout": "5s"}
    source = make_source(KafkaSource.model_validate(wanted | keys), clock or ManualClock(NOW * 1_000_000))
    assert isinstance(source, PullSource)
    return source


def told(frames: list[Frame]) -> list[tuple[str, float, float]]:
    return [(name, at.timestamp(), value) for frame in frames for name, at, value in frame.observations.iter_rows()]


@pytest.mark.slow
def test_from_any_cursor_it_goes_on_and_what_was_not_committed_comes_again(cluster: Cluster) -> None:
    for n in range(40):
        cluster.send({"at": NOW - 100 + n, "ph": n}, partition=n % 4)
    keys = {"values": ["ph"], "time": "at", "time_format": "seconds", "max_messages": 7}
    source = topics(cluster.brokers, **keys)
    frames, cursor = follow(source)
    assert sorted(value for _, _, value in told(frames)) == list(range(40))
    assert len(frames) >= 40 // 7
    third = through_json(frames[2].cursor)
    again = source.fetch(third)  # the journal could not commit the fourth
    source.close()
    other = topics(cluster.brokers, **keys)
    rest, end = follow(other, through_json(again.cursor))
    assert sorted(told([*frames[:3], again, *rest])) == sorted(told(frames))
    assert end == cursor
    empty = other.fetch(cursor)
    assert (empty.observations.height, empty.cursor, empty.watermark_us) == (0, cursor, (NOW - 1) * 1_000_000)
    cluster.send({"at": NOW, "ph": 99})
    assert wait_for(lambda: told([other.fetch(cursor)]), 10.0, "the new message") == [("lakes/ph", NOW, 99.0)]
    other.close()


@pytest.mark.slow
def test_what_cannot_be_read_is_counted_and_holds_nothing_up(cluster: Cluster) -> None:
    cluster.send(b"\x00\xff", {"at": NOW, "ph": 8.1, "air": {"t": 12}}, None, b"[" * 100_000, {"ph": 7}, key="a")
    source = topics(cluster.brokers, series_name="{topic}/{key}", prefix="x/", **KEYS)
    frames, cursor = follow(source)
    source.close()
    assert told(frames) == [("x/lakes/a/ph", NOW, 8.1), ("x/lakes/a/air.t", NOW, 12.0)]
    assert frames[0].rejected == {"malformed_row": 2, "missing": 2, "bad_time": 1}
    assert "'lakes' partition 0 offset 0: no JSON object" in frames[0].complaints[0]
    assert cursor["offsets"]["lakes"]["0"] == 5


@pytest.mark.slow
def test_a_number_has_the_time_of_its_message_and_since_leaves_out_what_is_older(cluster: Cluster) -> None:
    cluster.send(b"1", at=NOW - 7_200)
    cluster.send(b"2", at=NOW - 1_800)
    source = topics(cluster.brokers, since="1h", max_messages=1)
    frames, _ = follow(source)
    source.close()
    assert told(frames) == [("lakes", NOW - 1_800, 2.0)]


@pytest.mark.slow
def test_a_topic_that_has_begun_anew_is_read_from_its_beginning_and_told(cluster: Cluster) -> None:
    cluster.send(b"1")
    source = topics(cluster.brokers)
    frame = source.fetch({"offsets": {"lakes": {"0": 1_000}}})
    source.close()
    assert told([frame]) == [("lakes", NOW, 1.0)]
    assert "offset 1,000: it has begun anew; read from 0" in frame.complaints[0]


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_said_so_and_not_asked_again_at_once() -> None:
    wanted = {
        "kind": "kafka",
        "name": "buoys",
        "brokers": "127.0.0.1:1",
        "topics": ["a"],
        "timeout": "1s",
        "every": "1h",
    }
    source = make_source(KafkaSource.model_validate(wanted), ManualClock())
    assert isinstance(source, PullSource)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"127\.0\.0\.1:1: "):
            source.fetch(None)
    source.close()
