"""Typed configuration: read from YAML, checked, frozen, printable.

`load` is the one way in. A fault is one line with file, line, key, what came and what is allowed.
"""

from __future__ import annotations

from sentinel.configuration.alarms import AlarmSettings, ChannelSettings
from sentinel.configuration.durations import (
    Budget,
    Cadence,
    HalfLife,
    parse_duration,
    parse_season,
    print_duration,
    print_season,
)
from sentinel.configuration.fingerprint import fingerprint
from sentinel.configuration.judging import BankSettings, SeriesSettings, SiteSettings
from sentinel.configuration.loading import load
from sentinel.configuration.process import DaemonSettings, LogNotify, LogSettings, Notify, WebSettings
from sentinel.configuration.settings import Settings
from sentinel.configuration.sources import CsvSource, SimulateSource, Source
from sentinel.configuration.written import Duration, Season

__all__ = [
    "AlarmSettings",
    "BankSettings",
    "Budget",
    "Cadence",
    "ChannelSettings",
    "CsvSource",
    "DaemonSettings",
    "Duration",
    "HalfLife",
    "LogNotify",
    "LogSettings",
    "Notify",
    "Season",
    "SeriesSettings",
    "Settings",
    "SimulateSource",
    "SiteSettings",
    "Source",
    "WebSettings",
    "fingerprint",
    "load",
    "parse_duration",
    "parse_season",
    "print_duration",
    "print_season",
]
