"""Notifier `log`: events as JSON lines, appended to a file or written to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from sentinel.config import LogNotify
from sentinel.domain.printing import for_json
from sentinel.notify.base import Answer, Delivery, Event, Notifier, idempotence_key, send_each


class LogNotifier(Notifier):
    """One JSON line per event, `key` first; each line of a file is flushed to disk before the next."""

    def __init__(self, settings: LogNotify) -> None:
        super().__init__(settings.name)
        self._path = settings.path

    def describe(self) -> str:
        """Say where the lines go."""
        return f"JSON lines on {self._path or 'standard error'}"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        """Write one line after the other; see `Notifier.send`."""
        return send_each(batch, lambda event: self._write(event, deadline))

    def _write(self, event: Event, deadline: float) -> Answer:
        where = self._path or "standard error"
        if monotonic() > deadline:
            return Answer("retry", f"notify log: {where}: too slow; it is tried again")
        text = json.dumps({"key": idempotence_key(event), **for_json(event)}, ensure_ascii=False, allow_nan=False)
        line = (text + "\n").encode("utf-8", "backslashreplace")
        try:
            if self._path is None:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
            else:
                _append(self._path, line)
        except OSError as error:
            return Answer("retry", f"notify log: {where}: {error.strerror}; it is tried again")
        return Answer("delivered")


def _append(path: Path, line: bytes) -> None:
    """Append a line and flush it to disk; a half-written last line (a crash, a full disk) is ended first."""
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
