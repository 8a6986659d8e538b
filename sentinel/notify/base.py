"""The contract of a notifier: a class that sends events to one receiver, and says what became of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from sentinel.domain.drills import is_drill
from sentinel.domain.events import ENDED_BY

Event: TypeAlias = Mapping[str, object]
"""`id, what (raised|cleared), series, source, kind, threshold, alpha, severity, time, evidence, lag1, lag1_low,
lag1_high, text, settings` and more, of a drill alone also `drill`, which is true; null where a key has no meaning, as
most have for the alarm of a site."""


Place: TypeAlias = tuple[object, ...]
Outcome: TypeAlias = Literal["delivered", "retry", "refused"]


class Answer(NamedTuple):
    """The fate of one event, or of whatever is sent at once."""

    outcome: Outcome
    reason: str = ""
    """Of retry and refused: where, what came, what is needed."""


class Delivery(NamedTuple):
    """The fate of a batch: its first `sent` events are with the receiver, and `outcome` is about the others."""

    outcome: Outcome
    """delivered = there are no others; retry = try the others again later; refused = never send the next one again."""
    sent: int
    reason: str = ""


class Notifier(ABC):
    """Sends events to one receiver. Made from its settings. Its methods are called by one thread at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        """Name in settings, metrics and messages."""
        self.renew_every: float | None = None
        """Seconds after which events of alarms that are still open are sent again, as `raised`; None = never."""
        self.shown_labels: Sequence[str] = ()
        """Labels of series that metrics show too, for receivers that know an alert by its labels."""
        self.place: Place = ()
        """Its address: a receiver that has another one is told again of the alarms that are open. Never shown."""

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what is sent where."""

    @abstractmethod
    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        """Send events, one or more, in this order. Those counted in the answer are safe with the receiver.

        They are sent at least once: after a failure or a crash an event may come again, with the same
        `idempotence_key`. What hangs here delays nothing but this receiver. `deadline` is when to give up and answer
        `retry`, by `time.monotonic`.
        """

    def close(self) -> None:  # noqa: B027 - most notifiers hold nothing
        """Let go of connections. May be called more than once; nothing else is called after it."""


def send_each(batch: Sequence[Event], send: Callable[[Event], Answer]) -> Delivery:
    """Send one event after the other, up to the first that is not delivered."""
    for count, event in enumerate(batch):
        answer = send(event)
        if answer.outcome != "delivered":
            return Delivery(answer.outcome, count, answer.reason)
    return Delivery("delivered", len(batch))


def idempotence_key(event: Event) -> str:
    """Give the same text each time an event is sent again: its own id, or that of the alarm and what happened to it."""
    return str(event.get("event_id") or f"{event['id']}/{event['what']}")


def end_in_words(event: Event) -> str:
    """Say that an alarm has ended and, where it did not end by itself, what ended it: `ended by a gap`."""
    return " ".join(filter(None, ("ended", ENDED_BY.get(str(event.get("ended_by"))))))


def page_of(event: Event) -> str:
    """Give the path of the daemon's page on the alarm of an event; drills stand on that of the daemon's status."""
    return "status" if is_drill(event) else f"alarms/{event['id']}"
