"""The outbox: notifications owed to sinks, sent at least once, in order, until they have them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic

from sentinel.domain.clock import Clock
from sentinel.domain.metrics import Metrics
from sentinel.journal import Journal
from sentinel.notify import Notifier, NotifyError

logger = logging.getLogger(__name__)

AT_MOST = 200
"""Notifications to one sink in one turn."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0


class Outbox:
    """Sends what the journal owes; a sink that fails waits ever longer and holds up no other."""

    def __init__(self, journal: Journal, notifiers: Mapping[str, Notifier], metrics: Metrics, clock: Clock) -> None:
        self._journal, self._notifiers, self._metrics, self._clock = journal, notifiers, metrics, clock
        self._due = dict.fromkeys(notifiers, 0.0)
        self._wait = dict.fromkeys(notifiers, FIRST_RETRY_SECONDS)
        self._failure = dict.fromkeys(notifiers, "")
        for sink in notifiers:
            metrics.notifications.inc(0, sink=sink)
            metrics.notification_failures.inc(0, sink=sink)

    @property
    def sinks(self) -> list[str]:
        """Names of the sinks."""
        return list(self._notifiers)

    def deliver(self) -> None:
        """Send what is owed to the sinks whose time has come. JournalUnwritable if that cannot be read or recorded."""
        for sink, notifier in self._notifiers.items():
            if monotonic() >= self._due[sink]:
                self._deliver_to(sink, notifier)
            self._metrics.outbox_notifications.set(self._journal.outbox_length(sink), sink=sink)

    def _deliver_to(self, sink: str, notifier: Notifier) -> None:
        sent: list[str] = []
        try:
            for event_id, event in self._journal.undelivered(sink, AT_MOST):
                self._metrics.notifications.inc(sink=sink)
                notifier.send(event | {"id": event["alarm_id"]})
                sent.append(event_id)
        except NotifyError as error:
            self._failed(sink, str(error))
        else:
            self._wait[sink] = FIRST_RETRY_SECONDS
            self._failure[sink] = ""
        if sent:
            self._journal.mark_delivered(sink, sent, self._clock.now_us())

    def _failed(self, sink: str, why: str) -> None:
        self._metrics.notification_failures.inc(sink=sink)
        self._due[sink] = monotonic() + self._wait[sink]
        self._wait[sink] = min(2.0 * self._wait[sink], LAST_RETRY_SECONDS)
        if why != self._failure[sink]:
            logger.warning("notification not delivered", extra={"sink": sink, "why": why})
            self._failure[sink] = why
