"""Tells systemd that the daemon is ready, that its engine turns, and in one line what it is doing."""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter
from collections.abc import Sequence
from time import monotonic, monotonic_ns

from sentinel.domain.states import State
from sentinel.pipeline.snapshot import Snapshot

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
"""So often the watchdog is fed and the status line brought up to date."""
MORE_TIME = "EXTEND_TIMEOUT_USEC=60000000"
"""A start that makes progress may take longer than TimeoutStartSec."""


class ServiceManager:
    """Speaks to systemd at most every few seconds, except where something has changed; silent without systemd."""

    def __init__(self) -> None:
        self._doing = ""
        self._due = 0.0
        self.is_told_ready = False
        """READY=1 has been sent."""

    def say(self, doing: str, *lines: str) -> None:
        """Send these lines, and the status line."""
        self._doing = doing
        sd_notify(*lines, f"STATUS={doing}")

    def ready(self, doing: str) -> None:
        """Say that the start, or a reload, is done."""
        self.is_told_ready = True
        self.say(doing, "READY=1")

    def is_due(self) -> bool:
        """Say whether it is time for the next `beat`."""
        return monotonic() >= self._due

    def beat(self, doing: str, line: str = "WATCHDOG=1") -> None:
        """Feed the watchdog, or send another `line` that is due as often."""
        self._due = monotonic() + BEAT_SECONDS
        sd_notify(line)
        if doing != self._doing:
            self.say(doing)


def describe(snapshot: Snapshot, not_ready: Sequence[str], waiting: int) -> str:
    """Say in one line what the daemon is doing; `waiting` observations have not been looked at yet."""
    if not_ready:
        return f"not ready: {'; '.join(not_ready)}"
    states: Counter[State] = Counter()
    for (_, state, _), number in snapshot.counts().items():
        states[state] += number
    order = (State.CRITICAL, State.WARNING, State.BLIND, State.LEARNING, State.WATCHING)
    found = [f"{states[state]:,} {state.value}" for state in order if states[state]]
    line = f"watching {len(snapshot):,} series" + (f": {', '.join(found)}" if found else "")
    return f"{line}; {waiting:,} observations wait" if waiting else line


def sd_notify(*lines: str) -> bool:
    """Send systemd lines such as `READY=1` or `STATUS=...`; `RELOADING=1` with the monotonic time it asks for.

    Gives False where no service manager listens, with a line in the log where one should: a daemon that works does
    not end because its supervisor cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if "RELOADING=1" in lines:
        lines = (*lines, f"MONOTONIC_USEC={monotonic_ns() // 1000}")
    path = "\0" + address[1:] if address.startswith("@") else address  # @ = an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto("\n".join(lines).encode(), path)
    except OSError as error:
        logger.warning("NOTIFY_SOCKET: %s: %s; a datagram socket is needed", address, error.strerror)
        return False
    return True
