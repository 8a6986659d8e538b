"""All settings together: everything that can be written in a configuration file.

Settings are frozen. What a field may hold stands in its type, what must fit between fields in the model that owns them,
and what must fit between models in `conflicts.py`. `load` reads settings from files and says where every fault is.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Self

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

    def series_for(self, name: str) -> SeriesSettings:
        """Return the first entry of `series` that matches the name, or the defaults."""
        return next((entry for entry in self.series if fnmatchcase(name, entry.match)), SeriesSettings())

    def counterpart_for(self, name: str) -> str | None:
        """Return the name of the counterpart of the series of that name; None if it has none."""
        return self.series_for(name).counterpart_of(name)

    def bank_for(self, name: str) -> BankSettings:
        """Return the bank of the series of that name: the one its entry names, or the default one."""
        return self.banks.get(self.series_for(name).bank or DEFAULT_BANK, BankSettings())

    def rules_for(self, name: str) -> tuple[AlarmSettings, ...]:
        """Return the rules of the series of that name, in the order they are written, one per kind and claim."""
        chosen: dict[tuple[str, str], AlarmSettings] = {}
        for rule in self.alarms:
            if fnmatchcase(name, rule.match):
                chosen.setdefault((rule.kind, rule.label), rule)
        return tuple(chosen.values())
