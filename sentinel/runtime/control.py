"""The control socket: how commands reach a running daemon, in its state folder, for its user alone.

One line of JSON asks, one line answers. The socket's thread only hands requests to the engine and waits: what is done
is journalled and done by the engine, between two frames.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from sentinel.domain.errors import SentinelError, StateError, UpstreamError, UsageError

logger = logging.getLogger(__name__)

SOCKET_FILE = "control.sock"
LONGEST_REQUEST = 65_536
ANSWER_SECONDS = 30.0
"""A turn of the engine takes about a second; one under a full disk waits longer."""

Ask = Callable[[Mapping[str, Any]], "Future[str]"]
"""Hands a request to the engine; the future gives a sentence, or raises UsageError where it asks for the impossible."""


class ControlSocket:
    """Listens in a state folder until it is closed."""

    def __init__(self, folder: Path, ask: Ask) -> None:
        self._folder, self._ask = folder, ask
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen; a folder that can hold no socket is said in the log, and the daemon runs without one."""
        try:
            with _reaching(self._folder) as path:
                with suppress(FileNotFoundError):
                    path.unlink()  # of a daemon that was killed; the folder's lock is ours
                listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
                before = os.umask(0o177)
                try:
                    listening.bind(str(path))
                finally:
                    os.umask(before)
                listening.listen(4)
        except OSError as error:
            why = error.strerror or str(error)
            logger.warning("no control socket; commands that act need the daemon stopped", extra={"why": why})
            return
        self._socket = listening
        Thread(target=self._serve, args=(listening,), name="control", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            with suppress(OSError):
                (self._folder / SOCKET_FILE).unlink()
            self._socket = None

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # closed
                return
            with connection, suppress(OSError):
                connection.settimeout(ANSWER_SECONDS)
                connection.sendall(json.dumps(self._answer(connection)).encode() + b"\n")

    def _answer(self, connection: socket.socket) -> dict[str, str]:
        try:
            request = json.loads(_read_line(connection))
            if not isinstance(request, dict):
                return {"usage": "a JSON object is needed"}
            return {"done": self._ask(request).result(ANSWER_SECONDS)}
        except UsageError as error:
            return {"usage": str(error)}
        except TimeoutError:
            return {"missing": "no answer in time: its disk may be full, or it is stopping; see the log of the daemon"}
        except (SentinelError, ValueError) as error:
            return {"missing": str(error)}


def send(folder: Path, request: Mapping[str, Any]) -> str | None:
    """Ask the daemon of a state folder, and give its answer; None if none listens there.

    Raises UsageError where the daemon says that the request asks for the impossible, UpstreamError where it cannot
    answer now.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(ANSWER_SECONDS + 5.0)
        try:
            with _reaching(folder) as path:
                connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        except OSError as error:
            raise StateError(f"{folder / SOCKET_FILE}: {error.strerror}; run as the user of the daemon") from error
        try:
            connection.sendall(json.dumps(dict(request)).encode() + b"\n")
            answer = json.loads(_read_line(connection))
        except (OSError, ValueError) as error:
            raise UpstreamError(f"{folder / SOCKET_FILE}: the daemon broke off ({type(error).__name__})") from error
    if "usage" in answer:
        raise UsageError(answer["usage"])
    if "missing" in answer:
        raise UpstreamError(answer["missing"])
    return str(answer["done"])


def _read_line(connection: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\n") and len(found) < LONGEST_REQUEST:
        piece = connection.recv(LONGEST_REQUEST)
        if not piece:
            break
        found += piece
    return found


@contextmanager
def _reaching(folder: Path) -> Iterator[Path]:
    """Give a short path of the socket: a long one does not fit into the address of a socket."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Path(f"/proc/self/fd/{number}") / SOCKET_FILE
    finally:
        os.close(number)
