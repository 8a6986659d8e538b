"""Proxies of the environment: sources and receivers go through them alike, and neither does to reach this machine."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic

import pytest

from sentinel.config import HttpSource, WebhookNotify
from sentinel.domain.clock import Clock
from sentinel.notify import make_notifier
from sentinel.sources.http import Endpoint
from tests.deploy.programs import free_address

EVENT = {"id": "a", "alarm_id": "a", "what": "raised", "series": "s"}


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server that may be asked as a proxy, too: its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b"time,series,value\n2026-01-01T00:00Z,s,1.5\n"
            self.send_response(200)
            self.send_header("content-type", "text/csv")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}", asked
    served.shutdown()
    served.server_close()


def ask_and_send(address: str) -> None:
    """Let a source ask there, and a receiver send there."""
    source = Endpoint(
        HttpSource.model_validate({"kind": "http", "name": "lake", "url": f"{address}/table.csv"}), Clock()
    )
    assert source.fetch(None).observations["value"].to_list() == [1.5]
    receiver = make_notifier(WebhookNotify(kind="webhook", url=f"{address}/hook"))
    assert receiver.send([EVENT], monotonic() + 10.0).outcome == "delivered"


def test_sources_and_receivers_go_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, server: tuple[str, list[str]]
) -> None:
    # Sources went directly, and receivers through it.
    address, asked = server
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", address)
    ask_and_send("http://lake.invalid")
    assert asked == ["http://lake.invalid/table.csv", "http://lake.invalid/hook"]


def test_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, server: tuple[str, list[str]]
) -> None:
    address, asked = server
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://{free_address()}")
    ask_and_send(address)
    assert asked == ["/table.csv", "/hook"]
