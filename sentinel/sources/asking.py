"""Asks an HTTP server: with credentials, within a time and a size, with patience. The one door to httpx."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from typing import NamedTuple

import httpx

from sentinel import __version__
from sentinel.config import WebKeys
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.sources.base import SourceError
from sentinel.sources.patience import Patience, RefusedError
from sentinel.sources.secrets import read_secret

MOST_BYTES = 64 << 20
MOST_REDIRECTS = 5
NOTHING = b"no matching results"
"""Words with which an ERDDAP server answers 404 where it has no rows: that is an answer, and empty."""
_SHOWN = 200


class TooMuchError(SourceError):
    """The answer is longer than is read, or the server will not give so much at once: ask for less."""


class Answer(NamedTuple):
    """What a server said."""

    status: int
    """200, or 304: it is as it was."""
    headers: httpx.Headers
    body: bytes
    url: str
    """Where it came from, after redirects."""

    @property
    def next_link(self) -> str | None:
        """Address of the next page, where a header names it."""
        headers = [("link", text) for text in self.headers.get_list("link")]
        return httpx.Response(200, headers=headers).links.get("next", {}).get("url")


class HttpServer:
    """One server."""

    def __init__(self, settings: WebKeys, every_us: int, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._patience = Patience(every_us / MICROSECONDS)

    def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """Send a form.

        SourceError: it does not answer now, or is not asked yet; RefusedError: it does not accept who asks;
        TooMuchError: ask for less; DataError: it will never answer this.
        """
        return self._ask("POST", url, {}, form, trusted=url)

    def get(self, url: str, conditions: Mapping[str, str], trusted: str) -> Answer:
        """Ask for an address, and where it leads. Who asks is said to the host of `trusted` only.

        `conditions` are headers such as If-None-Match. Errors as those of `post`; an empty answer is none.
        """
        for _ in range(MOST_REDIRECTS):
            answer = self._ask("GET", url, conditions, None, trusted)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url = self.join(url, answer.headers.get("location", ""))
        raise self._note(SourceError(f"{url}: more than {MOST_REDIRECTS} redirects; name the address they lead to"))

    def join(self, url: str, to: str) -> str:
        """Give the address to which one leads from another; SourceError where it is none, or not secret any more."""
        try:
            found = httpx.URL(url).join(to)
        except httpx.InvalidURL:
            found = httpx.URL("")
        if not to or found.scheme not in ("http", "https") or (url.startswith("https:") and found.scheme == "http"):
            raise self._note(SourceError(f"{url}: leads to {ascii(to)[:_SHOWN]}, which is not followed"))
        return str(found)

    def _note(self, error: SourceError) -> SourceError:
        self._patience.note_failure(error)
        return error

    def _ask(
        self, method: str, url: str, conditions: Mapping[str, str], form: Mapping[str, str] | None, trusted: str
    ) -> Answer:
        settings = self._settings
        password = read_secret(settings.password_file, "password_file")
        token = read_secret(settings.token_file, "token_file")
        secrets = (password, token)
        self._patience.require(secrets)
        headers, auth = dict(conditions), None
        if _host(url) == _host(trusted):
            headers |= settings.headers
            if token is not None:
                bearer = "Bearer " * (settings.token_header.lower() == "authorization")
                headers[settings.token_header] = bearer + token
            auth = httpx.BasicAuth(settings.username, password) if settings.username and password else None
        retry_after = None
        try:
            answer = self._exchange(method, url, form, headers, auth)
            retry_after = self._seconds(answer.headers.get("retry-after"))
            answer = self._require_success(method, answer)
        except SourceError as error:
            self._patience.note_failure(error, secrets, retry_after)
            raise
        self._patience.note_success()
        return answer

    def _exchange(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str],
        auth: httpx.BasicAuth | None,
    ) -> Answer:  # fmt: skip
        seconds = self._settings.timeout / MICROSECONDS
        body, until = bytearray(), time.monotonic() + seconds
        client = self._make_client(url, seconds)  # asked too rarely for a connection to be kept
        # A server that sends a byte a second is never silent for long: the whole exchange is bounded, too.
        alarm = Timer(seconds, client.close)
        alarm.daemon = True
        alarm.start()
        try:
            with client.stream(
                method, url, data=form and dict(form), headers=headers, auth=auth or httpx.USE_CLIENT_DEFAULT
            ) as got:
                for piece in got.iter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise TooMuchError(f"{url}: an answer of more than {MOST_BYTES:,} bytes; ask for less")
                return Answer(got.status_code, got.headers, bytes(body), url)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
            late = time.monotonic() >= until or isinstance(error, httpx.TimeoutException)
            why = f"no whole answer within {seconds:g} s" if late else str(error) or type(error).__name__
            raise SourceError(f"{url}: {why}") from None
        finally:
            alarm.cancel()
            client.close()

    def _make_client(self, url: str, seconds: float) -> httpx.Client:
        try:
            # Reading the certificates of all authorities takes longer than an answer.
            context = url.startswith("https:") and ssl.create_default_context(cafile=self._settings.ca_file)
        except OSError as error:
            why = error.strerror or "no certificates"
            raise SourceError(f"ca_file: {self._settings.ca_file}: {why}; a PEM file is needed") from None
        agent = {"User-Agent": f"sentinel/{__version__}"}
        return httpx.Client(verify=context, timeout=seconds, headers=agent, trust_env=False)

    def _require_success(self, method: str, answer: Answer) -> Answer:
        """Give an answer that can be used; raise what any other means."""
        status, url, body = answer.status, answer.url, answer.body
        if status == 200 or (method == "GET" and status in (301, 302, 303, 304, 307, 308)):
            return answer
        if method == "GET" and (status == 204 or (status == 404 and NOTHING in body)):
            return answer._replace(status=200, body=b"")
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


def _host(url: str) -> tuple[str, str, int | None]:
    found = httpx.URL(url)
    return found.scheme, found.host, found.port
