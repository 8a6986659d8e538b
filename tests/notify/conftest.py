"""Real servers that notifiers talk to: HTTP, and SMTP with STARTTLS, TLS and a password."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from tests.deploy.programs import program

USER, PASSWORD = "watch", "correct horse"


@dataclass
class Web:
    """An HTTP server: what was posted to it, and what it answers."""

    address: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers in lower case, body."""
    answers: list[int] = field(default_factory=list)
    """Codes of the next answers; 200 behind them."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("no_proxy", "*")
    seen = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(seen.answers.pop(0) if seen.answers else 200)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    seen.address = f"http://127.0.0.1:{server.server_port}"
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Mailbox:
    """An SMTP server: the mail that it took, and what it refuses."""

    port: int = 0
    ca_file: Path = Path()
    mail: list[Message] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """To the next mails; taken behind them."""
    unknown: set[str] = field(default_factory=set)
    """Addresses that it does not know."""

    async def handle_RCPT(self, server, session, envelope: Envelope, address: str, options) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.mail.append(message_from_bytes(envelope.content, policy=default))
        self.encrypted.append(session.ssl is not None)
        return "250 taken"


def _authenticate(server, session, envelope, mechanism: str, data: object) -> AuthResult:
    fits = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=fits, handled=fits)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    own, key = folder / "own.pem", folder / "key.pem"
    command = [
        program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(own),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return own, key


def _serve(mailbox: Mailbox, certificate: tuple[Path, Path], kind: str) -> Iterator[Mailbox]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    mailbox.ca_file = certificate[0]
    login = {"authenticator": _authenticate, "auth_required": True, "auth_require_tls": kind != "tls"}
    more = {"starttls": {"tls_context": context, "require_starttls": True, **login}, "tls": {"ssl_context": context},
            "none": {}}[kind]  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mailbox.port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **more)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
def mailbox(certificate: tuple[Path, Path]) -> Iterator[Mailbox]:
    """A server that takes mail after STARTTLS and a password only."""
    yield from _serve(Mailbox(), certificate, "starttls")


@pytest.fixture
def mailbox_tls(certificate: tuple[Path, Path]) -> Iterator[Mailbox]:
    """A server that is encrypted from the first byte."""
    yield from _serve(Mailbox(), certificate, "tls")


@pytest.fixture
def mailbox_plain(certificate: tuple[Path, Path]) -> Iterator[Mailbox]:
    """A server that offers no encryption."""
    yield from _serve(Mailbox(), certificate, "none")
