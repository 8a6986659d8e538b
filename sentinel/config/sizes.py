"""Sizes in bytes as people write them: ``500MiB``, ``2GiB``."""

from __future__ import annotations

import re

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
_UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}

SIZE_PATTERN = r"^[0-9]+(B|KiB|MiB|GiB|TiB)$"
SIZE_FORM = "a size is a whole number of bytes or a number and a unit: KiB, MiB, GiB or TiB"


def parse_size(value: object) -> int:
    """``500MiB`` or a whole number to bytes; ValueError says how sizes are written."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"([0-9]+)([A-Za-z]+)", value) if isinstance(value, str) else None
    if match is None or match[2] not in _UNITS:
        raise ValueError(SIZE_FORM)
    return int(match[1]) * _UNITS[match[2]]


def print_size(size: int) -> str:
    """Bytes to the largest unit that divides them: ``2GiB``."""
    for unit, scale in reversed(_UNITS.items()):
        if size % scale == 0 and size >= scale:
            return f"{size // scale}{unit}"
    return f"{size}B"
