"""One exchange with an HTTP server, within a time and a size, for whoever asks or sends. The one door to httpx."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from sentinel import __version__
from sentinel.config import is_loopback
from sentinel.domain.errors import UpstreamError

MOST_BYTES = 64 << 20
_NO_ADDRESS = "its address is none; http:// or https:// and a host are needed"
_IN_WORDS = {"UnsupportedProtocol": _NO_ADDRESS, "InvalidURL": _NO_ADDRESS}
"""Failures that are put into words, by the names of their types."""


class ExchangeError(UpstreamError):
    """There was no answer, or no whole one. The message holds no address and no secret."""

    is_late = False
    """It was not there in time."""


class TooLongError(ExchangeError):
    """The answer is longer than is read."""


class Answer(NamedTuple):
    """The answer of a server."""

    status: int
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes
    url: str
    next_link: str | None = None
    """Address of the next page, where a header names it."""


def exchange(
    method: str,
    url: str,
    seconds: float,
    *,
    headers: Mapping[str, str],
    login: tuple[str, str] | None = None,
    token: str | None = None,
    content: bytes | None = None,
    form: Mapping[str, str] | None = None,
    ca_file: str | Path | None = None,
    enough: int | None = None,
) -> Answer:
    """Ask once; redirects are answers. ExchangeError: there is none within so many seconds in all.

    `login` is a name with its password, `token` a bearer token. So many bytes of the answer are `enough`; None = all
    are needed. The proxies of the environment are used (`HTTPS_PROXY`, `NO_PROXY`), but for this machine itself.
    """
    import httpx  # here: `sentinel check` does not wait for it

    sent = dict(headers)
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    elif login is not None:
        sent["Authorization"] = f"Basic {b64encode(':'.join(login).encode()).decode()}"
    body, until = bytearray(), time.monotonic() + seconds
    # Asked too rarely for a connection to be kept; and certificates may have been renewed.
    agent = {"User-Agent": f"sentinel/{__version__}"}
    by_proxy = not is_loopback(urlsplit(url).hostname or "")
    client = httpx.Client(verify=_trusted(url, ca_file), timeout=seconds, trust_env=by_proxy, headers=agent)
    # A server that sends a byte a second is never silent for long: the whole exchange is bounded, too.
    alarm = Timer(seconds, client.close)
    alarm.daemon = True
    alarm.start()
    try:
        with client.stream(method, url, content=content, data=form and dict(form), headers=sent) as got:
            for piece in got.iter_bytes():
                body += piece
                if enough is not None and len(body) >= enough:
                    break
                if len(body) > MOST_BYTES:
                    raise TooLongError(f"an answer of more than {MOST_BYTES:,} bytes; ask for less")
            found = {name.lower(): text for name, text in got.headers.items()}
            return Answer(got.status_code, found, bytes(body), url, got.links.get("next", {}).get("url"))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as error:
        late = time.monotonic() >= until or isinstance(error, httpx.TimeoutException)
        # The text of other errors may hold the address, or a header.
        says = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError) and str(error)
        kind = type(error).__name__
        failure = ExchangeError("no answer in time" if late else says or _IN_WORDS.get(kind, kind))
        failure.is_late = late
        raise failure from None
    finally:
        alarm.cancel()
        client.close()


def _trusted(url: str, ca_file: str | Path | None) -> ssl.SSLContext | bool:
    """Give the certificates that a server's one is checked against; reading those of all authorities takes a while."""
    try:
        return url.startswith("https:") and ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = error.strerror or "no certificates"
        raise ExchangeError(f"ca_file: {ca_file}: {why}; a PEM file is needed") from None


def lead(url: str, to: str) -> str | None:
    """Give the address to which one leads from another; None where it is none, or not secret any more."""
    try:
        found = urljoin(url, to.replace(" ", "%20"))
        parts = urlsplit(found)
    except ValueError:
        return None
    is_open = urlsplit(url).scheme == "https" and parts.scheme == "http"
    return found if to and parts.scheme in ("http", "https") and parts.hostname and not is_open else None


def has_host_of(url: str, other: str) -> bool:
    """Say whether two addresses are of one server."""
    try:
        one, two = urlsplit(url), urlsplit(other)
        ports = [each.port or {"https": 443}.get(each.scheme, 80) for each in (one, two)]
    except ValueError:
        return False
    return (one.scheme, one.hostname, ports[0]) == (two.scheme, two.hostname, ports[1])
