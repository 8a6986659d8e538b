"""Notifier `log`: events as JSON lines, appended to a file or written to standard error."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from sentinel.config import LogNotify
from sentinel.notify.base import Delivery, Event, Notifier, idempotence_key


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
        where = self._path or "standard error"
        for count, event in enumerate(batch):
            if monotonic() > deadline:
                return Delivery("retry", count, f"notify log: {where}: too slow; it is tried again")
            try:
                self._write(_to_line(event))
            except OSError as error:
                return Delivery("retry", count, f"notify log: {where}: {error.strerror}; it is tried again")
        return Delivery("delivered", len(batch))

    def _write(self, line: bytes) -> None:
        if self._path is None:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
        else:
            _append(self._path, line)


def _to_line(event: Event) -> bytes:
    """Write an event as JSON, with null for NaN and infinities: JSON has no word for them."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in event.items()
    }
    line = json.dumps({"key": idempotence_key(event), **finite}, ensure_ascii=False, allow_nan=False)
    return (line + "\n").encode("utf-8", "backslashreplace")


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
