"""Time zones as the names of time columns write them: `GMT-05:00`, `(EDT)`, `[MESZ]`."""

from __future__ import annotations

import re

from sentinel.tables.times import ZONES

_HOURS = {
    **{name: float(hours) for name, hours in ZONES.items() if name != "Z"},
    "ACST": 9.5, "NST": -3.5,
}  # fmt: skip
"""Hours east of UTC of abbreviations that mean one offset wherever they are used; BST and IST do not."""
_FIXED = {
    "-09:30": "Pacific/Marquesas", "+04:30": "Asia/Kabul", "+05:30": "Asia/Kolkata", "+05:45": "Asia/Kathmandu",
    "+06:30": "Asia/Yangon", "+09:30": "Australia/Darwin",
}  # fmt: skip
"""Zones whose offset is no whole hour and has not changed since there are loggers."""
_OFFSET = re.compile(r"(?:UTC|GMT)\s*([-+\u2212\u2013])\s*(\d{1,2})(?::?(\d{2}))?\b")


CHANGING = {
    "EST/EDT": "America/New_York", "CST/CDT": "America/Chicago", "MST/MDT": "America/Denver",
    "PST/PDT": "America/Los_Angeles", "AKST/AKDT": "America/Anchorage", "AST/ADT": "America/Halifax",
    "CET/CEST": "Europe/Berlin", "MEZ/MESZ": "Europe/Berlin", "GMT/BST": "Europe/London", "WET/WEST": "Europe/Lisbon",
    "EET/EEST": "Europe/Helsinki", "AEST/AEDT": "Australia/Sydney", "NZST/NZDT": "Pacific/Auckland",
}  # fmt: skip
"""Zones of times on the clock on the wall, by their two abbreviations."""


def zone_of(offset: str) -> str:
    """Name the zone that always has this offset, `-05:00`; the offset itself, which is asked about, where none has."""
    hours, minutes = int(offset[:3]), offset[4:]
    if minutes != "00" or not -12 <= hours <= 14:
        return _FIXED.get(offset, offset)
    # The names of fixed zones count hours west of Greenwich.
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


def zone_in_name(name: str) -> tuple[str, str] | None:
    """Find a zone in the name of a column: the text that says it, and its name; None where there is none."""
    if found := _OFFSET.search(name):
        sign = "+" if found[1] == "+" else "-"
        return found[0], zone_of(f"{sign}{int(found[2]):02d}:{found[3] or '00'}")
    words = re.findall(r"(?<![A-Za-z])[A-Z]{3,4}(?![A-Za-z])", name)
    both = re.search(r"(?<![A-Za-z])([A-Z]{3,4})\s*/\s*([A-Z]{3,4})(?![A-Za-z])", name)
    if both and (zone := CHANGING.get(f"{both[1]}/{both[2]}")):
        return both[0], zone
    told = next((word for word in words if word in _HOURS), None)
    if told is None:
        return None
    minutes = round(_HOURS[told] * 60)
    return told, zone_of(f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}")
