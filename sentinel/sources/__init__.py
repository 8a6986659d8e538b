"""The sources of observations: one file per kind, and the registry of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sentinel.config import Source as SourceSettings
from sentinel.domain.clock import Clock
from sentinel.domain.errors import ConfigError
from sentinel.sources.base import HandOver, PullSource, PushSource, Source, SourceError
from sentinel.sources.csv import Files
from sentinel.sources.http import Endpoint
from sentinel.sources.kafka import Topics
from sentinel.sources.mqtt import Messages
from sentinel.sources.prometheus import Ranges
from sentinel.sources.push import Push
from sentinel.sources.simulate import Playback
from sentinel.sources.sql import Records

SOURCES: Mapping[str, Callable[[Any, Clock], Source]] = {
    "csv": Files, "simulate": Playback, "prometheus": Ranges, "sql": Records, "http": Endpoint, "mqtt": Messages,
    "kafka": Topics, "push": Push,
}  # fmt: skip
"""By kind: the class that is made from the settings of that kind."""


def make_source(settings: SourceSettings, clock: Clock) -> Source:
    """Make the source that these settings describe; ConfigError, with the key in front, if they cannot work."""
    return SOURCES[settings.kind](settings, clock)


def make_sources(settings: Sequence[SourceSettings], clock: Clock) -> list[Source]:
    """Make all sources of a configuration; ConfigError with one line for each whose settings cannot work."""
    sources, faults = [], []
    for position, each in enumerate(settings):
        try:
            sources.append(make_source(each, clock))
        except ConfigError as error:
            faults.append(f"sources[{position}].{error}")
    if faults:
        raise ConfigError("\n".join(faults))
    return sources


__all__ = [
    "SOURCES", "HandOver", "PullSource", "Push", "PushSource", "Source", "SourceError", "make_source", "make_sources",
]  # fmt: skip
