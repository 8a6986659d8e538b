"""Files of Van Essen's Diver loggers (.MON, .DAT): sections that describe, rows below `[Data]` and their number."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not lines[0].startswith("Data file for DataLogger"):
        return None
    data = next((n for n, line in enumerate(lines) if line.strip() == "[Data]"), None)
    if data is None:
        raise UnfinishedError
    channels: dict[str, dict[str, str]] = {}
    here = ""
    for line in lines[:data]:
        if section := re.match(r"\s*\[(Channel \d+)", line):
            here = section[1]  # `[Channel 1 from data header]` says the same again
        elif re.match(r"\s*\[", line):
            here = ""
        elif here and (entry := re.match(r"\s*(Identification|Range|Reference level)\s*=\s*(.*?)\s*$", line)):
            channels.setdefault(here, {}).setdefault(entry[1], entry[2])
    return {
        "separator": "whitespace", "comment": "END", "skip_rows": data + 2,
        "names": ("date", "time", *(_name(channels[one]) for one in sorted(channels))), "time_column": ("date", "time"),
    }  # fmt: skip


def _name(channel: dict[str, str]) -> str:
    """Name a channel, with the unit that stands behind the number of its range."""
    unit = re.match(r"[-\d.,]+\s*(\S+)$", channel.get("Range") or channel.get("Reference level", ""))
    return channel.get("Identification", "?") + (f" [{unit[1]}]" if unit else "")


DIVER = Dialect("diver", "a file of a Diver logger", _recognise)
