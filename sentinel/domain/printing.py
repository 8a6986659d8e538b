"""Texts from outside, made safe for a terminal and for one line; NaN and infinities made null for JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from math import isfinite
from typing import Any


def visible(text: str) -> str:
    """Write what would break a line or steer a terminal as Python escapes it: `\\n`, `\\x1b`."""
    return text if text.isprintable() else "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def some_of(texts: Collection[str], most: int) -> str:
    """List at most so many texts, and dots for the others."""
    return ", ".join([*islice(texts, most), *(["..."] if len(texts) > most else [])])


def for_json(value: Any) -> Any:
    """Replace NaN and infinities, for which JSON has no word, by None, however deep they lie."""
    if isinstance(value, Mapping):
        return {key: for_json(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [for_json(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
