"""Exports of the weather stations of Davis (WeatherLink): tabs, names over two lines, `---` where there is no value."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    above, below = (split(line, "\t") for line in (*lines[:2], "", "")[:2])
    if above[:2] != ["", ""] or below[:2] != ["Date", "Time"] or len(above) > len(below):
        return None
    above += [""] * (len(below) - len(above))
    names = tuple(f"{first} {second}".strip() for first, second in zip(above, below, strict=True))
    if len(set(names)) < len(names):
        return None
    return {
        "separator": "\t", "skip_rows": 2, "names": names, "time_column": ("Date", "Time"), "missing": ("---",)
    }  # fmt: skip


DAVIS = Dialect("davis", "an export of WeatherLink", _recognise)
