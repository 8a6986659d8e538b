"""The stability spectrogram of one series, as a file or inside a page: the one door to matplotlib.

Only `figure` draws with matplotlib, which takes half a second to load: whoever needs a file imports it then.
"""

from __future__ import annotations

from typing import TypeAlias

from sentinel.domain.events import AlarmEvent
from sentinel.views.picture.look import Look

__all__ = ["FORMATS", "Alarm", "Look"]

FORMATS = ("pdf", "png", "svg")
"""Endings of files that can be written."""

Alarm: TypeAlias = tuple[AlarmEvent, int | None]
"""An alarm that was raised, and when it was cleared, in microseconds; None while it is open."""
