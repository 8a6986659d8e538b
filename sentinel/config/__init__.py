"""Typed configuration: read from YAML, checked, frozen, printable.

`load` is the one way in. A fault is one line with file, line, key, what came and what is allowed.
"""

from __future__ import annotations

from sentinel.config.alarms import AlarmSettings, ChannelSettings
from sentinel.config.fingerprint import fingerprint
from sentinel.config.judging import BankSettings, SeriesSettings, SiteSettings
from sentinel.config.loading import load
from sentinel.config.process import DaemonSettings, LogNotify, LogSettings, Notify, WebSettings
from sentinel.config.settings import Settings
from sentinel.config.sources import CsvSource, SimulateSource, Source
from sentinel.config.written import Duration, Season
from sentinel.domain.spans import Budget, Cadence, HalfLife, parse_duration, parse_season, print_duration, print_season

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
