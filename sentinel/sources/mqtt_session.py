"""One session at an MQTT broker that outlives its connections. The one door to paho-mqtt."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from sentinel.config import MqttSource
from sentinel.domain.clock import MICROSECONDS
from sentinel.sources.backoff import Backoff, RefusedError
from sentinel.sources.base import SourceError
from sentinel.sources.needs import read_secret

if TYPE_CHECKING:
    from paho.mqtt.client import Client

KEEP_ALIVE_SECONDS = 30
IN_FLIGHT = 100
"""Messages that a broker of MQTT 5 may send before the first is acknowledged; in 3.1.1 that is its own affair."""
_REFUSED = ("not authorized", "bad user name", "client identifier not valid", "banned", "bad auth")


class Message(Protocol):
    """The parts of a message that are used."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    dup: bool
    retain: bool


class Session:
    """Connects, subscribes, connects again; messages come in a thread of its own.

    `connected` hears of each connection, before its messages come, and whether the session is new.

    Without `keeps` the broker forgets the session, and acknowledges for it, at its end.
    """

    def __init__(
        self, settings: MqttSource, client_id: str, backoff: Backoff, take: Callable[[Message], None],
        connected: Callable[[bool], None],
        former: Iterable[str] = (), *, keeps: bool = True,
    ) -> None:  # fmt: skip
        self._settings, self._client_id, self._backoff, self._take = settings, client_id, backoff, take
        self._connected = connected
        self._former = sorted(set(former) - set(settings.topics))
        self._keeps = keeps
        self._answered = Event()
        self._client: Client | None = None
        self.trouble: SourceError | None = None
        """Why nothing can come at present."""

    def start(self) -> None:
        """Connect; SourceError if the broker cannot be reached now, RefusedError if it does not let us in."""
        password = read_secret(self._settings.password_file, "password_file")
        with self._backoff.attempt(password, self.close):
            self._connect(password)

    def _connect(self, password: str | None) -> None:
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties
        except ImportError:
            raise SourceError("MQTT needs the package paho-mqtt: pip install 'sentinel-ews[mqtt]'") from None
        settings, address = self._settings, urlsplit(self._settings.url)
        is_5, seconds = settings.protocol == "5", settings.timeout / MICROSECONDS
        client = self._client = paho.Client(
            CallbackAPIVersion.VERSION2, self._client_id, clean_session=None if is_5 else not self._keeps,
            protocol=paho.MQTTv5 if is_5 else paho.MQTTv311, manual_ack=self._keeps,
        )  # fmt: skip
        client.connect_timeout = seconds
        client.reconnect_delay_set(1, 60)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_message, client.on_subscribe = self._on_message, self._on_subscribe
        client.on_pre_connect = self._on_pre_connect
        if settings.username is not None:
            client.username_pw_set(settings.username, password)
        more: dict[str, Any] = {}
        if is_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = settings.keep_for // MICROSECONDS if self._keeps else 0
            properties.ReceiveMaximum = IN_FLIGHT
            more = {"clean_start": not self._keeps, "properties": properties}
        if address.scheme == "mqtts":
            try:
                client.tls_set(settings.ca_file)
            except OSError as error:
                why = error.strerror or "no certificates"
                raise SourceError(f"ca_file: {settings.ca_file}: {why}; a PEM file is needed") from None
        try:
            port = address.port or (8883 if address.scheme == "mqtts" else 1883)
            client.connect(address.hostname or "", port, KEEP_ALIVE_SECONDS, **more)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise SourceError(f"{settings.url}: {error}; a broker is needed there") from None
        client.loop_start()
        if not self._answered.wait(seconds):
            raise SourceError(f"{settings.url}: no answer within {seconds:g} s")
        if self.trouble is not None:
            raise self.trouble

    def acknowledge(self, mid: int) -> None:
        """Tell the broker to forget a message; if it is away now it will send that again."""
        if self._client is not None:
            self._client.ack(mid, 1)

    def publish(self, topic: str, payload: bytes) -> None:
        """Say something to others; it is lost if the broker is away now."""
        if self._client is not None:
            self._client.publish(topic, payload)

    def close(self) -> None:
        """End the connection; what was not acknowledged stays with the broker."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _on_pre_connect(self, client: Client, _data: object) -> None:
        if self._settings.username is not None:
            with suppress(SourceError):  # the password may have changed since the last connection
                client.username_pw_set(
                    self._settings.username, read_secret(self._settings.password_file, "password_file")
                )

    def _on_message(self, _client: Client, _data: object, message: Any) -> None:
        self._take(message)

    def _on_connect(self, client: Client, _data: object, flags: Any, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            why = f"{self._settings.url}: {reason}"
            is_refusal = str(reason).lower().startswith(_REFUSED)
            self.trouble = (
                RefusedError(f"{why}; not asked again until the password changes, or for an hour")
                if is_refusal
                else SourceError(why)
            )
        else:
            self.trouble = None
            self._connected(not flags.session_present)
            if self._former:  # a session keeps them until they are taken back
                client.unsubscribe(list(self._former))
            client.subscribe([(topic, 1) for topic in self._settings.topics])
        if self.trouble is not None:
            self._answered.set()

    def _on_disconnect(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        if self.trouble is None:
            self.trouble = SourceError(f"{self._settings.url}: connection lost: {reason}")

    def _on_subscribe(self, _client: Client, _data: object, _mid: int, reasons: Any, _properties: object) -> None:
        refused = [topic for topic, reason in zip(self._settings.topics, reasons, strict=False) if reason.is_failure]
        if refused:
            self.trouble = SourceError(
                f"{self._settings.url}: topics {', '.join(refused)}: {reasons[0]}; ask for the right to read"
            )
        self._answered.set()
