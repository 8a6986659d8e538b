"""Host names that a request may be for.

A page on the internet can make its own name lead to this machine (DNS rebinding), and the browser of somebody who looks
at it would then read the status page for it. Such a request carries that name as its `Host`.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sentinel.config import WebSettings


def host_of(header: str) -> str:
    """Give the host of a Host header, without port and brackets, in small letters."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


class AllowedHosts:
    """Answers requests for loopback, for the address that is listened on, and for the names in `web.hosts`.

    On a wildcard address (0.0.0.0, ::) every numeric address counts as listened on: rebinding needs a name.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        listen = settings.address[0].lower()
        self._names = {"localhost", listen, *(name.lower() for name in settings.hosts)}
        self._any_address = _is(listen, "is_unspecified")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or refuse with what is allowed."""
        header = Headers(scope=scope).get("host")  # only HTTP/1.0 may leave it out, and no browser speaks that
        if header is None or self._allows(host_of(header)):
            await self._app(scope, receive, send)
            return
        text = f"Host: {header!r} is not a name of this server; the key hosts in the section web allows further ones\n"
        await PlainTextResponse(text, status_code=400)(scope, receive, send)

    def _allows(self, host: str) -> bool:
        is_address = _is(host, "version")
        return host in self._names or _is(host, "is_loopback") or (is_address and self._any_address)


def _is(host: str, what: str) -> bool:
    """Tell if a host is an address that is `what`; a name is not."""
    try:
        return bool(getattr(ip_address(host), what))
    except ValueError:
        return False
