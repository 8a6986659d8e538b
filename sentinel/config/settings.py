"""All settings together: everything that can be written in a configuration file.

Settings are frozen. What a field may hold stands in its type, what must fit between fields in the model that owns them,
and what must fit between models in `conflicts.py`. `load` reads settings from files and says where every fault is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from functools import cached_property
from typing import Any, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from sentinel.config import conflicts
from sentinel.config.alarms import AlarmSettings
from sentinel.config.faults import refuse
from sentinel.config.process import DaemonSettings, LogNotify, LogSettings, Notify, WebSettings
from sentinel.config.series import BankSettings, SeriesSettings, SiteSettings
from sentinel.config.sources import Source
from sentinel.config.values import Name, Part

DEFAULT_BANK = "default"
"""Name of the bank of all series that name none."""

EntryKey: TypeAlias = tuple[int, tuple[int, ...]]
"""What matches a name: the position of its entry in `series`, -1 for none, and those of its rules in `alarms`."""


class _Matching:
    """Finds what matches a name; patterns are compiled once, and names that match the same share their results."""

    def __init__(self, settings: Settings) -> None:
        # One pattern whose n-th group is the n-th entry: the first that matches is the only group that took part.
        entries = "|".join(f"({translate(entry.match)})" for entry in settings.series)
        self._first = re.compile(entries).match if settings.series else None
        self._fits = [
            None if rule.match == "*" else re.compile(translate(rule.match)).match for rule in settings.alarms
        ]
        self._alarms = settings.alarms
        self._rules: dict[tuple[int, ...], tuple[AlarmSettings, ...]] = {}
        self.series = (*settings.series, SeriesSettings())  # the last one, at -1, is for names that match no entry
        names = [entry.bank or DEFAULT_BANK for entry in self.series]
        self.banks = [settings.banks.get(name, BankSettings()) for name in names]

    def entry(self, name: str) -> int:
        found = self._first(name) if self._first else None
        return (found.lastindex or 0) - 1 if found else -1

    def rule_positions(self, name: str) -> tuple[int, ...]:
        return tuple(i for i, fits in enumerate(self._fits) if fits is None or fits(name))

    def rules(self, positions: tuple[int, ...]) -> tuple[AlarmSettings, ...]:
        if positions not in self._rules:
            chosen: dict[tuple[str, str], AlarmSettings] = {}
            for position in positions:
                rule = self._alarms[position]
                chosen.setdefault((rule.kind, rule.label), rule)
            self._rules[positions] = tuple(chosen.values())
        return self._rules[positions]


class Settings(Part):
    """All settings."""

    daemon: DaemonSettings = DaemonSettings()
    """The process."""
    log: LogSettings = LogSettings()
    """The log."""
    web: WebSettings = WebSettings()
    """The HTTP server."""
    sources: tuple[Source, ...] = ()
    """Where observations come from."""
    series: tuple[SeriesSettings, ...] = ()
    """How series are treated; the first entry whose match fits a series' name wins."""
    banks: dict[Name, BankSettings] = Field(default_factory=dict)
    """Banks of detectors by name; the one named default is for all series that name none."""
    alarms: tuple[AlarmSettings, ...] = (AlarmSettings(threshold=0.8, alpha=1e-4),)
    """The rules; of two with the same claim that match a series the first applies."""
    sites: tuple[SiteSettings, ...] = ()
    """Several variables of one site, alarming together."""
    notify: tuple[Notify, ...] = (LogNotify(),)
    """Where notifications go."""

    @field_validator("sources")
    @classmethod
    def _sources_are_distinct(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        refuse(conflicts.repeated_names(sources))
        refuse(conflicts.repeated_simulated_series(sources))
        return sources

    @field_validator("notify")
    @classmethod
    def _sinks_are_distinct(cls, notify: tuple[Notify, ...]) -> tuple[Notify, ...]:
        refuse(conflicts.repeated_names(notify))
        return notify

    @field_validator("series")
    @classmethod
    def _every_entry_can_match(cls, series: tuple[SeriesSettings, ...]) -> tuple[SeriesSettings, ...]:
        refuse(conflicts.hidden_series(series))
        refuse(conflicts.unusable_counterparts(series))
        return series

    @field_validator("sites")
    @classmethod
    def _sites_are_distinct(cls, sites: tuple[SiteSettings, ...]) -> tuple[SiteSettings, ...]:
        refuse(conflicts.repeated_names(sites))
        return sites

    @field_validator("alarms")
    @classmethod
    def _rules_are_distinct(cls, alarms: tuple[AlarmSettings, ...]) -> tuple[AlarmSettings, ...]:
        refuse(conflicts.alarm_conflicts(alarms))
        return alarms

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        refuse(conflicts.missing_banks(self.series, self.banks))
        refuse(conflicts.short_half_lives(self.series, self.banks, DEFAULT_BANK))
        refuse(conflicts.large_budgets(self.series, self.alarms))
        refuse(conflicts.oversized_reads(self.sources, self.daemon))
        return self

    @cached_property
    def _matching(self) -> _Matching:
        return _Matching(self)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the settings; what matches a name is found anew in the copy."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_matching", None)
        return copied

    def entry_key(self, name: str) -> EntryKey:
        """Return what decides the settings of the series of that name: equal keys have the same entry, bank and rules.

        Only the counterpart depends on the name itself too.
        """
        return self._matching.entry(name), self._matching.rule_positions(name)

    def series_for(self, name: str) -> SeriesSettings:
        """Return the first entry of `series` that matches the name, or the defaults."""
        return self._matching.series[self._matching.entry(name)]

    def counterpart_for(self, name: str) -> str | None:
        """Return the name of the counterpart of the series of that name; None if it has none."""
        return self.series_for(name).counterpart_of(name)

    def bank_for(self, name: str) -> BankSettings:
        """Return the bank of the series of that name: the one its entry names, or the default one."""
        return self._matching.banks[self._matching.entry(name)]

    def rules_for(self, name: str) -> tuple[AlarmSettings, ...]:
        """Return the rules of the series of that name, in the order they are written, one per kind and claim."""
        return self._matching.rules(self._matching.rule_positions(name))
