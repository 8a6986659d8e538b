"""A web server over a snapshot built by hand; what it reads is set anew for each test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx
import pytest

from sentinel.domain.clock import ManualClock
from sentinel.domain.metrics import Metrics
from sentinel.domain.states import SourceStatus
from sentinel.pipeline.snapshot import Snapshot
from sentinel.runtime.daemon import Health
from sentinel.views.prometheus import Exposition
from sentinel.views.web import Access, WebServer, create_app


@dataclass
class FakeDaemon:
    snapshot: Snapshot
    metrics: Metrics
    health: Health
    sources: Sequence[SourceStatus] = ()

    def access(self) -> Access:
        return Access(
            lambda: self.snapshot, lambda: self.sources, lambda: self.health.reasons,
            lambda: "daemon:\n  note: <b>bold</b>\n",
            lambda accept: Exposition(lambda: self.snapshot, self.metrics).render(accept),
        )  # fmt: skip


@pytest.fixture(scope="module")
def service(snapshot) -> Iterator[tuple[FakeDaemon, WebServer]]:
    """One server for all tests; what it reads is set anew for each."""
    daemon = FakeDaemon(snapshot, Metrics(), None)
    server = WebServer(create_app(daemon.access(), ManualClock(snapshot.taken_us + 2_000_000)), "127.0.0.1:0")
    server.start()
    yield daemon, server
    server.stop()


@pytest.fixture
def daemon(service, snapshot, metrics) -> FakeDaemon:
    now_us = snapshot.taken_us
    daemon, _ = service
    daemon.snapshot, daemon.metrics, daemon.health = snapshot, metrics, Health(now_us, True, False, now_us, now_us)
    daemon.sources = ()
    return daemon


@pytest.fixture
def server(service, daemon) -> WebServer:
    return service[1]


@pytest.fixture
def client(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, verify=False) as client:
        yield client
