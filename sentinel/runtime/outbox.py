"""The outbox: what is owed to receivers, sent at least once and in order, by a thread per receiver.

The journal has one writer, the engine's thread, and it stays so. In each turn the engine records what the threads have
sent and gives those that are free their next batch; it never waits for one. A receiver that fails is tried again ever
more rarely. One that hangs holds up neither the engine nor another receiver.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread
from time import monotonic

from sentinel.domain.clock import Clock
from sentinel.domain.metrics import Metrics
from sentinel.journal import Journal
from sentinel.notify import Delivery, Event, Notifier

logger = logging.getLogger(__name__)

MOST_PER_BATCH = 200
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
DEADLINE_SECONDS = 10.0
"""How long a notifier may take for a batch."""
GRACE_SECONDS = 5.0
"""A notifier that has not answered so long after its deadline is said to hang."""


@dataclass(slots=True)
class _Receiver:
    """One receiver, the batch that is being sent to it, and what came of it."""

    notifier: Notifier
    batch: list[tuple[str, Event]] = field(default_factory=list)
    """Ids and events; empty while nothing is being sent."""
    deadline: float = 0.0
    delivery: Delivery | None = None
    """What became of the batch; None while the thread is at work."""
    ended: Flag = field(default_factory=Flag)
    """Set while no thread is at work."""
    hangs: bool = False
    due: float = 0.0
    """When it may be tried again."""
    wait: float = 0.0
    failure: str = ""

    def begin(self, batch: list[tuple[str, Event]]) -> None:
        """Send a batch in a thread of its own."""
        self.batch, self.delivery, self.hangs = batch, None, False
        self.deadline = monotonic() + DEADLINE_SECONDS
        self.ended.clear()
        Thread(target=self._send, name=f"notify {self.notifier.name}", daemon=True).start()

    def _send(self) -> None:
        try:
            self.delivery = self.notifier.send([event for _, event in self.batch], self.deadline)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the engine hears of it and tries again
            self.delivery = Delivery("retry", 0, f"{type(error).__name__}: {error}")
        self.ended.set()


class Outbox:
    """Hands to the receivers what the journal owes them. Belongs to the engine's thread."""

    def __init__(self, journal: Journal, notifiers: Mapping[str, Notifier], metrics: Metrics, clock: Clock) -> None:
        self._journal, self._metrics, self._clock = journal, metrics, clock
        self._receivers = {sink: _Receiver(notifier) for sink, notifier in notifiers.items()}
        for sink in notifiers:
            metrics.notifications.inc(0, sink=sink)
            metrics.notification_failures.inc(0, sink=sink)

    @property
    def sinks(self) -> list[str]:
        """Names of the receivers."""
        return list(self._receivers)

    def deliver(self) -> None:
        """Record what has been sent and begin to send what is owed; waits for nobody.

        Raises JournalFull or JournalUnwritable where that cannot be recorded; it is recorded by a later call.
        """
        for sink, receiver in self._receivers.items():
            if receiver.delivery is not None:
                self._record(sink, receiver, receiver.delivery)
            elif receiver.batch:
                self._watch(sink, receiver)
            if not receiver.batch and monotonic() >= receiver.due:
                owed = self._journal.undelivered(sink, MOST_PER_BATCH)
                if owed:
                    receiver.begin([(key, event | {"id": event["alarm_id"]}) for key, event in owed])
            self._metrics.outbox_notifications.set(self._journal.outbox_length(sink), sink=sink)

    def flush(self, seconds: float) -> None:
        """Send what is owed for at most so long, without waiting for those that fail. Raises what `deliver` does."""
        end = monotonic() + seconds
        self.deliver()
        while waiting := [each for each in self._receivers.values() if each.batch and not each.failure]:
            if not waiting[0].ended.wait(max(0.0, end - monotonic())):
                break
            self.deliver()

    def close(self) -> None:
        """Close the notifiers that are not sending; a thread that hangs is left to itself."""
        for receiver in self._receivers.values():
            if receiver.ended.is_set() or not receiver.batch:
                receiver.notifier.close()

    def _record(self, sink: str, receiver: _Receiver, delivery: Delivery) -> None:
        """Write down what became of a batch, then forget it; so nothing is forgotten if it cannot be written."""
        now_us, keys = self._clock.now_us(), [key for key, _ in receiver.batch]
        if delivery.sent:
            self._journal.mark_delivered(sink, keys[: delivery.sent], now_us)
        if delivery.outcome == "refused":
            self._journal.mark_refused(sink, keys[delivery.sent : delivery.sent + 1], now_us)
        receiver.batch, receiver.delivery = [], None
        if delivery.outcome == "delivered":
            self._metrics.notifications.inc(delivery.sent, sink=sink)
            receiver.wait, receiver.failure = 0.0, ""
            return
        self._metrics.notifications.inc(delivery.sent + 1, sink=sink)
        self._metrics.notification_failures.inc(sink=sink)
        if delivery.outcome == "refused":
            logger.error(
                "notification refused; it is not sent again",
                extra={"sink": sink, "event": keys[delivery.sent], "why": delivery.reason},
            )
            return
        receiver.wait = min(2.0 * receiver.wait, LAST_RETRY_SECONDS) or FIRST_RETRY_SECONDS
        receiver.due = monotonic() + receiver.wait
        self._warn(sink, receiver, delivery.reason)

    def _watch(self, sink: str, receiver: _Receiver) -> None:
        """Say once of a batch that its notifier hangs."""
        if not receiver.hangs and monotonic() > receiver.deadline + GRACE_SECONDS:
            receiver.hangs = True
            self._metrics.notification_failures.inc(sink=sink)
            self._warn(sink, receiver, "no answer long after its deadline; what is owed to it waits")

    def _warn(self, sink: str, receiver: _Receiver, why: str) -> None:
        if why != receiver.failure:
            logger.warning("notification not delivered", extra={"sink": sink, "why": why})
            receiver.failure = why
