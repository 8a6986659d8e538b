"""Text exports of older RBR loggers: lines that describe, one of names, and rows with or without their times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from sentinel.tables.cells import ROW
from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, is_number


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not re.match(r"RBR |Model=", lines[0]) or not any(re.match("Logging", line) for line in lines):
        return None
    rows = [(n, line.split()) for n, line in enumerate(lines) if line.strip()]
    for (at, names), (_, cells) in pairwise(rows):
        dated = names[:3] == ["Date", "&", "Time"]
        names = ["date", "time", *names[3:]] if dated else names
        if len(names) == len(cells) and not any(map(is_number, names)) and all(map(is_number, cells[2 * dated :])):
            when = {"time_column": ("date", "time")} if dated else _count_from_start(lines[:at])
            return {
                "separator": "whitespace", "comment": None, "skip_rows": at + 1, "names": tuple(names), **when
            }  # fmt: skip
    raise UnfinishedError


def _count_from_start(lines: Sequence[str]) -> Patch:
    """Give the time of rows that have none: they count from the start, `10/03/12 12:00:00`, by the period."""
    text = "\n".join(lines)
    start = re.search(r"Logging start\s+(\d\d/\d\d/\d\d \d\d:\d\d:\d\d)", text)
    period = re.search(r"(?m)^\w+ period\s+(\d+):(\d\d):(\d\d)", text)
    if start is None or period is None:
        return {}
    hours, minutes, seconds = map(int, period.groups())
    try:
        moment = datetime.strptime(start[1], "%y/%m/%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return {}
    step = (hours * 60 + minutes) * 60 + seconds
    return {"time_column": ROW, "time_format": f"{step} seconds since {moment:%Y-%m-%dT%H:%M:%S}"}


RBR = Dialect("rbr", "a text export of an RBR logger", _recognise)
