"""The mock broker of librdkafka on loopback, and who sends to it: a mock, since no real broker can be had here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer

NOW = 1_700_000_000


class Cluster:
    """One broker with the topic `lakes` of four partitions; it lives as long as this."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "log_level": 2})
        found = self._producer.list_topics("lakes", timeout=10).brokers.values()
        self.brokers = ",".join(f"{one.host}:{one.port}" for one in found)

    def send(self, *messages: Any, partition: int = 0, key: str = "peter", at: int = NOW) -> None:
        for message in messages:
            value = message if isinstance(message, bytes | None) else json.dumps(message).encode()
            self._producer.produce("lakes", value, key, partition, timestamp=at * 1_000)
        assert self._producer.flush(10) == 0

    def send_all(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send values by their keys, to one partition."""
        for number, (key, value) in enumerate(messages):
            self._producer.produce("lakes", value, key, 0, timestamp=NOW * 1_000)
            if number % 1_000 == 0:
                self._producer.poll(0)
        assert self._producer.flush(10) == 0
