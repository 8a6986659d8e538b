"""Notifier `exec`: a program is run for each event, with its JSON on standard input."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from time import monotonic

from sentinel.config import ExecNotify
from sentinel.domain.clock import MICROSECONDS
from sentinel.notify.base import Answer, Delivery, Event, Notifier, idempotence_key, send_each
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
        return send_each(batch, lambda event: self._run(event, deadline))

    def _run(self, event: Event, deadline: float) -> Answer:
        seconds = min(self._settings.timeout / MICROSECONDS, deadline - monotonic())
        if seconds <= 0.0:
            return Answer("retry", f"notify {self.name}: no time is left; it is tried again")
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment["SENTINEL_KEY"] = idempotence_key(event)
        where = f"notify {self.name}: {self._settings.command[0]}"
        try:
            # A session of its own, so that what the program has started ends with it.
            process = subprocess.Popen(
                self._settings.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=environment, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            why = f"{error.strerror}; a program that can be run is needed; it is tried again"
            return Answer("retry", f"{where}: {why}")
        with process:
            try:
                _, said = process.communicate(to_json(event), timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return Answer("retry", f"{where}: not done after {seconds:.3g} s; killed, and tried again")
        code = process.returncode
        if code == 0:
            return Answer("delivered")
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        why = f"{where}: exit code {code}{f' ({last})' if last else ''}"
        return Answer("refused" if code == UNWANTED else "retry", why)
