"""Notifier `webhook`: one POST per event, in order, with an idempotence key and, if a secret is given, a signature.

The signature is the HMAC-SHA256 of the time stamp, a full stop and the body, as hex digits: whoever has the secret can
tell that the body is ours and is not an old one sent again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from sentinel.config import WebhookNotify
from sentinel.config.secrets import SecretMissing, hide_query, read_secret
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.notify.base import Answer, Delivery, Event, Notifier, idempotence_key, send_each
from sentinel.notify.http import post, to_json


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Give the value of the header `Sentinel-Signature`."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


class WebhookNotifier(Notifier):
    """Posts events to one address."""

    def __init__(self, settings: WebhookNotify) -> None:
        super().__init__(settings.name)
        self._settings, self._clock = settings, Clock()

    def describe(self) -> str:
        """Say where events go; an address from a file stays there."""
        signed = "" if self._settings.secret_file is None else ", signed"
        address = hide_query(self._settings.url or f"the address in {self._settings.url_file}")
        return f"a POST per event to {address}{signed}"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        """Post one event after the other; see `Notifier.send`."""
        return send_each(batch, lambda event: self._post(event, deadline))

    def _post(self, event: Event, deadline: float) -> Answer:
        settings, body, key = self._settings, to_json(event), idempotence_key(event)
        timestamp = str(self._clock.now_us() // MICROSECONDS)
        headers = {"idempotency-key": key, "sentinel-timestamp": timestamp}
        try:
            if settings.secret_file is not None:
                headers["sentinel-signature"] = sign(read_secret(settings.secret_file), timestamp, body)
            url = settings.url if settings.url_file is None else read_secret(settings.url_file)
        except SecretMissing as error:
            return Answer("retry", f"notify {self.name}: {error}")
        assert url is not None  # the settings see to it
        return post(f"notify {self.name}", url, body, headers, settings, deadline)
