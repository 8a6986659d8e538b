"""A source that pushes, for tests: a sender on loopback that keeps its messages until they are acknowledged.

`Sender` is in the test and outlives its receivers. To each of them it sends again, in order, what has not been
acknowledged, and then what is new. `Receiver` is the source; one message is one frame. Run as a program, this module
is a daemon's engine with that source, for tests that kill it: `python pushing.py PORT FOLDER`.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import polars as pl

from sentinel.config import Settings
from sentinel.domain.clock import Clock
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import OBSERVATIONS, Cursor, Frame
from sentinel.journal import Journal
from sentinel.runtime.engine import Engine
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.pushing import Pushing
from sentinel.sources import HandOver, PushSource, SourceError

HOUR_US = 3_600_000_000
IN_FLIGHT = 60
"""Messages that may wait for their acknowledgement."""


class Sender:
    """Sends the messages 1, 2, 3, ... up to `last`, which may be raised while it runs."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.acknowledged: list[int] = []
        self.sent: list[list[int]] = []
        """The messages sent to each receiver."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            gone = Event()
            listener = Thread(target=self._listen, args=(connection, gone), daemon=True)
            self.sent.append([])
            number = len(self.acknowledged)
            listener.start()
            with suppress(OSError):
                while not gone.is_set():
                    if number < min(self.last, len(self.acknowledged) + IN_FLIGHT):
                        number += 1
                        self.sent[-1].append(number)
                        connection.sendall(b"%d\n" % number)
                    else:
                        time.sleep(0.002)
            listener.join()  # what the dead one had still said is heard before the next one is served
            connection.close()

    def _listen(self, connection: socket.socket, gone: Event) -> None:
        with suppress(OSError), connection.makefile() as lines:
            for line in lines:
                if line.endswith("\n"):  # it stands for all before it
                    self.acknowledged.extend(range(len(self.acknowledged) + 1, int(line) + 1))
        gone.set()


class Receiver(PushSource):
    """Receives messages, and tells their sender which of them are on disk."""

    def __init__(self, port: int) -> None:
        super().__init__("buoys")
        self._port = port
        self._connection: socket.socket | None = None

    def describe(self) -> str:
        return f"messages from port {self._port}, as they come"

    def known_series(self) -> frozenset[str]:
        return frozenset({"s"})

    def start(self, cursor: Cursor | None, hand_over: HandOver) -> None:
        del cursor  # this sender knows by itself what has been acknowledged
        try:
            self._connection = socket.create_connection(("127.0.0.1", self._port))
        except OSError as error:
            raise SourceError(f"port {self._port}: {error.strerror}") from error
        Thread(target=self._receive, args=(self._connection, hand_over), daemon=True).start()

    def _receive(self, connection: socket.socket, hand_over: HandOver) -> None:
        with suppress(OSError, ValueError), connection.makefile() as lines:
            for line in lines:
                if not hand_over(frame_of(int(line))):
                    return

    def acknowledge(self, cursor: Cursor) -> None:
        if self._connection is not None:
            self._connection.sendall(b"%d\n" % cursor["number"])

    def close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection.close()
            self._connection = None


def frame_of(number: int) -> Frame:
    """The frame of one message: one observation, a watermark, and a cursor that names the message."""
    rows = [("s", number * HOUR_US, float(7 * number % 11))]
    table = pl.DataFrame(rows, schema=OBSERVATIONS, orient="row")
    return Frame("buoys", table, {"number": number}, watermark_us=number * HOUR_US)


def main(port: int, folder: Path) -> None:
    """Take in what is pushed until killed; the inbox is small, so that it is mostly full."""
    metrics, clock, inbox = Metrics(), Clock(), Inbox(20)
    with Journal.open(folder) as journal:
        pushing = Pushing(inbox, {}, metrics, clock)
        engine = Engine(Settings(), journal, inbox, metrics, clock, {}, acknowledge=pushing.acknowledge)
        engine.restore()
        pushing.start([Receiver(port)], journal.cursors())
        while True:
            engine.turn(0.5)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
