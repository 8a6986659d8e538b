"""The life of the web server, and its page in a real browser."""

from __future__ import annotations

import html
import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from time import monotonic

import httpx
import pytest

from sentinel.config import Settings, WebSettings, from_record, to_record
from sentinel.domain.errors import SentinelError
from sentinel.views.web import WebServer, create_app
from tests.fixtures import ManualClock


def test_an_address_in_use_is_named(server) -> None:
    listen = server.address.removeprefix("http://")
    with pytest.raises(SentinelError, match=rf"web.listen: {listen}: Address already in use; choose a free address"):
        WebServer(None, WebSettings(listen=listen))


@pytest.mark.slow
def test_it_stops_in_under_a_second_with_a_connection_open_and_frees_its_address(daemon) -> None:
    web = WebSettings(listen="127.0.0.1:0")
    server = WebServer(create_app(daemon.access(), ManualClock(), web), web)
    server.start()
    threads = threading.active_count()
    with (
        httpx.Client(base_url=server.address, verify=False) as client,
        socket.create_connection(("127.0.0.1", server.port)) as half,
        socket.create_connection(("127.0.0.1", server.port)) as listening,
    ):
        half.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        client.get("/-/healthy")
        listening.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"data: " in listening.recv(65_536) + listening.recv(65_536)
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 1.0
    assert threading.active_count() < threads
    WebServer(None, WebSettings(listen=f"127.0.0.1:{server.port}"))._socket.close()


def test_a_daemon_that_ends_answers_its_probes_alone(daemon) -> None:
    # Readers of pages held up the end of a daemon of 500 series for a quarter of a minute.
    ending = [False]
    web = WebSettings(listen="127.0.0.1:0")
    access = replace(daemon.access(), is_ending=lambda: ending[0])
    server = WebServer(create_app(access, ManualClock(), web), web)
    server.start()
    try:
        with httpx.Client(base_url=server.address, verify=False) as client:
            assert client.get("/").status_code == 200
            ending[0] = True
            codes = [client.get(path).status_code for path in ("/", "/metrics", "/api/v1/series", "/-/healthy")]
            assert codes == [503, 503, 503, 200]
    finally:
        server.stop()


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


@pytest.mark.slow
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


def next_message(lines) -> str:
    return next(line for line in lines if line.startswith("data: "))


@pytest.mark.slow
def test_a_page_that_listens_is_told_when_there_is_something_new(server, client, daemon) -> None:
    with client.stream("GET", "/api/v1/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        first = next_message(lines)
        daemon.snapshot = replace(daemon.snapshot, taken_us=daemon.snapshot.taken_us + 1)
        assert next_message(lines) != first


@pytest.mark.slow
def test_few_pages_listen_at_a_time_and_one_that_leaves_makes_room(monkeypatch, daemon) -> None:
    monkeypatch.setattr("sentinel.views.web.connections.LOOK_EVERY_SECONDS", 0.05)
    monkeypatch.setattr("sentinel.views.web.connections.most_connections", lambda: 8)
    web = WebSettings(listen="127.0.0.1:0")
    server = WebServer(create_app(daemon.access(), ManualClock(), web), web)
    server.start()
    try:
        with httpx.Client(base_url=server.address) as client, ExitStack() as listening:
            held = []
            for _ in range(2):
                answer = listening.enter_context(client.stream("GET", "/api/v1/stream"))
                assert answer.status_code == 200
                held.append(lines := answer.iter_lines())  # an iterator that is dropped ends its answer
                next_message(lines)
            refused = client.get("/api/v1/stream")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
            assert client.get("/-/healthy").status_code == 200
            listening.close()
            until = monotonic() + 5
            while (again := client.stream("GET", "/api/v1/stream")) and monotonic() < until:
                with again as answer:
                    if answer.status_code == 200:
                        break
                time.sleep(0.05)
            assert answer.status_code == 200
    finally:
        server.stop()


@pytest.mark.slow
def test_under_a_path_every_link_leads_to_a_page_whether_a_proxy_leaves_the_path_on_or_takes_it_off(daemon) -> None:
    web = WebSettings(listen="127.0.0.1:0", path="/eco/sentinel")
    server = WebServer(create_app(daemon.access(), ManualClock(daemon.snapshot.taken_us), web), web)
    server.start()
    with httpx.Client(base_url=server.address, verify=False) as client:
        waiting, seen = ["/eco/sentinel", *(f"/eco/sentinel/{page}" for page in ("alarms", "sources", "nope"))], set()
        answered = 0
        while waiting:
            address = waiting.pop()
            seen.add(address)
            answer = client.get(address)
            off = client.get(address.removeprefix("/eco/sentinel") or "/")
            assert off.status_code == answer.status_code
            answered += answer.status_code == 200
            if "html" in answer.headers["content-type"]:
                assert off.text == answer.text
                links = re.findall(r'(?:href|src|action|data-source)="([^"#]+)"', answer.text)
                assert all(link.startswith("/eco/sentinel/") for link in links)
                assert 'data-root="/eco/sentinel"' in answer.text
                found = {html.unescape(link) for link in links if "/download/" not in link}
                waiting += found - seen - set(waiting)
        assert answered > 20
        assert client.get("/eco/sentinels").status_code == 404
        assert "There is no page /eco/sentinel/nope" in client.get("/nope").text, "as the reader's browser calls it"
        # Redirects to the page without the slash led out of the path.
        assert client.get("/eco/sentinel/sources/").status_code == 404
    server.stop()


def test_a_path_that_is_one_of_the_servers_own_pages_is_refused_a_scrape_would_get_the_page(daemon) -> None:
    app = create_app(daemon.access(), ManualClock(), WebSettings(), pushed=lambda: None, ask=lambda *_: None)
    own = {route.path.split("/")[1] for route in app.routes} - {""}
    assert {"-", "metrics", "write", "api"} <= own
    for path in [*(f"/{name}" for name in own), "/..", "sentinel", "/sentinel/", "//"]:
        with pytest.raises(ValueError, match="a path such as /sentinel"):
            WebSettings(path=path)


def test_settings_without_a_path_are_recorded_as_before_there_was_one() -> None:
    """Receipts of earlier alarms differed, and an earlier version could not read the record."""
    assert "path" not in to_record(Settings())["web"]
    under = Settings(web={"path": "/sentinel"})
    assert from_record(to_record(under)) == under
