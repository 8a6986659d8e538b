"""One reader of Kafka partitions that is told where to begin, each time. The one door to confluent-kafka."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, NamedTuple

from sentinel.config import KafkaSource
from sentinel.domain.clock import MICROSECONDS
from sentinel.sources.backoff import Backoff, RefusedError
from sentinel.sources.base import SourceError
from sentinel.sources.needs import read_secret

TOPICS_SECONDS = 60.0
"""Time between two looks for new partitions."""
_TURN_SECONDS = 0.1

Offsets = dict[str, dict[int, int]]
"""By topic and partition: the number of the next message."""


class Batch(NamedTuple):
    """Messages that were read at once."""

    messages: list[Any]
    offsets: Offsets
    ended: bool
    """The end of every partition was reached."""
    lost: list[tuple[str, int]]
    """Messages that were deleted before they were read: a line, and how many."""


class Consumer:
    """Reads topics of one cluster."""

    def __init__(self, settings: KafkaSource, backoff: Backoff) -> None:
        self._settings, self._backoff = settings, backoff
        self._seconds = settings.timeout / MICROSECONDS
        self._client: Any = None
        self._at: Offsets = {}
        self._ended = set[tuple[str, int]]()
        self._looked = 0.0
        self._trouble: Any = None

    def read(self, offsets: Offsets | None, most: int) -> Batch:
        """Read on from `offsets`; None = from the beginning. SourceError: it cannot be read now."""
        password = read_secret(self._settings.password_file, "password_file")
        with self._backoff.attempt(password, self.close):
            return self._read(offsets, most, password)

    def close(self) -> None:
        """Let go of the connection."""
        client, self._client, self._at = self._client, None, {}
        if client is not None:
            client.close()

    def _read(self, offsets: Offsets | None, most: int, password: str | None) -> Batch:
        try:
            import confluent_kafka as kafka
        except ImportError:
            raise SourceError("Kafka needs the package confluent-kafka: pip install 'sentinel-ews[kafka]'") from None
        try:
            lost = self._place(kafka, offsets, password)
            messages: list[Any] = []
            until = monotonic() + self._seconds
            while len(messages) < most:
                found = self._client.consume(most - len(messages), _TURN_SECONDS)
                messages += [one for one in found if self._is_message(kafka, one)]
                if self._has_ended() and not found:
                    break
                if monotonic() >= until:
                    if not messages:
                        raise SourceError(self._say(self._trouble or f"no answer within {self._seconds:g} s"))
                    break
        except kafka.KafkaException as error:
            raise self._failure(kafka, error.args[0]) from None
        return Batch(messages, {topic: dict(found) for topic, found in self._at.items()}, self._has_ended(), lost)

    def _has_ended(self) -> bool:
        return self._ended >= {(topic, number) for topic, found in self._at.items() for number in found}

    def _is_message(self, kafka: Any, one: Any) -> bool:
        """Note the offset of a message; False if it only says that a partition has ended."""
        error, key = one.error(), (one.topic(), one.partition())
        if error is None:
            self._at[key[0]][key[1]] = one.offset() + 1
            self._ended.discard(key)
        elif error.code() == kafka.KafkaError._PARTITION_EOF:
            self._ended.add(key)
        else:
            raise self._failure(kafka, error)
        return error is None

    def _place(self, kafka: Any, offsets: Offsets | None, password: str | None) -> list[tuple[str, int]]:
        """Begin at these offsets, unless it stands there; say which were lost, and how many messages."""
        if self._client is None:
            self._trouble, self._looked = None, 0.0
            self._client = kafka.Consumer(self._keys(password), logger=logging.getLogger(__name__))
        if offsets == self._at and monotonic() - self._looked < TOPICS_SECONDS:
            return []
        lost: list[tuple[str, int]] = []
        at: Offsets = {}
        for topic in self._settings.topics:
            at[topic] = {}
            for number in self._partitions(kafka, topic):
                partition = kafka.TopicPartition(topic, number)
                first, end = self._client.get_watermark_offsets(partition, self._seconds)
                known = offsets.get(topic, {}).get(number) if offsets is not None else None
                at[topic][number] = known if known is not None and first <= known <= end else first
                if known is not None and at[topic][number] != known:
                    gone = max(0, first - known)
                    why = f"{gone:,} messages were deleted before they were read" if gone else "it has begun anew"
                    lost.append((f"{topic}, partition {number}, offset {known:,}: {why}; read from {first:,}", gone))
        self._looked = monotonic()
        if at != self._at:
            self._at, self._ended = at, set()
            self._client.assign(
                [kafka.TopicPartition(topic, number, n) for topic, found in at.items() for number, n in found.items()]
            )
        return lost

    def _partitions(self, kafka: Any, topic: str) -> list[int]:
        found = self._client.list_topics(topic, self._seconds).topics[topic]
        if found.error is not None:
            raise self._failure(kafka, found.error)
        return sorted(found.partitions)

    def _keys(self, password: str | None) -> dict[str, Any]:
        """Keys of librdkafka."""
        settings = self._settings
        keys: dict[str, Any] = {
            "bootstrap.servers": settings.brokers, "group.id": f"sentinel-{settings.id or settings.name}",
            "client.id": "sentinel", "enable.auto.commit": False, "enable.auto.offset.store": False,
            "enable.partition.eof": True, "auto.offset.reset": "error", "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": 16_384, "socket.timeout.ms": max(1_000, settings.timeout // 1_000),
            "security.protocol": ("SASL_" if password else "") + ("SSL" if settings.tls else "PLAINTEXT"),
            "error_cb": self._note_trouble,
        }  # fmt: skip
        if password:
            keys |= {"sasl.mechanism": settings.sasl, "sasl.username": settings.username, "sasl.password": password}
        return keys | ({"ssl.ca.location": settings.ca_file} if settings.ca_file else {})

    def _note_trouble(self, error: Any) -> None:
        self._trouble = error.str()

    def _say(self, what: object) -> str:
        return f"{self._settings.brokers}: {what}"

    def _failure(self, kafka: Any, error: Any) -> SourceError:
        """Turn an error of librdkafka into a SourceError."""
        codes = kafka.KafkaError
        refused = (
            codes._AUTHENTICATION, codes.SASL_AUTHENTICATION_FAILED, codes.TOPIC_AUTHORIZATION_FAILED,
            codes.CLUSTER_AUTHORIZATION_FAILED,
        )  # fmt: skip
        why = self._say(self._trouble if self._trouble and error.code() == codes._TRANSPORT else error.str())
        if error.code() in refused:
            return RefusedError(f"{why}; not asked again until the password changes, or for an hour")
        return SourceError(why)
