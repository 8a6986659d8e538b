"""Source `mqtt`: what a message says, and a real broker that keeps what was not acknowledged."""

from __future__ import annotations

import gc
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.config import MqttSource
from sentinel.domain.observation import Cursor, Frame
from sentinel.sources import SourceError, make_source
from sentinel.sources.backoff import RefusedError
from sentinel.sources.mqtt import Messages
from tests.e2e.running import PATIENCE, wait_for
from tests.fixtures import ManualClock
from tests.sources.broker import Broker
from tests.sources.certificates import make_certificate
from tests.sources.following import assert_frame, through_json

NOW = 1_700_000_000
NOW_US = NOW * 1_000_000


@dataclass
class Given:
    """A message."""

    payload: bytes
    topic: str = "lakes/peter/ph"
    qos: int = 1
    mid: int = 1
    dup: bool = False
    retain: bool = False


def messages(**settings: Any) -> Messages:
    wanted = {"kind": "mqtt", "name": "buoys", "url": "mqtt://127.0.0.1:1", "topics": ["lakes/#"]}
    source = make_source(MqttSource.model_validate(wanted | settings), ManualClock(NOW_US))
    assert isinstance(source, Messages)
    return source


def read(*given: Given, **settings: Any) -> Frame:
    source = messages(**settings)
    rows = source._new_rows()
    for message in given:
        source._read(message, NOW_US, rows)
    return rows.frame("buoys", {}, NOW_US)


def told(*frames: Frame) -> list[tuple[str, float, float]]:
    return [(series, at.timestamp(), value) for frame in frames for series, at, value in frame.observations.iter_rows()]


def test_a_payload_is_a_number_of_the_time_at_which_it_comes() -> None:
    texts = ["8.1", " 7 ", "1e308", "-0.0", "", "nan", "inf", "calm", "ü", "1_0", "true", '{"a": 1}']
    frame = read(*(Given(text.encode()) for text in texts), Given(b"\xff\0"))
    assert told(frame) == [("lakes/peter/ph", NOW, value) for value in (8.1, 7.0, 1e308, 0.0)]
    assert frame.rejected == {"missing": 2, "not_finite": 1, "not_a_number": 6}


def test_a_number_of_more_than_100_characters_is_not_read_by_its_beginning() -> None:
    frame = read(
        *(Given(text.encode()) for text in ("9" * 403, "0" * 110 + "8.1", "8." + "1" * 100 + " mg/l", "9" * 2_000))
    )
    assert told(frame) == [("lakes/peter/ph", NOW, 8.1)]
    assert frame.rejected == {"not_finite": 1, "not_a_number": 2}


def test_values_and_time_are_found_in_json() -> None:
    body = json.dumps(
        {"ph": 8.1, "water": [{"temp": 12}], "on": True, "at": "2023-11-14T22:00:00Z", "note": "x"}
    ).encode()
    frame = read(Given(body), values=["ph", "water.0.temp", "o2"], time="at", series_name="{2}", prefix="x/")
    assert told(frame) == [("x/peter/ph", NOW - 800, 8.1), ("x/peter/water.0.temp", NOW - 800, 12.0)]
    assert frame.rejected == {"missing": 1}
    everything = read(Given(body.replace(b'"2023-11-14T22:00:00Z"', b"1699999999500")), values=["*"], time="at",
                      time_format="milliseconds")  # fmt: skip
    assert told(everything) == [
        ("lakes/peter/ph/ph", NOW - 0.5, 8.1), ("lakes/peter/ph/water.0.temp", NOW - 0.5, 12.0),
    ]  # fmt: skip


def test_a_retained_message_counts_only_with_a_time_of_its_own() -> None:
    assert read(Given(b"1", retain=True)).rejected == {"bad_time": 1}
    frame = read(Given(b'{"v": 1, "at": 5}', retain=True), values=["v"], time="at", time_format="seconds")
    assert told(frame) == [("lakes/peter/ph/v", 5, 1.0)]


def test_of_two_topics_that_get_one_name_the_second_is_left_out() -> None:
    frame = read(Given(b"1"), Given(b"2", topic="lakes/paul/ph"), series_name="{3}")
    assert told(frame) == [("ph", NOW, 1.0)]
    assert frame.rejected == {"foreign_series": 1}


@pytest.mark.slow
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,av1e.- \\', max_size=40).map(str.encode), st.booleans())
def test_any_payload_is_an_observation_or_counted(payload: bytes, is_json: bool) -> None:
    frame = read(Given(b"[" * 100_000), Given(payload), values=["a", "a.0"] if is_json else [])
    assert_frame(frame, "buoys")
    assert len(frame.observations) + sum(frame.rejected.values()) >= 2


class Listening:
    """A source with what it handed over."""

    def __init__(self, cursor: Cursor | None = None, **settings: Any) -> None:
        self.frames: list[Frame] = []
        self.source = messages(**settings)
        self.source.start(cursor and through_json(cursor), self._take)

    def _take(self, frame: Frame) -> bool:
        assert_frame(frame, "buoys")
        self.frames.append(frame)
        return True

    def hears(self, count: int) -> list[float]:
        wait_for(lambda: len(told(*self.frames)) >= count, PATIENCE, f"{count} observations")
        return [value for _, _, value in told(*self.frames)]


@pytest.fixture
def broker(tool: Callable[[str], str], tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tool("mosquitto"), tmp_path)
    try:
        yield broker
    finally:
        broker.stop()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(broker: Broker, protocol: str) -> None:
    given = {"url": broker.url, "protocol": protocol}
    first = Listening(**given)
    broker.publish([("lakes/a", n) for n in range(3)])
    first.hears(3)
    cursor = first.frames[-1].cursor
    first.source.acknowledge(cursor)
    broker.publish([("lakes/a", n) for n in range(3, 6)])
    first.hears(6)
    unheard = first.frames[-1].cursor
    first.source.close()
    broker.publish([("lakes/a", n) for n in range(6, 9)])  # while nobody is there
    broker.stop()
    broker.start()
    second = Listening(cursor, **given)
    assert second.hears(6) == [float(n) for n in range(3, 9)]
    second.source.close()
    # The frame was committed, and the daemon killed before it could say so: nothing is counted twice.
    third = Listening(unheard, **given)
    assert third.hears(3) == [6.0, 7.0, 8.0]
    third.source.acknowledge(third.frames[-1].cursor)
    third.source.close()


@pytest.mark.slow
def test_it_connects_again_by_itself_and_says_meanwhile_that_nothing_comes(broker: Broker) -> None:
    heard = Listening(url=broker.url)
    heard.source.require_connection()
    broker.stop()

    def is_in_trouble() -> bool:
        try:
            heard.source.require_connection()
        except SourceError:
            return True
        return False

    wait_for(is_in_trouble, PATIENCE, "the trouble")
    broker.start()
    wait_for(lambda: not is_in_trouble(), 20.0, "the connection")
    broker.publish([("lakes/a", 1)])
    assert heard.hears(1) == [1.0]
    heard.source.close()


@pytest.mark.slow
def test_a_topic_that_is_no_longer_wanted_is_unsubscribed(broker: Broker) -> None:
    first = Listening(url=broker.url, topics=["lakes/a", "lakes/b"])
    broker.publish([("lakes/a", 1)])
    first.hears(1)
    first.source.acknowledge(first.frames[-1].cursor)
    first.source.close()
    second = Listening(first.frames[-1].cursor, url=broker.url, topics=["lakes/b"])
    broker.publish([("lakes/a", 2), ("lakes/b", 3)])
    assert second.hears(1) == [3.0]
    second.source.close()


@pytest.mark.slow
def test_a_probe_takes_nothing_away_and_a_retained_message_is_no_observation_of_now(broker: Broker) -> None:
    broker.publish([("lakes/old", 1)], retain=True)
    heard = Listening(url=broker.url)
    frame = messages(url=broker.url).listen(0.5)
    assert frame.rejected == {"bad_time": 1}
    broker.publish([("lakes/a", 2)])
    assert heard.hears(1) == [2.0]
    heard.source.require_connection()  # the probe had a name of its own, so nobody was cut off
    heard.source.close()


@pytest.mark.slow
def test_a_wrong_password_is_refused_once_and_a_new_one_is_tried(tool: Callable[[str], str], tmp_path: Path) -> None:
    broker = Broker(tool("mosquitto"), tmp_path, password="s3cret")
    secret = tmp_path / "secret"
    secret.write_text("wr0ng")
    try:
        source = messages(url=broker.url, username="sentinel", password_file=str(secret))
        for _ in range(2):
            with pytest.raises(RefusedError, match="not asked again") as refused:
                source.start(None, lambda _: True)
            assert "wr0ng" not in str(refused.value)
        secret.write_text("s3cret\n")
        source.start(None, lambda _: True)
        source.require_connection()
        source.close()
    finally:
        broker.stop()


@pytest.mark.slow
def test_a_certificate_is_checked_against_the_file_that_is_named(tool: Callable[[str], str], tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    broker = Broker(tool("mosquitto"), tmp_path, certificate=certificate)
    secure = f"mqtts://127.0.0.1:{broker.secure_port}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # paho leaves the socket to the collector
            with pytest.raises(SourceError, match="certificate verify failed"):
                messages(url=secure).start(None, lambda _: True)
            time.sleep(0.5)  # its thread has ended
            gc.collect()
        with pytest.raises(SourceError, match=r"ca_file: .*; a PEM file is needed"):
            messages(url=secure, ca_file=str(tmp_path / "none")).start(None, lambda _: True)
        heard = Listening(url=secure, ca_file=str(certificate))
        broker.publish([("lakes/a", 1)])
        assert heard.hears(1) == [1.0]
        heard.source.close()
    finally:
        broker.stop()


def test_one_that_is_not_there_is_said_so() -> None:
    with pytest.raises(SourceError, match="refused"):
        messages().start(None, lambda _: True)
