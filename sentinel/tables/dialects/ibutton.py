"""Missions of iButton loggers, as OneWireViewer writes them: lines on the mission, then Date/Time, Unit and Value."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not lines[0].startswith("1-Wire/iButton"):
        return None
    header = next((n for n, line in enumerate(lines) if line.strip().startswith("Date/Time,Unit,Value")), None)
    if header is None:
        raise UnfinishedError
    return {"skip_rows": header, "time_column": "Date/Time"}


IBUTTON = Dialect("ibutton", "a mission of an iButton logger", _recognise)
