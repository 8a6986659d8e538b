"""A server on loopback that answers as Prometheus and other services do, or misbehaves as it is told."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[BaseHTTPRequestHandler, Mapping[str, str]], None]


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, text in headers.items():
        handler.send_header(name.replace("_", "-"), text)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def matrix(*result: Any, **more: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **more}).encode()


def value_at(seconds: int, lake: int) -> float:
    return math.sin(seconds / 3600 + lake)


def answer_range(handler: BaseHTTPRequestHandler, form: Mapping[str, str]) -> None:
    """Two lakes, as Prometheus gives them."""
    start, end, step = (int(form[key]) for key in ("start", "end", "step"))
    if (end - start) // step >= 11_000:
        send(handler, 400, b'{"error": "exceeded maximum resolution of 11,000 points per timeseries"}')
        return
    times = range(start, end + 1, step)
    send(handler, 200, matrix(*(
        {"metric": {"__name__": "ph", "lake": f"l{lake}"}, "values": [[at, repr(value_at(at, lake))] for at in times]}
        for lake in range(2)
    )))  # fmt: skip


class Answering:
    """The server; `answer` may be replaced while it runs, `asked` has the forms that came."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.answer: Answer = answer_range
        self.asked: list[Mapping[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.take(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def do_GET(self) -> None:
                self.take(urlsplit(self.path).query)

            def take(self, text: str) -> None:
                form = {key: texts[0] for key, texts in parse_qs(text, keep_blank_values=True).items()}
                outer.asked.append(form)
                outer.headers.append(dict(self.headers))
                outer.answer(self, form)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def answering(certificate: Path | None = None) -> Iterator[Answering]:
    server = Answering(certificate)
    try:
        yield server
    finally:
        server.close()
