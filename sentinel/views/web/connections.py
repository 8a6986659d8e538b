"""Bounds on connections: how many there are, how long one may wait with its request, how long an answer may take.

Each connection costs a descriptor, and the sources and the journal need some, too. Where there are too many, the one
that has waited longest is closed: who only holds connections open displaces himself, and a scrape is still answered.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_WITHIN_SECONDS = 10.0
"""From the beginning of a connection, or the first byte of a further request, until that request is complete."""
ANSWER_WITHIN_SECONDS = 60.0
"""Until an answer is taken; a scraper waits 10 s, and who reads more slowly is not there any more."""
MOST_CONNECTIONS = 256
MOST_WAITING_TO_BE_ACCEPTED = 64
"""So many connections may be begun at one time before the oldest are closed."""


def most_connections() -> int:
    """Give the number of connections: a quarter of the descriptors of this process, at most 256."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(8, min(MOST_CONNECTIONS, soft // 4))


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with a deadline for every request and answer and a bound on connections."""

    most = MOST_CONNECTIONS
    """Connections of one server."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_answering = False
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.begin(transport)

    def begin(self, transport: asyncio.Transport) -> None:
        """Count a connection, be it one that shakes hands yet; one too many closes the one that has waited longest."""
        self.transport = transport
        self.connections.add(self)
        self._wait_for(REQUEST_WITHIN_SECONDS)
        if len(self.connections) > self.most:
            others = [one for one in self.connections if isinstance(one, BoundedProtocol) and one is not self]
            oldest = min(others, key=lambda one: (one._is_answering, one._since))
            oldest._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self.end()
        super().connection_lost(exc)

    def end(self) -> None:
        """Count the connection no more."""
        self._wait_for(None)
        self.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request; the first part of a further one begins its time."""
        if self._deadline is None:
            self._wait_for(REQUEST_WITHIN_SECONDS)
        super().data_received(data)
        if not self._is_answering and not getattr(self.cycle, "response_complete", True):  # None before the first
            self._is_answering = True
            self._wait_for(ANSWER_WITHIN_SECONDS)

    def on_response_complete(self) -> None:
        """Let the connection be kept for a further request, as long as uvicorn keeps one."""
        self._is_answering = False
        self._wait_for(None)
        super().on_response_complete()

    def _wait_for(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._since = self.loop.time()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self.connections.discard(self)  # at once: of many that begin together each closes another one
        self.transport.abort()


def over_tls(protocol: type[BoundedProtocol], context: ssl.SSLContext) -> Callable[..., asyncio.BaseProtocol]:
    """Make what speaks this protocol over TLS; a connection counts and its time runs from its first byte on.

    asyncio would count it, and bound its time, only after the handshake: who never begins one would be free to stay.
    """

    def make(*arguments: Any, **named: Any) -> asyncio.BaseProtocol:
        inner = protocol(*arguments, **named)
        return _Handshake(asyncio.get_running_loop(), inner, context)

    return make


class _Handshake(SSLProtocol):
    """TLS of asyncio, that tells the protocol above it of the connection at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, above: BoundedProtocol, context: ssl.SSLContext) -> None:
        # A client that goes away in the middle is no error: nobody waits for the future.
        super().__init__(loop, above, context, waiter=None, server_side=True)  # type: ignore[arg-type]
        self._above = above

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._above.begin(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._above.end()
        super().connection_lost(exc)


LOOK_EVERY_SECONDS = 1.0
LASTS_SECONDS = ANSWER_WITHIN_SECONDS - 10.0
SHARE = 4
"""One in so many connections may be a stream; the others are for scrapes and pages."""


class Streams:
    """Server-sent events: a page that listens is told at most once a second that there is something new to fetch.

    Each stream ends after a while by itself: a browser comes back, and one that has gone to sleep holds nothing. A page
    that gets none asks again every two seconds instead. `newest` gives a number that changes with what is new.
    """

    def __init__(self, newest: Callable[[], int]) -> None:
        self._newest = newest
        self.most = max(1, most_connections() // SHARE)
        self.open = 0

    async def answer(self, _: Request) -> Response:
        """Begin a stream, or say that there are too many."""
        if self.open >= self.most:
            text = f"{self.open} pages listen already; ask for the page itself every few seconds\n"
            return PlainTextResponse(text, status_code=503, headers={"retry-after": "60"})
        # Said to be encoded already: what is compressed waits until there is enough of it.
        headers = {"cache-control": "no-store", "content-encoding": "identity"}
        return StreamingResponse(self._tell(), media_type="text/event-stream", headers=headers)

    async def _tell(self) -> AsyncIterator[str]:
        self.open += 1
        try:
            told = self._newest()
            yield f"retry: 2000\ndata: {told}\n\n"
            for _ in range(round(LASTS_SECONDS / LOOK_EVERY_SECONDS)):
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                newest = self._newest()
                yield ":\n\n" if newest == told else f"data: {newest}\n\n"  # a comment finds out who has gone
                told = newest
        finally:
            self.open -= 1
