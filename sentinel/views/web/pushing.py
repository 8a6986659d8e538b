"""The routes by which observations are sent and events declared, such as maintenance or a changed sensor.

Observations come as JSON, JSON lines, CSV, InfluxDB line protocol or Prometheus remote write. An answer of 2xx means
that what was sent is on disk. 400 names the lines that are wrong; the others are taken. Whoever may send observations
may declare events.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sentinel.domain.acting import Action
from sentinel.domain.errors import DataError, SentinelError, UpstreamError, UsageError
from sentinel.domain.observation import Rejection
from sentinel.sources.push import BusyError, Push
from sentinel.views.web.guard import credentials

if TYPE_CHECKING:
    from sentinel.sources.rows import Rows

logger = logging.getLogger(__name__)

AT_ONCE = 16
"""Requests that are taken in at the same time; pages have threads of their own."""
_AGAIN = {"retry-after": "5"}
ANSWER_SECONDS, LARGEST_EVENT_BYTES = 30.0, 65_536
PATHS = ("/api/v1/observations", "/api/v1/write", "/write", "/api/v2/write", "/api/v1/events")
_UNITS = ("s", "ms", "us", "ns")
Read = Callable[[bytes, "Rows", Push, Mapping[str, str]], None]
Ask = Callable[[Mapping[str, Any]], "Future[str]"]
"""Hands a request to the engine."""


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A request is not taken: status, reason and headers of the answer."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status, self.headers = status, headers


class PushRoutes:
    """Takes requests for the source of kind `push`: None before it is started, LookupError where there is none."""

    def __init__(self, source: Callable[[], Push | None]) -> None:
        self._source = source
        self._limiter: CapacityLimiter | None = None
        self._running = 0

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("/api/v1/observations", self._route(_observations), methods=["POST"]),
            Route("/api/v1/write", self._route(_remote_write, busy=503), methods=["POST"]),
            Route("/write", self._route(_line_protocol), methods=["POST"]),
            Route("/api/v2/write", self._route(_line_protocol), methods=["POST"]),
        ]

    def asks_for_token(self, path: str) -> bool:
        """Say whether what is sent to this path needs the token of the source; then it needs no user besides."""
        try:
            source = self._source()
        except LookupError:
            return False
        declares = path.startswith("/api/v1/events/")
        return (declares or path in PATHS) and source is not None and source.settings.token_file is not None

    def _route(self, read: Read, busy: int = 429) -> Callable[[Request], object]:
        return _refusing(lambda request: self._take(request, read, busy))

    def authorise(self, request: Request) -> Push:
        """Give the source that takes what is sent; Refused says why this sender may not."""
        try:
            source = self._source()
        except LookupError as error:
            raise Refused(404, str(error)) from None
        if source is None:
            raise Refused(503, "no observations are taken yet; send it again later", **_AGAIN)
        if request.headers.get("origin") is not None:
            raise Refused(403, "a web page sent this; only programs may")
        try:
            allowed = source.allows(_token(request.headers))
        except UpstreamError as error:
            logger.error("senders are refused", extra={"source": source.name, "why": str(error)})
            raise Refused(503, "the daemon cannot read its token; see its log", **_AGAIN) from error
        if not allowed:
            why = "the token is wrong" if request.headers.get("authorization") else "a token is needed"
            raise Refused(401, f"{why}; send Authorization: Bearer TOKEN", **{"www-authenticate": "Bearer"})
        return source

    async def _take(self, request: Request, read: Read, busy: int) -> Response:
        source = self.authorise(request)
        if self._running >= AT_ONCE:
            # Prometheus gives up what is answered with 429 and sends again what is answered with 503.
            raise Refused(busy, "more comes than can be taken in; send it again later", **_AGAIN)
        self._limiter = self._limiter or CapacityLimiter(AT_ONCE)
        self._running += 1
        try:
            body = await _read_body(request, source.settings.max_bytes)
            return await anyio.to_thread.run_sync(_work, source, request, body, read, busy, limiter=self._limiter)
        finally:
            self._running -= 1


def declaring_routes(pushing: PushRoutes, ask: Ask) -> list[Route]:
    """Give the routes that declare an event and lift a hold."""

    def do(request: Mapping[str, Any]) -> Response:
        try:
            return JSONResponse({"done": ask(request).result(ANSWER_SECONDS)})
        except UsageError as error:
            return _problem(400, str(error))
        except (TimeoutError, SentinelError) as error:
            why = str(error) or "no answer in time: the disk may be full"
            return _problem(503, f"{why}; send it again later", _AGAIN)

    async def declare(request: Request) -> Response:
        pushing.authorise(request)
        try:
            event = json.loads(await _read_body(request, LARGEST_EVENT_BYTES))
        except (ValueError, RecursionError) as error:
            raise DataError(f'no JSON: {error}; an object such as {{"match": "buoy/*", "length": "2h"}}') from None
        by = request.query_params.get("by", "")
        return await anyio.to_thread.run_sync(do, {"action": Action.DECLARED, "event": event, "by": by})

    async def lift(request: Request) -> Response:
        pushing.authorise(request)
        return await anyio.to_thread.run_sync(do, {"action": Action.LIFTED, "event_id": request.path_params["event"]})

    return [
        Route("/api/v1/events", _refusing(declare), methods=["POST"]),
        Route("/api/v1/events/{event}", _refusing(lift), methods=["DELETE"]),
    ]


def _refusing(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Answer a request as `handle` does, or say why it is not taken."""

    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except Refused as refused:
            return _problem(refused.status, str(refused), refused.headers)
        except DataError as error:
            return _problem(400, str(error))

    return answer


def _work(source: Push, request: Request, body: bytes, read: Read, busy: int) -> Response:
    headers = request.headers
    try:
        given = {**request.query_params, "content-type": headers.get("content-type", "")}
        body = _inflate(body, headers.get("content-encoding", "identity").lower(), source.settings.max_bytes)
        rows = source.new_rows()
        read(body, rows, source, given)
        source.take(rows)
    except BusyError as error:
        raise Refused(busy, str(error), **_AGAIN) from None
    except UpstreamError as error:
        raise Refused(503, str(error), **_AGAIN) from None
    wrong = sum(count for reason, count in rows.rejected.items() if reason != Rejection.MISSING)
    if rows.complaints and read is not _remote_write:  # Prometheus would give up the whole of what it sent
        return _problem(400, f"{len(rows):,} taken, {wrong:,} left out: " + " | ".join(rows.complaints))
    if read is _observations:
        return JSONResponse({"taken": len(rows), "left_out": dict(rows.rejected)})
    return Response(status_code=204)


async def _read_body(request: Request, most: int) -> bytes:
    """Read a body of at most so many bytes; Refused if it is larger."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Refused(413, f"more than {most:,} bytes; send smaller pieces, or raise max_bytes")
        parts.append(part)
    return b"".join(parts)


def _inflate(body: bytes, encoding: str, most: int) -> bytes:
    if encoding == "gzip":
        inflater = zlib.decompressobj(31)
        try:
            plain = inflater.decompress(body, most)
            if inflater.unconsumed_tail:
                raise Refused(413, f"more than {most:,} bytes when inflated; send smaller pieces, or raise max_bytes")
            if not inflater.eof:
                raise DataError("the gzip body is cut off; send it whole")
        except zlib.error:
            raise DataError("the body is no gzip, though Content-Encoding says so") from None
        return plain
    if encoding in ("identity", "", "snappy"):  # of snappy see the one reader that takes it
        return body
    raise Refused(415, f"Content-Encoding {encoding!r}; gzip is allowed, and snappy for remote write")


def _token(headers: Mapping[str, str]) -> str:
    """Take the token as Bearer (everybody), Token (InfluxDB 2) or password (InfluxDB 1)."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return rest.strip()
    return credentials(headers.get("authorization", ""))[1].decode("utf-8", "replace")


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise DataError(f"line {line}: the byte 0x{body[error.start]:02X} is not UTF-8; send UTF-8") from None


def _observations(body: bytes, rows: Rows, _: Push, given: Mapping[str, str]) -> None:
    from sentinel.sources.bodies import read_csv, read_json, read_ndjson

    unit = given.get("precision", "s")
    if unit not in _UNITS:
        raise DataError(f"precision: {unit!r}; {', '.join(_UNITS)} are allowed")
    kind = given["content-type"].partition(";")[0].strip().lower()
    readers = {"application/json": read_json, "application/x-ndjson": read_ndjson, "text/csv": read_csv}
    if kind not in readers:
        raise Refused(415, f"Content-Type {kind!r}; {', '.join(readers)} are allowed")
    readers[kind](_text(body), rows, unit)


def _line_protocol(body: bytes, rows: Rows, source: Push, given: Mapping[str, str]) -> None:
    from sentinel.sources.bodies import PRECISIONS, read_lines

    precision = given.get("precision", "ns")
    if precision not in PRECISIONS:
        raise DataError(f"precision: {precision!r}; {', '.join(PRECISIONS)} are allowed")
    read_lines(_text(body), rows, source.names, source.clock.now_us(), precision)


def _remote_write(body: bytes, rows: Rows, source: Push, given: Mapping[str, str]) -> None:
    from sentinel.sources.remote_write import inflate, read_write_request

    if "io.prometheus.write.v2" in given["content-type"]:
        raise Refused(415, "remote write 2.0; version 1.0 (prometheus.WriteRequest) is taken")
    read_write_request(inflate(body, source.settings.max_bytes), rows, source.names)


def _problem(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    # `error` is the key of InfluxDB 1, `message` that of InfluxDB 2.
    return JSONResponse({"error": why, "message": why}, status, headers=headers)
