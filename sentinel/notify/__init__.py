"""Notifiers: one file per kind, and the table of them."""

from __future__ import annotations

from collections.abc import Callable

from sentinel.notify.base import Notifier, NotifyError, idempotence_key
from sentinel.notify.log import LogNotifier

NOTIFIERS: dict[str, Callable[..., Notifier]] = {"log": LogNotifier}
"""By kind; called with the settings of that kind other than `kind` and `name`."""

__all__ = ["NOTIFIERS", "LogNotifier", "Notifier", "NotifyError", "idempotence_key"]
