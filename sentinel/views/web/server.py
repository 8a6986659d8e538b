"""The HTTP server: uvicorn in one thread that leaves signals alone and stops when told."""

from __future__ import annotations

import socket
from threading import Thread
from time import monotonic, sleep

import uvicorn
from starlette.types import ASGIApp

from sentinel.domain.errors import SentinelError

START_WITHIN_SECONDS = 5.0
STOP_WITHIN_SECONDS = 0.8
"""How long an answer that is under way may still take when the server is stopped."""


class WebServer:
    """Serves one application on one address, from `start()` to `stop()`."""

    def __init__(self, app: ASGIApp, listen: str) -> None:
        """Bind at once, so that a taken address is known before anything else begins. SentinelError says why not."""
        self._socket = _bind(listen)
        host, self.port = self._socket.getsockname()[:2]
        """The real port, also where port 0 was asked for."""
        self.address = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        """Where a browser finds it, as `http://127.0.0.1:9814`."""
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
        )
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


def _bind(listen: str) -> socket.socket:
    """Bind `host:port` or `[host]:port`."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise SentinelError(f"web.listen: {listen!r}; host:port is allowed, as 127.0.0.1:9814")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=128)
    except OSError as error:
        # create_server repeats the address in brackets.
        reason = str(error.strerror).partition(" (")[0]
        raise SentinelError(f"web.listen: {listen}: {reason}; choose a free address, or port 0") from error
