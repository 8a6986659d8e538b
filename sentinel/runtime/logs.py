"""The log: one line per record on standard error, as logfmt or JSON. Warnings and errors are counted.

Of one kind (the same message of the same component, about the same source or series) at most 20 lines a minute are
written; the next one after that says how many were left out.

Every line has `ts` (RFC 3339, UTC, milliseconds), `level`, `msg` and `component`, then what the caller gave as
`extra`: ``logger.info("source read", extra={"source": "lake", "observations": 12})``.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TextIO

from sentinel.domain.metrics import Metrics

_TALKATIVE = ("numba", "asyncio", "httpx", "httpcore")
"""Libraries of which warnings are enough: numba tells 13 MB while it compiles, and httpx each address, with the secrets
that some hold."""
MOST_OF_A_KIND = 20
WITHIN_SECONDS = 60.0
_MOST_KINDS = 10_000
_BARE = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}  # the last is uvicorn's


def set_up(level: str, form: str, metrics: Metrics, stream: TextIO | None = None) -> None:
    """Send all records of the process to `stream` (standard error), replacing what an earlier call set up.

    `level` is ``debug info warning error``, `form` is ``logfmt`` or ``json``. Warnings and errors are counted even
    where the level keeps them from being written. Python's own warnings become records too.
    """
    handler = _CountingHandler(sys.stderr if stream is None else stream, metrics, _number(level))
    handler.setFormatter(_JsonFormatter() if form == "json" else _LogfmtFormatter())
    root = logging.getLogger()
    for earlier in [handler for handler in root.handlers if isinstance(handler, _CountingHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(min(_number(level), logging.WARNING))
    logging.captureWarnings(True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _number(level: str) -> int:
    return int(logging.getLevelNamesMapping()[level.upper()])


class _CountingHandler(logging.StreamHandler[TextIO]):
    """Writes records from a level on, and counts warnings and errors of any level."""

    def __init__(self, stream: TextIO, metrics: Metrics, least: int) -> None:
        super().__init__(stream)
        self._metrics = metrics
        self._least = least
        self._kinds: dict[tuple[object, ...], _Kind] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self._metrics.log_errors.inc()
        elif record.levelno >= logging.WARNING:
            self._metrics.log_warnings.inc()
        if record.levelno >= self._least and self._has_room(record):
            super().emit(record)

    def _has_room(self, record: logging.LogRecord) -> bool:
        """Tell if a line of its kind may still be written; one that may says how many before it might not."""
        about = (getattr(record, "source", None), getattr(record, "series", None))
        kind, now = (record.name, record.levelno, str(record.msg), *about), monotonic()
        known = self._kinds.get(kind)
        if known is None or now - known.began >= WITHIN_SECONDS:
            if len(self._kinds) >= _MOST_KINDS:  # of a kind that is not there any more nothing is left to say
                self._kinds = {one: it for one, it in self._kinds.items() if now - it.began < WITHIN_SECONDS}
            if known is not None and known.lines > MOST_OF_A_KIND:
                record.left_out = known.lines - MOST_OF_A_KIND
            known = self._kinds[kind] = _Kind(now)
        known.lines += 1
        if known.lines == MOST_OF_A_KIND:
            record.note = "further lines of this kind are left out for a minute"
        return known.lines <= MOST_OF_A_KIND


@dataclass(slots=True)
class _Kind:
    """Lines of one kind since the time `began`, those left out included."""

    began: float
    lines: int = 0


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """List keys and values of a line, in their order."""
    stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields: dict[str, object] = {
        "ts": stamp.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "msg": record.getMessage(),
        "component": record.name.removeprefix("sentinel.").removeprefix("runtime."),
    }
    fields |= {key: value for key, value in vars(record).items() if key not in _OWN and key not in fields}
    if record.exc_info and record.exc_info[0] is not None:
        fields["error"] = f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)
    return fields


class _LogfmtFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={_logfmt(value)}" for key, value in _fields(record).items())


def _logfmt(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "null" if value is None else str(value)
    # Quoted text is escaped like JSON: no value can end the line or begin another key.
    return text if _BARE.fullmatch(text) else json.dumps(text)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({key: _jsonable(value) for key, value in _fields(record).items()}, allow_nan=False)


def _jsonable(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
