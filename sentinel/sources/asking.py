"""Asks an HTTP server: with credentials, within a time and a size, with patience. The one door to httpx."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer

import httpx

from sentinel import __version__
from sentinel.config import PrometheusSource
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.sources.base import SourceError
from sentinel.sources.patience import Patience, RefusedError
from sentinel.sources.secrets import read_secret

MOST_BYTES = 64 << 20
_SHOWN = 200


class TooMuchError(SourceError):
    """The answer is longer than is read, or the server will not give so much at once: ask for less."""


class HttpServer:
    """One server."""

    def __init__(self, settings: PrometheusSource, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._patience = Patience(settings.every / MICROSECONDS)

    def post(self, path: str, form: Mapping[str, str]) -> bytes:
        """Send a form; the body of an answer of 200.

        SourceError: it does not answer now, or is not asked yet; RefusedError: it does not accept who asks;
        TooMuchError: ask for less; DataError: it will never answer this.
        """
        settings = self._settings
        password = read_secret(settings.password_file, "password_file")
        token = read_secret(settings.token_file, "token_file")
        secrets = (password, token)
        self._patience.require(secrets)
        headers = dict(settings.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        auth = httpx.BasicAuth(settings.username, password) if settings.username and password else None
        retry_after = None
        try:
            status, answered, body = self._exchange(path, form, headers, auth)
            retry_after = self._seconds(answered.get("retry-after"))
            self._require_success(status, body)
        except SourceError as error:
            self._patience.note_failure(error, secrets, retry_after)
            raise
        self._patience.note_success()
        return body

    def _exchange(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str], auth: httpx.BasicAuth | None
    ) -> tuple[int, httpx.Headers, bytes]:
        seconds = self._settings.timeout / MICROSECONDS
        url = self._settings.url.rstrip("/") + path
        body, until = bytearray(), time.monotonic() + seconds
        client = self._make_client(seconds)  # asked too rarely for a connection to be kept
        # A server that sends a byte a second is never silent for long: the whole exchange is bounded, too.
        alarm = Timer(seconds, client.close)
        alarm.daemon = True
        alarm.start()
        try:
            with client.stream(
                "POST", url, data=dict(form), headers=headers, auth=auth or httpx.USE_CLIENT_DEFAULT
            ) as got:
                for piece in got.iter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise TooMuchError(f"{url}: an answer of more than {MOST_BYTES:,} bytes; ask for less")
                return got.status_code, got.headers, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
            late = time.monotonic() >= until or isinstance(error, httpx.TimeoutException)
            why = f"no whole answer within {seconds:g} s" if late else str(error) or type(error).__name__
            raise SourceError(f"{url}: {why}") from None
        finally:
            alarm.cancel()
            client.close()

    def _make_client(self, seconds: float) -> httpx.Client:
        try:
            # Reading the certificates of all authorities takes longer than an answer.
            context = self._settings.url.startswith("https:") and ssl.create_default_context(
                cafile=self._settings.ca_file
            )
        except OSError as error:
            why = error.strerror or "no certificates"
            raise SourceError(f"ca_file: {self._settings.ca_file}: {why}; a PEM file is needed") from None
        agent = {"User-Agent": f"sentinel/{__version__}"}
        return httpx.Client(verify=context, timeout=seconds, headers=agent, trust_env=False)

    def _require_success(self, status: int, body: bytes) -> None:
        if status == 200:
            return
        url = self._settings.url
        said = body[:_SHOWN].decode("utf-8", "replace").strip()
        said = " ".join("".join(one if one.isprintable() else " " for one in said).split())
        why = f"{url}: HTTP status {status}{': ' if said else ''}{said}"
        if status in (401, 403):
            raise RefusedError(f"{why}; not asked again until the secrets change, or for an hour")
        if status in (413, 422):
            raise TooMuchError(why)
        if status == 429 or status >= 500 or status == 408:
            raise SourceError(why)
        self._patience.note_failure(SourceError(why))
        raise DataError(why)

    def _seconds(self, text: str | None) -> float | None:
        """Read a Retry-After: seconds, or a date."""
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            return float(text[:9])
        with suppress(ValueError, TypeError):
            return email.utils.parsedate_to_datetime(text).timestamp() - self._clock.now_us() / MICROSECONDS
        return None
