"""The web config file: who is let in, what a file may say, and files that change while the server runs."""

from __future__ import annotations

import os
import socket
import ssl
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import httpx
import pytest
import yaml

from sentinel.config import WebSettings
from sentinel.domain.errors import ConfigError
from sentinel.views.web import Guard, WebServer, connections, create_app
from tests.fixtures import ManualClock
from tests.sources.certificates import make_certificate

SECRET = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()


def basic(user: str, password: bytes) -> str:
    return "Basic " + b64encode(user.encode() + b":" + password).decode()


def write(folder: Path, **content: object) -> Path:
    path = folder / "web.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def renew(folder: Path) -> bytes:
    """Put another certificate in place; gives it as clients see it."""
    path = make_certificate(folder)
    os.utime(path, ns=(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns + 1_000_000))  # noqa: PTH116
    return ssl.PEM_cert_to_DER_cert(path.read_text().partition("-----END PRIVATE KEY-----")[2].strip())


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (basic("ann", b"open sesame"), True),
        (basic("ann", b"open sesam"), False),
        (basic("bob", b"open sesame"), False),
        (basic("", b""), False),
        (basic("ann", b"open sesame\0 and more"), False),
        (basic("ann", b"x" * 100), False),
        ("Bearer open sesame", False),
        ("Basic ???", False),
        ("Basic " + b64encode(b"\xff:x").decode(), False),
        ("", False),
    ],
)
def test_only_users_with_their_password_are_let_in_the_second_time_too(
    tmp_path: Path, header: str, allowed: bool
) -> None:
    guard = Guard(write(tmp_path, basic_auth_users={"ann": SECRET}))
    assert [guard.allows(header), guard.allows(header)] == [allowed, allowed]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"basic_auth_users": {"ann": "hunter2"}}, "basic_auth_users.ann: no bcrypt hash; "),
        ({"tls_server_config": {"cert_file": "a.pem"}}, "tls_server_config.key_file: "),
        ({"tls_server_config": {"cert_file": "a", "key_file": "b"}}, "cert_file and key_file: "),
        (
            {
                "tls_server_config": {
                    "cert_file": "a",
                    "key_file": "b",
                    "client_auth_type": "RequireAndVerifyClientCert",
                }
            },
            "client_ca_file: nothing came",
        ),
        ({"tls_server_config": {"cert_file": "a", "key_file": "b", "min_version": "TLS10"}}, "min_version: "),
        ({"http_server_config": {"headers": {"X-Powered-By": "us"}}}, "http_server_config.headers"),
        ({"basic_auth_user": {}}, "basic_auth_user: unknown key"),
    ],
)
def test_what_a_file_may_not_say_is_a_line_with_the_key_and_never_the_password(
    tmp_path: Path, content: dict[str, object], line: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        Guard(write(tmp_path, **content))
    assert "web.yaml" in str(refused.value)
    assert line in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.slow
def test_a_new_certificate_user_and_header_hold_without_a_restart_and_a_broken_file_changes_nothing(
    daemon, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    first = renew(tmp_path)
    tls = {"cert_file": "certificate.pem", "key_file": "key.pem"}
    guard = Guard(write(tmp_path, tls_server_config=tls, basic_auth_users={"ann": SECRET}))
    web = WebSettings(listen="127.0.0.1:0")
    server = WebServer(create_app(daemon.access(), ManualClock(), web, guard=guard), web, guard)
    server.start()

    def certificate() -> bytes:
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))

    def answer(user: str) -> httpx.Response:
        return httpx.get(server.address, auth=(user, "open sesame"), verify=False, timeout=60)

    try:
        assert server.address.startswith("https://")
        assert (answer("ann").status_code, answer("bob").status_code) == (200, 401)
        assert answer("ann").headers["x-frame-options"] == "DENY"
        assert certificate() == first
        second = renew(tmp_path)
        headers = {"X-Frame-Options": "sameorigin"}
        write(
            tmp_path, tls_server_config=tls, basic_auth_users={"bob": SECRET}, http_server_config={"headers": headers}
        )
        guard.refresh()
        assert certificate() == second != first
        assert (answer("ann").status_code, answer("bob").status_code) == (401, 200)
        assert answer("bob").headers["x-frame-options"] == "sameorigin"
        make_certificate(tmp_path / "other")
        (tmp_path / "other" / "key.pem").replace(tmp_path / "key.pem")  # of another certificate
        write(tmp_path, tls_server_config=tls)
        guard.refresh()
        assert certificate() == second
        assert answer("ann").status_code == 401, "a broken file must not open the door"
    finally:
        server.stop()


@pytest.mark.slow
def test_idle_connections_that_never_shake_hands_keep_nobody_out_and_end(
    daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_WITHIN_SECONDS", 2.0)
    make_certificate(tmp_path)
    guard = Guard(write(tmp_path, tls_server_config={"cert_file": "certificate.pem", "key_file": "key.pem"}))
    web = WebSettings(listen="127.0.0.1:0")
    server = WebServer(create_app(daemon.access(), ManualClock(), web, guard=guard), web, guard)
    server.start()
    try:
        with ExitStack() as stack:
            idle = [
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 60))
                for _ in range(server.most_connections + 40)
            ]
            assert httpx.get(f"{server.address}/-/healthy", verify=False, timeout=60).status_code == 200
            for one in idle:
                assert one.recv(1) == b"", "the server has ended it"
    finally:
        server.stop()
