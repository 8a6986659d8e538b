"""Texts of others on a terminal and in a line."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice


def visible(text: str) -> str:
    """Write what would break a line or steer a terminal as Python escapes it: `\\n`, `\\x1b`."""
    return text if text.isprintable() else "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def some_of(texts: Collection[str], most: int) -> str:
    """List at most so many texts, and dots for the others."""
    return ", ".join([*islice(texts, most), *(["..."] if len(texts) > most else [])])
