"""The outbox: what is owed to receivers, events and readings, sent at least once and in order.

The journal has one writer, the engine's thread, and it stays so. In each turn the engine records what the couriers have
sent and gives those that are free their next batch; it never waits for one.

An open alarm is never lost, and a resolved one never invented: a receiver that is new is owed the alarms that are open,
one that was away the ends of those that it was told of, and one that forgets is told of open ones again and again, but
only while it is owed nothing, so never after their end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, TypeAlias

from sentinel.config import from_record
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.drills import is_drill
from sentinel.domain.errors import SentinelError
from sentinel.domain.metrics import Metrics
from sentinel.journal import Journal
from sentinel.notify import Delivery, Event, Notifier, Place, Receiver, RemoteWriter, place_of
from sentinel.runtime.courier import Courier, Owed
from sentinel.runtime.readings import Readings

MOST_PER_BATCH = 200
REPLACE_SECONDS = 1.0
"""Time that receivers which are replaced have for what is owed to them."""
SHOWN_AFTER_US = 3_600 * MICROSECONDS
"""Time for which an alarm that ended is shown as ended; as long as the shipped rules look back over lost scrapes."""
MOST_ENDED = 1_000
"""Events among which a start looks for those."""


AlarmLabels: TypeAlias = tuple[str, ...]
"""Source, series, rule, label and severity of an alarm of a series, as its line on /metrics has them."""


def _is_of_series(event: Event) -> bool:
    return "members" not in event and not is_drill(event)


class Outbox:
    """Hands to the receivers what the journal owes them. Belongs to the engine's thread.

    `names` are those of the sources by their ids, as receivers and metrics know them.
    """

    def __init__(
        self, journal: Journal, receivers: Mapping[str, Receiver], metrics: Metrics, clock: Clock,
        names: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._journal, self._metrics, self._clock = journal, metrics, clock
        self.readings = Readings(journal.readings, metrics)
        """Readings on their way to databases."""
        self._places = _find_places(journal)
        """The address of each receiver; first of all by the settings that were in force before."""
        self._open: dict[str, Event] = {}
        """The events that raised alarms which are open, by the ids of these, in their order."""
        self._ended: list[tuple[int, Event]] = []
        """The ends of alarms that were kept within the last hour, and when."""
        self._use(receivers, names or {})

    def _use(self, receivers: Mapping[str, Receiver], names: Mapping[str, str]) -> None:
        self._names = dict(names)
        self._notifiers = {sink: each for sink, each in receivers.items() if isinstance(each, Notifier)}
        self.sinks = list(self._notifiers)
        """Names of the receivers of events."""
        self._renewal_due = dict.fromkeys(self.sinks, 0.0)
        """When each is told again of the alarms that are open."""
        count = self._metrics.notification_failures.inc
        self._couriers = {
            sink: Courier(sink, each.send, partial(count, sink=sink)) for sink, each in self._notifiers.items()
        }
        self.readings.use([each for each in receivers.values() if isinstance(each, RemoteWriter)])
        for sink in self.sinks:
            self._metrics.notifications.inc(0, sink=sink)
            self._metrics.notification_failures.inc(0, sink=sink)

    def replace(self, receivers: Mapping[str, Receiver], names: Mapping[str, str]) -> None:
        """Use these receivers in place of all others: new ones are owed the alarms that are open.

        What is owed to one that has gone stays in the journal, for when it comes back.
        """
        self.flush(REPLACE_SECONDS)
        self.close()
        for gone in {*self.sinks, *self.readings.sinks} - set(receivers):
            self._metrics.forget(sink=gone)
        self._use(receivers, names)
        self.begin()

    def deliver(self) -> None:
        """Record what has been sent and begin to send what is owed; waits for nobody.

        Raises JournalFull or JournalUnwritable where that cannot be recorded; it is recorded by a later call.
        """
        for sink, courier in self._couriers.items():
            courier.hear(partial(self._record, sink))
            if courier.is_free:
                owed = self._journal.undelivered(sink, MOST_PER_BATCH)
                if owed:
                    courier.hand(self._address(owed))
                else:
                    self._renew(sink, courier)
            self._metrics.outbox_notifications.set(self._journal.outbox_length(sink), sink=sink)
        self.readings.deliver()

    def _address(self, owed: Sequence[tuple[str, Event]], *, again: bool = False) -> Owed:
        """Put events into the words of receivers."""
        events = []
        for key, event in owed:
            name = self._names.get(str(event.get("source")), event.get("source"))
            shown = {fact: text for fact, text in event.items() if fact != "raised_from" or text != name}
            events.append({**shown, "id": event["alarm_id"], "event_id": key, "source": name})
        return Owed([key for key, _ in owed], events, again)

    def begin(self) -> None:
        """Let receivers that are new, or in another place, be told of open alarms, and those that were away of ends.

        Once, when the state is restored.
        """
        self._open = {str(event["alarm_id"]): event for event in self._journal.open_events()}
        ends = ((kept.arrival_us or 0, kept.body) for kept in self._journal.events(MOST_ENDED))
        self._ended = [(at_us, event) for at_us, event in ends if event["what"] == "cleared"]
        self._journal.owe_ends(self.sinks)
        still_open = [str(event["id"]) for event in self._open.values() if not is_drill(event)]
        self._journal.owe(still_open, self.sinks)
        for sink, each in self._notifiers.items():
            if self._places.get(sink, each.place) != each.place:
                self._journal.owe_again(still_open, sink)
            self._places[sink] = each.place
        self.readings.begin()

    def failure(self, sink: str) -> str:
        """Say why the last try with a receiver failed; empty if it did not, or if there is no such receiver."""
        courier = self._couriers.get(sink)
        return courier.failure if courier else ""

    def failures(self) -> dict[str, str]:
        """Say of each receiver with which the last try failed why, without its name. Called by any thread."""
        couriers = (*self._couriers.values(), *self.readings.couriers)
        return {each.sink: each.failure.removeprefix(f"notify {each.sink}: ") for each in couriers if each.failure}

    def note(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Note which alarms are open, after their events were written."""
        ended, now_us = [], self._clock.now_us()
        for event in events:
            if event["what"] == "raised":
                self._open[str(event["alarm_id"])] = event
            elif event["what"] == "cleared":
                self._open.pop(str(event["alarm_id"]), None)
                ended.append((now_us, event))
        if ended:
            self._ended = [*(each for each in self._ended if each[0] >= now_us - SHOWN_AFTER_US), *ended]

    def open_alarms(self) -> Mapping[str, AlarmLabels]:
        """Give the labels of open alarms by id, as they were raised. May be called by another thread."""
        return {alarm: self._labels_of(event) for alarm, event in dict(self._open).items() if _is_of_series(event)}

    def _labels_of(self, event: Event) -> AlarmLabels:
        source = event.get("raised_from", self._names.get(str(event["source"]), event["source"]))
        series = event.get("raised_as", event["series"])
        return tuple(map(str, (source, series, event["rule"], event["label"], event["severity"])))

    def just_ended(self) -> Sequence[AlarmLabels]:
        """Give the labels of alarms that ended within the last hour. May be called by another thread."""
        since_us = self._clock.now_us() - SHOWN_AFTER_US
        return [self._labels_of(event) for at_us, event in self._ended if at_us >= since_us and _is_of_series(event)]

    def _renew(self, sink: str, courier: Courier) -> None:
        """Tell a receiver that forgets again of the alarms that are open. It is owed nothing, so none has ended."""
        every = self._notifiers[sink].renew_every
        if every is None or monotonic() < self._renewal_due[sink]:
            return
        self._renewal_due[sink] = monotonic() + every
        known = self._journal.told(sink, [str(event["id"]) for event in self._open.values()])
        told = [(event["id"], event) for event in self._open.values() if event["id"] in known]
        if told:
            courier.hand(self._address(told, again=True))

    def flush(self, seconds: float) -> None:
        """Send what is owed for at most so long, without waiting for those that fail. Raises what `deliver` does."""
        end = monotonic() + seconds
        self.deliver()
        while (left := end - monotonic()) > 0.0 and (
            answers := [each.awaited for each in (*self._couriers.values(), *self.readings.couriers) if each.awaited]
        ):
            wait(answers, left, FIRST_COMPLETED)
            self.deliver()

    def close(self) -> None:
        """Close the notifiers that are not sending; a thread that hangs is left to itself."""
        for sink, notifier in self._notifiers.items():
            if not self._couriers[sink].is_sending:
                notifier.close()

    def _record(self, sink: str, owed: Owed, delivery: Delivery) -> None:
        """Write down what became of a batch."""
        if owed.again:
            return
        outcome, sent, _ = delivery
        now_us = self._clock.now_us()
        if sent:
            self._journal.mark_delivered(sink, owed.keys[:sent], now_us)
        if outcome == "refused":
            self._journal.mark_refused(sink, [owed.keys[sent]], now_us)
        self._metrics.notifications.inc(sent + (outcome != "delivered"), sink=sink)


def _find_places(journal: Journal) -> dict[str, Place]:
    """Find the addresses of the receivers of the last settings; none where these are not known any more."""
    recorded = journal.settings()
    with suppress(SentinelError):
        return {each.name: place_of(each) for each in from_record(recorded["settings"]).notify} if recorded else {}
    return {}
