"""The receivers of events: one file per kind of notifier, and the registry of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sentinel.config import Notify
from sentinel.notify.alertmanager import AlertmanagerNotifier
from sentinel.notify.base import Delivery, Event, Notifier, idempotence_key
from sentinel.notify.email import EmailNotifier
from sentinel.notify.exec import ExecNotifier
from sentinel.notify.log import LogNotifier
from sentinel.notify.webhook import WebhookNotifier

NOTIFIERS: Mapping[str, Callable[[Any], Notifier]] = {
    "log": LogNotifier,
    "alertmanager": AlertmanagerNotifier,
    "webhook": WebhookNotifier,
    "email": EmailNotifier,
    "exec": ExecNotifier,
}
"""By kind: the class that is made from the settings of that kind."""


def make_notifier(settings: Notify) -> Notifier:
    """Make the notifier that these settings describe."""
    return NOTIFIERS[settings.kind](settings)


__all__ = ["NOTIFIERS", "Delivery", "Event", "Notifier", "idempotence_key", "make_notifier"]
