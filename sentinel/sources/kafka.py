"""Source `kafka`: messages of topics, read from where the cursor says.

The cursor holds the next number (*offset*) of each partition. Partitions are assigned by us and nothing is committed at
the broker: what it remembers of us would only be a second truth. A message that cannot be read is counted and passed
over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sentinel.config import TEMPLATE, KafkaSource
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.spans import print_duration
from sentinel.sources.backoff import Backoff
from sentinel.sources.base import PullSource
from sentinel.sources.labels import Names
from sentinel.sources.needs import say_what_lacks

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame
    from sentinel.sources.kafka_consumer import Consumer
    from sentinel.sources.payloads import Payloads


class Topics(PullSource):
    """Reads topics."""

    def __init__(self, settings: KafkaSource, clock: Clock) -> None:
        super().__init__(settings.name, settings.every, settings.id)
        self._settings, self._clock = settings, clock
        self._backoff = Backoff(settings.every / MICROSECONDS)
        self._consumer: Consumer | None = None
        template = settings.series_name or "{topic}"
        self._parts = {part for text in (template, *settings.labels.values()) for part in TEMPLATE.findall(text)}
        self._names = Names(template, labels=settings.labels)
        self._payloads: Payloads | None = None

    def describe(self) -> str:
        """Say which topics of whom are read, and how often."""
        settings = self._settings
        since = f", the last {print_duration(settings.since)} first" if settings.since else ""
        topics = ", ".join(settings.topics)
        return f"{settings.brokers}, topics {topics}, read every {print_duration(settings.every)}{since}"

    def remarks(self) -> tuple[str, ...]:
        """Say which package or secret is not there."""
        return tuple(say_what_lacks("confluent_kafka", "kafka", password_file=self._settings.password_file))

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read the messages since `cursor`; see `PullSource.fetch`."""
        from sentinel.domain.observation import Rejection
        from sentinel.sources.kafka_consumer import Consumer
        from sentinel.sources.payloads import Payloads
        from sentinel.sources.rows import Rows

        settings, now_us = self._settings, self._clock.now_us()
        self._consumer = self._consumer or Consumer(settings, self._backoff)
        self._payloads = self._payloads or Payloads(settings)
        offsets = None
        from_us = None if settings.since is None else now_us - settings.since
        if cursor:
            known: Any = cursor
            from_us = known.get("from_us")
            offsets = {
                topic: {int(number): at for number, at in one.items()} for topic, one in known["offsets"].items()
            }
        batch = self._consumer.read(offsets, settings.max_messages)
        rows = Rows(now_us, "message", settings.prefix)
        for line, lost in batch.lost:
            rows.remark(line)
            rows.rejected.update({Rejection.LOST: lost} if lost else {})
        for message in batch.messages:
            self._read(message, rows)
        place: dict[str, object] = {
            "offsets": {topic: {str(n): at for n, at in sorted(one.items())} for topic, one in batch.offsets.items()}
        }
        if from_us is not None:
            place["from_us"] = from_us
        # What was sent within the last second may still be on its way.
        frame = rows.frame(self.id, place, now_us - MICROSECONDS if batch.ended else None)
        recent = frame.observations["time"].dt.epoch("us") >= (-(2**62) if from_us is None else from_us)
        return replace(frame, observations=frame.observations.filter(recent))

    def _read(self, message: Any, rows: Any) -> None:
        from sentinel.domain.observation import Rejection

        assert self._payloads is not None
        where = f"{ascii(message.topic())[:40]} partition {message.partition()} offset {message.offset()}"
        if message.value() is None:
            rows.leave_out(Rejection.MISSING, len(rows), where)
            return
        labels = {"topic": message.topic(), "key": (message.key() or b"").decode("utf-8", "replace")}
        name = self._names.name({part: labels[part] for part in self._parts})
        kind, time_ms = message.timestamp()
        if name is None:
            rows.leave_out(Rejection.FOREIGN, len(rows), where)
        else:
            self._payloads.read(name, message.value(), time_ms * 1_000 if kind else None, rows, where)

    def close(self) -> None:
        """Let go of the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()
