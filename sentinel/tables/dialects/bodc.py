"""Tide gauge records of the British Oceanographic Data Centre: lines that describe, two of names, numbered cycles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not re.match(r"Port: ", lines[0]):
        return None
    at = next((n for n, line in enumerate(lines) if not re.match(r"[\w ]+:(\s|$)|\s*$", line)), None)
    if at is None:
        raise UnfinishedError
    if not re.match(r"\s*Cycle\s+Date\s+Time\s", lines[at]):
        return None
    return {
        "separator": "whitespace", "comment": None, "skip_rows": at + 2, "names": tuple(lines[at].split()),
        "time_column": ("Date", "Time"), "exclude": ("Cycle",), "missing": ("-99", "-99.0000N"),
        "trailing": ("M", "T"),  # improbable, interpolated
    }  # fmt: skip


BODC = Dialect("bodc", "a tide gauge record of the British Oceanographic Data Centre", _recognise)
