"""The outbox: what is owed to receivers, sent at least once and in order, by a thread per receiver.

The journal has one writer, the engine's thread, and it stays so. In each turn the engine records what the threads have
sent and gives those that are free their next batch; it never waits for one. A receiver that fails is tried again ever
more rarely. One that hangs holds up neither the engine nor another receiver.

An open alarm is never lost, and a resolved one never invented: a receiver that is new is owed the alarms that are open,
and one that forgets is told of them again and again, but only while it is owed nothing, so never after their end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from threading import Thread
from time import monotonic
from typing import Any

from sentinel.domain.clock import Clock
from sentinel.domain.drills import is_drill
from sentinel.domain.metrics import Metrics
from sentinel.journal import Journal
from sentinel.notify import Delivery, Event, Notifier

logger = logging.getLogger(__name__)

MOST_PER_BATCH = 200
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
DEADLINE_SECONDS = 10.0
"""Time that a notifier has for a batch."""
GRACE_SECONDS = 5.0
"""A notifier that has not answered so long after its deadline is said to hang."""
REPLACE_SECONDS = 1.0
"""Time that receivers which are replaced have for what is owed to them."""


class _Sending:
    """One batch on its way, in a thread of its own; `answer` is done when that has ended."""

    def __init__(
        self, notifier: Notifier, owed: Sequence[tuple[str, Event]], names: Mapping[str, str], *, again: bool = False
    ) -> None:
        self.keys = [key for key, _ in owed]
        self.again = again
        """It was told before, and is not owed."""
        self._events = [
            {**event, "id": event["alarm_id"], "source": names.get(str(event.get("source")), event.get("source"))}
            for _, event in owed
        ]
        self.deadline = monotonic() + DEADLINE_SECONDS
        self.answer: Future[Delivery] = Future()
        Thread(target=self._send, args=(notifier,), name=f"notify {notifier.name}", daemon=True).start()

    def _send(self, notifier: Notifier) -> None:
        try:
            delivery = notifier.send(self._events, self.deadline)
            sent, count = delivery.sent, len(self.keys)
            if not (sent == count if delivery.outcome == "delivered" else 0 <= sent < count):
                delivery = Delivery("retry", 0, f"{delivery.outcome} with {sent} of {count} events sent")
        except BaseException as error:  # noqa: BLE001 - whatever went wrong, the engine hears of it and tries again
            delivery = Delivery("retry", 0, f"{type(error).__name__}: {error}")
        self.answer.set_result(delivery)


@dataclass(slots=True)
class _Receiver:
    """One receiver, what is on its way to it, and what came of the last tries."""

    notifier: Notifier
    sending: _Sending | None = None
    hangs: bool = False
    due: float = 0.0
    """When it may be tried again."""
    wait: float = 0.0
    failure: str = ""
    renewal_due: float = 0.0
    """When it is told again of the alarms that are open."""


class Outbox:
    """Hands to the receivers what the journal owes them. Belongs to the engine's thread.

    `names` are those of the sources by their ids, as receivers and metrics know them.
    """

    def __init__(
        self, journal: Journal, notifiers: Mapping[str, Notifier], metrics: Metrics, clock: Clock,
        names: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._journal, self._metrics, self._clock = journal, metrics, clock
        self._open: dict[str, Event] = {}
        """Events of alarms that are open, by their ids, in their order."""
        self._use(notifiers, names or {})

    def _use(self, notifiers: Mapping[str, Notifier], names: Mapping[str, str]) -> None:
        self._names = dict(names)
        self._receivers = {sink: _Receiver(notifier) for sink, notifier in notifiers.items()}
        self.sinks = list(notifiers)
        """Names of the receivers."""
        for sink in notifiers:
            self._metrics.notifications.inc(0, sink=sink)
            self._metrics.notification_failures.inc(0, sink=sink)

    def replace(self, notifiers: Mapping[str, Notifier], names: Mapping[str, str]) -> None:
        """Use these receivers in place of all others: new ones are owed the alarms that are open.

        What is owed to one that has gone stays in the journal, for when it comes back.
        """
        self.flush(REPLACE_SECONDS)
        self.close()
        for gone in set(self.sinks) - set(notifiers):
            self._metrics.forget(sink=gone)
        self._use(notifiers, names)
        self.begin()

    def deliver(self) -> None:
        """Record what has been sent and begin to send what is owed; waits for nobody.

        Raises JournalFull or JournalUnwritable where that cannot be recorded; it is recorded by a later call.
        """
        for sink, receiver in self._receivers.items():
            self._hear(sink, receiver)
            if receiver.sending is None and monotonic() >= receiver.due:
                owed = self._journal.undelivered(sink, MOST_PER_BATCH)
                if owed:
                    receiver.hangs = False
                    receiver.sending = _Sending(receiver.notifier, owed, self._names)
                else:
                    self._renew(sink, receiver)
            self._metrics.outbox_notifications.set(self._journal.outbox_length(sink), sink=sink)

    def begin(self) -> None:
        """Let receivers that are new be told of the alarms that are open; once, when the state is restored."""
        self._open.clear()
        self.note(self._journal.open_events())
        self._journal.owe([key for key, event in self._open.items() if not is_drill(event)], self.sinks)

    def failure(self, sink: str) -> str:
        """Say why the last try with a receiver failed; empty if it did not, or if there is no such receiver."""
        receiver = self._receivers.get(sink)
        return receiver.failure if receiver else ""

    def note(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Note which alarms are open, after their events were written."""
        for event in events:
            if event["what"] == "raised":
                self._open[str(event["id"])] = event
            elif event["what"] == "cleared":
                self._open.pop(f"{event['alarm_id']}/raised", None)

    def _renew(self, sink: str, receiver: _Receiver) -> None:
        """Tell a receiver that forgets again of the alarms that are open. It is owed nothing, so none has ended."""
        every = receiver.notifier.renew_every
        if every is None or monotonic() < receiver.renewal_due:
            return
        receiver.renewal_due = monotonic() + every
        known = self._journal.told(sink, list(self._open))
        told = [(key, event) for key, event in self._open.items() if key in known]
        if told:
            receiver.hangs = False
            receiver.sending = _Sending(receiver.notifier, told, self._names, again=True)

    def flush(self, seconds: float) -> None:
        """Send what is owed for at most so long, without waiting for those that fail. Raises what `deliver` does."""
        end = monotonic() + seconds
        self.deliver()
        while (left := end - monotonic()) > 0.0 and (
            answers := [each.sending.answer for each in self._receivers.values() if each.sending and not each.failure]
        ):
            wait(answers, left, FIRST_COMPLETED)
            self.deliver()

    def close(self) -> None:
        """Close the notifiers that are not sending; a thread that hangs is left to itself."""
        for receiver in self._receivers.values():
            if receiver.sending is None or receiver.sending.answer.done():
                receiver.notifier.close()

    def _hear(self, sink: str, receiver: _Receiver) -> None:
        """Record what became of the batch on its way, or say once that its notifier hangs."""
        sending = receiver.sending
        if sending is None:
            return
        if sending.answer.done():
            self._record(sink, receiver, sending, sending.answer.result())
        elif not receiver.hangs and monotonic() > sending.deadline + GRACE_SECONDS:
            receiver.hangs = True
            self._metrics.notification_failures.inc(sink=sink)
            self._warn(sink, receiver, "no answer long after its deadline; what is owed to it waits")

    def _record(self, sink: str, receiver: _Receiver, sending: _Sending, delivery: Delivery) -> None:
        """Write down what became of a batch, then forget it; so nothing is forgotten if it cannot be written."""
        outcome, sent, reason = delivery
        now_us, keys = self._clock.now_us(), sending.keys
        if sent and not sending.again:
            self._journal.mark_delivered(sink, keys[:sent], now_us)
        if outcome == "refused" and not sending.again:
            self._journal.mark_refused(sink, [keys[sent]], now_us)
        receiver.sending = None
        if not sending.again:
            self._metrics.notifications.inc(sent + (outcome != "delivered"), sink=sink)
        if outcome != "delivered":
            self._metrics.notification_failures.inc(sink=sink)
        if outcome == "retry":
            receiver.wait = min(2.0 * receiver.wait, LAST_RETRY_SECONDS) or FIRST_RETRY_SECONDS
            receiver.due = monotonic() + receiver.wait
            self._warn(sink, receiver, reason)
            return
        receiver.wait, receiver.failure = 0.0, ""  # whoever refuses an event has answered, too
        if outcome == "refused":
            logger.error(
                "notification refused; it is not sent again", extra={"sink": sink, "event": keys[sent], "why": reason}
            )

    def _warn(self, sink: str, receiver: _Receiver, why: str) -> None:
        if why != receiver.failure:
            logger.warning("notification not delivered", extra={"sink": sink, "why": why})
            receiver.failure = why
