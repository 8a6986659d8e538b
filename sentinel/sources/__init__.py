"""Where observations come from: one file per kind of source, and the registry of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sentinel.config import Source as SourceSettings
from sentinel.domain.clock import Clock
from sentinel.sources.base import Source, SourceError
from sentinel.sources.csv import Files
from sentinel.sources.simulate import Playback

SOURCES: Mapping[str, Callable[[Any, Clock], Source]] = {
    "csv": Files,
    "simulate": Playback,
}
"""How a source of each kind is made from its settings."""


def make_source(settings: SourceSettings, clock: Clock) -> Source:
    """The source that these settings describe."""
    return SOURCES[settings.kind](settings, clock)


__all__ = ["SOURCES", "Source", "SourceError", "make_source"]
