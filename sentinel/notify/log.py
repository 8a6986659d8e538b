"""Events as JSON lines: appended to a file, or written to standard error."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sentinel.notify.base import NotifyError, idempotence_key


class LogNotifier:
    """One JSON line per event, `key` first; a file is flushed to disk before `send` returns."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def send(self, event: Mapping[str, object]) -> None:
        """Write one line. Raises NotifyError if that is not possible."""
        keyed = {"key": idempotence_key(event), **_finite(event)}
        line = json.dumps(keyed, ensure_ascii=False, allow_nan=False)
        data = (line + "\n").encode("utf-8", "backslashreplace")
        try:
            if self._path is None:
                sys.stderr.buffer.write(data)
                sys.stderr.buffer.flush()
            else:
                _append(self._path, data)
        except OSError as error:
            where = self._path or "standard error"
            raise NotifyError(f"notify log: {where}: {error.strerror}; it is tried again") from error


def _finite(event: Mapping[str, object]) -> dict[str, object]:
    """Copy an event with null for NaN and infinities: JSON has no word for them."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in event.items()
    }


def _append(path: Path, data: bytes) -> None:
    """Append a line and flush it to disk; a half-written last line (a crash, a full disk) is ended first."""
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                data = b"\n" + data
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
