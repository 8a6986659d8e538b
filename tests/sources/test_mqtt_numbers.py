"""Source `mqtt` at a broker that gives each message the lowest number that is free, as MQTT allows."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from sentinel.domain.observation import Frame
from tests.e2e.running import PATIENCE, wait_for
from tests.sources.test_mqtt_source import messages, told

ACKNOWLEDGED = 4


@contextmanager
def broker(*connections: Sequence[bytes]) -> Iterator[str]:
    """Send messages under the number 1, each when the one before was acknowledged."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for number, payloads in enumerate(connections):
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                _packet(stream)
                connection.sendall(bytes([0x20, 2, number > 0, 0]))  # the session of before is there
                connection.sendall(b"\x90\x03" + _packet(stream)[1][:2] + b"\x01")
                for payload in payloads:
                    body = b"\0\4lake\0\1" + payload
                    connection.sendall(bytes([0x32, len(body)]) + body)
                    while _packet(stream)[0] >> 4 != ACKNOWLEDGED:
                        pass

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()
        thread.join(PATIENCE)


def _packet(stream) -> tuple[int, bytes]:
    head = stream.read(2)
    return head[0], stream.read(head[1])  # none is longer than 127 bytes


def test_equal_values_under_one_number_are_repeated_only_over_a_new_connection() -> None:
    frames: list[Frame] = []
    with broker([b"8.1", b"8.1", b"8.2", b"8.2", b"8.2"], [b"8.2", b"8.2", b"8.1", b"8.1"]) as url:
        source = messages(url=url)

        def take(frame: Frame) -> bool:
            frames.append(frame)
            Thread(target=source.acknowledge, args=(frame.cursor,), daemon=True).start()
            return True

        source.start(None, take)
        wait_for(lambda: len(told(*frames)) + sum(frame.repeated for frame in frames) >= 9, PATIENCE, "9 messages")
        source.close()
    assert [value for _, _, value in told(*frames)] == [8.1, 8.1, 8.2, 8.2, 8.2, 8.2, 8.1, 8.1]
    assert sum(frame.repeated for frame in frames) == 1
