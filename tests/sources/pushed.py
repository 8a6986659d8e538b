"""A source of kind `push` behind a real HTTP server, with an engine and a journal that commit what comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
from starlette.applications import Starlette

from sentinel.config import PushSource, Settings, WebSettings
from sentinel.domain.clock import Clock
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor
from sentinel.journal import Journal
from sentinel.runtime.engine import Engine
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.pushing import Pushing
from sentinel.sources import Push
from sentinel.views.web import WebServer
from sentinel.views.web.pushing import PushRoutes, declaring_routes
from tests.e2e.running import PATIENCE, rows_of, wait_for
from tests.fixtures import value


class Taking:
    """The server and what it has committed."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.metrics, self.inbox, self._folder = Metrics(), Inbox(10_000), folder
        wanted = {"kind": "push", "name": "pushed"} | settings
        self._config = Settings.model_validate({"sources": [wanted]})
        self.source = Push(PushSource.model_validate(wanted), Clock())
        self._pushing = Pushing(self.inbox, {}, self.metrics, Clock())
        self.held, self._ended = Event(), Event()
        """`held` is set while nothing may be committed."""
        self._thread = Thread(target=self._turn)
        self._thread.start()
        pushing = PushRoutes(lambda: self.source)
        routes = [*pushing.routes(), *declaring_routes(pushing, lambda request: self.engine.ask(request))]
        self._web = WebServer(Starlette(routes=routes), WebSettings(listen="127.0.0.1:0"))
        self._web.start()
        self.client = httpx.Client(base_url=self._web.address, trust_env=False, timeout=30)
        wait_for(self.source._is_open, PATIENCE, "the start")

    def _turn(self) -> None:
        with Journal.open(self._folder) as journal:
            engine = Engine(
                self._config, journal, self.inbox, self.metrics, Clock(), {}, acknowledge=self._pushing.acknowledge
            )
            engine.restore()
            self.engine = engine
            self._pushing.start([self.source], journal.cursors())
            while not self._ended.is_set():
                if self.held.is_set():
                    self._ended.wait(0.01)
                else:
                    engine.turn(0.02)

    def close(self) -> None:
        self.inbox.close()
        self._ended.set()
        self._thread.join()
        self._pushing.stop(2.0)
        self.client.close()
        self._web.stop()

    def rows(self) -> list[tuple[str, int, float]]:
        """Everything that is on disk: series, microseconds, value."""
        return rows_of(self._folder)

    def cursor(self) -> Cursor:
        """The cursor on disk."""
        with Journal.open(self._folder, read_only=True) as journal:
            return journal.cursors()["pushed"]

    def count(self, name: str, **labels: str) -> float:
        return value(self.metrics, f"sentinel_{name}", source="pushed", **labels)


@contextmanager
def taking(folder: Path, **settings: Any) -> Iterator[Taking]:
    """Serve until the end of the block."""
    server = Taking(folder, **settings)
    try:
        yield server
    finally:
        server.close()
