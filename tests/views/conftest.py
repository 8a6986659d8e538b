"""A web server over a snapshot built by hand; what it reads is set anew for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sentinel.config import WebSettings
from sentinel.domain.metrics import Metrics
from sentinel.domain.states import SourceStatus
from sentinel.pipeline.snapshot import Snapshot
from sentinel.views.prometheus import Exposition
from sentinel.views.web import Access, WebServer, create_app
from sentinel.views.web.downloads import Observations
from tests.fixtures import ManualClock


@dataclass
class FakeDaemon:
    snapshot: Snapshot
    metrics: Metrics
    sources: Sequence[SourceStatus] = ()
    not_ready: Sequence[str] = ()
    restored: bool = True
    events: Sequence[Mapping[str, Any]] = ()
    observations: Observations = lambda _: nullcontext(iter(()))
    failures: Mapping[str, str] = field(default_factory=dict)
    explain: Callable[[str], str] = "<b>why</b> {}".format

    def access(self) -> Access:
        return Access(
            lambda: self.snapshot, lambda: self.sources, lambda: self.not_ready,
            lambda: "daemon:\n  note: <b>bold</b>\n",
            lambda accept: self._exposition().render(accept) if self.restored else None,
            events=lambda: self.events, observations=lambda name: self.observations(name),
            state_dir="/var/lib/sentinel", failures=lambda: self.failures,
            explain=lambda alarm: self.explain(alarm),
        )  # fmt: skip

    def _exposition(self) -> Exposition:
        return Exposition(lambda: self.snapshot, self.metrics, WebSettings())


@pytest.fixture(scope="module")
def service(snapshot) -> Iterator[tuple[FakeDaemon, WebServer]]:
    """One server for all tests; what it reads is set anew for each."""
    daemon = FakeDaemon(snapshot, Metrics())
    web = WebSettings(listen="127.0.0.1:0", hosts=("buoy.example.org",))
    server = WebServer(create_app(daemon.access(), ManualClock(snapshot.taken_us + 2_000_000), web), web)
    server.start()
    yield daemon, server
    server.stop()


@pytest.fixture
def daemon(service, snapshot, metrics) -> FakeDaemon:
    daemon, _ = service
    daemon.snapshot, daemon.metrics, daemon.sources, daemon.not_ready = snapshot, metrics, (), ()
    daemon.restored, daemon.events, daemon.explain = True, (), FakeDaemon.explain
    return daemon


@pytest.fixture
def server(service, daemon) -> WebServer:
    return service[1]


@pytest.fixture
def client(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, verify=False) as client:
        yield client
