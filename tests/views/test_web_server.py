"""The life of the web server, and its page in a real browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

import httpx
import pytest
from playwright.sync_api import Page

from sentinel.config import WebSettings
from sentinel.domain.errors import SentinelError
from sentinel.views.web import WebServer, create_app
from tests.browsers import a_browser
from tests.fixtures import ManualClock, estimated


def test_an_address_in_use_is_named(server) -> None:
    listen = server.address.removeprefix("http://")
    with pytest.raises(SentinelError, match=rf"web.listen: {listen}: Address already in use; choose a free address"):
        WebServer(None, WebSettings(listen=listen))


def test_it_stops_in_under_a_second_with_a_connection_open_and_frees_its_address(daemon) -> None:
    server = WebServer(create_app(daemon.access(), ManualClock()), WebSettings(listen="127.0.0.1:0"))
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
