"""All settings together: everything that can be written in a configuration file.

What a field may hold stands in its type, and what must fit between fields in the model that owns them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from functools import cached_property, partial
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, WithJsonSchema, model_serializer

from sentinel.config import values
from sentinel.config.alarms import DEFAULT_ALARMS, FLEET, LARGEST_ALPHA, SLOWER, AlarmSettings, alarm_conflicts
from sentinel.config.asked import HttpSource
from sentinel.config.events import EventSettings, EventsFile
from sentinel.config.notify import LogNotify, NamedPath, Notify, RemoteWriteNotify
from sentinel.config.remote import PushSource, Source, several_push
from sentinel.config.series import (
    DEFAULT_BANK,
    BankSettings,
    SeriesSettings,
    SiteSettings,
    hidden_series,
    missing_banks,
    short_half_lives,
    unusable_counterparts,
)
from sentinel.config.sources import CsvSource, repeated_identities, repeated_simulated_series
from sentinel.domain.labels import chooses_by_label, exposed_name, fits
from sentinel.domain.metrics import ESSENTIAL, SERIES_METRICS
from sentinel.domain.spans import DAY, MINUTE, print_duration

EntryKey: TypeAlias = tuple[int, tuple[int, ...]]
"""The matches of a name: position of its entry in `series`, -1 for none, and those of its rules in `alarms`."""


def _split_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError("host:port with a port from 0 (any free one) to 65535, such as 127.0.0.1:9814")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("host:port, an IPv6 address in brackets, such as [::1]:9814")
    return host.strip("[]"), int(port)


_OWN_PAGES = (
    "-", "api", "alarms", "config", "download", "favicon.ico", "metrics", "series", "sources", "static", "status",
    "write",
)  # fmt: skip


def _check_path(text: str) -> str:
    _, *parts = text.split("/")
    plain = re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", text) and not {".", ".."} & set(parts)
    if not plain or (parts and parts[0] in _OWN_PAGES):
        raise ValueError(
            "a path such as /sentinel, without / at its end; it begins with none of the server's own pages"
        )
    return text


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_HostName: TypeAlias = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^[0-9A-Fa-f:]+$", max_length=253)
]
"""Name or address of a machine, an IPv6 address without brackets."""


class DaemonSettings(values.Part):
    """The process: where its state is, how long it is kept, how much may wait."""

    state_dir: NamedPath = Path("/var/lib/sentinel")
    """Folder of the journal and the checkpoints; one process per folder."""
    checkpoint_every: values.PositiveDuration = 5 * MINUTE
    """Interval at which the state is saved; a restart replays at most this much of the journal."""
    retention: values.PositiveDuration = 7 * DAY
    """Age at which observations leave the journal."""
    retention_ticks: Annotated[int, Field(ge=0, le=100_000)] = 2_000
    """Ticks of each series that stay however old they are, but for `retention_bytes`; 0 = off."""
    retention_bytes: Annotated[values.Size, Field(ge=1024 * 1024)] = 2 * values.GIB
    """Size of the journal above which older observations are dropped."""
    inbox_observations: Annotated[int, Field(ge=1)] = 200_000
    """Observations that may wait for the engine; sources are held back when it is full."""
    digest_every_ticks: Annotated[int, Field(ge=0)] = 0
    """The journal keeps a digest of each series' state at every n-th tick; 0 = off."""


class LogSettings(values.Part):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is written."""
    format: Literal["logfmt", "json"] = "logfmt"
    """Form of the lines."""


def _check_series_metric(name: str) -> str:
    if name not in SERIES_METRICS:
        raise ValueError(f"{name!r} is no metric of a series; one of {', '.join(SERIES_METRICS)} is allowed")
    return name


_SeriesMetric: TypeAlias = Annotated[
    str, AfterValidator(_check_series_metric), WithJsonSchema({"type": "string", "enum": list(SERIES_METRICS)})
]


class WebSettings(values.Part):
    """The HTTP server of /metrics, the status page and the health checks."""

    listen: Annotated[str, AfterValidator(lambda text: _split_address(text) and text)] = "127.0.0.1:9814"
    """host:port; port 0 = any free one."""
    path: Annotated[str, AfterValidator(_check_path)] = ""
    """Path before every address, as a proxy that passes one path on to the daemon needs it, such as /sentinel."""
    config_file: NamedPath | None = None
    """TLS, users and headers, in a file as exporters of Prometheus have; null = neither TLS nor users."""
    hosts: tuple[_HostName, ...] = ()
    """Further names, without a port, that requests may be for; loopback and the host of `listen` always may."""
    max_series: Annotated[int, Field(ge=0)] = 1_000
    """Series shown one by one in /metrics; the rest is counted in sentinel_series_unexposed."""
    series_metrics: tuple[_SeriesMetric, ...] = ESSENTIAL
    """Readings of a series in /metrics beside its alarms: names without `sentinel_series_`."""
    detailed_series: Annotated[int, Field(ge=0)] = 50
    """Series of which all is shown in /metrics: those with an open alarm first, then by name."""
    labels: tuple[values.Text, ...] = ()
    """Labels of series that /metrics and alerts show beside the whole key, as label_NAME."""
    history_series: Annotated[int, Field(ge=0)] = 1_000
    """Series of which a history is kept for pictures."""

    @model_serializer(mode="wrap")
    def _leave_out_path(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Settings without a path are recorded, and have the fingerprint, as before there was one."""
        written: dict[str, Any] = write(self)
        return {key: value for key, value in written.items() if key != "path" or value}

    def _conflicts(self) -> Iterator[values.Fault]:
        shown = [exposed_name(label) for label in self.labels]
        for position, name in enumerate(shown):
            if name in shown[:position]:
                message = f"'{self.labels[position]}' is shown as {name}, as an earlier one is; name one of them"
                yield values.Fault(("labels", position), message)

    @property
    def address(self) -> tuple[str, int]:
        """Host (without brackets) and port of `listen`."""
        return _split_address(self.listen)


class DrillSettings(values.Part):
    """Drills: an artificial series is led to an alarm, through source, detector, rule and receivers, to test them."""

    every: values.PositiveDuration | None = None
    """Interval between drills; null = only when `sentinel drill` asks for one."""
    receivers: tuple[values.Name, ...] | None = None
    """Receivers that are told, by their names in `notify`; null = all of them."""
    timeout: values.PositiveDuration = MINUTE
    """Longest time that a link of the chain may take; then it has failed."""
    keep: values.PositiveDuration = MINUTE
    """Time for which the alarm of a drill stays open, so that Prometheus scrapes it and its rules see it."""

    def _conflicts(self) -> Iterator[values.Fault]:
        shortest = self.keep + 3 * self.timeout
        if self.every is not None and self.every < shortest:
            message = f"is less than keep and 3 times timeout; at least {print_duration(shortest)} are needed"
            yield values.Fault(("every",), message)


_DEFAULT_SERIES, _DEFAULT_DETECTORS = SeriesSettings(), BankSettings()


class Settings(values.Part):
    """All settings."""

    daemon: DaemonSettings = DaemonSettings()
    """The process."""
    log: LogSettings = LogSettings()
    """The log."""
    web: WebSettings = WebSettings()
    """The HTTP server."""
    sources: Annotated[
        tuple[Source, ...],
        values.without(values.repeated_names, repeated_identities, repeated_simulated_series, several_push),
    ] = ()
    """Sources of observations."""
    series: Annotated[tuple[SeriesSettings, ...], values.without(hidden_series, unusable_counterparts)] = ()
    """Treatment of series; the first entry whose match fits a series' name wins."""
    banks: dict[values.Name, BankSettings] = Field(default_factory=dict)
    """Banks of detectors by name; the one named default is for all series that name none."""
    alarms: Annotated[tuple[AlarmSettings, ...], values.without(alarm_conflicts)] = DEFAULT_ALARMS
    """The rules; of two with the same claim that match a series the first applies. Without any given: slower than it
    was, as a warning with one false alarm a year and series, and critical with one in ten years."""
    events: tuple[EventSettings, ...] = ()
    """Maintenance, calibrations, changed sensors and interventions: what holds series, or lets them begin anew."""
    event_files: tuple[EventsFile, ...] = ()
    """Tables of such events, read with the settings."""
    sites: Annotated[tuple[SiteSettings, ...], values.without(values.repeated_names)] = ()
    """Several variables of one site, alarming together."""
    notify: Annotated[tuple[Notify, ...], values.without(values.repeated_names)] = (LogNotify(),)
    """Receivers of notifications."""
    drill: DrillSettings = DrillSettings()
    """Drills of the whole chain."""

    def _conflicts(self) -> Iterator[values.Fault]:
        yield from missing_banks(self.series, self.banks)
        yield from short_half_lives(self.series, self.banks)
        yield from self._large_budgets()
        yield from self._open_doors()
        sinks = [sink.name for sink in self.notify if not isinstance(sink, RemoteWriteNotify)]
        for position, name in enumerate(self.drill.receivers or ()):
            if name not in sinks:
                yield values.Fault(
                    ("drill", "receivers", position), f"'{name}'; {values.or_else(name, sinks, 'receivers of alarms')}"
                )
        most = self.daemon.inbox_observations
        for position, source in enumerate(self.sources):
            if isinstance(source, CsvSource | HttpSource) and (number := source.max_observations) > most:
                message = f"{number} is more than daemon.inbox_observations; at most {most} are allowed"
                yield values.Fault(("sources", position, "max_observations"), message)

    def _open_doors(self) -> Iterator[values.Fault]:
        """Find a source that takes what anybody on the network sends."""
        host = self.web.address[0]
        for position, source in enumerate(self.sources):
            if isinstance(source, PushSource) and source.token_file is None and not is_loopback(host):
                message = f"nothing came, and anybody who reaches web.listen {self.web.listen} could send; name a file"
                yield values.Fault(("sources", position, "token_file"), message)

    def _large_budgets(self) -> Iterator[values.Fault]:
        """Find budgets of more than one false alarm in 10 ticks, wherever the cadence is known."""
        for position, rule in enumerate(self.alarms):
            for entry in self.series:
                if rule.false_alarms is None or entry.cadence is None:
                    continue
                alpha = rule.uncut_alpha(entry.cadence) if rule.kind != SLOWER else rule.alpha_per_tick(entry.cadence)
                matches = rule.match == entry.match or fits(entry.match, rule.match)
                if matches and alpha > LARGEST_ALPHA:
                    message = (
                        f"{rule.false_alarms} is alpha {alpha:.3g} per tick of cadence {entry.cadence} of series "
                        f"'{entry.match}'; at most {LARGEST_ALPHA:g} is allowed"
                    )
                    yield values.Fault(("alarms", position, "false_alarms"), message)
                    break

    @cached_property
    def _first_match(self) -> Callable[[str], int]:
        """Find the first entry that fits a name; -1 = none does."""
        patterns = [entry.match for entry in self.series]
        if any(chooses_by_label(pattern) for pattern in patterns):
            return lambda name: next((i for i, pattern in enumerate(patterns) if fits(name, pattern)), -1)
        # One pattern whose n-th group is the n-th entry: the first that matches is the only group that took part.
        find = re.compile("|".join(f"({translate(pattern)})" for pattern in patterns)).match
        return lambda name: (((found := find(name)) and found.lastindex) or 0) - 1

    @cached_property
    def _rule_matches(self) -> list[Callable[[str], object]]:
        return [
            partial(fits, pattern=rule.match)
            if chooses_by_label(rule.match)
            else re.compile(translate(rule.match)).match
            for rule in self.alarms
        ]

    @cached_property
    def _rules(self) -> dict[tuple[int, ...], tuple[AlarmSettings, ...]]:
        """Rules by their positions: names that match the same share them."""
        return {}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the settings; what matches a name is found anew in the copy."""
        copied = super().model_copy(update=update, deep=deep)
        for found in ("_first_match", "_rule_matches", "_rules"):
            copied.__dict__.pop(found, None)
        return copied

    def entry_key(self, name: str) -> EntryKey:
        """Return what decides all settings of a series but its counterpart: its entry and its rules."""
        return self._first_match(name), tuple(i for i, matches in enumerate(self._rule_matches) if matches(name))

    def series_for(self, name: str) -> SeriesSettings:
        """Return the first entry of `series` that matches the name, or the defaults."""
        entry = self._first_match(name)
        return self.series[entry] if entry >= 0 else _DEFAULT_SERIES

    def counterpart_for(self, name: str) -> str | None:
        """Return the name of the counterpart of the series of that name; None if it has none."""
        return self.series_for(name).counterpart_of(name)

    def bank_for(self, name: str) -> BankSettings:
        """Return the bank of the series of that name: the one its entry names, or the default one."""
        return self.banks.get(self.series_for(name).bank or DEFAULT_BANK, _DEFAULT_DETECTORS)

    @property
    def shares_with_fleet(self) -> bool:
        """True if a budget is shared by as many series as there are."""
        return any(rule.shared_by == FLEET for rule in self.alarms)

    def divide(self, names: Iterable[str]) -> Self:
        """Count for each rule that is `shared_by: fleet` which of these series it is for, and write the number in.

        It is rounded up to a power of two: a fleet that grows is divided anew a few times, not with every series.
        """
        if not self.shares_with_fleet:
            return self
        applied = Counter(id(rule) for name in set(names) for rule in self.rules_for(name))
        divided = (
            rule.model_copy(update={"shared_by": 1 << max(0, applied[id(rule)] - 1).bit_length()})
            if rule.shared_by == FLEET
            else rule
            for rule in self.alarms
        )
        return self.model_copy(update={"alarms": tuple(divided)})

    def rules_for(self, name: str) -> tuple[AlarmSettings, ...]:
        """Return the rules of the series of that name, in the order they are written, one per kind and claim."""
        _, positions = self.entry_key(name)
        if positions not in self._rules:
            chosen: dict[tuple[str, str], AlarmSettings] = {}
            for rule in (self.alarms[position] for position in positions):
                chosen.setdefault((rule.kind, rule.label), rule)
            self._rules[positions] = tuple(chosen.values())
        return self._rules[positions]
