"""Payloads of messages: a number, or values and a time at places of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sentinel.config import PayloadKeys
from sentinel.domain.labels import extend_name
from sentinel.domain.observation import Rejection
from sentinel.sources.rows import Rows, flat_numbers, microseconds_of

LONGEST_PAYLOAD, LONGEST_NUMBER = 1 << 20, 1_000
"""Bytes that JSON and a number may have; a number is never read by its beginning alone."""


class Payloads:
    """Reads the messages of one source."""

    def __init__(self, settings: PayloadKeys) -> None:
        self._settings, self._zone = settings, ZoneInfo(settings.time_zone)

    def read(self, key: str, payload: bytes, arrived_us: int | None, rows: Rows, what: str) -> None:
        """Take the observations of one message; `key` is that of its series, or of all but the place in JSON."""
        settings, place = self._settings, len(rows)
        if not settings.values:
            text = payload[:LONGEST_NUMBER].decode("utf-8", "replace") + "..." * (len(payload) > LONGEST_NUMBER)
            rows.add(key, arrived_us, text, place)
            return
        try:
            found = json.loads(payload) if len(payload) <= LONGEST_PAYLOAD else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict | list):
            rows.leave_out(Rejection.MALFORMED_ROW, place, f"{what}: no JSON object")
            return
        time_us, came = arrived_us, None
        if settings.time is not None:
            came = _at(found, settings.time)
            time_us = microseconds_of(came, settings.time_format, self._zone)
        for where, value in self._values(found).items():
            rows.add(extend_name(key, f"/{where}"), time_us, value, place, came)

    def _values(self, payload: object) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for where in self._settings.values:
            if where == "*":
                found |= {key: value for key, value in flat_numbers(payload).items() if key != self._settings.time}
            else:
                found[where] = _at(payload, where)
        return found


def _at(value: Any, path: str) -> object:
    """Give what is at a place such as `air.0.temp`; None where there is nothing."""
    for key in path.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
