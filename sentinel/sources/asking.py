"""Asks an HTTP server: with credentials, within a time and a size, with waits after failures."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from contextlib import suppress

from sentinel.client import Answer, ExchangeError, TooLongError, exchange, has_host_of, lead
from sentinel.config import WebKeys
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.sources.backoff import Backoff, RefusedError
from sentinel.sources.base import SourceError
from sentinel.sources.needs import read_secret

MOST_REDIRECTS = 5
NOTHING = b"no matching results"
"""Words with which an ERDDAP server answers 404 where it has no rows: that is an answer, and empty."""
_SHOWN = 200


class TooMuchError(SourceError):
    """The answer is longer than is read, or the server will not give so much at once: ask for less."""


class HttpServer:
    """One server."""

    def __init__(self, settings: WebKeys, every_us: int, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._backoff = Backoff(every_us / MICROSECONDS)

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
        found = lead(url, to)
        if found is None:
            raise self._note(
                SourceError(f"{url}: leads to what is not followed: no web address, or from https to http")
            )
        return found

    def _note(self, error: SourceError) -> SourceError:
        self._backoff.note_failure(error)
        return error

    def _ask(
        self, method: str, url: str, conditions: Mapping[str, str], form: Mapping[str, str] | None, trusted: str
    ) -> Answer:
        settings = self._settings
        password = read_secret(settings.password_file, "password_file")
        token = read_secret(settings.token_file, "token_file")
        secrets = (password, token)
        self._backoff.require(secrets)
        is_trusted = has_host_of(url, trusted)
        headers = {**conditions, **(settings.headers if is_trusted else {})}
        is_bearer = settings.token_header.lower() == "authorization"
        if is_trusted and token is not None and not is_bearer:
            headers[settings.token_header] = token
        login = (settings.username, password) if is_trusted and settings.username and password else None
        seconds, retry_after = settings.timeout / MICROSECONDS, None
        try:
            try:
                answer = exchange(
                    method, url, seconds, headers=headers, form=form, ca_file=settings.ca_file, login=login,
                    token=token if is_trusted and is_bearer else None,
                )  # fmt: skip
            except TooLongError as error:
                raise TooMuchError(f"{url}: {error}") from None
            except ExchangeError as error:
                why = f"no whole answer within {seconds:g} s" if error.is_late else str(error)
                raise SourceError(why if why.startswith("ca_file") else f"{url}: {why}") from None
            retry_after = self._seconds(answer.headers.get("retry-after"))
            answer = self._require_success(method, answer)
        except SourceError as error:
            self._backoff.note_failure(error, secrets, retry_after)
            raise
        self._backoff.note_success()
        return answer

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
        self._backoff.note_failure(SourceError(why))
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
