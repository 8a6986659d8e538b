"""Source `mqtt`: messages of a broker, acknowledged once they are on disk.

The broker keeps what was not acknowledged and sends it again, marked as a duplicate. An observation that carries its
own time is then known by that. Where the time is that of the arrival, the last messages are remembered by number and
content, in the cursor, so that none is counted twice. A broker sends again only after a new connection; within one, a
number and a content that come again are a new message of a broker that uses its numbers again.
"""

from __future__ import annotations

import queue
import secrets
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Lock, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from sentinel.config import MqttSource
from sentinel.domain.clock import Clock
from sentinel.sources.backoff import Backoff
from sentinel.sources.base import HandOver, PushSource
from sentinel.sources.labels import METRIC, Names
from sentinel.sources.mqtt_session import Message, Session
from sentinel.sources.needs import say_what_lacks

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame
    from sentinel.sources.payloads import Payloads
    from sentinel.sources.rows import Rows
    from sentinel.sources.sparkplug import Nodes

GATHER_SECONDS = 0.05
"""So long messages are gathered to one frame."""
MOST_MESSAGES = 5_000
"""Messages of one frame, and those that wait to be read."""
REMEMBERED = 1_000
"""Messages that are remembered beyond those that were not acknowledged; more than a broker sends without an answer."""


class Messages(PushSource):
    """Subscribes, and hands over what comes."""

    def __init__(self, settings: MqttSource, clock: Clock) -> None:
        super().__init__(settings.name, settings.id)
        self._settings, self._clock = settings, clock
        self._backoff = Backoff(1.0)
        self._session: Session | None = None
        self._waiting: queue.Queue[tuple[Message, int, int]] = queue.Queue(MOST_MESSAGES)
        self._closed = False
        self._names = Names(settings.series_name or f"{{{METRIC}}}", labels=settings.labels)
        self._payloads: Payloads | None = None
        self._nodes: Nodes | None = None
        self._has_time = settings.time is not None or settings.payload == "sparkplug"
        self._lock = Lock()
        self._number = self._acknowledged = self._connection = 0
        self._newest_us: int | None = None
        self._unacknowledged: dict[int, int] = {}
        """By number of the message: number of its frame."""
        self._remembered: dict[int, tuple[int, int]] = {}
        """By number of the message, the oldest first: checksum of one that was handed over, and its connection."""

    def describe(self) -> str:
        """Say which topics of which broker are read."""
        settings = self._settings
        when = f"times from {settings.time}" if settings.time else "times of arrival"
        when = "Sparkplug B" if settings.payload == "sparkplug" else when
        return f"{settings.url}, topics {', '.join(settings.topics)}, as they come, {when}"

    def remarks(self) -> tuple[str, ...]:
        """Say which package or secret is not there."""
        return tuple(say_what_lacks("paho", "mqtt", password_file=self._settings.password_file))

    def start(self, cursor: Cursor | None, hand_over: HandOver) -> None:
        """Connect and subscribe; see `PushSource.start`."""
        known: Mapping[str, Any] = cursor or {}
        self._number = self._acknowledged = int(known.get("number", 0))
        self._newest_us = known.get("newest_us")
        self._remembered = {int(mid): (checksum, -1) for mid, checksum in known.get("remembered", ())}
        self._nodes = self._new_nodes(known.get("nodes", {}))
        client_id = self._settings.client_id or f"sentinel-{self.id}"
        session = Session(self._settings, client_id, self._backoff, self._put, self._begin, known.get("topics", ()))
        self._session = session
        Thread(target=self._run, args=(session, hand_over), name=f"{self.name} messages", daemon=True).start()
        try:
            session.start()
        except BaseException:  # whatever ends the start, no session is left behind
            self._session = None
            raise

    def require_connection(self) -> None:
        """Raise SourceError while the broker is away."""
        if self._session is not None and self._session.trouble is not None:
            raise self._session.trouble

    def acknowledge(self, cursor: Cursor) -> None:
        """Acknowledge the messages of this frame and of all before it."""
        number = cursor["number"]
        assert isinstance(number, int)
        session = self._session
        with self._lock:
            self._acknowledged = number
            if session is None or session.trouble is not None:
                return  # the broker sends them again, and is told then
            done = [mid for mid, frame in self._unacknowledged.items() if frame <= number]
            for mid in done:
                del self._unacknowledged[mid]
        for mid in done:
            session.acknowledge(mid)

    def close(self) -> None:
        """Disconnect; the broker keeps what was not acknowledged."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def listen(self, seconds: float) -> Frame:
        """Read what comes within so many seconds, with a session of its own, and acknowledge nothing."""
        client_id = f"sentinel-probe-{secrets.token_hex(4)}"
        session = Session(self._settings, client_id, self._backoff, self._put, self._begin, keeps=False)
        session.start()
        try:
            sleep(seconds)
        finally:
            session.close()
        rows, self._nodes = self._new_rows(), self._new_nodes({})
        while not self._waiting.empty():
            self._read(*self._waiting.get()[:2], rows)
        return rows.frame(self.id, {}, self._clock.now_us())

    def _begin(self, is_new: bool) -> None:
        """Begin a connection; forget what the broker has forgotten: in a new session its numbers begin anew."""
        with self._lock:
            self._connection += 1
            if is_new:
                self._remembered.clear()
                self._unacknowledged.clear()

    def _put(self, message: Message) -> None:
        """Let a message wait to be read; where too many do, the broker waits, too."""
        arrived_us, connection = self._clock.now_us(), self._connection
        while not self._closed:
            with suppress(queue.Full):
                self._waiting.put((message, arrived_us, connection), timeout=0.2)
                return

    def _run(self, session: Session, hand_over: HandOver) -> None:
        while not self._closed and self._session is session:
            with suppress(queue.Empty):
                if not self._hand_over(self._gather(), session, hand_over):
                    return

    def _gather(self) -> list[tuple[Message, int, int]]:
        """Wait for a message and those that come with it; queue.Empty where none comes."""
        found = [self._waiting.get(timeout=0.2)]
        until = monotonic() + GATHER_SECONDS
        with suppress(queue.Empty):
            while len(found) < MOST_MESSAGES:
                found.append(self._waiting.get(timeout=max(0.0, until - monotonic())))
        return found

    def _hand_over(self, found: list[tuple[Message, int, int]], session: Session, hand_over: HandOver) -> bool:
        rows, number, repeated = self._new_rows(), self._number + 1, 0
        for message, arrived_us, connection in found:
            if message.qos and self._is_known(message, connection, number, session):
                repeated += 1
                continue
            self._read(message, arrived_us, rows)
        newest_us = rows.newest_us
        if newest_us is not None and (self._newest_us is None or newest_us > self._newest_us):
            self._newest_us = min(newest_us, self._clock.now_us())
        with self._lock:
            remembered = [[mid, checksum] for mid, (checksum, _) in self._remembered.items()]
        cursor: dict[str, object] = {
            "number": number, "newest_us": self._newest_us, "topics": list(self._settings.topics),
            "remembered": remembered,
        }  # fmt: skip
        if self._nodes is not None:
            cursor["nodes"] = self._nodes.to_json()
            for topic, payload in self._nodes.requests():
                session.publish(topic, payload)
        self._number = number
        return hand_over(replace(rows.frame(self.id, cursor, self._newest_us), repeated=repeated))

    def _is_known(self, message: Message, connection: int, number: int, session: Session) -> bool:
        """Note a message that must be acknowledged; say whether it was handed over before."""
        checksum = zlib.crc32(message.topic.encode() + b"\0" + message.payload)
        with self._lock:
            # Whether it is marked as a duplicate says nothing: a broker that was restarted has forgotten that.
            known, known_in = self._remembered.get(message.mid, (None, -1))
            is_known = known == checksum and known_in < connection
            is_waiting = is_known and self._unacknowledged.get(message.mid, 0) > self._acknowledged
            if not is_known:
                self._unacknowledged[message.mid] = number
            if not self._has_time:
                self._remember(message.mid, checksum, connection)
            if is_known and not is_waiting:
                self._unacknowledged.pop(message.mid, None)
        if is_known and not is_waiting:
            session.acknowledge(message.mid)  # it is on disk, and the broker had not heard of it
        return is_known

    def _remember(self, mid: int, checksum: int, connection: int) -> None:
        remembered = self._remembered
        remembered.pop(mid, None)
        remembered[mid] = checksum, connection
        while len(remembered) > REMEMBERED and (oldest := next(iter(remembered))) not in self._unacknowledged:
            del remembered[oldest]

    def _new_nodes(self, known: Mapping[str, Any]) -> Nodes | None:
        if self._settings.payload != "sparkplug":
            return None
        from sentinel.sources.sparkplug import Nodes

        settings = self._settings
        return Nodes(settings.series_name, settings.values, known, settings.labels)

    def _new_rows(self) -> Rows:
        from sentinel.sources.rows import Rows

        return Rows(self._clock.now_us(), "message", self._settings.prefix)

    def _read(self, message: Message, arrived_us: int, rows: Rows) -> None:
        from sentinel.domain.observation import Rejection
        from sentinel.sources.payloads import Payloads

        if self._nodes is not None:
            self._nodes.read(message.topic, message.payload, rows, again=message.dup)
            return
        place, levels = len(rows), message.topic.split("/")
        key = self._names.name({str(number): level for number, level in enumerate(levels, 1)}, message.topic)
        if key is None:
            rows.leave_out(Rejection.FOREIGN, place, ascii(message.topic)[:60])
            return
        if message.retain and self._settings.time is None:
            rows.leave_out(Rejection.BAD_TIME, place, f"{ascii(message.topic)[:60]}: retained, so it is older than now")
            return
        self._payloads = self._payloads or Payloads(self._settings)
        self._payloads.read(key, message.payload, arrived_us, rows, ascii(message.topic)[:60])
