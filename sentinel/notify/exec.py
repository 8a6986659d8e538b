"""Notifier `exec`: a program is run for each event, with its JSON on standard input."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from time import monotonic

from sentinel.config import ExecNotify
from sentinel.domain.clock import MICROSECONDS
from sentinel.notify.base import Delivery, Event, Notifier, idempotence_key
from sentinel.notify.http import to_json

UNWANTED = 65
"""Exit code of a program that will never take this event (EX_DATAERR of sysexits.h); any other is tried again."""
KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "CREDENTIALS_DIRECTORY")
"""Variables that the program gets of the daemon's environment."""


class ExecNotifier(Notifier):
    """Runs one program after the other, never two at once."""

    def __init__(self, settings: ExecNotify) -> None:
        super().__init__(settings.name)
        self._settings = settings

    def describe(self) -> str:
        """Say what is run."""
        return f"the program {self._settings.command[0]} for each event"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        """Run the program for one event after the other; see `Notifier.send`."""
        for count, event in enumerate(batch):
            outcome, reason = self._run(event, deadline)
            if outcome is None:
                continue
            return Delivery("refused" if outcome == UNWANTED else "retry", count, f"notify {self.name}: {reason}")
        return Delivery("delivered", len(batch))

    def _run(self, event: Event, deadline: float) -> tuple[int | None, str]:
        """Run the program; None if it took the event, else its exit code (-1 = none) and why."""
        seconds = min(self._settings.timeout / MICROSECONDS, deadline - monotonic())
        if seconds <= 0.0:
            return -1, "no time is left; it is tried again"
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment["SENTINEL_KEY"] = idempotence_key(event)
        name = self._settings.command[0]
        try:
            # A session of its own, so that what the program has started ends with it.
            process = subprocess.Popen(
                self._settings.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=environment, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return -1, f"{name}: {error.strerror}; a program that can be run is needed; it is tried again"
        with process:
            try:
                _, said = process.communicate(to_json(event), timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return -1, f"{name}: not done after {seconds:.3g} s; killed, and tried again"
        if process.returncode == 0:
            return None, ""
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        return process.returncode, f"{name}: exit code {process.returncode}{f' ({last})' if last else ''}"
