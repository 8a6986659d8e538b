"""The receivers of events: one file per kind of notifier, and the registry of kinds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, TypeAlias

from sentinel.config import ExecNotify, Notify, RemoteWriteNotify
from sentinel.config.secrets import SecretMissing, read_secret
from sentinel.notify.alertmanager import AlertmanagerNotifier
from sentinel.notify.base import Delivery, Event, Notifier, Place, idempotence_key
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
_ADDRESSES = ("path", "url", "url_file", "command", "host", "port", "to")


def make_notifier(settings: Notify, shown_labels: Sequence[str] = ()) -> Notifier:
    """Make the notifier that these settings describe; `shown_labels` are those of series that metrics show."""
    notifier = NOTIFIERS[settings.kind](settings)
    notifier.shown_labels, notifier.place = shown_labels, place_of(settings)
    return notifier


def place_of(settings: Notify) -> Place:
    """Give the settings that say who is told, in full: two rooms of a chat may differ behind `?` alone."""
    return tuple(getattr(settings, key, None) for key in ("kind", *_ADDRESSES))


def make_receiver(settings: Notify, shown_labels: Sequence[str] = ()) -> Receiver:
    """Make the receiver that these settings describe, of events or of readings."""
    if isinstance(settings, RemoteWriteNotify):
        return RemoteWriter(settings, shown_labels)
    return make_notifier(settings, shown_labels)


SECRETS = ("password_file", "bearer_token_file", "secret_file", "url_file")


def say_what_lacks(settings: Notify) -> Iterator[str]:
    """Say which secret, certificate, package or program a receiver lacks. No fault: events wait until it comes."""
    for key in SECRETS:
        path = getattr(settings, key, None)
        try:
            if path is not None:
                read_secret(path)
        except SecretMissing as error:
            yield f"{key}: {error}"
    certificates = getattr(settings, "ca_file", None)
    if certificates is not None and not certificates.exists():
        yield f"ca_file: {certificates}: No such file; one with the certificates of authorities is needed"
    if isinstance(settings, RemoteWriteNotify) and find_spec("cramjam") is None:
        yield "the package cramjam is not there: pip install 'sentinel-ews[push]'"
    if isinstance(settings, ExecNotify) and shutil.which(settings.command[0]) is None:
        yield f"command: {settings.command[0]}: not found; a program that can be run is needed"


__all__ = [
    "NOTIFIERS", "Delivery", "Event", "Notifier", "Place", "Points", "Receiver", "RemoteWriter", "idempotence_key",
    "make_notifier", "make_receiver", "place_of", "say_what_lacks",
]  # fmt: skip
