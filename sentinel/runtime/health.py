"""Health: whether the daemon can be relied on, from plain facts, and what systemd is told."""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.spelling import duration_in_words

log = logging.getLogger(__name__)

BEAT_WITHIN_US = 10 * MICROSECONDS
"""A thread that has not shown a sign of life for this long counts as stopped."""


@dataclass(frozen=True, slots=True)
class Health:
    """Facts of one moment, and why they make the daemon not ready. Times in microseconds, -1 = never."""

    now_us: int
    restored: bool
    """The state has been restored from checkpoint and journal."""
    stopping: bool
    scheduler_beat_us: int
    engine_beat_us: int
    silent_sources: tuple[str, ...] = ()
    """Sources that have neither been fetched nor failed once."""
    ingestion_stopped_by: str = ""
    """Why the journal cannot be written; empty while it can."""

    @property
    def ready(self) -> bool:
        """Whether what is shown can be relied on."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not ready, one sentence each; empty when it is."""
        found = []
        if self.stopping:
            found.append("stopping")
        if not self.restored:
            found.append("state is not restored yet")
        if self.ingestion_stopped_by:
            found.append(f"ingestion stopped: {self.ingestion_stopped_by}")
        found += [f"source {name} has neither answered nor failed yet" for name in self.silent_sources]
        for who, beat_us in (("scheduler", self.scheduler_beat_us), ("engine", self.engine_beat_us)):
            if beat_us < 0:
                found.append(f"{who} has not started")
            elif self.now_us - beat_us > BEAT_WITHIN_US:
                silence = duration_in_words(round((self.now_us - beat_us) / MICROSECONDS))
                found.append(f"{who} gave no sign of life for {silence}")
        return tuple(found)


def sd_notify(*lines: str) -> bool:
    """Send systemd lines such as `READY=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=...`, `RELOADING=1`.

    `RELOADING=1` is sent with the monotonic time that systemd asks for. A path starting with `@` is an abstract socket.
    Gives False where no service manager listens, with a line in the log where one should: a daemon that works does
    not end because its supervisor cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if "RELOADING=1" in lines:
        lines = (*lines, f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    path = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto("\n".join(lines).encode(), path)
    except OSError as error:
        log.warning("NOTIFY_SOCKET: %s: %s; a datagram socket is needed", address, error.strerror)
        return False
    return True
