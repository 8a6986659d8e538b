"""What every notifier is: something that sends one event, or says why it could not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sentinel.domain.errors import SentinelError


class NotifyError(SentinelError):
    """An event could not be sent; it stays in the outbox and is tried again."""


class Notifier(Protocol):
    """Sends events to one place."""

    def send(self, event: Mapping[str, object]) -> None:
        """Send one event; when this returns, the event is with the receiver.

        The outbox sends at least once: after a crash an event may come again with the same `key`.

        Parameters
        ----------
        event
            Mapping with `id, what (raised|cleared), series, source, kind, threshold, alpha, severity,
            time, evidence, lag1, lag1_low, lag1_high, text, settings`.

        Raises
        ------
        NotifyError
            It could not be sent; nothing was delivered, or it is not known whether it was.
        """
        ...


def idempotence_key(event: Mapping[str, object]) -> str:
    """Give the same text each time an event is sent again: the alarm's id and what happened to it."""
    return f"{event['id']}/{event['what']}"
