"""The life of the web server, and its page in a real browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

import httpx
import pytest
from playwright.sync_api import Page

from sentinel.config import WebSettings
from sentinel.domain.errors import SentinelError
from sentinel.views.web import WebServer, create_app
from tests.browsers import a_browser
from tests.fixtures import ManualClock, estimated
from tests.runtime.rig import Rig, Sink, frame


def test_an_address_in_use_is_named(server) -> None:
    listen = server.address.removeprefix("http://")
    with pytest.raises(SentinelError, match=rf"web.listen: {listen}: Address already in use; choose a free address"):
        WebServer(None, WebSettings(listen=listen))


def test_it_stops_in_under_a_second_with_a_connection_open_and_frees_its_address(daemon) -> None:
    web = WebSettings(listen="127.0.0.1:0")
    server = WebServer(create_app(daemon.access(), ManualClock(), web), web)
    server.start()
    threads = threading.active_count()
    with (
        httpx.Client(base_url=server.address, verify=False) as client,
        socket.create_connection(("127.0.0.1", server.port)) as half,
    ):
        half.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        client.get("/-/healthy")
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 1.0
    assert threading.active_count() < threads
    WebServer(None, WebSettings(listen=f"127.0.0.1:{server.port}"))._socket.close()


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200), ("LOCALHOST:9814", 200), ("127.0.0.1:80", 200), ("127.8.8.8", 200), ("[::1]:9814", 200),
        ("buoy.example.org", 200), ("buoy.example.org:9814", 200), ("evil.example", 400), ("evil.example:9814", 400),
        ("192.0.2.1", 400), ("buoy.example.org.evil.example", 400), ("localhost.evil.example", 400), ("", 400),
    ],
)  # fmt: skip
def test_a_request_for_a_name_that_is_not_ours_is_refused(client, host: str, code: int) -> None:
    # A page elsewhere whose name was made to lead to this machine could read the status page (DNS rebinding).
    answer = client.get("/api/v1/series", headers={"host": host})
    assert answer.status_code == code
    assert (code == 400) == ("hosts in the section web" in answer.text)
    assert ("lake/loaded" in answer.text) == (code == 200)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_on_a_wildcard_address_every_numeric_one_is_ours_and_no_name(daemon, listen: str) -> None:
    app = create_app(daemon.access(), ManualClock(), WebSettings(listen=listen))
    server = WebServer(app, WebSettings(listen="127.0.0.1:0"))
    server.start()
    try:
        with httpx.Client(base_url=server.address, verify=False) as client:
            for host, code in (("192.0.2.1:9814", 200), ("[2001:db8::1]:9814", 200), ("evil.example", 400)):
                assert client.get("/-/healthy", headers={"host": host}).status_code == code, host
    finally:
        server.stop()


def _closed(connection: socket.socket, within: float) -> bool:
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentinel.views.web.connections.REQUEST_WITHIN_SECONDS", 0.5)


def test_a_request_that_does_not_come_to_its_end_in_time_is_closed(hurried, server) -> None:
    beginnings = (b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in beginnings]
    for connection, beginning in zip(connections, beginnings, strict=True):
        with connection:
            connection.sendall(beginning)
            assert _closed(connection, 3.0), beginning


def test_one_byte_at_a_time_does_not_buy_more_time(hurried, server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.recv(65_536).startswith(b"HTTP/1.1 200")
        began = monotonic()
        slow.sendall(b"G")
        while not _closed(slow, 0.1):
            assert monotonic() - began < 4.0, "it is open still"
            with suppress(OSError):
                slow.sendall(b"G")


def test_who_holds_connections_open_displaces_himself_and_others_are_answered(server, client) -> None:
    most = server.most_connections
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(most + 50)]
    try:
        assert client.get("/-/healthy").status_code == 200
        assert all(_closed(connection, 3.0) for connection in held[:50])
        assert not _closed(held[-1], 0.1)
    finally:
        for connection in held:
            connection.close()


@pytest.fixture
def browser_page(server) -> Iterator[tuple[Page, list[str]]]:
    with a_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(server.address)
        yield page, said


COLOURS = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let at = 0; at < pixels.length; at += 4) seen.add(pixels.slice(at, at + 4).join());
  return seen.size;
}"""


def test_in_a_browser_the_page_draws_and_refreshes_itself_without_an_error(browser_page, daemon) -> None:
    page, said = browser_page
    canvas = page.locator("canvas[data-series='lake/loaded']")
    # Asked from outside: the page's own policy forbids the eval that wait_for_function needs.
    until = monotonic() + 10
    while page.evaluate("() => document.querySelector('canvas').width") <= 400 and monotonic() < until:
        page.wait_for_timeout(50)
    assert canvas.evaluate(COLOURS) > 50
    assert "Lag-1 autocorrelation rose from" in canvas.get_attribute("aria-label")
    assert page.locator(".badge", has_text="critical").count() == 2

    page.locator("a", has_text="lake/control").first.focus()
    page.locator("summary").click()
    canvas.evaluate("canvas => { canvas.marked = true; }")
    view = estimated(daemon.snapshot.view("lake/control"), lag1=0.42)
    daemon.snapshot = replace(daemon.snapshot, series={**daemon.snapshot.series, "lake/control": view})
    page.wait_for_selector("text=0.42 (0.21 to 0.48)", timeout=4000)
    assert canvas.evaluate("canvas => canvas.marked"), "the canvas is the same one: nothing flickers"
    assert page.locator("details[open]").count() == 1
    assert said == []


def test_on_a_phone_the_sentences_of_alarms_are_wide_enough_to_be_read(browser_page, daemon, tmp_path: Path) -> None:
    # Bug: five columns beside each other left a word a line, outside the screen.
    rig = Rig(tmp_path, out=Sink())
    rig.feed(frame(0, 230))
    daemon.events = rig.engine.events
    page, _ = browser_page
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(page.url.rstrip("/") + "/alarms")
    box = page.locator("td").last.bounding_box()
    assert box
    assert box["width"] > 250
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
