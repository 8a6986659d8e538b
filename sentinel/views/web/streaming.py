"""Server-sent events: a page that listens is told at most once a second that there is something new to fetch.

A stream is one open connection. There are few of them, and each ends after a while by itself: a browser comes back,
and one that has gone to sleep holds nothing. A page that gets none asks again every two seconds instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from sentinel.views.web.connections import ANSWER_WITHIN_SECONDS, most_connections

LOOK_EVERY_SECONDS = 1.0
LASTS_SECONDS = ANSWER_WITHIN_SECONDS - 10.0
SHARE = 4
"""One in so many connections may be a stream; the others are for scrapes and pages."""


class Streams:
    """The streams of one server; `newest` gives a number that changes when there is something new."""

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
