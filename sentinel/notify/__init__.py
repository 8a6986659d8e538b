"""The receivers of events: one file per kind of notifier, and the registry of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sentinel.config import Notify, RemoteWriteNotify
from sentinel.notify.alertmanager import AlertmanagerNotifier
from sentinel.notify.base import Delivery, Event, Notifier, idempotence_key
from sentinel.notify.email import EmailNotifier
from sentinel.notify.exec import ExecNotifier
from sentinel.notify.log import LogNotifier
from sentinel.notify.remote_write import Points, RemoteWriter
from sentinel.notify.webhook import WebhookNotifier

Receiver: TypeAlias = Notifier | RemoteWriter
"""Whoever is told something: a notifier of events, a writer of readings."""
NOTIFIERS: Mapping[str, Callable[[Any], Notifier]] = {
    "log": LogNotifier,
    "alertmanager": AlertmanagerNotifier,
    "webhook": WebhookNotifier,
    "email": EmailNotifier,
    "exec": ExecNotifier,
}
"""By kind: the class that is made from the settings of that kind. Readings are no events: see `RemoteWriter`."""


def make_notifier(settings: Notify, shown_labels: Sequence[str] = ()) -> Notifier:
    """Make the notifier that these settings describe; `shown_labels` are those of series that metrics show."""
    notifier = NOTIFIERS[settings.kind](settings)
    notifier.shown_labels = shown_labels
    return notifier


def make_receiver(settings: Notify, shown_labels: Sequence[str] = ()) -> Receiver:
    """Make the receiver that these settings describe, of events or of readings."""
    if isinstance(settings, RemoteWriteNotify):
        return RemoteWriter(settings, shown_labels)
    return make_notifier(settings, shown_labels)


__all__ = [
    "NOTIFIERS", "Delivery", "Event", "Notifier", "Points", "Receiver", "RemoteWriter", "idempotence_key",
    "make_notifier", "make_receiver",
]  # fmt: skip
