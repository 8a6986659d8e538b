"""The status page, the JSON behind it, health, and the door for the scraper: the routes and the HTTP server.

Every request reads one snapshot, which does not change under it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from threading import Thread
from time import monotonic, sleep
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sentinel.config import WebSettings
from sentinel.domain.clock import Clock
from sentinel.domain.errors import SentinelError
from sentinel.domain.states import STATES, SeriesView
from sentinel.pipeline.snapshot import Snapshot
from sentinel.sources import Push
from sentinel.views.web import alarms, connections, downloads, pages
from sentinel.views.web.guard import AllowedHosts, Guard, Guarded
from sentinel.views.web.pages import STATIC, Access
from sentinel.views.web.pictures import history_as_json
from sentinel.views.web.pushing import Ask, PushRoutes, declaring_routes

__all__ = ["Access", "Guard", "WebServer", "create_app"]

START_WITHIN_SECONDS = 5.0
STOP_WITHIN_SECONDS = 0.8
"""Time that an answer under way still has when the server is stopped."""
PAGE_LIMIT = 1000
_STATES = [state.value for state in STATES]
HEADERS = {
    b"content-security-policy": b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    b"object-src 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-cache",
}


class _SecurityHeaders:
    """Adds the same headers to every answer, errors included, and in their place those of the web config file."""

    def __init__(self, app: ASGIApp, guard: Guard | None) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                ours = HEADERS if self._guard is None else HEADERS | dict(self._guard.headers)
                message["headers"] += [(name, value) for name, value in ours.items() if name not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _UnderPath:
    """Serves the application under a path, too; a proxy may take the path off or leave it on."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pages.ROOT.set(self._path)
        if scope["type"] == "http" and f"{scope['path']}/".startswith(f"{self._path}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._path) or "/"}
        await self._app(scope, receive, send)


class _UntilItEnds:
    """Answers everything but the probes with 503 once the daemon was told to end."""

    def __init__(self, app: ASGIApp, is_ending: Callable[[], bool]) -> None:
        self._app, self._is_ending = app, is_ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and self._is_ending() and not scope["path"].startswith("/-/"):
            app = PlainTextResponse("sentinel is ending.\n", 503, {"retry-after": "5", "connection": "close"})
        await app(scope, receive, send)


class _Json(JSONResponse):
    """JSON in ASCII: a name may hold what UTF-8 cannot (half a surrogate pair from a file of unknown encoding)."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class _Answers:
    """One method per route. All but liveness, which waits for no other, run in worker threads."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock

    async def healthy(self, _: Request) -> Response:
        return PlainTextResponse("sentinel is healthy.\n")

    def ready(self, _: Request) -> Response:
        reasons = self._access.not_ready()
        if not reasons:
            behind = [f"- source {one.name} is catching up\n" for one in self._access.sources() if one.catching_up]
            return PlainTextResponse("".join(["sentinel is ready.\n", *behind]))
        lines = ["sentinel is not ready:", *(f"- {reason}" for reason in reasons)]
        return PlainTextResponse("\n".join(lines) + "\n", status_code=503)

    def metrics(self, request: Request) -> Response:
        exposed = self._access.metrics(request.headers.get("accept", ""))
        if exposed is None:
            # Numbers without the open alarms would resolve them; a scrape that fails resolves nothing.
            return PlainTextResponse("sentinel has not restored its state yet.\n", status_code=503)
        body, content_type = exposed
        return Response(body, headers={"content-type": content_type, "vary": "Accept"})

    def fleet(self, request: Request) -> Response:
        asked = request.query_params
        order, state = asked.get("order", "alarm"), asked.get("state", "")
        for name, came, allowed in (("order", order, list(pages.ORDERS)), ("state", state, ["", *_STATES])):
            if came not in allowed:
                raise HTTPException(400, f"{name}: {came!r}; allowed is one of {', '.join(filter(None, allowed))}")
        query = pages.Query(
            asked.get("q", "").strip(), state, asked.get("source", ""), order, _whole(request, "first", 0, 10**9)
        )
        return pages.fleet(self._access, self._clock, query)

    def series_page(self, request: Request) -> Response:
        return pages.series(self._access, snapshot := self._access.snapshot(), _view(snapshot, request))

    def series_list(self, request: Request) -> Response:
        snapshot = self._access.snapshot()
        offset, limit = _whole(request, "offset", 0, 10**9), _whole(request, "limit", 100, PAGE_LIMIT)
        views = list(map(pages.series_as_json, snapshot.views_of(snapshot.names()[offset : offset + limit])))
        sources = self._access.sources()
        silent = {one.name: one.without_numbers for one in sources if one.without_numbers}
        counting = {one.name: one.counting for one in sources if one.counting}
        return _Json({
            "total": len(snapshot), "offset": offset, "limit": limit, "series": views, "without_numbers": silent,
            "counting": counting,
        })  # fmt: skip

    def series_json(self, request: Request) -> Response:
        return _Json(pages.series_as_json(_view(self._access.snapshot(), request)))

    def spectrogram(self, request: Request) -> Response:
        snapshot = self._access.snapshot()
        view, events = _view(snapshot, request), self._access.events()
        # A picture changes with its newest tick or an event; a page that asks again is mostly told so in 200 bytes.
        etag = f'W/"{view.time_us}-{view.ticks}-{events[-1]["id"] if events else ""}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        picture = history_as_json(snapshot, view, events)
        if picture is None:
            raise HTTPException(404, f"No history is kept of series {view.name!r} (web.history_series)")
        return _Json(picture, headers={"etag": etag})


def create_app(
    access: Access, clock: Clock, settings: WebSettings, pushed: Callable[[], Push | None] | None = None,
    ask: Ask | None = None, guard: Guard | None = None,
) -> Starlette:  # fmt: skip
    """Make the application that answers with what `access` gives, to requests for the hosts that `settings` allow.

    `pushed` gives the source that takes what is sent, None before it is made; without it there are no such routes.
    `ask` hands the engine what is declared. `guard` lets only users through.
    """
    answers = _Answers(access, clock)
    pushes = PushRoutes(pushed) if pushed is not None else None
    taking = [] if pushes is None else pushes.routes()
    if pushes is not None and ask is not None:
        taking += declaring_routes(pushes, ask)

    def has_token(scope: Scope) -> bool:
        return pushes is not None and pushes.asks_for_token(scope["path"])

    app = Starlette(
        routes=[
            Route("/-/healthy", answers.healthy),
            Route("/-/ready", answers.ready),
            Route("/metrics", answers.metrics),
            Route("/", answers.fleet),
            Route("/sources", lambda _: pages.sources(access)),
            Route("/status", lambda _: pages.status(access, clock)),
            Route("/config", lambda _: pages.render("config.html", settings_text=access.settings_text())),
            Route("/series/{name:path}", answers.series_page),
            *alarms.routes(access),
            Route("/api/v1/series", answers.series_list),
            Route("/api/v1/series/{name:path}", answers.series_json),
            Route("/api/v1/spectrogram/{name:path}", answers.spectrogram),
            Route("/api/v1/stream", connections.Streams(lambda: access.snapshot().taken_us).answer),
            *downloads.routes(access.observations, lambda request: _view(access.snapshot(), request).name),
            Route("/favicon.ico", lambda _: FileResponse(STATIC / "favicon.svg", media_type="image/svg+xml")),
            *taking,
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(_SecurityHeaders, guard=guard),
            Middleware(_UnderPath, path=settings.path),
            Middleware(_UntilItEnds, is_ending=access.is_ending),
            Middleware(AllowedHosts, settings=settings),
            *([] if guard is None else [Middleware(Guarded, guard=guard, has_token=has_token)]),
            Middleware(GZipMiddleware, compresslevel=5),
        ],
        exception_handlers={HTTPException: _problem},
    )
    app.router.redirect_slashes = not settings.path  # it would lead out of the path
    return app


def _view(snapshot: Snapshot, request: Request) -> SeriesView:
    name = request.path_params["name"]
    try:
        return snapshot.view(snapshot.present_name(name))  # links in messages that were sent have the name of then
    except KeyError:
        raise HTTPException(404, f"There is no series {name!r}") from None


def _whole(request: Request, key: str, default: int, most: int) -> int:
    """Read a whole number from the query; HTTPException 400 says what is allowed."""
    text = request.query_params.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
        raise HTTPException(400, f"{key}: {text!r}; a whole number from 0 to {most} is allowed")
    return int(text)


async def _problem(request: Request, error: Exception) -> Response:
    """Answer an error as a page, or as JSON where JSON was asked for."""
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/api/"):
        return _Json({"error": error.detail}, error.status_code, headers=error.headers)
    detail = error.detail if error.detail != "Not Found" else f"There is no page {pages.ROOT.get()}{request.url.path}"
    return pages.problem(error.status_code, detail, error.headers)


class WebServer:
    """Serves one application on one address, in a thread that leaves signals alone, from `start()` to `stop()`."""

    def __init__(self, app: ASGIApp, settings: WebSettings, guard: Guard | None = None) -> None:
        """Bind at once, so that a taken address is known before anything else begins. SentinelError says why not."""
        self._socket = _bind(settings)
        host, self.port = self._socket.getsockname()[:2]
        """The real port, also where port 0 was asked for."""
        context = None if guard is None else guard.context
        scheme = "http" if context is None else "https"
        self.address = f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"
        """Its address for a browser, as `http://127.0.0.1:9814`."""
        # uvicorn takes a class; the bound is of this server alone.
        self.most_connections = connections.most_connections()
        protocol = type("Protocol", (connections.BoundedProtocol,), {"most": self.most_connections})
        spoken: Any = protocol if context is None else connections.over_tls(protocol, context)
        config = uvicorn.Config(
            app, http=spoken, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            timeout_keep_alive=30, backlog=connections.MOST_WAITING_TO_BE_ACCEPTED,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        until = monotonic() + START_WITHIN_SECONDS
        while not self._server.started:
            if monotonic() > until or not self._thread.is_alive():
                raise SentinelError(f"web.listen: {self.address}: the server did not start; see the log")
            sleep(0.005)

    def stop(self) -> None:
        """Stop in less than a second: finish what is under way, then drop it."""
        self._server.should_exit = True
        self._thread.join(STOP_WITHIN_SECONDS)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(STOP_WITHIN_SECONDS)


def _bind(settings: WebSettings) -> socket.socket:
    host, port = settings.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=connections.MOST_WAITING_TO_BE_ACCEPTED)
    except OSError as error:
        # create_server repeats the address in brackets.
        reason = str(error.strerror).partition(" (")[0]
        raise SentinelError(f"web.listen: {settings.listen}: {reason}; choose a free address, or port 0") from error
