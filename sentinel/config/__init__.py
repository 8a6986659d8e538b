"""Configuration: read from YAML, checked, frozen; each fault is one line with file, line, key and what is allowed."""

from __future__ import annotations

from sentinel.config.alarms import (
    FLEET,
    RATIO,
    RELATIVE,
    RISE,
    RISE_RATIO,
    SLOWER,
    AlarmSettings,
)
from sentinel.config.asked import HttpSource, WebKeys
from sentinel.config.events import EventsFile, parse_moment, read_event
from sentinel.config.loading import (
    fingerprint,
    from_mapping,
    from_record,
    load,
    load_web_file,
    schema_text,
    settings_text,
    to_record,
    with_events,
)
from sentinel.config.notify import (
    AlertmanagerNotify,
    EmailNotify,
    ExecNotify,
    LogNotify,
    Notify,
    RemoteWriteNotify,
    WebhookNotify,
)
from sentinel.config.remote import (
    TEMPLATE,
    KafkaSource,
    MqttSource,
    PayloadKeys,
    PrometheusSource,
    PushSource,
    Source,
    SqlSource,
)
from sentinel.config.series import (
    DEFAULT_BANK,
    LONGEST_HALF_LIFE_TICKS,
    SHORTEST_HALF_LIFE_TICKS,
    SHORTEST_SEASON_TICKS,
    BankSettings,
    SeriesSettings,
    SiteSettings,
)
from sentinel.config.settings import (
    DaemonSettings,
    LogSettings,
    Settings,
    WebSettings,
    is_loopback,
)
from sentinel.config.sources import CsvSource, SimulateSource, TableKeys, identity, known_separator, known_time_zone
from sentinel.config.values import or_else
from sentinel.config.web_file import TlsServerConfig

__all__ = [
    "DEFAULT_BANK", "FLEET", "LONGEST_HALF_LIFE_TICKS", "RATIO", "RELATIVE", "RISE", "RISE_RATIO",
    "SHORTEST_HALF_LIFE_TICKS", "SHORTEST_SEASON_TICKS", "SLOWER", "TEMPLATE", "AlarmSettings", "AlertmanagerNotify",
    "BankSettings", "CsvSource", "DaemonSettings", "EmailNotify", "EventsFile", "ExecNotify", "HttpSource",
    "KafkaSource", "LogNotify", "LogSettings", "MqttSource", "Notify", "PayloadKeys", "PrometheusSource",
    "PushSource", "RemoteWriteNotify", "SeriesSettings", "Settings", "SimulateSource", "SiteSettings", "Source",
    "SqlSource", "TableKeys", "TlsServerConfig", "WebKeys", "WebSettings", "WebhookNotify", "fingerprint",
    "from_mapping", "from_record", "identity", "is_loopback", "known_separator", "known_time_zone", "load",
    "load_web_file", "or_else", "parse_moment", "read_event", "schema_text", "settings_text", "to_record",
    "with_events",
]  # fmt: skip
